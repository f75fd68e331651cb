/**
 * A shard as a process sees it that does not own the store: a prefix of what is durable, taken from the segment files
 * while the owner writes them (docs/commit-protocol.md §6).
 *
 * Whatever stands in a segment as a whole and checked frame is durable, since owners write only durable rounds there.
 * What is at the end of the newest file and not (yet) a good frame is "not yet"; it becomes damage when a good frame
 * follows it, when nobody can be writing it, or when it has been complete and bad for a while.
 */
import { join } from "node:path/posix";
import { abortError, throwIfAborted } from "../core/abort.ts";
import { StreambedError } from "../core/errors.ts";
import type { PositionQuery } from "../core/location.ts";
import type { ReadOptions, ReadResult, ShardBounds } from "../core/shard.ts";
import type { PathInfo } from "../disk/disk.ts";
import { viewOf } from "./checksum.ts";
import { corrupt, ioError } from "./corruption.ts";
import type { Polled } from "./follow-polling.ts";
import { decodeState, FRAME_HEADER_BYTES, FrameType, frameBytes, frameHeaderCrc, STATE_BYTES } from "./frame.ts";
import { FreshStretches } from "./fresh-stretches.ts";
import { locateKnown } from "./locate.ts";
import { outOfRange, truncated } from "./log-errors.ts";
import type { FollowedStream, ReadStore } from "./read-store.ts";
import type { Segment } from "./segment.ts";
import { existingSegment } from "./segment.ts";
import { SEGMENT_HEADER_BYTES, segmentName } from "./segment-header.ts";
import { isGone } from "./segment-reader.ts";
import { type BadFrame, type GoodStretch, walkSegment } from "./segment-walk.ts";
import { incompleteWrite, ShardFiles } from "./shard-files.ts";
import { type IndexEntry, SparseIndex } from "./sparse-index.ts";

/** How old the last look may be: for an answer at the tail, and for one from behind it. */
const AT_TAIL_MS = 2;
const BEHIND_MS = 20;
/** A complete frame that fails its check in a file unchanged for so long is damage, whoever may be writing. */
const SETTLE_MS = 1000;
/** Pause before a bad end that has not changed is judged once more. */
const STUCK_MS = 100;
/** Where a segment's first frame ends, which tells the state of its shard. */
const STATE_END_BYTES: number = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + STATE_BYTES;
/** Pause before a segment with a bad header is looked at once more. */
const BLOCKED_MS = 1000;
/** A file that is missing is looked for so often, so long apart, while the stream is still there. */
const GONE_TRIES = 6;
const GONE_PAUSE_MS = 50;

/** Idle polls that look for the next segment each time; later only each so manieth does. */
const EAGER_POLLS = 4;

interface Waiter {
	readonly position: number;
	readonly resolve: () => void;
	readonly reject: (error: unknown) => void;
}

/** The newest segment, as far as it has been walked. */
interface Active {
	readonly segment: Segment;
	readonly index: SparseIndex;
	readonly identity: string;
	/** Relative position behind the last frame walked, at `segment.bytes`. */
	relative: number;
	/** Polls in a row that found nothing new. */
	idlePolls: number;
	/** The last frame is a control frame that cannot be read: it may have been a seal. */
	blind: StreambedError | undefined;
}

/** A bad end of the active segment that was judged, and when to do so again. */
interface Stuck {
	readonly size: number;
	readonly modifiedMs: number;
	readonly until: number;
}

