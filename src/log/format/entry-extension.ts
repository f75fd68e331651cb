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

/** Entries of one producer and epoch whose sequences follow one another, as their places do. */
export interface TripleRun {
	readonly id: string;
	readonly epoch: number;
	/** Of the first one. */
	readonly sequence: number;
	/** Where that begins, relative to the frame's first unit. */
	readonly from: number;
	/** Units of each. */
	readonly lengths: readonly number[];
}

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

/** The triples in the table of a checked data frame at `at`, in the order of its entries; it ends at what is none. */
export function tripleRuns(bytes: Uint8Array, at: number, header: FrameHeader): TripleRun[] {
	const runs: TripleRun[] = [];
	const table = at + FRAME_HEADER_BYTES + header.payloadBytes;
	const end = table + header.tableBytes;
	let extension = table + header.entries * ENTRY_BYTES;
	if (extension === end || end > bytes.length) return runs;
	const view = viewOf(bytes);
	let from = 0;
	/** Lengths of the run that goes on; `undefined` behind an entry without a triple. */
	let lengths: number[] | undefined;
	let last = 0;
	for (let entry = table; entry < table + header.entries * ENTRY_BYTES; entry += ENTRY_BYTES) {
		const word = view.getUint32(entry + 4, true);
		const units = word & UNITS_MASK || view.getUint32(entry, true);
		const flags = word >>> FLAG_SHIFT;
		if ((flags & PRODUCER) !== 0) {
			const found = tripleAt(bytes, view, extension, end);
			if (found === undefined) return runs;
			extension += found.bytes;
			const { id, epoch, sequence } = found.triple;
			lengths = [units];
			last = sequence;
			runs.push({ id, epoch, sequence, from, lengths });
		} else if ((flags & CONTINUED) === 0 || last === Number.MAX_SAFE_INTEGER) lengths = undefined;
		else {
			lengths?.push(units);
			last++;
		}
		if ((flags & EVENT_TIME) !== 0) extension += EVENT_TIME_BYTES;
		from += units;
	}
	return runs;
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
