/**
 * Shards of a stream that have no folder yet, as a process sees them that does not own the store: one look at the
 * stream's folder serves all of them, so that a follower of thousands of shards looks after those alone that hold something.
 */

import { shardFolders } from "../files/shard-folders.ts";
import type { Polled } from "./follow-polling.ts";
import type { FollowedStream, ReadStore } from "./read-store.ts";

/** How old the last look may be. */
const FRESH_MS = 2;

/** What a look has found. */
export interface TouchedShards {
	readonly folders: ReadonlySet<number>;
	/** The stream is sealed: a shard without a folder will never have one. */
	readonly sealed: boolean;
}

/** See above; one for each stream that is read. */
export class UntouchedShards implements Polled {
	readonly #store: ReadStore;
	readonly #stream: FollowedStream;
	readonly #waiting = new Map<number, Polled>();
	#lookedAt = Number.NEGATIVE_INFINITY;
	#look: Promise<TouchedShards> | undefined;

	constructor(store: ReadStore, stream: FollowedStream) {
		this.#store = store;
		this.#stream = stream;
	}

	/** Which shards have a folder. @throws NOT_FOUND */
	async look(): Promise<TouchedShards> {
		const now = this.#store.clock.monotonic();
		if (this.#look === undefined || now - this.#lookedAt >= FRESH_MS) {
			this.#lookedAt = now;
			this.#look = this.#lookNow();
		}
		return await this.#look;
	}

	async #lookNow(): Promise<TouchedShards> {
		// First the descriptor: it says sealed only when all that hold something have their files.
		const { sealed } = await this.#store.assertThere(this.#stream);
		const folders = await shardFolders(this.#store.disk, this.#stream.path);
		// It may have been deleted in between.
		if (folders.length === 0) await this.#store.assertThere(this.#stream);
		return { folders: new Set(folders), sealed };
	}

	/** Somebody waits for the shard: it is asked to look once it has a folder, or never will. */
	add(number: number, shard: Polled): void {
		this.#waiting.set(number, shard);
		this.#store.polling.add(this);
	}

	/** Nobody waits for the shard any more, or it has a folder. */
	remove(number: number): void {
		if (this.#waiting.delete(number) && this.#waiting.size === 0) this.#store.polling.remove(this);
	}

	async poll(): Promise<void> {
		const found = await this.look().catch(() => undefined);
		for (const [number, shard] of [...this.#waiting]) {
			// Where looking failed they look for themselves, and tell those who wait.
			if (found === undefined || found.sealed || found.folders.has(number)) await shard.poll();
		}
	}
}
