/** The memory engine: the whole contract without a disk, for tests and for data that need not last. */
import { type Clock, systemClock } from "../../core/clock.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import { defaultLimits, type Limits } from "../../core/limits.ts";
import { formatAddress, type StreamAddress } from "../../core/names.ts";
import { newUuid, type Random, systemRandom } from "../../core/random.ts";
import { applyUpdate, type StreamConfig, type StreamUpdate } from "../../core/stream-config.ts";
import {
	compareAddresses,
	type Engine,
	type EngineStats,
	type EngineStream,
	type ListQuery,
	type StreamInfo,
	type StreamSummary,
} from "../contract.ts";
import type { Durability, Manifest } from "../manifest.ts";
import { MemoryRetention } from "./memory-retention.ts";
import { MemoryRounds } from "./memory-rounds.ts";
import { MemoryStream } from "./memory-stream.ts";

/** What the memory engine can do. */
export const memoryManifest: Manifest = Object.freeze({
	engine: "memory",
	persistent: false,
	kinds: ["bytes", "records"],
	densePositions: true,
	retention: true,
	producers: true,
	multipart: true,
	readersBesideOwner: false,
	durability: ["memory"],
} as const);

/** Settings of a memory engine. */
export interface MemoryOptions {
	readonly limits?: Limits;
	readonly clock?: Clock;
	readonly random?: Random;
	/** Where streams begin. Default 0; tests of large positions begin higher. */
	readonly firstPosition?: number;
}

/** Makes an empty memory engine. */
export function createMemoryEngine(options: MemoryOptions = {}): Engine {
	return new MemoryEngine(options);
}

class MemoryEngine implements Engine {
	readonly manifest: Manifest = memoryManifest;
	readonly durability: Durability = "memory";
	readonly #limits: Limits;
	readonly #clock: Clock;
	readonly #random: Random;
	readonly #firstPosition: number;
	readonly #rounds: MemoryRounds;
	readonly #retention: MemoryRetention;
	readonly #streams = new Map<string, MemoryStream>();

	constructor(options: MemoryOptions) {
		this.#limits = options.limits ?? defaultLimits;
		this.#clock = options.clock ?? systemClock;
		this.#random = options.random ?? systemRandom;
		this.#firstPosition = options.firstPosition ?? 0;
		this.#retention = new MemoryRetention(this.#clock, () => this.#streams.values());
		this.#rounds = new MemoryRounds(this.#limits, this.#clock, () => this.#retention.stamp());
	}

	get appendBytes(): number {
		return this.#limits.appendBytes;
	}

	async createStream(address: StreamAddress, config: StreamConfig): Promise<EngineStream> {
		this.#assertOpen();
		const name = formatAddress(address);
		if (this.#streams.has(name)) {
			throw fail("EXISTS", `the stream ${name} exists already`, { details: { ...address } });
		}
		const identity = { address, id: newUuid(this.#random), createdAt: this.#clock.now() };
		const stream = new MemoryStream(identity, config, this.#rounds, this.#random, this.#firstPosition);
		stream.appended = () => this.#retention.apply(stream);
		this.#streams.set(name, stream);
		return stream;
	}

	async openStream(address: StreamAddress): Promise<EngineStream> {
		return this.#find(address);
	}

	async listStreams(query: ListQuery): Promise<readonly StreamSummary[]> {
		this.#assertOpen();
		const { scope, prefix = "", after } = query;
		return [...this.#streams.values()]
			.filter(({ address }) => scope === undefined || address.scope === scope)
			.filter(({ address }) => (scope === undefined ? formatAddress(address) : address.stream).startsWith(prefix))
			.filter(({ address }) => after === undefined || compareAddresses(address, after) > 0)
			.sort((a, b) => compareAddresses(a.address, b.address))
			.slice(0, query.limit)
			.map((stream) => stream.summary());
	}

	async updateStream(address: StreamAddress, change: StreamUpdate): Promise<StreamInfo> {
		const stream = this.#find(address);
		stream.configure(applyUpdate(stream.config, change));
		if (change.retention !== undefined) stream.confirmedMs = this.#retention.confirm();
		this.#retention.apply(stream);
		return await stream.info();
	}

	async deleteStream(address: StreamAddress, force = false): Promise<void> {
		const stream = this.#find(address);
		await stream.clearStaged("delete", force);
		this.#streams.delete(formatAddress(address));
		stream.delete();
	}

	stats(): EngineStats {
		const { rounds, appends, appendedBytes, pendingBytes } = this.#rounds;
		return {
			streams: this.#streams.size,
			rounds,
			appends,
			appendedBytes,
			pendingBytes,
			cachedBytes: 0,
			journalBytes: 0,
			journalLiveBytes: 0,
			checkpoints: 0,
			retention: this.#retention.stats(),
			disk: { reads: 0, readBytes: 0, writes: 0, writtenBytes: 0, syncs: 0 },
			recovery: { clean: true, rounds: 0, redoneBytes: 0, tailCutBytes: 0 },
		};
	}

	async checkpoint(address?: StreamAddress): Promise<void> {
		this.#assertOpen();
		if (address !== undefined) this.#find(address);
	}

	async close(): Promise<void> {
		if (this.#rounds.closed) return await this.#rounds.drained();
		this.#rounds.closed = true;
		this.#retention.stop();
		await this.#rounds.drained();
		for (const stream of this.#streams.values()) stream.end(this.#rounds.closedError());
		this.#streams.clear();
	}

	#find(address: StreamAddress): MemoryStream {
		this.#assertOpen();
		const stream = this.#streams.get(formatAddress(address));
		if (stream === undefined) throw notFound(address);
		return stream;
	}

	#assertOpen(): void {
		if (this.#rounds.closed) throw this.#rounds.closedError();
	}
}

function notFound(address: StreamAddress): StreambedError {
	return fail("NOT_FOUND", `there is no stream ${formatAddress(address)}`, { details: { ...address } });
}
