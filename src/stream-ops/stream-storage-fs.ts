/** One stream of Stream Ops: a folder of block files, read and appended to. */
import { types } from "node:util";
import { checkSignal } from "../core/abort.ts";
import { fail } from "../core/errors.ts";
import { describe, rejectUnknown, requireInteger } from "../core/options.ts";
import type { Disk } from "../disk/disk.ts";
import { type Block, StreamStorageBlockFS } from "./block.ts";
import { checkStreamId } from "./block-name.ts";
import type { StreamCheck } from "./block-walk.ts";
import { withIoErrors } from "./io-error.ts";
import { lastAtOrBelow } from "./record-index.ts";
import { fieldLength } from "./rion/field-head.ts";
import { defaultBlockMaxSize, resolveStorageOptions, type StreamStorageOptions } from "./storage-options.ts";
import { StreamFolder, type StreamPlace } from "./stream-folder.ts";
import { type RecordsOptions, StreamRecords } from "./stream-records.ts";
import type { CutTail, TornTail } from "./torn-tail.ts";

/**
 * A stream of records, each of them one RION field, in a folder of its own that Stream Ops for Java understands as well.
 * Nothing is touched before the first call that needs it; `open` makes the folder and finds the stream's end.
 */
export class StreamStorageFS {
	readonly #place: StreamPlace;
	readonly #folder: StreamFolder;
	readonly #disk: Disk;

	/**
	 * @param streamId by convention the last part of `rootDir`; the block files begin with it
	 * @param rootDir the stream's folder, which holds nothing but its block files
	 * @param blockMaxSize bytes up to which a block is filled; default 8 MiB. It is not stored and may differ each time.
	 */
	constructor(
		streamId: string,
		rootDir: string,
		blockMaxSize: number = defaultBlockMaxSize,
		options: StreamStorageOptions = {},
	) {
		checkStreamId(streamId);
		if (typeof rootDir !== "string" || rootDir === "") {
			throw fail("INVALID_OPTION", `a stream's folder must be a path, not ${describe(rootDir)}`);
		}
		requireInteger(blockMaxSize, "blockMaxSize", Number.MIN_SAFE_INTEGER);
		const settings = resolveStorageOptions(options);
		this.#place = { streamId, folder: rootDir.replace(/(?<=.)\/+$/, ""), blockMaxSize };
		this.#folder = new StreamFolder(this.#place, settings);
		this.#disk = settings.shared.disk;
	}

	/** The stream's id. */
	get streamId(): string {
		return this.#place.streamId;
	}

	/** The stream's folder. */
	get rootDir(): string {
		return this.#place.folder;
	}

	/** Bytes up to which a block is filled. */
	get blockMaxSize(): number {
		return this.#place.blockMaxSize;
	}

	/** The offset that the next record gets. @throws CLOSED before `open` */
	get nextRecordOffset(): number {
		return this.#folder.end.next;
	}

