/** One opener's view of a store that several openers of this process share: closing it closes only this view. */
import type { StreamAddress } from "../../core/names.ts";
import type { StreamConfig, StreamUpdate } from "../../core/stream-config.ts";
import type { Engine, EngineStats, EngineStream, ListQuery, StreamInfo, StreamSummary } from "../contract.ts";
import type { Durability, Manifest } from "../manifest.ts";
import type { LocalEngine } from "./local-engine.ts";
import { closedError, type Opener } from "./opener.ts";

/** A handle to a shared engine. */
export class SharedEngine implements Engine {
	readonly #engine: LocalEngine;
	readonly #release: () => Promise<void>;
	readonly #ended = new AbortController();
	readonly #opener: Opener = { closed: false, signal: this.#ended.signal };
	#closing: Promise<void> | undefined;

	constructor(engine: LocalEngine, release: () => Promise<void>) {
		this.#engine = engine;
		this.#release = release;
	}

	get manifest(): Manifest {
		return this.#engine.manifest;
	}

	get durability(): Durability {
		return this.#engine.durability;
	}

	get appendBytes(): number {
		return this.#engine.appendBytes;
	}

	async createStream(address: StreamAddress, config: StreamConfig): Promise<EngineStream> {
		this.#checkOpen();
		return await this.#engine.createStream(address, config, this.#opener);
	}

	async openStream(address: StreamAddress): Promise<EngineStream> {
		this.#checkOpen();
		return await this.#engine.openStream(address, this.#opener);
	}

	async listStreams(query: ListQuery): Promise<readonly StreamSummary[]> {
		this.#checkOpen();
		return await this.#engine.listStreams(query);
	}

	async updateStream(address: StreamAddress, change: StreamUpdate): Promise<StreamInfo> {
		this.#checkOpen();
		return await this.#engine.updateStream(address, change);
	}

	async deleteStream(address: StreamAddress, force?: boolean): Promise<void> {
		this.#checkOpen();
		await this.#engine.deleteStream(address, force);
	}

	stats(): EngineStats {
		return this.#engine.stats();
	}

	async checkpoint(address?: StreamAddress): Promise<void> {
		this.#checkOpen();
		await this.#engine.checkpoint(address);
	}

	close(): Promise<void> {
		this.#opener.closed = true;
		this.#ended.abort();
		this.#closing ??= this.#release();
		return this.#closing;
	}

	#checkOpen(): void {
		if (this.#closing !== undefined) throw closedError();
	}
}
