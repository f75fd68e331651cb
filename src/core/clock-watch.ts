/**
 * Watches the wall clock beside the monotonic one, so that no step of it makes young data look old.
 *
 * `offset` is how far the wall clock is ahead of the monotonic one. Data is stamped with the wall clock; a stamp made
 * while the offset was lower looks too old now by the difference. So ages are counted from the lowest offset that was
 * seen, and where it has risen by more than ten minutes, that is a step: nothing of an age that reaches back
 * before it is old, until the clock goes back, somebody confirms the clock, or the age has passed since. A clock that
 * goes back makes data look younger, which harms nobody.
 */
import type { Clock } from "./clock.ts";

/** A rise of the wall clock against the monotonic one by more than this is a step, in milliseconds. */
const CLOCK_STEP_MS = 10 * 60 * 1000;

/** A step forward, as it is kept for the next opening: the wall clock behind it, and by how much it had risen. */
export interface ClockStep {
	readonly at: number;
	readonly by: number;
}

/** The watch of one store. */
export class ClockWatch {
	readonly #clock: Clock;
	/** The lowest offset seen since the last step. */
	#lowest: number;
	/** When the last step was seen, on the monotonic clock, and the offset before the first one that counts. */
	#step: { readonly seen: number; readonly trusted: number } | undefined;

	/** `kept` is a step that an earlier opening has seen. */
	constructor(clock: Clock, kept?: ClockStep) {
		this.#clock = clock;
		const wall = clock.now();
		const now = clock.monotonic();
		this.#lowest = wall - now;
		if (kept === undefined) return;
		// That it was set back meanwhile can be told only where it is about where it was before the step: else it may be a part of it.
		const risen = Math.min(kept.by, wall - (kept.at - kept.by));
		if (risen <= CLOCK_STEP_MS) return;
		this.#step = { seen: now - Math.max(0, wall - kept.at), trusted: this.#lowest - risen };
	}

	/** A step has been seen, and the clock has not gone back. */
	get stepped(): boolean {
		return this.#step !== undefined;
	}

	/** Looks at both clocks; call it every second or so. Returns what is to be kept, `null` if nothing is any more, `undefined` if nothing changed. */
	look(): ClockStep | null | undefined {
		const wall = this.#clock.now();
		const now = this.#clock.monotonic();
		const offset = wall - now;
		if (offset - this.#lowest > CLOCK_STEP_MS) {
			const trusted = this.#step?.trusted ?? this.#lowest;
			this.#step = { seen: now, trusted };
			this.#lowest = offset;
			return { at: wall, by: offset - trusted };
		}
		this.#lowest = Math.min(this.#lowest, offset);
		if (this.#step === undefined || offset > this.#step.trusted + CLOCK_STEP_MS) return undefined;
		this.#lowest = Math.min(this.#lowest, this.#step.trusted);
		this.#step = undefined;
		return null;
	}

	/** The time that something is stamped with now: no stamp is made of an offset that was not seen. */
	stamp(): number {
		const wall = this.#clock.now();
		this.#lowest = Math.min(this.#lowest, wall - this.#clock.monotonic());
		return wall;
	}

	/**
	 * The time from which an age is counted, or `undefined` while nothing can be said to be so old. `confirmed` is when
	 * somebody said that the clock is right, on the monotonic clock.
	 */
	ageNow(ageMs: number, confirmed: number = Number.NEGATIVE_INFINITY): number | undefined {
		const now = this.#clock.monotonic();
		const offset = this.#clock.now() - now;
		// A step that nobody has looked at yet counts as well, in either direction.
		if (offset - this.#lowest > CLOCK_STEP_MS) return undefined;
		this.#lowest = Math.min(this.#lowest, offset);
		const step = this.#step;
		if (step !== undefined && confirmed < step.seen && now - step.seen <= ageMs) return undefined;
		return now + this.#lowest;
	}
}
