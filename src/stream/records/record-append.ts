/** From records as users give them to appends of shards: checked, routed, grouped; and the answers back, record by record. */
import { fail, StreambedError } from "../../core/errors.ts";
import { recordLimits } from "../../core/limits.ts";
import { describe, requireInteger } from "../../core/options.ts";
import { checkMeta, checkRecord, nameOf, type RecordInput, type RecordMeta } from "../../core/record.ts";
import { RecordPayload, recordBytes, writeRecord } from "../../core/record-encoding.ts";
import { type RoundRobin, shardOfKey } from "../../core/routing.ts";
import { encodeValue, type Serializer } from "../../core/serializer.ts";
import type { StreamLayout } from "../../core/stream-layout.ts";
import type { Completion, PayloadSource, ShardPlace, TogetherCompletion } from "../../engine/contract.ts";

/** Where a record landed. */
export interface RecordAppended {
	/** NaN, like `from` and `to`, of a duplicate whose place is not known: of so old an append, or with other records than the first try had. */
	readonly shard: number;
	/** Its sequence. */
	readonly from: number;
	/** The sequence behind it. */
	readonly to: number;
	/** Ingestion time, milliseconds since 1970; NaN of a duplicate. */
	readonly time: number;
	/** It had been stored before, by an earlier try. */
	readonly duplicate: boolean;
}

/** A record that has passed its checks. */
export interface CheckedRecord {
	readonly value: Uint8Array;
	readonly meta: RecordMeta | undefined;
	/** Where it has to go; `undefined` where its key or its turn decides. */
	readonly shard: number | undefined;
}

/** Records of one call that go to one shard. */
export interface ShardGroup {
	readonly shard: number;
	readonly payload: RecordPayload;
	expect: number | undefined;
}

/** The groups of a call, and to which of them each of its records belongs. */
export interface RoutedRecords {
	readonly groups: readonly ShardGroup[];
	/** Number of the group of each record; `undefined` if there is one group only. */
	readonly groupOf: Int32Array | undefined;
	readonly count: number;
	/** How they are spread if they turn out to be there already, which may have been on its way when they were routed. */
	readonly again?: ((places: readonly ShardPlace[]) => RoutedRecords | undefined) | undefined;
}

/** Checks a record and encodes its value. */
export function checkInput<T>(
	given: RecordInput<T>,
	serializer: Serializer<T>,
	shard: number | undefined,
	which: number,
): CheckedRecord {
	const own = checkShape(given, shard, which);
	return { value: encodeValue(serializer, given.value, which), meta: checkMeta(given, which), shard: own ?? shard };
}

/** Checks that a record is one, has a value, and is for the shard of its call if that names one; returns its own shard. */
function checkShape(given: RecordInput<unknown>, shard: number | undefined, which: number): number | undefined {
	checkRecord(given, which);
	if (given.value === undefined) throw fail("INVALID_OPTION", `${nameOf(which)} has no value`);
	const own = given.shard ?? undefined;
	if (own !== undefined && !(Number.isSafeInteger(own) && own >= 0))
		requireInteger(own, `shard of ${nameOf(which)}`, 0);
	if (own !== undefined && shard !== undefined && own !== shard) {
		throw fail("INVALID_OPTION", `${nameOf(which)} is for shard ${own}, the call for shard ${shard}`);
	}
	return own;
}

/**
 * Checks and groups the records of a call that all go to one shard, whatever their keys: the call names it, or the stream
 * has no other. Nothing but the payload is made of them, which counts where they are many.
 */
export function collectRecords<T>(
	given: readonly RecordInput<T>[],
	serializer: Serializer<T>,
	shard: number | undefined,
	layout: StreamLayout,
	label: string,
): RoutedRecords {
	const payload = new RecordPayload(given.length);
	for (let index = 0; index < given.length; index++) {
		const record = given[index] as RecordInput<T>;
		const own = checkShape(record, shard, index);
		const value = encodeValue(serializer, record.value, index);
		payload.add(value, checkMeta(record, index));
		if (own !== undefined && own !== shard) requireShard(own, layout, label, index);
	}
	return { groups: [{ shard: shard ?? 0, payload, expect: undefined }], groupOf: undefined, count: given.length };
}

