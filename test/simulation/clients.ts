/** What users of a store do, at random: each operation asks the store, and enters question and answer into the model. */
import { type ByteReader, type ByteStream, type Store, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import { type MultipartHelp, writeInParts } from "./multipart-user.ts";
import { judge, mayBeStored } from "./outcomes.ts";
import { payloadBytesMax, payloadOf } from "./payloads.ts";
import { ProducerUser } from "./producer-user.ts";
import { retentionOf } from "./retention-rules.ts";
import { type Attempt, StreamModel } from "./stream-model.ts";

/** Scope of all streams. */
export const SCOPE = "sim";
/** Names that streams come and go under. */
export const NAMES: readonly string[] = ["a", "b", "deep/er/c", "deep/d"];

/** How large appends are. */
export type Sizes = Readonly<Record<"none" | "tiny" | "small" | "medium" | "large" | "huge", number>>;

/** What clients share: one store in one life of it. */
export interface Surroundings {
	readonly store: Store;
	readonly models: Map<string, StreamModel>;
	readonly handles: Map<StreamModel, ByteStream>;
	readonly random: SeededRandom;
	readonly sizes: Sizes;
	/** Bytes that a stream may hold before it is rather truncated. */
	readonly streamBytes: number;
	/** Names that are just being created or deleted. */
	readonly busy: Set<string>;
	/** The store is being closed: whatever is refused for that is right. */
	closing: boolean;
	/** Something goes wrong with the disk in this life. */
	readonly faulty: boolean;
	/** A moment; each is later than the one before. */
	tick(): number;
	/** A number that no append had before. */
	nextAppend(): number;
	nextLane(): number;
	/** Lets other things happen. */
	pause(steps: number): Promise<void>;
	/** Milliseconds on the clock that never steps; NaN if ages cannot be told. */
	nowMs(): number;
	/** Sets the wall clock, where it is set at all. */
	readonly setClock: (() => Promise<void>) | undefined;
	/** Numbers of appends of which a try in this life may be stored: no refusal of another try says that it is not. */
	readonly inDoubt: Set<number>;
	/** Lets this life end within a few operations of the disk. */
	endSoon(): void;
	/** Milliseconds of simulated time. */
	sleep(ms: number): Promise<void>;
}

const weights = {
	append: 10,
	burst: 5,
	expect: 5,
	writer: 3,
	produce: 6,
	parts: 4,
	read: 6,
	follow: 2,
	info: 4,
	truncate: 3,
	seal: 0.3,
	delete: 0.5,
	create: 3,
	checkpoint: 0.5,
	clock: 1.5,
} as const;

type Operation = Exclude<keyof typeof weights, "create">;

/** One client: one operation after the other. */
export class Client {
	readonly #around: Surroundings;
	readonly #random: SeededRandom;
	/** Lane of appends that go to the store in the order of their calls, by stream. */
	readonly #lanes: Map<StreamModel, number>;
	readonly #producer: ProducerUser;

	constructor(around: Surroundings, lanes: Map<StreamModel, number>) {
		this.#around = around;
		this.#random = around.random.fork();
		this.#lanes = lanes;
		const judge = this.#judge.bind(this);
		this.#producer = new ProducerUser(around, this.#random, () => this.#size(), judge);
	}

	/** Works until the store is closed. */
	async run(): Promise<void> {
		while (!this.#around.closing) {
			await this.#one();
			await this.#around.pause(this.#random.below(this.#random.chance(0.5) ? 4 : 30));
		}
	}

	async #one(): Promise<void> {
		const streams = [...this.#around.handles.keys()].filter((model) => !model.deleteAsked);
		const model = streams.length === 0 ? undefined : this.#random.pick(streams);
		const chosen = this.#random.weighted(weights);
		if (model === undefined || chosen === "create") return await this.#create();
		const stream = this.#around.handles.get(model) as ByteStream;
		const full = model.tail - model.head > this.#around.streamBytes;
		const operation = full && this.#random.chance(0.5) ? "truncate" : chosen;
		await this.#do(operation, model, stream).catch((error: unknown) => this.#judge(error, model, operation));
	}

	#do(operation: Operation, model: StreamModel, stream: ByteStream): Promise<unknown> {
		switch (operation) {
			case "append":
				return this.#append(model, stream, this.#size());
			case "burst":
				return this.#burst(model, stream);
			case "expect":
				return this.#append(model, stream, this.#size(), this.#expectation(model));
			case "writer":
				return this.#writer(model, stream);
			case "produce":
				return this.#producer.run(model, stream);
			case "parts":
				return writeInParts(this.#around, this.#random, { model, stream }, this.#partsHelp(model));
			case "read":
				return this.#read(model, stream);
			case "follow":
				return this.#follow(model, stream);
			case "info":
				return this.#info(model, stream);
			case "truncate":
				return this.#truncate(model, stream);
			case "seal":
				return this.#seal(model, stream);
			case "delete":
				return this.#delete(model);
			case "clock":
				return this.#around.setClock?.() ?? Promise.resolve();
			case "checkpoint":
				return this.#around.store.checkpoint();
		}
	}

	/** See `judge`. */
	#judge(error: unknown, model: StreamModel | undefined, what: string): void {
		judge(this.#around, error, model, what);
	}

	// Appends

	#size(): number {
		switch (this.#random.weighted(this.#around.sizes)) {
			case "none":
				return 0;
			case "tiny":
				return this.#random.between(1, 100);
			case "small":
				return this.#random.between(100, 5000);
			case "medium":
				return this.#random.between(5000, 70_000);
			case "large":
				return this.#random.between(70_000, 700_000);
			case "huge":
				return this.#random.between(700_000, payloadBytesMax);
		}
	}

	#expectation(model: StreamModel): number {
		if (this.#random.chance(0.8)) return model.tail;
		return Math.max(0, model.tail + this.#random.between(-100, 100));
	}

	#attempt(model: StreamModel, bytes: number, lane: number, expect?: number): Attempt {
		const { tick, nextAppend } = this.#around;
		const attempt = { number: nextAppend(), bytes, expect, called: tick(), lane };
		model.handedOver(attempt);
		return attempt;
	}

	async #append(model: StreamModel, stream: ByteStream, bytes: number, expect?: number): Promise<void> {
		const lane = this.#lanes.get(model) ?? this.#around.nextLane();
		this.#lanes.set(model, lane);
		const attempt = this.#attempt(model, bytes, lane, expect);
		const payload = this.#parts(payloadOf(attempt.number, bytes));
		await this.#answer(model, attempt, stream.append(payload, expect === undefined ? {} : { expect }));
	}

	async #answer(
		model: StreamModel,
		attempt: Attempt,
		answer: PromiseLike<{ from: number; to: number; duplicate: boolean }>,
	): Promise<"stored" | "refused" | "unknown"> {
		try {
			const { from, to, duplicate } = await answer;
			if (duplicate) model.fail("an append was taken for a duplicate");
			model.stored(attempt, from, to, this.#around.tick());
			return "stored";
		} catch (error) {
			const answered = this.#around.tick();
			if (StreambedError.is(error, "STREAMBED_SEALED")) {
				if (!model.sealAsked) model.fail("an append was refused as sealed, and nobody asked for that");
				model.history.sawSeal(attempt.called, answered);
			} else if (StreambedError.is(error, "STREAMBED_POSITION_MISMATCH")) {
				const { expected, tail } = error.details as { expected: number; tail: number };
				if (expected !== attempt.expect)
					model.fail(`an append that expected ${attempt.expect} was refused for ${expected}`);
				if (tail === expected) model.fail(`an append was refused for expecting ${expected}, where the tail is`);
				model.sawTail("mismatch", tail, false, attempt.called, answered);
			} else if (!(model.sealForced && StreambedError.is(error, "STREAMBED_TXN_STATE"))) {
				this.#judge(error, model, "append");
				if (mayBeStored(error)) return "unknown";
			}
			model.refused(attempt);
			return "refused";
		}
	}

	#partsHelp(model: StreamModel): MultipartHelp {
		return {
			attempt: (number, bytes, expect) => {
				const attempt = {
					number,
					bytes,
					expect,
					called: this.#around.tick(),
					lane: this.#around.nextLane(),
					parts: true as const,
				};
				model.handedOver(attempt);
				return attempt;
			},
			expectation: () => this.#expectation(model),
			answer: (attempt, answer) => this.#answer(model, attempt, answer),
			judge: (error, what) => this.#judge(error, model, what),
		};
	}

	async #burst(model: StreamModel, stream: ByteStream): Promise<void> {
		const count = this.#random.between(2, 8);
		const appends = Array.from({ length: count }, () => {
			const expect = this.#random.chance(0.1) ? this.#expectation(model) : undefined;
			return this.#append(model, stream, this.#size(), expect);
		});
		await Promise.all(appends);
	}

	#parts(payload: Uint8Array): Uint8Array | Uint8Array[] {
		if (this.#random.chance(0.7)) return payload;
		const cuts = [0, this.#random.below(payload.length + 1), this.#random.below(payload.length + 1), payload.length];
		cuts.sort((a, b) => a - b);
		return [0, 1, 2].map((index) => payload.subarray(cuts[index], cuts[index + 1]));
	}

	async #writer(model: StreamModel, stream: ByteStream): Promise<void> {
		const writer = stream.writer({ maxInFlightBytes: this.#random.pick([1000, 100_000, 4_000_000]) });
		const lane = this.#around.nextLane();
		const answers: Promise<unknown>[] = [];
		for (let left = this.#random.between(1, 10); left > 0; left--) {
			const attempt = this.#attempt(model, Math.max(1, this.#size()), lane);
			const ticket = writer.write(payloadOf(attempt.number, attempt.bytes));
			answers.push(this.#answer(model, attempt, ticket.durable));
			if (this.#random.chance(0.3)) await this.#around.pause(this.#random.below(10));
		}
		// Flush and close repeat what tickets say.
		const told = (error: unknown): void => {
			if (!(model.sealAsked && StreambedError.is(error, "STREAMBED_SEALED"))) this.#judge(error, model, "writer");
		};
		if (this.#random.chance(0.3)) await writer.flush().catch(told);
		await writer.close().catch(told);
		await Promise.all(answers);
	}

	// Reading

	async #read(model: StreamModel, stream: ByteStream): Promise<void> {
		const from = this.#random.between(Math.max(0, model.head - 10), model.tail + 3);
		const called = this.#around.tick();
		await using reader = stream.reader({ from: { offset: from } });
		for (let left = this.#random.between(1, 4); left > 0; left--) {
			if (!(await this.#readOnce(model, reader, from, called))) return;
		}
	}

	async #follow(model: StreamModel, stream: ByteStream): Promise<void> {
		const stop = new AbortController();
		const called = this.#around.tick();
		await using reader = stream.reader({ from: { last: this.#random.below(3000) }, follow: true, signal: stop.signal });
		const patience = this.#around.sleep(this.#random.between(1, 200)).then(() => stop.abort());
		try {
			for (let left = this.#random.between(1, 10); left > 0; left--) {
				if (!(await this.#readOnce(model, reader, Number.NaN, called))) return;
			}
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_ABORTED")) throw error;
		}
		await patience;
	}

	/** One read; tells whether another one makes sense. */
	async #readOnce(model: StreamModel, reader: ByteReader, from: number, made: number): Promise<boolean> {
		const { tick } = this.#around;
		const called = Number.isNaN(reader.offset) || reader.offset === from ? made : tick();
		const at = reader.offset;
		const max = this.#random.pick([1, 700, 65_536, 2_000_000]);
		try {
			const result = await reader.read(max);
			const answered = tick();
			if (result.kind === "data") {
				const { offset, bytes } = result;
				if (!Number.isNaN(at) && offset !== at) model.fail(`a read at ${at} gave bytes from ${offset} on`);
				if (bytes.length === 0 || bytes.length > max) model.fail(`a read of ${max} bytes gave ${bytes.length}`);
				model.sawBytes(offset, bytes, "a read");
				model.history.sawBytes(model.endOf(offset + bytes.length), called, answered);
				return true;
			}
			// A reader may have got to the end with what it had read ahead: the tail was there at some time since it was made.
			model.sawTail("read", reader.offset, result.kind === "end", made, answered);
		} catch (error) {
			if (StreambedError.is(error, "STREAMBED_TRUNCATED")) {
				const { head } = error.details as { head: number };
				if (!Number.isNaN(at) && at >= head) model.fail(`a read at ${at} was refused for the head at ${head}`);
				model.sawHead(head, called, tick());
			} else if (StreambedError.is(error, "STREAMBED_OUT_OF_RANGE")) {
				const { tail } = error.details as { tail: number };
				if (at <= tail) model.fail(`a read at ${at} was refused for the tail at ${tail}`);
				model.sawTail("read beyond", tail, model.sealed, made, tick());
			} else throw error;
		}
		return false;
	}

	async #info(model: StreamModel, stream: ByteStream): Promise<void> {
		const called = this.#around.tick();
		const { shards, sealed, id } = await stream.info();
		const answered = this.#around.tick();
		const { head, tail } = shards[0] as { head: number; tail: number };
		if (model.id !== undefined && id !== model.id) model.fail(`it has the id ${id}, not ${model.id}`);
		model.sawTail("info", tail, sealed, called, answered);
		model.sawHead(head, called, answered);
	}

	// Head, seal, coming and going

	async #truncate(model: StreamModel, stream: ByteStream): Promise<void> {
		const { tick } = this.#around;
		const wild = this.#random.chance(0.05);
		const at = wild ? model.tail + 1000 : this.#random.between(model.head, model.tail);
		const called = tick();
		model.headAsked(at, called);
		try {
			const head = await stream.truncateBefore(at);
			model.headMoved(at, head, called, tick());
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_OUT_OF_RANGE")) throw error;
			const { tail } = error.details as { tail: number };
			if (at <= tail) model.fail(`truncation before ${at} was refused for the tail at ${tail}`);
			model.sawTail("truncation beyond", tail, model.sealed, called, tick());
		}
	}

	async #seal(model: StreamModel, stream: ByteStream): Promise<void> {
		const called = this.#around.tick();
		const force = this.#random.chance(0.5);
		model.sealAskedAt(called);
		model.sealForced ||= force;
		if (force) for (const known of model.prepared.values()) if (known.state !== "decided") known.state = "aborting";
		try {
			const tail = await stream.seal({ force });
			model.wasSealed(tail, called, this.#around.tick());
		} catch (error) {
			const held = StreambedError.is(error, "STREAMBED_TXN_STATE") && model.prepared.size > 0;
			if (force || !held) throw error;
		}
	}

	async #delete(model: StreamModel): Promise<void> {
		const { busy, store, models, handles } = this.#around;
		if (busy.has(model.name)) return;
		busy.add(model.name);
		model.deleteAsked = true;
		await store.scope(SCOPE).delete(model.name, { force: true });
		models.delete(model.name);
		handles.delete(model);
		busy.delete(model.name);
	}

	async #create(): Promise<void> {
		const { busy, store, models, handles } = this.#around;
		const name = this.#random.pick(NAMES);
		const existing = models.get(name);
		// One whose creation or deletion failed may be there or not.
		if (busy.has(name) || (existing !== undefined && !handles.has(existing))) return;
		const segmentBytes = this.#random.pick([65_536, 100_000, 300_000]);
		const retention = retentionOf(this.#random);
		busy.add(name);
		try {
			const rules = retention === undefined ? undefined : { retention, now: () => this.#around.nowMs() };
			if (existing === undefined) models.set(name, new StreamModel(name, rules));
			const model = models.get(name) as StreamModel;
			const stream = await store.scope(SCOPE).create(name, { segmentBytes, retention: retention ?? {} });
			if (existing !== undefined) model.fail("it was made although it was there");
			model.created = true;
			handles.set(model, stream);
			const { id } = await stream.info();
			model.id = id;
		} catch (error) {
			const exists = existing !== undefined && StreambedError.is(error, "STREAMBED_EXISTS");
			if (!exists) this.#judge(error, models.get(name), "creation");
		}
		busy.delete(name);
	}
}
