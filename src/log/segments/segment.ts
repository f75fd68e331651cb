/** One segment file of a shard, as the log knows it: where it is, how far it goes, its index. */
import { join } from "node:path/posix";
import type { Clock } from "../../core/clock.ts";
import { segmentName, segmentNumber, segmentTag } from "../format/segment-header.ts";
import { SparseIndex } from "../format/sparse-index.ts";

/** A segment of a shard. */
export interface Segment {
	readonly base: number;
	readonly path: string;
	/** What its frames carry; `undefined` until its header has been read. */
	tag: number | undefined;
	/** The file exists under its final name. */
	created: boolean;
	/** That name is durable. */
	named: boolean;
	/** Bytes that hold checked or acknowledged frames; the next frame goes there. For all but the newest, the file's size. */
	bytes: number;
	/** Loaded at first use for all but the newest. */
	index: SparseIndex | undefined;
	/** Head and seal of the shard behind the last frame in the file, for the next index entry. */
	head: number;
	sealed: boolean;
	/** Span of checkpoints in which a frame of it last went through the journal whole; see `Placement`. */
	anchoredIn: number;
	/** Ingestion time of its last append; `undefined` if there is none or it has not been found out. */
	lastTime: number | undefined;
	/** When its first append came, or at least when the file was begun: it is closed by age from then on. */
	since: number | undefined;
	/** Of one that was a staged file: how many of the same write follow it. `undefined` also until its header has been read. */
	following: number | undefined;
	/** Time of its frames that have none of their own, because their file was staged. */
	stamp: number;
	/** Closed by age, or to be dropped: the next frame begins another segment, if this one has any units. */
	full: boolean;
}

/** Describes a segment that is about to be written. */
export function newSegment(folder: string, streamId: Uint8Array, shard: number, base: number): Segment {
	const tag = segmentTag(streamId, shard, segmentNumber(base));
	const path = join(folder, segmentName(base));
	return { ...unknown, base, path, tag, created: false, named: false, index: new SparseIndex() };
}

/**
 * Describes a segment that stands in the folder; tag, size and index are found out at first use. Its name may be no more
 * durable than that of a new one: a stream that nobody has open is opened and closed again by its retention.
 */
export function existingSegment(folder: string, base: number): Segment {
	const path = join(folder, segmentName(base));
	return { ...unknown, base, path, tag: undefined, created: true, named: false, index: undefined };
}

/**
 * Where an age is set, segments are closed by time as well, whichever way the clock has gone since they were begun. Returns
 * the time of now for the segment that is begun next, if there is an age.
 */
export function closeOldSegment(
	segments: readonly Segment[],
	rollMs: number | undefined,
	clock: Clock,
	position: number,
): number | undefined {
	if (rollMs === undefined) return undefined;
	const newest = segments.at(-1);
	const now = clock.now();
	if (newest === undefined) return now;
	if (newest.since === undefined || position === newest.base) newest.since = now;
	else if (Math.abs(now - newest.since) >= rollMs) newest.full = true;
	return now;
}

const unknown = {
	bytes: 0,
	head: 0,
	sealed: false,
	anchoredIn: -1,
	lastTime: undefined,
	since: undefined,
	following: undefined,
	stamp: 0,
	full: false,
};
