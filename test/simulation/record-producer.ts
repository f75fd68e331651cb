/**
 * Somebody who appends records as a producer and wants each call stored once, whatever happens and however many shards
 * there are by the time of the retry: after a crash he gives all that he has no answer to once more, now and then naming
 * another shard, under the same triple or, having taken an epoch, behind what he is told was stored.
 */
import { type RecordAppended, type RecordStream, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Surroundings } from "./clients.ts";
import { judge, mayBeStored } from "./outcomes.ts";
import type { RecordCall, ShardSpan } from "./record-call.ts";
import type { RecordModel } from "./record-model.ts";
import { KEYS, type RecordPlan, recordOf } from "./record-payloads.ts";

const IDS = ["p", "ünï:q"];

/** A call of a producer, which stays the same however often it is tried. */
interface Numbered {
	readonly call: RecordCall;
	readonly epoch: number;
	readonly sequence: number;
}

/** What a producer knows of itself; it outlives the store. */
export interface RecordProducerKnowledge {
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

/** One turn of somebody's work as a producer of a record stream. */
export class RecordProducer {
	readonly #around: Surroundings;
	readonly #random: SeededRandom;
	readonly #size: () => number;

	constructor(around: Surroundings, random: SeededRandom, size: () => number) {
		this.#around = around;
		this.#random = random;
		this.#size = size;
	}

