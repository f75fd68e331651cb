/**
 * Somebody who appends as a producer and wants each thing stored once, whatever happens: after a crash he gives everything
 * that he has no answer to once more, under the same triple or, having taken an epoch, behind what he is told was stored.
 */
import { type ByteStream, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Surroundings } from "./clients.ts";
import { mayBeStored } from "./outcomes.ts";
import { payloadOf } from "./payloads.ts";
import type { Attempt, StreamModel } from "./stream-model.ts";

const IDS = ["p", "ünï:q"];

/** An append of a producer, which keeps its number and with that its bytes however often it is tried. */
interface Numbered extends Attempt {
	readonly epoch: number;
	readonly sequence: number;
}

/** What a producer knows of itself; it outlives the store. */
export interface ProducerKnowledge {
	readonly id: string;
	readonly lane: number;
	epoch: number;
	/** Number of its next append in this epoch. */
	next: number;
	/** Appends without an answer, in order. */
	open: Numbered[];
	/** An epoch was asked for and may have been taken without an answer. */
	taking: boolean;
	/** The store has told something of it: until then it may know no epoch of this producer. */
	known: boolean;
	/** Who uses it just now: nobody, if that life is over. */
	user: Surroundings | undefined;
}

interface Answered {
	readonly from: number;
	readonly to: number;
	readonly duplicate: boolean;
}

/** One turn of somebody's work as a producer of a stream. */
export class ProducerUser {
	readonly #around: Surroundings;
	readonly #random: SeededRandom;
	readonly #size: () => number;
	readonly #judge: (error: unknown, model: StreamModel, what: string) => void;

	constructor(
		around: Surroundings,
		random: SeededRandom,
		size: () => number,
		judge: (error: unknown, model: StreamModel, what: string) => void,
	) {
		this.#around = around;
		this.#random = random;
		this.#size = size;
		this.#judge = judge;
	}

	async run(model: StreamModel, stream: ByteStream): Promise<void> {
		// What retention took before the answer was known cannot be told apart from what was never stored.
		if (model.expires) return;
		const producer = this.#producer(model);
		if (producer.user === this.#around) return;
		producer.user = this.#around;
		if (producer.known && this.#random.chance(0.2)) await this.#take(model, stream, producer);
		await this.#retry(model, stream, producer);
		await this.#appendNew(model, stream, producer);
		producer.user = undefined;
	}

	#producer(model: StreamModel): ProducerKnowledge {
		const id = this.#random.pick(IDS);
		let producer = model.producers.get(id);
		if (producer === undefined) {
			const lane = this.#around.nextLane();
			const epoch = this.#random.below(3);
			producer = { id, lane, epoch, next: 0, open: [], taking: false, known: false, user: undefined };
			model.producers.set(id, producer);
		}
		return producer;
	}

	/** Tries again whatever has no answer. */
	async #retry(model: StreamModel, stream: ByteStream, producer: ProducerKnowledge): Promise<void> {
		const { open } = producer;
		const fenced = await this.#appendAll(model, stream, producer, open);
		if (fenced) await this.#take(model, stream, producer);
	}

	async #appendNew(model: StreamModel, stream: ByteStream, producer: ProducerKnowledge): Promise<void> {
		// Behind something refused there would be a gap.
		if (producer.open.length > 0) return;
		const fresh: Numbered[] = [];
		for (let left = this.#random.between(1, 6); left > 0; left--) {
			const bytes = Math.max(1, this.#size());
			const { epoch, lane } = producer;
			const number = this.#around.nextAppend();
			fresh.push({ number, bytes, expect: undefined, called: 0, lane, epoch, sequence: producer.next++ });
		}
		producer.open = fresh;
		const fenced = await this.#appendAll(model, stream, producer, fresh);
		if (fenced) await this.#take(model, stream, producer);
	}

