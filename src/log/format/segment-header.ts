/** The header of a segment file, its name, and the tag that binds frames to it (docs/format.md §2). */
import type { StreamKind } from "../../core/stream-config.ts";
import { checksum, readU64, viewOf, writeU64 } from "./checksum.ts";

/** Bytes of a segment's header; the first frame begins here. */
export const SEGMENT_HEADER_BYTES = 64;
/** Ending of a segment's name. */
const SEGMENT_SUFFIX = ".seg";

const MAGIC: Uint8Array = new TextEncoder().encode("SBEDSEG1");
const VERSION = 1;
/** Flag of a segment that was a staged file. */
const ADOPTED = 1;

/** What a segment says of itself. */
export interface SegmentHeader {
	readonly kind: StreamKind;
	/** 16 bytes. */
	readonly streamId: Uint8Array;
	readonly shard: number;
	/** Tells this file from others of the shard; of a segment written in place it follows from the base. */
	readonly number: number;
	readonly base: number;
	readonly createdAt: number;
	/** It was a staged file, and so many of the same write follow it (docs/format.md §7); `undefined` of one written in place. */
	readonly following?: number | undefined;
}

/** Encodes a header. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
	const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
	const view = viewOf(bytes);
	bytes.set(MAGIC);
	view.setUint16(12, VERSION, true);
	view.setUint8(14, header.kind === "bytes" ? 1 : 2);
	if (header.following !== undefined) view.setUint8(15, ADOPTED);
	bytes.set(header.streamId, 16);
	view.setUint32(32, header.shard, true);
	view.setUint32(36, header.number, true);
	writeU64(view, 40, header.base);
	writeU64(view, 48, header.createdAt);
	view.setUint32(56, header.following ?? 0, true);
	view.setUint32(8, checksum(bytes.subarray(12)), true);
	return bytes;
}

/** Decodes a header; `"version"` if another version of the format wrote it, `undefined` if it fails a check. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | "version" | undefined {
	if (bytes.length < SEGMENT_HEADER_BYTES || !startsWith(bytes, MAGIC)) return undefined;
	const view = viewOf(bytes);
	if (view.getUint32(8, true) !== checksum(bytes.subarray(12, SEGMENT_HEADER_BYTES))) return undefined;
	if (view.getUint16(12, true) !== VERSION) return "version";
	const kind = view.getUint8(14);
	const base = readU64(view, 40);
	const createdAt = readU64(view, 48);
	if ((kind !== 1 && kind !== 2) || Number.isNaN(base) || Number.isNaN(createdAt)) return undefined;
	return {
		kind: kind === 1 ? "bytes" : "records",
		streamId: bytes.slice(16, 32),
		shard: view.getUint32(32, true),
		number: view.getUint32(36, true),
		base,
		createdAt,
		following: (view.getUint8(15) & ADOPTED) === 0 ? undefined : view.getUint32(56, true),
	};
}

/** The number of a segment that is written in place: staged files, whose base is known late, get a random one. */
export function segmentNumber(base: number): number {
	const bytes = new Uint8Array(8);
	writeU64(viewOf(bytes), 0, base);
	return checksum(bytes);
}

/** The tag that every frame of this segment carries: a frame of another file is never taken for one of it. */
export function segmentTag(streamId: Uint8Array, shard: number, number: number): number {
	const bytes = new Uint8Array(24);
	const view = viewOf(bytes);
	bytes.set(streamId);
	view.setUint32(16, shard, true);
	view.setUint32(20, number, true);
	return checksum(bytes);
}

/** The only number with which a segment of this shard has this tag: the checksum is run backwards over its last four bytes. */
export function numberOfTag(streamId: Uint8Array, shard: number, tag: number): number {
	const before = new Uint8Array(20);
	before.set(streamId);
	viewOf(before).setUint32(16, shard, true);
	const table = crcTable();
	let state = ~tag >>> 0;
	for (let byte = 0; byte < 4; byte++) {
		const index = table.findIndex((entry) => entry >>> 24 === state >>> 24);
		state = (((state ^ (table[index] as number)) << 8) | index) >>> 0;
	}
	return (state ^ ~checksum(before)) >>> 0;
}

/** What each value of a byte makes of CRC-32. */
function crcTable(): Uint32Array {
	return Uint32Array.from({ length: 256 }, (_, byte) => {
		let value = byte;
		for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0xedb8_8320;
		return value;
	});
}

/** File name of the segment that begins at `base`. */
export function segmentName(base: number, suffix: string = SEGMENT_SUFFIX): string {
	return String(base).padStart(20, "0") + suffix;
}

/** Base of a segment by its file name, or `undefined` if it is not one. */
export function baseOfName(name: string): number | undefined {
	if (!/^[0-9]{20}\.seg$/.test(name)) return undefined;
	const base = Number(name.slice(0, 20));
	return Number.isSafeInteger(base) ? base : undefined;
}

/** Tells whether `bytes` begins with `magic`. */
export function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
	return magic.every((byte, index) => bytes[index] === byte);
}