	/** The block that is appended to. @throws CLOSED before `open` */
	get latestBlock(): StreamStorageBlockFS {
		return new StreamStorageBlockFS(this.#folder.end.blocks.at(-1) as Block);
	}

	/** The last record, if it is not whole; `openForAppend` cuts it off. @throws CLOSED before `open` */
	get tornTail(): TornTail | null {
		return this.#folder.end.tornTail;
	}

	/** Open for append. */
	get isOpenForAppend(): boolean {
		return this.#folder.isAppending;
	}

	/** Makes the folder if it is missing and finds the stream's end. @throws CORRUPT, UNSUPPORTED, NOT_FOUND, READ_ONLY, IO */
	async open(): Promise<this> {
		await this.#folder.open();
		return this;
	}

	/** Looks anew for blocks and records that others have added. While open for append there are none. */
	async refresh(): Promise<void> {
		await this.#folder.refresh();
	}

	/**
	 * Opens the stream for append, for this instance alone, and makes its first file. A record at its end that is not
	 * whole is cut off, and kept beside the folder: the result tells where. No effect if it is open already.
	 *
	 * @throws LOCKED, CORRUPT, UNSUPPORTED, READ_ONLY, IO
	 */
	openForAppend(): Promise<CutTail | null> {
		return this.#folder.beginAppending();
	}

	/**
	 * Appends a record, exactly one RION field, and resolves with its offset; appends are stored in the order of the
	 * calls. The bytes must not change before the promise settles.
	 *
	 * @param source bytes that hold the record
	 * @param start where it begins in them; default 0
	 * @param length bytes of the record; default up to the end
	 * @throws CLOSED unless open for append; DECODE for anything but one field; LIMIT_EXCEEDED, DISK_FULL, STOPPED, IO
	 */
	append(source: Uint8Array, start = 0, length?: number): Promise<number> {
		try {
			const record = recordIn(source, start, length);
			return this.#folder.push(record, record.length);
		} catch (error) {
			return Promise.reject(error);
		}
	}

	/** The same as `append`. */
	appendRecord(source: Uint8Array, start = 0, length?: number): Promise<number> {
		return this.append(source, start, length);
	}

	/** Appends several records, all or none of them, and resolves with the offset of the first. */
	appendRecords(records: readonly Uint8Array[]): Promise<number> {
		try {
			if (!Array.isArray(records) || records.length === 0) {
				throw fail("INVALID_OPTION", "appendRecords takes an array of at least one record");
			}
			let bytes = 0;
			for (const record of records) bytes += recordIn(record, 0, undefined).length;
			return this.#folder.push(records, bytes);
		} catch (error) {
			return Promise.reject(error);
		}
	}

	/** Waits until all appends are stored, and makes them durable unless durability is "os". @throws CLOSED, STOPPED */
	async flush(): Promise<void> {
		await this.#folder.flush();
	}

	/** Flushes, closes the stream for append and lets others append. Harmless if it is not open. @throws STOPPED */
	closeForAppend(): Promise<void> {
		return this.#folder.endAppending();
	}

	/** The same as `closeForAppend`: `await using` closes the stream. */
	[Symbol.asyncDispose](): Promise<void> {
		return this.closeForAppend();
	}

	/** The block files, oldest first. There is at least one, also where its file is not there yet. */
	async getStorageBlocks(): Promise<StreamStorageBlockFS[]> {
		await this.open();
		return this.#folder.end.blocks.map((block) => new StreamStorageBlockFS(block));
	}

	/** The block that holds a record offset; `null` from the next offset on and before the first block. */
	async getStorageBlockContainingOffset(offset: number): Promise<StreamStorageBlockFS | null> {
		await this.open();
		const { blocks, next } = this.#folder.end;
		const index = lastAtOrBelow(
			blocks.map(({ firstOffset }) => firstOffset),
			offset,
		);
		return index < 0 || offset >= next ? null : new StreamStorageBlockFS(blocks[index] as Block);
	}

	/**
	 * Reads bytes of one block file into `dest`, at most `length`, never beyond the file, and resolves with how many: -1
	 * at its end or after it, 0 if none were asked for. Bytes are given as they stand there, those of a torn tail too.
	 *
	 * @param fromByte where to begin in the file
	 * @throws INVALID_OPTION for a range outside `dest`, NOT_FOUND if the file is not there
	 */
	async readBytes(
		block: Pick<StreamStorageBlockFS, "fileName">,
		fromByte: number,
		dest: Uint8Array,
		destIndex = 0,
		length: number = dest.length - destIndex,
	): Promise<number> {
		requireInteger(fromByte, "fromByte", 0);
		if (!types.isUint8Array(dest)) throw fail("INVALID_OPTION", `dest must be a Uint8Array, not ${describe(dest)}`);
		requireInteger(destIndex, "destIndex", 0, dest.length);
		requireInteger(length, "length", 0, dest.length - destIndex);
		await this.open();
		const known = this.#folder.end.blocks.find(({ fileName }) => fileName === block.fileName);
		if (known === undefined)
			throw fail("NOT_FOUND", `the stream ${this.#place.streamId} has no block ${block.fileName}`);
		if (length === 0) return 0;
		// A position beyond what a file can have is after its end.
		const target = dest.subarray(destIndex, destIndex + length);
		const got = await withIoErrors(`reading the block ${known.path}`, async () => {
			const file = await this.#disk.open(known.path, "read");
			try {
				return fromByte >= (await file.size()) ? 0 : await file.read(target, fromByte);
			} finally {
				await file.close();
			}
		});
		return got === 0 ? -1 : got;
	}

	/** `readBytes` under the name that later versions of Stream Ops have for it. */
	readFromBlock(...args: Parameters<StreamStorageFS["readBytes"]>): Promise<number> {
		return this.readBytes(...args);
	}

	/** `readBytes` of the block at a position in the list of blocks; 0 beyond its end. */
	async readFromBlockWithIndex(index: number, ...args: ReadArguments): Promise<number> {
		requireInteger(index, "index", 0);
		const block = (await this.getStorageBlocks())[index];
		return block === undefined ? 0 : await this.readBytes(block, ...args);
	}

	/** `readBytes` of the block that holds a record offset; 0 if none does. */
	async readFromBlockContainingOffset(offset: number, ...args: ReadArguments): Promise<number> {
		const block = await this.getStorageBlockContainingOffset(offset);
		return block === null ? 0 : await this.readBytes(block, ...args);
	}

	/**
	 * The records in order, with their offsets, as they are when reading begins. A torn tail ends them, and is told by
	 * `tornTail` of the result; damage before it is an error, after all records before the damage.
	 */
	records(options: RecordsOptions = {}): StreamRecords {
		rejectUnknown(options, ["from", "to", "signal"], "the options of records");
		for (const name of ["from", "to"] as const) {
			if (options[name] !== undefined) requireInteger(options[name], name, Number.MIN_SAFE_INTEGER);
		}
		checkSignal(options.signal, "the options of records");
		return new StreamRecords(() => this.#folder.source(), options);
	}

	/** Calls `processor` with each record until it returns false. */
	async iterate(processor: RecordProcessor): Promise<void> {
		await this.records().forEach(processor);
	}

	/** The same from an offset on; from a negative one everything. */
	async iterateFromOffset(offset: number, processor: RecordProcessor): Promise<void> {
		await this.records({ from: offset }).forEach(processor);
	}

	/** Looks at every record, and tells gaps, damage and a torn tail. Changes nothing. */
	async verify(): Promise<StreamCheck> {
		return await this.#folder.check();
	}

	/** Skips one offset, in a stream of layout 0.6. */
	async incNextRecordOffset(): Promise<void> {
		await this.#folder.skipOffset();
	}

	/** Writes a field that tells the next record's offset, in a stream of layout 0.6. */
	async appendOffset(): Promise<void> {
		await this.#folder.writeOffset();
	}
}

/** Told of a record; `false` ends reading. The bytes may be kept. */
export type RecordProcessor = (offset: number, record: Uint8Array) => boolean | undefined;

type ReadArguments = [fromByte: number, dest: Uint8Array, destIndex?: number, length?: number];

/** The record within `source`, if it is exactly one field. */
function recordIn(source: Uint8Array, start: number, length: number | undefined): Uint8Array {
	if (start === 0 && length === undefined && source instanceof Uint8Array && source.length > 0) {
		if (fieldLength(source, 0, source.length) === source.length) return source;
	}
	if (!types.isUint8Array(source)) {
		throw fail("INVALID_OPTION", `a record must be a Uint8Array, not ${describe(source)}`, {
			hint: "Make it one RION field: encode(value), or wrap(bytes), of streambed/rion.",
		});
	}
	requireInteger(start, "start", 0, source.length);
	const end = length === undefined ? source.length : start + requireInteger(length, "length", 0, source.length - start);
	const bytes = end - start;
	const found = fieldLength(source, start, end);
	if (found === bytes && bytes > 0) return bytes === source.length ? source : source.subarray(start, end);
	const what = bytes === 0 ? "it is empty" : found === 0 || found > bytes ? "its field is not whole" : "more follows";
	throw fail("DECODE", `a record is exactly one RION field, and in this one of ${bytes} bytes ${what}`, {
		hint: "Put other bytes into a field: wrap(bytes) of streambed/rion.",
		details: { offset: start, fieldBytes: found, recordBytes: bytes },
	});
}
