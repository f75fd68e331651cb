/**
 * Writes the fixtures of record streams: several shards, growths, headers, producers, in segments and in the journal alone;
 * and records in parts. `node scripts/make-record-fixture.ts` writes them anew; test/unit/log/record-format.test.ts reads
 * them and compares them with what is written today. See scripts/make-format-fixture.ts.
 */
import { open, type ProducerTriple, type RecordInput, type RecordPart, type RecordStream } from "../src/index.ts";
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
	/** There if it is a part of a larger one. */
	readonly part?: RecordPart | undefined;
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

/** What the store of records in parts holds. */
export interface RecordPartsFixture {
	readonly files: FixtureFiles;
	/** Records of `log/large`, each part as a record of its own. */
	readonly records: readonly FixtureRecord[];
}

/** Largest append of the store of records in parts: keys, headers and so on stand in its first part, and take from all. */
const SMALL_APPEND_BYTES = 1000;

/** Makes the store of records in parts in memory: adopted before and after the checkpoint, one without its first parts. */
export async function buildRecordPartsFixture(): Promise<RecordPartsFixture> {
	const disk = memoryDisk();
	const clock = new ManualClock(START);
	const limits = { appendBytes: SMALL_APPEND_BYTES };
	const store = await open(ROOT, { disk, clock, random: countingRandom(), lock: memoryLocker(), limits });
	const large = await store.scope("log").create("large", { kind: "records", shards: 2, segmentBytes: 64 * 1024 });
	const records: FixtureRecord[] = [];
	const append = async (number: number, shard: number): Promise<void> => {
		clock.step(10);
		const record = recordOf(number, 5);
		for (const { from, time } of await large.append({ ...record, shard })) {
			records.push({ record, shard, sequence: from, time });
		}
	};
	/** The first part has what the record holds beside its value. */
	const inParts = async (number: number, shard: number, ...sizes: number[]): Promise<void> => {
		clock.step(10);
		const { value, ...head } = recordOf(
			number,
			sizes.reduce((sum, size) => sum + size, 0),
		);
		const write = large.multipart({ ...head, shard });
		await write.write(value);
		clock.step(10);
		const { from } = await write.commit();
		let at = 0;
		for (const [index, size] of sizes.entries()) {
			const record = { ...(index === 0 ? head : { key: null }), value: value.subarray(at, at + size) };
			const part = { index, last: index === sizes.length - 1 };
			records.push({ record, shard, sequence: from + index, time: clock.now(), part });
			at += size;
		}
	};
	await append(0, 1);
	await inParts(48, 1, 913, 913, 913, 261);
	await append(1, 1);
	await inParts(11, 0, 995, 995, 510);
	await store.checkpoint();
	await inParts(13, 1, 995, 995, 995, 995, 995, 25);
	await append(2, 1);
	await large.truncateBefore({ shard: 0, before: { sequence: 1 } });
	const files = await filesOf(disk);
	await store.close();
	return { files, records: records.filter(({ shard, sequence }) => shard === 1 || sequence >= 1) };
}

if (import.meta.main) {
	await writeFixture("records", (await buildRecordFixture()).files);
	await writeFixture("record-parts", (await buildRecordPartsFixture()).files);
}
