/**
 * Reading records: of one shard, or of all of them merged.
 *
 * Each shard has a cursor. Cursors that have something to read take turns, one engine read each, so that a busy shard does
 * not starve the others; at the tail a cursor waits without anybody asking again. Only a record in parts is given out to its
 * end before another shard has its turn. Gates keep the order per key across growths.
 */
import { abortable, abortError } from "../../core/abort.ts";
import { fail, StreambedError } from "../../core/errors.ts";
import type { StreamRecord } from "../../core/record.ts";
import type { Serializer } from "../../core/serializer.ts";
import { formatCut, type StreamCut } from "../../core/stream-cut.ts";
import type { EngineStream, ShardBounds } from "../../engine/contract.ts";
import type { StreamAccess } from "../stream-access.ts";
import { Turns } from "../turns.ts";
import { BatchLife } from "./batch-life.ts";
import { GrowthGates } from "./growth-gates.ts";
import { RecordBatch } from "./record-batch.ts";
import {
	checkAgainst,
	checkRecordRange,
	checkResolved,
	endOf,
	type RecordRange,
	type RecordReadOptions,
	startOf,
} from "./record-range.ts";
import { ShardCursor } from "./shard-cursor.ts";

const KiB = 1024;
/** One engine read; small at first, so that looking at a few records reads little. */
const firstWindow: number = 64 * KiB;
const maxWindow: number = 1024 * KiB;
/** Engine reads under way or waiting to be given out. */
const aheadMax = 2;

/** How far behind a reader is. */
export interface Behind {
	/** Records that are durable and not read. */
	readonly records: number;
	/** Milliseconds between the oldest of them and the newest of its shard; 0 if there are none. */
	readonly ms: number;
}

/** Reads records; iterate it, or its `batches()`, once. Leaving the loop closes it. */
export class RecordReader<T = Uint8Array> implements AsyncDisposable, AsyncIterable<StreamRecord<T>> {
	readonly #access: StreamAccess;
	readonly #serializer: Serializer<T>;
	readonly #range: RecordRange;
	readonly #ended = new AbortController();
	#starting: Promise<EngineStream> | undefined;
	#stream: EngineStream | undefined;
	/** By shard. */
	readonly #cursors: (ShardCursor | undefined)[] = [];
	readonly #gates: GrowthGates = new GrowthGates();
	/** Have something to read; are being read; have been read. */
	readonly #runnable: ShardCursor[] = [];
	#loading = 0;
	readonly #loaded: ShardCursor[] = [];
	/** It was left inside of a record in parts, the rest of which comes before anything else. */
	#unfinished: ShardCursor | undefined;
	#waiting = 0;
	/** What is still to be told, and what goes on once it has been: nobody gets what lies behind before. */
	readonly #failures: { readonly error: unknown; readonly goOn: () => void }[] = [];
	#window: number = firstWindow;
	#left: number;
	#wake: (() => void) | undefined;
	#closed = false;
	/** Steps move one place, so they come one after the other. */
	readonly #turns: Turns = new Turns();
	readonly #life: BatchLife = new BatchLife();
	/** The batch that is given out record by record. */
	#batch: RecordBatch<T> | undefined;
	#index = 0;

	/** Made by `stream.read()`. */
	constructor(access: StreamAccess, serializer: Serializer<T>, options: RecordReadOptions) {
		this.#access = access;
		this.#serializer = serializer;
		this.#range = checkRecordRange(options);
		this.#left = this.#range.limit;
		access.context.assertOpen();
		// Now, not at the first step: "tail" means the tail at this moment.
		this.#starting = this.#start();
		this.#starting.catch(() => {});
	}

	/** Resolves where the reader begins and returns the reader; the first step does the same. */
	async open(): Promise<this> {
		await this.#ready();
		return this;
	}

