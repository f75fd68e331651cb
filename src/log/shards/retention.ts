/**
 * Retention of a store: moves the heads of its shards by age and size (docs/commit-protocol.md §8).
 *
 * Open shards are looked at when they are opened, when a segment of theirs has been begun, and in turn each second.
 * Streams that nobody has opened are looked at by who knows them, a few at a time: see {@link Retention.idle}.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { type ClockStep, ClockWatch } from "../../core/clock-watch.ts";
import { type RetainedPieces, type RetentionReason, retainedHead } from "../../core/retention.ts";
import type { Retention as RetentionRules } from "../../core/stream-config.ts";
import type { Disk } from "../../disk/disk.ts";
import { keepClockStep } from "../files/clock-step.ts";
import type { FilePool } from "../files/file-pool.ts";
import { HeadReason } from "../format/frame.ts";
import { learnLastTimes, learnSizes, retainedSegments } from "../segments/retained-segments.ts";
import type { Segment } from "../segments/segment.ts";
import { indexPath, type SegmentReader } from "../segments/segment-reader.ts";
import type { ShardFiles } from "../segments/shard-files.ts";
import type { ShardLog } from "./shard-log.ts";
import type { StreamLog } from "./stream-log.ts";

const LOOK_MS = 1000;
/** Open streams looked at in one look, and files read for it. */
const STREAMS_PER_LOOK = 1000;
const READS_PER_LOOK = 64;

const reasons: Readonly<Record<RetentionReason, HeadReason>> = {
	age: HeadReason.age,
	size: HeadReason.size,
	bound: HeadReason.bound,
};

/** What retention needs of its store. */
export interface RetentionHost {
	readonly root: string;
	readonly disk: Disk;
	readonly clock: Clock;
	readonly reader: SegmentReader;
	readonly files: FilePool;
	readonly stopped: boolean;
	/** All streams that are open. */
	allStreams(): Iterable<StreamLog>;
	/** Names in a folder changed: the next checkpoint syncs it. */
	noteFolder(path: string): void;
}

/** The retention of a store that this process owns. */
export class Retention {
	readonly #host: RetentionHost;
	readonly #watch: ClockWatch;
	#queue: StreamLog[] = [];
	#timer: Timer | undefined;
	#running: Promise<void> | undefined;
	#keeping: Promise<void> = Promise.resolve();
	#ended = false;
	/** Looks at some of the streams that are not open; called once a second. */
	idle: () => Promise<void> = async () => {};
	#freedSegments = 0;
	#freedBytes = 0;

