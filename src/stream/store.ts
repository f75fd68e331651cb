/** An open store, and the scopes in it. */
import { type Clock, systemClock } from "../core/clock.ts";
import { fail } from "../core/errors.ts";
import { parseAddress, type StreamAddress } from "../core/names.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { RoundRobin } from "../core/routing.ts";
import type { Engine, EngineStats, StreamSummary } from "../engine/contract.ts";
import type { Durability, Manifest } from "../engine/manifest.ts";
import type { ByteStream } from "./bytes/byte-stream.ts";
import type { RecordStream } from "./records/record-stream.ts";
import { checkListOptions, type ListOptions, Scope } from "./scope.ts";
import type { StoreContext } from "./stream-access.ts";

/** Life of a store. */
export type StoreStatus = "open" | "closing" | "closed";

/** Greater than any stream name: names have at most 1,000 bytes, and U+FFFF takes three. */
const afterAllStreams: string = "\uffff".repeat(334);

/** Where a store takes time and randomness from. */
export interface StoreSources {
	readonly clock?: Clock;
	readonly random?: Random;
}

/** An open store. Close it: that waits for accepted appends. */
export class Store implements AsyncDisposable {
	/** As given to `open`. */
	readonly url: string;
	readonly #engine: Engine;
	readonly #context: StoreContext;
	#status: StoreStatus = "open";
	#closing: Promise<void> | undefined;
	readonly #turns = new Map<string, RoundRobin>();

	/** Made by `open()`. */
	constructor(url: string, engine: Engine, { clock = systemClock, random = systemRandom }: StoreSources = {}) {
		this.url = url;
		this.#engine = engine;
		this.#context = {
			clock,
			turnsOf: (id) => this.#turnsOf(id, random),
			engine,
			writers: new Set(),
			assertOpen: () => this.#assertOpen(),
			isOpen: () => this.#status === "open",
		};
	}

	/** `open` until `close()` is called, `closing` until it is done. */
	get status(): StoreStatus {
		return this.#status;
	}

	/** What the engine of this store can do. */
	get manifest(): Manifest {
		return this.#engine.manifest;
	}

	/** What an acknowledged append survives. */
	get durability(): Durability {
		return this.#engine.durability;
	}

	/** A scope; it need not exist. @throws INVALID_NAME */
	scope(name: string): Scope {
		return new Scope(this.#context, name);
	}

	/** Streams of all scopes, by scope and name; `prefix` and `after` are compared with `scope/stream`. */
	async list(options: ListOptions = {}): Promise<readonly StreamSummary[]> {
		const { prefix, after, limit } = checkListOptions(options);
		this.#assertOpen();
		return await this.#engine.listStreams({
			limit,
			...(prefix === undefined ? {} : { prefix }),
			...(after === undefined ? {} : { after: splitAddress(after) }),
		});
	}

	/** Names of the scopes that have a stream, in order. */
	async scopes(): Promise<readonly string[]> {
		const names: string[] = [];
		let after: StreamAddress | undefined;
		for (;;) {
			this.#assertOpen();
			const [first] = await this.#engine.listStreams({ limit: 1, ...(after === undefined ? {} : { after }) });
			if (first === undefined) return names;
			names.push(first.scope);
			after = { scope: first.scope, stream: afterAllStreams };
		}
	}

	/** Counters and sizes since opening. */
	stats(): EngineStats {
		this.#assertOpen();
		return this.#engine.stats();
	}

	/** Brings files up to what is visible now, of one stream (its handle or `scope/stream`) or of all, so that they can be copied. */
	async checkpoint(stream?: ByteStream | RecordStream<never> | string): Promise<void> {
		this.#assertOpen();
		if (stream === undefined) return await this.#engine.checkpoint();
		await this.#engine.checkpoint(parseAddress(typeof stream === "string" ? stream : stream.address));
	}

	/**
	 * Flushes writers, waits for accepted appends, ends readers with CLOSED and releases everything. Idempotent; the
	 * first caller is told of what failed, and everything is released all the same.
	 */
	async close(): Promise<void> {
		if (this.#closing !== undefined) return await this.#closing.catch(() => {});
		this.#status = "closing";
		this.#closing = this.#close();
		await this.#closing;
	}

	/** Same as {@link close}. */
	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	async #close(): Promise<void> {
		const results = await Promise.allSettled([...this.#context.writers].map((writer) => writer.close()));
		const ending = await Promise.allSettled([this.#engine.close()]);
		this.#status = "closed";
		for (const result of [...ending, ...results]) if (result.status === "rejected") throw result.reason;
	}

	/** A stream begins with a shard at random, so that streams that are opened often fill all of theirs. */
	#turnsOf(id: string, random: Random): RoundRobin {
		let turns = this.#turns.get(id);
		if (turns === undefined) {
			const [high = 0, low = 0] = random.bytes(2);
			turns = new RoundRobin(256 * high + low);
			this.#turns.set(id, turns);
		}
		return turns;
	}

	#assertOpen(): void {
		if (this.#status !== "open") throw fail("CLOSED", `the store ${this.url} is ${this.#status}`);
	}
}

/** Scope and stream of a place in a listing, which need not be a valid address. */
function splitAddress(text: string): StreamAddress {
	const slash = text.indexOf("/");
	return slash < 0 ? { scope: text, stream: "" } : { scope: text.slice(0, slash), stream: text.slice(slash + 1) };
}
