/** The embedded engine in a process that does not own the folder: it reads what the owner writes, and changes nothing. */
import { join } from "node:path/posix";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { PositionQuery } from "../../core/location.ts";
import { formatAddress, type StreamAddress } from "../../core/names.ts";
import { parseUuid } from "../../core/random.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import { nodeDisk } from "../../disk/node-disk.ts";
import { sqliteLocker } from "../../disk/sqlite-lock.ts";
import { makeReadable, type ReadableStore } from "../../log/read-opening.ts";
import { type FollowedStream, ReadStore } from "../../log/read-store.ts";
import type { ShardFollower } from "../../log/shard-follower.ts";
import { listStaged } from "../../log/staged-listing.ts";
import type {
	Completion,
	Engine,
	EngineShard,
	EngineStats,
	EngineStream,
	ListQuery,
	Payload,
	ReadOptions,
	ReadResult,
	ShardBounds,
	ShardInfo,
	ShardStaging,
	StreamInfo,
	StreamSummary,
	SubmitOptions,
} from "../contract.ts";
import type { Durability, Manifest } from "../manifest.ts";
import { Catalog, type StoredStream } from "./catalog.ts";
import { localManifest } from "./local-engine.ts";
import type { LocalOptions } from "./open-local.ts";

/** Opens the store in the folder `path` for reading, beside an owner or without one. @throws NOT_FOUND, FORMAT_VERSION */
export async function openForReading(path: string, options: LocalOptions): Promise<Engine> {
	const disk = options.disk ?? nodeDisk();
	const { clock, random, limits, signal } = options;
	const root = await disk.realPath(path).catch(() => path);
	const locker = options.locker ?? sqliteLocker();
	const readable = await makeReadable({ root, disk, clock, random, locker, limits, signal });
	return new ReadEngine(root, readable, options);
}

class ReadEngine implements Engine {
	readonly manifest: Manifest = localManifest;
	readonly durability: Durability;
	readonly appendBytes: number;
	readonly #root: string;
	readonly #readable: ReadableStore;
	readonly #store: ReadStore;
	readonly #catalog: Catalog;

	constructor(root: string, readable: ReadableStore, { clock, limits }: LocalOptions) {
		const { disk, identity, still, unsynced } = readable;
		this.durability = unsynced ? "os" : "sync";
		this.appendBytes = limits.appendBytes;
		this.#root = root;
		this.#readable = readable;
		this.#store = new ReadStore({ root, disk, clock, limits, identity, still });
		this.#catalog = new Catalog(disk, root);
	}

	async openStream(address: StreamAddress): Promise<EngineStream> {
		return await this.#store.run(async () => {
			const stored = await this.#find(address);
			return new ReadStream(this.#store, this.#streamOf(stored), stored, this.#root, () => this.#describe(stored));
		});
	}

	async listStreams(query: ListQuery): Promise<readonly StreamSummary[]> {
		return await this.#store.run(() => this.#catalog.list(query));
	}

	async createStream(address: StreamAddress): Promise<EngineStream> {
		throw readOnly(this.#root, `create the stream ${formatAddress(address)}`);
	}

	async updateStream(address: StreamAddress): Promise<StreamInfo> {
		throw readOnly(this.#root, `update the stream ${formatAddress(address)}`);
	}

	async deleteStream(address: StreamAddress): Promise<void> {
		throw readOnly(this.#root, `delete the stream ${formatAddress(address)}`);
	}

	async checkpoint(): Promise<void> {
		throw readOnly(this.#root, "make a checkpoint");
	}

	stats(): EngineStats {
		const { reads, readBytes, writes, writtenBytes, syncs } = this.#store.disk.counters;
		return {
			streams: this.#store.openStreams,
			rounds: 0,
			appends: 0,
			appendedBytes: 0,
			pendingBytes: 0,
			cachedBytes: this.#store.reader.blocks.bytes,
			journalBytes: 0,
			journalLiveBytes: 0,
			checkpoints: 0,
			retention: { freedSegments: 0, freedBytes: 0, clockStepped: false },
			disk: { reads, readBytes, writes, writtenBytes, syncs },
			recovery: this.#readable.recovery,
		};
	}

	async close(): Promise<void> {
		await this.#store.close();
	}

	async #find(address: StreamAddress): Promise<StoredStream> {
		const stored = await this.#catalog.find(address);
		if (stored !== undefined) return stored;
		throw fail("NOT_FOUND", `there is no stream ${formatAddress(address)}`, { details: { ...address } });
	}

	#streamOf({ address, id, origins, folder }: StoredStream): FollowedStream {
		const ids = [id, ...origins].map((one) => parseUuid(one)).filter((one) => one !== undefined);
		return this.#store.stream({ name: formatAddress(address), id, ids, path: join(this.#catalog.streams, folder) });
	}

	/** What there is to know of a stream now; its configuration may have changed since it was opened. */
	async #describe(opened: StoredStream): Promise<StreamInfo> {
		const stream = this.#streamOf(opened);
		await this.#store.assertThere(stream);
		const stored = await this.#find(opened.address);
		const { address, id, kind, retention, segmentBytes, tags, createdAt } = stored;
		const shards: ShardInfo[] = [];
		let sealed = true;
		for (let number = 0; number < stored.shards; number++) {
			const shard = this.#store.shard(stream, number);
			const { head, tail, ...bounds } = await shard.bounds();
			sealed &&= bounds.sealed;
			const { segments, lastTime } = shard;
			shards.push({ shard: number, head, tail, bytes: tail - head, segments, lastTime });
		}
		const { durability } = this;
		return { ...address, id, kind, sealed, durability, retention, segmentBytes, tags, createdAt, shards };
	}
}

class ReadStream implements EngineStream {
	readonly address: StreamAddress;
	readonly id: string;
	readonly kind: StreamKind;
	readonly #stream: FollowedStream;
	readonly #store: ReadStore;
	readonly #root: string;
	readonly #describe: () => Promise<StreamInfo>;
	readonly #shards: readonly ReadShard[];

	constructor(
		store: ReadStore,
		stream: FollowedStream,
		stored: StoredStream,
		root: string,
		describe: () => Promise<StreamInfo>,
	) {
		this.address = stored.address;
		this.id = stored.id;
		this.kind = stored.kind;
		this.#stream = stream;
		this.#store = store;
		this.#root = root;
		this.#describe = describe;
		this.#shards = Array.from({ length: stored.shards }, (_, n) => {
			return new ReadShard(store, store.shard(stream, n), join(stream.path, String(n)), root);
		});
	}

	async info(): Promise<StreamInfo> {
		if (this.#stream.gone !== undefined) throw this.#stream.gone;
		return await this.#store.run(this.#describe);
	}

	shard(index: number): EngineShard {
		const shard = this.#shards[index];
		if (shard === undefined) throw fail("INVALID_OPTION", `${this.#stream.name} has no shard ${index}`);
		return shard;
	}

	async takeEpoch(): Promise<never> {
		throw readOnly(this.#root, "take an epoch of a producer");
	}
}

class ReadShard implements EngineShard {
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

function readOnly(root: string, what: string): StreambedError {
	return fail("READ_ONLY", `cannot ${what}: the store at ${root} is open for reading`, {
		hint: 'Open it with mode "write".',
	});
}
