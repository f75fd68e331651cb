/** Copies small appends into shared blocks: an allocation of its own costs a small append more than its copy. */

const blockBytes: number = 64 * 1024;
/** Larger copies get an allocation of their own, so that a block is never mostly wasted. */
const smallBytes: number = 4 * 1024;

/** Where the copies of one shard are put. A block lives as long as one of its copies. */
export class Slab {
	#block: Uint8Array = new Uint8Array(0);
	#used = 0;

	/** Copies parts into one array. */
	join(parts: readonly Uint8Array[]): Uint8Array {
		let length = 0;
		for (const part of parts) length += part.length;
		const bytes = length > smallBytes ? new Uint8Array(length) : this.#take(length);
		let filled = 0;
		for (const part of parts) {
			bytes.set(part, filled);
			filled += part.length;
		}
		return bytes;
	}

	#take(length: number): Uint8Array {
		if (this.#used + length > this.#block.length) {
			this.#block = new Uint8Array(blockBytes);
			this.#used = 0;
		}
		this.#used += length;
		return this.#block.subarray(this.#used - length, this.#used);
	}
}