	constructor(host: RetentionHost, kept: ClockStep | undefined) {
		this.#host = host;
		this.#watch = new ClockWatch(host.clock, kept);
		if (kept !== undefined && !this.#watch.stepped) this.#keep(null);
		this.#arm();
	}

	/** Segment files removed below their heads since opening, and their bytes; whether the wall clock has stepped forward. */
	stats(): { readonly freedSegments: number; readonly freedBytes: number; readonly clockStepped: boolean } {
		return {
			freedSegments: this.#freedSegments,
			freedBytes: this.#freedBytes,
			clockStepped: this.#watch.stepped,
		};
	}

	/** The time of appends that are taken for a round now; milliseconds since 1970. */
	stamp(): number {
		return this.#watch.stamp();
	}

	/** Somebody has set a stream's retention, with the clock as it is before his eyes: steps before do not count for it. */
	confirm(stream: StreamLog): void {
		this.#keep(this.#watch.look());
		stream.confirmedMs = this.#host.clock.monotonic();
	}

	/** Where the head of a shard belongs by now, if not where it is. */
	plan(
		rules: RetentionRules,
		pieces: RetainedPieces,
		confirmedMs?: number,
	): { readonly head: number; readonly reason: RetentionReason } | undefined {
		return retainedHead(rules, pieces, this.#ageNow(rules, confirmedMs));
	}

	/** Finds out what the files of a shard have to tell for that. Returns how many were read. */
	async learn(rules: RetentionRules, files: ShardFiles, confirmedMs?: number): Promise<number> {
		const now = this.#ageNow(rules, confirmedMs);
		if (now === undefined) return 0;
		return await learnLastTimes(files, now - (rules.ageMs as number));
	}

	/** Moves the head of an open shard to where it belongs, by what is known of its segments; its round comes later. */
	check(shard: ShardLog): void {
		const { retention, confirmedMs } = shard.owner as StreamLog;
		if (!hasRules(retention)) return;
		const moved = this.plan(retention, retainedSegments(shard.files.segments, shard.retained), confirmedMs);
		if (moved !== undefined) shard.retain(moved.head, reasons[moved.reason]);
	}

	/** Looks at a shard whose files may hold what is not known yet, as after a change of the rules. Returns how many were read. */
	async examine(shard: ShardLog): Promise<number> {
		const reads = await this.study(shard.owner as StreamLog, shard.files);
		this.check(shard);
		return reads;
	}

	/** Finds out what {@link Retention.check} has to know of a shard's files. Returns how many were read. */
	async study({ kind, retention, confirmedMs }: StreamLog, files: ShardFiles): Promise<number> {
		if (!hasRules(retention)) return 0;
		const reads = await this.learn(retention, files, confirmedMs);
		return kind === "records" ? reads + (await learnSizes(files)) : reads;
	}

	/** Removes what may go, after something of the shard was written; then looks whether more has to. */
	async sweep(shard: ShardLog): Promise<void> {
		await this.free(shard.files);
		this.check(shard);
	}

	/** Removes segments that lie wholly below the head that stands in the newest one. */
	async free({ segments, folder }: ShardFiles): Promise<void> {
		const { disk, files, reader } = this.#host;
		const head = segments.at(-1)?.head ?? 0;
		while (segments.length > 1 && segments[1]?.created === true && segments[1].base <= head) {
			const segment = segments.shift() as Segment;
			await files.forget(segment.path);
			reader.blocks.forget(`${segment.path}:`);
			const bytes = segment.bytes || ((await disk.stat(segment.path))?.size ?? 0);
			await disk.unlink(segment.path);
			await disk.unlink(indexPath(segment));
			this.#host.noteFolder(folder);
			this.#freedSegments++;
			this.#freedBytes += bytes;
		}
	}

	/** Looks no more; waits for the look that is under way. */
	async stop(): Promise<void> {
		this.#ended = true;
		this.#timer?.cancel();
		// A step since the last look would be taken for time that passed by the next owner.
		if (!this.#host.stopped) this.#keep(this.#watch.look());
		await this.#running;
		await this.#keeping;
	}

	#ageNow({ ageMs }: RetentionRules, confirmedMs?: number): number | undefined {
		return ageMs === undefined ? undefined : this.#watch.ageNow(ageMs, confirmedMs);
	}

	#keep(step: ClockStep | null | undefined): void {
		if (step === undefined) return;
		this.#keeping = this.#keeping.then(() => keepClockStep(this.#host.disk, this.#host.root, step));
	}

	#arm(): void {
		const look = (): void => {
			this.#running = this.#look();
		};
		this.#timer = this.#host.clock.setTimer(LOOK_MS, look, { keepAlive: false });
	}

	async #look(): Promise<void> {
		this.#keep(this.#watch.look());
		await this.#lookAtOpen();
		// What fails for a stream that nobody has open is told to who opens it.
		if (!this.#ended && !this.#host.stopped) await this.idle().catch(() => {});
		if (!this.#ended && !this.#host.stopped) this.#arm();
	}

	async #lookAtOpen(): Promise<void> {
		if (this.#queue.length === 0) {
			this.#queue = [...this.#host.allStreams()].filter(({ retention }) => hasRules(retention));
		}
		let reads = 0;
		for (let left = STREAMS_PER_LOOK; left > 0 && reads < READS_PER_LOOK && !this.#ended; left--) {
			const stream = this.#queue.pop();
			if (stream === undefined) return;
			if (stream.deleted !== undefined) continue;
			for (const shard of stream.shards.values()) reads += await this.examine(shard).catch(() => 1);
		}
	}
}

/** Tells whether any rule moves the head. */
export function hasRules({ ageMs, bytes, maxBytes }: RetentionRules): boolean {
	return ageMs !== undefined || bytes !== undefined || maxBytes !== undefined;
}
