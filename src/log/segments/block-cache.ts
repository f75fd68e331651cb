/**
 * Blocks of segments read from disk, checked once, shared by all readers of the store, bounded in bytes.
 *
 * A hundred readers that follow one another read each block once: who comes while it is being read waits for the same
 * read. The least recently used block goes first. Its memory is used again once all who were given the block have said that
 * they are done; where one of them does not say so, the garbage collector sees to it.
 */
import type { BadStretch, FoundFrame } from "../format/frame-walk.ts";
import type { BlockMemory } from "./block-memory.ts";

/** A stretch of a segment with its frames checked. */
export interface Block {
	readonly bytes: Uint8Array;
	/** What `bytes` is a part of, where it may be used again. */
	readonly memory?: Buffer | undefined;
	/** Where `bytes` begins in the file. */
	readonly fileOffset: number;
	readonly frames: readonly FoundFrame[];
	readonly bad: readonly BadStretch[];
	/** Relative positions of the first unit and behind the last one. */
	readonly from: number;
	readonly to: number;
}

/** A block that is being used: its memory stays as it is until the release, and for ever if there is none. */
export interface Lease {
	readonly block: Block;
	/** Nothing of the block's bytes is looked at any more by who holds this. Idempotent. */
	release(): void;
}

interface Slot {
	readonly loading: Promise<Block>;
	readonly bytes: number;
	/** Those who have asked for the block and have not released it. */
	users: number;
	/** No longer in the cache. */
	dropped: boolean;
}

/** A bounded cache of blocks. */
export class BlockCache {
	readonly #limit: number;
	readonly #memory: BlockMemory;
	readonly #slots = new Map<string, Slot>();
	#bytes = 0;

	constructor(limitBytes: number, memory: BlockMemory) {
		this.#limit = limitBytes;
		this.#memory = memory;
	}

	/** Bytes held. */
	get bytes(): number {
		return this.#bytes;
	}

	/** The block under `key`, read by `load` unless it is there or on its way. */
	async get(key: string, bytes: number, load: () => Promise<Block>): Promise<Lease> {
		const slot = this.#slots.get(key) ?? this.#begin(key, bytes, load);
		// The newest of them stands last.
		this.#slots.delete(key);
		this.#slots.set(key, slot);
		slot.users++;
		const block = await slot.loading;
		let released = false;
		const release = (): void => {
			if (released) return;
			released = true;
			slot.users--;
			this.#reuse(slot, block);
		};
		return { block, release };
	}

	/** Forgets everything read from files whose path begins with `prefix`. */
	forget(prefix: string): void {
		for (const [key, slot] of this.#slots) if (key.startsWith(prefix)) this.#drop(key, slot);
	}

	#begin(key: string, bytes: number, load: () => Promise<Block>): Slot {
		this.#shrink(bytes);
		const slot: Slot = { loading: load(), bytes, users: 0, dropped: false };
		this.#slots.set(key, slot);
		this.#bytes += bytes;
		slot.loading.catch(() => this.#drop(key, slot));
		return slot;
	}

	/** Makes room for so many bytes, as far as there is something to let go of. */
	#shrink(bytes: number): void {
		for (const [key, slot] of this.#slots) {
			if (this.#bytes + bytes <= this.#limit) return;
			this.#drop(key, slot);
		}
	}

	#drop(key: string, slot: Slot): void {
		if (this.#slots.get(key) !== slot) return;
		this.#slots.delete(key);
		this.#bytes -= slot.bytes;
		slot.dropped = true;
		// Who waits for a block that is being read uses it: that there are no users means that it has been read.
		if (slot.users === 0) slot.loading.then((block) => this.#reuse(slot, block)).catch(() => {});
	}

	#reuse(slot: Slot, { memory }: Block): void {
		if (memory !== undefined && slot.dropped && slot.users === 0) this.#memory.giveBack(memory);
	}
}
