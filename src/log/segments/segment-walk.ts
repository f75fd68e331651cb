/**
 * Walking a segment file with headers and bodies checked, in bounded memory, from any frame on to a given end.
 *
 * Yields stretches of good frames and, between them, what is bad. A frame whose header holds and whose body does not is
 * stepped over; where a header fails, the next good header of the same segment is searched for. The end of the file may
 * be cut: a frame that is only partly there is reported as such and ends the walk.
 */
import { checksum, viewOf } from "../format/checksum.ts";
import { FRAME_HEADER_BYTES, type FrameHeader, frameBodyHolds, frameBytes, readFrameHeader } from "../format/frame.ts";
import { type FoundFrame, findFrame } from "../format/frame-walk.ts";

const WINDOW_BYTES = 1024 * 1024;
/** Frames up to this size are held in memory whole; larger ones are read piece by piece and thrown away. */
const WHOLE_BYTES = 16 * 1024 * 1024;

/** Good frames, one behind the other. */
export interface GoodStretch {
	readonly kind: "frames";
	/** Where `bytes` begins in the file; so does the first frame. */
	readonly fileOffset: number;
	/** The frames; of a frame too large to be held only the header. */
	readonly bytes: Uint8Array;
	readonly frames: readonly FoundFrame[];
	/** File offset and relative position behind the last frame. */
	readonly end: number;
	readonly relative: number;
}

/** Something that is no good frame. */
export interface BadFrame {
	readonly kind: "bad";
	/** File offset where a frame was expected, and the relative position it should have had. */
	readonly at: number;
	readonly relative: number;
	/** `cut`: the file ends before the frame does. `blank`: zeros stand where its header may still come, up to the end. */
	readonly what: "header" | "body" | "cut" | "blank";
	/** File offset where frames may go on; `undefined` if there is none up to the end. */
	readonly end: number | undefined;
	/** Relative position there. */
	readonly next: number;
	/** A good frame header stands at `end`. */
	readonly followed: boolean;
}

/** What to walk. */
export interface SegmentRange {
	/** Fills the target from a file offset on; returns the bytes read, fewer only at the end of the file. */
	readonly read: (target: Uint8Array, position: number) => Promise<number>;
	/** Tag of the segment, and the time of its frames that were staged. */
	readonly tag: number;
	readonly stamp?: number;
	/** Where to begin: file offset and relative position of a frame. */
	readonly from: number;
	readonly relative: number;
	/** End of what is looked at. */
	readonly size: number;
}

/** Walks a segment; see the head of this file. */
export async function* walkSegment(range: SegmentRange): AsyncGenerator<GoodStretch | BadFrame> {
	const { read, tag, stamp } = range;
	let { size, from: at, relative } = range;
	let carry: Uint8Array = new Uint8Array(0);
	let wanted = 0;
	while (at < size) {
		const window = Buffer.allocUnsafeSlow(Math.max(carry.length, Math.min(Math.max(WINDOW_BYTES, wanted), size - at)));
		window.set(carry);
		const got = carry.length + (await read(window.subarray(carry.length), at + carry.length));
		if (got < window.length) size = at + got;
		const bytes = window.subarray(0, got);
		const good = goodFrames(bytes, tag, stamp, relative);
		const fileOffset = at;
		at += good.end;
		relative = good.relative;
		if (good.frames.length > 0) {
			yield { kind: "frames", fileOffset, bytes: bytes.subarray(0, good.end), frames: good.frames, end: at, relative };
		}
		carry = bytes.subarray(good.end);
		wanted = 0;
		if (carry.length === 0) continue;
		if (carry.length < FRAME_HEADER_BYTES && at + carry.length < size) continue;
		const header = expected(carry, tag, relative, stamp);
		if (header === undefined) {
			const short = size - at < FRAME_HEADER_BYTES;
			const next = short ? undefined : await findInFile(range, at + 1, size, relative);
			const followed = next !== undefined;
			const behind = next?.header.relative ?? relative;
			// A payload placed in front of its header: the header comes later, or never, if its round was cut off.
			const blank = !followed && carry.subarray(0, FRAME_HEADER_BYTES).every((byte) => byte === 0);
			yield {
				kind: "bad",
				at,
				relative,
				what: short ? "cut" : blank ? "blank" : "header",
				end: next?.at,
				next: behind,
				followed,
			};
			if (next === undefined) return;
			at = next.at;
			relative = next.header.relative;
			carry = new Uint8Array(0);
			continue;
		}
		const whole = frameBytes(header);
		const end = at + whole;
		if (end > size) {
			yield { kind: "bad", at, relative, what: "cut", end: undefined, next: relative, followed: false };
			return;
		}
		const held = whole <= carry.length;
		if (!held && whole <= WHOLE_BYTES) {
			wanted = whole;
			continue;
		}
		if (!held && (await bodyHolds(read, at, header))) {
			const head = carry.subarray(0, FRAME_HEADER_BYTES);
			const frames = [{ at: 0, header }];
			yield { kind: "frames", fileOffset: at, bytes: head, frames, end, relative: relative + header.units };
		} else {
			const followed = (await headerAt(range, end, size, relative + header.units)) !== undefined;
			yield { kind: "bad", at, relative, what: "body", end, next: relative + header.units, followed };
		}
		carry = held ? carry.subarray(whole) : new Uint8Array(0);
		at = end;
		relative += header.units;
	}
}

