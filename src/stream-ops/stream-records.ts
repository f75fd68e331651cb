/** Reading the records of a stream in order, from any offset, as they were when reading began. */
import { throwIfAborted } from "../core/abort.ts";
import type { Block } from "./block.ts";
import type { BlockCursor } from "./block-cursor.ts";
import { cursorOf, tornMiddle, type WalkSettings } from "./block-walk.ts";
import { ioError } from "./io-error.ts";
import { RecordMarks } from "./record-index.ts";
import type { TornTail } from "./torn-tail.ts";

/** A record of a stream. */
export interface StreamRecord {
	/** Its number in the stream. */
	readonly offset: number;
	/** Its one RION field: a part of what was read together, in memory that is not used again. */
	readonly bytes: Uint8Array;
	/** Name of its block file, and where it begins in there. */
	readonly block: string;
	readonly byteOffset: number;
}

/** Which records to read. */
export interface RecordsOptions {
	/** Offset of the first record; default the first one there is. */
	readonly from?: number | undefined;
	/** Offset at which to end, exclusive; default the end of the stream. */
	readonly to?: number | undefined;
	/** Ends reading with ABORTED. */
	readonly signal?: AbortSignal | undefined;
}

/** Places of records by block, of the blocks used last. */
export class MarkedBlocks {
	readonly #limit = 64;
	readonly #marks = new Map<string, RecordMarks>();

	/** Marks of a block, to be added to. */
	of(path: string): RecordMarks {
		const marks = this.#marks.get(path) ?? new RecordMarks();
		this.#marks.delete(path);
		this.#marks.set(path, marks);
		if (this.#marks.size > this.#limit) this.#marks.delete(this.#marks.keys().next().value as string);
		return marks;
	}

	/** Forgets a block whose bytes were cut off. */
	forget(path: string): void {
		this.#marks.delete(path);
	}
}

/** What there is to read. */
export interface RecordSource {
	readonly blocks: readonly Block[];
	readonly settings: WalkSettings;
	readonly marks: MarkedBlocks;
}

/** Records read together; `at` in turn. */
interface Batch {
	readonly cursor: BlockCursor;
	readonly block: Block;
	/** First and last + 1 of the cursor's records that are wanted. */
	readonly from: number;
	readonly to: number;
}

/** The records of a stream: `for await` gives one at a time, `batches()` all that were read together. */
export class StreamRecords implements AsyncIterable<StreamRecord> {
	readonly #open: () => Promise<RecordSource>;
	readonly #options: RecordsOptions;
	#tornTail: TornTail | null = null;

	/** Made by a stream. */
	constructor(open: () => Promise<RecordSource>, options: RecordsOptions) {
		this.#open = open;
		this.#options = options;
	}

	/** The record behind the last one, if it is not whole; known once the end was reached. */
	get tornTail(): TornTail | null {
		return this.#tornTail;
	}

	/** One record at a time. @throws CORRUPT, after all records before the damage */
	[Symbol.asyncIterator](): AsyncIterator<StreamRecord, undefined> {
		const batches = this.#batches();
		let batch: Batch | undefined;
		let at = 0;
		// Not a generator: it would cost three promises a record.
		const advance = async (): Promise<IteratorResult<StreamRecord, undefined>> => {
			const read = await batches.next();
			if (read.done) return { done: true, value: undefined };
			batch = read.value;
			at = batch.from;
			return { done: false, value: recordOf(batch, at++) };
		};
		return {
			next: () => {
				if (batch === undefined || at >= batch.to) return advance();
				return Promise.resolve({ done: false, value: recordOf(batch, at++) });
			},
			return: async () => {
				await batches.return(undefined);
				return { done: true, value: undefined };
			},
		};
	}

	/** All records of a chunk of about 256 KiB at a time: cheaper where records are small. */
	async *batches(): AsyncGenerator<StreamRecord[], undefined> {
		for await (const batch of this.#batches()) {
			const records: StreamRecord[] = [];
			for (let at = batch.from; at < batch.to; at++) records.push(recordOf(batch, at));
			yield records;
		}
	}

	/** Calls `visit` with each record until it returns false. What it throws ends reading, and nothing else. */
	async forEach(visit: (offset: number, bytes: Uint8Array) => boolean | undefined): Promise<void> {
		for await (const { cursor, from, to } of this.#batches()) {
			const { chunk, starts, ends, offsets } = cursor;
			const { buffer, byteOffset } = chunk;
			for (let at = from; at < to; at++) {
				const start = starts[at] as number;
				const bytes = new Uint8Array(buffer, byteOffset + start, (ends[at] as number) - start);
				if (visit(offsets[at] as number, bytes) === false) return;
			}
		}
	}

	async *#batches(): AsyncGenerator<Batch, undefined> {
		const { from = 0, to = Number.POSITIVE_INFINITY, signal } = this.#options;
		throwIfAborted(signal, "reading records");
		const { blocks, settings, marks } = await this.#open();
		// Blocks before the one that holds `from` are not opened.
		let first = blocks.findLastIndex(({ firstOffset }) => firstOffset <= from);
		if (first < 0) first = 0;
		for (let index = first; index < blocks.length; index++) {
			const block = blocks[index] as Block;
			if (block.firstOffset >= to) return;
			if (!block.exists) continue;
			const known = marks.of(block.path);
			const mark = known.find(from);
			const place = mark === undefined ? {} : { at: mark.byte, offset: mark.offset, layout: known.layout };
			const cursor = cursorOf(block, blocks[index + 1], settings, place);
			while (await readChunk(cursor)) {
				throwIfAborted(signal, "reading records");
				noteMarks(known, cursor);
				const batch = wanted(cursor, block, from, to);
				if (batch.from < batch.to) yield batch;
				if (cursor.next >= to) return;
			}
			if (!cursor.torn) continue;
			if (index < blocks.length - 1) throw tornMiddle(block, cursor.at);
			this.#tornTail = { block: block.fileName, validLength: cursor.at, tornBytes: block.length - cursor.at };
		}
	}
}

async function readChunk(cursor: BlockCursor): Promise<boolean> {
	try {
		return await cursor.read();
	} catch (error) {
		throw ioError(error, "reading records");
	}
}

/** Marks the first record of a chunk, and one now and then: a chunk is larger than the distance of marks. */
function noteMarks(marks: RecordMarks, { count, starts, offsets, chunkAt, layout }: BlockCursor): void {
	marks.layout = layout;
	const step = Math.max(1, count >> 2);
	for (let at = 0; at < count; at += step) marks.note(offsets[at] as number, chunkAt + (starts[at] as number));
}

function wanted(cursor: BlockCursor, block: Block, from: number, to: number): Batch {
	const { offsets } = cursor;
	let first = 0;
	let last = cursor.count;
	while (first < last && (offsets[first] as number) < from) first++;
	while (last > first && (offsets[last - 1] as number) >= to) last--;
	return { cursor, block, from: first, to: last };
}

function recordOf({ cursor, block }: Batch, at: number): StreamRecord {
	const { chunk, starts, ends, offsets, chunkAt } = cursor;
	const start = starts[at] as number;
	// Not subarray, which costs twice as much.
	return {
		offset: offsets[at] as number,
		bytes: new Uint8Array(chunk.buffer, chunk.byteOffset + start, (ends[at] as number) - start),
		block: block.fileName,
		byteOffset: chunkAt + start,
	};
}
