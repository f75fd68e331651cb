/**
 * Reads segments: header and tag, index (rebuilt when missing or bad), blocks; turns checked frames into runs.
 *
 * Readers and the owner's own shards share it, with one file pool and one block cache per store.
 */

import { fail } from "../../core/errors.ts";
import type { Run } from "../../core/shard.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import type { FilePool } from "../files/file-pool.ts";
import { viewOf } from "../format/checksum.ts";
import { corrupt, ioError } from "../format/corruption.ts";
import { decodeState, entryEnds, FRAME_HEADER_BYTES, FrameType, frameBytes, frameHeaderCrc } from "../format/frame.ts";
import { type FoundFrame, walkFrames } from "../format/frame-walk.ts";
import { holdsRecords, recordRun } from "../format/record-run.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentTag } from "../format/segment-header.ts";
import { decodeIndex, type IndexEntry, SparseIndex } from "../format/sparse-index.ts";
import { type Block, BlockCache, type Lease } from "./block-cache.ts";
import { BlockMemory } from "./block-memory.ts";
import type { Segment } from "./segment.ts";

const WINDOW_BYTES = 1024 * 1024;

/** Memory that waits to be used again: of a block, and of those that are read ahead of it. */
const FREE_BYTES = 8 * 1024 * 1024;

/** Ids under which the segments of a stream may have been written: its own, and those of the streams it was copied from. */
export type StreamIds = readonly Uint8Array[];

/** State of a shard before or after a frame. */
export interface WalkState {
	head: number;
	sealed: boolean;
	timeFloor: number;
	/** Time of the last data frame, if one was seen. */
	lastTime: number | undefined;
}

/** Outcome of walking the headers of a segment. */
export interface SegmentScan {
	/** Where the last good frame ends. */
	readonly goodBytes: number;
	readonly fileBytes: number;
	/** Relative position behind the last good frame. */
	readonly relative: number;
	readonly state: WalkState;
	/** File offset of the first bad stretch. */
	readonly badAt: number | undefined;
}

/** Reading of segment files. */
export class SegmentReader {
	readonly #disk: Disk;
	readonly files: FilePool;
	readonly blocks: BlockCache;
	readonly #memory: BlockMemory = new BlockMemory(FREE_BYTES);

