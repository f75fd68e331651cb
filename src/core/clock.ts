/** Time as an argument, so that tests can hold, move and step it. */

/** Source of time: `now` is wall clock, `monotonic` never goes back; both in milliseconds. */
export interface Clock {
	/** Milliseconds since 1970, an integer; may step in either direction. */
	now(): number;
	/** Milliseconds since an arbitrary start; never goes back. */
	monotonic(): number;
	/** Calls `fn` once after at least `ms`; a timer with `keepAlive: false` does not keep the process running. */
	setTimer(ms: number, fn: () => void, options?: { readonly keepAlive?: boolean }): Timer;
}

/** A timer that can be called off; cancelling twice is harmless. */
export interface Timer {
	cancel(): void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
	now: () => Date.now(),
	monotonic: () => performance.now(),
	setTimer(ms, fn, options) {
		const timer = setTimeout(fn, ms);
		if (options?.keepAlive === false) timer.unref();
		return { cancel: () => clearTimeout(timer) };
	},
};
