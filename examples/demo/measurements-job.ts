/**
 * The demo's second act: lines of a file become records on shards, a key for each sensor; halfway the stream grows, while
 * writing goes on. A follower and a later reader check that each sensor's measurements come in the order of the file.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { RecordReader, RecordStream, Store } from "../../src/index.ts";
import { formatCount, type Progress } from "./progress.ts";
import { shardBars } from "./shard-bars.ts";

const shardsFirst = 4;
const shardsGrown = 8;
/** Bytes on their way to the disk: less than half of the file, so that the stream holds something when it grows. */
const inFlightBytes = 1024 * 1024;

/** A shard at the end. */
export interface ShardResult {
	readonly shard: number;
	/** Records in it, and those among them that it had when the stream began to grow. */
	readonly records: number;
	readonly before: number;
	readonly bytes: number;
}

/** What a reader got. */
export interface ReadResult {
	readonly records: number;
	/** Every record once, and those of each key in the order of the file. */
	readonly inOrder: boolean;
}

/** What the second act found out. */
export interface MeasurementsResult {
	readonly ok: boolean;
	readonly file: string;
	readonly records: number;
	readonly keys: number;
	/** Shards that the stream was made with. */
	readonly grownFrom: number;
	readonly shards: readonly ShardResult[];
	/** From the first line read to the last record compared, and to the last one durable. */
	readonly seconds: number;
	readonly writeSeconds: number;
	/** What was read while it was being written, through the growth. */
	readonly followed: ReadResult;
	readonly readBack: ReadResult;
}

/** What the file holds, by sensor, as far as it has been read. */
type Expected = Map<string, string[]>;

/** Stores the lines of a file, grows the stream meanwhile, and checks what comes out. */
export async function runMeasurements(
	store: Store,
	file: string,
	lines: number,
	progress: Progress,
): Promise<MeasurementsResult> {
	const stream = await store.scope("demo").create("measurements", { kind: "records", shards: shardsFirst });
	const expected: Expected = new Map();
	const start = performance.now();
	const stop = new AbortController();
	const counts: number[] = [];
	const growth: Growth = {
		after: lines >> 1,
		before: [],
		begin: async () => {
			await stream.update({ shards: shardsGrown });
			progress.done(`grew from ${shardsFirst} to ${formatCount(shardsGrown, "shard")} while records are written`);
		},
	};
	const { before } = growth;
	const following = checkOrder(stream.read({ follow: true, signal: stop.signal }), expected, (shard) => {
		counts[shard] = (counts[shard] ?? 0) + 1;
		progress.block(() => shardBars(counts, before));
	});
	following.catch(() => {}); // looked at below, unless writing fails first
	let records = 0;
	try {
		records = await writeAll(stream, file, expected, growth);
		await stream.seal();
	} catch (error) {
		stop.abort();
		throw error;
	}
	const writeSeconds = (performance.now() - start) / 1000;
	const followed = complete(await following, records);
	progress.end();
	progress.done(`stored ${formatCount(records, "measurement")} of ${formatCount(expected.size, "sensor")}`);
	const readBack = complete(await checkOrder(stream.read(), expected, () => {}), records);
	progress.done(`read ${formatCount(readBack.records, "measurement")} again`);
	const { shards } = await stream.info();
	return {
		ok: followed.inOrder && readBack.inOrder,
		file,
		records,
		keys: expected.size,
		grownFrom: before.length,
		shards: shards.map(({ shard, tail, bytes }) => ({ shard, records: tail, before: before[shard] ?? 0, bytes })),
		seconds: (performance.now() - start) / 1000,
		writeSeconds,
		followed,
		readBack,
	};
}

/** When the stream grows, and what its shards hold then. */
interface Growth {
	/** Behind so many records. */
	readonly after: number;
	readonly before: number[];
	readonly begin: () => Promise<void>;
}

/** Writes a record for each line, with the sensor as its key, and does not wait until the stream has grown. */
async function writeAll(stream: RecordStream, file: string, expected: Expected, growth: Growth): Promise<number> {
	const encoder = new TextEncoder();
	let growing: Promise<void> | undefined;
	let count = 0;
	await using writer = stream.writer({ maxInFlightBytes: inFlightBytes });
	for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
		const key = (JSON.parse(line) as { sensor: string }).sensor;
		const known = expected.get(key);
		if (known === undefined) expected.set(key, [line]);
		else known.push(line);
		const ticket = writer.write({ key, value: encoder.encode(line) });
		if (!writer.hasRoom) await ticket;
		count++;
		if (count !== growth.after) continue;
		for (const { tail } of (await stream.info()).shards) growth.before.push(tail);
		growing = growth.begin();
		growing.catch(() => {}); // looked at below
	}
	await growing;
	await writer.flush();
	return count;
}

/** Reads to the end and compares each record with the line of its sensor that comes next. */
export async function checkOrder(
	reader: RecordReader,
	expected: Expected,
	onRecord: (shard: number) => void,
): Promise<ReadResult> {
	const next = new Map<string, number>();
	let records = 0;
	let inOrder = true;
	for await (const { shard, key, value } of reader) {
		const sensor = key ?? "";
		const index = next.get(sensor) ?? 0;
		next.set(sensor, index + 1);
		inOrder &&= expected.get(sensor)?.[index] === new TextDecoder().decode(value);
		records++;
		onRecord(shard);
	}
	return { records, inOrder };
}

/** The same, and also false unless all of the records were read. */
export function complete({ records, inOrder }: ReadResult, wanted: number): ReadResult {
	return { records, inOrder: inOrder && records === wanted };
}
