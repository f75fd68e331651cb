/**
 * A frame: what one round adds to one shard, whole or absent after a crash (docs/format.md §3).
 *
 *   +--------------+---------------------+---------------+
 *   | header, 64 B | payloads of entries | entry table   |     body CRC covers payloads and table
 *   +--------------+---------------------+---------------+
 *
 * The header is checked before its lengths are believed, the body before any of it is delivered.
 */
import { checksum, checksumFar, checksumShort, readU64, viewOf, writeU64 } from "./checksum.ts";

/** Bytes of a frame's header. */
export const FRAME_HEADER_BYTES = 64;
/** Bytes of an entry in the table. */
export const ENTRY_BYTES = 8;
/** Bytes of the payload of a control frame. */
export const STATE_BYTES = 32;
/** A frame is closed at so many bytes of payload, unless one entry alone is larger. */
export const FRAME_PAYLOAD_TARGET: number = 1024 * 1024;

/** From this size on a body is checked as one that lies far from the processor. */
const FAR_BYTES = 4 * 1024;

const MAGIC = 0x52_46_42_53; // "SBFR"
const VERSION = 1;

/** Types of frame; control frames carry a state and add no units. */
export const FrameType = { data: 1, state: 2, head: 3, seal: 4 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** A header that has passed its checks. Positions are relative to the segment's base. */
export interface FrameHeader {
	readonly type: FrameType;
	readonly entries: number;
	readonly payloadBytes: number;
	readonly tableBytes: number;
	readonly bodyCrc: number;
	readonly units: number;
	readonly relative: number;
	readonly tag: number;
	readonly time: number;
	readonly round: number;
}

/** Bytes of the whole frame. */
export function frameBytes(header: FrameHeader): number {
	return FRAME_HEADER_BYTES + header.payloadBytes + header.tableBytes;
}

/** Writes a header at `at`; the body must be in place and `bodyCrc` its checksum. */
export function writeFrameHeader(view: DataView, at: number, header: FrameHeader): void {
	view.setUint32(at, MAGIC, true);
	view.setUint32(at + 8, VERSION | (header.type << 8), true);
	view.setUint32(at + 12, header.entries, true);
	view.setUint32(at + 16, header.payloadBytes, true);
	view.setUint32(at + 20, header.tableBytes, true);
	view.setUint32(at + 24, header.bodyCrc, true);
	view.setUint32(at + 28, header.units, true);
	view.setUint32(at + 32, header.relative, true);
	view.setUint32(at + 36, header.tag, true);
	writeU64(view, at + 40, header.time);
	writeU64(view, at + 48, header.round);
	writeU64(view, at + 56, 0);
	view.setUint32(at + 4, checksumShort(view, at + 8, at + FRAME_HEADER_BYTES), true);
}

/** Type of the frame whose checked header stands at `at`. */
export function frameTypeAt(view: DataView, at: number): FrameType {
	return view.getUint8(at + 9) as FrameType;
}

/** Payload bytes of the frame whose checked header stands at `at`. */
export function framePayloadAt(view: DataView, at: number): number {
	return view.getUint32(at + 16, true);
}

/** Number of entries, and of units, of the frame whose checked header stands at `at`. */
export function frameEntriesAt(view: DataView, at: number): number {
	return view.getUint32(at + 12, true);
}

export function frameUnitsAt(view: DataView, at: number): number {
	return view.getUint32(at + 28, true);
}

/** Ingestion time of the frame whose checked header stands at `at`. */
export function frameTimeAt(view: DataView, at: number): number {
	return readU64(view, at + 40);
}

/** The stored header CRC of a frame, which the envelope repeats. */
export function frameHeaderCrc(view: DataView, at: number): number {
	return view.getUint32(at + 4, true);
}

/**
 * Decodes the header at `at`, or returns `undefined` if it fails a check; never throws on any bytes. A frame that was
 * staged has no time: it has that of its file's `stamp`.
 */
export function readFrameHeader(bytes: Uint8Array, view: DataView, at: number, stamp = 0): FrameHeader | undefined {
	if (at + FRAME_HEADER_BYTES > bytes.length || view.getUint32(at, true) !== MAGIC) return undefined;
	if (view.getUint32(at + 4, true) !== checksumShort(view, at + 8, at + FRAME_HEADER_BYTES)) return undefined;
	const type = view.getUint8(at + 9);
	const known = view.getUint8(at + 8) === VERSION && view.getUint8(at + 10) === 0 && type >= 1 && type <= 4;
	const time = readU64(view, at + 40);
	const header: FrameHeader = {
		type: type as FrameType,
		entries: view.getUint32(at + 12, true),
		payloadBytes: view.getUint32(at + 16, true),
		tableBytes: view.getUint32(at + 20, true),
		bodyCrc: view.getUint32(at + 24, true),
		units: view.getUint32(at + 28, true),
		relative: view.getUint32(at + 32, true),
		tag: view.getUint32(at + 36, true),
		time: time === 0 ? stamp : time,
		round: readU64(view, at + 48),
	};
	const fits = header.entries * ENTRY_BYTES <= header.tableBytes;
	return known && fits && !Number.isNaN(header.time) && !Number.isNaN(header.round) ? header : undefined;
}

/** Checks the body of the frame at `at`, which must lie wholly inside `bytes`. */
export function frameBodyHolds(bytes: Uint8Array, at: number, header: FrameHeader): boolean {
	const end = at + frameBytes(header);
	if (end > bytes.length) return false;
	const body = bytes.subarray(at + FRAME_HEADER_BYTES, end);
	return (body.length < FAR_BYTES ? checksum(body) : checksumFar(body)) === header.bodyCrc;
}

/** Positions (relative to the frame's first unit) at which the entries of a checked data frame end, ascending. */
export function entryEnds(bytes: Uint8Array, at: number, header: FrameHeader): number[] {
	const view = viewOf(bytes);
	const ends: number[] = [];
	let end = 0;
	const table = at + FRAME_HEADER_BYTES + header.payloadBytes;
	for (let index = 0; index < header.entries; index++) {
		end += view.getUint32(table + index * ENTRY_BYTES, true);
		ends.push(end);
	}
	return ends;
}

/** Why the head moved; stored, never renumbered. */
export const HeadReason = { none: 0, truncation: 1, age: 2, size: 3, bound: 4 } as const;
export type HeadReason = (typeof HeadReason)[keyof typeof HeadReason];

/** State of a shard as a control frame stores it. */
export interface ShardState {
	readonly head: number;
	readonly timeFloor: number;
	readonly sealed: boolean;
	readonly reason: HeadReason;
}

/** Encodes the payload of a control frame. */
export function encodeState(state: ShardState): Uint8Array {
	const bytes = new Uint8Array(STATE_BYTES);
	const view = viewOf(bytes);
	writeU64(view, 0, state.head);
	writeU64(view, 8, state.timeFloor);
	view.setUint8(16, state.sealed ? 1 : 0);
	view.setUint8(17, state.reason);
	return bytes;
}

/** Decodes the payload of the checked control frame at `at`, or `undefined` if it is no state. */
export function decodeState(bytes: Uint8Array, at: number, header: FrameHeader): ShardState | undefined {
	if (header.type === FrameType.data || header.payloadBytes !== STATE_BYTES) return undefined;
	const view = viewOf(bytes);
	const payload = at + FRAME_HEADER_BYTES;
	const head = readU64(view, payload);
	const timeFloor = readU64(view, payload + 8);
	if (Number.isNaN(head) || Number.isNaN(timeFloor)) return undefined;
	const reason = view.getUint8(payload + 17);
	const known = reason <= HeadReason.bound ? (reason as HeadReason) : HeadReason.none;
	return { head, timeFloor, sealed: (view.getUint8(payload + 16) & 1) === 1, reason: known };
}