	constructor(disk: Disk, files: FilePool, cacheBytes: number) {
		this.#disk = disk;
		this.files = files;
		this.blocks = new BlockCache(cacheBytes, this.#memory);
	}

	/** Reads and checks the header of a segment, and notes its tag; good data begins again at `validAfter` if it is bad. */
	async readHeader(segment: Segment, ids: StreamIds, shard: number, validAfter?: number): Promise<void> {
		if (segment.tag !== undefined) return;
		const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
		const got = await this.read(segment.path, bytes, 0);
		const header = decodeSegmentHeader(bytes.subarray(0, got));
		if (header === "version") {
			throw fail("FORMAT_VERSION", `${segment.path} was written in a format that this version does not read`);
		}
		const id = ids.find((one) => header !== undefined && Buffer.compare(one, header.streamId) === 0);
		if (header === undefined || id === undefined || header.shard !== shard || header.base !== segment.base) {
			const what = header === undefined ? "the segment header fails its check" : "the segment belongs elsewhere";
			throw corrupt({ path: segment.path, offset: 0, validAfter, what });
		}
		segment.tag = segmentTag(id, shard, header.number);
		segment.since ??= header.createdAt;
		segment.following = header.following;
		if (header.following === undefined) return;
		segment.stamp = header.createdAt;
		segment.full = true;
	}

	/** Size of the segment's file now. */
	async fileBytes(segment: Segment): Promise<number> {
		return await this.#io(segment.path, () => this.files.use(segment.path, (file) => file.size()));
	}

	/** The stored index of a segment whose header has been read, or an empty one. */
	async loadIndex(segment: Segment, fileBytes: number): Promise<SparseIndex> {
		const path = indexPath(segment);
		const bytes = await this.#disk.readFile(path).catch(() => undefined);
		const index = bytes && decodeIndex(bytes, segment.tag as number, segment.base, fileBytes);
		return index ?? new SparseIndex();
	}

	/**
	 * Walks the headers of a segment from the index's last entry to the end of the file, completing the index.
	 * If the frame that the index points to is not there, the index is dropped and the whole file walked.
	 */
	async scan(segment: Segment, index: SparseIndex, fileBytes: number): Promise<SegmentScan> {
		const last = index.entries.at(-1);
		const start = last ?? { fileOffset: SEGMENT_HEADER_BYTES, relative: 0, head: 0, sealed: false, time: 0 };
		const state: WalkState = { head: start.head, sealed: start.sealed, timeFloor: start.time, lastTime: undefined };
		const scan = await this.#scanFrom(segment, index, fileBytes, start.fileOffset, start.relative, state);
		if (last !== undefined && (scan.badAt === start.fileOffset || !(await this.#isThere(segment, last)))) {
			index.entries.length = 0;
			return await this.scan(segment, index, fileBytes);
		}
		return scan;
	}

	/** Tells whether the frame that an index entry describes stands where it says. */
	async #isThere(segment: Segment, entry: IndexEntry): Promise<boolean> {
		const bytes = new Uint8Array(FRAME_HEADER_BYTES);
		const got = await this.read(segment.path, bytes, entry.fileOffset);
		return got === FRAME_HEADER_BYTES && frameHeaderCrc(viewOf(bytes), 0) === entry.crc;
	}

	async #scanFrom(
		segment: Segment,
		index: SparseIndex,
		fileBytes: number,
		from: number,
		fromRelative: number,
		state: WalkState,
	): Promise<SegmentScan> {
		let at = from;
		let goodBytes = from;
		let relative: number = fromRelative;
		let badAt: number | undefined;
		while (at < fileBytes) {
			const bytes = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, fileBytes - at));
			const window = bytes.subarray(0, await this.read(segment.path, bytes, at));
			const walk = walkFrames({ bytes: window, from: 0, ...identity(segment), relative, bodies: false });
			for (const frame of walk.frames) {
				const fileOffset = at + frame.at;
				const end = fileOffset + frameBytes(frame.header);
				if (end > fileBytes) {
					badAt ??= fileOffset;
					break;
				}
				const { head, sealed } = state;
				const { relative: from, time } = frame.header;
				const crc = frameHeaderCrc(viewOf(window), frame.at);
				index.note({ fileOffset, relative: from, time, head, sealed, crc }, end);
				relative = frame.header.relative + frame.header.units;
				if (await this.#noteState(segment, window, frame, at, state)) goodBytes = end;
				else badAt ??= fileOffset;
			}
			// A header cut by the window's end is read again in the next window; anything else that fails is damage.
			const stop = walk.bad.find(
				(bad) => bad.at + FRAME_HEADER_BYTES <= window.length || at + window.length >= fileBytes,
			);
			if (stop !== undefined) badAt ??= at + stop.at;
			const next = at + walk.end;
			if (next <= at) at = stop === undefined ? fileBytes : at + Math.max(1, window.length - FRAME_HEADER_BYTES);
			else at = next;
		}
		return { goodBytes, fileBytes, relative, state, badAt };
	}

