/**
 * The sparse index of a segment: one entry at least each MiB, to find a position or a time without reading the file from
 * its beginning (docs/format.md §4). A cache: its file is unsynced, checked by CRC, dropped when anything disagrees.
 * The stretch between two entries is a block, the unit of reading and caching.
 */
import { checksum, readU64, viewOf, writeU64 } from "./checksum.ts";
import { startsWith } from "./segment-header.ts";

/** A new entry begins at least so many bytes after the last one. */
export const INDEX_STEP_BYTES: number = 1024 * 1024;

const HEADER_BYTES = 64;
const ENTRY_BYTES = 32;
const MAGIC: Uint8Array = new TextEncoder().encode("SBEDIDX1");

/** A frame at a known place, and the shard's state before it. */
export interface IndexEntry {
	readonly fileOffset: number;
	/** Position of its first unit, relative to the segment's base. */
	readonly relative: number;
	readonly time: number;
	readonly head: number;
	readonly sealed: boolean;
	/** Header CRC of the frame. */
	readonly crc: number;
}

/** Entries of one segment, ascending; `coveredBytes` is how far the file was known when they were made. */
export class SparseIndex {
	readonly entries: IndexEntry[];
	coveredBytes: number;

	constructor(entries: IndexEntry[] = [], coveredBytes = 0) {
		this.entries = entries;
		this.coveredBytes = coveredBytes;
	}

	/** Notes the frame that begins at `entry.fileOffset` and ends at `end`, if it is time for a new entry. */
	note(entry: IndexEntry, end: number): void {
		if (this.wants(entry.fileOffset)) this.add(entry);
		this.coveredBytes = end;
	}

	/** Tells whether it is time for an entry for the frame at `fileOffset`. */
	wants(fileOffset: number): boolean {
		const last = this.entries.at(-1);
		return last === undefined || fileOffset - last.fileOffset >= INDEX_STEP_BYTES;
	}

	/** Adds an entry. */
	add(entry: IndexEntry): void {
		this.entries.push(entry);
	}

	/** Number of the block that holds the frame of a relative position. */
	blockOf(relative: number): number {
		return this.#lastWhere((entry) => entry.relative <= relative);
	}

	/** Number of the last block that begins before `time`: the first frame of that time or later is in it or the next. */
	blockBefore(time: number): number {
		return this.#lastWhere((entry) => entry.time < time);
	}

	#lastWhere(holds: (entry: IndexEntry) => boolean): number {
		let low = 0;
		let high = this.entries.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			if (holds(this.entries[middle] as IndexEntry)) low = middle;
			else high = middle - 1;
		}
		return low;
	}
}

/** Encodes an index for the segment with this tag and base. */
export function encodeIndex(index: SparseIndex, tag: number, base: number): Uint8Array {
	const bytes = new Uint8Array(HEADER_BYTES + index.entries.length * ENTRY_BYTES);
	const view = viewOf(bytes);
	bytes.set(MAGIC);
	view.setUint32(12, index.entries.length, true);
	view.setUint32(16, tag, true);
	writeU64(view, 24, base);
	writeU64(view, 32, index.coveredBytes);
	index.entries.forEach((entry, number) => {
		const at = HEADER_BYTES + number * ENTRY_BYTES;
		view.setUint32(at, entry.fileOffset, true);
		view.setUint32(at + 4, entry.relative, true);
		writeU64(view, at + 8, entry.time);
		writeU64(view, at + 16, entry.head);
		view.setUint8(at + 24, entry.sealed ? 1 : 0);
		view.setUint32(at + 28, entry.crc, true);
	});
	view.setUint32(8, checksum(bytes.subarray(12)), true);
	return bytes;
}

/** Decodes an index, or returns `undefined` if it is damaged, of another segment, or covers more than `segmentBytes`. */
export function decodeIndex(
	bytes: Uint8Array,
	tag: number,
	base: number,
	segmentBytes: number,
): SparseIndex | undefined {
	if (bytes.length < HEADER_BYTES || !startsWith(bytes, MAGIC)) return undefined;
	const view = viewOf(bytes);
	const count = view.getUint32(12, true);
	if (bytes.length !== HEADER_BYTES + count * ENTRY_BYTES) return undefined;
	if (view.getUint32(8, true) !== checksum(bytes.subarray(12))) return undefined;
	const covered = readU64(view, 32);
	if (view.getUint32(16, true) !== tag || readU64(view, 24) !== base || !(covered <= segmentBytes)) return undefined;
	const entries: IndexEntry[] = [];
	for (let number = 0; number < count; number++) {
		const at = HEADER_BYTES + number * ENTRY_BYTES;
		entries.push({
			fileOffset: view.getUint32(at, true),
			relative: view.getUint32(at + 4, true),
			time: readU64(view, at + 8),
			head: readU64(view, at + 16),
			sealed: (view.getUint8(at + 24) & 1) === 1,
			crc: view.getUint32(at + 28, true),
		});
	}
	return new SparseIndex(entries, covered);
}
