/**
 * A shard as a process sees it that does not own the store: a prefix of what is durable, taken from the segment files
 * while the owner writes them (docs/commit-protocol.md §6).
 *
 * Whatever stands in a segment as a whole and checked frame is durable, since owners write only durable rounds there.
 * What is at the end of the newest file and not (yet) a good frame is "not yet"; it becomes damage when a good frame
 * follows it, when nobody can be writing it, or when it has been complete and bad for a while.
 */
import { join } from "node:path/posix";
import { abortError, throwIfAborted } from "../../core/abort.ts";
import { StreambedError } from "../../core/errors.ts";
import type { PositionQuery } from "../../core/location.ts";
import type { ReadOptions, ReadResult, ShardBounds } from "../../core/shard.ts";
import type { PathInfo } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { viewOf } from "../format/checksum.ts";
import { corrupt, ioError } from "../format/corruption.ts";
import { FRAME_HEADER_BYTES, frameHeaderCrc, STATE_BYTES } from "../format/frame.ts";
import { locateKnown } from "../format/locate.ts";
import { outOfRange, truncated } from "../format/log-errors.ts";
import { SEGMENT_HEADER_BYTES, segmentName } from "../format/segment-header.ts";
import { type IndexEntry, SparseIndex } from "../format/sparse-index.ts";
import type { Segment } from "../segments/segment.ts";
import { existingSegment } from "../segments/segment.ts";
import { incompleteWrite, ShardFiles } from "../segments/shard-files.ts";
import { TailWaiters } from "../tail/tail-waiters.ts";
import type { Polled } from "./follow-polling.ts";
import { FreshStretches } from "./fresh-stretches.ts";
import { missing, NewestSegment, type SeenShard } from "./newest-segment.ts";
import type { FollowedStream, ReadStore } from "./read-store.ts";

/** How old the last look may be: for an answer at the tail, and for one from behind it. */
const AT_TAIL_MS = 2;
const BEHIND_MS = 20;
/** Where a segment's first frame ends, which tells the state of its shard. */
const STATE_END_BYTES: number = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + STATE_BYTES;
/** Pause before a segment with a bad header is looked at once more. */
const BLOCKED_MS = 1000;
/** A file that is missing is looked for so often, so long apart, while the stream is still there. */
const GONE_TRIES = 6;
const GONE_PAUSE_MS = 50;

/** A shard that another process may be writing. */
export class ShardFollower implements Polled {
	readonly #store: ReadStore;
	readonly #stream: FollowedStream;
	readonly #shard: number;
	/** Its segment files, as last listed. */
	readonly files: ShardFiles;
	readonly #fresh: FreshStretches;
	readonly #waiters: TailWaiters;
	#waiting = 0;
	/** Its folder has been seen. */
	#touched = false;
	readonly #seen: SeenShard = { head: 0, tail: 0, sealed: false, lastTime: undefined, damage: undefined };
	/** The rest of a write in parts is missing. */
	#cutOff: StreambedError | undefined;
	#active: NewestSegment | undefined;
	/** The newest segment has a bad header: it is looked at again then. */
	#blockedUntil = Number.NEGATIVE_INFINITY;
	#refreshing: Promise<void> | undefined;
	#freshAt = Number.NEGATIVE_INFINITY;

	constructor(store: ReadStore, stream: FollowedStream, shard: number) {
		this.#store = store;
		this.#stream = stream;
		this.#shard = shard;
		this.files = new ShardFiles(store.disk, store.reader, join(stream.path, String(shard)), stream.ids, shard);
		this.#fresh = new FreshStretches(store.reader);
		this.#waiters = new TailWaiters(stream.name, (change) => this.#count(change));
	}

	/** The tail as last seen. */
	get tail(): number {
		return this.#seen.tail;
	}

	/** Ingestion time of the last append, as far as it is known. */
	get lastTime(): number | null {
		return this.#seen.lastTime ?? null;
	}

	/** Segment files, as last listed. */
	get segments(): number {
		return this.files.segments.length;
	}

