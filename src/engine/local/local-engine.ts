/** The embedded engine: streams in a folder, on the log of `log/`. Adds names, descriptors and listing to it. */
import { join } from "node:path/posix";
import { fail } from "../../core/errors.ts";
import { formatAddress, type StreamAddress, streamFolder } from "../../core/names.ts";
import { newUuid, parseUuid, type Random } from "../../core/random.ts";
import { applyUpdate, type StreamConfig, type StreamUpdate } from "../../core/stream-config.ts";
import { ioError } from "../../log/corruption.ts";
import type { LogStore } from "../../log/log-store.ts";
import type { ShardLog } from "../../log/shard-log.ts";
import { holdError, preparedIds } from "../../log/staging.ts";
import { DESCRIPTOR, replaceFile } from "../../log/stream-folder.ts";
import type { StreamLog } from "../../log/stream-log.ts";
import type { EngineStats, ListQuery, StreamInfo, StreamSummary } from "../contract.ts";
import type { Manifest } from "../manifest.ts";
import { Catalog, encodeDescriptor, type StoredStream } from "./catalog.ts";
import { IdleStreams } from "./idle-streams.ts";
import { LocalStream } from "./local-stream.ts";
import { settleFolder } from "./moved-folder.ts";
import type { Opener } from "./opener.ts";

/** What the embedded engine can do. */
export const localManifest: Manifest = Object.freeze({
	engine: "local",
	persistent: true,
	kinds: ["bytes"],
	densePositions: true,
	retention: true,
	producers: true,
	multipart: true,
	readersBesideOwner: true,
	durability: ["sync", "os"],
} as const);

/** A store in a folder that this process owns; shared by its openers. */
export class LocalEngine {
	readonly manifest: Manifest = localManifest;
	readonly log: LogStore;
	readonly #catalog: Catalog;
	readonly #random: Random;
	readonly #idle: IdleStreams;
	/** Creating, updating, opening and deleting of one address happen one after the other. */
	readonly #turns = new Map<string, Promise<unknown>>();

	constructor(log: LogStore, random: Random) {
		this.log = log;
		this.#random = random;
		this.#catalog = new Catalog(log.disk, log.root);
		this.#idle = new IdleStreams(log, this.#catalog, (address) => this.#turn(address, () => this.#retain(address)));
		log.retention.idle = () => this.#idle.look();
	}

	get durability(): "sync" | "os" {
		return this.log.durability;
	}

	get appendBytes(): number {
		return this.log.limits.appendBytes;
	}

	/** See `Engine.createStream`; the handle ends with its opener. */
	async createStream(address: StreamAddress, config: StreamConfig, opener: Opener): Promise<LocalStream> {
		return await this.#turn(address, async () => {
			if ((await this.#catalog.find(address)) !== undefined) {
				throw fail("EXISTS", `the stream ${formatAddress(address)} exists already`, { details: { ...address } });
			}
			const id = newUuid(this.#random);
			const folder = streamFolder(address);
			const createdAt = this.log.clock.now();
			const stored = { ...config, address, folder, id, createdAt, origins: [] };
			await this.log.createStream(folder, id, encodeDescriptor(stored, this.log.identity.id));
			return await this.#open(address, opener);
		});
	}

	/** See `Engine.openStream`. */
	async openStream(address: StreamAddress, opener: Opener): Promise<LocalStream> {
		return await this.#turn(address, () => this.#open(address, opener));
	}