/** Sees to it that there is such a shard; `which` record of a call names it, if it is one of several. @throws INVALID_OPTION */
export function requireShard(shard: number, layout: StreamLayout, label: string, which: number = -1): void {
	const { shards } = layout;
	if (shard < shards) return;
	const what =
		which < 0 ? `${label} has no shard ${shard}` : `record ${which} is for shard ${shard}, which ${label} has not`;
	throw fail("INVALID_OPTION", `${what}: its shards are 0${shards > 1 ? ` to ${shards - 1}` : ""}`, {
		details: { option: "shard", shard, shards },
	});
}

/** The shard that a record goes to. */
export function routeRecord(record: CheckedRecord, layout: StreamLayout, turns: RoundRobin): number {
	if (record.shard !== undefined) return record.shard;
	const key = record.meta?.key;
	if (key !== undefined && key !== null) return shardOfKey(key, layout.shards);
	return layout.shards === 1 ? 0 : turns.next(layout.shards);
}

/** Groups records by shard; within a shard they keep their order. */
export function groupRecords(
	records: readonly CheckedRecord[],
	shardOf: (record: CheckedRecord) => number,
): RoutedRecords {
	const groups: ShardGroup[] = [];
	const byShard = new Map<number, number>();
	let groupOf: Int32Array | undefined;
	let last = -1;
	let lastShard = -1;
	for (let index = 0; index < records.length; index++) {
		const record = records[index] as CheckedRecord;
		const shard = shardOf(record);
		if (shard !== lastShard) {
			lastShard = shard;
			last = byShard.get(shard) ?? groups.length;
			if (last === groups.length) {
				groups.push({ shard, payload: new RecordPayload(), expect: undefined });
				byShard.set(shard, last);
			}
			if (groups.length > 1) groupOf ??= new Int32Array(records.length);
		}
		if (groupOf !== undefined) groupOf[index] = last;
		(groups[last] as ShardGroup).payload.add(record.value, record.meta);
	}
	return { groups, groupOf, count: records.length };
}

/** Checks the size of what goes to one shard, or to several at once. @throws TOO_LARGE, LIMIT_EXCEEDED */
export function checkSizes(groups: readonly ShardGroup[], limit: number, together: boolean, label: string): void {
	let total = 0;
	for (const { payload } of groups) {
		if (payload.units > recordLimits.perAppend) {
			throw fail(
				"LIMIT_EXCEEDED",
				`append of ${payload.units} records to a shard of ${label}, the limit is ${recordLimits.perAppend}`,
				{ details: { records: payload.units, limit: recordLimits.perAppend } },
			);
		}
		total = together ? total + payload.content : payload.content;
		if (total > limit) {
			throw tooLarge(together ? "append" : "append to one shard", total, limit, label);
		}
	}
}

/** The error for what is too much for one append. */
export function tooLarge(what: string, bytes: number, limit: number, label: string): StreambedError {
	return fail("TOO_LARGE", `${what} of ${bytes} bytes to ${label} is larger than the limit of ${limit}`, {
		hint:
			what === "record"
				? "Write it in parts: stream.multipart(). Or raise limits.appendBytes when opening the store."
				: "Append fewer records at once, or raise limits.appendBytes when opening the store.",
		details: { bytes, limit },
	});
}

/** A payload in an array of its own. */
export function toBytes(payload: PayloadSource): Uint8Array {
	const target = new Uint8Array(payload.bytes);
	payload.copyTo(target, 0);
	return target;
}

/** Positions that the tails of the shards must have: of the only one, or of each. */
export type ExpectedTails = number | Readonly<Record<number, number>>;

