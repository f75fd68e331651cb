/** The order in which somebody who reads all shards gets records: gapless by shard, and by key as they were appended. */
import { type Growth, growthOf, positionAt } from "../../src/core/stream-layout.ts";
import type { StreamRecord } from "../../src/index.ts";
import type { RecordModel } from "./record-model.ts";

/** What was read of a key, or of a shard. */
interface Seen {
	/** The latest moment at which one of these was asked for. */
	called: number;
	/** Last number by lane. */
	readonly lanes: Map<number, number>;
}

/** One reading of a stream, record by record. */
export class RecordOrder {
	readonly #model: RecordModel;
	readonly #what: string;
	/** Sequence that comes next, by shard. */
	readonly next: Map<number, number> = new Map();
	readonly #keys = new Map<string, Seen>();
	readonly #shards = new Map<number, Seen>();

	constructor(model: RecordModel, what: string) {
		this.#model = model;
		this.#what = what;
	}

	/** The shard goes on at this place, wherever it was. */
	skipTo(shard: number, sequence: number): void {
		this.next.set(shard, sequence);
	}

	/** The next record of the reading. */
	saw(record: StreamRecord): void {
		const model = this.#model;
		const { shard, sequence } = record;
		const { call, index } = model.saw(record, this.#what);
		const next = this.next.get(shard);
		if (next !== undefined && next !== sequence) {
			model.fail(`${this.#what} gave ${shard}:${sequence} where ${shard}:${next} comes next`);
		}
		this.next.set(shard, sequence + 1);
		this.#follows(this.#shards, shard, `shard ${shard}`, call);
		const { key } = record;
		if (key !== null && call.keepsOrder(index)) this.#follows(this.#keys, key, `key ${JSON.stringify(key)}`, call);
	}

	#follows<K>(
		known: Map<K, Seen>,
		key: K,
		name: string,
		call: { readonly number: number; readonly called: number; readonly answered: number; readonly lane: number },
	): void {
		let seen = known.get(key);
		if (seen === undefined) {
			seen = { called: -1, lanes: new Map() };
			known.set(key, seen);
		}
		const { number, called, answered, lane } = call;
		if (answered < seen.called) {
			this.#model.fail(
				`${this.#what} gave of ${name} call ${number}, answered at ${answered}, behind one that was made at ${seen.called}`,
			);
		}
		const before = seen.lanes.get(lane) ?? -1;
		if (number < before) this.#model.fail(`${this.#what} gave of ${name} call ${number} behind call ${before}`);
		if (called > seen.called) seen.called = called;
		seen.lanes.set(lane, number);
	}
}

/** By how many shards what stands at a place was routed. */
export function shardsAt(shards: number, growth: readonly Growth[], shard: number, sequence: number): number {
	for (const each of growth) if (shard < each.from && sequence < positionAt(each, shard)) return each.from;
	return shards;
}

/** The growth behind which a shard comes, whose older shards have not been read up to it; `undefined` if there is none. */
export function tooEarly(
	layout: { readonly shards: number; readonly growth: readonly Growth[] },
	shard: number,
	next: ReadonlyMap<number, number>,
): Growth | undefined {
	const growth = growthOf(layout, shard);
	if (growth === undefined) return undefined;
	for (let older = 0; older < growth.from; older++) {
		if ((next.get(older) ?? 0) < positionAt(growth, older)) return growth;
	}
	return undefined;
}
