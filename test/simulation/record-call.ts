/** A call that appends records, whole or in groups of one shard each, and what is known of where they are. */
import { shardOfKey } from "../../src/core/routing.ts";
import type { RecordPlan } from "./record-payloads.ts";

/** Where a record is. */
export interface RecordPlace {
	readonly shard: number;
	readonly sequence: number;
}

/** Records of one shard that follow on one another. */
export interface ShardSpan {
	readonly shard: number;
	readonly from: number;
	readonly to: number;
}

/** What is given when a call is thought of. */
export interface CallPlan {
	readonly number: number;
	readonly plans: readonly RecordPlan[];
	readonly atomic: boolean;
	/** Records without key and shard go to one shard together: those of a producer do. */
	readonly together: boolean;
	/** They are the parts of one record: all go where the first one goes. */
	readonly inParts?: boolean;
	/** Calls of a lane are stored in the order of their numbers, in each shard and for each key. */
	readonly lane: number;
	readonly expect?: ReadonlyMap<number, number> | undefined;
}

/** An append of records. One of a producer may be handed over again and again. */
export class RecordCall implements CallPlan {
	readonly number: number;
	readonly plans: readonly RecordPlan[];
	readonly atomic: boolean;
	readonly together: boolean;
	readonly inParts: boolean;
	readonly lane: number;
	readonly expect: ReadonlyMap<number, number> | undefined;
	/** When it was first handed over since it was known that nothing of it is stored; NaN until then. */
	called: number = Number.NaN;
	answered: number = Number.POSITIVE_INFINITY;
	/** By the clock that never steps. */
	calledMs: number = Number.NaN;
	/** `partly`: some shards have stored theirs, and the others never will; `absent`: nothing of it is stored. */
	state: "open" | "stored" | "partly" | "absent" = "absent";
	/** A try in this life may be stored: until the next opening no refusal of another try says that it is not. */
	inDoubt = false;
	/** What is known to be stored of one that is stored in part. */
	stored: readonly ShardSpan[] = [];
	/** Numbers of shards that it may have been routed by, and the shards that were named for all of it. */
	readonly layouts: Set<number> = new Set();
	readonly overrides: Set<number | undefined> = new Set();
	/** By record; holes where that is not known. */
	readonly places: (RecordPlace | undefined)[];
	/** Shards whose history has it. */
	readonly noted: Set<number> = new Set();

	constructor({ number, plans, atomic, together, inParts, lane, expect }: CallPlan) {
		this.number = number;
		this.plans = plans;
		this.atomic = atomic;
		this.together = together;
		this.inParts = inParts === true;
		this.lane = lane;
		this.expect = expect;
		this.places = new Array(plans.length).fill(undefined);
	}

	/** Any of its records is somewhere. */
	get isPlaced(): boolean {
		return this.places.some((place) => place !== undefined);
	}

	/** Tells whether the order of this record among those of its key is promised. */
	keepsOrder(index: number): boolean {
		const { key, shard } = this.plans[index] as RecordPlan;
		return key !== null && shard === undefined && [...this.overrides].every((override) => override === undefined);
	}

	/** The shard of a record's key, in a stream of so many. */
	shardOf(index: number, shards: number): number {
		return shardOfKey(this.plans[index]?.key as string, shards);
	}

	/** Shards that it goes to where there are so many, in the first of all ways. */
	placedIn(shards: number): readonly number[] {
		const [routing = []] = this.#routed(shards);
		return [...new Set(routing)];
	}

	/** All ways in which its records may have been given to shards. */
	*routings(): Generator<readonly number[]> {
		for (const shards of this.layouts) {
			for (const override of this.overrides) {
				if (override !== undefined) yield this.plans.map(() => override);
				else yield* this.#routed(shards);
			}
		}
	}

	*#routed(shards: number): Generator<readonly number[]> {
		const [first] = this.plans;
		const deciding = this.inParts && first !== undefined ? [first] : this.plans;
		const turns = deciding.some(({ key, shard }) => key === null && shard === undefined) ? shards : 1;
		for (let start = 0; start < turns; start++) {
			let turn = start;
			const routing = deciding.map(({ key, shard }) => {
				if (shard !== undefined) return shard;
				if (key !== null) return shardOfKey(key, shards);
				return this.together ? start : turn++ % shards;
			});
			yield this.inParts ? this.plans.map(() => routing[0] as number) : routing;
		}
	}
}

/** Indexes of a call's records by shard, in order. */
export function groupsOf(routing: readonly number[]): ReadonlyMap<number, readonly number[]> {
	const groups = new Map<number, number[]>();
	for (const [index, shard] of routing.entries()) {
		const group = groups.get(shard);
		if (group === undefined) groups.set(shard, [index]);
		else group.push(index);
	}
	return groups;
}
