/** The writes in parts of a shard that this process writes, as one opener of the store has them. */
import { fail } from "../../core/errors.ts";
import type { StagedInfo } from "../../core/shard.ts";
import type { LogStore } from "../../log/log-store.ts";
import type { ShardLog } from "../../log/shards/shard-log.ts";
import type { StreamLog } from "../../log/shards/stream-log.ts";
import type { StagedWrite } from "../../log/staged/staged-write.ts";
import type { EngineStaged, ShardStaging } from "../contract.ts";
import { closedError, type Opener } from "./opener.ts";

/** See `ShardStaging`. */
export class LocalStaging implements ShardStaging {
	readonly #store: LogStore;
	readonly #shard: ShardLog;
	readonly #opener: Opener;

	constructor(store: LogStore, shard: ShardLog, opener: Opener) {
		this.#store = store;
		this.#shard = shard;
		this.#opener = opener;
	}

	async begin(leaseMs: number): Promise<EngineStaged> {
		this.#check();
		const write = this.#store.staging.begin(this.#shard.owner as StreamLog, this.#shard, leaseMs);
		return new LocalStaged(this.#store, write, this.#opener);
	}

	async list(): Promise<readonly StagedInfo[]> {
		this.#check();
		return this.#store.staging.list(this.#shard);
	}

	async find(id: string): Promise<EngineStaged> {
		this.#check();
		const write = this.#store.staging.find(this.#shard, id);
		if (write === undefined) throw noSuchWrite(this.#shard.owner.name, id);
		return new LocalStaged(this.#store, write, this.#opener);
	}

	#check(): void {
		if (this.#opener.closed) throw closedError();
		if (this.#shard.owner.deleted !== undefined) throw this.#shard.owner.deleted;
	}
}

class LocalStaged implements EngineStaged {
	readonly #store: LogStore;
	readonly #write: StagedWrite;
	readonly #opener: Opener;

	constructor(store: LogStore, write: StagedWrite, opener: Opener) {
		this.#store = store;
		this.#write = write;
		this.#opener = opener;
	}

	get info(): StagedInfo {
		return this.#write.info;
	}

	write(bytes: Uint8Array, records?: number): Promise<void> {
		return this.#run(() => this.#write.write(bytes, records));
	}

	prepare(): Promise<void> {
		return this.#run(() => this.#write.prepare());
	}

	commit(expect?: number, check?: () => void): Promise<{ readonly from: number; readonly to: number }> {
		return this.#run(() => this.#write.commit(expect, check));
	}

	abort(): Promise<void> {
		return this.#run(() => this.#write.abort());
	}

	async #run<T>(work: () => Promise<T>): Promise<T> {
		if (this.#opener.closed) throw closedError();
		return await this.#store.staging.run(work());
	}
}

/** The error for a write in parts that is not, or no longer, there. */
function noSuchWrite(name: string, id: string): Error {
	return fail("NOT_FOUND", `${name} has no undecided write in parts ${id}`, {
		hint: "It was committed or aborted, or its writer ended before it was prepared; `streambed txn list` shows those there are.",
		details: { id },
	});
}
