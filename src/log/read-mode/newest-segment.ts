/** The newest segment of a shard that another process may be writing, walked as it grows (docs/commit-protocol.md §6). */
import type { StreambedError } from "../../core/errors.ts";
import type { PathInfo } from "../../disk/disk.ts";
import { viewOf } from "../format/checksum.ts";
import { corrupt } from "../format/corruption.ts";
import { decodeState, FrameType, frameBytes, frameHeaderCrc } from "../format/frame.ts";
import type { SparseIndex } from "../format/sparse-index.ts";
import type { Segment } from "../segments/segment.ts";
import { type BadFrame, type GoodStretch, walkSegment } from "../segments/segment-walk.ts";
import type { FreshStretches } from "./fresh-stretches.ts";
import type { ReadStore } from "./read-store.ts";

/** A complete frame that fails its check in a file unchanged for so long is damage, whoever may be writing. */
const SETTLE_MS = 1000;
/** Pause before a bad end that has not changed is judged once more. */
const STUCK_MS = 100;
/** Idle polls that look for the next segment each time; later only each so manieth does. */
const EAGER_POLLS = 4;

/** What is known of a shard; positions in its unit. */
export interface SeenShard {
	head: number;
	tail: number;
	sealed: boolean;
	/** Ingestion time of the last append, as far as it is known. */
	lastTime: number | undefined;
	/** Where data goes on cannot be told: an answer for everybody who reads at the tail. */
	damage: StreambedError | undefined;
}

/** Where the walk of a segment begins. */
export interface WalkStart {
	/** Walked up to `segment.bytes`. */
	readonly segment: Segment;
	readonly index: SparseIndex;
	readonly identity: string;
	/** Relative position behind the last frame walked. */
	readonly relative: number;
}

/** A bad end that was judged, and when to do so again. */
interface Stuck {
	readonly size: number;
	readonly modifiedMs: number;
	readonly until: number;
}

/** See above; what it finds goes into the shard's `seen` and `fresh`. */
export class NewestSegment {
	readonly segment: Segment;
	readonly identity: string;
	readonly #store: ReadStore;
	readonly #seen: SeenShard;
	readonly #fresh: FreshStretches;
	readonly #index: SparseIndex;
	#relative: number;
	/** Polls in a row that found nothing new. */
	#idlePolls = 0;
	/** The last frame is a control frame that cannot be read: it may have been a seal. */
	#blind: StreambedError | undefined;
	#stuck: Stuck | undefined;

	constructor(store: ReadStore, seen: SeenShard, fresh: FreshStretches, start: WalkStart) {
		this.segment = start.segment;
		this.identity = start.identity;
		this.#store = store;
		this.#seen = seen;
		this.#fresh = fresh;
		this.#index = start.index;
		this.#relative = start.relative;
	}

	/** Its end is bad, so that the name of the next segment cannot be told from it. */
	get stuck(): boolean {
		return this.#stuck !== undefined;
	}

	/** Whether to look for the next segment now that the file has this size; of polls of an idle shard not each one does. */
	looksFurther(size: number, polled: boolean): boolean {
		this.#idlePolls = polled && size === this.segment.bytes ? this.#idlePolls + 1 : 0;
		return this.#idlePolls <= EAGER_POLLS || this.#idlePolls % EAGER_POLLS === 0;
	}

	/** Walks what it has got since the last look. @throws ENOENT */
	async advance(): Promise<void> {
		const { segment } = this;
		const { clock, disk } = this.#store;
		const passed = new Set<number>();
		let seen = Number.NaN;
		let nobodyWrites = false;
		for (;;) {
			const info = await disk.stat(segment.path);
			if (info === undefined) throw missing(segment.path);
			if (this.#isStuck(info)) return;
			const bad = await this.#walk(info.size, passed);
			if (bad === undefined) {
				this.#stuck = undefined;
				this.#seen.damage = this.#blind;
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
			this.#seen.damage = passed.has(bad.at) ? corrupt({ path, offset: bad.at, what }) : undefined;
			return;
		}
	}

	#isStuck({ size, modifiedMs }: PathInfo): boolean {
		const stuck = this.#stuck;
		if (stuck === undefined || stuck.size !== size || stuck.modifiedMs !== modifiedMs) return false;
		return this.#store.clock.monotonic() < stuck.until;
	}

	/** Walks up to the end, or to the first bad frame that may not be passed, which it returns. */
	async #walk(size: number, passed: ReadonlySet<number>): Promise<BadFrame | undefined> {
		const { segment } = this;
		const relative = this.#relative;
		const read = (target: Uint8Array, at: number): Promise<number> => this.#store.reader.read(segment.path, target, at);
		const { stamp } = segment;
		const tag = segment.tag as number;
		for await (const piece of walkSegment({ read, tag, stamp, from: segment.bytes, relative, size })) {
			if (piece.kind === "frames") {
				this.#take(piece);
				continue;
			}
			if (!passed.has(piece.at) || piece.end === undefined) return piece;
			// Positions go on behind it; who reads in it is told what is wrong.
			this.#reached(piece.end, piece.next);
			if (piece.next > piece.relative || piece.followed) continue;
			const what = "the state of the shard cannot be read";
			this.#blind = corrupt({ path: segment.path, offset: piece.at, what });
		}
		return undefined;
	}

	#reached(fileOffset: number, relative: number): void {
		this.segment.bytes = fileOffset;
		this.#relative = relative;
		this.#seen.tail = Math.max(this.#seen.tail, this.segment.base + relative);
	}

	#take(piece: GoodStretch): void {
		const { segment } = this;
		const seen = this.#seen;
		const { bytes, frames } = piece;
		const view = viewOf(bytes);
		for (const { at, header } of frames) {
			const fileOffset = piece.fileOffset + at;
			const crc = frameHeaderCrc(view, at);
			const { relative, time } = header;
			const { head, sealed } = seen;
			this.#index.note({ fileOffset, relative, time, head, sealed, crc }, fileOffset + frameBytes(header));
			if (header.type === FrameType.data) {
				seen.lastTime = time;
				continue;
			}
			const state = decodeState(bytes, at, header);
			if (state === undefined) continue;
			seen.head = Math.max(seen.head, state.head);
			seen.sealed ||= state.sealed;
			if (segment.base + relative > 0) seen.lastTime ??= state.timeFloor;
		}
		this.#reached(piece.end, piece.relative);
		this.#blind = undefined;
		this.#fresh.add(segment, piece);
	}
}

/** A file that has to be there is not, as the operating system would say it: whoever asked looks what has happened. */
export function missing(path: string): Error {
	return Object.assign(new Error(`ENOENT: ${path} is missing`), { code: "ENOENT", path });
}
