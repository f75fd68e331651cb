/**
 * Write-behind: puts durable frames into their segment files, gathered per shard, without sync.
 *
 * Only frames of durable rounds come here, so whatever stands in a segment may be shown to anybody. One write per
 * segment is in flight at a time and in ascending order: a reader beside the owner never sees a later frame without
 * the one before it.
 */
import { dirname } from "node:path/posix";
import type { Clock, Timer } from "../../core/clock.ts";
import type { Disk } from "../../disk/disk.ts";
import { systemError } from "../../disk/system-error.ts";
import type { FilePool } from "../files/file-pool.ts";
import { makeInside } from "../files/stream-folder.ts";
import {
	decodeState,
	FRAME_HEADER_BYTES,
	type FrameHeader,
	FrameType,
	frameBytes,
	frameHeaderCrc,
	frameTimeAt,
	frameTypeAt,
	readFrameHeader,
} from "../format/frame.ts";
import { encodeSegmentHeader, segmentNumber } from "../format/segment-header.ts";
import { encodeIndex } from "../format/sparse-index.ts";
import type { Segment } from "../segments/segment.ts";
import { indexPath } from "../segments/segment-reader.ts";
import type { ShardLog } from "../shards/shard-log.ts";
import type { StreamLog } from "../shards/stream-log.ts";
import type { TailCache } from "../tail/tail-cache.ts";
import { type Chunk, frameFrom } from "../tail/tail-memory.ts";

/** Frames that may wait here before rounds do, in bytes. */
const BACKLOG_BYTES = 32 * 1024 * 1024;
/** Delay after a round: longer with many busy shards, so that each write gathers more. */
const DELAY_MIN_MS = 5;
const DELAY_MAX_MS = 100;
const SHARDS_PER_MS = 10;
/** Shards written at the same time; libuv has four threads, and reads must not starve. */
const WRITERS = 2;
const RETRY_MS = 250;
/** With so many busy shards, pieces up to this size are written in this thread: a change of threads costs more than each. */
const MANY_SHARDS = 32;
const SMALL_BYTES = 64 * 1024;
/** And after so much time others get their turn. */
const SLICE_MS = 1;
/** An active segment's index is renewed at a checkpoint when so many bytes have been added. */
const INDEX_RENEW_BYTES = 4 * 1024 * 1024;

/** What write-behind needs of its store. */
export interface WriteBehindHost {
	readonly disk: Disk;
	readonly clock: Clock;
	readonly files: FilePool;
	readonly tailCache: TailCache;
	/** Before anything is written: with durability "os" the journal is synced first. `false` if that failed. */
	beforeWriting(): Promise<boolean>;
	/** Folders whose names changed: synced by the next checkpoint. */
	noteFolder(path: string): void;
	/** Segments of the shard that lie below its head may go. */
	written(shard: ShardLog): Promise<void>;
	/**
	 * A write failed. Answers whether to try again at once (room was made), later (disk full), or to skip the shard (it is
	 * gone); stops the store otherwise.
	 */
	writeFailed(shard: ShardLog, error: unknown): Promise<"again" | "retry" | "skip">;
	/** Space is there again. */
	recovered(): void;
}

/** The write-behind of a store. */
export class WriteBehind {
	readonly #host: WriteBehindHost;
	#shards = new Set<ShardLog>();
	#timer: Timer | undefined;
	#running: Promise<boolean> | undefined;
	#stopped = false;
	#backlog = 0;
	/** Bytes that the run under way has taken over. */
	#writing = 0;
	/** When the slice of time of writing in this thread began. */
	#sliceMs = 0;
	readonly #indexed = new WeakMap<Segment, number>();

	constructor(host: WriteBehindHost) {
		this.#host = host;
	}

