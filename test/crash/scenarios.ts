/** Short lives of a store, step by step, that note in models what they asked for and what they were promised. */
import type { ProducerTriple, Store } from "../../src/index.ts";
import { pass, type Surroundings } from "../unit/log/memory-store.ts";
import { patterned } from "../unit/log/pattern.ts";
import { StreamModel } from "./stream-model.ts";

/** Scope of all streams in these tests. */
export const SCOPE = "crash";

/** A store being used, and what is known of its streams. */
export class Life {
	readonly models: Map<string, StreamModel>;
	#store: Store;
	/** Called whenever something was asked for or promised. */
	onNews: () => void = () => {};

	constructor(store: Store, models: Map<string, StreamModel> = new Map()) {
		this.#store = store;
		this.models = models;
	}

	model(name: string): StreamModel {
		return this.models.get(name) as StreamModel;
	}

	async create(name: string, segmentBytes = 65_536): Promise<void> {
		const model = new StreamModel(name, this.models.size);
		this.models.set(name, model);
		model.createAsked = true;
		this.onNews();
		await this.#store.scope(SCOPE).create(name, { segmentBytes });
		model.created = true;
		this.onNews();
	}

	async append(name: string, bytes: number, producer?: ProducerTriple): Promise<void> {
		const model = this.model(name);
		const stream = this.#store.scope(SCOPE).stream(name);
		await stream.open();
		// From here to the submission nothing comes between: appends take effect in the order of these lines.
		const from = model.next;
		model.submitted(from + bytes);
		this.onNews();
		const { to } = await stream.append(patterned(model.number, from, bytes), { producer });
		if (to !== from + bytes) throw new Error(`an append to ${name} landed at ${to - bytes}, not at ${from}`);
		model.acknowledge(to);
		this.onNews();
	}

	/** Several appends in flight at the same time; fails like the first of them that fails. */
	async appendAll(name: string, sizes: readonly number[]): Promise<void> {
		const outcomes = await Promise.allSettled(sizes.map((bytes) => this.append(name, bytes)));
		for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
	}

	/** A write in parts, perhaps prepared first. Nothing else may be appended to the stream meanwhile. */
	async appendInParts(name: string, sizes: readonly number[], prepared: boolean): Promise<void> {
		const model = this.model(name);
		const write = this.#store.scope(SCOPE).stream(name).writer().multipart();
		let to = model.next;
		for (const bytes of sizes) {
			await write.write(patterned(model.number, to, bytes));
			to += bytes;
		}
		if (prepared) await write.prepare();
		model.submitted(to);
		this.onNews();
		const stored = await write.commit();
		if (stored.to !== to) throw new Error(`a write in parts to ${name} ended at ${stored.to}, not at ${to}`);
		model.acknowledge(to);
		this.onNews();
	}

	async truncate(name: string, at: number): Promise<void> {
		const model = this.model(name);
		model.truncateAsked(at);
		this.onNews();
		await this.#store.scope(SCOPE).stream(name).truncateBefore(at);
		model.truncated(at);
		this.onNews();
	}

	async seal(name: string): Promise<void> {
		const model = this.model(name);
		model.sealAsked = true;
		this.onNews();
		await this.#store.scope(SCOPE).stream(name).seal();
		model.sealed = true;
		this.onNews();
	}

	async delete(name: string): Promise<void> {
		const model = this.model(name);
		model.deleteAsked = true;
		this.onNews();
		await this.#store.scope(SCOPE).delete(name);
		model.deleted = true;
		this.onNews();
	}
}

/** A copy of models that later promises do not change. */
export function copyModels(models: ReadonlyMap<string, StreamModel>): Map<string, StreamModel> {
	return new Map(
		[...models].map(([name, model]) => {
			const copy = Object.assign(new StreamModel(name, model.number), model);
			return [name, Object.assign(copy, { ends: [...model.ends], heads: [...model.heads] })];
		}),
	);
}

/** One thing that a store does. */
export interface Scenario {
	readonly name: string;
	/** What is tried strikes from here on. */
	run(life: Life, store: Store, around: Surroundings): Promise<void>;
}

/** Something of everything, to begin with. */
export async function prepare(life: Life): Promise<void> {
	await life.create("a");
	await life.appendAll("a", [10, 20_000, 40_000, 30_000, 5]);
	await life.create("b");
	await life.appendAll("b", [1000, 60_000, 60_000]);
	await life.truncate("b", 61_000);
	await life.create("c");
	await life.append("c", 7);
}

/** What is tried to the end, operation by operation of the disk. */
export const scenarios: readonly Scenario[] = [
	{ name: "an append", run: (life) => life.append("a", 1234) },
	{
		name: "appends to several streams",
		run: async (life) => {
			await Promise.all([life.append("a", 10), life.append("b", 20), life.append("c", 30)]);
		},
	},
	{ name: "a roll to a new segment", run: (life) => life.appendAll("a", [50_000, 50_000]) },
	{
		name: "a truncation that removes segments",
		run: async (life, _store, { clock }) => {
			await life.truncate("a", 60_000);
			await pass(clock, 400);
		},
	},
	{ name: "a seal", run: (life) => life.seal("c") },
	{
		name: "a creation",
		run: async (life) => {
			await life.create("deep/er/d");
			await life.append("deep/er/d", 100);
		},
	},
	{
		name: "a deletion",
		run: async (life) => {
			await life.delete("b");
			await life.append("a", 10);
		},
	},
	{
		name: "write-behind and a checkpoint",
		run: async (life, _store, { clock }) => {
			await life.append("a", 70_000);
			await life.append("c", 100);
			await pass(clock, 12_000);
			await life.append("c", 100);
		},
	},
	{
		name: "a producer's life, up to a checkpoint",
		run: async (life, store, { clock }) => {
			const producer = await store.scope(SCOPE).stream("a").producer("p");
			await life.append("a", 1000, producer.next());
			await life.append("a", 20, producer.next());
			await pass(clock, 12_000);
			await life.append("a", 3, producer.next());
		},
	},
	{
		name: "a write in parts",
		run: async (life, _store, { clock }) => {
			await life.appendInParts("a", [100, 150_000, 10_000], false);
			await life.append("a", 10);
			await pass(clock, 400);
		},
	},
	{
		name: "a prepared write, committed and truncated",
		run: async (life) => {
			await life.append("c", 10);
			await life.appendInParts("c", [70_000, 66_000], true);
			await life.truncate("c", 70_000);
		},
	},
	{ name: "the next opening", run: async () => {} },
];
