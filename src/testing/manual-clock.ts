/** A clock that stands still until a test moves it. */
import type { Clock, Timer } from "../core/clock.ts";

interface Pending {
	readonly due: number;
	readonly fn: () => void;
}

/** Time under a test's control: `advance` moves it, `step` sets the wall clock alone. */
export class ManualClock implements Clock {
	#wall: number;
	#monotonic = 0;
	readonly #pending = new Set<Pending>();

	/** Begins at `start`, in milliseconds since 1970. */
	constructor(start: number = Date.UTC(2024, 0, 1)) {
		this.#wall = start;
	}

	now(): number {
		return this.#wall;
	}

	monotonic(): number {
		return this.#monotonic;
	}

	setTimer(ms: number, fn: () => void): Timer {
		const timer: Pending = { due: this.#monotonic + ms, fn };
		this.#pending.add(timer);
		return { cancel: () => void this.#pending.delete(timer) };
	}

	/** Timers that have not fired. */
	get timers(): number {
		return this.#pending.size;
	}

	/** Milliseconds until the next timer fires; `Infinity` without one. */
	get nextTimerMs(): number {
		const next = this.#nextDue(Number.POSITIVE_INFINITY);
		return next === undefined ? Number.POSITIVE_INFINITY : Math.max(0, next.due - this.#monotonic);
	}

	/** Moves both clocks on and fires the timers that come due on the way, in their order. */
	advance(ms: number): void {
		const end = this.#monotonic + ms;
		for (let next = this.#nextDue(end); next !== undefined; next = this.#nextDue(end)) {
			this.#pending.delete(next);
			this.#moveTo(Math.max(next.due, this.#monotonic));
			next.fn();
		}
		this.#moveTo(end);
	}

	/** Sets the wall clock by `ms` forward or backward, as an operator or a time service would. */
	step(ms: number): void {
		this.#wall += ms;
	}

	#moveTo(monotonic: number): void {
		this.#wall += monotonic - this.#monotonic;
		this.#monotonic = monotonic;
	}

	#nextDue(end: number): Pending | undefined {
		let first: Pending | undefined;
		for (const timer of this.#pending) {
			if (timer.due <= end && (first === undefined || timer.due < first.due)) first = timer;
		}
		return first;
	}
}
