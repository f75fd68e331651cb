/**
 * When a batch is over: with the next step, after which its memory may be used again. Where steps are asked for without
 * waiting for the one before, it cannot be told when somebody is done with one, and all batches stay what they are.
 */
import type { BatchPlace } from "./record-batch.ts";

/** The batch that was given out last. */
export class BatchLife {
	#given: BatchPlace | undefined;
	#keeps = false;

	/** A step is asked for; `busy` if another one is under way. */
	step(busy: boolean): void {
		this.#keeps ||= busy;
		const given = this.#given;
		this.#given = undefined;
		if (given === undefined || this.#keeps) return;
		given.life.over = true;
		given.release?.();
	}

	/** A batch is given out that is over with the next step. */
	give(place: BatchPlace): void {
		this.#given = place;
	}
}
