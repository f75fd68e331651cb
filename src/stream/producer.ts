/** One life of a producer of a stream: numbers its appends, so that a retry of one is recognized. */

import type { LastStored } from "../core/producer-window.ts";
import { checkTriple, type ProducerTriple, type TakenEpoch } from "../core/producers.ts";

/** Gives each append its number. */
export interface Sequencer {
	/** The triple of the next append. */
	next(): ProducerTriple;
}

/** A producer in the epoch that it has taken. Holds nothing, needs no closing. */
export class Producer implements Sequencer {
	readonly id: string;
	/** Its life: appends of lower epochs are FENCED. */
	readonly epoch: number;
	/**
	 * The last append of its former lives that is stored, with its place; `null` if there is none. All before it are
	 * stored, none after it ever will be: go on with what comes next.
	 */
	readonly last: LastStored | null;
	#sequence = 0;

	/** Made by `stream.producer(id)`. */
	constructor(id: string, { epoch, last }: TakenEpoch) {
		this.id = id;
		this.epoch = epoch;
		this.last = last;
	}

	/**
	 * The triple of its next append, counted from 0. Keep it with the bytes until their append is answered: the same
	 * triple again stores nothing twice. One that is never appended leaves a gap, and what comes behind it is refused.
	 */
	next(): ProducerTriple {
		const { id, epoch } = this;
		return { id, epoch, sequence: this.#sequence++ };
	}
}

/** Counts up from a triple that a user gives. */
class Counter implements Sequencer {
	#next: ProducerTriple;

	constructor(first: ProducerTriple) {
		this.#next = first;
	}

	next(): ProducerTriple {
		const triple = this.#next;
		this.#next = { ...triple, sequence: triple.sequence + 1 };
		return triple;
	}
}

/** Checks the producer of a writer: one that was taken, or the triple of its first append. */
export function checkSequencer(given: unknown, where: string): Sequencer | undefined {
	if (given === undefined || given instanceof Producer) return given;
	return new Counter(checkTriple(given, where));
}
