/**
 * Looks after shards that somebody waits for: asks each of them from time to time to look for new data. One timer for
 * all, none while nobody waits.
 */
import type { Clock, Timer } from "../../core/clock.ts";

/** Pause between two looks; longer with many shards, so that looking does not become the whole work. */
const PAUSE_MIN_MS = 20;
const PAUSE_MAX_MS = 100;
const SHARDS_PER_MS = 20;
/** Shards looked at at the same time. */
const LOOKERS = 8;

/** Something that can look for new data; it tells those who wait for it by itself, failures included. */
export interface Polled {
	poll(): Promise<void>;
}

/** The polling of a store. */
export class FollowPolling {
	readonly #clock: Clock;
	readonly #polled = new Set<Polled>();
	#timer: Timer | undefined;
	#running = false;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Somebody waits for it. */
	add(polled: Polled): void {
		this.#polled.add(polled);
		this.#arm();
	}

	/** Nobody waits for it any more. */
	remove(polled: Polled): void {
		this.#polled.delete(polled);
		if (this.#polled.size > 0) return;
		this.#timer?.cancel();
		this.#timer = undefined;
	}

	#arm(): void {
		if (this.#timer !== undefined || this.#running || this.#polled.size === 0) return;
		const pause = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS + this.#polled.size / SHARDS_PER_MS);
		this.#timer = this.#clock.setTimer(pause, () => {
			this.#timer = undefined;
			void this.#run();
		});
	}

	async #run(): Promise<void> {
		this.#running = true;
		const polled = [...this.#polled];
		const looker = async (): Promise<void> => {
			for (let one = polled.pop(); one !== undefined; one = polled.pop()) {
				if (this.#polled.has(one)) await one.poll();
			}
		};
		await Promise.all(Array.from({ length: LOOKERS }, looker));
		this.#running = false;
		this.#arm();
	}
}
