/**
 * The segment files of one shard, for reading: which there are, what is where, what is damaged.
 *
 * Shared by the owner's shard (for what is no longer in memory) and by readers in other processes. Opening looks at the
 * newest segment only, from its index's last entry on; older ones are looked at when somebody reads them.
 */
import { join } from "node:path/posix";
import { StreambedError } from "../../core/errors.ts";
import type { ReadResult } from "../../core/shard.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { corrupt } from "../format/corruption.ts";
import { isData } from "../format/frame-walk.ts";
import { baseOfName, SEGMENT_HEADER_BYTES, segmentName } from "../format/segment-header.ts";
import { SparseIndex } from "../format/sparse-index.ts";
import type { Block } from "./block-cache.ts";
import { baseOfIndex, indexedEnd } from "./indexed-end.ts";
import { existingSegment, type Segment } from "./segment.ts";
import { runsOfBlock, type SegmentReader, type StreamIds, type WalkState } from "./segment-reader.ts";

const UNCERTAIN_HINT =
	"`streambed repair --dry-run` tells whether appends can go on; if not, copy what is good to a new stream (`streambed read A | streambed append B`).";

/** Blocks read ahead of a reader that goes through a segment. */
const READ_AHEAD_BLOCKS = 3;

/** What opening a shard found. */
export interface ShardTail {
	readonly tail: number;
	readonly state: WalkState;
	/** Ingestion time of the last append, if it is known. */
	readonly lastTime: number | null;
	/** Where the next frame goes in the newest segment. */
	readonly fileEnd: number;
	/** It is not known for certain where the shard ends: appends are refused with this. */
	readonly damage: StreambedError | undefined;
}

/** Segment files of a shard. */
export class ShardFiles {
	readonly folder: string;
	readonly reader: SegmentReader;
	readonly #disk: Disk;
	readonly #ids: StreamIds;
	readonly #shard: number;
	/** Ascending by base. */
	segments: Segment[] = [];
	/** Bases of indexes above the newest segment, as the folder was listed last. */
	#orphans: number[] = [];

	constructor(disk: Disk, reader: SegmentReader, folder: string, ids: StreamIds, shard: number) {
		this.#disk = disk;
		this.reader = reader;
		this.folder = folder;
		this.#ids = ids;
		this.#shard = shard;
	}