/** A shard that another process may be writing. */
export class ShardFollower implements Polled {
	readonly #store: ReadStore;
	readonly #stream: FollowedStream;
	readonly #shard: number;
	/** Its segment files, as last listed. */
	readonly files: ShardFiles;
	readonly #fresh: FreshStretches;
	readonly #waiters = new Set<Waiter>();
	#head = 0;
	#tail = 0;
	#sealed = false;
	#lastTime: number | undefined;
	/** Where data goes on cannot be told: an answer for everybody who reads at the tail. */
	#damage: StreambedError | undefined;
	/** The rest of a write in parts is missing. */
	#cutOff: StreambedError | undefined;
	#active: Active | undefined;
	#stuck: Stuck | undefined;
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
	}

	/** The tail as last seen. */
	get tail(): number {
		return this.#tail;
	}

	/** Ingestion time of the last append, as far as it is known. */
	get lastTime(): number | null {
		return this.#lastTime ?? null;
	}

	/** Segment files, as last listed. */
	get segments(): number {
		return this.files.segments.length;
	}

	/** See `EngineShard.bounds`. */
	async bounds(): Promise<ShardBounds> {
		await this.#refresh(AT_TAIL_MS);
		const bounds = { head: this.#head, tail: this.#tail, sealed: this.#sealed };
		return this.#damage === undefined ? bounds : { ...bounds, damaged: true };
	}

	/** See `EngineShard.read`. */
	async read(position: number, maxBytes: number, options: ReadOptions = {}): Promise<ReadResult> {
		const { signal, borders = false } = options;
		throwIfAborted(signal, `reading ${this.#stream.name}`);
		await this.#refresh(position < this.#tail ? BEHIND_MS : AT_TAIL_MS);
		for (let attempt = 0; ; attempt++) {
			if (position < this.#head) throw truncated(this.#stream.name, position, this.#head);
			if (position > this.#tail) throw outOfRange(this.#stream.name, position, this.#tail);
			if (position === this.#tail) return this.#atTail();
			try {
				const runs = await this.#fresh.read(position, maxBytes, borders);
				return runs === undefined ? await this.files.read(position, maxBytes, borders) : { kind: "data", runs };
			} catch (error) {
				throwIfAborted(signal, `reading ${this.#stream.name}`);
				await this.#afterFailure(error, attempt);
			}
		}
	}

	#atTail(): ReadResult {
		const damage = this.#damage ?? this.#cutOff;
		if (damage !== undefined) throw damage;
		return { kind: this.#sealed ? "end" : "nothing", tail: this.#tail };
	}

	/** See `EngineShard.locate`. */
	async locate(query: PositionQuery): Promise<number> {
		await this.#refresh(AT_TAIL_MS);
		const known = locateKnown(this.#stream.name, this.#head, this.#tail, query);
		return known ?? (await this.#locateTime((query as { readonly time: number }).time));
	}

	async #locateTime(time: number): Promise<number> {
		for (let attempt = 0; ; attempt++) {
			try {
				const found = (await this.files.locateTime(time)) ?? this.#tail;
				return Math.min(Math.max(found, this.#head), this.#tail);
			} catch (error) {
				await this.#afterFailure(error, attempt);
			}
		}
	}

	/** See `EngineShard.changed`. */
	changed(position: number, signal?: AbortSignal): Promise<void> {
		const what = `waiting for ${this.#stream.name}`;
		return new Promise((resolve, reject) => {
			if (signal?.aborted) return reject(abortError(signal, what));
			const onAbort = (): void => waiter.reject(abortError(signal as AbortSignal, what));
			const end = (then: () => void): void => {
				if (!this.#waiters.delete(waiter)) return;
				if (this.#waiters.size === 0) this.#store.polling.remove(this);
				signal?.removeEventListener("abort", onAbort);
				then();
			};
			const waiter: Waiter = { position, resolve: () => end(resolve), reject: (error) => end(() => reject(error)) };
			this.#waiters.add(waiter);
			signal?.addEventListener("abort", onAbort, { once: true });
			this.#store.polling.add(this);
			this.#refresh(AT_TAIL_MS).then(() => this.#wake(), waiter.reject);
		});
	}

	/** Looks for new data; those who wait hear of it, or of what went wrong. */
	async poll(): Promise<void> {
		await (this.#refreshing ?? this.#alone(() => this.#look("poll"))).catch((error) => this.endWaits(error));
	}

	/** Ends all waits: the stream is gone or the store closed. */
	endWaits(error: unknown): void {
		for (const waiter of this.#waiters) waiter.reject(error);
	}

	#wake(): void {
		for (const waiter of this.#waiters) {
			if (this.#tail > waiter.position || this.#sealed) waiter.resolve();
			else if (this.#damage !== undefined) waiter.reject(this.#damage);
		}
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
				if (known && !(await this.#isOver(active, how === "poll"))) await this.#advance(active);
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
		while (segments.length > 1 && (segments[1] as Segment).base <= this.#head) {
			this.#forget((segments.shift() as Segment).path);
		}
	}

	/** Tells whether the active segment is no longer the newest, or no longer there. */
	async #isOver(active: Active, polled: boolean): Promise<boolean> {
		const { disk } = this.#store;
		const { segment, identity } = active;
		const info = await disk.stat(segment.path);
		if (info?.identity !== identity) return true;
		active.idlePolls = polled && info.size === segment.bytes ? active.idlePolls + 1 : 0;
		const due = active.idlePolls <= EAGER_POLLS || active.idlePolls % EAGER_POLLS === 0;
		// The next segment begins where this one ends, so its name is known.
		const next = join(this.files.folder, segmentName(this.#tail));
		if (due && this.#tail > segment.base && (await disk.stat(next)) !== undefined) return true;
		if (this.#stuck === undefined) return false;
		// Behind a bad end the name of the next segment is not known.
		await this.files.list();
		return (this.files.segments.at(-1)?.base ?? 0) > segment.base;
	}

	/** Lists the shard anew and goes to its newest segment. */
	async #adopt(): Promise<void> {
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
			this.#cutOff = over ? incompleteWrite(join(this.files.folder, segmentName(this.#tail))) : undefined;
			// Before its first segment nothing is known of the shard.
			if (newest === undefined && !over) throw missing(this.files.folder);
		}
		if (newest === undefined) {
			const { sealed } = await this.#store.assertThere(this.#stream);
			if (before !== undefined || this.#tail > 0)
				throw missing(join(this.files.folder, segmentName(before?.base ?? 0)));
			// Said only when every shard that holds something has its files; they may have come since they were listed.
			if (!sealed) return;
			await this.files.list();
			this.#sealed = this.files.segments.length === 0;
			return;
		}
		if (info === undefined) throw missing(newest.path);
		if (before !== undefined && newest.base < before.base) {
			await this.#store.assertThere(this.#stream);
			throw missing(before.path);
		}
		const active = this.#active;
		if (active !== undefined && active.segment === newest && active.identity === info.identity) {
			await this.#advance(active);
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
		this.#stuck = undefined;
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
		this.#head = Math.max(this.#head, start?.head ?? 0);
		this.#sealed ||= start?.sealed ?? false;
		const relative = start?.relative ?? 0;
		this.#tail = Math.max(this.#tail, segment.base + relative);
		this.#active = { segment, index, identity: info.identity, relative, idlePolls: 0, blind: undefined };
		await this.#advance(this.#active);
	}

	/** The newest segment has no good header: the shard reaches at least to its base, more cannot be told. */
	async #beginWithout(segment: Segment, error: StreambedError): Promise<void> {
		const found = await this.files.openTail();
		this.#head = Math.max(this.#head, found.state.head);
		this.#tail = Math.max(this.#tail, segment.base);
		this.#damage = found.damage ?? error;
		this.#blockedUntil = this.#store.clock.monotonic() + BLOCKED_MS;
	}

	async #holds(segment: Segment, entry: IndexEntry): Promise<boolean> {
		const bytes = new Uint8Array(8);
		const got = await this.#store.reader.read(segment.path, bytes, entry.fileOffset);
		return got === bytes.length && frameHeaderCrc(viewOf(bytes), 0) === entry.crc;
	}

	/** Walks what the active segment has got since the last look. */
	async #advance(active: Active): Promise<void> {
		const { segment } = active;
		const { clock, disk } = this.#store;
		const passed = new Set<number>();
		let seen = Number.NaN;
		let nobodyWrites = false;
		for (;;) {
			const info = await disk.stat(segment.path);
			if (info === undefined) throw missing(segment.path);
			if (this.#isStuck(info)) return;
			const bad = await this.#walk(active, info.size, passed);
			if (bad === undefined) {
				this.#stuck = undefined;
				this.#damage = active.blind;
				return;
			}
			if (bad.at !== seen) {
				// Once more: it may have been written between two reads, or by an owner who has closed the store since.
				seen = bad.at;
				nobodyWrites = await this.#store.nobodyWrites();
				continue;
			}
			const settled = bad.what !== "cut" && bad.what !== "blank" && clock.now() - info.modifiedMs > SETTLE_MS;
			if (bad.followed || nobodyWrites || settled) passed.add(bad.at);
			if (passed.has(bad.at) && bad.end !== undefined) continue;
			const { size, modifiedMs } = info;
			this.#stuck = { size, modifiedMs, until: clock.monotonic() + STUCK_MS };
			const { path } = segment;
			const what = "it cannot be told where the shard ends";
			this.#damage = passed.has(bad.at) ? corrupt({ path, offset: bad.at, what }) : undefined;
			return;
		}
	}

	#isStuck({ size, modifiedMs }: PathInfo): boolean {
		const stuck = this.#stuck;
		if (stuck === undefined || stuck.size !== size || stuck.modifiedMs !== modifiedMs) return false;
		return this.#store.clock.monotonic() < stuck.until;
	}

	/** Walks up to the end, or to the first bad frame that may not be passed, which it returns. */
	async #walk(active: Active, size: number, passed: ReadonlySet<number>): Promise<BadFrame | undefined> {
		const { segment, relative } = active;
		const read = (target: Uint8Array, at: number): Promise<number> => this.#store.reader.read(segment.path, target, at);
		const { stamp } = segment;
		const tag = segment.tag as number;
		for await (const piece of walkSegment({ read, tag, stamp, from: segment.bytes, relative, size })) {
			if (piece.kind === "frames") {
				this.#take(active, piece);
				continue;
			}
			if (!passed.has(piece.at) || piece.end === undefined) return piece;
			// Positions go on behind it; who reads in it is told what is wrong.
			this.#reached(active, piece.end, piece.next);
			if (piece.next > piece.relative || piece.followed) continue;
			const what = "the state of the shard cannot be read";
			active.blind = corrupt({ path: segment.path, offset: piece.at, what });
		}
		return undefined;
	}

	#reached(active: Active, fileOffset: number, relative: number): void {
		active.segment.bytes = fileOffset;
		active.relative = relative;
		this.#tail = Math.max(this.#tail, active.segment.base + relative);
	}

	#take(active: Active, piece: GoodStretch): void {
		const { segment, index } = active;
		const { bytes, frames } = piece;
		const view = viewOf(bytes);
		for (const { at, header } of frames) {
			const fileOffset = piece.fileOffset + at;
			const crc = frameHeaderCrc(view, at);
			const { relative, time } = header;
			const [head, sealed] = [this.#head, this.#sealed];
			index.note({ fileOffset, relative, time, head, sealed, crc }, fileOffset + frameBytes(header));
			if (header.type === FrameType.data) {
				this.#lastTime = time;
				continue;
			}
			const state = decodeState(bytes, at, header);
			if (state === undefined) continue;
			this.#head = Math.max(this.#head, state.head);
			this.#sealed ||= state.sealed;
			if (segment.base + relative > 0) this.#lastTime ??= state.timeFloor;
		}
		this.#reached(active, piece.end, piece.relative);
		active.blind = undefined;
		this.#fresh.add(segment, piece);
	}
}

/** A file that has to be there is not, as the operating system would say it: whoever asked looks what has happened. */
function missing(path: string): Error {
	return Object.assign(new Error(`ENOENT: ${path} is missing`), { code: "ENOENT", path });
}
