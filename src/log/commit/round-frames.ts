/** Which frames a round gets: as many as fit, and whatever must not come later than those. */

import type { RoundPart } from "../journal/round.ts";
import type { FrameTaking } from "../journal/round-part.ts";
import type { ShardLog } from "../shards/shard-log.ts";
import type { StreamLog } from "../shards/stream-log.ts";
import { type MemoryFrame, memoryFrameBytes } from "../tail/tail-memory.ts";
import type { Placement } from "./placement.ts";

/** A round is closed at so many bytes of frames, unless one frame alone is larger, or what hangs together is. */
const ROUND_TARGET_BYTES = 8 * 1024 * 1024;

/** Frames of one shard in a round. */
export interface Taken {
	readonly shard: ShardLog;
	readonly frames: readonly MemoryFrame[];
}

/** A frame with a large payload, not stamped until its round begins. */
export interface Large {
	readonly frame: MemoryFrame;
	readonly part: RoundPart;
}

/** The frames of a round. */
export class RoundFrames implements FrameTaking {
	readonly number: number;
	readonly now: number;
	readonly largeBytes: number;
	readonly parts: RoundPart[] = [];
	readonly large: Large[] = [];
	/** Bytes of appends in it. */
	payload = 0;
	#taken: Taken[] = [];
	#budget = ROUND_TARGET_BYTES;
	/** Frames that name others. */
	#needy: [ShardLog, MemoryFrame][] = [];

	constructor(number: number, now: number, placement: Placement) {
		this.number = number;
		this.now = now;
		this.largeBytes = placement.leastBytes;
	}

	get taken(): readonly Taken[] {
		return this.#taken;
	}

	/** Takes from these shards what fits; those that have nothing left are removed from the set, the others come last in it. */
	take(shards: Set<ShardLog>): void {
		const full: ShardLog[] = [];
		for (const shard of shards) {
			if (this.#budget <= 0) break;
			const before = this.parts.length;
			const frames = shard.takeFrames(this, this.#budget);
			if (frames.length > 0) this.#taken.push({ shard, frames });
			this.#note(shard, frames, before);
			if (shard.memory.waiting) full.push(shard);
			else shards.delete(shard);
		}
		// Others have their turn first next time.
		for (const shard of full) if (shards.delete(shard)) shards.add(shard);
		for (let next = this.#needy.pop(); next !== undefined; next = this.#needy.pop()) this.#takeNeeded(...next, shards);
	}

	#takeNeeded({ owner }: ShardLog, { needs }: MemoryFrame, shards: Set<ShardLog>): void {
		for (const need of needs) {
			if (need.frame.taken) continue;
			const shard = (owner as StreamLog).shards.get(need.shard) as ShardLog;
			const before = this.parts.length;
			const frames = shard.takeFrames(this, 0, need.frame);
			const more = frames.slice(frames.length - (this.parts.length - before));
			this.#taken = [...this.#taken.filter((one) => one.shard !== shard), { shard, frames }];
			this.#note(shard, more, before);
			if (!shard.memory.waiting) shards.delete(shard);
		}
	}

	#note(shard: ShardLog, frames: readonly MemoryFrame[], firstPart: number): void {
		for (let index = 0; index < frames.length; index++) {
			const frame = frames[index] as MemoryFrame;
			this.#budget -= memoryFrameBytes(frame);
			if (frame.state === undefined) this.payload += frame.payloadBytes;
			if (frame.payloadBytes >= this.largeBytes) {
				this.large.push({ frame, part: this.parts[firstPart + index] as RoundPart });
			}
			if (frame.needs.length > 0) this.#needy.push([shard, frame]);
		}
	}
}
