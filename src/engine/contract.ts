/**
 * What an engine is: the interface that memory, local, and later remote and Kafka engines implement, and that
 * `stream/` builds the users' API on. Arguments are checked before they come here: names, options, limits of types.
 * Engines check what only they know: existence, positions, seals, the size of an append.
 *
 * All that is reported (bounds, reads, refusals) speaks of durable data; `submit` returns provisional positions.
 * Errors are StreambedErrors. A deleted stream answers NOT_FOUND, a closed engine CLOSED, everywhere.
 */
import type { PositionQuery } from "../core/location.ts";
import type { StreamAddress } from "../core/names.ts";
import type { ProducerTriple, TakenEpoch } from "../core/producers.ts";
import type {
	Completion,
	Payload,
	ReadOptions,
	ReadResult,
	RecoveryReport,
	ShardAppend,
	ShardBounds,
	ShardPlace,
	StagedInfo,
	SubmitOptions,
	TogetherCompletion,
} from "../core/shard.ts";
import type { StreamConfig, StreamKind, StreamUpdate } from "../core/stream-config.ts";
import type { StreamLayout } from "../core/stream-layout.ts";
import type { Durability, Manifest } from "./manifest.ts";

export type * from "../core/shard.ts";

/** A store behind a URL. */
export interface Engine {
	readonly manifest: Manifest;
	readonly durability: Durability;
	/** Largest append in bytes. */
	readonly appendBytes: number;
	/** Makes a stream; it is durable when this resolves. @throws EXISTS, UNSUPPORTED, READ_ONLY, DISK_FULL */
	createStream(address: StreamAddress, config: StreamConfig): Promise<EngineStream>;
	/** Opens a stream. Opening twice gives handles to the same stream. @throws NOT_FOUND */
	openStream(address: StreamAddress): Promise<EngineStream>;
	/** Streams in the order of {@link compareAddresses}, at most `limit`. */
	listStreams(query: ListQuery): Promise<readonly StreamSummary[]>;
	/** Changes a stream's configuration; durable when it resolves. */
	updateStream(address: StreamAddress, change: StreamUpdate): Promise<StreamInfo>;
	/**
	 * Deletes a stream with all its data; open handles get NOT_FOUND from then on. With `force` also one that a prepared
	 * write holds. @throws NOT_FOUND, TXN_STATE
	 */
	deleteStream(address: StreamAddress, force?: boolean): Promise<void>;
	/** Counters and sizes. */
	stats(): EngineStats;
	/** Makes segments complete on disk up to what is visible now, for one stream or for all. */
	checkpoint(address?: StreamAddress): Promise<void>;
	/** Waits for accepted appends, ends readers with CLOSED, releases everything. Idempotent. */
	close(): Promise<void>;
}

/** Which streams to list. */
export interface ListQuery {
	/** Only this scope. */
	readonly scope?: string;
	/** Only streams whose name (with `scope`) or whose `scope/stream` (without) begins like this. */
	readonly prefix?: string;
	/** Only streams after this one. */
	readonly after?: StreamAddress;
	readonly limit: number;
}

/** Orders streams by scope, then by name, by UTF-16 code units. */
export function compareAddresses(a: StreamAddress, b: StreamAddress): number {
	if (a.scope !== b.scope) return a.scope < b.scope ? -1 : 1;
	if (a.stream === b.stream) return 0;
	return a.stream < b.stream ? -1 : 1;
}

/** A stream in a listing. */
export interface StreamSummary extends StreamAddress {
	/** Identity: a stream re-created under the same name has another. */
	readonly id: string;
	readonly kind: StreamKind;
	readonly shards: number;
	/** Milliseconds since 1970. */
	readonly createdAt: number;
	readonly tags: Readonly<Record<string, string>>;
}

/** All that is known of a stream. */
export interface StreamInfo extends StreamAddress {
	readonly id: string;
	readonly kind: StreamKind;
	readonly sealed: boolean;
	readonly durability: Durability;
	readonly retention: StreamConfig["retention"];
	readonly segmentBytes: number;
	readonly tags: Readonly<Record<string, string>>;
	/** Milliseconds since 1970. */
	readonly createdAt: number;
	readonly shards: readonly ShardInfo[];
}

/** State of one shard. */
export interface ShardInfo {
	readonly shard: number;
	readonly head: number;
	readonly tail: number;
	/** Bytes of payload between head and tail. */
	readonly bytes: number;
	/** Segment files; 0 before the first append and in memory. */
	readonly segments: number;
	/** Ingestion time of the last append, milliseconds since 1970; `null` if there was none. */
	readonly lastTime: number | null;
}

/** An open stream. Cheap: files are opened at first touch and closed by the engine. */
export interface EngineStream {
	readonly address: StreamAddress;
	readonly id: string;
	readonly kind: StreamKind;
	info(): Promise<StreamInfo>;
	/** One of its shards, from 0. Costs nothing before its first record. */
	shard(index: number): EngineShard;
	/** How many shards it has, and how it came to them, as it is now. */
	readonly layout: StreamLayout;
	/** There while the stream grows or is sealed: who chooses a shard waits for it first, and then looks at {@link layout}. */
	readonly growing: Promise<void> | undefined;
	/** Resolves once the stream has more than so many shards; rejects on deletion, close or abort. */
	grown(shards: number, signal?: AbortSignal): Promise<void>;
	/** Bounds of all shards at one moment, between two rounds. */
	bounds(): Promise<readonly ShardBounds[]>;
	/** Freezes the tails of all shards, also of those that have nothing. Idempotent. */
	seal(): Promise<void>;
	/**
	 * Hands over appends to several shards that are one: all are stored, in one round, or none. At most one of each shard.
	 * Everything else is as in {@link EngineShard.submit}; together they may hold what one append may.
	 */
	submitTogether(
		parts: readonly ShardAppend[],
		producer: ProducerTriple | undefined,
		completion: TogetherCompletion,
	): void;
	/** Where a producer's append has gone, if it is known: a retry goes there, wherever it would be routed by now. */
	placesOf(producer: ProducerTriple): readonly ShardPlace[] | undefined;
	/**
	 * Begins a new life of a producer, durably: appends that name a lower epoch are FENCED from then on. Resolves once
	 * those accepted before are stored, and tells the last of them.
	 */
	takeEpoch(producer: string): Promise<TakenEpoch>;
}

