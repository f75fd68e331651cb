/** Bytes of appends: those of each append are its own, and no place in them looks like another. */
import { SeededRandom } from "../../src/testing/seeded-random.ts";

/** A prime, so that no shift by a block or a segment looks right; no append is longer. */
const PERIOD = 2_097_143;
const table: Buffer = makeTable();

function makeTable(): Buffer {
	const random = new SeededRandom(PERIOD);
	const bytes = Buffer.alloc(2 * PERIOD);
	for (let at = 0; at < PERIOD; at++) bytes[at] = bytes[at + PERIOD] = random.below(256);
	return bytes;
}

/** Longest payload in bytes, a little less than 2 MiB. */
export const payloadBytesMax: number = PERIOD;

/** The payload of an append; a view, never to be changed. */
export function payloadOf(append: number, length: number): Uint8Array {
	const from = (append * 104_729) % PERIOD;
	return table.subarray(from, from + length);
}

/** Index of the first byte that is not as it should be, or -1. */
export function firstDifference(found: Uint8Array, wanted: Uint8Array): number {
	if (found.length === wanted.length && Buffer.compare(found, wanted) === 0) return -1;
	const length = Math.min(found.length, wanted.length);
	for (let at = 0; at < length; at++) if (found[at] !== wanted[at]) return at;
	return length;
}
