/** What users of record streams do, at random: each operation asks the store, and enters question and answer into the model. */
import { parseCut } from "../../src/core/stream-cut.ts";
import { type RecordAppended, type RecordStream, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SCOPE, type Sizes, type Surroundings } from "./clients.ts";
import { judge, mayBeStored } from "./outcomes.ts";
import { payloadBytesMax } from "./payloads.ts";
import type { RecordCall, ShardSpan } from "./record-call.ts";
import { RecordModel } from "./record-model.ts";
import { writeRecordInParts } from "./record-parts-user.ts";
import { KEYS, LOOSE_KEYS, type RecordPlan, recordOf } from "./record-payloads.ts";
import { RecordProducer } from "./record-producer.ts";
import { follow, readSome } from "./record-reading.ts";
import { retentionOf } from "./retention-rules.ts";

/** Names that record streams come and go under. */
export const RECORD_NAMES: readonly string[] = ["r", "deep/er/s"];
/** Shards that a stream grows to at the most. */
const SHARDS_MAX = 9;

/** Record streams that are there, or may be, and handles to those of this life. */
export interface RecordStreams {
	readonly models: Map<string, RecordModel>;
	readonly handles: Map<RecordModel, RecordStream>;
}

const weights = {
	append: 8,
	atomic: 8,
	burst: 4,
	expect: 4,
	writer: 4,
	produce: 8,
	parts: 2,
	read: 8,
	follow: 2,
	info: 3,
	cut: 5,
	truncate: 3,
	grow: 3,
	seal: 0.3,
	delete: 0.5,
	create: 3,
	checkpoint: 0.5,
} as const;

type Operation = Exclude<keyof typeof weights, "create">;

/** Shares of sizes where records are the payload: several make up a call. */
const sizeBounds: Readonly<Record<keyof Sizes, readonly [number, number]>> = {
	none: [0, 0],
	tiny: [1, 100],
	small: [100, 5000],
	medium: [5000, 70_000],
	large: [70_000, 700_000],
	huge: [700_000, payloadBytesMax],
};

/** One client of record streams: one operation after the other. */
export class RecordUser {
	readonly #around: Surroundings;
	readonly #streams: RecordStreams;
	readonly #random: SeededRandom;
	/** Lane of appends that go to the store in the order of their calls, by stream. */
	readonly #lanes: Map<RecordModel, number>;
	readonly #producer: RecordProducer;

	constructor(around: Surroundings, streams: RecordStreams, lanes: Map<RecordModel, number>) {
		this.#around = around;
		this.#streams = streams;
		this.#random = around.random.fork();
		this.#lanes = lanes;
		this.#producer = new RecordProducer(around, this.#random, () => this.#size());
	}

	/** Works until the store is closed. */
	async run(): Promise<void> {
		while (!this.#around.closing) {
			await this.#one();
			await this.#around.pause(this.#random.below(this.#random.chance(0.5) ? 4 : 30));
		}
	}

	async #one(): Promise<void> {
		const there = [...this.#streams.handles.keys()].filter((model) => !model.deleteAsked);
		const model = there.length === 0 ? undefined : this.#random.pick(there);
		// Retries are worth most when little has happened since the crash.
		const owed = model !== undefined && [...model.producers.values()].some(({ open }) => open.length > 0);
		const chosen = owed && this.#random.chance(0.5) ? "produce" : this.#random.weighted(weights);
		if (model === undefined || chosen === "create") return await this.#create();
		const stream = this.#streams.handles.get(model) as RecordStream;
		const full = model.volume > this.#around.streamBytes;
		const operation = full && this.#random.chance(0.5) ? "truncate" : chosen;
		await this.#do(operation, model, stream).catch((error: unknown) => judge(this.#around, error, model, operation));
	}