	/** These shards have new durable frames, of so many bytes together. */
	add(shards: readonly ShardLog[], bytes: number): void {
		for (const shard of shards) this.#shards.add(shard);
		this.#backlog += bytes;
		if (this.#stopped || this.#timer !== undefined || this.#running !== undefined) return;
		this.#schedule(this.#delayMs());
	}

	/** Bytes that wait. */
	get backlog(): number {
		return this.#backlog + this.#writing;
	}

	/** Not too much waits. */
	get hasRoom(): boolean {
		return this.#backlog <= BACKLOG_BYTES || this.#stopped;
	}

	/** Resolves when not too much waits, at once usually; `false` if the disk has no room for what waits. */
	async room(): Promise<boolean> {
		while (!this.hasRoom) if (!(await this.flush())) return this.#stopped;
		return true;
	}

	/** Writes all that is durable by now; `false` if the disk had no room for some of it, which then stays. */
	async flush(): Promise<boolean> {
		// Who else waited may have begun the next run by now: that one has to end as well.
		while (this.#running !== undefined) await this.#running;
		if (this.#shards.size > 0 && !this.#stopped) return await this.#start();
		return !this.#stopped;
	}

	/** Writes nothing more. */
	async stop(): Promise<void> {
		this.#stopped = true;
		this.#timer?.cancel();
		this.#timer = undefined;
		await this.#running;
	}

	#schedule(delayMs: number): void {
		this.#timer?.cancel();
		this.#timer = this.#host.clock.setTimer(delayMs, () => {
			this.#timer = undefined;
			void this.#start();
		});
	}

	#delayMs(): number {
		return Math.min(DELAY_MAX_MS, DELAY_MIN_MS + this.#shards.size / SHARDS_PER_MS);
	}

