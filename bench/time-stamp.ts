/** Times in payloads, on the machine's monotonic clock, which all processes share. */

/** Bytes of a stamp. */
export const stampBytes = 16;

/** A payload that holds the present time. */
export function stamp(): Uint8Array {
	const bytes = new Uint8Array(stampBytes);
	new DataView(bytes.buffer).setBigUint64(0, process.hrtime.bigint());
	return bytes;
}

/** Milliseconds from a stamp to `now`. */
export function stampedMs(bytes: Uint8Array, at: number, now: bigint): number {
	const then = new DataView(bytes.buffer, bytes.byteOffset + at).getBigUint64(0);
	return Number(now - then) / 1e6;
}
