/** The bound on frames kept in memory over all shards: what is safely in its file goes, the oldest of each shard first. */
import type { Chunk } from "./tail-memory.ts";

/** Who holds chunks and can let go of them. */
export interface ChunkHolder {
	/** Lets go of its oldest chunk, unless that is still needed. */
	evict(): Chunk | undefined;
}

/** Memory of evicted chunks that is kept for new ones of the same size, in bytes. */
const SPARE_BYTES = 4 * 1024 * 1024;
/** Shards asked in vain in one go: with many streams most chunks can't go before they are written. */
const TRIES = 16;

/** All chunks of a store. */
export class TailCache {
	readonly #limit: number;
	/** Chunks by shard: shards share the bound, and are asked to let go in turn. */
	readonly #holders = new Map<ChunkHolder, number>();
	/** Memory nobody has seen: new chunks are made of it, which saves the collector most of its work. */
	readonly #spare = new Map<number, Buffer[]>();
	#spareBytes = 0;
	#bytes = 0;

	constructor(limitBytes: number) {
		this.#limit = limitBytes;
	}

	/** Memory for a chunk of `size` bytes. */
	memory(size: number): Buffer {
		const spare = this.#spare.get(size)?.pop();
		if (spare === undefined) return Buffer.allocUnsafeSlow(size);
		this.#spareBytes -= size;
		return spare;
	}

	/** Bytes of all chunks, those not yet written to their files included. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Size for a shard's next chunk: grows with what it appends, shrinks with how many shards share the bound. */
	chunkBytes(previous: number): number {
		const share = this.#limit / (2 * Math.max(1, this.#holders.size));
		return Math.max(16 * 1024, Math.min(1024 * 1024, previous * 2, 2 ** Math.floor(Math.log2(Math.max(1, share)))));
	}

	add(chunk: Chunk, holder: ChunkHolder): void {
		this.#holders.set(holder, (this.#holders.get(holder) ?? 0) + 1);
		this.#bytes += chunk.bytes.length;
		this.shrink();
	}

	/** The holder has let go of a chunk. */
	remove(chunk: Chunk, holder: ChunkHolder): void {
		this.#bytes -= chunk.bytes.length;
		const left = (this.#holders.get(holder) ?? 1) - 1;
		if (left > 0) this.#holders.set(holder, left);
		else this.#holders.delete(holder);
	}

	/** Evicts, shard by shard in turn, until the bound holds or too many were asked in vain. */
	shrink(): void {
		let tries = TRIES;
		for (const [holder, count] of this.#holders) {
			if (this.#bytes <= this.#limit || tries === 0) return;
			this.#holders.delete(holder);
			this.#holders.set(holder, count);
			const chunk = holder.evict();
			if (chunk === undefined) tries--;
			else this.#let(chunk, holder);
		}
	}

	#let(chunk: Chunk, holder: ChunkHolder): void {
		this.remove(chunk, holder);
		const { bytes, lent } = chunk;
		if (lent || bytes.length + this.#spareBytes > SPARE_BYTES) return;
		this.#spareBytes += bytes.length;
		const spare = this.#spare.get(bytes.length);
		if (spare === undefined) this.#spare.set(bytes.length, [bytes]);
		else spare.push(bytes);
	}
}
