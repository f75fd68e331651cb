/** An open stream of the embedded engine, as one opener of the store holds it. */
import { fail } from "../../core/errors.ts";
import type { PositionQuery } from "../../core/location.ts";
import type { StreamAddress } from "../../core/names.ts";
import type { TakenEpoch } from "../../core/producers.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import type { LogStore } from "../../log/log-store.ts";
import { takeEpoch } from "../../log/producer-epochs.ts";
import type { ShardLog } from "../../log/shard-log.ts";
import type { StreamLog } from "../../log/stream-log.ts";
import type {
	Completion,
	EngineShard,
	EngineStream,
	Payload,
	ReadOptions,
	ReadResult,
	ShardBounds,
	StreamInfo,
	SubmitOptions,
} from "../contract.ts";
import { LocalStaging } from "./local-staging.ts";
import { closedError, type Opener } from "./opener.ts";

/** A handle to a stream, as one opener has it. */
export class LocalStream implements EngineStream {
	readonly address: StreamAddress;
	readonly id: string;
	readonly #store: LogStore;
	readonly #stream: StreamLog;
	readonly #opener: Opener;
	readonly #logs: readonly ShardLog[];
	readonly #describe: () => Promise<StreamInfo>;
	readonly #shards: readonly LocalShard[];

	constructor(
		store: LogStore,
		stream: StreamLog,
		shards: readonly ShardLog[],
		identity: { readonly address: StreamAddress; readonly id: string; readonly opener: Opener },
		describe: () => Promise<StreamInfo>,
	) {
		this.address = identity.address;
		this.id = identity.id;
		this.#store = store;
		this.#stream = stream;
		this.#opener = identity.opener;
		this.#logs = shards;
		this.#describe = describe;
		this.#shards = shards.map((shard) => new LocalShard(store, shard, identity.opener));
	}

	get kind(): StreamKind {
		return this.#stream.kind;
	}

	async info(): Promise<StreamInfo> {
		if (this.#stream.deleted !== undefined) throw this.#stream.deleted;
		return await this.#describe();
	}

	shard(index: number): EngineShard {
		const shard = this.#shards[index];
		if (shard === undefined) throw fail("INVALID_OPTION", `${this.#stream.name} has no shard ${index}`);
		return shard;
	}

	async takeEpoch(producer: string): Promise<TakenEpoch> {
		if (this.#opener.closed) throw closedError();
		return await takeEpoch(this.#store, this.#stream, this.#logs[0] as ShardLog, producer);
	}
}

class LocalShard implements EngineShard {
	readonly #store: LogStore;
	readonly #shard: ShardLog;
	readonly #opener: Opener;
	readonly staging: LocalStaging;

	constructor(store: LogStore, shard: ShardLog, opener: Opener) {
		this.staging = new LocalStaging(store, shard, opener);
		this.#store = store;
		this.#shard = shard;
		this.#opener = opener;
	}

	get acceptedTail(): number {
		return this.#shard.acceptedTail;
	}

	acceptsNow(bytes: number): boolean {
		return this.#store.admission.hasRoom(bytes) && !this.#shard.gate.closed;
	}

	submit(payload: Payload, options: SubmitOptions, completion: Completion): number {
		if (!this.#opener.closed) return this.#shard.submit(payload, options, completion);
		queueMicrotask(() => completion.fail(closedError()));
		return Number.NaN;
	}

	async bounds(): Promise<ShardBounds> {
		this.#check();
		return this.#shard.bounds();
	}

	async locate(query: PositionQuery): Promise<number> {
		this.#check();
		return await this.#shard.locate(query);
	}

	async read(position: number, maxBytes: number, options?: ReadOptions): Promise<ReadResult> {
		this.#check();
		return await this.#shard.read(position, maxBytes, options);
	}

	async changed(position: number, signal?: AbortSignal): Promise<void> {
		this.#check();
		const ended = this.#opener.signal;
		const both = signal === undefined ? ended : AbortSignal.any([signal, ended]);
		try {
			await this.#shard.changed(position, both);
		} catch (error) {
			throw ended.aborted && !signal?.aborted ? closedError() : error;
		}
	}

	async truncateBefore(position: number): Promise<number> {
		this.#check();
		return await this.#shard.truncateBefore(position);
	}

	async seal(force = false): Promise<number> {
		this.#check();
		// Without a turn in between, so that what is appended after this call comes after the seal.
		if (this.#store.staging.holds(this.#shard)) await this.#store.staging.clear(this.#shard, "seal", force);
		return await this.#shard.seal();
	}

	#check(): void {
		if (this.#opener.closed) throw closedError();
	}
}
