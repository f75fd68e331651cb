/**
 * Pravega's event client, step by step: routing keys, a serializer, several readers, a scaling that keeps each key's order.
 * docs/guide/from-pravega.md has its names and ours side by side. Usage: node examples/pravega-events.ts [STORE]
 */
import { json, open, pair, type RecordStream } from "../src/index.ts";

/** What the events are. */
interface Measured {
	readonly device: string;
	readonly number: number;
}

await using store = await open(process.argv[2] ?? "memory:");

// A stream with two segments; here they are shards.
const made = await store.scope("factory").create("measurements", { kind: "records", shards: 2 });
const events = made.as(json<Measured>());
console.log("created factory/measurements with 2 shards");

// Write: the events of a routing key go to one shard, in the order of the calls; nobody waits for each of them.
const devices = ["press-1", "press-2", "oven", "saw"];
async function write(from: number, to: number): Promise<void> {
	await using writer = events.writer();
	for (let number = from; number < to; number++) {
		for (const device of devices) await writer.write({ key: device, value: { device, number } });
	}
	await writer.flush();
	console.log(`wrote events ${from} to ${to - 1} of ${devices.length} devices, durable`);
}
await write(0, 3);

/** The numbers of each device in the order in which they come. */
async function gather(readings: AsyncIterable<{ readonly value: Measured }>): Promise<string> {
	const found = new Map<string, number[]>();
	for await (const { value } of readings) {
		found.set(value.device, [...(found.get(value.device) ?? []), value.number]);
	}
	const texts = [...found].map(([device, numbers]) => `${device} ${numbers.join(" ")}`);
	return texts.toSorted().join(", ");
}

// Several readers, side by side: each has a shard, and so all events of the keys that are there.
const readers = [0, 1].map((shard) => gather(events.read({ shard })));
for (const [shard, found] of (await Promise.all(readers)).entries()) console.log(`reader of shard ${shard}: ${found}`);

// A place in all shards, as Pravega's stream cut: what comes behind it is read later, perhaps by another process.
const cut = await events.cut();

// Scaling: some keys move to the new shards. Who reads all of them still gets each key in its order.
await events.update({ shards: 4 });
await write(3, 5);
const used = (await events.info()).shards.filter(({ tail }) => tail > 0).length;
console.log(`events are on ${used} of ${(await events.info()).shards.length} shards`);
console.log(`all of them, merged: ${await gather(events.read())}`);
console.log(`behind the cut: ${await gather(events.read({ fromCut: cut }))}`);

// A serializer is two functions: here the number alone, in four bytes.
const numbers: RecordStream<number> = (await store.scope("factory").create("numbers", { kind: "records" })).as(
	pair<number>(
		(value) => new Uint8Array(Uint32Array.of(value).buffer),
		(stored) => new Uint32Array(stored.slice().buffer)[0] ?? Number.NaN,
	),
);
await numbers.append([{ value: 7 }, { value: 70_000 }]);
console.log(`numbers: ${(await Array.fromAsync(numbers.read(), ({ value }) => value)).join(" ")}`);

// Sealed: readers that follow come to a definite end.
const following = gather(events.read({ fromCut: cut, follow: true }));
await events.seal();
console.log(`a follower ended: ${(await following).length > 0}`);
