import type { Clock } from "../core/clock.ts";
import type { ClockStep } from "../core/clock-watch.ts";
import { fail, type StreambedError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import { formatUuid, parseUuid, type Random } from "../core/random.ts";
import type { RecoveryReport } from "../core/shard.ts";
import type { Disk, HeldLock } from "../disk/disk.ts";
import { isGone } from "../disk/system-error.ts";
import { Checkpointer, type CheckpointHost } from "./commit/checkpointer.ts";
import { type CommitHost, Committer } from "./commit/committer.ts";
import { Placement } from "./commit/placement.ts";
import { Reserve, type ReserveHost } from "./commit/reserve.ts";
import type { Taken } from "./commit/round-frames.ts";
import { WriteBehind, type WriteBehindHost } from "./commit/write-behind.ts";
import { readClockStep } from "./files/clock-step.ts";
import { FilePool } from "./files/file-pool.ts";
import { KeepAlive } from "./files/keep-alive.ts";
import type { Owner } from "./files/owner.ts";
import type { CheckpointFile } from "./format/checkpoint-file.ts";
import { checksum } from "./format/checksum.ts";
import { ioError } from "./format/corruption.ts";
import { closedError, notFound } from "./format/log-errors.ts";
import { Ring } from "./journal/ring.ts";
import { EnvelopeKind } from "./journal/round.ts";
import type { LogStats, LogStoreOptions } from "./log-options.ts";
import { letGoOfFolder, type OpenedStore, openStore } from "./opening/opening.ts";
import type { StoreIdentity } from "./opening/store-folder.ts";
import { ProducerFiles } from "./producers/producer-files.ts";
import { SegmentReader } from "./segments/segment-reader.ts";
import { Admission } from "./shards/admission.ts";
import { FolderWatch } from "./shards/folder-watch.ts";
import type { LogHost } from "./shards/log-host.ts";
import { LostFiles } from "./shards/lost-files.ts";
import { Retention, type RetentionHost } from "./shards/retention.ts";
import type { ShardLog } from "./shards/shard-log.ts";
import { type FolderHost, StreamFolders } from "./shards/stream-folders.ts";
import { type StreamDescription, StreamLog } from "./shards/stream-log.ts";
import type { StagedWriteHost } from "./staged/staged-write.ts";
import { Staging } from "./staged/staging.ts";
import { openShard } from "./stream-shards.ts";
import { TailCache } from "./tail/tail-cache.ts";

/** Staged files open at the same time. */
const STAGED_OPEN_FILES = 32;

/** A store that this process owns. */
export class LogStore
	implements
		LogHost,
		CommitHost,
		WriteBehindHost,
		CheckpointHost,
		FolderHost,
		RetentionHost,
		ReserveHost,
		StagedWriteHost
{
	readonly root: string;
	readonly identity: StoreIdentity;
	readonly recovery: RecoveryReport;
	readonly durability: "sync" | "os";
	readonly disk: Disk;
	readonly clock: Clock;
	readonly random: Random;
	readonly limits: Limits;
	readonly admission: Admission;
	readonly tailCache: TailCache;
	readonly files: FilePool;
	readonly stagedFiles: FilePool;
	readonly staging: Staging;
	readonly reader: SegmentReader;
	readonly placement: Placement;
	readonly ring: Ring;
	readonly committer: Committer;
	readonly writeBehind: WriteBehind;
	readonly checkpoint: CheckpointFile;
	readonly checkpointer: Checkpointer;
	readonly producerFiles: ProducerFiles;
	readonly owner: Owner;
	readonly retention: Retention;
	readonly reserve: Reserve;
	readonly #lock: HeldLock;
	/** Open streams by id. */
	readonly #streams = new Map<string, StreamLog>();
	readonly #folders = new StreamFolders(this);
	readonly #opening = new Map<string, Promise<ShardLog>>();
	readonly lost: LostFiles;
	#state: "open" | "closing" | "closed" = "open";
	#stopped: StreambedError | undefined;
	#full: StreambedError | undefined;
	readonly #watch: FolderWatch;
	readonly #keepAlive: KeepAlive;

	private constructor(options: LogStoreOptions, opened: OpenedStore, ring: Ring, step: ClockStep | undefined) {
		this.root = options.root;
		this.durability = options.durability;
		this.disk = options.disk;
		this.clock = options.clock;
		this.random = options.random;
		this.#keepAlive = new KeepAlive(options.clock);
		this.limits = options.limits;
		this.identity = opened.identity;
		this.recovery = opened.recovery;
		this.owner = opened.owner;
		this.#lock = opened.lock;
		this.checkpoint = opened.checkpoint;
		this.ring = ring;
		this.admission = new Admission(options.limits.pendingBytes);
		this.tailCache = new TailCache(options.limits.tailCacheBytes);
		this.files = new FilePool(options.disk, options.limits.openFiles, "write", (error) => this.stop(error));
		this.stagedFiles = new FilePool(options.disk, STAGED_OPEN_FILES, "write", (error) => this.stop(error));
		this.staging = new Staging(this);
		this.reader = new SegmentReader(options.disk, this.files, options.limits.readCacheBytes);
		const { incarnation, nonce, round, previous } = opened.checkpoint.last;
		const unsynced = options.durability === "os";
		// Without syncs nothing would tell when a placed payload is safe.
		this.placement = new Placement(
			options.disk,
			this.files,
			unsynced ? Number.POSITIVE_INFINITY : options.limits.directBytes,
		);
		const storeTag = checksum(opened.identity.idBytes);
		this.committer = new Committer(this, { storeTag, unsynced, incarnation, nonce, round, previous });
		this.writeBehind = new WriteBehind(this);
		this.producerFiles = new ProducerFiles(options.disk, () => this.beforeWriting());
		this.checkpointer = new Checkpointer(this);
		this.#watch = new FolderWatch(this);
		this.lost = new LostFiles(this);
		this.retention = new Retention(this, step);
		this.reserve = new Reserve(this);
	}

	/** Opens the store, redoes its journal, and holds it until `close()`. @throws see `openStore` */
	static async open(options: LogStoreOptions): Promise<LogStore> {
		const unsynced = options.durability === "os";
		const opened = await openStore({ ...options, unsynced });
		const ring = new Ring(options.disk, options.root, opened.identity.idBytes, {
			durable: !unsynced,
			limitBytes: options.limits.journalBytes,
		});
		try {
			await ring.open();
		} catch (error) {
			await Promise.allSettled([ring.close(), opened.checkpoint.close(), opened.owner.release()]);
			await opened.lock.release();
			throw ioError(error, `opening ${options.root}`);
		}
		const store = new LogStore(options, opened, ring, await readClockStep(options.disk, options.root));
		// Without one the store works as well, until the disk is full.
		await store.reserve.begin().catch(() => {});
		return store;
	}

	/** Sizes and counters. */
	stats(): LogStats {
		return {
			...this.committer.counters,
			pendingBytes: this.admission.bytes,
			cachedBytes: this.tailCache.bytes + this.reader.blocks.bytes,
			journalBytes: this.ring.bytes,
			journalLiveBytes: this.checkpointer.liveBytes,
			checkpoints: this.checkpointer.completed,
			retention: this.retention.stats(),
		};
	}

	// Streams

	/**
	 * Makes a stream's folder with this descriptor, at a place where no stream stands any more; committed and in its place
	 * when it resolves. @throws EXISTS
	 */
	async createStream(folder: string, id: string, descriptor: Uint8Array): Promise<void> {
		this.#checkWritable();
		// One that stood there and is not missed yet must not be written into the new one's folder.
		for (const stream of this.#streams.values()) if (stream.folder === folder) this.noticeGone(stream);
		await this.#folders.create(folder, id, descriptor);
	}

	/** The open stream of this description; opening it touches no file. */
	stream(description: StreamDescription): StreamLog {
		const key = formatUuid(description.id);
		const known = this.#streams.get(key);
		if (known !== undefined) return known;
		const stream = new StreamLog(this.root, description);
		this.#streams.set(key, stream);
		return stream;
	}

	/** Open streams. */
	get openStreams(): number {
		return this.#streams.size;
	}

	allStreams(): Iterable<StreamLog> {
		return this.#streams.values();
	}

	/** Tells whether a stream is open, with all of its shards that have something. */
	isOpen(id: string): boolean {
		return this.#streams.get(id)?.opened === true;
	}

	/** Closes a stream again that nobody has a handle to, if nothing of it is under way. */
	closeIdle(stream: StreamLog): void {
		const key = formatUuid(stream.id);
		const shards = [...stream.shards.values()];
		const busy = stream.held || shards.some(({ memory }) => memory.busy) || this.#streams.get(key) !== stream;
		if (busy) return;
		this.#streams.delete(key);
		this.staging.forget(shards);
		for (const { memory } of shards) memory.clear();
	}

	/** Opens a shard of a stream: finds out its bounds. @throws NOT_FOUND, CORRUPT */
	shard(stream: StreamLog, number: number): Promise<ShardLog> {
		const known = stream.shards.get(number);
		if (known !== undefined) return Promise.resolve(known);
		const key = `${formatUuid(stream.id)}/${number}`;
		let opening = this.#opening.get(key);
		if (opening === undefined) {
			opening = openShard(this, stream, number).finally(() => this.#opening.delete(key));
			this.#opening.set(key, opening);
		}
		return opening;
	}

	/** Deletes a stream: committed, then removed from the disk. */
	async deleteStream(stream: StreamLog): Promise<void> {
		const error = this.changeRefusal();
		if (error !== undefined) throw error;
		// Until the delete is durable the stream is there: its data has to be kept as well as ever.
		const removing = this.#folders.remove(stream, () => this.letGo(stream, notFound(stream.name)));
		stream.deleting = removing.catch(() => {});
		await removing;
	}

	/** Somebody removed the stream's folder: that is a delete. */
	noticeGone(stream: StreamLog): void {
		if (stream.deleted !== undefined) return;
		this.letGo(stream, notFound(stream.name));
		if (this.#state !== "open") return;
		this.act(EnvelopeKind.delete, formatUuid(stream.id), stream.folder).then(
			({ carriedOut }) => carriedOut(),
			() => {},
		);
	}

	/** The stream takes and gives nothing any more: everybody is told this. */
	letGo(stream: StreamLog, error: StreambedError): void {
		stream.deleted = error;
		this.#streams.delete(formatUuid(stream.id));
		for (const shard of stream.shards.values()) shard.drop(error);
		stream.growth.endWaits(error);
		this.staging.forget(stream.shards.values());
		this.reader.blocks.forget(`${stream.path}/`);
		for (const pool of [this.files, this.stagedFiles]) pool.forgetBelow(stream.path).catch(() => {});
	}

	/** Makes a change part of a round; resolves when it is durable. It holds checkpoints back until `carriedOut` was called. */
	act(
		kind: EnvelopeKind,
		id: string,
		folder: string,
		committed: () => void = () => {},
		body?: Buffer,
		shard?: number,
	): Promise<{ carriedOut(): void }> {
		return new Promise((resolve, reject) => {
			const streamId = parseUuid(id) as Uint8Array;
			const done = (): void => {
				committed();
				resolve({ carriedOut: this.checkpointer.hold() });
			};
			this.committer.act({
				kind,
				streamId,
				folder,
				body,
				shard,
				done,
				fail: (error) => reject(this.#stopped ?? error),
			});
		});
	}

	/** Commits that staged files are segments; see {@link act}. */
	adopt(stream: StreamLog, shard: number, body: Buffer): Promise<{ carriedOut(): void }> {
		return this.act(EnvelopeKind.adopt, formatUuid(stream.id), stream.folder, undefined, body, shard);
	}

	get stagedPayloadBytes(): number {
		return this.limits.appendBytes;
	}

	async roomOnDisk(bytes: number): Promise<StreambedError | undefined> {
		const full = this.refusal() ?? (await this.reserve.room(bytes));
		if (full === undefined) this.reserve.note(bytes);
		return full;
	}

	// Commit loop, write-behind

	get span(): number {
		return this.checkpointer.span;
	}

	get journalLimitBytes(): number {
		return this.limits.journalBytes;
	}

	get stopped(): boolean {
		return this.#stopped !== undefined;
	}

	dirty(shard: ShardLog): void {
		this.committer.add(shard);
	}

	producersChanged(shard: ShardLog): void {
		this.producerFiles.note(shard.owner as StreamLog);
	}

	markReached(): void {
		this.committer.markReached();
	}

	get hasBacklogRoom(): boolean {
		return this.writeBehind.hasRoom && this.reserve.fits(this.admission.bytes);
	}

	async backlogRoom(): Promise<StreambedError | undefined> {
		if (await this.writeBehind.room()) return await this.reserve.room(this.admission.bytes);
		return this.#full ?? fail("DISK_FULL", "too much waits to be written to segments: no space is left");
	}

	async makeRoom(bytes: number): Promise<StreambedError | undefined> {
		if (await this.ring.grow(bytes)) {
			// The file may have taken the room that was there for the segments.
			await this.reserve.look();
			return await this.reserve.room(this.admission.bytes);
		}
		// One that runs already may have begun before the last round, and would not free the file that it stands in.
		await this.checkpointer.cover();
		if (this.ring.hasRoom(bytes) || this.stopped) return undefined;
		return (
			this.#full ?? fail("DISK_FULL", `the journal has no room for ${bytes} bytes and cannot grow: no space is left`)
		);
	}

	committed(shards: readonly ShardLog[], bytes: number, roundBytes: number): void {
		this.writeBehind.add(shards, bytes);
		this.checkpointer.noteRound(shards, roundBytes);
		this.reserve.note(bytes);
		if (this.ring.wantsGrowth) this.ring.grow(0).catch((error) => this.stop(error));
	}

	failed(error: unknown, inRound: readonly Taken[], begun: boolean): void {
		this.stop(error);
		const outcome = (begun ? this.#stopped : this.stopError()) as StreambedError;
		for (const { shard, frames } of inRound) shard.lose(frames, outcome);
	}

	async beforeWriting(): Promise<boolean> {
		if (this.durability === "sync") return true;
		try {
			await this.ring.sync();
			return true;
		} catch (error) {
			this.stop(error);
			return false;
		}
	}

	noteFolder(path: string): void {
		this.checkpointer.noteFolder(path);
	}

	async written(shard: ShardLog): Promise<void> {
		await this.retention.sweep(shard);
	}

	async writeFailed(shard: ShardLog, error: unknown): Promise<"again" | "retry" | "skip"> {
		const stream = shard.owner as StreamLog;
		if (stream.deleted !== undefined || this.stopped) return "skip";
		if (isGone(error)) return await this.lost.whileWriting(shard);
		const ours = ioError(error, `writing ${stream.name}`);
		if (ours.code === "STREAMBED_DISK_FULL") {
			this.#full = ours;
			return (await this.reserve.giveUp()) ? "again" : "retry";
		}
		this.stop(error);
		return "skip";
	}

	recovered(): void {
		this.#full = undefined;
		if (this.reserve.refusal !== undefined) void this.reserve.look();
	}

	// State

	get takesAppends(): boolean {
		const room = this.#full === undefined && this.reserve.refusal === undefined;
		return room && this.#state === "open" && this.#stopped === undefined;
	}

	refusal(): StreambedError | undefined {
		return this.changeRefusal() ?? this.#full ?? this.reserve.refusal;
	}

	changeRefusal(): StreambedError | undefined {
		return this.#state === "open" ? this.stopError() : closedError();
	}

	stopError(): StreambedError | undefined {
		const cause = this.#stopped;
		if (cause === undefined) return undefined;
		return fail("STOPPED", cause.message, { hint: cause.hint, details: { outcome: "nothing" }, cause });
	}

	closedError(): StreambedError | undefined {
		return this.#state === "open" ? undefined : closedError();
	}

	vanished(shard: ShardLog, error: unknown): Promise<StreambedError> {
		return this.lost.whileReading(shard, error);
	}

	waiting(change: number): void {
		this.#keepAlive.count(change);
	}

	/** Stops the store: nothing is written any more. Returns what everybody is told. */
	stop(error: unknown): StreambedError {
		if (this.#stopped !== undefined) return this.#stopped;
		this.#watch.stop();
		const cause = ioError(error, "the store");
		const message =
			cause.code === "STREAMBED_STOPPED" ? cause.message : `the store at ${this.root} stopped: ${cause.message}`;
		this.#stopped = fail("STOPPED", message, { cause, details: { outcome: "unknown", path: this.root } });
		for (const action of this.committer.stop()) action.fail(this.#stopped);
		void this.writeBehind.stop();
		const nothing = this.stopError() as StreambedError;
		for (const stream of this.#streams.values()) {
			for (const shard of stream.shards.values()) {
				shard.abandon(nothing);
				shard.endWaits(this.#stopped);
			}
			stream.growth.endWaits(this.#stopped);
		}
		this.admission.flush();
		return this.#stopped;
	}

	/** Waits for accepted appends, completes the segments, and lets go of the folder. */
	async close(): Promise<void> {
		if (this.#state !== "open") return;
		this.#state = "closing";
		this.#watch.stop();
		await Promise.all([this.retention.stop(), this.staging.close()]);
		await this.reserve.stop();
		await this.committer.idle();
		for (const stream of this.#streams.values()) {
			for (const shard of stream.shards.values()) shard.endWaits(closedError());
			stream.growth.endWaits(closedError());
		}
		try {
			await this.checkpointer.stop();
			if (!this.stopped) await this.checkpointer.cover(true);
		} finally {
			this.#state = "closed";
			await this.writeBehind.stop();
			this.#keepAlive.stop();
			const held = [this.ring, this.checkpoint, this.files, this.stagedFiles];
			await letGoOfFolder(this.root, held, this.owner, this.#lock);
		}
	}

	#checkWritable(): void {
		const error = this.refusal();
		if (error !== undefined) throw error;
	}
}
