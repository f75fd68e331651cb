/**
 * The two layouts of a block. 0.7: records, one after the other. 0.6: the same with offset fields between them, of which
 * one stands at the beginning; each tells the offset of the record that follows.
 */
import { fail } from "../core/errors.ts";

/** How the records of a block are laid out, by the version of Stream Ops for Java that writes it. */
export type BlockLayout = "0.7" | "0.6";

/** Layouts by name. */
export const blockLayouts: readonly BlockLayout[] = ["0.7", "0.6"];

/** Bytes from which a block's layout can be told. */
export const layoutBytes = 32;

const extended = 0xf0;
const offsetType = 1;

/** The field that tells the offset of the next record, in the fewest bytes. */
export function offsetField(offset: number): Uint8Array {
	const bytes: number[] = [];
	for (let rest = offset; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
	return Uint8Array.of(extended | 1, offsetType, bytes.length, ...bytes);
}

/** Tells whether the field at `at` has the type of offset fields. */
export function isOffsetField(bytes: Uint8Array, at: number): boolean {
	return (bytes[at] as number) >> 4 === 15 && bytes[at + 1] === offsetType;
}

/** Value of the offset field at `at`, which is whole; `undefined` beyond 2^53 - 1, or if it is null or empty. */
export function readOffsetField(bytes: Uint8Array, at: number, end: number): number | undefined {
	const valueAt = at + 2 + ((bytes[at] as number) & 15);
	if (valueAt >= end) return undefined;
	return numberOf(bytes, valueAt, end);
}

/**
 * The layout of a block that begins with `bytes`, of which there are {@link layoutBytes} or the whole block: 0.6 if it
 * begins with an offset field that tells what the block's name tells.
 *
 * @throws UNSUPPORTED for a block as versions before 0.6 wrote it
 */
export function detectLayout(bytes: Uint8Array, firstOffset: number, path: string): BlockLayout {
	if (bytes.length < 3 || !isOffsetField(bytes, 0)) return "0.7";
	const width = (bytes[0] as number) & 15;
	const length = numberOf(bytes, 2, 2 + width) ?? 0;
	const end = 2 + width + length;
	if (width > 0 && end <= bytes.length && readOffsetField(bytes, 0, end) === firstOffset) return "0.6";
	// Versions before 0.6 put the number of value bytes, and not that of length bytes, into the first byte.
	const of051 = width > 1 && bytes[2] === width && holds(bytes, 3, width, firstOffset);
	const of050 = holds(bytes, 2, width, firstOffset);
	if (!of051 && !of050) return "0.7";
	throw fail("UNSUPPORTED", `${path} was written by Stream Ops 0.5, whose offset fields are malformed`, {
		hint: "Stream Ops for Java 0.5 can read it; streams of 0.6 and 0.7 are read here.",
		details: { path, offset: 0, kind: "unsupportedLayout" },
	});
}

function holds(bytes: Uint8Array, at: number, width: number, value: number): boolean {
	return width > 0 && at + width <= bytes.length && numberOf(bytes, at, at + width) === value;
}

function numberOf(bytes: Uint8Array, at: number, end: number): number | undefined {
	let value = 0;
	for (let index = at; index < end; index++) value = value * 256 + (bytes[index] as number);
	return Number.isSafeInteger(value) ? value : undefined;
}
