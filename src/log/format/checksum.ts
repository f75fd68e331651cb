/** The one checksum of all formats: CRC-32 as in zlib, about 0.2 ns a byte plus 0.15 µs a call. */
import { crc32 } from "node:zlib";

/** CRC-32 of `bytes`, continuing from `previous`. */
export function checksum(bytes: Uint8Array, previous = 0): number {
	return crc32(bytes, previous);
}

/** Copied at a time by {@link checksumFar}: fits into the processor's nearest cache. */
const NEAR_BYTES = 16 * 1024;
const near: Buffer = Buffer.allocUnsafeSlow(NEAR_BYTES);

/**
 * The same as {@link checksum}, for many bytes that are not in this processor's cache, because another thread has just read
 * them or because it is long since they were used. Copying fetches memory ahead, which zlib's loop does not: copying piece by piece and
 * checking the copies was measured to take 0.26 ns a byte instead of 0.45.
 */
export function checksumFar(bytes: Uint8Array, previous = 0): number {
	let crc = previous;
	for (let at = 0; at < bytes.length; at += NEAR_BYTES) {
		const piece = bytes.subarray(at, at + NEAR_BYTES);
		near.set(piece);
		crc = crc32(piece.length === NEAR_BYTES ? near : near.subarray(0, piece.length), crc);
	}
	return crc;
}

const table: Uint32Array = makeTable();

function makeTable(): Uint32Array {
	const made = new Uint32Array(4 * 256);
	for (let byte = 0; byte < 256; byte++) {
		let value = byte;
		for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
		made[byte] = value >>> 0;
	}
	for (let byte = 0; byte < 256; byte++) {
		for (let slice = 1; slice < 4; slice++) {
			const before = made[(slice - 1) * 256 + byte] as number;
			made[slice * 256 + byte] = ((before >>> 8) ^ (made[before & 0xff] as number)) >>> 0;
		}
	}
	return made;
}

/**
 * CRC-32 of the bytes `from` to `to`, a multiple of 4 of them: the same as {@link checksum}, without a view and without a native call,
 * which together cost more than the work below some 100 bytes. Four bytes at a time.
 */
export function checksumShort(view: DataView, from: number, to: number): number {
	let crc = 0xffffffff;
	for (let at = from; at < to; at += 4) {
		const word = crc ^ view.getUint32(at, true);
		crc =
			(table[768 + (word & 0xff)] as number) ^
			(table[512 + ((word >>> 8) & 0xff)] as number) ^
			(table[256 + ((word >>> 16) & 0xff)] as number) ^
			(table[word >>> 24] as number);
	}
	return (crc ^ 0xffffffff) >>> 0;
}

/** Reads an unsigned 64-bit number; values beyond 2^53 − 1 come back as NaN, which no check accepts. */
export function readU64(view: DataView, at: number): number {
	const value = view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
	return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** Writes a safe integer as an unsigned 64-bit number. */
export function writeU64(view: DataView, at: number, value: number): void {
	view.setUint32(at, value >>> 0, true);
	view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** A view of the same memory for reading and writing numbers. */
export function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