/** Notes conditions at the groups that they are about. @throws INVALID_OPTION */
export function applyExpected(groups: readonly ShardGroup[], expect: unknown, label: string): void {
	if (expect === undefined) return;
	if (typeof expect === "number") {
		const [first] = groups;
		if (groups.length !== 1 || first === undefined) {
			throw fail(
				"INVALID_OPTION",
				`expect is one position, and the records go to ${groups.length} shards of ${label}`,
				{
					hint: "Give a position for each: { 0: 17, 3: 4 }.",
					details: { option: "expect" },
				},
			);
		}
		first.expect = requireInteger(expect, "expect", 0);
		return;
	}
	if (typeof expect !== "object" || expect === null || Array.isArray(expect)) {
		throw fail("INVALID_OPTION", `expect must be a position, or { [shard]: position }, not ${describe(expect)}`, {
			details: { option: "expect" },
		});
	}
	for (const [shard, position] of Object.entries(expect)) {
		const group = groups.find((each) => String(each.shard) === shard);
		if (group === undefined) {
			throw fail("INVALID_OPTION", `expect names shard ${describe(shard)}, to which none of the records goes`, {
				details: { option: "expect" },
			});
		}
		group.expect = requireInteger(position, `expect of shard ${shard}`, 0);
	}
}

/** A single record as a payload. */
export class SinglePayload implements PayloadSource {
	readonly bytes: number;
	readonly #record: CheckedRecord;

	constructor(record: CheckedRecord) {
		this.#record = record;
		this.bytes = recordBytes(record.value, record.meta);
	}

	copyTo(target: Uint8Array, at: number): void {
		writeRecord(target, at, this.#record.value, this.#record.meta);
	}
}

/** The answer to a single record. */
export class SingleAnswer implements Completion {
	readonly #shard: number;
	readonly #resolve: (result: RecordAppended[]) => void;
	readonly fail: (error: unknown) => void;

	constructor(shard: number, resolve: (result: RecordAppended[]) => void, reject: (error: unknown) => void) {
		this.#shard = shard;
		this.#resolve = resolve;
		this.fail = reject;
	}

	done(from: number, to: number, duplicate: boolean, time: number, places?: readonly ShardPlace[]): void {
		const place = duplicate ? onlyPlace(places, 1) : { shard: this.#shard, from, to };
		this.#resolve([{ ...place, time, duplicate }]);
	}
}

/**
 * Where all of a duplicate of so many records is. A call of fewer or more, or for another number of shards, is another one
 * than that of the first try: nobody knows which of its records stand where, if any.
 */
export function onlyPlace(places: readonly ShardPlace[] | undefined, records: number): ShardPlace {
	const [place] = places ?? [];
	if (place !== undefined && places?.length === 1 && place.to - place.from === records) return place;
	return { shard: Number.NaN, from: Number.NaN, to: Number.NaN };
}

/** Puts the answers of a call's shards together, in the order of its records. */
export class GatheredAnswers implements TogetherCompletion {
	#routed: RoutedRecords;
	readonly #resolve: (results: RecordAppended[]) => void;
	readonly #reject: (error: unknown) => void;
	#places: (ShardPlace | undefined)[];
	#times: number[];
	#left: number;
	#duplicate = false;
	#failure: { readonly error: unknown } | undefined;

	constructor(routed: RoutedRecords, resolve: (results: RecordAppended[]) => void, reject: (error: unknown) => void) {
		this.#routed = routed;
		this.#resolve = resolve;
		this.#reject = reject;
		this.#left = routed.groups.length;
		this.#places = new Array(this.#left).fill(undefined);
		this.#times = new Array(this.#left).fill(Number.NaN);
	}

	/** Hears of one group. */
	part(group: number): Completion {
		const { shard } = this.#routed.groups[group] as ShardGroup;
		return {
			done: (from, to, duplicate, time, places) => {
				// A producer's records, of which there is one group, or which are told of together.
				if (duplicate && places !== undefined) return this.done(places, true, []);
				this.#places[group] = { shard, from, to };
				this.#times[group] = time;
				this.#duplicate ||= duplicate;
				this.#settled();
			},
			fail: (error) => {
				this.#failure ??= { error };
				this.#settled();
			},
		};
	}

