/** Frames of record streams as runs: whole, from the entry on that holds a position. */
import { areRecords } from "../../core/record-decoding.ts";
import type { Run } from "../../core/shard.ts";
import { viewOf } from "./checksum.ts";
import {
	ENTRY_BYTES,
	FRAME_HEADER_BYTES,
	type FrameHeader,
	frameBytes,
	frameEntriesAt,
	framePayloadAt,
	frameTimeAt,
	frameUnitsAt,
} from "./frame.ts";

const UNITS_MASK = 0xff_ffff;

/** Tells whether the checked data frame at `at` holds records: entries of byte streams count no units. */
export function holdsRecords(view: DataView, at: number): boolean {
	return (view.getUint32(at + FRAME_HEADER_BYTES + framePayloadAt(view, at) + 4, true) & UNITS_MASK) !== 0;
}

/**
 * The run of the checked data frame at `at`, whose first unit has the position `from`, as it is from `position` on; `undefined`
 * if it ends before that. A time is given where the frame has none of its own.
 */
export function recordRun(
	bytes: Uint8Array,
	view: DataView,
	at: number,
	from: number,
	position: number,
	time: number = frameTimeAt(view, at),
): Run | undefined {
	const end = from + frameUnitsAt(view, at);
	if (end <= position) return undefined;
	const payloadBytes = framePayloadAt(view, at);
	const payload = at + FRAME_HEADER_BYTES;
	let offset = from;
	let start = payload;
	if (position > from) {
		const table = payload + payloadBytes;
		const entries = frameEntriesAt(view, at);
		for (let entry = 0; entry < entries; entry++) {
			const units = view.getUint32(table + entry * ENTRY_BYTES + 4, true) & UNITS_MASK;
			if (offset + units > position) break;
			offset += units;
			start += view.getUint32(table + entry * ENTRY_BYTES, true);
		}
	}
	return { offset, units: end - offset, time, bytes: bytes.subarray(start, payload + payloadBytes) };
}

/** Tells whether the entries of the checked data frame at `at` hold as many records as they count; a frame that is held without its body is not looked at. */
export function recordsHold(bytes: Uint8Array, at: number, header: FrameHeader): boolean {
	if (at + frameBytes(header) > bytes.length) return true;
	const view = viewOf(bytes);
	const table = at + FRAME_HEADER_BYTES + header.payloadBytes;
	let from = at + FRAME_HEADER_BYTES;
	let counted = 0;
	for (let entry = table; entry < table + header.entries * ENTRY_BYTES; entry += ENTRY_BYTES) {
		const to = from + view.getUint32(entry, true);
		const units = view.getUint32(entry + 4, true) & UNITS_MASK;
		if (units === 0 || to > table || !areRecords(bytes, from, to, units)) return false;
		counted += units;
		from = to;
	}
	return counted === header.units && from === table;
}
