/** The answers to a producer's last appends, by epoch and sequence. */

/** Where an append was stored: units `from` to `to`. Both are NaN where that is no longer known. */
export interface Answer {
	readonly from: number;
	readonly to: number;
}

/** The last append of a producer that is stored. */
export interface LastStored extends Answer {
	readonly epoch: number;
	readonly sequence: number;
}

/** Answers to consecutive sequences of one epoch. */
export interface Run {
	readonly epoch: number;
	first: number;
	count: number;
}

const unknownPlace: Answer = Object.freeze({ from: Number.NaN, to: Number.NaN });
const SMALLEST = 16;

/** A ring of answers that grows up to a bound; behind that the oldest are forgotten. */
export class ProducerWindow {
	/** Oldest first, epochs ascending, none empty. */
	readonly runs: Run[] = [];
	#places = new Float64Array(2 * SMALLEST);
	#begin = 0;
	#count = 0;

	/** Answers that are held. */
	get count(): number {
		return this.#count;
	}

	get last(): LastStored | null {
		const run = this.runs.at(-1);
		if (run === undefined) return null;
		return { epoch: run.epoch, sequence: run.first + run.count - 1, ...this.at(this.#count - 1) };
	}

	/** The answer with this number, counted from the oldest one held. */
	at(index: number): Answer {
		const slot = this.#slot(index);
		return { from: this.#places[slot] as number, to: this.#places[slot + 1] as number };
	}

	/** The answer to an append, without positions if only that it was stored is known; `undefined` if it was not, as far as is known. */
	find(epoch: number, sequence: number): Answer | undefined {
		let end = this.#count;
		for (let number = this.runs.length - 1; number >= 0; number--) {
			const { epoch: ofRun, first, count } = this.runs[number] as Run;
			const begin = end - count;
			if (ofRun === epoch) {
				if (sequence >= first + count) return undefined;
				return sequence < first ? unknownPlace : this.at(begin + sequence - first);
			}
			end = begin;
		}
		return undefined;
	}

	/** Adds the newest answer, and forgets the oldest ones beyond `limit`. */
	add(epoch: number, sequence: number, from: number, to: number, limit: number): void {
		const run = this.runs.at(-1);
		if (run !== undefined && run.epoch === epoch && run.first + run.count === sequence) run.count++;
		else this.runs.push({ epoch, first: sequence, count: 1 });
		while (this.#count >= Math.max(1, limit)) this.#forgetOldest();
		if (2 * this.#count === this.#places.length) this.#grow();
		const slot = this.#slot(this.#count);
		this.#places[slot] = from;
		this.#places[slot + 1] = to;
		this.#count++;
	}

	#forgetOldest(): void {
		const oldest = this.runs[0] as Run;
		oldest.first++;
		oldest.count--;
		if (oldest.count === 0) this.runs.shift();
		this.#begin = (this.#begin + 2) % this.#places.length;
		this.#count--;
	}

	#slot(index: number): number {
		return (this.#begin + 2 * index) % this.#places.length;
	}

	#grow(): void {
		const places = new Float64Array(2 * this.#places.length);
		places.set(this.#places.subarray(this.#begin));
		places.set(this.#places.subarray(0, this.#begin), this.#places.length - this.#begin);
		this.#places = places;
		this.#begin = 0;
	}
}