	async #open(address: StreamAddress, opener: Opener): Promise<LocalStream> {
		const stored = await this.#stored(address);
		const stream = this.#streamOf(stored);
		stream.held = true;
		const shards = await this.#shards(stored, stream);
		const identity = { address, id: stored.id, opener };
		const info = (): Promise<StreamInfo> =>
			this.#info(address, shards).catch((error) => Promise.reject(ioError(error, formatAddress(address))));
		return new LocalStream(this.log, stream, shards, identity, info);
	}

	/** Opens a stream that nobody has open, for its retention, which is done at opening. */
	async #retain(address: StreamAddress): Promise<StreamLog> {
		const stored = await this.#stored(address);
		const stream = this.#streamOf(stored);
		await this.#shards(stored, stream);
		return stream;
	}

	async #shards(stored: StoredStream, stream: StreamLog): Promise<ShardLog[]> {
		const shards: ShardLog[] = [];
		for (let number = 0; number < stored.shards; number++) shards.push(await this.log.shard(stream, number));
		return shards;
	}

	/** Finds a stream; one whose folder was moved or copied here is made a stream of this address first. */
	async #stored(address: StreamAddress): Promise<StoredStream> {
		const stored = await this.#catalog.find(address);
		if (stored === undefined) {
			throw fail("NOT_FOUND", `there is no stream ${formatAddress(address)}`, { details: { ...address } });
		}
		return await settleFolder(this.log, this.#catalog, stored, this.#random);
	}

	#streamOf(stored: StoredStream): StreamLog {
		return this.log.stream({
			name: formatAddress(stored.address),
			id: parseUuid(stored.id) as Uint8Array,
			origins: stored.origins.map((origin) => parseUuid(origin)).filter((origin) => origin !== undefined),
			folder: stored.folder,
			kind: stored.kind,
			segmentBytes: stored.segmentBytes,
			retention: stored.retention,
		});
	}

	async #info(address: StreamAddress, shards: readonly ShardLog[]): Promise<StreamInfo> {
		const stored = await this.#catalog.find(address);
		if (stored === undefined) {
			throw fail("NOT_FOUND", `there is no stream ${formatAddress(address)}`, { details: { ...address } });
		}
		const { id, kind, retention, segmentBytes, tags, createdAt } = stored;
		const infos = shards.map((shard) => {
			const { head, tail } = shard.bounds();
			const segments = shard.files.segments.length;
			return { shard: shard.shard, head, tail, bytes: tail - head, segments, lastTime: shard.lastTime };
		});
		const sealed = shards.every((shard) => shard.bounds().sealed);
		const { durability } = this;
		return { ...address, id, kind, sealed, durability, retention, segmentBytes, tags, createdAt, shards: infos };
	}

	/** See `Engine.listStreams`. */
	async listStreams(query: ListQuery): Promise<readonly StreamSummary[]> {
		return await this.#catalog.list(query).catch((error) => Promise.reject(ioError(error, "listing streams")));
	}

	/** See `Engine.updateStream`. */
	async updateStream(address: StreamAddress, change: StreamUpdate): Promise<StreamInfo> {
		return await this.#turn(address, async () => {
			const refusal = this.log.refusal();
			if (refusal !== undefined) throw refusal;
			const stored = await this.#stored(address);
			const { kind, shards, retention, segmentBytes, tags } = stored;
			const config = applyUpdate({ kind, shards, retention, segmentBytes, tags }, change);
			const path = join(this.#catalog.streams, stored.folder, DESCRIPTOR);
			const next = { ...stored, ...config };
			await replaceFile(this.log.disk, path, encodeDescriptor(next, this.log.identity.id, stored.descriptor));
			const stream = this.#streamOf(next);
			stream.held = true;
			stream.configure(config);
			if (change.retention !== undefined) this.log.retention.confirm(stream);
			const logs = await this.#shards(next, stream);
			for (const shard of logs) await this.log.retention.examine(shard);
			return await this.#info(address, logs);
		});
	}

	/** See `Engine.deleteStream`. */
	async deleteStream(address: StreamAddress, force = false): Promise<void> {
		await this.#turn(address, async () => {
			const stored = await this.#stored(address);
			const stream = this.#streamOf(stored);
			for (let shard = 0; !force && shard < stored.shards; shard++) {
				const log = stream.shards.get(shard);
				if (log !== undefined && this.log.staging.holds(log)) await this.log.staging.clear(log, "delete", false);
				const [id] = await preparedIds(this.log.disk, join(stream.path, String(shard)));
				if (id !== undefined) throw holdError("delete", stream.name, id);
			}
			await this.log.deleteStream(stream);
		});
	}

	/** See `Engine.stats`. */
	stats(): EngineStats {
		const { reads, readBytes, writes, writtenBytes, syncs } = this.log.disk.counters;
		const disk = { reads, readBytes, writes, writtenBytes, syncs };
		return { ...this.log.stats(), streams: this.log.openStreams, disk, recovery: this.log.recovery };
	}

	/** See `Engine.checkpoint`. */
	async checkpoint(address?: StreamAddress): Promise<void> {
		if (address !== undefined) await this.#stored(address);
		await this.log.committer.idle();
		if (await this.log.checkpointer.cover()) return;
		throw this.log.refusal() ?? fail("DISK_FULL", "the checkpoint has to wait for free space");
	}

	/** See `Engine.close`. */
	async close(): Promise<void> {
		await Promise.allSettled(this.#turns.values());
		await this.log.close();
	}

	async #turn<T>(address: StreamAddress, work: () => Promise<T>): Promise<T> {
		const key = formatAddress(address);
		const before = this.#turns.get(key) ?? Promise.resolve();
		const named = (): Promise<T> => work().catch((error) => Promise.reject(ioError(error, key)));
		const mine = before.then(named, named);
		this.#turns.set(key, mine);
		try {
			return await mine;
		} finally {
			if (this.#turns.get(key) === mine) this.#turns.delete(key);
		}
	}
}
