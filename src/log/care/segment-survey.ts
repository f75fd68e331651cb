/** What stands in a segment file, good and bad, as a repair has to know it. */

import type { Disk, DiskFile } from "../../disk/disk.ts";
import { viewOf } from "../format/checksum.ts";
import { decodeState, FRAME_HEADER_BYTES, FrameType, readFrameHeader } from "../format/frame.ts";
import { findFrame } from "../format/frame-walk.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentNumber, segmentTag } from "../format/segment-header.ts";
import { STAMP_BYTES } from "../format/staged-files.ts";
import { type BadFrame, walkSegment } from "../segments/segment-walk.ts";

const WINDOW_BYTES = 1024 * 1024;

/** Whose segment it should be. */
export interface ExpectedSegment {
	readonly ids: readonly Uint8Array[];
	readonly shard: number;
	readonly base: number;
}

/** What the header of a segment says. */
export type SegmentVerdict =
	| { readonly kind: "good" | "lost"; readonly tag: number; readonly id: Uint8Array }
	/** It belongs to this shard, under another name. */
	| { readonly kind: "misplaced"; readonly base: number }
	/** A good header of another shard or stream, or nothing of ours. */
	| { readonly kind: "foreign" }
	| { readonly kind: "version" };

/** Judges the header of a segment; `lost`: it is bad, and frames in the file prove what it was. */
async function judgeHeader(file: DiskFile, { ids, shard, base }: ExpectedSegment): Promise<SegmentVerdict> {
	const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
	const header = decodeSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)));
	if (header === "version") return { kind: "version" };
	if (header !== undefined) {
		const id = ids.find((one) => Buffer.compare(one, header.streamId) === 0);
		if (id === undefined || header.shard !== shard) return { kind: "foreign" };
		if (header.base !== base) return { kind: "misplaced", base: header.base };
		return { kind: "good", tag: segmentTag(id, shard, header.number), id };
	}
	for (const id of ids) {
		const tag = segmentTag(id, shard, segmentNumber(base));
		if (await holdsFrame(file, tag)) return { kind: "lost", tag, id };
	}
	const tag = await adoptedTag(file);
	const [id] = ids;
	return tag === undefined || id === undefined ? { kind: "foreign" } : { kind: "lost", tag, id };
}

/** Judges what stands under the name of a segment; a folder, or whatever is no file, is nothing of ours. */
export async function judgePath(disk: Disk, path: string, expected: ExpectedSegment): Promise<SegmentVerdict> {
	if ((await disk.stat(path))?.kind !== "file") return { kind: "foreign" };
	const file = await disk.open(path, "read");
	try {
		return await judgeHeader(file, expected);
	} finally {
		await file.close();
	}
}

/** The tag of frames that were staged: they are of no round, and begin behind the state that their commit has written. */
async function adoptedTag(file: DiskFile): Promise<number | undefined> {
	const bytes = new Uint8Array(STAMP_BYTES + FRAME_HEADER_BYTES);
	if ((await file.read(bytes, 0)) < bytes.length) return undefined;
	const view = viewOf(bytes);
	const state = readFrameHeader(bytes, view, SEGMENT_HEADER_BYTES);
	const first = readFrameHeader(bytes, view, STAMP_BYTES);
	if (state?.type !== FrameType.state || first === undefined || first.tag !== state.tag) return undefined;
	return state.round === 0 && first.round === 0 && first.time === 0 ? state.tag : undefined;
}

async function holdsFrame(file: DiskFile, tag: number): Promise<boolean> {
	const size = await file.size();
	const window = Buffer.allocUnsafe(WINDOW_BYTES);
	for (let at = SEGMENT_HEADER_BYTES; at < size; at += WINDOW_BYTES - FRAME_HEADER_BYTES) {
		const bytes = window.subarray(0, await file.read(window, at));
		if (findFrame(bytes, viewOf(bytes), 0, tag, 0) !== undefined) return true;
	}
	return false;
}

/** Head and the like as far as the frames of a shard tell. */
export interface KnownState {
	head: number;
	sealed: boolean;
	time: number;
	round: number;
}

/** Outcome of walking a segment. */
export interface SegmentSurvey {
	readonly size: number;
	readonly bad: readonly BadFrame[];
	/** File offset and relative position behind the last frame whose header holds. */
	readonly end: number;
	readonly relative: number;
	/** Ingestion time of the first frame; 0 if none is good. */
	readonly firstTime: number;
	/** Round of the frame before each bad stretch, in the order of `bad`. */
	readonly roundsBefore: readonly number[];
}

/** Walks a segment; `state` takes over what its control frames say. */
export async function surveySegment(file: DiskFile, tag: number, state: KnownState): Promise<SegmentSurvey> {
	const size = await file.size();
	const read = (target: Uint8Array, position: number): Promise<number> => file.read(target, position);
	const bad: BadFrame[] = [];
	const roundsBefore: number[] = [];
	let end = SEGMENT_HEADER_BYTES;
	let relative = 0;
	let firstTime = 0;
	for await (const piece of walkSegment({ read, tag, from: SEGMENT_HEADER_BYTES, relative: 0, size })) {
		if (piece.kind === "bad") {
			bad.push(piece);
			roundsBefore.push(state.round);
			if (piece.end === undefined) break;
			if (piece.what === "body") [end, relative] = [piece.end, piece.next];
			continue;
		}
		for (const { at, header } of piece.frames) {
			firstTime ||= header.time;
			state.time = Math.max(state.time, header.time);
			state.round = Math.max(state.round, header.round);
			if (header.type === FrameType.data) continue;
			const said = decodeState(piece.bytes, at, header);
			if (said === undefined) continue;
			state.head = Math.max(state.head, said.head);
			state.sealed ||= said.sealed;
		}
		[end, relative] = [piece.end, piece.relative];
	}
	return { size, bad, end, relative, firstTime, roundsBefore };
}
