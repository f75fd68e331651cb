/** Dumps a segment: its header, then every frame; goes on behind what is damaged. */
import { basename } from "node:path/posix";
import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../../core/abort.ts";
import { formatUuid } from "../../core/random.ts";
import { viewOf } from "../format/checksum.ts";
import {
	decodeState,
	FRAME_HEADER_BYTES,
	type FrameHeader,
	FrameType,
	frameBytes,
	HeadReason,
	readFrameHeader,
	STATE_BYTES,
} from "../format/frame.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentTag } from "../format/segment-header.ts";
import { STAMP_BYTES, stagedName } from "../format/staged-files.ts";
import { type BadFrame, walkSegment } from "../segments/segment-walk.ts";
import { bytesAt, type DumpLine, type DumpSource, preview } from "./dump-line.ts";

/** A bad end may be a frame that an owner is just writing: it is looked at so often, so long apart. */
const LOOKS = 5;
const PAUSE_MS = 20;
const WINDOW_BYTES = 1024 * 1024;

/** Dumps a segment. */
export async function* dumpSegment(source: DumpSource): AsyncGenerator<DumpLine> {
	const bytes = await bytesAt(source, 0, SEGMENT_HEADER_BYTES);
	const header = decodeSegmentHeader(bytes);
	const named = Number(/^([0-9]{20})\./.exec(basename(source.path))?.[1] ?? Number.NaN);
	if (header === "version") {
		const reason = "it was written in a format that this version does not read";
		yield { part: "segment", offset: 0, ok: false, reason };
		return;
	}
	if (header !== undefined) {
		const { kind, shard, base, createdAt, following } = header;
		const tag = segmentTag(header.streamId, shard, header.number);
		const stream = formatUuid(header.streamId);
		const staged = following === undefined && stagedName(basename(source.path)) !== undefined;
		const adopted = following === undefined ? (staged ? { staged } : {}) : { adopted: true, following };
		yield { part: "segment", offset: 0, ok: true, kind, stream, shard, base, createdAt, ...adopted };
		const stamp = following === undefined ? 0 : createdAt;
		// Of a staged file the state frame is written at its commit.
		const from = staged ? STAMP_BYTES : SEGMENT_HEADER_BYTES;
		yield* dumpFrames(source, { tag, stamp, base, from, relative: 0 });
		return;
	}
	const base = Number.isSafeInteger(named) ? named : undefined;
	yield { part: "segment", offset: 0, ok: false, reason: "the segment header fails its check", base: base ?? null };
	const first = await firstFrame(source);
	if (first === undefined) return;
	const { tag, relative } = first.header;
	yield* dumpFrames(source, { tag, stamp: 0, base, from: first.at, relative });
}

interface Frames {
	readonly tag: number;
	readonly stamp: number;
	/** Position of the segment, if it is known. */
	readonly base: number | undefined;
	readonly from: number;
	readonly relative: number;
}

async function* dumpFrames(source: DumpSource, { tag, stamp, base, from, relative }: Frames): AsyncGenerator<DumpLine> {
	const read = (target: Uint8Array, position: number): Promise<number> => source.file.read(target, position);
	const place = { from, relative };
	let looks = 0;
	for (let again = true; again; ) {
		again = false;
		const size = await source.file.size();
		for await (const piece of walkSegment({ read, tag, stamp, ...place, size })) {
			throwIfAborted(source.signal, "dumping");
			if (piece.kind === "bad") {
				if (!piece.followed && looks < LOOKS && (await source.file.size()) !== source.size) {
					if (looks++ > 0) await sleep(PAUSE_MS);
					again = true;
					break;
				}
				yield await badLine(source, piece, base);
				place.from = piece.end ?? size;
				place.relative = piece.next;
				continue;
			}
			for (const { at, header } of piece.frames) {
				yield { ...frameLine(piece.fileOffset + at, header, base), ...(await content(source, piece, at, header)) };
			}
			place.from = piece.end;
			place.relative = piece.relative;
		}
	}
}

function frameLine(offset: number, header: FrameHeader, base: number | undefined): DumpLine {
	const { units, entries, payloadBytes, time, round } = header;
	const position = base === undefined ? null : base + header.relative;
	const type = nameOf(FrameType, header.type);
	return { part: "frame", offset, ok: true, type, position, units, entries, payloadBytes, time, round };
}

/** State of a control frame; of a data frame the beginning of its data, if asked for. */
async function content(
	source: DumpSource,
	piece: { readonly bytes: Uint8Array; readonly fileOffset: number },
	at: number,
	header: FrameHeader,
): Promise<object> {
	if (header.type === FrameType.data) {
		return await preview(source, piece.fileOffset + at + FRAME_HEADER_BYTES, header.payloadBytes);
	}
	const state = header.payloadBytes === STATE_BYTES ? decodeState(piece.bytes, at, header) : undefined;
	if (state === undefined) return { ok: false, reason: "the state in this frame makes no sense" };
	const { head, timeFloor, sealed, reason } = state;
	return { head, sealed, timeFloor, ...(reason === HeadReason.none ? {} : { why: nameOf(HeadReason, reason) }) };
}

async function badLine(source: DumpSource, bad: BadFrame, base: number | undefined): Promise<DumpLine> {
	const { at, what, relative, end, next } = bad;
	const bytes = await bytesAt(source, at, FRAME_HEADER_BYTES);
	const position = base === undefined ? null : base + relative;
	const to = base === undefined || end === undefined ? null : base + next;
	const header = what === "header" ? undefined : readFrameHeader(bytes, viewOf(bytes), 0);
	if (header !== undefined) {
		const reason = what === "cut" ? "the file ends before this frame does" : "the body of the frame fails its check";
		return { ...frameLine(at, header, base), ok: false, reason };
	}
	const zeros = bytes.every((byte) => byte === 0);
	const wrong = zeros ? "zeros stand where a frame should begin" : "no frame header stands here, or it fails its check";
	const reason = what === "cut" ? "the file ends before the header of a frame does" : wrong;
	return { part: "bad", offset: at, ok: false, reason, position, to, bytes: (end ?? source.size) - at };
}

/** The first good frame header of a segment whose own header is bad: its tag is that of the others. */
async function firstFrame(source: DumpSource): Promise<{ at: number; header: FrameHeader } | undefined> {
	for (let from = 0; from < source.size; from += WINDOW_BYTES - FRAME_HEADER_BYTES) {
		const bytes = Buffer.from(await bytesAt(source, from, WINDOW_BYTES));
		for (let at = bytes.indexOf("SBFR", 0, "latin1"); at >= 0; at = bytes.indexOf("SBFR", at + 1, "latin1")) {
			const header = readFrameHeader(bytes, viewOf(bytes), at);
			if (header !== undefined && from + at + frameBytes(header) <= source.size) return { at: from + at, header };
		}
	}
	return undefined;
}

/** Name of a stored number; unknown ones show as they are. */
export function nameOf(table: Readonly<Record<string, number>>, value: number): string {
	return Object.entries(table).find(([, each]) => each === value)?.[0] ?? `kind ${value}`;
}
