/** Ends a wait for data when none has come for a while. */
import type { Clock, Timer } from "../core/clock.ts";

/** A timer that runs only while data is waited for, so that a slow reader of stdout is not mistaken for silence. */
export class IdleTimer {
	readonly #clock: Clock;
	readonly #ms: number | undefined;
	readonly #controller = new AbortController();
	#timer: Timer | undefined;

	/** Without `ms` it never ends anything. */
	constructor(clock: Clock, ms: number | undefined) {
		this.#clock = clock;
		this.#ms = ms;
	}

	/** Aborted once the time has passed. */
	get signal(): AbortSignal {
		return this.#controller.signal;
	}

	/** Waits for `data`, counting from now. */
	async watch<T>(data: Promise<T>): Promise<T> {
		if (this.#ms !== undefined) this.#timer = this.#clock.setTimer(this.#ms, () => this.#controller.abort());
		try {
			return await data;
		} finally {
			this.#timer?.cancel();
		}
	}
}