	/** Takes state over from a frame; `false` if it is a control frame whose state cannot be read. */
	async #noteState(
		segment: Segment,
		window: Uint8Array,
		frame: FoundFrame,
		at: number,
		state: WalkState,
	): Promise<boolean> {
		state.timeFloor = Math.max(state.timeFloor, frame.header.time);
		if (frame.header.type === FrameType.data) {
			state.lastTime = frame.header.time;
			return true;
		}
		const whole = frame.at + frameBytes(frame.header);
		let bytes = window;
		let place = frame.at;
		if (whole > window.length) {
			bytes = Buffer.allocUnsafeSlow(frameBytes(frame.header));
			await this.read(segment.path, bytes, at + frame.at);
			place = 0;
		}
		const stored = walkFrames({
			bytes: bytes.subarray(0, place + frameBytes(frame.header)),
			from: place,
			...identity(segment),
			relative: undefined,
			bodies: true,
		});
		const decoded = stored.frames.length === 1 ? decodeState(bytes, place, frame.header) : undefined;
		if (decoded === undefined) return false;
		state.head = Math.max(state.head, decoded.head);
		state.sealed ||= decoded.sealed;
		state.timeFloor = Math.max(state.timeFloor, decoded.timeFloor);
		return true;
	}

	/** The block with this number, from the cache or the file; `segment.index` and `segment.bytes` must be known. */
	async block(segment: Segment, number: number): Promise<Lease> {
		const entries = (segment.index as SparseIndex).entries;
		const entry = entries[number];
		if (entry === undefined) throw corrupt({ path: segment.path, offset: 0, what: "no frame can be found in it" });
		const next = entries[number + 1];
		const lease = await this.stretch(segment, entry, next?.fileOffset ?? segment.bytes);
		const { block } = lease;
		return next === undefined || next.relative === block.to
			? lease
			: { ...lease, block: { ...block, to: next.relative } };
	}

	/** The stretch between two frames' places in the file, from the cache or the file. */
	async stretch(segment: Segment, from: { fileOffset: number; relative: number }, end: number): Promise<Lease> {
		const { fileOffset, relative } = from;
		const key = `${segment.path}:${fileOffset}-${end}`;
		return await this.blocks.get(key, end - fileOffset, async () => {
			const memory = this.#memory.take(end - fileOffset);
			const target = memory.subarray(0, end - fileOffset);
			const bytes = target.subarray(0, await this.read(segment.path, target, fileOffset));
			const walk = walkFrames({ bytes, from: 0, ...identity(segment), relative, bodies: true });
			const bad = walk.end < bytes.length && walk.bad.length === 0 ? [cut(walk.end, walk.relative)] : walk.bad;
			return { bytes, memory, fileOffset, frames: walk.frames, bad, from: relative, to: walk.relative };
		});
	}

	/** Reads from a segment file, at most `target.length` bytes. */
	async read(path: string, target: Uint8Array, position: number): Promise<number> {
		return await this.#io(path, () => this.files.use(path, (file) => file.read(target, position)));
	}

	async #io<T>(path: string, work: () => Promise<T>): Promise<T> {
		try {
			return await work();
		} catch (error) {
			throw isGone(error) ? error : ioError(error, `reading ${path}`);
		}
	}
}

/** What the frames of a segment whose header has been read are known by. */
function identity({ tag, stamp }: Segment): { tag: number; stamp: number } {
	return { tag: tag as number, stamp };
}

function cut(at: number, relative: number): { at: number; relative: number; what: "body" } {
	return { at, relative, what: "body" };
}

/** Where the index of a segment is kept. */
export function indexPath(segment: Segment): string {
	return segment.path.replace(/\.seg$/, ".idx");
}

/** Runs of a checked block from `position` (absolute) on, about `maxBytes` of them; stops at the first hole. */
export function runsOfBlock(block: Block, base: number, position: number, maxBytes: number, borders: boolean): Run[] {
	const runs: Run[] = [];
	let at = position;
	let total = 0;
	for (let index = frameHolding(block.frames, position - base); index < block.frames.length; index++) {
		const frame = block.frames[index] as FoundFrame;
		const from = base + frame.header.relative;
		if (frame.header.units === 0) continue;
		if (from > at || total >= maxBytes) break;
		const run = runOfFrame(block.bytes, frame, from, at, borders);
		if (run === undefined) break;
		runs.push(run);
		at = from + frame.header.units;
		total += run.bytes.length;
	}
	return runs;
}

/** The run of one frame from `at` on. */
function runOfFrame(bytes: Uint8Array, frame: FoundFrame, from: number, at: number, borders: boolean): Run | undefined {
	const view = viewOf(bytes);
	if (holdsRecords(view, frame.at)) return recordRun(bytes, view, frame.at, from, at, frame.header.time);
	const start = frame.at + FRAME_HEADER_BYTES;
	const run: Run = {
		offset: at,
		time: frame.header.time,
		bytes: bytes.subarray(start + (at - from), start + frame.header.units),
	};
	if (!borders) return run;
	const ends = entryEnds(bytes, frame.at, frame.header).map((end) => from + end);
	return { ...run, ends: ends.filter((end) => end > at) };
}

/** Index of the last frame that begins at or before a relative position and is not followed by a control frame there. */
function frameHolding(frames: readonly FoundFrame[], relative: number): number {
	let low = 0;
	let high = frames.length - 1;
	while (low < high) {
		const middle = (low + high + 1) >> 1;
		if ((frames[middle] as FoundFrame).header.relative <= relative) low = middle;
		else high = middle - 1;
	}
	return low;
}