/** Frames that lie wholly in the bytes, up to the first that does not or fails a check. */
function goodFrames(
	bytes: Uint8Array,
	tag: number,
	stamp: number | undefined,
	from: number,
): { frames: FoundFrame[]; end: number; relative: number } {
	const frames: FoundFrame[] = [];
	const view = viewOf(bytes);
	let at = 0;
	let relative = from;
	while (at < bytes.length) {
		const header = readFrameHeader(bytes, view, at, stamp);
		if (header === undefined || header.tag !== tag || header.relative !== relative) break;
		if (!frameBodyHolds(bytes, at, header)) break;
		frames.push({ at, header });
		at += frameBytes(header);
		relative += header.units;
	}
	return { frames, end: at, relative };
}

function expected(bytes: Uint8Array, tag: number, relative: number, stamp = 0): FrameHeader | undefined {
	const header = readFrameHeader(bytes, viewOf(bytes), 0, stamp);
	return header !== undefined && header.tag === tag && header.relative === relative ? header : undefined;
}

async function headerAt(
	range: SegmentRange,
	at: number,
	size: number,
	relative: number,
): Promise<FrameHeader | undefined> {
	if (at + FRAME_HEADER_BYTES > size) return undefined;
	const bytes = new Uint8Array(FRAME_HEADER_BYTES);
	const got = await range.read(bytes, at);
	return expected(bytes.subarray(0, got), range.tag, relative);
}

/** Checks the body of a frame that is too large to be held. */
async function bodyHolds(read: SegmentRange["read"], at: number, header: FrameHeader): Promise<boolean> {
	const end = at + frameBytes(header);
	const window = Buffer.allocUnsafe(WINDOW_BYTES);
	let crc = 0;
	for (let place = at + FRAME_HEADER_BYTES; place < end; place += WINDOW_BYTES) {
		const target = window.subarray(0, Math.min(WINDOW_BYTES, end - place));
		if ((await read(target, place)) < target.length) return false;
		crc = checksum(target, crc);
	}
	return crc === header.bodyCrc;
}

/** The next good header at or after `from`, as a place in the file. */
async function findInFile(
	range: SegmentRange,
	from: number,
	size: number,
	relative: number,
): Promise<FoundFrame | undefined> {
	const window = Buffer.allocUnsafe(WINDOW_BYTES);
	// Windows overlap, so that a header across two of them is found in the second.
	for (let at = from; at + FRAME_HEADER_BYTES <= size; at += WINDOW_BYTES - FRAME_HEADER_BYTES) {
		const got = await range.read(window.subarray(0, Math.min(WINDOW_BYTES, size - at)), at);
		const bytes = window.subarray(0, got);
		const found = findFrame(bytes, viewOf(bytes), 0, range.tag, relative);
		if (found !== undefined) return { at: at + found.at, header: found.header };
	}
	return undefined;
}
