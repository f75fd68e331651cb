/** The record streams of a simulated store: compared after each opening, read by a second process, read with bits flipped. */
import { parseCut } from "../../src/core/stream-cut.ts";
import { type RecordReader, type RecordStream, type Store, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SCOPE } from "./clients.ts";
import type { RecordModel } from "./record-model.ts";
import { checkRecords } from "./record-opening.ts";
import { RecordOrder } from "./record-order.ts";
import { RECORD_NAMES } from "./record-user.ts";
import { SimulationFailure } from "./simulation-failure.ts";

/** What a look at all record streams needs of the machine. */
export interface RecordSurroundings {
	readonly store: Store;
	readonly models: Map<string, RecordModel>;
	readonly random: SeededRandom;
	/** The text of a file below `streams/<scope>/`. */
	readFile(path: string): Promise<string>;
	note(line: string): void;
}

/** Compares every record stream with its model and opens a handle to it; counts histories that were checked. */
export async function checkAllRecords(
	around: RecordSurroundings,
): Promise<{ readonly handles: Map<RecordModel, RecordStream>; readonly histories: number }> {
	const { store, models, random } = around;
	const handles = new Map<RecordModel, RecordStream>();
	let histories = 0;
	const listed = new Set((await store.scope(SCOPE).list()).map(({ stream }) => stream));
	for (const name of RECORD_NAMES) {
		const model = models.get(name);
		const stream = store.scope(SCOPE).stream(name, { kind: "records" });
		const there = await isThere(stream);
		if (there !== listed.has(name))
			throw new SimulationFailure(`${name} is ${there ? "there" : "not there"}, and the list says otherwise`);
		if (!there) {
			if (model?.created === true && !model.deleteAsked) model.fail("it is gone");
			models.delete(name);
			continue;
		}
		if (model === undefined) throw new SimulationFailure(`${name} is there, and it was never made or was deleted`);
		histories += await checkRecords(model, stream, {
			descriptor: () => around.readFile(`${name}.stream/stream.json`),
			pick: (cuts) => (cuts.length === 0 || random.chance(0.5) ? [] : [random.pick(cuts)]),
		});
		model.deleteAsked = false;
		handles.set(model, stream);
		around.note(`found ${name} ${model.shards.map(({ head, told }) => `${head}-${told}`).join(" ")} ${model.sealed}`);
	}
	return { handles, histories };
}

async function isThere(stream: RecordStream): Promise<boolean> {
	try {
		await stream.open();
		return true;
	} catch (error) {
		if (StreambedError.is(error, "STREAMBED_NOT_FOUND")) return false;
		throw error;
	}
}

/** Where a second process is in a record stream: each look goes on where the one before ended. */
export interface RecordPlaceBeside {
	readonly stream: RecordStream;
	readonly order: RecordOrder;
	location: string | undefined;
	readonly tails: number[];
}

/** A place at the beginning. */
export function besideRecords(store: Store, model: RecordModel): RecordPlaceBeside {
	const stream = store.scope(SCOPE).stream(model.name, { kind: "records" });
	return { stream, order: new RecordOrder(model, "the second process"), location: undefined, tails: [] };
}

/** A second process looks at a stream: of each shard a prefix that nothing takes back, each key in its order. */
export async function lookAtRecords(
	model: RecordModel,
	place: RecordPlaceBeside,
	promised: readonly number[],
	random: SeededRandom,
): Promise<void> {
	const { id, shards, sealed } = await place.stream.info();
	// Another stream has the name by now.
	if (id !== model.id) return;
	if (sealed && !model.sealAsked) model.fail("the second process sees it sealed, and nobody asked for that");
	for (const { shard, head, tail } of shards) {
		const least = Math.max(promised[shard] ?? 0, place.tails[shard] ?? 0);
		if (tail < least) model.fail(`the second process sees the tail at ${shard}:${tail}, ${least} was promised or seen`);
		place.tails[shard] = tail;
		model.toldTail(shard, tail);
		model.toldHead(shard, head);
	}
	const { location } = place;
	const from = location === undefined ? {} : { fromCut: location };
	await using reader = place.stream.read({ ...from, limit: random.pick([1, 10, 100, 10_000]) });
	for await (const record of reader) place.order.saw(record);
	place.location = reader.location;
}

/** A reader was overtaken by truncation: it begins anew. */
export function mayBeOvertaken(error: unknown, model: RecordModel): boolean {
	if (!StreambedError.is(error, "STREAMBED_TRUNCATED")) return false;
	const { shard, head } = error.details as { shard?: number; head: number };
	if (shard !== undefined) model.toldHead(shard, head);
	return true;
}

/** Reads all that can be read of each record stream. */
export async function readDamagedRecords(store: Store, models: Iterable<RecordModel>): Promise<void> {
	for (const model of models) {
		try {
			await readDamaged(store.scope(SCOPE).stream(model.name, { kind: "records" }), model);
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
		}
	}
}

async function readDamaged(stream: RecordStream, model: RecordModel): Promise<void> {
	await using merged = await stream.read().open();
	const next = [...parseCut(merged.location, "location").positions];
	const stuck = await readOn(merged, model, next);
	if (stuck === undefined) return checkEnds(model, next, new Set());
	// Shards that a growth has added wait for those before them, which may never come to an end: each for itself.
	const damaged = new Set([stuck]);
	for (let shard = 0; shard < model.count; shard++) {
		if (shard === stuck) continue;
		await using one = await stream.read({ shard, from: { sequence: next[shard] as number } }).open();
		if ((await readOn(one, model, next)) !== undefined) damaged.add(shard);
	}
	checkEnds(model, next, damaged);
}

/** Reads on behind whatever cannot be read, up to the end or to a shard that cannot be read any further, which is returned. */
async function readOn(reader: RecordReader, model: RecordModel, next: number[]): Promise<number | undefined> {
	const records = reader[Symbol.asyncIterator]();
	for (;;) {
		try {
			const { done, value } = await records.next();
			if (done === true) return undefined;
			model.saw(value, "a reader after a bit flipped");
			const { shard, sequence } = value;
			if (sequence !== next[shard]) {
				model.fail(`after a bit flipped ${shard}:${sequence} came where ${shard}:${next[shard]} comes next`);
			}
			next[shard] = sequence + 1;
		} catch (error) {
			// Retention may have dropped what is there meanwhile.
			const skipped = StreambedError.is(error, "STREAMBED_CORRUPT") || StreambedError.is(error, "STREAMBED_TRUNCATED");
			if (!skipped) throw error;
			const { shard, validAfter, head } = error.details as { shard: number; validAfter?: number | null; head?: number };
			const to = head ?? validAfter;
			if (typeof to !== "number" || to <= (next[shard] as number)) return shard;
			next[shard] = to;
		}
	}
}

/** What is not damaged has been read up to its tail. */
function checkEnds(model: RecordModel, next: readonly number[], damaged: ReadonlySet<number>): void {
	for (const [shard, { told }] of model.shards.entries()) {
		if (damaged.has(shard) || (next[shard] ?? 0) === told) continue;
		model.fail(`it ends at ${shard}:${next[shard]} after a bit flipped, the tail is at ${told}`);
	}
}
