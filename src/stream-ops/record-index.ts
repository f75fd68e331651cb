/** Where records stand in a block, for some of them: reading from an offset begins there and not at the beginning. */
import { fail } from "../core/errors.ts";
import { requireInteger } from "../core/options.ts";
import type { BlockLayout } from "./block-layout.ts";

/** A mark at most every so many bytes. */
const markBytes = 64 * 1024;

/** Marks of one block, in ascending order. */
export class RecordMarks {
	/** Layout of the block, once its first bytes were looked at. */
	layout: BlockLayout | undefined;
	readonly #offsets: number[] = [];
	readonly #bytes: number[] = [];

	/** Notes where a record begins, if the last mark is far enough away. */
	note(offset: number, byte: number): void {
		const last = this.#bytes.at(-1);
		if (last !== undefined && byte < last + markBytes) return;
		this.#offsets.push(offset);
		this.#bytes.push(byte);
	}

	/** The nearest mark at or before an offset. */
	find(offset: number): { readonly offset: number; readonly byte: number } | undefined {
		const index = lastAtOrBelow(this.#offsets, offset);
		return index < 0 ? undefined : { offset: this.#offsets[index] as number, byte: this.#bytes[index] as number };
	}
}

/** Index of the last of ascending numbers that is at most `value`; -1 if there is none. */
export function lastAtOrBelow(ascending: readonly number[], value: number): number {
	let low = 0;
	let high = ascending.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((ascending[middle] as number) <= value) low = middle + 1;
		else high = middle;
	}
	return low - 1;
}

/** Place of a record: the position of its block in the list of blocks, and its first byte in there. */
export interface IndexEntry {
	readonly block: number;
	readonly byteOffset: number;
}

/**
 * An index that a program keeps of a stream: the places of the records whose offset is a multiple of `interval`, at most
 * `slots` of them. In memory only; a stream has one of its own and needs none.
 */
export class StreamStorageIndexFS {
	readonly #slots: number;
	readonly #interval: number;
	readonly #offsets: number[] = [];
	readonly #entries: IndexEntry[] = [];

	constructor(slots: number, interval: number) {
		this.#slots = requireInteger(slots, "slots", 1);
		this.#interval = requireInteger(interval, "interval", 1);
	}

	/** Entries kept. */
	get size(): number {
		return this.#entries.length;
	}

	/**
	 * Notes a record's place if its offset is a multiple of the interval, and tells whether it did.
	 *
	 * @throws LIMIT_EXCEEDED if all slots are taken; INVALID_OPTION if the offset is not above the one before
	 */
	append(offset: number, block: number, byteOffset: number): boolean {
		requireInteger(offset, "offset", 0);
		requireInteger(block, "block", 0);
		requireInteger(byteOffset, "byteOffset", 0);
		if (offset % this.#interval !== 0) return false;
		const last = this.#offsets.at(-1);
		if (last !== undefined && offset <= last) {
			throw fail("INVALID_OPTION", `the index goes up to offset ${last}, ${offset} does not come after it`);
		}
		if (this.#offsets.length === this.#slots) {
			throw fail("LIMIT_EXCEEDED", `the index is full: it has ${this.#slots} slots`);
		}
		this.#offsets.push(offset);
		this.#entries.push({ block, byteOffset });
		return true;
	}

	/** The nearest place at or before an offset; `null` before the first one, and an interval or more after the last. */
	lookup(offset: number): IndexEntry | null {
		const last = this.#offsets.at(-1);
		if (last === undefined || !(offset < last + this.#interval)) return null;
		return this.#entries[lastAtOrBelow(this.#offsets, offset)] ?? null;
	}
}
