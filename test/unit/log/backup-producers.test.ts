/** What a copy of a store knows of the producers whose appends it holds. */
import { describe, expect, it } from "vitest";
import { Producers } from "../../../src/core/producers.ts";
import { newUuid, parseUuid, systemRandom } from "../../../src/core/random.ts";
import { backupStore, open, type Store } from "../../../src/index.ts";
import { ShardProducers, StreamProducersCopy } from "../../../src/log/care/backup-producers.ts";
import { encodeProducers, loadProducers, PRODUCERS_FILE } from "../../../src/log/format/producer-file.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { drive, openStore, ROOT, type Surroundings, surroundings } from "./memory-store.ts";
import { writeFile } from "./store-kit.ts";

const SIZES = [10, 700_000, 2_500_000, 1, 300];

async function copyOf({ clock, disk, random }: Surroundings): Promise<Store> {
	await drive(clock, backupStore(ROOT, "/copy", { disk, clock, random }));
	return await drive(clock, open("file:/copy", { disk, clock, random, lock: memoryLocker(), create: false }));
}

describe("a copy of a store", () => {
	it.each(["closed", "in use", "in use, after a checkpoint"])(
		"that is %s stores nothing twice that it holds",
		async (how) => {
			const around = surroundings();
			const { clock } = around;
			const store = await openStore(around);
			const stream = await drive(clock, store.scope("s").create("a"));
			const { id, epoch } = await drive(clock, stream.producer("p"));
			await drive(clock, stream.producer("idle"));
			const stored: { from: number; to: number }[] = [];
			for (const [sequence, bytes] of SIZES.entries()) {
				const { from, to } = await drive(
					clock,
					stream.append(new Uint8Array(bytes), { producer: { id, epoch, sequence } }),
				);
				stored.push({ from, to });
				if (sequence === 2 && how.endsWith("checkpoint")) await drive(clock, store.checkpoint());
			}
			// What is read beside an owner is what has reached its segments.
			if (how === "in use") await drive(clock, store.checkpoint());
			if (how === "closed") await drive(clock, store.close());
			const copy = await copyOf(around);
			const copied = copy.scope("s").stream("a");
			const { tail } = (await drive(clock, copied.info())).shards[0] as { tail: number };
			for (const [sequence, place] of stored.entries()) {
				const bytes = new Uint8Array(SIZES[sequence] as number);
				const retry = await drive(clock, copied.append(bytes, { producer: { id, epoch, sequence } }));
				expect(retry, `retry ${sequence}`).toEqual({ ...place, duplicate: place.to <= tail });
			}
			expect((await drive(clock, copied.producer("p"))).epoch).toBeGreaterThan(epoch);
			expect((await drive(clock, copied.producer("idle"))).epoch).toBe(2);
			await drive(clock, copy.close());
			if (how !== "closed") await drive(clock, store.close());
		},
	);

	it("knows where the appends of a record stream went, over all of its shards", async () => {
		const around = surroundings();
		const { clock } = around;
		const store = await openStore(around);
		const stream = await drive(clock, store.scope("s").create("r", { kind: "records", shards: 4 }));
		const producer = await drive(clock, stream.producer("p"));
		const calls = Array.from({ length: 12 }, (_, number) => ({
			records: Array.from({ length: 1 + (number % 3) }, (_, index) => ({
				key: `${number}.${index}`,
				value: Uint8Array.of(number),
			})),
			options: { producer: producer.next(), atomic: true },
		}));
		const answers = await drive(
			clock,
			Promise.all(calls.map(({ records, options }) => stream.append(records, options))),
		);
		await drive(clock, store.close());
		const copy = await copyOf(around);
		const copied = copy.scope("s").stream("r", { kind: "records" });
		for (const [number, { records, options }] of calls.entries()) {
			const retry = await drive(clock, copied.append(records, options));
			const expected = answers[number]?.map(({ shard, from }) => [shard, from, true]);
			expect(retry.map(({ shard, from, duplicate }) => [shard, from, duplicate])).toEqual(expected);
		}
		await drive(clock, copy.close());
	});

	it("knows nothing of appends that its owner noted and the copy does not hold", async () => {
		const disk = memoryDisk();
		const streamId = newUuid(systemRandom);
		const bytesOfId = parseUuid(streamId) as Uint8Array;
		const noted = new Producers<unknown>(streamId);
		noted.redo("p", 3, 0, { shard: 0, from: 0 }, [10, 10, 10, 10]);
		noted.take("p", 4);
		await writeFile(disk, `/${PRODUCERS_FILE}`, encodeProducers(bytesOfId, noted));
		const copy = await StreamProducersCopy.read(disk, "/", streamId);
		const shard = new ShardProducers(streamId, 0);
		shard.tail = 25;
		copy.add(shard);
		await disk.mkdir("/copy");
		await writeFile(disk, `/copy/${PRODUCERS_FILE}`, copy.encode() as Uint8Array);
		const copied = new Producers<unknown>(streamId);
		await loadProducers(disk, "/copy", bytesOfId, copied);
		const { window, durableEpoch } = copied.known("p") ?? {};
		expect(window?.last).toMatchObject({ epoch: 3, sequence: 1, from: 10, to: 20 });
		expect(durableEpoch).toBe(4);
	});
});
