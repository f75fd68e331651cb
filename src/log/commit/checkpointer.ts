/**
 * Checkpoints: make the segments hold, durably, what the journal holds, so that its files can be used again
 * (docs/commit-protocol.md §1, step 7).
 */
import type { Clock, Timer } from "../../core/clock.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import type { FilePool } from "../files/file-pool.ts";
import { inParallel } from "../files/in-parallel.ts";
import type { Owner } from "../files/owner.ts";
import type { CheckpointFile } from "../format/checkpoint-file.ts";
import type { Ring, RingPlace } from "../journal/ring.ts";
import type { ProducerFiles } from "../producers/producer-files.ts";
import type { ShardLog } from "../shards/shard-log.ts";
import type { Committer } from "./committer.ts";
import type { WriteBehind } from "./write-behind.ts";

/** A checkpoint is begun so long after the first round since the last one. */
const AFTER_MS = 5000;
/** Or when the live part of the ring reaches this part of its bound. */
const SHARE = 1 / 3;

/** What checkpoints need of their store. */
export interface CheckpointHost {
	readonly disk: Disk;
	readonly clock: Clock;
	readonly files: FilePool;
	readonly ring: Ring;
	readonly committer: Committer;
	readonly writeBehind: WriteBehind;
	readonly checkpoint: CheckpointFile;
	readonly producerFiles: ProducerFiles;
	readonly owner: Owner;
	readonly journalLimitBytes: number;
	/** A checkpoint failed in a way that stops the store. */
	stop(error: unknown): void;
	readonly stopped: boolean;
}

/** What a checkpoint covers, and where redo begins after it. */
interface Start {
	readonly round: number;
	readonly previous: number;
	readonly place: RingPlace;
	readonly coveredBytes: number;
	readonly touched: readonly ShardLog[];
	readonly folders: readonly string[];
}

/** The checkpoints of a store. */
export class Checkpointer {
	readonly #host: CheckpointHost;
	readonly #folders = new Set<string>();
	readonly #touched = new Set<ShardLog>();
	#timer: Timer | undefined;
	#running: Promise<boolean> | undefined;
	#liveBytes = 0;
	#held = 0;
	#waiting: (() => void)[] = [];
	/** Counts checkpoints begun. */
	span = 0;
	/** Checkpoints completed. */
	completed = 0;

	constructor(host: CheckpointHost) {
		this.#host = host;
	}

	/** Bytes of rounds that the next opening would redo. */
	get liveBytes(): number {
		return this.#liveBytes;
	}

	/** A round was written. */
	noteRound(shards: readonly ShardLog[], bytes: number): void {
		for (const shard of shards) this.#touched.add(shard);
		this.#liveBytes += bytes;
		if (this.#liveBytes > this.#host.journalLimitBytes * SHARE) void this.run();
		else if (this.#timer === undefined && this.#running === undefined) this.#arm();
	}

	/**
	 * Something was committed that is not carried out yet: no checkpoint passes it until the returned function was called.
	 */
	hold(): () => void {
		this.#held++;
		return () => {
			this.#held--;
			if (this.#held === 0) for (const goOn of this.#waiting.splice(0)) goOn();
		};
	}

	/** Names in a folder changed. */
	noteFolder(path: string): void {
		this.#folders.add(path);
	}

	/** Runs a checkpoint, or joins the one that runs; tells whether it was completed. */
	run(): Promise<boolean> {
		this.#running ??= this.#run(false).finally(() => {
			this.#running = undefined;
			if (this.#liveBytes > 0 && !this.#host.stopped) this.#arm();
		});
		return this.#running;
	}

	/** Runs a checkpoint that covers all that is durable now. With `clean` the next opening has nothing to redo. */
	async cover(clean = false): Promise<boolean> {
		await this.#running;
		if (!clean) return await this.run();
		return await this.#run(true);
	}

	/** Begins no further checkpoint by itself; waits for the one that runs. */
	async stop(): Promise<void> {
		this.#timer?.cancel();
		this.#timer = undefined;
		await this.#running;
	}

	#arm(): void {
		this.#timer?.cancel();
		this.#timer = this.#host.clock.setTimer(
			AFTER_MS,
			() => {
				this.#timer = undefined;
				void this.run();
			},
			{ keepAlive: false },
		);
	}

	/** The beginning of a checkpoint, as soon as no round is in flight and all that was committed has been carried out. */
	#whenFree(): Promise<Start> {
		return new Promise((resolve) => {
			const look = (): void => {
				this.#host.committer.between(() => {
					if (this.#held > 0) this.#waiting.push(look);
					else resolve(this.#start());
				});
			};
			look();
		});
	}

	/** One moment between two rounds: what comes before `next` is covered, what comes after is named anew. */
	#start(): Start {
		const start = {
			...this.#host.committer.next,
			coveredBytes: this.#liveBytes,
			touched: [...this.#touched],
			folders: [...this.#folders],
		};
		this.span++;
		this.#touched.clear();
		this.#folders.clear();
		return start;
	}

	async #run(clean: boolean): Promise<boolean> {
		const { writeBehind, checkpoint, ring, owner, producerFiles } = this.#host;
		this.#timer?.cancel();
		this.#timer = undefined;
		if (this.#host.stopped) return false;
		const start = await this.#whenFree();
		const { round, previous, place, touched, folders } = start;
		try {
			if (this.#host.stopped || !(await writeBehind.flush())) throw new Postponed();
			for (const shard of touched) {
				const active = shard.files.segments.findLast(({ created }) => created);
				if (active !== undefined && shard.owner.deleted === undefined) await writeBehind.renewIndex(active, clean);
			}
			if (!(await producerFiles.write())) throw new Postponed();
			await this.#sync([...folders, ...this.#folders]);
			if (this.#host.stopped) return false;
			await owner.check();
			await checkpoint.write({ ...checkpoint.last, clean, round, previous, ...place, time: this.#host.clock.now() });
			await ring.release(round, place);
		} catch (error) {
			for (const shard of touched) this.#touched.add(shard);
			for (const folder of folders) this.#folders.add(folder);
			if (!(error instanceof Postponed)) this.#host.stop(error);
			return false;
		}
		this.#liveBytes -= start.coveredBytes;
		this.completed++;
		return true;
	}

	/** Syncs all files with unsynced writes, then the folders. */
	async #sync(folders: string[]): Promise<void> {
		const { files, disk } = this.#host;
		await inParallel(files.unsynced(), (path) => files.sync(path));
		await inParallel(folders, async (folder) => {
			await disk.syncDir(folder).catch((error) => {
				if (!isGone(error)) throw error;
			});
		});
	}
}

/** Nothing is wrong but that the disk is full: the checkpoint is tried again later. */
class Postponed extends Error {}
