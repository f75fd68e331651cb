/** Bytes that tell where they belong: any stretch of any stream can be made again and compared. */

/** A generator of integers below a bound, the same in every run (mulberry32). */
export function numbers(seed: number): (below: number) => number {
	let state = seed >>> 0;
	return (below) => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
	};
}

/** A prime, so that no shift by a page, a frame or a segment looks right. */
const PERIOD = 1_000_003;
const table: Buffer = makeTable();

function makeTable(): Buffer {
	const next = numbers(PERIOD);
	const bytes = Buffer.alloc(2 * PERIOD);
	for (let at = 0; at < PERIOD; at++) bytes[at] = bytes[at + PERIOD] = next(256);
	return bytes;
}

/** The bytes of a stream from an offset on, at most 1,000,003 of them; a view, never to be changed. */
export function patterned(stream: number, offset: number, length: number): Uint8Array {
	if (length > PERIOD) throw new Error("longer than the pattern");
	const at = (offset + stream * 7919) % PERIOD;
	return table.subarray(at, at + length);
}

/** Offset of the first byte that is not what the stream has there, or `undefined` if all are. */
export function firstWrong(stream: number, offset: number, bytes: Uint8Array): number | undefined {
	for (let at = 0; at < bytes.length; at += PERIOD) {
		const part = bytes.subarray(at, at + PERIOD);
		const right = patterned(stream, offset + at, part.length);
		if (Buffer.compare(part, right) === 0) continue;
		return offset + at + part.findIndex((byte, index) => byte !== right[index]);
	}
	return undefined;
}