	/** Hears of all groups at once. */
	done(places: readonly ShardPlace[], duplicate: boolean, times: readonly number[]): void {
		const { again, count } = this.#routed;
		const same = !duplicate || places.reduce((sum, { from, to }) => sum + to - from, 0) === count;
		const spread = duplicate && again !== undefined ? again(places) : this.#routed;
		// Other records than those of the first try: nobody knows what stands where.
		const known = spread === undefined || !same ? [] : places;
		this.#routed = spread ?? this.#routed;
		this.#places = this.#routed.groups.map(({ shard }) => known.find((place) => place.shard === shard));
		this.#times = this.#places.map((_, index) => times[index] ?? Number.NaN);
		this.#duplicate = duplicate;
		this.#resolve(this.#answers());
	}

	fail(error: unknown): void {
		this.#reject(error);
	}

	#settled(): void {
		this.#left--;
		if (this.#left > 0) return;
		if (this.#failure === undefined) this.#resolve(this.#answers());
		else this.#reject(this.#partly(this.#failure.error));
	}

	#answers(): RecordAppended[] {
		const { groupOf, count } = this.#routed;
		const duplicate = this.#duplicate;
		const [only] = this.#places;
		if (groupOf === undefined && only !== undefined && only.to - only.from === count) return this.#inOrder(only);
		const next = this.#places.map((place) => place?.from ?? Number.NaN);
		const answers = new Array<RecordAppended>(count);
		for (let index = 0; index < count; index++) {
			const group = groupOf === undefined ? 0 : (groupOf[index] as number);
			const place = this.#places[group];
			const from = next[group] as number;
			// The records of a retry may be others than those of the first try.
			const known = place !== undefined && from < place.to;
			next[group] = from + 1;
			answers[index] = known
				? { shard: place.shard, from, to: from + 1, time: this.#times[group] as number, duplicate }
				: { shard: Number.NaN, from: Number.NaN, to: Number.NaN, time: Number.NaN, duplicate };
		}
		return answers;
	}

	/** The answers where one shard has stored all of them. */
	#inOrder({ shard, from, to }: ShardPlace): RecordAppended[] {
		const time = this.#times[0] as number;
		const duplicate = this.#duplicate;
		const answers = new Array<RecordAppended>(to - from);
		for (let at = from; at < to; at++) answers[at - from] = { shard, from: at, to: at + 1, time, duplicate };
		return answers;
	}

	/** Adds what of the call is stored all the same. */
	#partly(error: unknown): unknown {
		if (this.#routed.groups.length === 1 || !StreambedError.is(error)) return error;
		const stored = this.#places.filter((place) => place !== undefined);
		const how = stored.length === 0 ? "nothing of the call is stored" : `${stored.length} shards have stored theirs`;
		return new StreambedError(error.code, `${error.message}; ${how}`, {
			cause: error,
			hint: "With atomic: true all shards store theirs, or none does.",
			details: { ...error.details, stored: stored.map((place) => ({ ...place })) },
		});
	}
}

/**
 * How the records of an append that is stored were spread over its places, which growth may have changed since: with
 * several, the first number of shards, from the newest one back, by which each shard gets what it has got.
 */
export function routeAgain(
	records: readonly CheckedRecord[],
	places: readonly ShardPlace[],
	layout: StreamLayout,
): RoutedRecords | undefined {
	const [only] = places;
	if (only !== undefined && places.length === 1) return groupRecords(records, () => only.shard);
	const counts = [layout.shards, ...layout.growth.map(({ from }) => from).reverse()];
	for (const shards of counts) {
		const free = new Map(places.map(({ shard, from, to }) => [shard, to - from]));
		const chosen = new Map<CheckedRecord, number>();
		let loose = 0;
		for (const record of records) {
			const key = record.meta?.key ?? null;
			const shard = record.shard ?? (key === null ? undefined : shardOfKey(key, shards));
			if (shard === undefined) loose++;
			else {
				chosen.set(record, shard);
				free.set(shard, (free.get(shard) ?? 0) - 1);
			}
		}
		const left = [...free].filter(([, count]) => count !== 0);
		const fits = loose === 0 ? left.length === 0 : left.length === 1 && left[0]?.[1] === loose;
		if (fits) return groupRecords(records, (record) => chosen.get(record) ?? (left[0] as [number, number])[0]);
	}
	return undefined;
}
