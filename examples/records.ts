/**
 * A record stream from its making to its growth: records with and without keys, places to read from, and a stream that
 * grows without breaking the order of any key. `node examples/records.ts [URL]`; the URL is `memory:` unless given.
 */
import { json, open } from "../src/index.ts";

interface Reading {
	readonly celsius: number;
}

await using store = await open(process.argv[2] ?? "memory:");
const made = await store.scope("house").create("readings", { kind: "records", shards: 2 });
const readings = made.as(json<Reading>());

// Records of one key go to one shard, in the order of the calls; a shard may be named as well.
const placed = await readings.append([
	{ key: "kitchen", value: { celsius: 21 } },
	{ key: "attic", value: { celsius: 14 } },
	{ key: "kitchen", value: { celsius: 22 }, headers: { unit: "C" } },
]);
const kitchen = placed[0]?.shard ?? 0;
console.log(`kitchen is on one shard: ${placed[2]?.shard === kitchen}`);
const [named] = await readings.append({ value: { celsius: 3 }, shard: 1 - kitchen });
console.log(`named a shard: ${named?.shard === 1 - kitchen}`);

// From the head, from the last ones, from a sequence: each shard counts from 0.
for await (const { sequence, value } of readings.read({ shard: kitchen, from: "head", limit: 1 })) {
	console.log(`head: sequence ${sequence}, ${value.celsius} °C`);
}
for await (const { key, value } of readings.read({ shard: kitchen, from: { last: 1 } })) {
	console.log(`last of its shard: ${key}, ${value.celsius} °C`);
}

// What one looks at between two cuts stays the same, whatever is appended meanwhile.
const before = await readings.cut();
await readings.append({ key: "kitchen", value: { celsius: 23 } });
const after = await readings.cut();
await readings.append({ key: "kitchen", value: { celsius: 24 } });
for await (const { value } of readings.read({ fromCut: before, toCut: after })) {
	console.log(`between the cuts: ${value.celsius} °C`);
}

// A key stays where it is, or moves to a new shard: who reads the whole stream sees it in its order.
await readings.update({ shards: 8 });
await readings.append({ key: "kitchen", value: { celsius: 25 } });
const seen: number[] = [];
for await (const { key, value } of readings.read()) if (key === "kitchen") seen.push(value.celsius);
console.log(`kitchen, in order: ${seen.join(" ")}`);

// A condition on the tail of a shard: of those who append at the same time one succeeds.
const { shards } = await readings.info();
const tail = shards[kitchen]?.tail ?? 0;
const stale = readings.append({ value: { celsius: 0 }, shard: kitchen }, { expect: tail - 1 });
console.log(await stale.catch((error: { code: string }) => error.code));