	#start(): Promise<boolean> {
		this.#running ??= this.#run().then((complete) => {
			this.#running = undefined;
			if (this.#shards.size === 0 || this.#stopped) return complete;
			if (!complete) this.#schedule(RETRY_MS);
			else this.#schedule(this.#delayMs());
			return complete;
		});
		return this.#running;
	}

	async #run(): Promise<boolean> {
		const shards = [...this.#shards];
		const backlog = this.#backlog;
		this.#shards = new Set();
		this.#backlog = 0;
		this.#writing = backlog;
		if (!(await this.#host.beforeWriting())) return false;
		const failed = new Set<ShardLog>();
		const many = shards.length >= MANY_SHARDS;
		const writer = async (): Promise<void> => {
			for (let shard = shards.pop(); shard !== undefined; shard = shards.pop()) {
				if (this.#stopped) return;
				if (!(await this.#writeShard(shard, many))) failed.add(shard);
			}
		};
		await Promise.all(Array.from({ length: WRITERS }, writer));
		this.#writing = 0;
		this.#host.tailCache.shrink();
		if (failed.size > 0) {
			for (const shard of failed) this.#shards.add(shard);
			this.#backlog += backlog;
		} else this.#host.recovered();
		return failed.size === 0 && !this.#stopped;
	}

	/** Writes one shard's frames; `false` if they have to wait for space. */
	async #writeShard(shard: ShardLog, here: boolean): Promise<boolean> {
		try {
			for (const chunk of [...shard.memory.unwritten()]) {
				if (shard.owner.deleted !== undefined) return true;
				await this.#writeChunk(shard, chunk, here);
			}
			if (shard.files.segments.length > 1) await this.#host.written(shard);
			return true;
		} catch (error) {
			const answer = await this.#host.writeFailed(shard, error);
			return answer === "again" ? await this.#writeShard(shard, here) : answer === "skip";
		}
	}

	async #writeChunk(shard: ShardLog, chunk: Chunk, here: boolean): Promise<void> {
		const { segment } = chunk;
		const from = chunk.written;
		const to = chunk.durable;
		const bytes = chunk.bytes.subarray(from, to);
		const at = chunk.fileOffset + from;
		if (chunk.placed.length > 0) await this.#writeAround(chunk, from, to);
		else if (
			here &&
			segment.created &&
			bytes.length <= SMALL_BYTES &&
			this.#host.files.writeNow(segment.path, bytes, at)
		) {
			await this.#pause();
		} else if (segment.created) await this.#host.files.write(segment.path, bytes, at);
		else await this.#create(shard, chunk, bytes);
		noteFrames(chunk, from, to);
		chunk.written = to;
		segment.bytes = chunk.fileOffset + to;
	}

	/** Lets others have their turn now and then. */
	#pause(): Promise<void> | undefined {
		const now = this.#host.clock.monotonic();
		if (now - this.#sliceMs < SLICE_MS) return undefined;
		return new Promise((resolve) => {
			setImmediate(() => {
				this.#sliceMs = this.#host.clock.monotonic();
				resolve();
			});
		});
	}

	/** Writes a stretch without the payloads that stand in the file already. */
	async #writeAround(chunk: Chunk, from: number, to: number): Promise<void> {
		const { path } = chunk.segment;
		let at = from;
		for (const frame of chunk.placed) {
			if (frame < from || frame >= to) continue;
			const header = readFrameHeader(chunk.bytes, chunk.view, frame) as FrameHeader;
			const bytes = chunk.bytes.subarray(at, frame + FRAME_HEADER_BYTES);
			await this.#host.files.write(path, bytes, chunk.fileOffset + at);
			at = frame + frameBytes(header);
		}
		if (at < to) await this.#host.files.write(path, chunk.bytes.subarray(at, to), chunk.fileOffset + at);
	}

	/** Makes a segment with its header and first frames appear at one stroke; completes the index of the one before. */
	async #create(shard: ShardLog, chunk: Chunk, bytes: Uint8Array): Promise<void> {
		const { disk, files } = this.#host;
		const { segment } = chunk;
		const stream = shard.owner as StreamLog;
		const before = shard.files.segments.findLast(({ base }) => base < segment.base);
		if (before?.index !== undefined) await this.writeIndex(before);
		const folder = dirname(segment.path);
		if ((await disk.stat(folder)) === undefined) {
			assertThere(stream);
			await makeInside(disk, stream.path, folder);
		}
		// Whoever made the shard's folder: its name has to be durable before a checkpoint relies on what is in it.
		if (before === undefined) this.#host.noteFolder(stream.path);
		const temporary = `${segment.path}.tmp`;
		assertThere(stream);
		await disk.unlink(temporary);
		assertThere(stream);
		const file = await disk.open(temporary, "create");
		try {
			const header = encodeSegmentHeader({
				kind: stream.kind,
				streamId: stream.id,
				shard: shard.shard,
				number: segmentNumber(segment.base),
				base: segment.base,
				createdAt: frameTimeAt(chunk.view, chunk.starts[0] ?? 0),
			});
			await file.write([header, bytes], 0);
			assertThere(stream);
			await disk.rename(temporary, segment.path);
		} catch (error) {
			await file.close();
			throw error;
		}
		this.#host.noteFolder(folder);
		segment.created = true;
		await files.adopt(segment.path, file);
	}

	/** Renews the index of an active segment if much has been added since. */
	async renewIndex(segment: Segment, force: boolean): Promise<void> {
		const added = segment.bytes - (this.#indexed.get(segment) ?? 0);
		if (segment.index === undefined || !segment.created || added === 0) return;
		if (force || added >= INDEX_RENEW_BYTES) await this.writeIndex(segment);
	}

	/** Writes the index of a segment. It is a cache: a failure is of no consequence. */
	async writeIndex(segment: Segment): Promise<void> {
		if (segment.index === undefined || segment.tag === undefined) return;
		const path = indexPath(segment);
		const temporary = `${path}.tmp`;
		try {
			await this.#host.disk.unlink(temporary);
			const file = await this.#host.disk.open(temporary, "create");
			await file.write(encodeIndex(segment.index, segment.tag, segment.base), 0).finally(() => file.close());
			await this.#host.disk.rename(temporary, path);
			this.#indexed.set(segment, segment.bytes);
		} catch {
			await this.#host.disk.unlink(temporary).catch(() => {});
		}
	}
}

/** Enters the frames of a written stretch into the segment's index, and follows head and seal. */
function noteFrames(chunk: Chunk, from: number, to: number): void {
	const { segment, view, bytes, starts, positions } = chunk;
	const { index } = segment;
	if (index === undefined) return;
	for (let number = frameFrom(chunk, from); number < starts.length; number++) {
		const at = starts[number] as number;
		if (at >= to) break;
		const fileOffset = chunk.fileOffset + at;
		if (index.wants(fileOffset)) {
			const relative = (positions[number] as number) - segment.base;
			const { head, sealed } = segment;
			index.add({ fileOffset, relative, time: frameTimeAt(view, at), head, sealed, crc: frameHeaderCrc(view, at) });
		}
		if (frameTypeAt(view, at) === FrameType.data) continue;
		const header = readFrameHeader(bytes, view, at);
		const state = header && decodeState(bytes, at, header);
		if (state === undefined) continue;
		segment.head = Math.max(segment.head, state.head);
		segment.sealed ||= state.sealed;
	}
	index.coveredBytes = chunk.fileOffset + to;
}

/** Another stream may stand at its place by now. */
function assertThere(stream: StreamLog): void {
	if (stream.deleted !== undefined) throw systemError("ENOENT", "open", stream.path);
}
