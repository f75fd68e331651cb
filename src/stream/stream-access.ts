/** A stream as all handles to it share it: opened at first use, once, and never after the store was closed. */

import type { Clock } from "../core/clock.ts";
import { fail } from "../core/errors.ts";
import { formatAddress, type StreamAddress } from "../core/names.ts";
import type { RoundRobin } from "../core/routing.ts";
import type { StreamKind } from "../core/stream-config.ts";
import type { Engine, EngineShard, EngineStream } from "../engine/contract.ts";

/** What the handles of a store need of it. */
export interface StoreContext {
	readonly engine: Engine;
	/** Throws STREAMBED_CLOSED once `close()` was called. */
	assertOpen(): void;
	/** The same as a question, for paths that are called millions of times. */
	isOpen(): boolean;
	/** What the store closes, flushing it, before it closes the engine. */
	readonly writers: Set<{ close(): Promise<void> }>;
	readonly clock: Clock;
	/** Whose turn it is among the shards of a record stream, given its id: all handles of a store share it. */
	turnsOf(id: string): RoundRobin;
}

/** Opens one stream of a kind lazily; of a byte stream hands out its only shard. */
export class StreamAccess {
	readonly context: StoreContext;
	readonly address: StreamAddress;
	/** `scope/stream`. */
	readonly label: string;
	/** Appends made while the stream was opened or grew, and not handed over: one that is made now has to come behind them. */
	waiting = 0;
	readonly #kind: StreamKind;
	#stream: EngineStream | undefined;
	#opening: Promise<EngineStream> | undefined;
	#shard: EngineShard | undefined;

	constructor(context: StoreContext, address: StreamAddress, kind: StreamKind, stream?: EngineStream) {
		this.context = context;
		this.address = address;
		this.#kind = kind;
		this.label = formatAddress(address);
		if (stream !== undefined) this.#adopt(stream);
	}

	/** The stream, if it is open already. */
	get streamNow(): EngineStream | undefined {
		return this.#stream;
	}

	/** The only shard of a byte stream, if it is open already. */
	get shardNow(): EngineShard | undefined {
		return this.#shard;
	}

	/** The open stream. A failure is not kept: the next call tries again. */
	stream(): Promise<EngineStream> {
		try {
			this.context.assertOpen();
		} catch (error) {
			return Promise.reject(error);
		}
		if (this.#stream !== undefined) return Promise.resolve(this.#stream);
		this.#opening ??= this.#open();
		return this.#opening;
	}

	/** The only shard of the open stream. */
	async shard(): Promise<EngineShard> {
		return this.#shardOf(await this.stream());
	}

	async #open(): Promise<EngineStream> {
		try {
			return this.#adopt(await this.context.engine.openStream(this.address));
		} finally {
			this.#opening = undefined;
		}
	}

	#adopt(stream: EngineStream): EngineStream {
		if (stream.kind !== this.#kind) {
			throw fail("WRONG_KIND", `${this.label} is a stream of kind ${stream.kind}, not ${this.#kind}`, {
				details: { kind: stream.kind },
			});
		}
		this.#stream = stream;
		if (this.#kind === "bytes") this.#shardOf(stream);
		return stream;
	}

	#shardOf(stream: EngineStream): EngineShard {
		this.#shard ??= stream.shard(0);
		return this.#shard;
	}
}
