/**
 * The end of a shard (docs/adr/0017-repair.md): what may have stood behind the last good frame, and how appends can go on
 * without giving a position away twice.
 */
import { join } from "node:path/posix";
import type { StreamKind } from "../../core/stream-config.ts";
import type { DiskFile } from "../../disk/disk.ts";
import { viewOf } from "../format/checksum.ts";
import { CONTROL_BYTES, controlFrame } from "../format/control-frame.ts";
import { FRAME_HEADER_BYTES, FrameType, frameBytes, readFrameHeader, STATE_BYTES } from "../format/frame.ts";
import {
	encodeSegmentHeader,
	SEGMENT_HEADER_BYTES,
	segmentName,
	segmentNumber,
	segmentTag,
} from "../format/segment-header.ts";
import type { RingRounds } from "../journal/ring-rounds.ts";
import { indexedEnd } from "../segments/indexed-end.ts";
import type { RepairWork } from "./repair-work.ts";
import type { KnownState, SegmentSurvey } from "./segment-survey.ts";

/** The smallest data frame without its payload: header and one entry. */
const LEAST_BYTES = FRAME_HEADER_BYTES + 8;

/** Whose shard it is, and what is known of it from elsewhere. */
export interface ShardToRepair {
	/** Folder of the shard. */
	readonly folder: string;
	readonly ids: readonly Uint8Array[];
	readonly kind: StreamKind;
	readonly shard: number;
	readonly ring: RingRounds;
	/** How long segments were at least. */
	readonly ends: ReadonlyMap<string, number>;
	/** The last owner closed the store: indexes tell how long its segments were. */
	readonly clean: boolean;
}

/** Most units that frames in so many bytes of a segment, its header and state included, can hold. */
export function unitsWithin(segmentBytes: number): number {
	return Math.max(0, segmentBytes - SEGMENT_HEADER_BYTES - CONTROL_BYTES - LEAST_BYTES);
}

/** Makes the end of the newest segment certain, if that can be. */
export async function settleEnd(
	work: RepairWork,
	shard: ShardToRepair,
	base: number,
	survey: SegmentSurvey,
	state: KnownState,
): Promise<void> {
	const path = join(shard.folder, segmentName(base));
	const { end, relative, size } = survey;
	const indexed = (await indexedEnd(work.disk, shard, base)) ?? 0;
	const known = Math.max(size, shard.ends.get(path) ?? 0, indexed);
	if (known === end && end > SEGMENT_HEADER_BYTES) return;
	const position = base + relative;
	const behind = size - end;
	if (state.sealed) {
		if (behind > 0) await work.edit(path, `${behind} bytes behind the seal cut off`, [], end);
		return;
	}
	// An index tells the length for certain only if it was written when the store was closed.
	const evidence = (shard.clean && indexed >= known) || (shard.ends.get(path) ?? 0) >= known;
	const complete = shard.clean && indexed === end;
	const lost = complete ? 0 : await unitsLost(work, path, survey, known, evidence);
	if (lost === undefined) return;
	if (end === SEGMENT_HEADER_BYTES) await work.setAside(path, "set aside: no frame in it can be read");
	else if (behind > 0) {
		await work.edit(path, `${behind} bytes that are no frame cut off behind position ${position}`, [], end);
	}
	if (lost > 0 || end === SEGMENT_HEADER_BYTES) await goOn(work, shard, state, position, lost);
}

/** Most units that can have stood behind the last good frame, or `undefined` if nothing bounds them. */
async function unitsLost(
	{ disk }: RepairWork,
	path: string,
	survey: SegmentSurvey,
	known: number,
	evidence: boolean,
): Promise<number | undefined> {
	const file = await disk.open(path, "read");
	try {
		return await unitsBehind(file, survey, known, evidence);
	} finally {
		await file.close();
	}
}

async function unitsBehind(
	file: DiskFile,
	{ end, size, bad }: SegmentSurvey,
	known: number,
	evidence: boolean,
): Promise<number | undefined> {
	const isCut = bad.at(-1)?.what === "cut" || size === SEGMENT_HEADER_BYTES || known > size;
	if (!isCut) {
		// What is left of a seal must not let the shard come back to life.
		if (await looksLikeSeal(file, size - CONTROL_BYTES)) return undefined;
		return Math.max(0, size - end - LEAST_BYTES);
	}
	if (!evidence || (await looksLikeSeal(file, known - CONTROL_BYTES))) return undefined;
	const bytes = new Uint8Array(FRAME_HEADER_BYTES);
	const header = readFrameHeader(bytes.subarray(0, await file.read(bytes, end)), viewOf(bytes), 0);
	const frame = header === undefined ? 0 : frameBytes(header);
	return (header?.units ?? 0) + Math.max(0, known - end - frame - LEAST_BYTES);
}

/** Tells whether what is left of a frame says that it was a seal: its type beside its version or its length. */
async function looksLikeSeal(file: DiskFile, at: number): Promise<boolean> {
	const bytes = new Uint8Array(FRAME_HEADER_BYTES);
	if (at < 0) return false;
	await file.read(bytes, at);
	return bytes[9] === FrameType.seal && (bytes[8] === 1 || viewOf(bytes).getUint32(16, true) === STATE_BYTES);
}

/** Begins a new segment behind all positions that may have been given away: from there on the end is certain. */
export async function goOn(
	work: RepairWork,
	{ kind, shard, ids, folder }: ShardToRepair,
	{ head, time, round }: KnownState,
	from: number,
	lost: number,
): Promise<void> {
	const base = from + lost;
	const number = segmentNumber(base);
	const streamId = ids[0] as Uint8Array;
	const header = encodeSegmentHeader({ kind, streamId, shard, number, base, createdAt: time });
	const tag = segmentTag(streamId, shard, number);
	const place = { type: FrameType.state, tag, relative: 0, time, round };
	const frame = controlFrame(place, { head, timeFloor: time, sealed: false });
	const gone = lost === 0 ? "" : `; positions ${from} to ${base} may have been given away, and are lost`;
	const what = `made: appends go on at position ${base}${gone}; if the stream was sealed there, seal it again`;
	await work.put(join(folder, segmentName(base)), what, Buffer.concat([header, frame]));
}