	/** Lists the folder anew, keeping what is known of segments that are still there. Returns names left by a crash. */
	async list(): Promise<string[]> {
		const names = await this.#disk.list(this.folder).catch((error) => {
			if (isGone(error)) return [];
			throw error;
		});
		const known = new Map(this.segments.map((segment) => [segment.base, segment]));
		const bases = names.map(({ name }) => baseOfName(name)).filter((base) => base !== undefined);
		this.segments = bases.sort((a, b) => a - b).map((base) => known.get(base) ?? existingSegment(this.folder, base));
		const newest = this.segments.at(-1)?.base ?? -1;
		this.#orphans = names.map(({ name }) => baseOfIndex(name) ?? -1).filter((base) => base > newest);
		return names.filter(({ name }) => name.endsWith(".tmp")).map(({ name }) => join(this.folder, name));
	}

	/**
	 * Leaves out the newest segments as long as others of the same write in parts are still to come: it is shown as a whole
	 * or not at all. Returns how many they are.
	 */
	async leaveOutIncomplete(): Promise<number> {
		const all = this.segments.length;
		for (let newest = this.segments.at(-1); newest !== undefined; newest = this.segments.at(-1)) {
			try {
				await this.reader.readHeader(newest, this.#ids, this.#shard);
			} catch (error) {
				// What is wrong with it is found out by who reads it.
				if (!StreambedError.is(error)) throw error;
				break;
			}
			if ((newest.following ?? 0) === 0) break;
			this.segments.pop();
		}
		return all - this.segments.length;
	}

	/** Paths of indexes above the newest segment, as the folder was listed last: those of segments that are gone. */
	get orphans(): readonly string[] {
		return this.#orphans.map((base) => join(this.folder, segmentName(base, ".idx")));
	}

	/**
	 * Finds out tail, head and seal from the newest segment. With `closed`, after a clean close, it is also noticed that
	 * the newest segment is gone, if its index is still there.
	 */
	async openTail(closed = false): Promise<ShardTail> {
		const found = await this.#newestTail();
		return closed && found.damage === undefined && this.#orphans.length > 0
			? { ...found, damage: await this.#newestGone() }
			: found;
	}

	async #newestTail(): Promise<ShardTail> {
		const newest = this.segments.at(-1);
		if (newest === undefined) return emptyTail;
		try {
			return await this.#scanNewest(newest);
		} catch (error) {
			// That a disk fails now says nothing about the file: the next call tries again.
			if (!StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
			// Where it cannot be read, what comes before is still known: the shard reaches at least to its base.
			const older = this.segments.at(-2);
			const state = { head: this.segments[0]?.base ?? 0, sealed: false, timeFloor: 0, lastTime: undefined };
			if (older !== undefined) state.head = await this.#headOf(older, state.head);
			return { tail: newest.base, state, lastTime: null, fileEnd: SEGMENT_HEADER_BYTES, damage: error };
		}
	}

	/** An index whose segment would be the newest one tells that it is gone. */
	async #newestGone(): Promise<StreambedError | undefined> {
		for (const base of this.#orphans) {
			const shard = { folder: this.folder, ids: this.#ids, shard: this.#shard };
			const end = await indexedEnd(this.#disk, shard, base);
			if (end === undefined) continue;
			const what = `the segment is missing: its index tells of ${end} bytes`;
			return corrupt({ path: join(this.folder, segmentName(base)), offset: 0, what, hint: UNCERTAIN_HINT });
		}
		return undefined;
	}

	async #scanNewest(newest: Segment): Promise<ShardTail> {
		await this.reader.readHeader(newest, this.#ids, this.#shard);
		const fileBytes = await this.reader.fileBytes(newest);
		const index = newest.index ?? (await this.reader.loadIndex(newest, fileBytes));
		const scan = await this.reader.scan(newest, index, fileBytes);
		newest.index = index;
		newest.bytes = scan.goodBytes;
		newest.head = scan.state.head;
		newest.sealed = scan.state.sealed;
		const tail = newest.base + scan.relative;
		const uncertain = scan.goodBytes < fileBytes || scan.goodBytes === SEGMENT_HEADER_BYTES;
		const damage = uncertain
			? corrupt({
					path: newest.path,
					offset: scan.badAt ?? scan.goodBytes,
					what: "it cannot be told where the stream ends",
					hint: UNCERTAIN_HINT,
				})
			: undefined;
		const lastTime = scan.state.lastTime ?? (tail > 0 ? scan.state.timeFloor : null);
		const cutOff = (newest.following ?? 0) > 0 ? incompleteWrite(join(this.folder, segmentName(tail))) : undefined;
		return { tail, state: scan.state, lastTime, fileEnd: scan.goodBytes, damage: damage ?? cutOff };
	}

	async #headOf(segment: Segment, fallback: number): Promise<number> {
		try {
			await this.reader.readHeader(segment, this.#ids, this.#shard);
			const bytes = await this.reader.fileBytes(segment);
			return Math.max(fallback, (await this.reader.scan(segment, new SparseIndex(), bytes)).state.head);
		} catch {
			return fallback;
		}
	}

	/** Makes tag, size and index of a segment known. */
	async prepare(segment: Segment): Promise<SparseIndex> {
		if (segment.index !== undefined) return segment.index;
		const next = this.segments.find(({ base }) => base > segment.base);
		await this.reader.readHeader(segment, this.#ids, this.#shard, next?.base);
		const fileBytes = await this.reader.fileBytes(segment);
		const index = await this.reader.loadIndex(segment, fileBytes);
		if (index.coveredBytes < fileBytes || index.entries.length === 0) {
			await this.reader.scan(segment, index, fileBytes);
			index.coveredBytes = Math.max(index.coveredBytes, fileBytes);
		}
		segment.bytes = fileBytes;
		segment.index = index;
		return index;
	}

	/** Reads runs at `position`, which lies between head and the end of what is in the files. @throws CORRUPT, ENOENT */
	async read(position: number, maxBytes: number, borders: boolean): Promise<ReadResult> {
		const segment = this.segments[this.#segmentAt(position)];
		if (segment === undefined) throw this.#missing(position, this.segments[0]);
		const index = await this.prepare(segment);
		const relative = position - segment.base;
		const blockNumber = index.blockOf(relative);
		const { block, release } = await this.reader.block(segment, blockNumber);
		const runs = runsOfBlock(block, segment.base, position, maxBytes, borders);
		const first = runs[0];
		if (first === undefined || first.bytes.length === 0) {
			release();
			throw this.#damageAt(segment, blockNumber, block, relative);
		}
		if (relative === block.from) this.#readAhead(segment, blockNumber);
		return { kind: "data", runs, release };
	}

	/** Position of the first append at or after `time`, or `undefined` if all in the files are older. */
	async locateTime(time: number): Promise<number | undefined> {
		// Retention may take from them meanwhile.
		const segments = [...this.segments];
		let low = 0;
		let high = segments.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			const told = await this.#beginFrom(segments, middle, high);
			if (told !== undefined && told.time < time) low = told.index;
			else high = middle - 1;
		}
		for (const segment of segments.slice(low)) {
			const index = await this.prepare(segment);
			for (let block = index.blockBefore(time); block < index.entries.length; block++) {
				const lease = await this.reader.block(segment, block);
				lease.release();
				const found = lease.block.frames.find(({ header }) => isData(header) && header.time >= time);
				if (found !== undefined) return segment.base + found.header.relative;
			}
		}
		return undefined;
	}

	/**
	 * The first segment from `low` up to `high` that tells its first time; one that waits to be written does not, nor does one
	 * in which no frame can be found.
	 */
	async #beginFrom(
		segments: readonly Segment[],
		low: number,
		high: number,
	): Promise<{ readonly index: number; readonly time: number } | undefined> {
		for (let index = low; index <= high; index++) {
			const [first] = (await this.prepare(segments[index] as Segment)).entries;
			if (first !== undefined) return { index, time: first.time };
		}
		return undefined;
	}

	/** Begins to read the blocks behind one whose beginning was read, so that disk and checksums work at the same time. */
	#readAhead(segment: Segment, blockNumber: number): void {
		const blocks = segment.index?.entries.length ?? 0;
		for (let next = blockNumber + 1; next <= blockNumber + READ_AHEAD_BLOCKS && next < blocks; next++) {
			this.reader.block(segment, next).then(
				({ release }) => release(),
				() => {},
			);
		}
	}

	#segmentAt(position: number): number {
		let low = -1;
		let high = this.segments.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			if ((this.segments[middle] as Segment).base <= position) low = middle;
			else high = middle - 1;
		}
		return low;
	}

	#damageAt(segment: Segment, blockNumber: number, block: Block, relative: number): StreambedError {
		const next = this.segments.find(({ base }) => base > segment.base);
		const bad = block.bad.findLast((stretch) => stretch.relative <= relative) ?? block.bad[0];
		if (bad === undefined && relative < block.from) {
			const what = "no frame can be found at its beginning";
			return corrupt({ path: segment.path, offset: SEGMENT_HEADER_BYTES, validAfter: segment.base + block.from, what });
		}
		if (bad === undefined) return this.#missing(segment.base + relative, next, segment);
		const after = block.frames.find((frame) => frame.header.relative > relative && isData(frame.header));
		const entry = segment.index?.entries[blockNumber + 1];
		const afterBlock = entry === undefined ? next?.base : segment.base + entry.relative;
		return corrupt({
			path: segment.path,
			offset: block.fileOffset + bad.at,
			validAfter: after === undefined ? afterBlock : segment.base + after.header.relative,
			what: `the ${bad.what} of a frame fails its check`,
		});
	}

	#missing(position: number, next: Segment | undefined, after?: Segment): StreambedError {
		const path = join(this.folder, segmentName(position));
		const what = after === undefined ? "the first segment is missing" : `a segment is missing after ${after.path}`;
		return corrupt({ path, offset: 0, validAfter: next?.base, what });
	}
}

/** The error for a write in parts whose last files are missing. */
export function incompleteWrite(path: string): StreambedError {
	return corrupt({ path, offset: 0, what: "the rest of a write in parts is missing", hint: UNCERTAIN_HINT });
}

/** What opening a shard finds that has no segment. */
export const emptyTail: ShardTail = {
	tail: 0,
	state: { head: 0, sealed: false, timeFloor: 0, lastTime: undefined },
	lastTime: null,
	fileEnd: 0,
	damage: undefined,
};
