/** A shard of a store that is open for reading. */
import type { PositionQuery } from "../../core/location.ts";
import type { ReadStore } from "../../log/read-mode/read-store.ts";
import type { ShardFollower } from "../../log/read-mode/shard-follower.ts";
import { listStaged } from "../../log/staged/staged-listing.ts";
import type {
	Completion,
	EngineShard,
	Payload,
	ReadOptions,
	ReadResult,
	ShardBounds,
	ShardStaging,
	SubmitOptions,
} from "../contract.ts";
import { readOnly } from "./read-only.ts";

/** See `EngineShard`; what would change it is refused. */
export class ReadShard implements EngineShard {
	readonly #store: ReadStore;
	readonly #follower: ShardFollower;
	readonly #root: string;
	readonly staging: ShardStaging;

	constructor(store: ReadStore, follower: ShardFollower, folder: string, root: string) {
		this.#store = store;
		this.#follower = follower;
		this.#root = root;
		this.staging = {
			begin: async () => Promise.reject(readOnly(root, "write in parts")),
			list: () => store.run(() => listStaged(store.disk, folder, store.clock.now())),
			find: async () => Promise.reject(readOnly(root, "decide about a write in parts")),
		};
	}

	get acceptedTail(): number {
		return this.#follower.tail;
	}

	acceptsNow(): boolean {
		return true;
	}

	submit(_payload: Payload, _options: SubmitOptions, completion: Completion): number {
		queueMicrotask(() => completion.fail(readOnly(this.#root, "append")));
		return Number.NaN;
	}

	async bounds(): Promise<ShardBounds> {
		return await this.#store.run(() => this.#follower.bounds());
	}

	async locate(query: PositionQuery): Promise<number> {
		return await this.#store.run(() => this.#follower.locate(query));
	}

	async read(position: number, maxBytes: number, options?: ReadOptions): Promise<ReadResult> {
		return await this.#store.run(() => this.#follower.read(position, maxBytes, options));
	}

	/** Not counted among what `close()` waits for: closing ends it. */
	async changed(position: number, signal?: AbortSignal): Promise<void> {
		this.#store.assertOpen();
		await this.#follower.changed(position, signal);
	}

	async truncateBefore(): Promise<number> {
		throw readOnly(this.#root, "truncate the stream");
	}

	async seal(): Promise<number> {
		throw readOnly(this.#root, "seal the stream");
	}
}
