/**
 * A shard in memory: an array of appends with their times.
 *
 * Positions are given out at `submit`; what was submitted becomes visible, and its callers hear of it, in one go a
 * turn of the event loop later, as a round of the local engine does.
 */
import { abortError } from "../../core/abort.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { PositionQuery } from "../../core/location.ts";
import { type Flight, Producers, type ProducerTriple, type TakenEpoch } from "../../core/producers.ts";
import type { Random } from "../../core/random.ts";
import { type RetainedPieces, retainedHead } from "../../core/retention.ts";
import type { Retention } from "../../core/stream-config.ts";
import type {
	Appended,
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
	readonly offset: number;
	readonly time: number;
	readonly bytes: Uint8Array;
}

type Produced = Flight<undefined>;

interface Waiter {
	readonly position: number;
	resolve(): void;
	reject(error: unknown): void;
}

/** The only shard of a byte stream in memory. */
export class MemoryShard implements EngineShard {
	readonly staging: MemoryStaging;
	readonly #name: string;
	readonly #rounds: MemoryRounds;
	readonly #slab = new Slab();
	readonly #waiters = new Set<Waiter>();
	readonly #producers: Producers<undefined>;
	#entries: Entry[] = [];
	#head: number;
	#tail: number;
	#acceptedTail: number;
	#lastTime: number | null = null;
	/** Nothing more is accepted. */
	#sealing = false;
	#sealed = false;
	#deleted = false;
	/** Called after each append. */
	appended: () => void = () => {};

