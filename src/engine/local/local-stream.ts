/** An open stream of the embedded engine, as one opener of the store holds it. */
import { fail } from "../../core/errors.ts";
import type { PositionQuery } from "../../core/location.ts";
import type { StreamAddress } from "../../core/names.ts";
import type { ProducerTriple, TakenEpoch } from "../../core/producers.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import type { StreamLayout } from "../../core/stream-layout.ts";
import type { LogStore } from "../../log/log-store.ts";
import { takeEpoch } from "../../log/producers/producer-epochs.ts";
import { AppendTogether } from "../../log/shards/append-together.ts";
import type { ShardLog } from "../../log/shards/shard-log.ts";
import type { StreamLog } from "../../log/shards/stream-log.ts";
import { shardNow } from "../../log/stream-shards.ts";
import type {
	Completion,
	EngineShard,
	EngineStream,
	Payload,
	ReadOptions,
	ReadResult,
	ShardAppend,
	ShardBounds,
	ShardPlace,
	StreamInfo,
	SubmitOptions,
	TogetherCompletion,
} from "../contract.ts";
import { LocalStaging } from "./local-staging.ts";
import { closedError, type Opener } from "./opener.ts";

/** What a stream needs of its engine. */
export interface StreamHost {
	describe(): Promise<StreamInfo>;
	seal(): Promise<void>;
}

/** A handle to a stream, as one opener has it. */
export class LocalStream implements EngineStream {
	readonly address: StreamAddress;
	readonly id: string;
	readonly #store: LogStore;
	readonly #stream: StreamLog;
	readonly #opener: Opener;
	readonly #host: StreamHost;
	readonly #shards = new Map<number, LocalShard>();

	constructor(
		store: LogStore,
		stream: StreamLog,
		identity: { readonly address: StreamAddress; readonly id: string; readonly opener: Opener },
		host: StreamHost,
	) {
		this.address = identity.address;
		this.id = identity.id;
		this.#store = store;
		this.#stream = stream;
		this.#opener = identity.opener;
		this.#host = host;
	}

	get kind(): StreamKind {
		return this.#stream.kind;
	}

	async info(): Promise<StreamInfo> {
		if (this.#stream.deleted !== undefined) throw this.#stream.deleted;
		return await this.#host.describe();
	}

	shard(index: number): LocalShard {
		let shard = this.#shards.get(index);
		if (shard !== undefined) return shard;
		shard = new LocalShard(this.#store, this.#log(index), this.#opener);
		this.#shards.set(index, shard);
		return shard;
	}

	#log(index: number): ShardLog {
		if (index >= 0 && index < this.#stream.layout.shards) return shardNow(this.#store, this.#stream, index);
		throw fail("INVALID_OPTION", `${this.#stream.name} has no shard ${index}`);
	}

	get layout(): StreamLayout {
		return this.#stream.layout;
	}

	get growing(): Promise<void> | undefined {
		return this.#stream.growth.growing;
	}

	async grown(shards: number, signal?: AbortSignal): Promise<void> {
		this.#check();
		await untilEnded(this.#opener, signal, (both) => this.#stream.growth.wait(this.#stream.name, shards, both));
	}

	async bounds(): Promise<readonly ShardBounds[]> {
		this.#check();
		const { shards, layout, sealed } = this.#stream;
		const untouched: ShardBounds = { head: 0, tail: 0, sealed };
		return Array.from({ length: layout.shards }, (_, index) => shards.get(index)?.bounds() ?? untouched);
	}

	submitTogether(
		parts: readonly ShardAppend[],
		producer: ProducerTriple | undefined,
		completion: TogetherCompletion,
	): void {
		if (this.#opener.closed) return queueMicrotask(() => completion.fail(closedError()));
		const resolved = parts.map(({ shard, payload, units, expect }) => {
			return { shard: this.#log(shard), payload, units, expect };
		});
		new AppendTogether(this.#store, resolved, producer, completion).submit();
	}

	placesOf(producer: ProducerTriple): readonly ShardPlace[] | undefined {
		return this.#stream.producers.table.placesOf(producer);
	}

	async takeEpoch(producer: string): Promise<TakenEpoch> {
		this.#check();
		return await takeEpoch(this.#store, this.#stream, producer);
	}

	async seal(): Promise<void> {
		this.#check();
		await this.#host.seal();
	}

	#check(): void {
		if (this.#stream.deleted !== undefined) throw this.#stream.deleted;
		if (this.#opener.closed) throw closedError();
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
		const { gate, owner } = this.#shard;
		return this.#store.admission.hasRoom(bytes) && !gate.closed && !owner.producers.order.closed;
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
		await untilEnded(this.#opener, signal, (both) => this.#shard.changed(position, both));
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

/** Waits for something that ends with its opener as well. */
async function untilEnded(
	opener: Opener,
	signal: AbortSignal | undefined,
	wait: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
	const ended = opener.signal;
	const both = signal === undefined ? ended : AbortSignal.any([signal, ended]);
	try {
		await wait(both);
	} catch (error) {
		throw ended.aborted && !signal?.aborted ? closedError() : error;
	}
}
