/** Copies small appends into shared blocks: an allocation of its own costs a small append more than its copy. */
import { copyPayload, type Payload, payloadLength } from "../../core/shard.ts";

const blockBytes: number = 64 * 1024;
/** Larger copies get an allocation of their own, so that a block is never mostly wasted. */
const smallBytes: number = 4 * 1024;

/** Where the copies of one shard are put. A block lives as long as one of its copies. */
export class Slab {
	#block: Uint8Array = new Uint8Array(0);
	#used = 0;

	/** Copies a payload into one array. */
	copy(payload: Payload): Uint8Array {
		const length = payloadLength(payload);
		const bytes = length > smallBytes ? new Uint8Array(length) : this.#take(length);
		copyPayload(payload, bytes, 0);
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
