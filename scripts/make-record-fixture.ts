/**
 * Writes the fixture of record streams: several shards, growths, headers, producers, in segments and in the journal alone.
 * `node scripts/make-record-fixture.ts` writes it anew; test/unit/log/record-format.test.ts reads it and compares it with
 * what is written today. See scripts/make-format-fixture.ts.
 */
import { open, type ProducerTriple, type RecordInput, type RecordStream } from "../src/index.ts";
import { ManualClock } from "../src/testing/manual-clock.ts";
import { memoryDisk } from "../src/testing/memory-disk.ts";
import { memoryLocker } from "../src/testing/memory-locker.ts";
import { countingRandom, type FixtureFiles, filesOf, ROOT, START, writeFixture } from "./make-format-fixture.ts";

/** A record of the fixture, and where it is. */
export interface FixtureRecord {
	readonly record: RecordInput;
	readonly shard: number;
	readonly sequence: number;
	readonly time: number;
}

/** An append of a producer, whose retry is to be known. */
export interface FixtureCall {
	readonly producer: ProducerTriple;
	readonly records: readonly FixtureRecord[];
}

/** The store, and what its streams hold. */
export interface RecordFixture {
	readonly files: FixtureFiles;
	/** By the name of the stream, in scope `log`. */
	readonly streams: ReadonlyMap<string, readonly FixtureRecord[]>;
	readonly calls: readonly FixtureCall[];
	/** A cut of `events` that was taken between the growths. */
	readonly cut: string;
}

const bytes = (length: number, from: number): Uint8Array =>
	Uint8Array.from({ length }, (_, index) => (from + index) % 251);

/** The record of this number: with each of the parts that it may have, or without. */
function recordOf(number: number, length: number): RecordInput {
	return {
		value: bytes(length, number),
		key: number % 5 === 4 ? null : `key-${number % 9}`,
		headers: number % 3 === 0 ? { "content-type": "text/plain", ünï: `${number}` } : undefined,
		clientInfo: number % 4 === 0 ? bytes(number % 50, 7) : undefined,
		eventTime: number % 2 === 0 ? START - 86_400_000 * number : undefined,
	};
}

/** Makes the store in memory. */
export async function buildRecordFixture(): Promise<RecordFixture> {
	const disk = memoryDisk();
	const clock = new ManualClock(START);
	const store = await open(ROOT, { disk, clock, random: countingRandom(), lock: memoryLocker() });
	const streams = new Map<string, FixtureRecord[]>();
	const calls: FixtureCall[] = [];
	let number = 0;
	const create = async (name: string, shards: number): Promise<RecordStream> => {
		streams.set(name, []);
		return await store.scope("log").create(name, { kind: "records", shards, segmentBytes: 64 * 1024 });
	};
	const append = async (stream: RecordStream, count: number, length: number, producer?: ProducerTriple) => {
		clock.step(10);
		const records = Array.from({ length: count }, () => recordOf(number++, length));
		const answers = await stream.append(records, { atomic: true, producer });
		const stored = answers.map(({ shard, from, time }, index) => {
			return { record: records[index] as RecordInput, shard, sequence: from, time };
		});
		streams.get(stream.name)?.push(...stored);
		if (producer !== undefined) calls.push({ producer, records: stored });
	};
	const events = await create("events", 3);
	await append(events, 20, 5);
	await append(events, 4, 30_000, { id: "p", epoch: 0, sequence: 0 });
	await events.update({ shards: 5 });
	await append(events, 12, 40, { id: "p", epoch: 0, sequence: 1 });
	const cut = await events.cut();
	const ended = await create("deep/ended", 2);
	await append(ended, 3, 0);
	await ended.seal();
	await store.checkpoint();
	await append(events, 9, 12_000, { id: "p", epoch: 0, sequence: 2 });
	await events.update({ shards: 8 });
	await events.producer("p");
	await append(events, 15, 100, { id: "p", epoch: 1, sequence: 0 });
	await append(events, 1, 1000);
	await events.truncateBefore({ shard: 0, before: { sequence: 3 } });
	streams.set("events", streams.get("events")?.filter(({ shard, sequence }) => shard > 0 || sequence >= 3) ?? []);
	const files = await filesOf(disk);
	await store.close();
	return { files, streams, calls, cut };
}

if (import.meta.main) await writeFixture("records", (await buildRecordFixture()).files);
