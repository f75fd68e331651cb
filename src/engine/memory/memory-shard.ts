/**
 * A shard in memory: an array of appends with their times.
 *
 * Positions are given out at `submit`; what was submitted becomes visible, and its callers hear of it, in one go a
 * turn of the event loop later, as a round of the local engine does.
 */
import { abortError } from "../../core/abort.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import { appendLimit } from "../../core/limits.ts";
import type { PositionQuery } from "../../core/location.ts";
import { type Flight, type Producers, type ProducerTriple, placesOf } from "../../core/producers.ts";
import type { Random } from "../../core/random.ts";
import { type RetainedPieces, retainedHead } from "../../core/retention.ts";
import { payloadLength } from "../../core/shard.ts";
import type { Retention, StreamKind } from "../../core/stream-config.ts";
import type {
	Completion,
	EngineShard,
	Payload,
	ReadOptions,
	ReadResult,
	Run,
	ShardBounds,
	ShardInfo,
	SubmitOptions,
} from "../contract.ts";
import type { MemoryRounds } from "./memory-rounds.ts";
import { MemoryStaging } from "./memory-staging.ts";
import { Slab } from "./slab.ts";

interface Entry {
	/** Position of its first unit, and how many it has. */
	readonly offset: number;
	readonly units: number;
	readonly time: number;
	readonly bytes: Uint8Array;
	/** Bytes of all appends before it; in a byte stream its offset. */
	readonly byteOffset: number;
}

/** An append that was accepted. */
export interface AcceptedEntry {
	readonly offset: number;
	readonly units: number;
	readonly bytes: Uint8Array;
}

/** What the shards of a stream share. */
export interface ShardHome {
	/** For messages: `scope/stream`. */
	readonly name: string;
	readonly kind: StreamKind;
	readonly rounds: MemoryRounds;
	readonly random: Random;
	readonly firstPosition: number;
	readonly producers: Producers<undefined>;
	/** Called after each append. */
	appended(): void;
}

type Produced = Flight<undefined>;

interface Waiter {
	readonly position: number;
	resolve(): void;
	reject(error: unknown): void;
}

/** A shard in memory. */
export class MemoryShard implements EngineShard {
	readonly staging: MemoryStaging;
	readonly #home: ShardHome;
	readonly #shard: number;
	readonly #name: string;
	readonly #rounds: MemoryRounds;
	readonly #slab = new Slab();
	readonly #waiters = new Set<Waiter>();
	readonly #producers: Producers<undefined>;
	#entries: Entry[] = [];
	#head: number;
	#tail: number;
	#acceptedTail: number;
	/** Bytes of all appends so far. */
	#byteTail: number;
	#lastTime: number | null = null;
	/** Nothing more is accepted. */
	#sealing = false;
	#sealed = false;
	#deleted = false;

