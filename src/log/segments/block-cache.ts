/**
 * Blocks of segments read from disk, checked once, shared by all readers of the store, bounded in bytes.
 *
 * A hundred readers that follow one another read each block once: who comes while it is being read waits for the same
 * read. The least recently used block goes first.
 */
import type { BadStretch, FoundFrame } from "../format/frame-walk.ts";

/** A stretch of a segment with its frames checked. */
export interface Block {
	readonly bytes: Uint8Array;
	/** Where `bytes` begins in the file. */
	readonly fileOffset: number;
	readonly frames: readonly FoundFrame[];
	readonly bad: readonly BadStretch[];
	/** Relative positions of the first unit and behind the last one. */
	readonly from: number;
	readonly to: number;
}

interface Slot {
	readonly block: Promise<Block>;
	bytes: number;
}

/** A bounded cache of blocks. */
export class BlockCache {
	readonly #limit: number;
	readonly #slots = new Map<string, Slot>();
	#bytes = 0;

	constructor(limitBytes: number) {
		this.#limit = limitBytes;
	}

	/** Bytes held. */
	get bytes(): number {
		return this.#bytes;
	}

	/** The block under `key`, read by `load` unless it is there or on its way. */
	get(key: string, bytes: number, load: () => Promise<Block>): Promise<Block> {
		const known = this.#slots.get(key);
		if (known !== undefined) {
			this.#slots.delete(key);
			this.#slots.set(key, known);
			return known.block;
		}
		const slot: Slot = { block: load(), bytes };
		this.#slots.set(key, slot);
		this.#bytes += bytes;
		slot.block.catch(() => this.#drop(key, slot));
		this.#shrink(key);
		return slot.block;
	}

	/** Forgets everything read from files whose path begins with `prefix`. */
	forget(prefix: string): void {
		for (const [key, slot] of this.#slots) if (key.startsWith(prefix)) this.#drop(key, slot);
	}

	#shrink(keep: string): void {
		for (const [key, slot] of this.#slots) {
			if (this.#bytes <= this.#limit) return;
			if (key !== keep) this.#drop(key, slot);
		}
	}

	#drop(key: string, slot: Slot): void {
		if (this.#slots.get(key) !== slot) return;
		this.#slots.delete(key);
		this.#bytes -= slot.bytes;
	}
}
