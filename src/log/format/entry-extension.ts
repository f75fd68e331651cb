/** What an entry of a frame holds beside its payload: the triple of its producer (docs/format.md §3). */
import type { ProducerTriple } from "../../core/producers.ts";
import { readU64, viewOf, writeU64 } from "./checksum.ts";
import { ENTRY_BYTES, FRAME_HEADER_BYTES, type FrameHeader } from "./frame.ts";

/** Flags of an entry: the highest byte of its second word. */
const FLAG_SHIFT = 24;
const UNITS_MASK = 0xff_ffff;
const PRODUCER = 1;
const EVENT_TIME = 2;
const CONTINUED = 4;
const EVENT_TIME_BYTES = 8;
const TRIPLE_ID_AT = 17;

/** The second word of an entry that has a producer extension. */
export const producerEntryWord: number = PRODUCER << FLAG_SHIFT;
/** The second word of an entry of the same producer and epoch as the one before, with the sequence that follows. */
export const continuedEntryWord: number = CONTINUED << FLAG_SHIFT;

/** Hears of an entry's triple, and the place of the entry relative to the frame's first unit. */
export type TripleVisitor = (id: string, epoch: number, sequence: number, from: number, to: number) => void;

/** Bytes of a producer extension. */
export function tripleBytes(idBytes: Uint8Array): number {
	return padded(TRIPLE_ID_AT + idBytes.length);
}

/** Writes a producer extension at `at`, padding included. */
export function writeTriple(
	bytes: Uint8Array,
	view: DataView,
	at: number,
	triple: { readonly idBytes: Uint8Array; readonly epoch: number; readonly sequence: number },
): void {
	const { idBytes, epoch, sequence } = triple;
	writeU64(view, at, epoch);
	writeU64(view, at + 8, sequence);
	view.setUint8(at + 16, idBytes.length);
	bytes.set(idBytes, at + TRIPLE_ID_AT);
	bytes.fill(0, at + TRIPLE_ID_AT + idBytes.length, at + tripleBytes(idBytes));
}

/** Visits the triples in the table of a checked data frame at `at`, in the order of its entries; stops at what is none. */
export function visitTriples(bytes: Uint8Array, at: number, header: FrameHeader, visit: TripleVisitor): void {
	const table = at + FRAME_HEADER_BYTES + header.payloadBytes;
	const end = table + header.tableBytes;
	let extension = table + header.entries * ENTRY_BYTES;
	if (extension === end || end > bytes.length) return;
	const view = viewOf(bytes);
	let from = 0;
	let id = "";
	let epoch = 0;
	/** Of the entry before; NaN if it has none. */
	let sequence = Number.NaN;
	for (let entry = table; entry < table + header.entries * ENTRY_BYTES; entry += ENTRY_BYTES) {
		const word = view.getUint32(entry + 4, true);
		const to = from + (word & UNITS_MASK || view.getUint32(entry, true));
		const flags = word >>> FLAG_SHIFT;
		if ((flags & PRODUCER) !== 0) {
			const found = tripleAt(bytes, view, extension, end);
			if (found === undefined) return;
			extension += found.bytes;
			({ id, epoch, sequence } = found.triple);
		} else sequence = (flags & CONTINUED) === 0 ? Number.NaN : sequence + 1;
		if (Number.isSafeInteger(sequence)) visit(id, epoch, sequence, from, to);
		if ((flags & EVENT_TIME) !== 0) extension += EVENT_TIME_BYTES;
		from = to;
	}
}

function tripleAt(
	bytes: Uint8Array,
	view: DataView,
	at: number,
	end: number,
): { readonly triple: ProducerTriple; readonly bytes: number } | undefined {
	if (at + TRIPLE_ID_AT > end) return undefined;
	const length = padded(TRIPLE_ID_AT + view.getUint8(at + 16));
	if (at + length > end) return undefined;
	const epoch = readU64(view, at);
	const sequence = readU64(view, at + 8);
	if (Number.isNaN(epoch) || Number.isNaN(sequence)) return undefined;
	const id = new TextDecoder().decode(bytes.subarray(at + TRIPLE_ID_AT, at + TRIPLE_ID_AT + view.getUint8(at + 16)));
	return { triple: { id, epoch, sequence }, bytes: length };
}

/** Rounded up to a multiple of 8. */
export function padded(bytes: number): number {
	return Math.ceil(bytes / 8) * 8;
}
