/** What a shard needs of the store it belongs to. */
import type { Clock } from "../../core/clock.ts";
import type { StreambedError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { TailCache } from "../tail/tail-cache.ts";
import type { Admission } from "./admission.ts";
import type { ShardLog } from "./shard-log.ts";

/** The store, as its shards see it. */
export interface LogHost {
	readonly clock: Clock;
	readonly limits: Limits;
	readonly admission: Admission;
	readonly tailCache: TailCache;
	/** Tells what appends are stamped with. */
	readonly retention: { stamp(): number };
	/** Counts checkpoints begun. */
	readonly span: number;
	/** The shard has frames for the next round. */
	dirty(shard: ShardLog): void;
	/** Appends of producers of the shard's stream have become durable. */
	producersChanged(shard: ShardLog): void;
	/** So many bytes have been accepted as {@link Admission.mark} says. */
	markReached(): void;
	/** Nothing stands against new appends: neither closing, nor stopped, nor a full disk. {@link refusal} says what does. */
	readonly takesAppends: boolean;
	/** Why nothing new can be appended now: closing, stopped, disk full. */
	refusal(): StreambedError | undefined;
	/** Why head and seal cannot be changed: closing, stopped. A full disk does not hinder what frees space. */
	changeRefusal(): StreambedError | undefined;
	/** Why an append that has waited for room can't go on: stopped. */
	stopError(): StreambedError | undefined;
	/** The store is closed. */
	closedError(): StreambedError | undefined;
	/** A file of the shard is not there: finds out whether the stream was removed, and says what to answer. */
	vanished(shard: ShardLog, error: unknown): Promise<StreambedError>;
	/** Counts those who wait for data: they keep the process alive. */
	waiting(change: number): void;
}
