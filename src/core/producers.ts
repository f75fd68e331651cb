/**
 * What the producers of one stream have stored, and the decision about each append that names one (docs/commit-protocol.md §8):
 * new, stored before, or refused. Engines share it; how it becomes durable is theirs.
 *
 *     window    answers that are durable
 *     flights   appends on their way, oldest first: they become durable in this order, or are all taken back
 */
import { fail, type StreambedError } from "./errors.ts";
import { describe, rejectUnknown, requireInteger } from "./options.ts";
import { type Answer, type LastStored, ProducerWindow } from "./producer-window.ts";
import type { ShardPlace } from "./shard.ts";

/** Which append this is: of which producer, in which of its lives, the how manyeth in that life, from 0. */
export interface ProducerTriple {
	/** 1 to 200 bytes of UTF-8 without control characters. */
	readonly id: string;
	readonly epoch: number;
	readonly sequence: number;
}

/** What taking an epoch gives. */
export interface TakenEpoch {
	readonly epoch: number;
	/** The last stored append of the epochs before, `null` if there is none. */
	readonly last: LastStored | null;
}

/** Answers kept of one producer, and the appends that it may have in flight. */
export const producerAppendsMax = 4096;
/** Producers of one stream, and answers kept over all of them. */
const producersMax = 10_000;
const answersMax: number = 2 ** 20;
const idBytesMax = 200;

/** Where appends that follow one another begin. */
export type RunPlace = Omit<ShardPlace, "to">;

/** An append that was accepted and is not durable yet. `T` is what the engine waits for it by. */
interface AcceptedAppend<T> extends Answer {
	readonly by: T;
}

/** What becomes of an append: it may be stored, it was or is just being stored, or not. */
export type Verdict<T> =
	| { readonly kind: "new" }
	| { readonly kind: "stored"; readonly answer: Answer }
	| { readonly kind: "accepted"; readonly append: AcceptedAppend<T> }
	| { readonly kind: "refused"; readonly error: StreambedError };

const isNew: Verdict<never> = Object.freeze({ kind: "new" });
/** Appends on their way that follow one another, in sequence and in place. `T` is what the engine waits for them by. */
export interface Flight<T> {
	readonly producer: Producer<T>;
	readonly epoch: number;
	readonly shard: number;
	/** Further places of its only append, in other shards. */
	readonly others: readonly ShardPlace[] | undefined;
	/** Sequence of the first one, and where it begins. */
	readonly sequence: number;
	readonly from: number;
	/** Their lengths stand in this list, from `entry` on. */
	readonly lengths: readonly number[];
	readonly entry: number;
	count: number;
	readonly by: T;
	durable: boolean;
	/** It stands for a further part of an append that another flight is. */
	readonly part?: boolean;
}

/** State of one producer. */
export class Producer<T> {
	readonly id: string;
	/** The same in UTF-8. */
	readonly idBytes: Uint8Array;
	/** Highest epoch taken, or used by an accepted append. */
	epoch = -1;
	/** The same of what is durable. */
	durableEpoch = -1;
	/** Highest epoch that somebody is about to take. */
	reserved = -1;
	readonly window: ProducerWindow = new ProducerWindow();
	/** Appends in flight. */
	inFlight = 0;
	#flights: Flight<T>[] = [];
	/** Epoch of the last append accepted, and the sequence that follows on it. */
	#lastEpoch = -1;
	#next = 0;

	constructor(id: string) {
		this.id = id;
		this.idBytes = new TextEncoder().encode(id);
	}

	/** The newest appends in flight. */
	get lastFlight(): Flight<T> | undefined {
		return this.#flights[this.#flights.length - 1];
	}

	/** The sequence that has to come next in an epoch that is not fenced. */
	expected(epoch: number): number {
		return epoch === this.#lastEpoch ? this.#next : 0;
	}

	/** The accepted append of this number, if it is in flight. */
	find(epoch: number, sequence: number): AcceptedAppend<T> | undefined {
		const holds = (one: Flight<T>): boolean =>
			one.epoch === epoch && one.sequence <= sequence && sequence < one.sequence + one.count;
		const flight = this.inFlight === 0 ? undefined : this.#flights.findLast(holds);
		if (flight === undefined) return undefined;
		let { from } = flight;
		const entry = flight.entry + sequence - flight.sequence;
		for (let index = flight.entry; index < entry; index++) from += flight.lengths[index] as number;
		const { shard, others, by } = flight;
		return { shard, from, to: from + (flight.lengths[entry] as number), others, by };
	}

	/** Accepts an append that begins a flight, which may get more. */
	begin(flight: Flight<T>): void {
		this.#flights.push(flight);
		this.#accepted(flight.epoch, flight.sequence);
	}

	/** Accepts an append that follows on the last flight, in sequence and in place. */
	extend(flight: Flight<T>): void {
		this.#accepted(flight.epoch, flight.sequence + flight.count++);
	}

