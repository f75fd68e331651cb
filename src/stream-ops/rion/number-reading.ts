/** Integers and floats out of bytes: exact, or refused. */
import { malformed } from "./field-head.ts";

const scratch = new DataView(new ArrayBuffer(8));
const maxInt64 = 2n ** 63n - 1n;

/**
 * The integer whose magnitude stands in the bytes from `at` to `end`; a `negative` one is -1 less its magnitude. A
 * bigint beyond ±(2^53 - 1). @throws DECODE beyond 64 bits
 */
export function readInteger(bytes: Uint8Array, at: number, end: number, negative: boolean): number | bigint {
	const length = end - at;
	let magnitude = 0;
	if (length <= 6) {
		// The last four bytes as an integer, those before them behind it: no step that is not exact.
		const low = Math.max(at, end - 4);
		for (let index = low; index < end; index++) magnitude = (magnitude << 8) | (bytes[index] as number);
		magnitude >>>= 0;
		if (length === 6) magnitude += ((bytes[at] as number) * 256 + (bytes[at + 1] as number)) * 0x1_0000_0000;
		else if (length === 5) magnitude += (bytes[at] as number) * 0x1_0000_0000;
	} else {
		for (let index = at; index < end; index++) magnitude = magnitude * 256 + (bytes[index] as number);
		if (!(magnitude < Number.MAX_SAFE_INTEGER)) return readLarge(bytes, at, end, negative);
	}
	return negative ? -1 - magnitude : magnitude;
}

/** Magnitudes from 2^53 - 1 on, where a number's last digits would be lost. */
function readLarge(bytes: Uint8Array, at: number, end: number, negative: boolean): number | bigint {
	let magnitude = 0n;
	for (let index = at; index < end; index++) {
		magnitude = magnitude * 256n + BigInt(bytes[index] as number);
		if (magnitude > maxInt64) throw malformed(at, "an integer beyond 64 bits");
	}
	const value = negative ? -1n - magnitude : magnitude;
	return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** The float of 4 or 8 bytes at `at`. */
export function readFloat(bytes: Uint8Array, at: number, length: number): number {
	scratch.setInt32(0, fourBytes(bytes, at));
	if (length === 4) return scratch.getFloat32(0);
	scratch.setInt32(4, fourBytes(bytes, at + 4));
	return scratch.getFloat64(0);
}

function fourBytes(bytes: Uint8Array, at: number): number {
	const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
	return high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}
