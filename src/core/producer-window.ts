/** The answers to a producer's last appends that are durable, by epoch and sequence. */

import type { ShardPlace } from "./shard.ts";

/** Where an append was stored: units `from` to `to`. Both are NaN where that is no longer known. */
export interface Answer {
	readonly from: number;
	readonly to: number;
	/** The shard; 0 in a byte stream. */
	readonly shard: number;
	/** Where it was stored beside that, if it went to several shards at once. */
	readonly others?: readonly ShardPlace[] | undefined;
}

/** The last append of a producer that is stored: with its shard in a record stream, and with further ones if it went to several at once. */
export interface LastStored extends Omit<Answer, "shard"> {
	readonly shard?: number;
	readonly epoch: number;
	readonly sequence: number;
}

/** Answers to consecutive sequences of one epoch. */
export interface Run {
	readonly epoch: number;
	first: number;
	count: number;
}

const SMALLEST = 16;

const unknownPlace: Answer = Object.freeze({ from: Number.NaN, to: Number.NaN, shard: Number.NaN });

/** A ring of answers that grows up to a bound; behind that the oldest are forgotten. There is no object for each: thousands come in a millisecond. */
export class ProducerWindow {
	/** Oldest first, epochs ascending, none empty. */
	readonly runs: Run[] = [];
	/** A power of two of them: from and to in turn. */
	#places = new Float64Array(2 * SMALLEST);
	#begin = 0;
	#count = 0;
	/** Shards of answers, by half their slot; there once one is of another than the first. */
	#shards: Int32Array | undefined;
	/** Number of the oldest answer held, counted from the first one ever added. */
	#first = 0;
	/** Further places of answers, by that number. */
	#others: Map<number, readonly ShardPlace[]> | undefined;

	/** Answers that are held. */
	get count(): number {
		return this.#count;
	}

	/** Places that are held: more than answers where appends went to several shards. */
	get places(): number {
		let places = this.#count;
		for (const others of this.#others?.values() ?? []) places += others.length;
		return places;
	}

	/** Tells whether any answer may be of another shard than the first, or of several. */
	get isWide(): boolean {
		return this.#shards !== undefined || this.#others !== undefined;
	}

	get last(): (LastStored & Answer) | null {
		const run = this.runs.at(-1);
		if (run === undefined) return null;
		return { epoch: run.epoch, sequence: run.first + run.count - 1, ...this.at(this.#count - 1) };
	}

	/** Tells whether the last answer is to this append, or to one after it. */
	reaches(epoch: number, sequence: number): boolean {
		const run = this.runs[this.runs.length - 1];
		if (run === undefined) return false;
		return epoch < run.epoch || (epoch === run.epoch && sequence < run.first + run.count);
	}

	/** The answer with this number, counted from the oldest one held. */
	at(index: number): Answer {
		const slot = this.#slot(index);
		const from = this.#places[slot] as number;
		const to = this.#places[slot + 1] as number;
		const shard = this.#shards === undefined ? 0 : (this.#shards[slot >> 1] as number);
		const others = this.#others?.get(this.#first + index);
		return others === undefined ? { from, to, shard } : { from, to, shard, others };
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

	/** Adds a place to the last answer, if that is to this append and has none in the same shard. */
	join(epoch: number, sequence: number, { shard, from, to }: ShardPlace): void {
		const { last } = this;
		if (last?.epoch !== epoch || last.sequence !== sequence || last.shard === shard) return;
		if (Number.isNaN(last.from) || last.others?.some((other) => other.shard === shard) === true) return;
		this.#addOthers([...(last.others ?? []), { shard, from, to }]);
	}

	#addOthers(others: readonly ShardPlace[]): void {
		this.#others ??= new Map();
		this.#others.set(this.#first + this.#count - 1, others);
	}

	/**
	 * Adds answers to appends that follow one another, in sequence and in place, from `from` on, and forgets the oldest ones
	 * beyond `limit`; their lengths are the `count` numbers from `at` on. One that has further places is alone.
	 */
	addRun(
		epoch: number,
		sequence: number,
		{ from, shard, others }: Omit<Answer, "to">,
		lengths: readonly number[],
		at: number,
		count: number,
		limit: number,
	): void {
		this.#extend(epoch, sequence, count, limit);
		let begin = from;
		for (let index = at; index < at + count; index++) {
			const end = begin + (lengths[index] as number);
			this.#put(begin, end, shard);
			begin = end;
		}
		if (others !== undefined) this.#addOthers(others);
	}

	/** Makes room for answers, of which there may be as many as the bound allows. */
	#extend(epoch: number, sequence: number, count: number, limit: number): void {
		const run = this.runs[this.runs.length - 1];
		if (run !== undefined && run.epoch === epoch && run.first + run.count === sequence) run.count += count;
		else this.runs.push({ epoch, first: sequence, count });
		while (2 * (this.#count + count) > this.#places.length) this.#grow();
		const many = this.#count + count - Math.max(1, limit);
		if (many > 0) this.#forget(many);
	}

	#put(from: number, to: number, shard: number): void {
		const slot = this.#slot(this.#count++);
		this.#places[slot] = from;
		this.#places[slot + 1] = to;
		if (shard !== 0) this.#shards ??= new Int32Array(this.#places.length / 2);
		if (this.#shards !== undefined) this.#shards[slot >> 1] = shard;
	}

	#forget(many: number): void {
		for (let left = many; left > 0; ) {
			const oldest = this.runs[0] as Run;
			const gone = Math.min(left, oldest.count);
			oldest.first += gone;
			oldest.count -= gone;
			left -= gone;
			if (oldest.count === 0) this.runs.shift();
		}
		this.#begin = this.#slot(many);
		this.#count -= many;
		for (let index = 0; this.#others !== undefined && index < many; index++) this.#others.delete(this.#first + index);
		this.#first += many;
	}

	#slot(index: number): number {
		return (this.#begin + 2 * index) & (this.#places.length - 1);
	}

	#grow(): void {
		const places = new Float64Array(2 * this.#places.length);
		places.set(this.#places.subarray(this.#begin));
		places.set(this.#places.subarray(0, this.#begin), this.#places.length - this.#begin);
		if (this.#shards !== undefined) {
			const shards = new Int32Array(places.length / 2);
			shards.set(this.#shards.subarray(this.#begin / 2));
			shards.set(this.#shards.subarray(0, this.#begin / 2), this.#shards.length - this.#begin / 2);
			this.#shards = shards;
		}
		this.#places = places;
		this.#begin = 0;
	}
}
