/** Values of large records, each of which says whose it is. */

/** Shards of the stream. */
export const RECORD_SHARDS = 3;
const PART = 512 * 1024;

/** The value of a record with this number: of one to three parts. */
export function largeValue(number: number): Buffer {
	const value = Buffer.alloc(1 + ((number * 104_729) % (3 * PART)), `${number} `);
	return Buffer.concat([Buffer.from(`${number};`), value]);
}

/** Whose a value is, by its beginning. */
export function numberOf(value: Uint8Array): number {
	return Number.parseInt(Buffer.from(value.buffer, value.byteOffset, Math.min(20, value.length)).toString(), 10);
}
