/** The embedded engine: streams in a folder, on the log of `log/`. Adds names, descriptors and listing to it. */
import { join } from "node:path/posix";
import { fail } from "../../core/errors.ts";
import { formatAddress, type StreamAddress, streamFolder } from "../../core/names.ts";
import { newUuid, parseUuid, type Random } from "../../core/random.ts";
import { applyUpdate, type StreamConfig, type StreamKind, type StreamUpdate } from "../../core/stream-config.ts";
import { isGone } from "../../disk/system-error.ts";
import { shardFolders } from "../../log/files/shard-folders.ts";
import { DESCRIPTOR, prepareReplacement } from "../../log/files/stream-folder.ts";
import { ioError } from "../../log/format/corruption.ts";
import type { LogStore } from "../../log/log-store.ts";
import { retainedBytes } from "../../log/segments/retained-segments.ts";
import { untilDurable } from "../../log/shards/handed-over.ts";
import type { ShardLog } from "../../log/shards/shard-log.ts";
import type { StreamLog } from "../../log/shards/stream-log.ts";
import { holdError, preparedIds } from "../../log/staged/staging.ts";
import { openShards } from "../../log/stream-shards.ts";
import type { EngineStats, ListQuery, ShardInfo, StreamInfo, StreamSummary } from "../contract.ts";
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
	kinds: ["bytes", "records"],
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
			const createdAt = Math.floor(this.log.clock.now());
			const stored = { ...config, address, folder, id, createdAt, origins: [], growth: [], sealed: false };
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
		await this.#openShards(address, stream);
		const identity = { address, id: stored.id, opener };
		return new LocalStream(this.log, stream, identity, {
			describe: () =>
				this.#info(address, stream).catch((error) => Promise.reject(ioError(error, formatAddress(address)))),
			seal: () => this.#turn(address, () => this.#seal(address, stream)),
		});
	}

	/** Opens a stream that nobody has open, for its retention, which is done at opening. */
	async #retain(address: StreamAddress): Promise<StreamLog> {
		const stored = await this.#stored(address);
		const stream = this.#streamOf(stored);
		await this.#openShards(address, stream);
		return stream;
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
			layout: { shards: stored.shards, growth: stored.growth },
			sealed: stored.sealed,
		});
	}

	async #info(address: StreamAddress, stream: StreamLog): Promise<StreamInfo> {
		const stored = await this.#catalog.find(address);
		if (stored === undefined) {
			throw fail("NOT_FOUND", `there is no stream ${formatAddress(address)}`, { details: { ...address } });
		}
		const { id, kind, retention, segmentBytes, tags, createdAt } = stored;
		const shards: ShardInfo[] = [];
		let sealed = true;
		for (let number = 0; number < stream.layout.shards; number++) {
			const shard = stream.shards.get(number);
			sealed &&= shard?.bounds().sealed ?? stream.sealed;
			if (shard === undefined) shards.push({ shard: number, ...untouched });
			else shards.push(await shardInfo(kind, shard));
		}
		const { durability } = this;
		return { ...address, id, kind, sealed, durability, retention, segmentBytes, tags, createdAt, shards };
	}

	/** Opens the shards of a stream. Where a crash has cut its seal that is carried on: some shards have it for ever. */
	async #openShards(address: StreamAddress, stream: StreamLog): Promise<void> {
		await openShards(this.log, stream);
		if (!halfSealed(stream)) return;
		// A disk that is full, or a store that has stopped, hinders nobody from reading; the next one tries again.
		await this.#seal(address, stream).catch(() => {});
	}

	/**
	 * Seals a record stream: nothing is routed any more, then what has data says so, then the descriptor. Only then is it
	 * said of shards that have nothing.
	 */
	async #seal(address: StreamAddress, stream: StreamLog): Promise<void> {
		const refusal = stream.deleted ?? this.log.refusal();
		if (refusal !== undefined) throw refusal;
		if (stream.sealed) return;
		await stream.growth.hold(stream, this.log, async () => {
			const shards = [...stream.shards.values()].filter(({ files }) => files.segments.length > 0);
			await Promise.all(shards.map((shard) => shard.seal()));
			await this.#noteSeal(address, stream);
			stream.sealed = true;
			for (const shard of stream.shards.values()) if (!shard.sealing) shard.sealEmpty();
		});
	}

	async #noteSeal(address: StreamAddress, stream: StreamLog): Promise<void> {
		const stored = await this.#stored(address);
		// Who reads beside the owner takes a shard without a segment for empty once the descriptor says that it is sealed.
		if (!(await this.log.writeBehind.flush())) {
			throw this.log.refusal() ?? fail("DISK_FULL", `what waits for the segments of ${stream.name} finds no room`);
		}
		await this.#replace({ ...stored, sealed: true });
	}

	async #replace(stored: StoredStream): Promise<void> {
		const putInPlace = await this.#prepare(stored);
		await putInPlace();
	}

	#prepare(stored: StoredStream): Promise<() => Promise<void>> {
		const path = join(this.#catalog.streams, stored.folder, DESCRIPTOR);
		const bytes = encodeDescriptor(stored, this.log.identity.id, stored.descriptor);
		return prepareReplacement(this.log.disk, path, bytes);
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
			const stream = this.#streamOf(stored);
			stream.held = true;
			await this.#openShards(address, stream);
			const next = { ...stored, ...config };
			if (config.shards > shards) await this.#grow(stream, next);
			else await this.#replace(next);
			stream.configure(config);
			if (change.retention !== undefined) this.log.retention.confirm(stream);
			for (const shard of stream.shards.values()) await this.log.retention.examine(shard);
			return await this.#info(address, stream);
		});
	}

	async #grow(stream: StreamLog, next: StoredStream): Promise<void> {
		if (stream.sealed || halfSealed(stream)) {
			throw fail("SEALED", `cannot grow ${stream.name}: the stream is sealed`);
		}
		const { clock } = this.log;
		await stream.growth.grow(
			stream,
			this.log,
			next.shards,
			() => Math.floor(clock.now()),
			async ({ growth }) => {
				const putInPlace = await this.#prepare({ ...next, growth });
				await putInPlace().catch((error) => {
					// Perhaps the new shards are written down: nothing may be routed as if they were not.
					throw isGone(error) ? error : this.log.stop(error);
				});
			},
		);
	}

	/** See `Engine.deleteStream`. */
	async deleteStream(address: StreamAddress, force = false): Promise<void> {
		await this.#turn(address, async () => {
			const stored = await this.#stored(address);
			const stream = this.#streamOf(stored);
			for (const shard of force ? [] : await shardFolders(this.log.disk, stream.path)) {
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
		await this.log.committer.settled();
		if (await this.log.checkpointer.cover()) return;
		throw this.log.refusal() ?? fail("DISK_FULL", "the checkpoint has to wait for free space");
	}

	/** Waits for all that was accepted by now; what failed has been told to who asked for it. */
	async settled(): Promise<void> {
		await Promise.allSettled(this.#turns.values());
		const shards = (): ShardLog[] => [...this.log.allStreams()].flatMap((stream) => [...stream.shards.values()]);
		await untilDurable(this.log.admission, shards).catch(() => {});
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

/** Some of its shards are sealed, and it is not: a crash came between the first and the last. */
function halfSealed({ kind, sealed, shards }: StreamLog): boolean {
	return kind === "records" && !sealed && [...shards.values()].some((shard) => shard.bounds().sealed);
}

const untouched: Omit<ShardInfo, "shard"> = { head: 0, tail: 0, bytes: 0, segments: 0, lastTime: null };

async function shardInfo(kind: StreamKind, log: ShardLog): Promise<ShardInfo> {
	const { head, tail } = log.bounds();
	const { shard, files, lastTime } = log;
	// What was appended a moment ago is still on its way to the file.
	const newest = files.segments.at(-1);
	const unwritten = kind === "records" && newest !== undefined ? Math.max(0, log.memory.fileEnd - newest.bytes) : 0;
	const bytes = (await retainedBytes(kind, files, { head, tail })) + unwritten;
	return { shard, head, tail, bytes, segments: files.segments.length, lastTime };
}
