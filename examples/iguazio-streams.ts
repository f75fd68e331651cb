/**
 * Iguazio's streams, step by step: put records with and without keys, seek each way, get them in a loop, grow.
 * docs/guide/records.md has the calls. Usage: node examples/iguazio-streams.ts [STORE]
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Location, open, utf8 } from "../src/index.ts";

await using store = await open(process.argv[2] ?? "memory:");

// CreateStream: shards can become more later, and cost nothing; records younger than the retention period stay.
const HOURS = 60 * 60 * 1000;
const made = await store.scope("web").create("clicks", {
	kind: "records",
	shards: 2,
	retention: { ageMs: 48 * HOURS },
});
const clicks = made.as(utf8);
console.log(`created web/clicks with ${(await clicks.info()).shards.length} shards`);

// PutRecords: with a partition key, for a shard (which goes before the key), and with neither.
const placed = await clicks.append([
	{ key: "alice", value: "/home" },
	{ key: "alice", value: "/cart" },
	{ key: "alice", value: "/paid", shard: 1, clientInfo: Buffer.from("v2") },
]);
const home = placed[0]?.shard;
console.log(
	`records of one key meet in a shard: ${placed[1]?.shard === home}, unless it is named: ${placed[2]?.shard}`,
);
await clicks.append(Array.from({ length: 10 }, (_, index) => ({ value: `/page-${index}` })));
const counts = (await clicks.info()).shards.map(({ tail }) => tail);
console.log(`without a key they take turns: ${(counts[0] ?? 0) + (counts[1] ?? 0)} records, ${counts.join(" and ")}`);

// With each record come its sequence and ingestion time, its key and client info.
for await (const { key, value, clientInfo } of clicks.read({ shard: 1, limit: 20 })) {
	if (clientInfo !== null) console.log(`${key} at ${value}, client info ${Buffer.from(clientInfo).toString()}`);
}

// Seek: EARLIEST, LATEST, TIME, SEQUENCE. One shard, in another stream, so that there is something to tell apart.
const log = (await store.scope("web").create("log", { kind: "records" })).as(utf8);
await log.append({ value: "started" });
await sleep(5);
const [ready] = await log.append({ value: "ready" });
await sleep(5);
await log.append([{ value: "request" }, { value: "stopped" }]);
const places: readonly (readonly [name: string, from: Location])[] = [
	["EARLIEST", "head"],
	["TIME", { time: ready?.time ?? 0 }],
	["SEQUENCE", { sequence: 2 }],
	["LATEST", "tail"],
];
for (const [name, from] of places) {
	const found = await Array.fromAsync(log.read({ shard: 0, from }), ({ value }) => value);
	console.log(`${name}: ${found.length === 0 ? "nothing yet" : found.join(" ")}`);
}

// GetRecords: so many at a time; each answer says where the next one begins, and how many are left.
let location: string | undefined;
for (;;) {
	const reader = await log.read({ shard: 0, fromCut: location, limit: 3 }).open();
	const found = await Array.fromAsync(reader, ({ value }) => value);
	location = reader.location;
	const { records } = await log.read({ shard: 0, fromCut: location }).behind();
	console.log(`got ${found.join(" ") || "nothing"}, ${records} left`);
	if (found.length === 0) break;
}
await log.append({ value: "again" });
for await (const { value } of log.read({ shard: 0, fromCut: location }))
	console.log(`from the same location: ${value}`);

// UpdateStream: a key keeps its shard or moves to a new one, and stays there.
const keys = Array.from({ length: 100 }, (_, index) => `user-${index}`);
const before = await Promise.all(keys.map((key) => clicks.shardOf(key)));
await clicks.update({ shards: 3 });
const after = await Promise.all(keys.map((key) => clicks.shardOf(key)));
const moved = after.filter((shard, index) => shard !== before[index]);
console.log(`${moved.length} of 100 keys moved, all of them to shard ${[...new Set(moved)].join(", ")}`);