	constructor(name: string, rounds: MemoryRounds, random: Random, firstPosition: number) {
		this.#name = name;
		this.staging = new MemoryStaging({
			name,
			clock: rounds.clock,
			random,
			unusable: () => this.#unusable(),
			sealedError: () => (this.#sealing ? this.#refusal(0, undefined) : undefined),
			commit: (bytes, expect) =>
				new Promise((resolve, reject) => {
					const done = (from: number, to: number): void => resolve({ from, to });
					this.#submit(bytes, undefined, { expect }, { done, fail: reject });
				}),
		});
		this.#rounds = rounds;
		this.#producers = new Producers(name);
		this.#head = firstPosition;
		this.#tail = firstPosition;
		this.#acceptedTail = firstPosition;
	}

	get acceptedTail(): number {
		return this.#acceptedTail;
	}

	describe(): ShardInfo {
		const bytes = this.#tail - this.#head;
		return { shard: 0, head: this.#head, tail: this.#tail, bytes, segments: 0, lastTime: this.#lastTime };
	}

	acceptsNow(bytes: number): boolean {
		return this.#rounds.hasRoom(bytes);
	}

	submit(payload: Payload, options: SubmitOptions, completion: Completion): number {
		const bytes = this.#slab.copy(payload);
		return this.#submit(bytes, this.#tooLarge(bytes.length), options, completion);
	}

	#submit(
		bytes: Uint8Array,
		tooLarge: StreambedError | undefined,
		options: SubmitOptions,
		completion: Completion,
	): number {
		const { expect, producer } = options;
		const length = bytes.length;
		const general = this.#unusable() ?? tooLarge;
		const known = producer === undefined || general !== undefined ? undefined : this.#answerKnown(producer, completion);
		if (known !== undefined) return known;
		const refusal = general ?? this.#refusal(length, expect);
		if (refusal !== undefined) return this.#refuse(refusal, completion);
		const offset = this.#acceptedTail;
		this.#acceptedTail += length;
		const produced = producer && this.#producers.accept(producer, offset, offset + length, undefined);
		this.#rounds.add(length, (time) => this.#store({ offset, time, bytes }, completion, produced));
		return offset;
	}

	/** Begins a new life of a producer: appends of its older ones are FENCED from then on. */
	async takeEpoch(producer: string): Promise<TakenEpoch> {
		for (;;) {
			this.#assertUsable();
			const epoch = this.#producers.reserve(producer);
			await new Promise<void>((resolve) => this.#rounds.add(0, () => resolve()));
			this.#assertUsable();
			if (!this.#producers.take(producer, epoch)) continue;
			// What older epochs had handed over by now is on its way.
			await new Promise<void>((resolve) => this.#rounds.add(0, () => resolve()));
			this.#assertUsable();
			return { epoch, last: this.#producers.get(producer).window.last };
		}
	}

	async bounds(): Promise<ShardBounds> {
		this.#assertUsable();
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
		const runs: Run[] = [];
		let at = position;
		for (let index = this.#indexOf(position); index < this.#entries.length && at - position < maxBytes; index++) {
			const run = cutRun(this.#entries[index] as Entry, at, maxBytes - (at - position), options.borders === true);
			runs.push(run);
			at = run.offset + run.bytes.length;
		}
		return { kind: "data", runs };
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
		const dropped = head - this.#head;
		if (dropped > 0) this.#moveHead(head);
		return dropped;
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
				const after = lowerBound(entries, ({ offset }) => this.#tail - offset < bytes);
				return Math.max(this.#head, entries[after - 1]?.offset ?? this.#head);
			},
			borderWithin: (bytes) =>
				Math.min(
					newest,
					Math.max(this.#head, startOf(lowerBound(entries, ({ offset }) => this.#tail - offset <= bytes))),
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
		const { from, to } = verdict.kind === "stored" ? verdict.answer : verdict.append;
		// Behind the first one, if that is still on its way.
		this.#rounds.add(0, () => (this.#deleted ? completion.fail(this.#notFound()) : completion.done(from, to, true)));
		return from;
	}

	#unusable(): StreambedError | undefined {
		if (this.#rounds.closed) return this.#rounds.closedError();
		return this.#deleted ? this.#notFound() : undefined;
	}

	#tooLarge(length: number): StreambedError | undefined {
		const limit = this.#rounds.limits.appendBytes;
		if (length <= limit) return undefined;
		return fail("TOO_LARGE", `append of ${length} bytes to ${this.#name} is larger than the limit of ${limit}`, {
			details: { bytes: length, limit },
		});
	}

	#refusal(length: number, expect: number | undefined): StreambedError | undefined {
		const tail = this.#acceptedTail;
		if (this.#sealing) {
			return fail("SEALED", `append to ${this.#name}, which is sealed at ${tail}`, { details: { tail } });
		}
		if (expect !== undefined && expect !== tail) {
			return fail("POSITION_MISMATCH", `append to ${this.#name} expected the tail at ${expect}, it is at ${tail}`, {
				details: { expected: expect, tail },
			});
		}
		if (Number.isSafeInteger(tail + length)) return undefined;
		return fail(
			"LIMIT_EXCEEDED",
			`append of ${length} bytes at ${tail} of ${this.#name} would pass the last position`,
			{
				details: { limit: Number.MAX_SAFE_INTEGER, tail },
			},
		);
	}

	#store(entry: Entry, completion: Completion, produced: Produced | undefined): void {
		if (this.#deleted) return completion.fail(this.#notFound());
		if (produced !== undefined) this.#producers.settle(produced);
		const time = Math.max(entry.time, this.#lastTime ?? entry.time);
		this.#entries.push({ ...entry, time });
		this.#lastTime = time;
		this.#tail = entry.offset + entry.bytes.length;
		const result: Appended = { from: entry.offset, to: this.#tail, duplicate: false };
		completion.done(result.from, result.to, result.duplicate);
		this.#wake();
		this.appended();
	}

	#wake(): void {
		for (const waiter of [...this.#waiters]) if (this.#sealed || this.#tail > waiter.position) waiter.resolve();
	}

	/** The append that holds `position`, which lies between head and tail; at the tail, the next one. */
	#indexOf(position: number): number {
		return lowerBound(this.#entries, (entry) => entry.offset + entry.bytes.length > position);
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
