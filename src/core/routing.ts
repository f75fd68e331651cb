/**
 * Which shard a record goes to: by its key, or in turn (docs/format.md §8).
 *
 * A key goes to jump consistent hash (Lamping and Veach, 2014) of the FNV-1a hash, 64 bits, of its UTF-8 bytes. Of a
 * stream that grows from n to m shards, a share of (m − n) / m of the keys moves, each to a new shard; all others stay.
 * Both are pinned by test vectors and never change. 64-bit numbers are kept in two halves of 32 bits: BigInt would cost
 * more than the append.
 */

const OFFSET_HIGH = 0xcbf29ce4;
const OFFSET_LOW = 0x84222325;
/** The prime is 2^40 + 0x1b3: the first term is a shift. */
const PRIME_LOW = 0x1b3;
const TWO_32 = 2 ** 32;
const TWO_31 = 2 ** 31;
/** Multiplier of jump consistent hash, 2862933555777941757, in pieces. */
const STEP_HIGH = 0x27bb2ee6;
const STEP_LOW = 0x87b0b0fd | 0;
const STEP_LOW_1 = 0x87b0;
const STEP_LOW_0 = 0xb0fd;

const encoder = new TextEncoder();

/** The shard of a key in a stream of so many shards. */
export function shardOfKey(key: string, shards: number): number {
	if (shards === 1) return 0;
	let high = OFFSET_HIGH;
	let low = OFFSET_LOW;
	for (let index = 0; index < key.length; index++) {
		const code = key.charCodeAt(index);
		if (code > 0x7f) return shardOfBytes(encoder.encode(key), shards);
		const mixed = (low ^ code) >>> 0;
		const product = mixed * PRIME_LOW;
		low = product >>> 0;
		high = (Math.imul(high, PRIME_LOW) + Math.floor(product / TWO_32) + (mixed << 8)) | 0;
	}
	return jump(high, low, shards);
}

/** FNV-1a, 64 bits, as two halves of 32. */
export function hashBytes(bytes: Uint8Array): { readonly high: number; readonly low: number } {
	let high = OFFSET_HIGH;
	let low = OFFSET_LOW;
	for (let index = 0; index < bytes.length; index++) {
		const mixed = (low ^ (bytes[index] as number)) >>> 0;
		const product = mixed * PRIME_LOW;
		low = product >>> 0;
		high = (Math.imul(high, PRIME_LOW) + Math.floor(product / TWO_32) + (mixed << 8)) | 0;
	}
	return { high: high >>> 0, low };
}

function shardOfBytes(bytes: Uint8Array, shards: number): number {
	const { high, low } = hashBytes(bytes);
	return jump(high, low, shards);
}

/** Jump consistent hash of a 64-bit number in two halves. */
export function jump(hashHigh: number, hashLow: number, shards: number): number {
	let high = hashHigh | 0;
	let low = hashLow >>> 0;
	let shard = 0;
	for (let next = 0; next < shards; ) {
		shard = next;
		// One step of the generator: 64 bits times 64 bits, plus 1, from 16-bit pieces of the lower halves.
		const low1 = low >>> 16;
		const low0 = low & 0xffff;
		const bottom = low0 * STEP_LOW_0;
		const middle = low0 * STEP_LOW_1 + low1 * STEP_LOW_0 + Math.floor(bottom / 65_536);
		const carried = low1 * STEP_LOW_1 + Math.floor(middle / 65_536);
		high = (carried + Math.imul(high, STEP_LOW) + Math.imul(low, STEP_HIGH)) | 0;
		low = (((middle & 0xffff) << 16) | (bottom & 0xffff)) >>> 0;
		if (low === 0xffff_ffff) high = (high + 1) | 0;
		low = (low + 1) >>> 0;
		next = Math.floor((shard + 1) * (TWO_31 / ((high >>> 1) + 1)));
	}
	return shard;
}

/** Gives shards in turn, strictly, from a given one on. */
export class RoundRobin {
	#next: number;

	constructor(start: number) {
		this.#next = start;
	}

	/** The next shard of so many. */
	next(shards: number): number {
		const shard = this.#next < shards ? this.#next : this.#next % shards;
		this.#next = shard + 1;
		return shard;
	}
}
