/** Retention in memory: looks at each stream after its appends, and at all of them each second. */
import type { Clock, Timer } from "../../core/clock.ts";
import { ClockWatch } from "../../core/clock-watch.ts";
import type { Retention } from "../../core/stream-config.ts";
import type { RetentionStats } from "../contract.ts";
import type { MemoryShard } from "./memory-shard.ts";

const LOOK_MS = 1000;

/** A stream, as its retention sees it. */
interface Retained {
	readonly config: { readonly retention: Retention };
	readonly confirmedMs: number;
	readonly shards: Iterable<MemoryShard>;
}

/** The retention of a memory store. */
export class MemoryRetention {
	readonly #clock: Clock;
	readonly #watch: ClockWatch;
	readonly #streams: () => Iterable<Retained>;
	#timer: Timer | undefined;
	#freedBytes = 0;

	constructor(clock: Clock, streams: () => Iterable<Retained>) {
		this.#clock = clock;
		this.#watch = new ClockWatch(clock);
		this.#streams = streams;
		this.#arm();
	}

	stats(): RetentionStats {
		return { freedSegments: 0, freedBytes: this.#freedBytes, clockStepped: this.#watch.stepped };
	}

	/** The time of what is appended now. */
	stamp(): number {
		return this.#watch.stamp();
	}

	/** Somebody says that the clock is right as it is now: the moment to note for his stream. */
	confirm(): number {
		this.#watch.look();
		return this.#clock.monotonic();
	}

	/** Drops what may go of one stream. */
	apply({ config: { retention }, confirmedMs, shards }: Retained): void {
		const { ageMs, bytes, maxBytes } = retention;
		if (ageMs === undefined && bytes === undefined && maxBytes === undefined) return;
		const ageNow = ageMs === undefined ? undefined : this.#watch.ageNow(ageMs, confirmedMs);
		for (const shard of shards) this.#freedBytes += shard.retain(retention, ageNow);
	}

	stop(): void {
		this.#timer?.cancel();
	}

	#arm(): void {
		const look = (): void => {
			this.#watch.look();
			for (const stream of this.#streams()) this.apply(stream);
			this.#arm();
		};
		this.#timer = this.#clock.setTimer(LOOK_MS, look, { keepAlive: false });
	}
}