	/** Hands all of them over without waiting, some twice; tells whether the epoch has been fenced. What was refused stays open. */
	async #appendAll(
		model: StreamModel,
		stream: ByteStream,
		producer: ProducerKnowledge,
		attempts: readonly Numbered[],
	): Promise<boolean> {
		await stream.open();
		const refused: { readonly sequence: number; readonly gap: boolean }[] = [];
		let fenced = false;
		let unknown = false;
		const waits = attempts.map(async (known) => {
			const attempt = { ...known, called: this.#around.tick() };
			// What is known to be there must not be found a second time.
			if (model.placeOf(attempt.number) === undefined) model.handedOver(attempt);
			const first = this.#append(stream, producer, attempt);
			const second = this.#random.chance(0.2) ? this.#append(stream, producer, attempt) : undefined;
			// It may be told before the first one is, and is a promise as well.
			second?.then(
				({ to }) => model.toldTail(to),
				() => {},
			);
			try {
				this.#stored(model, attempt, await first);
				producer.known = true;
				producer.open = producer.open.filter(({ number }) => number !== attempt.number);
			} catch (error) {
				if (mayBeStored(error)) this.#around.inDoubt.add(attempt.number);
				// Or a former life has stored it, and this retry was refused for another reason.
				unknown ||= this.#around.inDoubt.has(attempt.number) || model.placeOf(attempt.number) !== undefined;
				refused.push({ ...attempt, gap: StreambedError.is(error, "STREAMBED_PRODUCER_GAP") });
				if (this.#refused(model, producer, attempt, error)) fenced = true;
			}
			await second?.then(
				({ from, to, duplicate }) => {
					const place = model.placeOf(attempt.number);
					const same = place === undefined ? model.isUnknown(from, to) : place.from === from && place.to === to;
					if (!duplicate || !same)
						model.fail(`the second try of an append was answered ${from} to ${to}, ${duplicate}`);
				},
				() => {},
			);
		});
		await Promise.all(waits);
		refused.sort((a, b) => a.sequence - b.sequence);
		if (refused[0]?.gap === true)
			model.fail(`append ${refused[0].sequence} was refused as a gap, and all before are stored`);
		// What may be stored keeps its numbers until a retry has told.
		if (producer.open.length > 0 && !fenced && !unknown) this.#drop(producer);
		return fenced;
	}

	#append(stream: ByteStream, { id }: ProducerKnowledge, attempt: Numbered): Promise<Answered> {
		const { epoch, sequence, number, bytes } = attempt;
		return stream.append(payloadOf(number, bytes), { producer: { id, epoch, sequence } });
	}

	/** Nothing of what was refused happened: its numbers are free for something else. */
	#drop(producer: ProducerKnowledge): void {
		producer.next = Math.min(...producer.open.map(({ sequence }) => sequence));
		producer.open = [];
	}

	#stored(model: StreamModel, attempt: Numbered, { from, to, duplicate }: Answered): void {
		const place = model.placeOf(attempt.number);
		const answered = this.#around.tick();
		if (!duplicate) {
			if (place !== undefined) model.fail(`an append that is stored at ${place.from} was stored again at ${from}`);
			model.stored(attempt, from, to, answered);
			return;
		}
		const right = place === undefined ? model.isUnknown(from, to) : place.from === from && place.to === to;
		if (!right) model.fail(`a retry is called a duplicate of ${from} to ${to}, where its append is not`);
		model.refused(attempt);
		model.history.sawBytes(to, attempt.called, answered);
	}

	/** Tells whether the producer was fenced; what no producer may be told is a failure. */
	#refused(model: StreamModel, producer: ProducerKnowledge, attempt: Numbered, error: unknown): boolean {
		const answered = this.#around.tick();
		if (!this.#around.inDoubt.has(attempt.number)) model.refused(attempt);
		if (StreambedError.is(error, "STREAMBED_FENCED")) {
			if (!producer.taking) model.fail("an append was fenced, and nobody has taken an epoch");
			return true;
		}
		if (StreambedError.is(error, "STREAMBED_PRODUCER_GAP")) return false;
		if (StreambedError.is(error, "STREAMBED_SEALED")) {
			if (!model.sealAsked) model.fail("an append was refused as sealed, and nobody asked for that");
			if (model.placeOf(attempt.number) !== undefined) model.fail("a retry of what is stored was refused as sealed");
			model.history.sawSeal(attempt.called, answered);
		} else this.#judge(error, model, "append of a producer");
		return false;
	}

	/** Takes the next epoch: what was stored before it is told, and the rest is to be done anew. */
	async #take(model: StreamModel, stream: ByteStream, producer: ProducerKnowledge): Promise<void> {
		producer.taking = true;
		const { epoch, last } = await stream.producer(producer.id);
		if (epoch <= producer.epoch) model.fail(`epoch ${epoch} was taken after epoch ${producer.epoch}`);
		const left: Numbered[] = [];
		for (const attempt of producer.open) {
			const { number, bytes } = attempt;
			const stored = last !== null && last.epoch === attempt.epoch && attempt.sequence <= last.sequence;
			const place = model.placeOf(number);
			if (!stored && place !== undefined) model.fail(`what is stored at ${place.from} is not said to be`);
			if (!stored) left.push(attempt);
			else if (attempt.sequence === last.sequence) {
				const right = place === undefined ? model.isUnknown(last.from, last.to) : place.from === last.from;
				if (!right || last.to - last.from !== bytes) model.fail(`the last append is said to be at ${last.from}`);
			}
		}
		const zombie = { id: producer.id, epoch: producer.epoch, sequence: producer.next };
		if (this.#random.chance(0.3)) await this.#haunt(model, stream, zombie);
		producer.epoch = epoch;
		producer.taking = false;
		producer.next = left.length;
		producer.open = left.map((attempt, sequence) => ({ ...attempt, epoch, sequence }));
	}

	/** The former life goes on. */
	async #haunt(
		model: StreamModel,
		stream: ByteStream,
		producer: { id: string; epoch: number; sequence: number },
	): Promise<void> {
		try {
			await stream.append(payloadOf(0, 10), { producer });
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_FENCED")) this.#judge(error, model, "append of a fenced producer");
			return;
		}
		model.fail("an append of a fenced producer was stored");
	}
}
