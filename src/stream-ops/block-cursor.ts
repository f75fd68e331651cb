/**
 * Walks through one block file in chunks, from a record that is known to begin there: where each record begins and ends,
 * and its offset. Reads no more at once than a chunk, or one record that is larger, and no length is believed before it
 * has been compared with what the file holds.
 */
import type { DiskFile } from "../disk/disk.ts";
import { type BlockLayout, detectLayout, isOffsetField, layoutBytes, readOffsetField } from "./block-layout.ts";
import { damaged } from "./io-error.ts";
import { fieldLength } from "./rion/field-head.ts";

const defaultChunkBytes = 256 * 1024;

/** A block, and where in it to begin. */
export interface CursorStart {
	readonly path: string;
	/** Offset in the block's name. */
	readonly firstOffset: number;
	/** Bytes of the file; what is added to it later is not looked at. */
	readonly length: number;
	/** Told by the first bytes if `undefined`. */
	readonly layout: BlockLayout | undefined;
	/** Byte and offset of a record; the block's beginning by default. */
	readonly at?: number;
	readonly offset?: number;
	/** Offset at which the next block begins: this one holds none from there on. */
	readonly ceiling?: number | undefined;
	/** Records are only counted: their bytes are skipped where that is possible. */
	readonly countOnly?: boolean;
	readonly chunkBytes?: number;
}

/** Lends the file for one read. */
export type UseFile = <T>(use: (file: DiskFile) => Promise<T>) => Promise<T>;

/** Reads the records of a block, chunk by chunk. */
export class BlockCursor {
	/** Bytes of the chunk read last; records are parts of it. Not used again, so parts may be kept. */
	chunk: Uint8Array = new Uint8Array();
	/** Where in the block the chunk begins. */
	chunkAt = 0;
	/**
	 * Records of the chunk: how many, where they begin and end in it, and their offsets. The arrays are used again for the
	 * next chunk, and may be longer than there are records.
	 */
	count = 0;
	readonly starts: number[] = [];
	readonly ends: number[] = [];
	readonly offsets: number[] = [];
	/** Where the next record begins, and the offset that it has. */
	at: number;
	next: number;
	layout: BlockLayout | undefined;
	/** Records counted. */
	records = 0;
	/** A record at {@link at} is not whole. */
	torn = false;
	readonly #start: CursorStart;
	readonly #use: UseFile;
	#limit: number;
	#buffer: Buffer | undefined;

	constructor(start: CursorStart, use: UseFile) {
		this.#start = start;
		this.#use = use;
		this.#limit = start.length;
		this.at = start.at ?? 0;
		this.next = start.offset ?? start.firstOffset;
		this.layout = start.layout;
	}

	/** Reads on; false at the end of the block, or where it is torn. @throws CORRUPT, UNSUPPORTED, IO */
	async read(): Promise<boolean> {
		this.count = 0;
		let bytes = this.#start.chunkBytes ?? defaultChunkBytes;
		while (this.at < this.#limit && !this.torn) {
			const least = this.layout === undefined ? layoutBytes : 1;
			const wanted = Math.min(Math.max(bytes, least), this.#limit - this.at);
			const got = await this.#fill(wanted);
			// Somebody cut the file off meanwhile.
			if (got < wanted) this.#limit = this.at + got;
			if (got === 0) break;
			this.layout ??= detectLayout(this.chunk.subarray(0, layoutBytes), this.#start.firstOffset, this.#start.path);
			const before = this.at;
			const needed = this.#walk(got);
			if (this.at > before) return true;
			// Not even one record fits: the chunk grows to it, but never beyond the file.
			if (needed > this.#limit - this.at || got === this.#limit - this.at) this.torn = true;
			bytes = Math.max(needed, 2 * bytes);
		}
		return false;
	}

	/** Takes what is whole in the chunk; returns the bytes that the first field needs which is not. */
	#walk(got: number): number {
		const { chunk, starts, ends, offsets } = this;
		const countOnly = this.#start.countOnly === true;
		const ceiling = this.#start.ceiling ?? Number.MAX_SAFE_INTEGER;
		const mayHoldOffsets = this.layout === "0.6";
		const left = countOnly ? this.#limit - this.chunkAt : got;
		let { next } = this;
		let count = 0;
		let at = 0;
		let length = 0;
		while (at < got) {
			length = fieldLength(chunk, at, got);
			const end = at + length;
			if (length === 0 || end > left) break;
			if (mayHoldOffsets && isOffsetField(chunk, at)) {
				if (end > got) break;
				const offset = readOffsetField(chunk, at, end);
				// What is damaged is reported once the records before it have been delivered.
				if (offset === undefined || offset < next) {
					if (at > 0) break;
					throw this.#badOffset(offset);
				}
				next = offset;
			} else {
				if (next >= ceiling) {
					if (at > 0) break;
					throw this.#overlap();
				}
				starts[count] = at;
				ends[count] = end;
				offsets[count++] = next++;
			}
			at = end;
		}
		this.at = this.chunkAt + at;
		this.next = next;
		this.count = count;
		this.records += count;
		return length;
	}

	#badOffset(offset: number | undefined): Error {
		const what = offset === undefined ? "no offset up to 2^53 - 1" : `offset ${offset} after ${this.next - 1}`;
		return damaged(this.#start.path, this.at, `an offset field tells ${what}`, { kind: "offset" });
	}

	#overlap(): Error {
		const what = `a record has offset ${this.next}, at which the next block begins`;
		return damaged(this.#start.path, this.at, what, { kind: "overlap", recordOffset: this.next });
	}

	async #fill(bytes: number): Promise<number> {
		const countOnly = this.#start.countOnly === true;
		let buffer = this.#buffer;
		if (!countOnly || buffer === undefined || buffer.length < bytes) buffer = Buffer.allocUnsafeSlow(bytes);
		if (countOnly) this.#buffer = buffer;
		const target = new Uint8Array(buffer.buffer, buffer.byteOffset, bytes);
		const got = await this.#use((file) => file.read(target, this.at));
		this.chunk = target;
		this.chunkAt = this.at;
		return got;
	}
}
