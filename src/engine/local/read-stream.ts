/** A stream of a store that is open for reading: as its descriptor and its files say, which an owner may be changing. */
import { join } from "node:path/posix";
import { abortable } from "../../core/abort.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { StreamAddress } from "../../core/names.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import type { StreamLayout } from "../../core/stream-layout.ts";
import { shardFolders } from "../../log/files/shard-folders.ts";
import { ioError } from "../../log/format/corruption.ts";
import type { FollowedStream, ReadStore } from "../../log/read-mode/read-store.ts";
import { retainedBytes } from "../../log/segments/retained-segments.ts";
import type { EngineStream, ShardAppend, ShardBounds, ShardInfo, StreamInfo, TogetherCompletion } from "../contract.ts";
import type { StoredStream } from "./catalog.ts";
import { readOnly } from "./read-only.ts";
import { ReadShard } from "./read-shard.ts";

/** How often the descriptor is looked at for more shards, for those who wait for them. */
const GROWTH_POLL_MS = 200;

/** What a stream needs of its engine. */
export interface ReadHost {
	readonly store: ReadStore;
	readonly root: string;
	/** The descriptor as it is now. @throws NOT_FOUND */
	find(address: StreamAddress): Promise<StoredStream>;
	/** The stream in its folder now: another one may stand there. */
	streamOf(stored: StoredStream): FollowedStream;
	/** What is the same for all streams. */
	describe(stored: StoredStream, sealed: boolean, shards: readonly ShardInfo[]): StreamInfo;
}

/** See `EngineStream`; what would change it is refused. */
export class ReadStream implements EngineStream {
	readonly address: StreamAddress;
	readonly id: string;
	readonly kind: StreamKind;
	readonly growing: undefined = undefined;
	layout: StreamLayout;
	readonly #host: ReadHost;
	readonly #opened: StoredStream;
	readonly #stream: FollowedStream;
	readonly #shards = new Map<number, ReadShard>();

	constructor(host: ReadHost, stored: StoredStream) {
		this.address = stored.address;
		this.id = stored.id;
		this.kind = stored.kind;
		this.layout = { shards: stored.shards, growth: stored.growth };
		this.#host = host;
		this.#opened = stored;
		this.#stream = host.streamOf(stored);
	}

	async info(): Promise<StreamInfo> {
		return await this.#run(async () => {
			const { stream, stored } = await this.#look();
			const found = await this.#boundsOf(stream, stored);
			const shards: ShardInfo[] = [];
			for (const [shard, { head, tail }] of found.entries()) {
				const follower = tail > 0 || this.kind === "bytes" ? this.#host.store.shard(stream, shard) : undefined;
				const { segments = 0, lastTime = null } = follower ?? {};
				const bytes = follower === undefined ? 0 : await retainedBytes(this.kind, follower.files, { head, tail });
				shards.push({ shard, head, tail, bytes, segments, lastTime });
			}
			const sealed = found.every((bounds) => bounds.sealed);
			return this.#host.describe(stored, sealed, shards);
		});
	}

	shard(index: number): ReadShard {
		let shard = this.#shards.get(index);
		if (shard !== undefined) return shard;
		const { store, root } = this.#host;
		if (!(index >= 0 && index < this.layout.shards)) {
			throw fail("INVALID_OPTION", `${this.#stream.name} has no shard ${index}`);
		}
		const folder = join(this.#stream.path, String(index));
		shard = new ReadShard(store, store.shard(this.#stream, index), folder, root);
		this.#shards.set(index, shard);
		return shard;
	}

	async bounds(): Promise<readonly ShardBounds[]> {
		return await this.#run(async () => {
			const { stream, stored } = await this.#look();
			return await this.#boundsOf(stream, stored);
		});
	}

	async grown(shards: number, signal?: AbortSignal): Promise<void> {
		const what = `waiting for more shards of ${this.#stream.name}`;
		for (;;) {
			await this.#run(() => this.#look());
			if (this.layout.shards > shards) return;
			await abortable(this.#host.store.pause(GROWTH_POLL_MS), signal, what);
		}
	}

	submitTogether(_parts: readonly ShardAppend[], _producer: unknown, completion: TogetherCompletion): void {
		queueMicrotask(() => completion.fail(this.#refusal("append")));
	}

	placesOf(): undefined {
		return undefined;
	}

	async takeEpoch(): Promise<never> {
		throw this.#refusal("take an epoch of a producer");
	}

	async seal(): Promise<void> {
		throw this.#refusal("seal the stream");
	}

	/** The stream and its descriptor now; its configuration may have changed since it was opened. */
	async #look(): Promise<{ readonly stream: FollowedStream; readonly stored: StoredStream }> {
		const { store } = this.#host;
		const stream = this.#host.streamOf(this.#opened);
		await store.assertThere(stream);
		const stored = await this.#host.find(this.address);
		if (stored.shards > this.layout.shards) this.layout = { shards: stored.shards, growth: stored.growth };
		return { stream, stored };
	}

	async #boundsOf(stream: FollowedStream, stored: StoredStream): Promise<readonly ShardBounds[]> {
		const { store } = this.#host;
		const numbers = this.kind === "bytes" ? [0] : await shardFolders(store.disk, stream.path);
		// A stream that was deleted just now has none, and must not look like one that is empty.
		if (numbers.length === 0) await store.assertThere(stream);
		const untouched: ShardBounds = { head: 0, tail: 0, sealed: stored.sealed };
		const found = new Array<ShardBounds>(stored.shards).fill(untouched);
		for (const number of numbers) {
			if (number < stored.shards) found[number] = await store.shard(stream, number).bounds();
		}
		return found;
	}

	#refusal(what: string): StreambedError {
		return readOnly(this.#host.root, what);
	}

	async #run<T>(work: () => Promise<T>): Promise<T> {
		if (this.#stream.gone !== undefined) throw this.#stream.gone;
		return await this.#host.store.run(work).catch((error: unknown) => {
			throw ioError(error, `reading ${this.#stream.name}`);
		});
	}
}