	constructor(home: ShardHome, shard: number) {
		const { name, rounds, random, firstPosition } = home;
		this.#home = home;
		this.#shard = shard;
		this.#name = name;
		this.staging = new MemoryStaging({
			name,
			clock: rounds.clock,
			random,
			unusable: () => this.#unusable(),
			sealedError: () => (this.#sealing ? this.#refusal(0, undefined) : undefined),
			commit: (bytes, units, expect) =>
				new Promise((resolve, reject) => {
					const done = (from: number, to: number): void => resolve({ from, to });
					this.#submit(bytes, undefined, { expect, units }, { done, fail: reject });
				}),
		});
		this.#rounds = rounds;
		this.#producers = home.producers;
		this.#head = firstPosition;
		this.#tail = firstPosition;
		this.#acceptedTail = firstPosition;
		this.#byteTail = home.kind === "bytes" ? firstPosition : 0;
	}

	get acceptedTail(): number {
		return this.#acceptedTail;
	}

	describe(): ShardInfo {
		const bytes = this.#byteTail - this.#byteHead;
		return { shard: this.#shard, head: this.#head, tail: this.#tail, bytes, segments: 0, lastTime: this.#lastTime };
	}

	acceptsNow(bytes: number): boolean {
		return this.#rounds.hasRoom(bytes);
	}

	submit(payload: Payload, options: SubmitOptions, completion: Completion): number {
		return this.#submit(this.copy(payload), this.tooLarge(payload, options.units), options, completion);
	}

	/** Bytes of a payload, in memory of its own. */
	copy(payload: Payload): Uint8Array {
		return this.#slab.copy(payload);
	}

	#submit(
		bytes: Uint8Array,
		tooLarge: StreambedError | undefined,
		options: SubmitOptions,
		completion: Completion,
	): number {
		const { expect, producer, units = bytes.length } = options;
		const general = this.#unusable() ?? tooLarge;
		const known = producer === undefined || general !== undefined ? undefined : this.#answerKnown(producer, completion);
		if (known !== undefined) return known;
		const refusal = general ?? this.#refusal(units, expect);
		if (refusal !== undefined) return this.#refuse(refusal, completion);
		const accepted = this.accept(bytes, units);
		const { offset } = accepted;
		const place = { shard: this.#shard, from: offset, to: offset + units };
		const produced = producer && this.#producers.accept(producer, place, undefined);
		this.#rounds.add(bytes.length, (time) => this.#store(accepted, time, completion, produced));
		return offset;
	}

	/** Why an append that is one of several cannot be stored. */
	refusal(units: number, expect: number | undefined): StreambedError | undefined {
		return this.#unusable() ?? this.#refusal(units, expect);
	}

	/** Gives an append its place; it is stored by {@link keep}, in the next round. */
	accept(bytes: Uint8Array, units: number): AcceptedEntry {
		const offset = this.#acceptedTail;
		this.#acceptedTail += units;
		return { offset, units, bytes };
	}

	async bounds(): Promise<ShardBounds> {
		this.#assertUsable();
		return this.boundsNow();
	}

	boundsNow(): ShardBounds {
		return { head: this.#head, tail: this.#tail, sealed: this.#sealed };
	}

	async locate(query: PositionQuery): Promise<number> {
		this.#assertUsable();
		switch (query.at) {
			case "head":
				return this.#head;
			case "tail":
				return this.#tail;
			case "last":
				return Math.max(this.#head, this.#tail - query.count);
			case "time":
				return this.#locateTime(query.time);
			case "position":
				return this.#checkPosition(query.position);
		}
	}

	async read(position: number, maxBytes: number, options: ReadOptions = {}): Promise<ReadResult> {
		this.#assertUsable();
		if (options.signal?.aborted) throw abortError(options.signal, `reading ${this.#name}`);
		this.#checkPosition(position);
		if (position === this.#tail) return { kind: this.#sealed ? "end" : "nothing", tail: this.#tail };
		if (this.#home.kind === "records") return { kind: "data", runs: this.#recordRuns(position, maxBytes) };
		const runs: Run[] = [];
		let at = position;
		for (let index = this.#indexOf(position); index < this.#entries.length && at - position < maxBytes; index++) {
			const run = cutRun(this.#entries[index] as Entry, at, maxBytes - (at - position), options.borders === true);
			runs.push(run);
			at = run.offset + run.bytes.length;
		}
		return { kind: "data", runs };
	}

	/** Whole appends from the one on that holds a position. */
	#recordRuns(position: number, maxBytes: number): Run[] {
		const runs: Run[] = [];
		let total = 0;
		for (let index = this.#indexOf(position); index < this.#entries.length && total < maxBytes; index++) {
			const { offset, units, time, bytes } = this.#entries[index] as Entry;
			runs.push({ offset, units, time, bytes });
			total += bytes.length;
		}
		return runs;
	}

	changed(position: number, signal?: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			this.#assertUsable();
			if (signal?.aborted) throw abortError(signal, `waiting at ${position} of ${this.#name}`);
			if (this.#tail > position || this.#sealed) return resolve();
			const onAbort = (): void => {
				if (signal !== undefined) waiter.reject(abortError(signal, `waiting at ${position} of ${this.#name}`));
			};
			const leave = (): void => {
				this.#waiters.delete(waiter);
				signal?.removeEventListener("abort", onAbort);
			};
			const waiter: Waiter = {
				position,
				resolve: () => {
					leave();
					resolve();
				},
				reject: (error) => {
					leave();
					reject(error);
				},
			};
			this.#waiters.add(waiter);
			signal?.addEventListener("abort", onAbort, { once: true });
		});
	}

	async truncateBefore(position: number): Promise<number> {
		this.#assertUsable();
		if (position <= this.#head) return this.#head;
		if (position > this.#tail) throw this.#outOfRange(position);
		this.#moveHead(position);
		return position;
	}

	/** Drops what retention says; returns the bytes. */
	retain(retention: Retention, ageNow: number | undefined): number {
		const { head } = retainedHead(retention, this.#pieces(), ageNow) ?? { head: this.#head };
		if (head <= this.#head) return 0;
		const before = this.#byteHead;
		this.#moveHead(head);
		return this.#byteHead - before;
	}

	/** Bytes of all appends below the head; one that the head lies in counts as a whole in a record stream. */
	get #byteHead(): number {
		if (this.#home.kind === "bytes") return this.#head;
		return this.#entries[0]?.byteOffset ?? this.#byteTail;
	}

	#moveHead(position: number): void {
		this.#entries.splice(0, this.#indexOf(position));
		this.#head = position;
	}

	/** The appends as retention sees them: each is a piece. */
	#pieces(): RetainedPieces {
		const entries = this.#entries;
		const startOf = (index: number): number => entries[index]?.offset ?? this.#tail;
		const newest = Math.max(this.#head, entries.at(-1)?.offset ?? this.#head);
		return {
			head: this.#head,
			borderBefore: (time) => Math.max(this.#head, startOf(lowerBound(entries, (each) => each.time >= time))),
			borderLeaving: (bytes) => {
				// The first append that begins too late to be the first that stays.
				const after = lowerBound(entries, ({ byteOffset }) => this.#byteTail - byteOffset < bytes);
				return Math.max(this.#head, entries[after - 1]?.offset ?? this.#head);
			},
			borderWithin: (bytes) =>
				Math.min(
					newest,
					Math.max(this.#head, startOf(lowerBound(entries, ({ byteOffset }) => this.#byteTail - byteOffset <= bytes))),
				),
		};
	}

	async seal(force = false): Promise<number> {
		this.#assertUsable();
		if (this.#sealed) return this.#tail;
		if (this.staging.holds) await this.staging.clear("seal", force);
		this.#sealing = true;
		await new Promise<void>((resolve) => this.#rounds.add(0, () => resolve()));
		this.#assertUsable();
		this.#sealed = true;
		this.#wake();
		return this.#tail;
	}

	/** Its stream is sealed, and it has nothing. */
	sealEmpty(): void {
		this.#sealing = true;
		this.#sealed = true;
	}

	/** Everything from now on is NOT_FOUND, also what was accepted and is not yet stored. */
	delete(): void {
		this.#deleted = true;
		this.#entries = [];
		this.end(this.#notFound());
	}

	/** Ends all waits with an error. */
	end(error: unknown): void {
		for (const waiter of [...this.#waiters]) waiter.reject(error);
	}

	#refuse(error: StreambedError, completion: Completion): number {
		this.#rounds.add(0, () => completion.fail(error));
		return Number.NaN;
	}

	/** Answers an append that its producer has made before, or may not make; `undefined` if it is a new one. */
	#answerKnown(producer: ProducerTriple, completion: Completion): number | undefined {
		const verdict = this.#producers.check(producer);
		if (verdict.kind === "new") return undefined;
		if (verdict.kind === "refused") return this.#refuse(verdict.error, completion);
		const answer = verdict.kind === "stored" ? verdict.answer : verdict.append;
		const { from, to } = answer;
		const places = placesOf(answer);
		// Behind the first one, if that is still on its way.
		this.#rounds.add(0, () =>
			this.#deleted ? completion.fail(this.#notFound()) : completion.done(from, to, true, Number.NaN, places),
		);
		return from;
	}

	#unusable(): StreambedError | undefined {
		if (this.#rounds.closed) return this.#rounds.closedError();
		return this.#deleted ? this.#notFound() : undefined;
	}

	tooLarge(payload: Payload, units: number | undefined): StreambedError | undefined {
		const bytes = payloadLength(payload);
		const limit = this.#rounds.limits.appendBytes;
		if (bytes <= appendLimit(this.#rounds.limits, units)) return undefined;
		return fail("TOO_LARGE", `append of ${bytes} bytes to ${this.#name} is larger than the limit of ${limit}`, {
			details: { bytes, limit },
		});
	}

	#refusal(units: number, expect: number | undefined): StreambedError | undefined {
		const tail = this.#acceptedTail;
		if (this.#sealing) {
			const ofRecords = this.#home.kind === "records";
			const place = ofRecords ? `, shard ${this.#shard}` : "";
			return fail("SEALED", `append to ${this.#name}, which is sealed${place} at ${tail}`, {
				details: ofRecords ? { shard: this.#shard, tail } : { tail },
			});
		}
		if (expect !== undefined && expect !== tail) {
			return fail("POSITION_MISMATCH", `append to ${this.#name} expected the tail at ${expect}, it is at ${tail}`, {
				details: { expected: expect, tail },
			});
		}
		if (Number.isSafeInteger(tail + units)) return undefined;
		return fail("LIMIT_EXCEEDED", `append of ${units} units at ${tail} of ${this.#name} would pass the last position`, {
			details: { limit: Number.MAX_SAFE_INTEGER, tail },
		});
	}

	#store(accepted: AcceptedEntry, time: number, completion: Completion, produced: Produced | undefined): void {
		if (this.#deleted) return completion.fail(this.#notFound());
		if (produced !== undefined) this.#producers.settle(produced);
		const stored = this.keep(accepted, time);
		completion.done(accepted.offset, this.#tail, false, stored);
		this.shown();
	}

	/** Stores an append that was accepted; returns its time. {@link shown} has to follow. */
	keep({ offset, units, bytes }: AcceptedEntry, now: number): number {
		const time = Math.max(now, this.#lastTime ?? now);
		this.#entries.push({ offset, units, time, bytes, byteOffset: this.#byteTail });
		this.#byteTail += bytes.length;
		this.#lastTime = time;
		this.#tail = offset + units;
		return time;
	}

	/** Tells those who wait for data. */
	shown(): void {
		this.#wake();
		this.#home.appended();
	}

	#wake(): void {
		for (const waiter of [...this.#waiters]) if (this.#sealed || this.#tail > waiter.position) waiter.resolve();
	}

	/** The append that holds `position`, which lies between head and tail; at the tail, the next one. */
	#indexOf(position: number): number {
		return lowerBound(this.#entries, (entry) => entry.offset + entry.units > position);
	}

	#locateTime(time: number): number {
		const entry = this.#entries[lowerBound(this.#entries, (each) => each.time >= time)];
		return entry === undefined ? this.#tail : Math.max(this.#head, entry.offset);
	}

	#checkPosition(position: number): number {
		if (position < this.#head) {
			throw fail("TRUNCATED", `position ${position} of ${this.#name} lies below the head at ${this.#head}`, {
				details: { position, head: this.#head },
			});
		}
		if (position > this.#tail) throw this.#outOfRange(position);
		return position;
	}

	#outOfRange(position: number): StreambedError {
		return fail("OUT_OF_RANGE", `position ${position} of ${this.#name} lies beyond the tail at ${this.#tail}`, {
			details: { position, tail: this.#tail },
		});
	}

	#notFound(): StreambedError {
		return fail("NOT_FOUND", `the stream ${this.#name} was deleted`);
	}

	#assertUsable(): void {
		const error = this.#unusable();
		if (error !== undefined) throw error;
	}
}

/** The first index at which `holds` is true; it must stay true from there on. */
function lowerBound(entries: readonly Entry[], holds: (entry: Entry) => boolean): number {
	let low = 0;
	let high = entries.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if (holds(entries[middle] as Entry)) high = middle;
		else low = middle + 1;
	}
	return low;
}

function cutRun(entry: Entry, from: number, maxBytes: number, borders: boolean): Run {
	const start = from - entry.offset;
	const bytes = entry.bytes.subarray(start, start + maxBytes);
	const run: Run = { offset: from, time: entry.time, bytes };
	return borders ? { ...run, ends: [entry.offset + entry.bytes.length] } : run;
}
