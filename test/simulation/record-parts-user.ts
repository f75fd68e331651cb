/** Somebody who writes records in parts: committed ones are there with all of their parts, next to one another, dropped ones never. */
import { type RecordMultipart, type RecordStream, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Surroundings } from "./clients.ts";
import { judge, mayBeStored } from "./outcomes.ts";
import type { RecordCall } from "./record-call.ts";
import type { RecordModel } from "./record-model.ts";
import { IDENTITY_BYTES, KEYS, LOOSE_KEYS, type RecordPlan, recordOf } from "./record-payloads.ts";

/** Bytes of each part but the last one. */
const PART_BYTES = 512 * 1024;

/** Writes one record in parts; commits, drops or leaves it. */
export async function writeRecordInParts(
	around: Surroundings,
	random: SeededRandom,
	model: RecordModel,
	stream: RecordStream,
): Promise<void> {
	const number = around.nextAppend();
	const plans = plansOf(random, model);
	const known = { number, plans, atomic: true, together: true, inParts: true, lane: around.nextLane() };
	const shards = model.count;
	const call = model.call(known);
	const record = await written(around, random, stream, call);
	if (record === undefined) return;
	if (random.chance(0.15)) return await record.abort();
	if (random.chance(0.1)) return;
	// Growth in between is what may move its key.
	if (random.chance(0.3)) await around.pause(random.below(30));
	await commit(around, random, model, record, call, shards);
}

/** The parts, as the store makes them: all of one shard, the first with what the record holds beside its value. */
function plansOf(random: SeededRandom, model: RecordModel): RecordPlan[] {
	const shard = random.chance(0.3) ? random.below(model.count) : undefined;
	const key = shard === undefined ? random.pick([null, ...KEYS]) : random.pick([null, ...LOOSE_KEYS]);
	const parts = random.weighted({ one: 1, two: 3, three: 1 });
	const count = { one: 1, two: 2, three: 3 }[parts];
	return Array.from({ length: count }, (_, index) => {
		const last = index === count - 1;
		const bytes = last
			? random.between(1, random.pick([100, 20_000, PART_BYTES - IDENTITY_BYTES]))
			: PART_BYTES - IDENTITY_BYTES;
		const part = count === 1 ? undefined : { index, last };
		return { key: index === 0 ? key : null, shard, bytes, part };
	});
}

async function written(
	around: Surroundings,
	random: SeededRandom,
	stream: RecordStream,
	{ number, plans }: RecordCall,
): Promise<RecordMultipart | undefined> {
	const records = plans.map((plan, index) => recordOf(number, index, plan));
	const value = Buffer.concat(records.map((each) => each.value));
	const { value: _value, ...head } = records[0] as (typeof records)[number];
	const record = stream.multipart(head);
	for (let at = 0; at < value.length; ) {
		const length = random.chance(0.3) ? random.between(1, 5000) : random.between(50_000, 900_000);
		await record.write(value.subarray(at, at + length));
		at += length;
		if (random.chance(0.2)) await around.pause(random.below(10));
	}
	return record;
}

async function commit(
	around: Surroundings,
	random: SeededRandom,
	model: RecordModel,
	record: RecordMultipart,
	call: RecordCall,
	shards: number,
): Promise<void> {
	// By what number of shards it was routed when it was begun.
	call.layouts.add(shards);
	const expect = random.chance(0.1) ? random.below(50) : undefined;
	model.handedOver(call, around.tick());
	try {
		const { shard, from, to } = await record.commit(expect === undefined ? {} : { expect });
		if (to - from !== call.plans.length) model.fail(`call ${call.number} became the parts ${from} to ${to}`);
		if (expect !== undefined && expect !== from) model.fail(`call ${call.number} expected ${expect}, is at ${from}`);
		const places = call.plans.map((_, index) => ({ shard, from: from + index, to: from + index + 1 }));
		// Its time is not told.
		const results = places.map((place) => ({ ...place, time: Number.NaN, duplicate: true }));
		model.stored(call, results, around.tick());
	} catch (error) {
		if (!isRefusal(error, model, call, shards, expect)) {
			judge(around, error, model, "a commit of a record in parts");
			if (mayBeStored(error)) return;
		}
		model.refused(call);
	}
}

function isRefusal(
	error: unknown,
	model: RecordModel,
	{ plans }: RecordCall,
	shards: number,
	expect: number | undefined,
): boolean {
	if (StreambedError.is(error, "STREAMBED_SEALED")) return model.sealAsked;
	if (StreambedError.is(error, "STREAMBED_POSITION_MISMATCH"))
		return expect !== undefined && error.details.tail !== expect;
	// It has grown since, or is growing, and the key has moved.
	const grows = model.count > shards || [...model.asked].some((asked) => asked > shards);
	const mayMove = plans[0]?.key !== null && plans[0]?.shard === undefined && grows;
	return mayMove && StreambedError.is(error, "STREAMBED_TXN_STATE");
}
