/** What a log store is opened with, and what it tells of itself. */
import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { Random } from "../core/random.ts";
import type { Disk, StoreLocker } from "../disk/disk.ts";
import type { CommitCounters } from "./commit/committer.ts";
import type { Retention } from "./shards/retention.ts";

/** What a store is opened with. */
export interface LogStoreOptions {
	/** Absolute path of the folder. */
	readonly root: string;
	readonly disk: Disk;
	readonly clock: Clock;
	readonly random: Random;
	readonly locker: StoreLocker;
	readonly limits: Limits;
	readonly create: boolean;
	readonly durability: "sync" | "os";
}

/** Sizes and counters of a store. */
export interface LogStats extends Readonly<CommitCounters> {
	readonly pendingBytes: number;
	readonly cachedBytes: number;
	readonly journalBytes: number;
	readonly journalLiveBytes: number;
	readonly checkpoints: number;
	readonly retention: ReturnType<Retention["stats"]>;
}
