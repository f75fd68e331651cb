/**
 * Memory of blocks that is used again: pages that were touched before cost no faults, and nothing is left to the garbage
 * collector (docs/adr/0024-memory-that-readers-give-back.md).
 */

/** Smaller pieces are left to the garbage collector. */
const LEAST_BYTES = 128 * 1024;
/** Sizes are rounded up to a multiple of this, so that one piece serves blocks of nearly the same size. */
const STEP_BYTES = 64 * 1024;

/** Pieces of memory that nobody uses, bounded in bytes. */
export class BlockMemory {
	readonly #limit: number;
	readonly #free: Buffer[] = [];
	#bytes = 0;

	constructor(limitBytes: number) {
		this.#limit = limitBytes;
	}

	/** Bytes that wait to be used again. */
	get bytes(): number {
		return this.#bytes;
	}

	/** A piece of at least so many bytes, with anything in it. */
	take(bytes: number): Buffer {
		if (bytes < LEAST_BYTES) return Buffer.allocUnsafeSlow(bytes);
		// The newest first: it is the likeliest to be near the processor still.
		const index = this.#free.findLastIndex(({ length }) => length >= bytes && length <= bytes + bytes / 4);
		if (index < 0) return Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
		const [piece] = this.#free.splice(index, 1) as [Buffer];
		this.#bytes -= piece.length;
		return piece;
	}

	/** Takes back a piece that nobody reads or writes any more; of more than the bound holds the oldest go. */
	giveBack(piece: Buffer): void {
		// A large one would drive out all others, and seldom serve again.
		if (piece.length < LEAST_BYTES || piece.length > this.#limit / 2) return;
		this.#free.push(piece);
		this.#bytes += piece.length;
		while (this.#bytes > this.#limit) this.#bytes -= (this.#free.shift() as Buffer).length;
	}
}