	#accepted(epoch: number, sequence: number): void {
		this.inFlight++;
		this.#lastEpoch = epoch;
		this.#next = sequence + 1;
		if (epoch > this.epoch) this.epoch = epoch;
	}

	/** A flight is durable. Those of one round are told of in any order; they count from the oldest one on. */
	settle(flight: Flight<T>, limit: number): void {
		flight.durable = true;
		for (let next = this.#flights[0]; next?.durable === true; next = this.#flights[0]) {
			const { epoch, sequence, lengths, entry, count } = next;
			this.#flights.shift();
			this.inFlight -= count;
			this.window.addRun(epoch, sequence, next, lengths, entry, count, limit);
			if (epoch > this.durableEpoch) this.durableEpoch = epoch;
		}
	}

	/**
	 * Adds appends of which a journal or a file tells, unless they are known: they follow one another, in sequence and in
	 * place, and each is so many units long. A further place of the last one that is known is added to it.
	 */
	redo(epoch: number, sequence: number, place: RunPlace, lengths: readonly number[], limit: number): void {
		let { from } = place;
		let index = 0;
		for (; index < lengths.length && this.window.reaches(epoch, sequence + index); index++) {
			const to = from + (lengths[index] as number);
			this.window.join(epoch, sequence + index, { shard: place.shard, from, to });
			from = to;
		}
		if (index === lengths.length) return;
		const count = lengths.length - index;
		this.window.addRun(epoch, sequence + index, { ...place, from }, lengths, index, count, limit);
		this.#lastEpoch = epoch;
		this.#next = sequence + lengths.length;
		if (epoch > this.durableEpoch) this.durableEpoch = epoch;
		if (epoch > this.epoch) this.epoch = epoch;
	}

	takeBack(): void {
		this.#flights = [];
		this.inFlight = 0;
		this.epoch = this.durableEpoch;
		const { last } = this.window;
		this.#lastEpoch = last?.epoch ?? -1;
		this.#next = (last?.sequence ?? -1) + 1;
	}
}

/** The producers of one stream. */
export class Producers<T> {
	readonly #stream: string;
	readonly #known = new Map<string, Producer<T>>();
	/** The one asked for last: mostly the next one as well. */
	#recent: Producer<T> | undefined;

	/** `stream` is its name, for messages. */
	constructor(stream: string) {
		this.#stream = stream;
	}

	get all(): Iterable<Producer<T>> {
		return this.#known.values();
	}

	get size(): number {
		return this.#known.size;
	}

	/** Decides about an append; nothing changes. */
	check(triple: ProducerTriple): Verdict<T> {
		const { id, epoch, sequence } = triple;
		const producer = this.#find(id);
		if (producer === undefined) return this.#verdict(sequence === 0 ? this.#tooMany() : this.#gap(triple, 0));
		const expected = producer.expected(epoch);
		// What follows on the last one is stored nowhere.
		if (epoch !== producer.epoch || sequence !== expected) {
			const append = producer.find(epoch, sequence);
			if (append !== undefined) return { kind: "accepted", append };
			const answer = producer.window.find(epoch, sequence);
			if (answer !== undefined) return { kind: "stored", answer };
			if (epoch < producer.epoch) return this.#verdict(this.#fenced(triple, producer.epoch));
			if (sequence !== expected) return this.#verdict(this.#gap(triple, expected));
		}
		return producer.inFlight < producerAppendsMax ? isNew : this.#verdict(this.#tooManyInFlight(producer));
	}

