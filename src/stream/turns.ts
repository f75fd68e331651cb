/** Calls that move one place, one after the other. */

import { Fifo } from "../core/fifo.ts";

/** Lets steps run one at a time, in the order in which they were asked for. */
export class Turns {
	#busy = false;
	readonly #waiting = new Fifo<() => void>();

	/** A step is under way, or about to begin: what would move the place has to take its turn. */
	get busy(): boolean {
		return this.#busy;
	}

	/** Runs a step when it is its turn. */
	async take<T>(step: () => Promise<T>): Promise<T> {
		if (this.#busy) await new Promise<void>((resolve) => this.#waiting.push(resolve));
		this.#busy = true;
		try {
			return await step();
		} finally {
			const next = this.#waiting.shift();
			// Handed on without a gap, so that nobody comes in between.
			if (next === undefined) this.#busy = false;
			else next();
		}
	}
}