	/**
	 * Where the reader is, behind what it has given out, as a text to be stored: a later reader begins there with `fromCut`.
	 * `undefined` before the beginning is resolved, which `open()` or the first step does.
	 */
	get location(): StreamCut | undefined {
		const stream = this.#stream;
		if (stream === undefined) return undefined;
		const { shard } = this.#range;
		const unread = this.#batch === undefined ? 0 : this.#batch.length - this.#index;
		const positions = this.#cursors.flatMap((cursor) => {
			if (cursor === undefined) return [];
			return [cursor.shard === this.#batch?.shard ? cursor.position - unread : cursor.position];
		});
		return formatCut({ stream: stream.id, shard, positions });
	}

	/** Tells whether the reader is at the tails, or beyond those that it last saw. */
	get caughtUp(): boolean {
		if (this.#stream === undefined || (this.#batch !== undefined && this.#index < this.#batch.length)) return false;
		return this.#cursors.every((cursor) => {
			return cursor === undefined || cursor.position >= Math.min(cursor.knownTail, cursor.end);
		});
	}

	/** How far the reader is behind the tails, now. */
	async behind(): Promise<Behind> {
		const stream = await this.#ready();
		const { shards } = await stream.info();
		const unread = this.#batch === undefined ? 0 : this.#batch.length - this.#index;
		let records = 0;
		let ms = 0;
		for (const { shard, tail, head, lastTime } of shards) {
			const cursor = this.#cursors[shard];
			if (cursor === undefined) continue;
			const own = this.#batch?.shard === shard ? unread : 0;
			const position = Math.max(head, cursor.position - own);
			const missing = Math.min(tail, cursor.end) - position;
			if (missing <= 0) continue;
			records += missing;
			const oldest = await stream.shard(shard).read(position, 1);
			if (oldest.kind !== "data") continue;
			oldest.release?.();
			ms = Math.max(ms, (lastTime ?? 0) - (oldest.runs[0]?.time ?? 0));
		}
		return { records, ms };
	}

	/**
	 * Batch by batch: of one shard each, with one ingestion time. Ends at the tails seen when the reader was made; with
	 * `follow` when the stream is sealed, or the range has ended. A batch is over with the next step, unless `copy` is set: see
	 * {@link RecordBatch}.
	 *
	 * Where records have been dropped or cannot be read the step throws, and names the shard; the next one goes on behind them.
	 */
	batches(): AsyncIterableIterator<RecordBatch<T>> {
		return {
			next: async () => {
				this.#life.step(this.#turns.busy);
				const batch = await this.#turns.take(() => this.#nextBatch(false));
				return batch === undefined ? { done: true, value: undefined } : { done: false, value: batch };
			},
			return: async () => {
				await this.close();
				return { done: true, value: undefined };
			},
			[Symbol.asyncIterator]() {
				return this;
			},
		};
	}

	/** Record by record; otherwise as {@link batches}. One that does not decode throws DECODE, and the next step goes on behind it. */
	[Symbol.asyncIterator](): AsyncIterableIterator<StreamRecord<T>> {
		return {
			next: () => {
				const batch = this.#batch;
				if (batch === undefined || this.#index >= batch.length || this.#halted || this.#turns.busy) {
					return this.#turns.take(() => this.#nextRecord());
				}
				try {
					return Promise.resolve({ done: false, value: batch.record(this.#index++) });
				} catch (error) {
					return Promise.reject(error);
				}
			},
			return: async () => {
				await this.close();
				return { done: true, value: undefined };
			},
			[Symbol.asyncIterator]() {
				return this;
			},
		};
	}

	async #nextRecord(): Promise<IteratorResult<StreamRecord<T>>> {
		let batch = this.#batch;
		if (batch === undefined || this.#index >= batch.length || this.#halted) batch = await this.#nextBatch(true);
		if (batch === undefined) return { done: true, value: undefined };
		return { done: false, value: batch.record(this.#index++) };
	}

	/** Releases the reader; a step that waits ends with CLOSED. Idempotent. */
	close(): Promise<void> {
		this.#closed = true;
		this.#ended.abort();
		this.#notify();
		return Promise.resolve();
	}

	/** Same as {@link close}. */
	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	readonly #onAbort = (): void => {
		this.#ended.abort();
		this.#notify();
	};

	/** Closed or aborted: nothing more is given out. */
	get #halted(): boolean {
		return this.#closed || this.#range.signal?.aborted === true;
	}

	// Starting

	async #start(): Promise<EngineStream> {
		const stream = await this.#access.stream();
		checkAgainst(this.#range, stream, this.#access.label);
		const bounds = await stream.bounds();
		const { shard } = this.#range;
		const cursors: ShardCursor[] = [];
		for (let index = shard ?? 0; index < (shard === undefined ? bounds.length : shard + 1); index++) {
			cursors.push(await this.#cursor(stream, index, bounds[index] as ShardBounds));
		}
		checkResolved(this.#range, cursors);
		this.#stream = stream;
		for (const cursor of cursors) this.#cursors[cursor.shard] = cursor;
		for (const cursor of cursors) this.#admit(cursor);
		if (this.#range.follow && shard === undefined) this.#watchGrowth(stream, bounds.length);
		return stream;
	}

	async #cursor(stream: EngineStream, index: number, bounds: ShardBounds): Promise<ShardCursor> {
		const [start, limit] = await Promise.all([
			startOf(this.#range, stream, index, bounds),
			endOf(this.#range, stream, index, bounds),
		]);
		// Damage at the tail must not look like an end: who comes there reads on into it.
		const stop = this.#range.follow || bounds.damaged === true ? Number.POSITIVE_INFINITY : bounds.tail;
		const cursor = new ShardCursor(index, start, Math.min(limit, stop), bounds.tail);
		cursor.endsInside = limit < bounds.tail;
		cursor.ended = start >= cursor.end || (bounds.sealed && start >= bounds.tail);
		return cursor;
	}

	async #ready(): Promise<EngineStream> {
		this.#assertOpen();
		if (this.#stream !== undefined) return this.#stream;
		this.#starting ??= this.#start();
		try {
			return await abortable(this.#starting, this.#range.signal, `reading ${this.#access.label}`);
		} finally {
			this.#starting = undefined;
			this.#assertOpen();
		}
	}

	// Which shards are read

	/** Lets a cursor take part, or holds it back until those before it are read. */
	#admit(cursor: ShardCursor): void {
		if (cursor.ended) return;
		const { layout } = this.#stream as EngineStream;
		if (this.#range.shard !== undefined || this.#gates.admits(cursor, layout, this.#cursors)) this.#run(cursor);
	}

	#run(cursor: ShardCursor): void {
		if (cursor.position < cursor.knownTail || !this.#range.follow) this.#runnable.push(cursor);
		else this.#await(cursor);
	}

	/** A cursor has moved, or ended: shards that waited for it may go. */
	#moved(cursor: ShardCursor): void {
		for (const held of this.#gates.moved(cursor)) this.#run(held);
	}

	/** New shards are read from their beginning, as soon as it is their turn. */
	#watchGrowth(stream: EngineStream, known: number): void {
		const { signal } = this.#ended;
		let next = known;
		const added = async (): Promise<void> => {
			await stream.grown(known, signal);
			const bounds = await stream.bounds();
			for (; next < bounds.length; next++) {
				const { sealed, tail } = bounds[next] as ShardBounds;
				const end = this.#range.to === undefined ? Number.POSITIVE_INFINITY : await this.#endOfNew(stream, next);
				const cursor = new ShardCursor(next, 0, end, tail);
				cursor.ended = end <= 0 || (sealed && tail === 0);
				this.#cursors[next] = cursor;
				this.#admit(cursor);
			}
			this.#watchGrowth(stream, next);
		};
		added()
			.catch((error: unknown) => {
				// Who goes on behind the failure hears of the other shards as well.
				if (!signal.aborted) this.#failures.push({ error, goOn: () => this.#watchGrowth(stream, next) });
			})
			.finally(() => this.#notify());
	}

	/** Of shards that came later a cut says where they end; everything else was resolved when they were not there. */
	async #endOfNew(stream: EngineStream, index: number): Promise<number> {
		const { to } = this.#range;
		return to === undefined || "at" in to
			? 0
			: await endOf(this.#range, stream, index, { head: 0, tail: 0, sealed: false });
	}

	// Steps

	/** The next batch; with `keep` its records are still to be given out one by one. */
	async #nextBatch(keep: boolean): Promise<RecordBatch<T> | undefined> {
		const stream = await this.#ready();
		for (;;) {
			this.#assertOpen();
			if (this.#left <= 0) return this.#finish();
			const cursor = this.#turn;
			if (cursor !== undefined) return this.#take(cursor, stream, keep);
			const failure = this.#failures.shift();
			if (failure !== undefined) {
				failure.goOn();
				throw failure.error;
			}
			this.#fill(stream);
			if (this.#loading === 0 && this.#waiting === 0 && !this.#waitsForShards) return this.#finish();
			await this.#somethingNew();
		}
	}

	/** Who gives out the next batch, if that is loaded. */
	get #turn(): ShardCursor | undefined {
		const unfinished = this.#unfinished;
		if (unfinished === undefined) return this.#loaded[0];
		return this.#loaded.includes(unfinished) ? unfinished : undefined;
	}

	/** Waits for a read, an append, an end. The signal is listened to for so long only: it may outlive many readers. */
	async #somethingNew(): Promise<void> {
		const { signal } = this.#range;
		signal?.addEventListener("abort", this.#onAbort, { once: true });
		await new Promise<void>((resolve) => {
			this.#wake = resolve;
		});
		signal?.removeEventListener("abort", this.#onAbort);
	}

	/** A follower of all shards ends when all have ended: a sealed stream does not grow. */
	get #waitsForShards(): boolean {
		if (!this.#range.follow || this.#range.shard !== undefined) return false;
		return this.#cursors.some((cursor) => cursor !== undefined && !cursor.ended);
	}

	/** The end: nothing is waited for any more. */
	#finish(): undefined {
		this.#left = 0;
		this.#ended.abort();
		return undefined;
	}

	#take(cursor: ShardCursor, stream: EngineStream, keep: boolean): RecordBatch<T> {
		const { label } = this.#access;
		try {
			const { copy } = this.#range;
			if (keep) cursor.keep();
			const place = cursor.take(label, this.#left, copy);
			if (!keep && !copy) this.#life.give(place);
			this.#left -= place.length;
			const batch = new RecordBatch(place, this.#serializer);
			if (this.#range.shard === undefined) this.#unfinished = batch.endsInside ? cursor : undefined;
			if (keep) {
				// Together with the cursor, so that `location` is right at any moment.
				this.#batch = batch;
				this.#index = 0;
			}
			return batch;
		} finally {
			if (!cursor.hasRuns) {
				this.#loaded.splice(this.#loaded.indexOf(cursor), 1);
				if (cursor.position >= cursor.end) cursor.ended = true;
				else this.#run(cursor);
				if (cursor.ended) this.#leave(cursor);
			}
			this.#moved(cursor);
			// The next reads are under way while the caller works on this batch.
			this.#fill(stream);
		}
	}

	#fill(stream: EngineStream): void {
		const first = this.#unfinished === undefined ? -1 : this.#runnable.indexOf(this.#unfinished);
		if (first >= 0) for (const cursor of this.#runnable.splice(first, 1)) this.#load(stream, cursor);
		while (this.#loading + this.#loaded.length < aheadMax && this.#runnable.length > 0 && !this.#closed) {
			this.#load(stream, this.#runnable.shift() as ShardCursor);
		}
	}

	#load(stream: EngineStream, cursor: ShardCursor): void {
		this.#loading++;
		const window = this.#window;
		this.#window = Math.min(maxWindow, 2 * window);
		cursor
			.load(stream.shard(cursor.shard), window, this.#range.signal)
			.then(
				(result) => {
					if (result.kind === "data") this.#loaded.push(cursor);
					else if (result.kind === "end" || !this.#range.follow) this.#end(cursor);
					else this.#await(cursor);
				},
				(error: unknown) => this.#failed(cursor, error),
			)
			.finally(() => {
				this.#loading--;
				this.#notify();
			});
	}

	/** Nothing comes of a cursor for now: others need not wait for the rest of its record in parts. */
	#leave(cursor: ShardCursor): void {
		if (this.#unfinished === cursor) this.#unfinished = undefined;
	}

	#end(cursor: ShardCursor): void {
		this.#leave(cursor);
		cursor.ended = true;
		this.#moved(cursor);
	}

	#failed(cursor: ShardCursor, error: unknown): void {
		if (this.#closed) return;
		this.#leave(cursor);
		this.#failures.push({ error: ofShard(error, cursor.shard), goOn: () => this.#goOn(cursor, error) });
	}

	/** Goes on behind a failure; where it cannot be told where that is, who asks again is told again. */
	#goOn(cursor: ShardCursor, error: unknown): void {
		if (!cursor.skip(error)) this.#runnable.push(cursor);
		else if (cursor.position >= cursor.end) this.#end(cursor);
		else {
			this.#run(cursor);
			this.#moved(cursor);
		}
	}

	/** Waits at the tail of a shard. */
	#await(cursor: ShardCursor): void {
		this.#leave(cursor);
		this.#waiting++;
		const { signal } = this.#ended;
		(this.#stream as EngineStream)
			.shard(cursor.shard)
			.changed(cursor.position, signal)
			.then(
				() => this.#runnable.push(cursor),
				(error: unknown) => {
					const goOn = (): void => void this.#runnable.push(cursor);
					if (!signal.aborted) this.#failures.push({ error: ofShard(error, cursor.shard), goOn });
				},
			)
			.finally(() => {
				this.#waiting--;
				this.#notify();
			});
	}

	#notify(): void {
		const wake = this.#wake;
		this.#wake = undefined;
		wake?.();
	}

	#assertOpen(): void {
		const { signal } = this.#range;
		if (signal?.aborted) {
			this.#ended.abort();
			throw abortError(signal, `reading ${this.#access.label}`);
		}
		if (this.#closed) throw fail("CLOSED", `the reader of ${this.#access.label} is closed`);
		this.#access.context.assertOpen();
	}
}

/** Names the shard in an error of the engine. */
function ofShard(error: unknown, shard: number): unknown {
	if (!StreambedError.is(error)) return error;
	return new StreambedError(error.code, `shard ${shard}: ${error.message}`, {
		cause: error,
		hint: error.hint,
		details: { ...error.details, shard },
	});
}
