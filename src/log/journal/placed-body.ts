/** What the journal holds of a frame whose payload was placed in its segment (docs/format.md §5). */
import { checksum, viewOf } from "../format/checksum.ts";
import { FRAME_HEADER_BYTES, type FrameHeader } from "../format/frame.ts";
import { type MemoryFrame, memoryFrameBytes } from "../tail/tail-memory.ts";

/** CRC of the table in the body of a placed frame. */
const TABLE_CRC_BYTES = 4;

/** Bytes that the journal holds of a placed frame. */
export function placedBodyBytes(frame: MemoryFrame): number {
	if (frame.flights.length === 0) return FRAME_HEADER_BYTES;
	return FRAME_HEADER_BYTES + frame.tableBytes + TABLE_CRC_BYTES;
}

/** What the journal holds of a stamped frame that is placed: its header; and its table where that names producers, of which redo learns from the journal. */
export function placedBody(frame: MemoryFrame): Buffer {
	const { chunk, at, tableBytes } = frame;
	const header = chunk.bytes.subarray(at, at + FRAME_HEADER_BYTES);
	if (frame.flights.length === 0) return header;
	const end = at + memoryFrameBytes(frame);
	const table = chunk.bytes.subarray(end - tableBytes, end);
	const body = Buffer.concat([header, table], placedBodyBytes(frame));
	viewOf(body).setUint32(FRAME_HEADER_BYTES + tableBytes, checksum(table), true);
	return body;
}

/** Tells whether the body of a placed frame is whole; its header has been checked. */
export function placedBodyHolds(body: Uint8Array, { tableBytes }: FrameHeader): boolean {
	if (body.length === FRAME_HEADER_BYTES) return true;
	const end = FRAME_HEADER_BYTES + tableBytes;
	if (body.length !== end + TABLE_CRC_BYTES) return false;
	return checksum(body.subarray(FRAME_HEADER_BYTES, end)) === viewOf(body).getUint32(end, true);
}

/** The table that the body of a placed frame holds, as it would stand in a frame without payload; `undefined` if it holds none. */
export function placedTable(
	body: Uint8Array,
	header: FrameHeader,
): { bytes: Uint8Array; header: FrameHeader } | undefined {
	if (body.length === FRAME_HEADER_BYTES) return undefined;
	return { bytes: body.subarray(0, body.length - TABLE_CRC_BYTES), header: { ...header, payloadBytes: 0 } };
}