	/** See `EngineShard.bounds`. */
	async bounds(): Promise<ShardBounds> {
		await this.#refresh(AT_TAIL_MS);
		const { head, tail, sealed, damage } = this.#seen;
		return damage === undefined ? { head, tail, sealed } : { head, tail, sealed, damaged: true };
	}

	/** See `EngineShard.read`. */
	async read(position: number, maxBytes: number, options: ReadOptions = {}): Promise<ReadResult> {
		const { signal, borders = false } = options;
		throwIfAborted(signal, `reading ${this.#stream.name}`);
		await this.#refresh(position < this.#seen.tail ? BEHIND_MS : AT_TAIL_MS);
		for (let attempt = 0; ; attempt++) {
			if (position < this.#seen.head) throw truncated(this.#stream.name, position, this.#seen.head);
			if (position > this.#seen.tail) throw outOfRange(this.#stream.name, position, this.#seen.tail);
			if (position === this.#seen.tail) return this.#atTail();
			try {
				const fresh = await this.#fresh.read(position, maxBytes, borders);
				return fresh ?? (await this.files.read(position, maxBytes, borders));
			} catch (error) {
				throwIfAborted(signal, `reading ${this.#stream.name}`);
				await this.#afterFailure(error, attempt);
			}
		}
	}

	#atTail(): ReadResult {
		const damage = this.#seen.damage ?? this.#cutOff;
		if (damage !== undefined) throw damage;
		return { kind: this.#seen.sealed ? "end" : "nothing", tail: this.#seen.tail };
	}

	/** See `EngineShard.locate`. */
	async locate(query: PositionQuery): Promise<number> {
		await this.#refresh(AT_TAIL_MS);
		const known = locateKnown(this.#stream.name, this.#seen.head, this.#seen.tail, query);
		return known ?? (await this.#locateTime((query as { readonly time: number }).time));
	}

	async #locateTime(time: number): Promise<number> {
		for (let attempt = 0; ; attempt++) {
			try {
				const found = (await this.files.locateTime(time)) ?? this.#seen.tail;
				return Math.min(Math.max(found, this.#seen.head), this.#seen.tail);
			} catch (error) {
				await this.#afterFailure(error, attempt);
			}
		}
	}

	/** See `EngineShard.changed`. */
	changed(position: number, signal?: AbortSignal): Promise<void> {
		if (signal?.aborted) return Promise.reject(abortError(signal, `waiting for ${this.#stream.name}`));
		const changed = this.#waiters.wait(position, signal);
		this.#refresh(AT_TAIL_MS).then(
			() => this.#wake(),
			(error) => this.endWaits(error),
		);
		return changed;
	}

	/** Looks for new data; those who wait hear of it, or of what went wrong. */
	async poll(): Promise<void> {
		await (this.#refreshing ?? this.#alone(() => this.#look("poll"))).catch((error) => this.endWaits(error));
	}

	/** Ends all waits: the stream is gone or the store closed. */
	endWaits(error: unknown): void {
		this.#waiters.end(error);
	}

	#wake(): void {
		const { tail, sealed, damage } = this.#seen;
		this.#waiters.wake(tail, sealed);
		if (damage !== undefined) this.#waiters.end(damage);
	}

	#count(change: number): void {
		this.#waiting += change;
		this.#askToPoll();
	}

	/** Polled while somebody waits; before it has a folder, along with all others that have none. */
	#askToPoll(): void {
		const { polling } = this.#store;
		const { untouched } = this.#stream;
		if (this.#waiting > 0 && !this.#touched) return untouched.add(this.#shard, this);
		untouched.remove(this.#shard);
		if (this.#waiting > 0) polling.add(this);
		else polling.remove(this);
	}

	/** A file is missing or bad: looks whether the stream still stands there and which files it has now, then returns. */
	async #afterFailure(error: unknown, attempt: number): Promise<void> {
		const gone = isGone(error);
		if (!gone && !StreambedError.is(error, "STREAMBED_CORRUPT")) throw ioError(error, `reading ${this.#stream.name}`);
		await this.#store.assertThere(this.#stream);
		const told = gone ? (error as { path?: unknown }).path : (error as StreambedError).details.path;
		const path = typeof told === "string" ? told : undefined;
		if (!gone && attempt > 0) throw error;
		if (attempt >= GONE_TRIES)
			throw corrupt({ path: path ?? this.files.folder, offset: 0, what: "the file is missing" });
		if (attempt > 0) await this.#store.pause(GONE_PAUSE_MS);
		if (path !== undefined) {
			this.#store.reader.blocks.forget(`${path}:`);
			await this.#store.files.forget(path);
		}
		await this.#alone(() => this.#look("anew"));
	}

	// Looking for new data

	/** Looks, unless that was done within the last `maxAgeMs`; joins a look that is under way. */
	async #refresh(maxAgeMs: number): Promise<void> {
		if (this.#stream.gone !== undefined) throw this.#stream.gone;
		this.#store.assertOpen();
		if (this.#store.clock.monotonic() - this.#freshAt < maxAgeMs) return;
		await (this.#refreshing ?? this.#alone(() => this.#look()));
	}

	#alone(work: () => Promise<void>): Promise<void> {
		const before = this.#refreshing ?? Promise.resolve();
		const mine = this.#store.run(async () => {
			await before.catch(() => {});
			const started = this.#store.clock.monotonic();
			try {
				await work();
			} catch (error) {
				throw ioError(error, `reading ${this.#stream.name}`);
			}
			this.#freshAt = started;
			this.#wake();
		});
		const ended = (): void => {
			if (this.#refreshing === mine) this.#refreshing = undefined;
		};
		this.#refreshing = mine;
		mine.then(ended, ended);
		return mine;
	}

	/** A poll of an idle shard does not look for the next segment each time; `anew` lists the folder in any case. */
	async #look(how?: "poll" | "anew"): Promise<void> {
		for (let attempt = 0; ; attempt++) {
			try {
				const active = this.#active;
				const known = active !== undefined && how !== "anew" && attempt === 0;
				if (known && !(await this.#isOver(active, how === "poll"))) await active.advance();
				else if (active !== undefined || this.#store.clock.monotonic() >= this.#blockedUntil) await this.#adopt();
				this.#dropBelowHead();
				return;
			} catch (error) {
				// Gone between two steps: the shard was truncated, or the stream deleted.
				if (!isGone(error)) throw error;
				await this.#store.assertThere(this.#stream);
				if (attempt >= GONE_TRIES)
					throw corrupt({ path: this.files.folder, offset: 0, what: "files in it are missing" });
				if (attempt > 0) await this.#store.pause(GONE_PAUSE_MS);
			}
		}
	}

	/** Segments that lie wholly below the head are on their way out, or gone. */
	#dropBelowHead(): void {
		const { segments } = this.files;
		while (segments.length > 1 && (segments[1] as Segment).base <= this.#seen.head) {
			this.#forget((segments.shift() as Segment).path);
		}
	}

	/** Tells whether the active segment is no longer the newest, or no longer there. */
	async #isOver(active: NewestSegment, polled: boolean): Promise<boolean> {
		const { disk } = this.#store;
		const { segment, identity } = active;
		const info = await disk.stat(segment.path);
		if (info?.identity !== identity) return true;
		const due = active.looksFurther(info.size, polled);
		// The next segment begins where this one ends, so its name is known.
		const next = join(this.files.folder, segmentName(this.#seen.tail));
		if (due && this.#seen.tail > segment.base && (await disk.stat(next)) !== undefined) return true;
		if (!active.stuck) return false;
		// Behind a bad end the name of the next segment is not known.
		await this.files.list();
		return (this.files.segments.at(-1)?.base ?? 0) > segment.base;
	}

	/** Lists the shard anew and goes to its newest segment. */
	async #adopt(): Promise<void> {
		if (!this.#touched) {
			const { folders, sealed } = await this.#stream.untouched.look();
			this.#touched = folders.has(this.#shard);
			this.#seen.sealed = sealed && !this.#touched;
			if (!this.#touched) return;
			this.#askToPoll();
		}
		const { disk } = this.#store;
		const before = this.#active?.segment;
		await this.files.list();
		const { segments } = this.files;
		let newest = segments.at(-1);
		let info = newest && (await disk.stat(newest.path));
		// A file that an opening owner is just making again has no header yet, or nothing behind it that tells the state.
		if (newest !== undefined && info !== undefined && info.size < STATE_END_BYTES) {
			segments.pop();
			newest = segments.at(-1);
			info = newest && (await disk.stat(newest.path));
		}
		if (newest !== undefined && (await this.files.leaveOutIncomplete()) > 0) {
			newest = segments.at(-1);
			info = newest && (await disk.stat(newest.path));
			const over = await this.#store.nobodyWrites();
			this.#cutOff = over ? incompleteWrite(join(this.files.folder, segmentName(this.#seen.tail))) : undefined;
			// Before its first segment nothing is known of the shard.
			if (newest === undefined && !over) throw missing(this.files.folder);
		}
		if (newest === undefined) {
			const { sealed } = await this.#store.assertThere(this.#stream);
			if (before !== undefined || this.#seen.tail > 0)
				throw missing(join(this.files.folder, segmentName(before?.base ?? 0)));
			// Said only when every shard that holds something has its files; they may have come since they were listed.
			if (!sealed) return;
			await this.files.list();
			this.#seen.sealed = this.files.segments.length === 0;
			return;
		}
		if (info === undefined) throw missing(newest.path);
		if (before !== undefined && newest.base < before.base) {
			await this.#store.assertThere(this.#stream);
			throw missing(before.path);
		}
		const active = this.#active;
		if (active !== undefined && active.segment === newest && active.identity === info.identity) {
			await active.advance();
			return;
		}
		await this.#store.assertThere(this.#stream);
		// What was the newest is complete now, and other files may stand under the old names: looked at anew when read.
		this.#active = undefined;
		this.#fresh.clear();
		const replaced = (segment: Segment): boolean => segment === before || segment === newest;
		this.files.segments = segments.map((one) => (replaced(one) ? existingSegment(this.files.folder, one.base) : one));
		if (before !== undefined) this.#forget(before.path);
		this.#forget(newest.path);
		await this.#begin(this.files.segments.at(-1) as Segment, info);
	}

	#forget(path: string): void {
		this.#store.reader.blocks.forget(`${path}:`);
		this.#store.files.forget(path).catch(() => {});
	}

	/** Takes state from the newest segment, from its index's last entry on. */
	async #begin(segment: Segment, info: PathInfo): Promise<void> {
		const { reader } = this.#store;
		try {
			await reader.readHeader(segment, this.#stream.ids, this.#shard);
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
			await this.#beginWithout(segment, error);
			return;
		}
		let index = await reader.loadIndex(segment, info.size);
		const entry = index.entries.at(-1);
		if (entry === undefined || !(await this.#holds(segment, entry))) index = new SparseIndex();
		const start = index.entries.at(-1);
		segment.index = index;
		segment.bytes = start?.fileOffset ?? SEGMENT_HEADER_BYTES;
		this.#seen.head = Math.max(this.#seen.head, start?.head ?? 0);
		this.#seen.sealed ||= start?.sealed ?? false;
		const relative = start?.relative ?? 0;
		this.#seen.tail = Math.max(this.#seen.tail, segment.base + relative);
		const walked = { segment, index, identity: info.identity, relative };
		this.#active = new NewestSegment(this.#store, this.#seen, this.#fresh, walked);
		await this.#active.advance();
	}

	/** The newest segment has no good header: the shard reaches at least to its base, more cannot be told. */
	async #beginWithout(segment: Segment, error: StreambedError): Promise<void> {
		const found = await this.files.openTail();
		this.#seen.head = Math.max(this.#seen.head, found.state.head);
		this.#seen.tail = Math.max(this.#seen.tail, segment.base);
		this.#seen.damage = found.damage ?? error;
		this.#blockedUntil = this.#store.clock.monotonic() + BLOCKED_MS;
	}

	async #holds(segment: Segment, entry: IndexEntry): Promise<boolean> {
		const bytes = new Uint8Array(8);
		const got = await this.#store.reader.read(segment.path, bytes, entry.fileOffset);
		return got === bytes.length && frameHeaderCrc(viewOf(bytes), 0) === entry.crc;
	}
}