	async run(model: RecordModel, stream: RecordStream): Promise<void> {
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

	#producer(model: RecordModel): RecordProducerKnowledge {
		const owing = IDS.filter((each) => (model.producers.get(each)?.open.length ?? 0) > 0);
		const id = this.#random.pick(owing.length > 0 && this.#random.chance(0.7) ? owing : IDS);
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
	async #retry(model: RecordModel, stream: RecordStream, producer: RecordProducerKnowledge): Promise<void> {
		if (producer.open.length === 0) return;
		if (this.#random.chance(0.3)) await this.#around.pause(this.#random.below(40));
		const fenced = await this.#appendAll(model, stream, producer, producer.open);
		if (fenced) await this.#take(model, stream, producer);
	}

	async #appendNew(model: RecordModel, stream: RecordStream, producer: RecordProducerKnowledge): Promise<void> {
		// Behind something refused there would be a gap.
		if (producer.open.length > 0) return;
		const fresh: Numbered[] = [];
		for (let left = this.#random.between(1, 6); left > 0; left--) {
			const { epoch, lane } = producer;
			const atomic = this.#random.chance(0.5);
			const number = this.#around.nextAppend();
			const call = model.call({ number, plans: this.#plans(model, atomic), atomic, together: true, lane });
			fresh.push({ call, epoch, sequence: producer.next++ });
		}
		producer.open = fresh;
		// What has no answer when a life ends is what retries are for.
		if (this.#random.chance(0.15)) this.#around.endSoon();
		const fenced = await this.#appendAll(model, stream, producer, fresh);
		if (fenced) await this.#take(model, stream, producer);
	}

	/** Records of a call: over several shards if they are to be one, else of one shard, by their key or without one. */
	#plans(model: RecordModel, atomic: boolean): RecordPlan[] {
		const count = this.#random.between(1, 5);
		const key = this.#random.chance(0.7) ? this.#random.pick(KEYS) : null;
		const shard = key === null && this.#random.chance(0.3) ? this.#random.below(model.count) : undefined;
		return Array.from({ length: count }, () => {
			const bytes = Math.floor(this.#size() / count);
			if (!atomic) return { key, shard, bytes };
			return { key: this.#random.chance(0.8) ? this.#random.pick(KEYS) : null, shard: undefined, bytes };
		});
	}

	/** Hands all of them over without waiting, some twice; tells whether the epoch has been fenced. What was refused stays open. */
	async #appendAll(
		model: RecordModel,
		stream: RecordStream,
		producer: RecordProducerKnowledge,
		attempts: readonly Numbered[],
	): Promise<boolean> {
		const refused: { readonly sequence: number; readonly gap: boolean }[] = [];
		let fenced = false;
		let unknown = false;
		const waits = attempts.map(async (attempt) => {
			const { call, sequence } = attempt;
			const called = this.#around.tick();
			const first = this.#append(model, stream, producer, attempt, called);
			const again = this.#random.chance(0.2) ? this.#append(model, stream, producer, attempt, called) : undefined;
			const second = again?.then(
				(results) => this.#stored(model, call, results),
				() => {},
			);
			try {
				this.#stored(model, call, await first);
				producer.known = true;
				producer.open = producer.open.filter((open) => open.call !== call);
			} catch (error) {
				call.inDoubt ||= mayBeStored(error);
				// Or a former life has stored it, and this retry was refused for another reason.
				unknown ||= call.inDoubt || call.isPlaced;
				refused.push({ sequence, gap: StreambedError.is(error, "STREAMBED_PRODUCER_GAP") });
				if (this.#refused(model, producer, call, error, called)) fenced = true;
			}
			await second;
		});
		await Promise.all(waits);
		refused.sort((a, b) => a.sequence - b.sequence);
		if (refused[0]?.gap === true)
			model.fail(`append ${refused[0].sequence} was refused as a gap, and all before are stored`);
		// What may be stored keeps its numbers until a retry has told.
		if (producer.open.length > 0 && !fenced && !unknown) this.#drop(producer);
		return fenced;
	}

	#append(
		model: RecordModel,
		stream: RecordStream,
		{ id }: RecordProducerKnowledge,
		{ call, epoch, sequence }: Numbered,
		called: number,
	): Promise<RecordAppended[]> {
		// The triple decides, wherever the try wants to go.
		const named = call.plans.every(({ shard }) => shard === undefined) && this.#random.chance(0.1);
		const shard = named ? this.#random.below(model.count) : undefined;
		model.handedOver(call, called, shard);
		const records = call.plans.map((plan, index) => recordOf(call.number, index, plan));
		return stream.append(records, { producer: { id, epoch, sequence }, atomic: call.atomic, shard });
	}

	/** Nothing of what was refused happened: its numbers are free for something else. */
	#drop(producer: RecordProducerKnowledge): void {
		producer.next = Math.min(...producer.open.map(({ sequence }) => sequence));
		producer.open = [];
	}

	#stored(model: RecordModel, call: RecordCall, results: readonly RecordAppended[]): void {
		const duplicates = results.filter(({ duplicate }) => duplicate).length;
		if (duplicates > 0 && duplicates < results.length) model.fail(`half of call ${call.number} is called a duplicate`);
		model.stored(call, results, this.#around.tick());
	}

	/** Tells whether the producer was fenced; what no producer may be told is a failure. */
	#refused(
		model: RecordModel,
		producer: RecordProducerKnowledge,
		call: RecordCall,
		error: unknown,
		called: number,
	): boolean {
		const answered = this.#around.tick();
		if (!call.inDoubt && call.state !== "stored") model.refused(call);
		if (StreambedError.is(error, "STREAMBED_FENCED")) {
			if (!producer.taking) model.fail("an append was fenced, and nobody has taken an epoch");
			return true;
		}
		if (StreambedError.is(error, "STREAMBED_PRODUCER_GAP")) return false;
		if (StreambedError.is(error, "STREAMBED_SEALED")) {
			if (!model.sealAsked) model.fail("an append was refused as sealed, and nobody asked for that");
			if (call.isPlaced) model.fail("a retry of what is stored was refused as sealed");
			const [shard] = call.placedIn(model.count);
			if (shard !== undefined) model.sawSeal(shard, called, answered);
		} else judge(this.#around, error, model, "append of a producer");
		return false;
	}

	/** Takes the next epoch: what was stored before it is told, and the rest is to be done anew. */
	async #take(model: RecordModel, stream: RecordStream, producer: RecordProducerKnowledge): Promise<void> {
		producer.taking = true;
		const { epoch, last } = await stream.producer(producer.id);
		if (epoch <= producer.epoch) model.fail(`epoch ${epoch} was taken after epoch ${producer.epoch}`);
		const left: Numbered[] = [];
		for (const attempt of producer.open) {
			const { call, sequence } = attempt;
			const stored = last !== null && last.epoch === attempt.epoch && sequence <= last.sequence;
			if (!stored && call.isPlaced) model.fail(`call ${call.number} is stored, and not said to be`);
			if (!stored) left.push(attempt);
			else {
				const spans = last.shard === undefined ? [] : [{ ...last, shard: last.shard }, ...(last.others ?? [])];
				model.saidStored(call, sequence === last.sequence ? (spans as ShardSpan[]) : undefined, this.#around.tick());
			}
		}
		const zombie = { id: producer.id, epoch: producer.epoch, sequence: producer.next };
		if (this.#random.chance(0.3)) await this.#haunt(model, stream, zombie);
		producer.epoch = epoch;
		producer.taking = false;
		producer.next = left.length;
		producer.open = left.map(({ call }, sequence) => ({ call, epoch, sequence }));
	}

	/** The former life goes on. */
	async #haunt(
		model: RecordModel,
		stream: RecordStream,
		producer: { id: string; epoch: number; sequence: number },
	): Promise<void> {
		try {
			await stream.append(recordOf(0, 0, { key: null, shard: undefined, bytes: 10 }), { producer });
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_FENCED"))
				judge(this.#around, error, model, "append of a fenced producer");
			return;
		}
		model.fail("an append of a fenced producer was stored");
	}
}
