/**
 * Mends a frame in which a single bit has flipped, where the checksums prove it: in a header, whose 60 bytes and whose
 * body both have to hold afterwards, and in the 32 bytes of a control frame's state. In larger bodies another damage could
 * pass for a single bit, so they are left alone.
 */
import { checksum, viewOf } from "./checksum.ts";
import { FRAME_HEADER_BYTES, type FrameHeader, FrameType, frameBytes, readFrameHeader, STATE_BYTES } from "./frame.ts";

/** A flipped bit: the byte that holds it, as it should be. */
export interface MendedByte {
	/** From the beginning of the frame. */
	readonly at: number;
	readonly bytes: Uint8Array;
	readonly header: FrameHeader;
}

/** What a frame at this place must be. */
export interface ExpectedFrame {
	readonly tag: number;
	readonly relative: number;
	/** Bytes from its beginning that are there at most. */
	readonly room: number;
}

/** Finds the flipped bit of a frame's header; `bodyCrc` computes the checksum of so many bytes behind it. */
export async function mendHeader(
	header: Uint8Array,
	{ tag, relative, room }: ExpectedFrame,
	bodyCrc: (bytes: number) => Promise<number>,
): Promise<MendedByte | undefined> {
	if (header.length < FRAME_HEADER_BYTES) return undefined;
	const copy = Uint8Array.from(header.subarray(0, FRAME_HEADER_BYTES));
	for (let bit = 0; bit < FRAME_HEADER_BYTES * 8; bit++) {
		const at = bit >> 3;
		const mask = 1 << (bit & 7);
		copy[at] = (copy[at] as number) ^ mask;
		const found = readFrameHeader(copy, viewOf(copy), 0);
		const fits = found !== undefined && found.tag === tag && found.relative === relative && frameBytes(found) <= room;
		if (fits && (await bodyCrc(found.payloadBytes + found.tableBytes)) === found.bodyCrc) {
			return { at, bytes: copy.slice(at, at + 1), header: found };
		}
		copy[at] = (copy[at] as number) ^ mask;
	}
	return undefined;
}

/** Finds the flipped bit in the state of a control frame whose header holds. */
export function mendState(frame: Uint8Array, header: FrameHeader): MendedByte | undefined {
	if (header.type === FrameType.data || header.payloadBytes !== STATE_BYTES) return undefined;
	const body = Uint8Array.from(frame.subarray(FRAME_HEADER_BYTES, frameBytes(header)));
	for (let bit = 0; bit < body.length * 8; bit++) {
		const at = bit >> 3;
		const mask = 1 << (bit & 7);
		body[at] = (body[at] as number) ^ mask;
		if (checksum(body) === header.bodyCrc)
			return { at: FRAME_HEADER_BYTES + at, bytes: body.slice(at, at + 1), header };
		body[at] = (body[at] as number) ^ mask;
	}
	return undefined;
}
