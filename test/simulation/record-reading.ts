/** How users read record streams, in the owner's process: one shard, or all of them merged, to the end or following. */
import { parseCut } from "../../src/core/stream-cut.ts";
import { type RecordReader, type RecordReadOptions, type RecordStream, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Surroundings } from "./clients.ts";
import type { RecordModel } from "./record-model.ts";
import { RecordOrder } from "./record-order.ts";

/** Reads once, in some way. */
export async function readSome(
	around: Surroundings,
	random: SeededRandom,
	model: RecordModel,
	stream: RecordStream,
): Promise<void> {
	const shard = random.chance(0.4) ? random.below(model.count) : undefined;
	const reading = new Reading(around, model, stream, random.pick([1, 3, 20, 1000]));
	switch (random.weighted({ head: 5, cut: 3, last: 2, sequence: shard === undefined ? 0 : 4 })) {
		case "head":
			return await reading.toEnd({ shard, from: "head" });
		case "last":
			return await reading.toEnd({ shard, from: { last: random.below(20) } });
		case "sequence": {
			const { head, told } = model.shard(shard as number);
			const sequence = random.between(Math.max(0, head - 3), told + 1);
			return await reading.toEnd({ shard, from: { sequence } });
		}
		case "cut": {
			if (model.cuts.length === 0) return;
			const { text, positions } = random.pick(model.cuts);
			return await reading.toEnd({ shard, fromCut: text }, positions);
		}
	}
}

/** Follows all shards, or one, for a while. */
export async function follow(
	around: Surroundings,
	random: SeededRandom,
	model: RecordModel,
	stream: RecordStream,
): Promise<void> {
	const stop = new AbortController();
	const shard = random.chance(0.2) ? random.below(model.count) : undefined;
	const patience = around.sleep(random.between(1, 200)).then(() => stop.abort());
	try {
		const reading = new Reading(around, model, stream, random.between(1, 40));
		const from = random.pick(["head", "tail", { last: 5 }] as const);
		await reading.run({ shard, from, follow: true, signal: stop.signal });
	} catch (error) {
		if (!StreambedError.is(error, "STREAMBED_ABORTED")) throw error;
	}
	await patience;
}

/** One reader's life. */
class Reading {
	readonly #around: Surroundings;
	readonly #model: RecordModel;
	readonly #stream: RecordStream;
	readonly #order: RecordOrder;
	#left: number;

	constructor(around: Surroundings, model: RecordModel, stream: RecordStream, limit: number) {
		this.#around = around;
		this.#model = model;
		this.#stream = stream;
		this.#left = limit;
		this.#order = new RecordOrder(model, "a reader");
	}

	/** Reads up to the tails, unless it has read enough; all that was there when it began must have come. */
	async toEnd(options: RecordReadOptions, start: readonly number[] = []): Promise<void> {
		const model = this.#model;
		for (const [shard, position] of start.entries()) this.#order.skipTo(shard, position);
		const before = model.answered;
		if (!(await this.run(options)) || model.expires || this.#left <= 0) return;
		for (const [shard, told] of before.entries()) {
			if (options.shard !== undefined && options.shard !== shard) continue;
			const next = this.#order.next.get(shard);
			const { heads } = model.shard(shard);
			if (next === undefined && typeof options.from === "object") continue;
			if ((next ?? 0) < told && ![...heads.keys()].some((head) => head >= told)) {
				model.fail(`a reader ended at ${shard}:${next ?? 0}, and ${told} was there when it began`);
			}
		}
	}

	/** Tells whether it came to an end. */
	async run(options: RecordReadOptions): Promise<boolean> {
		const made = this.#around.tick();
		await using reader = this.#stream.read(options);
		const records = reader[Symbol.asyncIterator]();
		for (; this.#left > 0; this.#left--) {
			const called = this.#around.tick();
			try {
				const { done, value } = await records.next();
				if (done === true) return true;
				this.#order.saw(value);
				this.#model.shard(value.shard).answer(value.sequence + 1);
				this.#checkLocation(reader, options);
				const { history } = this.#model.shard(value.shard);
				history.sawBytes(value.sequence + 1, made, this.#around.tick());
			} catch (error) {
				if (!this.#maySkip(error, called)) throw error;
				if (this.#order.next.size === 0) return false;
			}
		}
		return false;
	}

	/** Records were dropped, or the place was never there. */
	#maySkip(error: unknown, called: number): boolean {
		const model = this.#model;
		if (StreambedError.is(error, "STREAMBED_TRUNCATED")) {
			const { shard, head } = error.details as { shard?: number; head: number };
			// Where a reader begins it names no shard.
			if (shard === undefined) return true;
			model.sawHead(shard, head, called, this.#around.tick());
			this.#order.skipTo(shard, head);
			return true;
		}
		return StreambedError.is(error, "STREAMBED_OUT_OF_RANGE");
	}

	/** What it says of its place is behind what it has given out. */
	#checkLocation(reader: RecordReader, options: RecordReadOptions): void {
		if (options.shard !== undefined || this.#left % 5 !== 0) return;
		const { positions } = parseCut(reader.location, "location");
		for (const [shard, next] of this.#order.next) {
			const at = positions[shard];
			if (at !== next) this.#model.fail(`a reader that is at ${shard}:${next} says that it is at ${at}`);
		}
	}
}
