/**
 * A second process that reads beside the owner, or without one. It may be behind, and it must see a beginning of each
 * stream, in order, that nothing takes back.
 */
import { type ByteStream, type Store, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SCOPE } from "./clients.ts";
import { RecordModel } from "./record-model.ts";
import { besideRecords, lookAtRecords, mayBeOvertaken, type RecordPlaceBeside } from "./record-side.ts";
import { SimulationFailure } from "./simulation-failure.ts";
import type { StreamModel } from "./stream-model.ts";

/** Tails that were promised, by stream and shard. */
export type Promised = ReadonlyMap<StreamModel | RecordModel, readonly number[]>;

/** What the reader needs of its machine. */
export interface BesideSurroundings {
	readonly store: Store;
	readonly models: ReadonlyMap<string, StreamModel>;
	readonly records: ReadonlyMap<string, RecordModel>;
	readonly random: SeededRandom;
	/** What was promised when it began to open the store, if there was no owner then: it must see all of that. */
	readonly promised: Promised;
	/** The owner's disk has failed: what it left half written may look like damage until the next owner comes. */
	mayBeDamaged(): boolean;
	sleep(ms: number): Promise<void>;
}

/** Reads for a while, then closes the store. */
export async function readBeside(around: BesideSurroundings): Promise<void> {
	const { store, random } = around;
	/** Where each stream was read up to, and the handle; both end with the stream. */
	const places = new Map<StreamModel | RecordModel, Place | RecordPlaceBeside>();
	for (let left = random.between(3, 40); left > 0; left--) {
		const all = [...around.models.values(), ...around.records.values()];
		const models = all.filter((model) => model.id !== undefined);
		if (models.length > 0) {
			// What becomes visible at one stroke is worth a look while it does.
			const busy = models.filter((model) => !(model instanceof RecordModel) && model.committing > 0);
			const model = busy.length > 0 && random.chance(0.7) ? random.pick(busy) : random.pick(models);
			try {
				await lookAt(around, model, places);
			} catch (error) {
				const damaged = around.mayBeDamaged() && StreambedError.is(error, "STREAMBED_CORRUPT");
				if (!damaged && !mayFail(error, model)) throw error;
				places.delete(model);
			}
		}
		// Often it looks again at once: what the owner does in several steps is to be seen between any two of them.
		if (random.chance(0.4)) await around.sleep(random.pick([1, 10, 50, 300]));
	}
	await store.close();
}

interface Place {
	readonly stream: ByteStream;
	at: number | undefined;
	tail: number;
}

async function lookAt(
	around: BesideSurroundings,
	model: StreamModel | RecordModel,
	places: Map<StreamModel | RecordModel, Place | RecordPlaceBeside>,
): Promise<void> {
	const { store, random, promised } = around;
	if (model instanceof RecordModel) {
		const place = (places.get(model) as RecordPlaceBeside | undefined) ?? besideRecords(store, model);
		places.set(model, place);
		await lookAtRecords(model, place, promised.get(model) ?? [], random);
		return;
	}
	const known = places.get(model) as Place | undefined;
	const place = known ?? { stream: store.scope(SCOPE).stream(model.name), at: undefined, tail: 0 };
	places.set(model, place);
	await look(around, model, place);
}

async function look(around: BesideSurroundings, model: StreamModel, place: Place): Promise<void> {
	const { id, shards, sealed } = await place.stream.info();
	// Another stream has the name by now.
	if (id !== model.id) return;
	const { head, tail } = shards[0] as { head: number; tail: number };
	const [promised = 0] = around.promised.get(model) ?? [];
	if (tail < promised) model.fail(`the second process sees the tail at ${tail}, up to ${promised} was promised`);
	if (tail < place.tail) model.fail(`the second process saw the tail at ${place.tail}, then at ${tail}`);
	place.tail = tail;
	model.toldTail(tail);
	if (sealed && !model.sealAsked) model.fail("the second process sees it sealed, and nobody asked for that");
	await using reader = place.stream.reader({ from: { offset: Math.max(head, place.at ?? head) } });
	for (let left = around.random.between(1, 4); left > 0; left--) {
		const at = reader.offset;
		const result = await reader.read(around.random.pick([100, 65_536, 2_000_000]));
		if (result.kind !== "data") {
			if (at < tail) model.fail(`the second process read ${result.kind} at ${at}, the tail was at ${tail}`);
			return;
		}
		if (result.offset !== at) model.fail(`the second process read at ${at} and got bytes from ${result.offset} on`);
		model.sawBytes(at, result.bytes, "read by the second process");
		place.at = at + result.bytes.length;
	}
}

function mayFail(error: unknown, model: StreamModel | RecordModel): boolean {
	if (model instanceof RecordModel && mayBeOvertaken(error, model)) return true;
	if (!(model instanceof RecordModel) && StreambedError.is(error, "STREAMBED_TRUNCATED")) {
		const { head } = error.details as { head: number };
		model.toldHead(head);
		return true;
	}
	if (StreambedError.is(error, "STREAMBED_NOT_FOUND")) return model.deleteAsked || model.id === undefined;
	if (error instanceof SimulationFailure) return false;
	throw new SimulationFailure(`${model.name}: the second process failed: ${String(error)}`, { cause: error });
}
