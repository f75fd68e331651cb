/** Reading a byte stream: a place in it, a bounded buffer, one engine read ahead. */
import { throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { checkLocation, type Location } from "../../core/location.ts";
import { describe, requireInteger } from "../../core/options.ts";
import type { EngineShard, ReadResult } from "../../engine/contract.ts";
import type { StreamAccess } from "../stream-access.ts";
import { Turns } from "../turns.ts";
import { isBytes } from "../user-bytes.ts";
import {
	checkReadRange,
	type ReadRange,
	type ReadRangeOptions,
	resolveEnd,
	resolveRange,
	stopOf,
} from "./read-range.ts";
import { RunBuffer } from "./run-buffer.ts";

/** How to read. */
export type ByteReaderOptions = ReadRangeOptions;

/** Bytes; or nothing yet, at the tail; or the end: of a sealed stream, or of the range. */
export type ByteRead =
	| { readonly kind: "data"; readonly offset: number; readonly bytes: Uint8Array }
	| { readonly kind: "nothing" }
	| { readonly kind: "end" };

const KiB = 1024;
const defaultReadBytes = 256 * KiB;
/** Most that one engine read is asked for; the buffer and the read ahead hold about this much each. */
const maxWindow = 1024 * KiB;
const firstWindow = 64 * KiB;
/** Reading ahead begins once the window has grown so far, so that jumping about costs no reads for nothing. */
const aheadWindow = 4 * firstWindow;

const nothing: ByteRead = Object.freeze({ kind: "nothing" });
const end: ByteRead = Object.freeze({ kind: "end" });

/**
 * A place in a byte stream that moves on by reading. One call at a time, except for `seek` and `close`, which also
 * move or end a read that waits.
 */
export class ByteReader implements AsyncDisposable, AsyncIterable<Uint8Array> {
	readonly #access: StreamAccess;
	readonly #range: ReadRange;
	#starting: Promise<EngineShard> | undefined;
	#shard: EngineShard | undefined;
	#offset = Number.NaN;
	#end = Number.POSITIVE_INFINITY;
	#knownTail = Number.NaN;
	readonly #buffer = new RunBuffer();
	#ahead: Promise<void> | undefined;
	#window: number = firstWindow;
	#ended = false;
	#closed = false;
	/** Changes with each move that is not a read, so that late answers are known as late. */
	#generation = 0;
	#wait: AbortController | undefined;
	readonly #turns: Turns = new Turns();

	/** Made by `stream.reader()`. */
	constructor(access: StreamAccess, options: ByteReaderOptions = {}) {
		this.#access = access;
		this.#range = checkReadRange(options, "the reader's options");
		access.context.assertOpen();
		if (this.#range.from.at === "position") this.#offset = this.#range.from.position;
		// Now, not at the first read: "tail" means the tail at this moment.
		this.#starting = this.#start();
		this.#starting.catch(() => {});
	}

	/** Resolves where the reader begins and returns the reader; the first read does the same. */
	async open(): Promise<this> {
		await this.#ready();
		return this;
	}

	/** Position of the next byte to be read; NaN until the beginning is resolved. */
	get offset(): number {
		return this.#offset;
	}

	/** Bytes in memory that a read returns at once; -1 at the end, once that is known. */
	get available(): number {
		if (this.#buffer.length === 0) return this.#ended ? -1 : 0;
		return Math.max(0, Math.min(this.#buffer.length, this.#end - this.#offset));
	}

	/** Tells whether the reader is at the tail, or beyond the one that it last saw. */
	get caughtUp(): boolean {
		return this.#ended || this.#offset >= this.#knownTail;
	}

	/**
	 * Reads at least one byte and at most `max` (default 256 KiB).
	 *
	 * The bytes may be a view of memory shared with other readers: do not change or transfer them, and copy small
	 * pieces that you keep for long. Following readers wait at the tail, others get "nothing" there.
	 * @throws TRUNCATED{head} below the head, at every read until a seek; CORRUPT{path,offset,validAfter}; ABORTED; CLOSED
	 */
	async read(max: number = defaultReadBytes): Promise<ByteRead> {
		requireInteger(max, "max", 1);
		if (this.#hasBytes) return this.#take(max);
		return await this.#turns.take(async () => (await this.#fill(max)) ?? this.#take(max));
	}

	/** Reads into `buffer` what there is, at least one byte; `bytes` is the filled part of it. Otherwise as {@link read}. */
	async readInto(buffer: Uint8Array): Promise<ByteRead> {
		if (!isBytes(buffer) || buffer.length === 0) {
			throw fail("INVALID_OPTION", `buffer must be a Uint8Array with room for a byte, not ${describe(buffer)}`);
		}
		if (this.#hasBytes) return this.#takeInto(buffer);
		return await this.#turns.take(async () => (await this.#fill(buffer.length)) ?? this.#takeInto(buffer));
	}

	/**
	 * Moves to a location and returns its offset. Bytes in memory are kept where they still serve; answers under way
	 * are dropped. When it fails, the offset stays.
	 * @throws OUT_OF_RANGE{tail} beyond the tail, TRUNCATED{head} below the head
	 */
	async seek(location: Location): Promise<number> {
		const query = checkLocation(location, "bytes");
		if (query.at === "position" && query.position === this.#offset && this.#shard !== undefined) {
			this.#assertOpen();
			return this.#offset;
		}
		const shard = await this.#anyShard();
		const offset = await shard.locate(query);
		this.#assertOpen();
		if (this.#shard === undefined) {
			this.#end = await resolveEnd(shard, this.#range.to);
			this.#shard = shard;
		}
		this.#moveTo(offset);
		return offset;
	}

	/** Moves `count` bytes forward, not past the tail or the end of the range; returns how far. */
	async skip(count: number): Promise<number> {
		requireInteger(count, "count", 0);
		return await this.#turns.take(async () => {
			const shard = await this.#ready();
			const { tail } = await shard.bounds();
			this.#assertOpen();
			const distance = Math.max(0, Math.min(count, tail - this.#offset, this.#end - this.#offset));
			this.#moveTo(this.#offset + distance);
			return distance;
		});
	}

	/** The stream's head now: the first position that can be read. */
	async head(): Promise<number> {
		return (await (await this.#anyShard()).bounds()).head;
	}

	/** The stream's tail now: where the next byte will be appended. */
	async tail(): Promise<number> {
		return (await (await this.#anyShard()).bounds()).tail;
	}

	/**
	 * Yields what `read()` gives. Without `follow` it ends at the tail seen when the iteration began, with it when the
	 * stream is sealed. Leaving the loop closes the reader.
	 */
	async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
		try {
			const shard = await this.#ready();
			const stop = this.#range.follow ? Number.POSITIVE_INFINITY : await stopOf(shard);
			while (this.#offset < stop) {
				const result = await this.read(Math.min(defaultReadBytes, stop - this.#offset));
				if (result.kind !== "data") return;
				yield result.bytes;
			}
		} finally {
			await this.close();
		}
	}

	/** Releases the reader; a read that waits ends with CLOSED. Idempotent. */
	close(): Promise<void> {
		this.#closed = true;
		this.#forget();
		return Promise.resolve();
	}

	/** Same as {@link close}. */
	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	/** Opens the stream and finds the beginning; a reader that was moved meanwhile stays where it is. */
	async #start(): Promise<EngineShard> {
		const generation = this.#generation;
		const shard = await this.#access.shard();
		const [range, bounds] = await Promise.all([resolveRange(shard, this.#range), shard.bounds()]);
		if (generation === this.#generation) this.#offset = range.start;
		this.#knownTail = bounds.tail;
		this.#end = range.end;
		this.#shard = shard;
		return shard;
	}

	/** The shard, once the beginning is resolved; a failure is not kept, the next call tries again. */
	async #ready(): Promise<EngineShard> {
		this.#assertOpen();
		if (this.#shard !== undefined) return this.#shard;
		this.#starting ??= this.#start();
		try {
			return await this.#starting;
		} finally {
			this.#starting = undefined;
			this.#assertOpen();
		}
	}

	/** The shard, also where the beginning could not be resolved: a seek gets out of that. */
	async #anyShard(): Promise<EngineShard> {
		this.#assertOpen();
		await this.#starting?.catch(() => {});
		this.#assertOpen();
		return this.#shard ?? (await this.#access.shard());
	}

	/** Gets at least one byte into memory; returns a state where there is none to get. */
	async #fill(max: number): Promise<ByteRead | undefined> {
		const shard = await this.#ready();
		for (;;) {
			this.#assertOpen();
			throwIfAborted(this.#range.signal, `reading ${this.#access.label}`);
			if (this.#offset >= this.#end) {
				this.#buffer.clear();
				this.#ended = true;
				return end;
			}
			if (this.#buffer.length > 0) return undefined;
			if (this.#ahead !== undefined) {
				await this.#ahead;
				continue;
			}
			const generation = this.#generation;
			const result = await this.#load(shard, max);
			if (generation !== this.#generation) continue;
			if (result.kind === "data") {
				this.#buffer.fill(result, this.#offset);
				continue;
			}
			this.#knownTail = result.tail;
			this.#ended = result.kind === "end";
			if (this.#ended) return end;
			if (!this.#range.follow) return nothing;
			await this.#changed(shard);
		}
	}

	/** One engine read: small after a jump, larger with each that follows in sequence. */
	async #load(shard: EngineShard, max: number): Promise<ReadResult> {
		const bytes = Math.min(maxWindow, Math.max(max, this.#window), this.#end - this.#offset);
		this.#window = Math.min(maxWindow, this.#window * 2);
		const [result, bounds] = await Promise.all([
			shard.read(this.#offset, bytes, { signal: this.#range.signal }),
			shard.bounds(),
		]);
		this.#knownTail = bounds.tail;
		return result;
	}

	/** Begins the next engine read while the caller works on this one's bytes. Its failures are left to the next read. */
	#readAhead(): void {
		const shard = this.#shard;
		if (shard === undefined || this.#buffer.length > 0 || this.#ahead !== undefined || this.#closed) return;
		if (this.#window < aheadWindow || this.#offset >= this.#end || !(shard.acceptedTail > this.#offset)) return;
		const generation = this.#generation;
		this.#ahead = this.#load(shard, 1).then(
			(result) => {
				if (generation !== this.#generation) return;
				this.#ahead = undefined;
				if (result.kind === "data") this.#buffer.fill(result, this.#offset);
			},
			() => {
				if (generation === this.#generation) this.#ahead = undefined;
			},
		);
	}

	/** Waits at the tail. Why the wait ended is for the caller's loop to see: closed, aborted, moved, or more to read. */
	async #changed(shard: EngineShard): Promise<void> {
		const wait = new AbortController();
		const { signal } = this.#range;
		const stop = (): void => wait.abort();
		if (signal?.aborted) return;
		signal?.addEventListener("abort", stop, { once: true });
		this.#wait = wait;
		try {
			await shard.changed(this.#offset, wait.signal);
		} catch (error) {
			if (!wait.signal.aborted) throw error;
		} finally {
			this.#wait = undefined;
			signal?.removeEventListener("abort", stop);
		}
	}

	/** Nothing stands between a read and bytes in memory: no other call, no end, no abort, nothing closed. */
	get #hasBytes(): boolean {
		if (this.#turns.busy || this.#shard === undefined) return false;
		if (this.#buffer.length === 0 || this.#offset >= this.#end) return false;
		return !this.#closed && this.#range.signal?.aborted !== true && this.#access.context.isOpen();
	}

	#take(max: number): ByteRead {
		const offset = this.#offset;
		const bytes = this.#buffer.take(Math.min(max, this.available));
		this.#advance(bytes.length);
		return { kind: "data", offset, bytes };
	}

	#takeInto(buffer: Uint8Array): ByteRead {
		const offset = this.#offset;
		const bytes = buffer.subarray(0, Math.min(buffer.length, this.available));
		this.#buffer.copyTo(bytes);
		this.#advance(bytes.length);
		return { kind: "data", offset, bytes };
	}

	/** Moves on past bytes that were given out. */
	#advance(count: number): void {
		this.#offset += count;
		this.#readAhead();
	}

	/** Moves to another offset, keeping what of the buffer lies beyond it. */
	#moveTo(offset: number): void {
		if (offset === this.#offset) return;
		const forward = offset - this.#offset;
		if (forward > 0 && forward < this.#buffer.length) {
			this.#buffer.skip(forward);
			this.#offset = offset;
			return;
		}
		this.#forget();
		this.#offset = offset;
	}

	/** Drops what is in memory and under way, and wakes a read that waits. */
	#forget(): void {
		this.#generation++;
		this.#buffer.clear();
		this.#ahead = undefined;
		this.#ended = false;
		this.#window = firstWindow;
		this.#wait?.abort();
	}

	#assertOpen(): void {
		if (this.#closed) throw fail("CLOSED", `the reader of ${this.#access.label} is closed`);
		this.#access.context.assertOpen();
	}
}
