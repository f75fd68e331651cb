/** Keeps the process running while somebody waits for data: nothing else might. */
import type { Clock, Timer } from "../../core/clock.ts";

/** As long as a timer can be. */
const LONG_MS: number = 2 ** 30;

/** Counts those who wait. */
export class KeepAlive {
	readonly #clock: Clock;
	#waiting = 0;
	#timer: Timer | undefined;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** So many more wait, or fewer. */
	count(change: number): void {
		this.#waiting += change;
		if (this.#waiting > 0) this.#timer ??= this.#clock.setTimer(LONG_MS, () => {});
		else this.stop();
	}

	/** Keeps nothing running any more. */
	stop(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
	}
}