	#do(operation: Operation, model: RecordModel, stream: RecordStream): Promise<unknown> {
		switch (operation) {
			case "append":
				return this.#append(model, stream, this.#plans(model), false);
			case "atomic":
				return this.#append(model, stream, this.#plans(model), true);
			case "burst":
				return this.#burst(model, stream);
			case "expect":
				return this.#expect(model, stream);
			case "writer":
				return this.#writer(model, stream);
			case "produce":
				return this.#producer.run(model, stream);
			case "parts":
				return writeRecordInParts(this.#around, this.#random, model, stream);
			case "read":
				return readSome(this.#around, this.#random, model, stream);
			case "follow":
				return follow(this.#around, this.#random, model, stream);
			case "info":
				return this.#info(model, stream);
			case "cut":
				return this.#cut(model, stream);
			case "truncate":
				return this.#truncate(model, stream);
			case "grow":
				return this.#grow(model, stream);
			case "seal":
				return this.#seal(model, stream);
			case "delete":
				return this.#delete(model);
			case "checkpoint":
				return this.#around.store.checkpoint();
		}
	}

	// Appends

	#size(): number {
		const [min, max] = sizeBounds[this.#random.weighted(this.#around.sizes)];
		return this.#random.between(min, max);
	}

	#plans(model: RecordModel): RecordPlan[] {
		const count = this.#random.chance(0.3) ? 1 : this.#random.between(2, 7);
		return Array.from({ length: count }, () => this.#plan(model, Math.floor(this.#size() / count)));
	}

	#plan(model: RecordModel, bytes: number): RecordPlan {
		switch (this.#random.weighted({ key: 6, turn: 2, shard: 1 })) {
			case "key":
				return { key: this.#random.pick(KEYS), shard: undefined, bytes };
			case "turn":
				return { key: null, shard: undefined, bytes };
			case "shard":
				return { key: this.#random.pick([null, ...LOOSE_KEYS]), shard: this.#random.below(model.count), bytes };
		}
	}

	#lane(model: RecordModel): number {
		const lane = this.#lanes.get(model) ?? this.#around.nextLane();
		this.#lanes.set(model, lane);
		return lane;
	}

	#call(
		model: RecordModel,
		plans: readonly RecordPlan[],
		given: { atomic: boolean; lane: number; expect?: ReadonlyMap<number, number> },
	): RecordCall {
		const call = model.call({ ...given, plans, number: this.#around.nextAppend(), together: false });
		model.handedOver(call, this.#around.tick());
		return call;
	}

	async #append(
		model: RecordModel,
		stream: RecordStream,
		plans: readonly RecordPlan[],
		atomic: boolean,
		expect?: ReadonlyMap<number, number>,
	): Promise<void> {
		const call = this.#call(model, plans, { atomic, lane: this.#lane(model), ...(expect && { expect }) });
		const records = plans.map((plan, index) => recordOf(call.number, index, plan));
		const one = records.length === 1 && !atomic && expect === undefined ? records[0] : undefined;
		const tails = expect && Object.fromEntries(expect);
		const answer = one === undefined ? stream.append(records, { atomic, expect: tails }) : stream.append(one);
		await this.#answer(model, call, answer);
	}

	async #answer(model: RecordModel, call: RecordCall, answer: Promise<readonly RecordAppended[]>): Promise<void> {
		try {
			const results = await answer;
			if (results.some(({ duplicate }) => duplicate)) model.fail("an append was taken for a duplicate");
			model.stored(call, results, this.#around.tick());
		} catch (error) {
			if (this.#refused(model, call, error)) model.refused(call);
		}
	}

	/** Tells whether nothing of it happened. */
	#refused(model: RecordModel, call: RecordCall, error: unknown): boolean {
		const answered = this.#around.tick();
		const shards = call.placedIn(model.count);
		const [only] = shards;
		const single = shards.length === 1 && only !== undefined && call.layouts.size === 1;
		if (StreambedError.is(error, "STREAMBED_SEALED")) {
			if (!model.sealAsked) model.fail("an append was refused as sealed, and nobody asked for that");
			if (single) model.sawSeal(only, call.called, answered);
		} else if (StreambedError.is(error, "STREAMBED_POSITION_MISMATCH")) {
			const { expected, tail } = error.details as { expected: number; tail: number };
			if (![...(call.expect?.values() ?? [])].includes(expected)) model.fail(`an append was refused for ${expected}`);
			if (tail === expected) model.fail(`an append was refused for expecting ${expected}, where the tail is`);
			if (single) model.sawTail("mismatch", only, tail, call.called, answered);
		} else if (!(call.expect !== undefined && call.layouts.size > 1 && isWrongExpect(error))) {
			judge(this.#around, error, model, "append");
			if (mayBeStored(error)) return false;
		}
		// Which of the others have failed as well, and how, cannot be told when more than one thing goes wrong.
		if (!call.atomic && !single && this.#around.faulty) return false;
		const { stored = [] } = (error as StreambedError).details as { stored?: readonly ShardSpan[] };
		if (stored.length === 0) return true;
		if (call.atomic) model.fail(`the atomic call ${call.number} was refused, and ${stored.length} shards have theirs`);
		model.partly(call, stored);
		return false;
	}

	async #burst(model: RecordModel, stream: RecordStream): Promise<void> {
		const count = this.#random.between(2, 8);
		const appends = Array.from({ length: count }, () =>
			this.#append(model, stream, this.#plans(model), this.#random.chance(0.5)),
		);
		await Promise.all(appends);
	}

	/** Conditions on some of the shards that the call goes to. */
	async #expect(model: RecordModel, stream: RecordStream): Promise<void> {
		const plans = this.#plans(model).map(
			(plan): RecordPlan =>
				plan.key === null && plan.shard === undefined ? { ...plan, shard: this.#random.below(model.count) } : plan,
		);
		const atomic = this.#random.chance(0.7);
		const expect = new Map<number, number>();
		const probe = model.call({ number: this.#around.nextAppend(), plans, atomic, together: false, lane: 0 });
		for (const shard of probe.placedIn(model.count)) {
			if (this.#random.chance(0.3)) continue;
			const { told } = model.shard(shard);
			expect.set(shard, this.#random.chance(0.85) ? told : Math.max(0, told + this.#random.between(-2, 2)));
		}
		await this.#append(model, stream, plans, atomic, expect);
	}

	async #writer(model: RecordModel, stream: RecordStream): Promise<void> {
		const writer = stream.writer({
			maxInFlightBytes: this.#random.pick([1000, 100_000, 4_000_000]),
			batchRecords: this.#random.pick([1, 3, 1000]),
			lingerMs: this.#random.pick([0, 0, 5]),
		});
		const lane = this.#around.nextLane();
		const answers: Promise<unknown>[] = [];
		for (let left = this.#random.between(1, 20); left > 0; left--) {
			const plan = this.#plan(model, Math.floor(this.#size() / 3));
			const call = this.#call(model, [plan], { atomic: false, lane });
			const ticket = writer.write(recordOf(call.number, 0, plan));
			answers.push(
				this.#answer(
					model,
					call,
					ticket.durable.then((one) => [one]),
				),
			);
			if (this.#random.chance(0.3)) await this.#around.pause(this.#random.below(10));
		}
		// Flush and close repeat what tickets say.
		const told = (error: unknown): void => {
			if (!(model.sealAsked && StreambedError.is(error, "STREAMBED_SEALED")))
				judge(this.#around, error, model, "writer");
		};
		if (this.#random.chance(0.3)) await writer.flush().catch(told);
		await writer.close().catch(told);
		await Promise.all(answers);
	}

	// Bounds

	async #info(model: RecordModel, stream: RecordStream): Promise<void> {
		const called = this.#around.tick();
		const before = model.count;
		const { shards, sealed, id } = await stream.info();
		const answered = this.#around.tick();
		if (model.id !== undefined && id !== model.id) model.fail(`it has the id ${id}, not ${model.id}`);
		if (shards.length < before) model.fail(`it has ${shards.length} shards, and had ${before}`);
		if (sealed && !model.sealAsked) model.fail("it is sealed, and nobody asked for that");
		for (const { shard, head, tail } of shards) {
			model.sawTail("info", shard, tail, called, answered);
			model.sawHead(shard, head, called, answered);
		}
	}

	async #cut(model: RecordModel, stream: RecordStream): Promise<void> {
		const called = this.#around.tick();
		const before = model.answered;
		const text = await stream.cut();
		const { stream: id, positions } = parseCut(text, "cut");
		if (id !== model.id) model.fail(`a cut is of ${id}, not of ${model.id}`);
		model.cutTaken({ text, positions }, before, called, this.#around.tick());
	}

	async #truncate(model: RecordModel, stream: RecordStream): Promise<void> {
		const cut = model.cuts.length > 0 && this.#random.chance(0.3) ? this.#random.pick(model.cuts) : undefined;
		const called = this.#around.tick();
		if (cut !== undefined) {
			for (const [shard, position] of cut.positions.entries()) model.headAsked(shard, position, called);
			const heads = await stream.truncateBefore({ cut: cut.text });
			const answered = this.#around.tick();
			for (const [shard, head] of heads.entries()) {
				model.headMoved(shard, cut.positions[shard] ?? 0, head, called, answered);
			}
			return;
		}
		const shard = this.#random.below(model.count);
		const { head, told } = model.shard(shard);
		const sequence = this.#random.chance(0.05) ? told + 1000 : this.#random.between(head, told);
		model.headAsked(shard, sequence, called);
		try {
			const heads = await stream.truncateBefore({ before: { sequence }, shard });
			model.headMoved(shard, sequence, heads[shard] as number, called, this.#around.tick());
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_OUT_OF_RANGE")) throw error;
			const { tail } = error.details as { tail: number };
			if (sequence <= tail) model.fail(`truncation before ${shard}:${sequence} was refused for the tail at ${tail}`);
			model.sawTail("truncation beyond", shard, tail, called, this.#around.tick());
		}
	}

	async #grow(model: RecordModel, stream: RecordStream): Promise<void> {
		const { busy } = this.#around;
		const name = `shards of ${model.name}`;
		if (busy.has(name) || model.count >= SHARDS_MAX) return;
		const shards = Math.min(SHARDS_MAX, model.count + this.#random.between(1, 3));
		busy.add(name);
		model.growthAsked(shards);
		try {
			const info = await stream.update({ shards });
			if (info.shards.length !== shards) model.fail(`it grew to ${info.shards.length} shards, not to ${shards}`);
			model.grown(shards);
		} catch (error) {
			if (!(model.sealAsked && StreambedError.is(error, "STREAMBED_SEALED"))) throw error;
		} finally {
			busy.delete(name);
		}
	}

	async #seal(model: RecordModel, stream: RecordStream): Promise<void> {
		const called = this.#around.tick();
		model.sealAsked = true;
		await stream.seal();
		model.wasSealed(called, this.#around.tick());
	}

	// Coming and going

	async #delete(model: RecordModel): Promise<void> {
		const { busy, store } = this.#around;
		if (busy.has(model.name)) return;
		busy.add(model.name);
		model.deleteAsked = true;
		await store.scope(SCOPE).delete(model.name, { force: true });
		this.#streams.models.delete(model.name);
		this.#streams.handles.delete(model);
		busy.delete(model.name);
	}

	async #create(): Promise<void> {
		const { models, handles } = this.#streams;
		const { busy, store } = this.#around;
		const name = this.#random.pick(RECORD_NAMES);
		const existing = models.get(name);
		// One whose creation or deletion failed may be there or not.
		if (busy.has(name) || (existing !== undefined && !handles.has(existing))) return;
		const segmentBytes = this.#random.pick([65_536, 100_000, 300_000]);
		const shards = this.#random.between(1, 4);
		const retention = this.#random.chance(0.4) ? retentionOf(this.#random) : undefined;
		busy.add(name);
		try {
			const rules = retention === undefined ? undefined : { retention, now: () => this.#around.nowMs() };
			if (existing === undefined) models.set(name, new RecordModel(name, shards, rules));
			const model = models.get(name) as RecordModel;
			const options = { kind: "records", shards, segmentBytes, retention: retention ?? {} } as const;
			const stream = await store.scope(SCOPE).create(name, options);
			if (existing !== undefined) model.fail("it was made although it was there");
			model.created = true;
			const { id } = await stream.info();
			model.id = id;
			handles.set(model, stream);
		} catch (error) {
			const exists = existing !== undefined && StreambedError.is(error, "STREAMBED_EXISTS");
			if (!exists) judge(this.#around, error, models.get(name), "creation");
		}
		busy.delete(name);
	}
}

/** Where the stream has grown meanwhile the condition may be about a shard that gets nothing. */
function isWrongExpect(error: unknown): boolean {
	return StreambedError.is(error, "STREAMBED_INVALID_OPTION") && error.details.option === "expect";
}