	#verdict(error: StreambedError | undefined): Verdict<T> {
		return error === undefined ? isNew : { kind: "refused", error };
	}

	/** Notes an append that was found to be new, as a flight of its own. */
	accept({ id, epoch, sequence }: ProducerTriple, { shard, from, to, others }: Answer, by: T): Flight<T> {
		const producer = this.get(id);
		const lengths = [to - from];
		const flight = { producer, epoch, sequence, shard, from, others, lengths, entry: 0, count: 1, by, durable: false };
		producer.begin(flight);
		return flight;
	}

	/** A flight is durable. */
	settle(flight: Flight<T>): void {
		if (flight.part !== true) flight.producer.settle(flight, this.#windowMax);
	}

	/** Whatever is not durable is as if it had never been accepted. */
	takeBack(): void {
		for (const producer of this.#known.values()) {
			producer.takeBack();
			if (producer.durableEpoch < 0 && producer.reserved < 0) this.#known.delete(producer.id);
		}
		this.#recent = undefined;
	}

	/** A number for an epoch to be taken, which nobody else is given. @throws LIMIT_EXCEEDED */
	reserve(id: string): number {
		const error = this.#known.has(id) ? undefined : this.#tooMany();
		if (error !== undefined) throw error;
		const producer = this.get(id);
		producer.reserved = Math.max(0, producer.reserved, producer.epoch) + 1;
		return producer.reserved;
	}

	/** An epoch is durably taken: lower ones are fenced. Tells whether it is the producer's; it is not if a higher or equal one came first. */
	take(id: string, epoch: number): boolean {
		const producer = this.get(id);
		producer.durableEpoch = Math.max(producer.durableEpoch, epoch);
		if (epoch <= producer.epoch) return false;
		producer.epoch = epoch;
		return true;
	}

	/**
	 * Adds appends that follow one another, in sequence and in place, as a journal or a file holds them, unless they are known;
	 * those of one producer in their order. The places of one append follow on one another.
	 */
	redo(id: string, epoch: number, sequence: number, place: RunPlace, lengths: readonly number[]): void {
		this.get(id).redo(epoch, sequence, place, lengths, this.#windowMax);
	}

	/** Where an append has gone, as far as that is known. */
	placesOf({ id, epoch, sequence }: ProducerTriple): readonly ShardPlace[] | undefined {
		const producer = this.#find(id);
		const answer = producer?.find(epoch, sequence) ?? producer?.window.find(epoch, sequence);
		return answer && placesOf(answer);
	}

	/** The state of a producer, if it is known. */
	known(id: string): Producer<T> | undefined {
		return this.#find(id);
	}

	/** The state of a producer, which is made if it is not known. */
	get(id: string): Producer<T> {
		let producer = this.#find(id);
		if (producer === undefined) {
			producer = new Producer(id);
			this.#known.set(id, producer);
			this.#recent = producer;
		}
		return producer;
	}

	#find(id: string): Producer<T> | undefined {
		if (this.#recent?.id !== id) this.#recent = this.#known.get(id);
		return this.#recent;
	}

	get #windowMax(): number {
		return Math.min(producerAppendsMax, Math.floor(answersMax / this.#known.size));
	}

	#fenced({ id, epoch }: ProducerTriple, current: number): StreambedError {
		return fail(
			"FENCED",
			`producer ${describe(id)} of ${this.#stream} is at epoch ${current}: epoch ${epoch} may not append any more`,
			{
				details: { producer: id, epoch: current },
			},
		);
	}

	#gap({ id, epoch, sequence }: ProducerTriple, expected: number): StreambedError {
		return fail(
			"PRODUCER_GAP",
			`producer ${describe(id)} of ${this.#stream}: expected sequence ${expected} of epoch ${epoch}, got ${sequence}`,
			{ details: { producer: id, epoch, expected, got: sequence } },
		);
	}

	#tooMany(): StreambedError | undefined {
		if (this.#known.size < producersMax) return undefined;
		return fail("LIMIT_EXCEEDED", `${this.#stream} has ${producersMax} producers, which is the limit`, {
			hint: "Give a producer the same id each time it starts, not a new one.",
			details: { limit: producersMax },
		});
	}

	#tooManyInFlight({ id, inFlight }: Producer<T>): StreambedError {
		return fail(
			"LIMIT_EXCEEDED",
			`producer ${describe(id)} of ${this.#stream} has ${inFlight} appends in flight, which is the limit`,
			{ hint: "Wait for answers, or use a writer, which does.", details: { limit: producerAppendsMax } },
		);
	}
}

/** All places of an append; `undefined` if they are no longer known. */
export function placesOf(answer: Answer): readonly ShardPlace[] | undefined {
	return Number.isNaN(answer.from) ? undefined : [answer, ...(answer.others ?? [])];
}

/** Checks an id given by a user. */
export function checkProducerId(id: unknown): string {
	if (typeof id !== "string" || !id.isWellFormed() || /\p{Cc}/u.test(id)) {
		throw badId(`a text without control characters, not ${describe(id)}`);
	}
	const bytes = new TextEncoder().encode(id).length;
	if (bytes < 1 || bytes > idBytesMax) throw badId(`1 to ${idBytesMax} bytes of UTF-8, not ${bytes}`);
	return id;
}

function badId(what: string): StreambedError {
	return fail("INVALID_OPTION", `the id of a producer must be ${what}`, { details: { option: "producer" } });
}

/** Checks a triple given by a user. */
export function checkTriple(given: unknown, where: string): ProducerTriple {
	if (typeof given !== "object" || given === null || Array.isArray(given)) {
		throw fail("INVALID_OPTION", `producer must be { id, epoch, sequence }, not ${describe(given)}`, {
			hint: "Take one with `await stream.producer(id)`, and pass what its next() gives.",
			details: { option: "producer" },
		});
	}
	if ("next" in given) {
		throw fail("INVALID_OPTION", `${where} must be the triple of one append, not a producer`, {
			hint: "Pass what its next() gives, and keep that for a retry.",
			details: { option: "producer" },
		});
	}
	rejectUnknown(given, ["id", "epoch", "sequence"], where);
	const { id, epoch, sequence } = given as Partial<ProducerTriple>;
	return {
		id: checkProducerId(id),
		epoch: requireInteger(epoch, "producer.epoch", 0),
		sequence: requireInteger(sequence, "producer.sequence", 0),
	};
}
