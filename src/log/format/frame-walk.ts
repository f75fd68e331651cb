/**
 * Walking frames in a stretch of a segment: checks each, goes on behind bad ones.
 *
 * A frame whose header holds and whose body does not is skipped exactly; where a header fails, the next good header of
 * the same segment is searched for byte by byte. Nothing of a bad frame is reported as good.
 */

import { viewOf } from "./checksum.ts";
import { type FrameHeader, FrameType, frameBodyHolds, frameBytes, readFrameHeader } from "./frame.ts";

/** A frame found: where it begins in the buffer, and its header. */
export interface FoundFrame {
	readonly at: number;
	readonly header: FrameHeader;
}

/** A stretch that fails its checks. */
export interface BadStretch {
	/** Where it begins in the buffer. */
	readonly at: number;
	/** Relative position that was expected here. */
	readonly relative: number;
	/** Header or body. */
	readonly what: "header" | "body";
}

/** Outcome of a walk. */
export interface WalkResult {
	readonly frames: readonly FoundFrame[];
	readonly bad: readonly BadStretch[];
	/** Where the walk ended in the buffer: the end, or the beginning of a frame that is not wholly inside. */
	readonly end: number;
	/** Relative position of the next frame. */
	readonly relative: number;
}

/** What to walk. */
export interface WalkRange {
	readonly bytes: Uint8Array;
	readonly from: number;
	/** Tag of the segment. */
	readonly tag: number;
	/** Relative position of the frame at `from`; `undefined` accepts any. */
	readonly relative: number | undefined;
	/** Check bodies too, and not headers alone. */
	readonly bodies: boolean;
	/** Time of frames that were staged. */
	readonly stamp?: number;
}

/** Walks the frames that lie wholly inside the range (headers only: whose header does). */
export function walkFrames(range: WalkRange): WalkResult {
	const { bytes, tag, bodies, stamp } = range;
	const view = viewOf(bytes);
	const frames: FoundFrame[] = [];
	const bad: BadStretch[] = [];
	let at = range.from;
	let relative = range.relative;
	while (at < bytes.length) {
		const header = readFrameHeader(bytes, view, at, stamp);
		if (header === undefined || header.tag !== tag || (relative !== undefined && header.relative !== relative)) {
			bad.push({ at, relative: relative ?? 0, what: "header" });
			const next = findFrame(bytes, view, at + 1, tag, relative ?? 0);
			if (next === undefined) return { frames, bad, end: at, relative: relative ?? 0 };
			relative = next.header.relative;
			at = next.at;
			continue;
		}
		const end = at + frameBytes(header);
		if (end > bytes.length && bodies) break;
		if (bodies && !frameBodyHolds(bytes, at, header)) bad.push({ at, relative: header.relative, what: "body" });
		else frames.push({ at, header });
		relative = header.relative + header.units;
		at = end;
	}
	return { frames, bad, end: at, relative: relative ?? 0 };
}

/** Finds the next good header of a segment at or after `from`, for a position of at least `relative`. */
export function findFrame(
	bytes: Uint8Array,
	view: DataView,
	from: number,
	tag: number,
	relative: number,
): FoundFrame | undefined {
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	for (let at = buffer.indexOf("SBFR", from, "latin1"); at >= 0; at = buffer.indexOf("SBFR", at + 1, "latin1")) {
		const header = readFrameHeader(bytes, view, at);
		if (header !== undefined && header.tag === tag && header.relative >= relative) return { at, header };
	}
	return undefined;
}

/** Tells whether a frame carries data. */
export function isData(header: FrameHeader): boolean {
	return header.type === FrameType.data;
}
