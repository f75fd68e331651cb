/** The segments of a shard as retention sees them: where they end, and when the last append of each came. */
import { StreambedError } from "../../core/errors.ts";
import type { RetainedPieces } from "../../core/retention.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import { isGone } from "../../disk/system-error.ts";
import { isData } from "../format/frame-walk.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import type { Segment } from "./segment.ts";
import type { SegmentReader } from "./segment-reader.ts";
import type { ShardFiles } from "./shard-files.ts";

/** Bounds of a shard, of what is durable. */
export interface ShardExtent {
	readonly kind: StreamKind;
	readonly head: number;
	readonly tail: number;
	/** Nothing has been accepted that is not durable: the newest segment may be closed and dropped. */
	readonly idle: boolean;
}

/** Pieces of a shard; a segment whose last time is not known goes with a later one. */
export function retainedSegments(segments: readonly Segment[], extent: ShardExtent): RetainedPieces {
	const { head, tail, idle } = extent;
	const durable = segments.filter(({ base }) => base <= tail);
	const bytesFrom = extent.kind === "bytes" ? (border: number) => tail - border : storedFrom(durable, tail);
	const newest = durable.at(-1)?.base ?? head;
	/** Calls `visit` with each border above the head and the last time below it, lowest first. */
	const borders = (visit: (border: number, lastTime: number | undefined) => void): void => {
		durable.forEach((segment, index) => {
			const next = durable[index + 1];
			if (next !== undefined && next.base > head) visit(next.base, segment.lastTime);
			if (next === undefined && idle && tail > head) visit(tail, segment.lastTime);
		});
	};
	return {
		head,
		borderBefore: (time) => {
			let found = head;
			borders((border, lastTime) => {
				if (lastTime !== undefined && lastTime < time) found = border;
			});
			return found;
		},
		borderLeaving: (bytes) => {
			let found = head;
			borders((border) => {
				if (bytesFrom(border) >= bytes) found = border;
			});
			return found;
		},
		borderWithin: (bytes) => {
			let found = head;
			borders((border) => {
				if (bytesFrom(found) > bytes && border <= newest) found = border;
			});
			return found;
		},
	};
}

/** Bytes from a border on, as they are stored, in whole segments: positions of record streams count records. */
function storedFrom(segments: readonly Segment[], tail: number): (border: number) => number {
	return (border) => {
		let bytes = 0;
		for (const [index, segment] of segments.entries()) {
			if ((segments[index + 1]?.base ?? tail) > border) bytes += segment.bytes;
		}
		return bytes;
	};
}

/** Bytes of a shard from its head on: of its data, or in a record stream as it is stored. */
export async function retainedBytes(
	kind: StreamKind,
	files: ShardFiles,
	{ head, tail }: Pick<ShardExtent, "head" | "tail">,
): Promise<number> {
	if (kind === "bytes") return tail - head;
	await learnSizes(files);
	return storedFrom(files.segments, tail)(head);
}

/** Finds out the sizes of segments that nobody has read. Returns how many files were looked at. */
export async function learnSizes(files: ShardFiles): Promise<number> {
	let looks = 0;
	for (const segment of [...files.segments]) {
		if (segment.bytes > 0 || !segment.created) continue;
		looks++;
		try {
			segment.bytes = await files.reader.fileBytes(segment);
		} catch (error) {
			// The head moved meanwhile, and took it.
			if (!isGone(error)) throw error;
		}
	}
	return looks;
}

/**
 * Finds out the last times of closed segments, oldest first, up to the first that is not older than `before`: all behind
 * it are younger still. Returns how many files were read.
 */
export async function learnLastTimes(files: ShardFiles, before: number): Promise<number> {
	let reads = 0;
	const segments = [...files.segments];
	for (let index = 0; index + 1 < segments.length; index++) {
		const segment = segments[index] as Segment;
		const next = segments[index + 1] as Segment;
		if (segment.lastTime === undefined && segment.created && next.created) {
			reads++;
			try {
				segment.lastTime ??= await lastTimeOf(files, segment, next, before);
			} catch (error) {
				// The head moved meanwhile, and took it: its successors are looked at next time.
				if (!isGone(error)) throw error;
				break;
			}
		}
		if (segment.lastTime !== undefined && segment.lastTime >= before) break;
	}
	return reads;
}

async function lastTimeOf(
	files: ShardFiles,
	segment: Segment,
	next: Segment,
	before: number,
): Promise<number | undefined> {
	const bound = await beginOf(files.reader, next);
	// Whether it was closed long after its last append matters only where that bound says too little.
	const known = bound !== undefined && bound < before ? bound : await lastAppendOf(files, segment);
	return known ?? bound;
}

/** When a segment was begun, which is not before the last append of the one before it; `undefined` if it is damaged. */
async function beginOf(reader: SegmentReader, segment: Segment): Promise<number | undefined> {
	const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
	const header = decodeSegmentHeader(bytes.subarray(0, await reader.read(segment.path, bytes, 0)));
	if (header === undefined || header === "version" || header.base !== segment.base) return undefined;
	return header.createdAt;
}

/** Ingestion time of the last append in a closed segment; `undefined` if its end is damaged. */
async function lastAppendOf(files: ShardFiles, segment: Segment): Promise<number | undefined> {
	try {
		const { entries } = await files.prepare(segment);
		for (let number = entries.length - 1; number >= 0; number--) {
			const { block, release } = await files.reader.block(segment, number);
			release();
			const { frames, bad } = block;
			if (bad.length > 0) return undefined;
			const last = frames.findLast(({ header }) => isData(header));
			if (last !== undefined) return last.header.time;
		}
	} catch (error) {
		if (!StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
	}
	return undefined;
}