/** One shard of an open stream. */
export interface EngineShard {
	/**
	 * Hands over one append: several arrays together are one entry, stored as a whole or not at all. Never waits and never
	 * throws for reasons of state: `completion` hears how it went, once, never before `submit` has returned. Submits of one shard take effect
	 * in call order. The bytes must not change until completion, unless `acceptsNow(bytes)` was true just before: then
	 * they have been copied when this returns.
	 * @returns the provisional position of its first unit, or NaN where it is not known yet.
	 */
	submit(payload: Payload, options: SubmitOptions, completion: Completion): number;
	/** Tells whether an append of so many bytes would be copied at once, or would wait for room. */
	acceptsNow(bytes: number): boolean;
	/** Provisional tail: durable data and what was accepted since. */
	readonly acceptedTail: number;
	/** Head, tail and seal, of durable data. */
	bounds(): Promise<ShardBounds>;
	/** Resolves a location; `position` passes if it lies between head and tail. @throws TRUNCATED, OUT_OF_RANGE */
	locate(query: PositionQuery): Promise<number>;
	/**
	 * Reads what is there from `position` on: at least one byte or record, at most about `maxBytes`; never waits for appends.
	 * With `borders`, runs of a byte stream say where appends end.
	 * @throws TRUNCATED{head}, OUT_OF_RANGE{tail}, CORRUPT{path,offset,validAfter}
	 */
	read(position: number, maxBytes: number, options?: ReadOptions): Promise<ReadResult>;
	/** Resolves once the tail is beyond `position` or the shard is sealed; rejects on deletion, close or abort. */
	changed(position: number, signal?: AbortSignal): Promise<void>;
	/** Moves the head up to `position`; a position at or below the head changes nothing. Returns the head. @throws OUT_OF_RANGE */
	truncateBefore(position: number): Promise<number>;
	/**
	 * Freezes the tail for ever, after all appends accepted before. Idempotent. Returns the tail. Prepared writes stand
	 * against it; with `force` they are aborted. @throws TXN_STATE
	 */
	seal(force?: boolean): Promise<number>;
	/** Writes in parts. */
	readonly staging: ShardStaging;
}

/** The writes in parts of a shard: of any size, invisible until their commit, then visible at one stroke. */
export interface ShardStaging {
	/** Begins one; it is aborted when nothing was written to it for `leaseMs`. @throws LIMIT_EXCEEDED, READ_ONLY, DISK_FULL */
	begin(leaseMs: number): Promise<EngineStaged>;
	/** Those that are neither committed nor aborted, oldest first. */
	list(): Promise<readonly StagedInfo[]>;
	/** One of those. @throws NOT_FOUND, READ_ONLY */
	find(id: string): Promise<EngineStaged>;
}

/** A write in parts. Its calls take effect in their order; in a state that does not allow them they fail with TXN_STATE. */
export interface EngineStaged {
	readonly info: StagedInfo;
	/**
	 * Adds a piece, or nothing of it; the bytes must not change until it resolves. In a record stream a piece is so many
	 * `records`, as they are stored.
	 */
	write(bytes: Uint8Array, records?: number): Promise<void>;
	/** Makes it durable: from then on it waits for its commit, in this process or a later one. Idempotent. */
	prepare(): Promise<void>;
	/**
	 * Makes all of it visible at the tail, which must be at `expect` if that is given. `check` is called when the stream will
	 * not grow until it is stored, and refuses it by throwing. A refusal leaves it as it was.
	 */
	commit(expect?: number, check?: () => void): Promise<{ readonly from: number; readonly to: number }>;
	/** Drops it. Idempotent. */
	abort(): Promise<void>;
}

/** What was freed, and whether ages are counted. */
export interface RetentionStats {
	/** Segment files removed because they lay below their head; 0 in memory. */
	readonly freedSegments: number;
	/** Bytes of these files; in memory, of payload. */
	readonly freedBytes: number;
	/** The wall clock has stepped forward: data goes by its age only where that reaches back less far than the step. */
	readonly clockStepped: boolean;
}

/** Counters and sizes of an engine, for people, tests and metrics. */
export interface EngineStats {
	/** Open streams. */
	readonly streams: number;
	/** Rounds made durable since opening. */
	readonly rounds: number;
	/** Appends made durable since opening, and their bytes of payload. */
	readonly appends: number;
	readonly appendedBytes: number;
	/** Bytes accepted and not yet durable. */
	readonly pendingBytes: number;
	/** Bytes of frames and blocks held in memory for readers. */
	readonly cachedBytes: number;
	/** Size of the journal's ring of files, and how much of it the next opening would redo. */
	readonly journalBytes: number;
	readonly journalLiveBytes: number;
	readonly checkpoints: number;
	/** What heads that moved, by retention or by truncation, have freed since opening. */
	readonly retention: RetentionStats;
	/** Disk operations and bytes since opening. */
	readonly disk: {
		readonly reads: number;
		readonly readBytes: number;
		readonly writes: number;
		readonly writtenBytes: number;
		readonly syncs: number;
	};
	/** What the opening found and did. */
	readonly recovery: RecoveryReport;
}
