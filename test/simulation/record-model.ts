/**
 * What is known of one record stream: what was asked for, what was promised, what was seen. Each record says whose it is,
 * so that wherever one is read its place is certain from then on.
 *
 *     slots    by shard and sequence: which record of which call is there
 *     calls    what was handed over; open ones may be there, by shard whole, or not
 *     cuts     moments at which all shards ended: no atomic call is on both sides of one
 */
import type { Growth } from "../../src/core/stream-layout.ts";
import type { RecordAppended, Retention, StreamRecord } from "../../src/index.ts";
import { type CallPlan, groupsOf, RecordCall, type RecordPlace, type ShardSpan } from "./record-call.ts";
import { differenceOf, identityOf, type RecordPlan } from "./record-payloads.ts";
import type { RecordProducerKnowledge } from "./record-producer.ts";
import { RecordShard, type Slot } from "./record-shard.ts";
import { SimulationFailure } from "./simulation-failure.ts";
import type { ModelRules } from "./stream-model.ts";

/** Cuts that are remembered. */
const CUTS = 30;

/** Where all shards ended at one moment. */
export interface KnownCut {
	readonly text: string;
	readonly positions: readonly number[];
}

/** One record stream, from its creation to its deletion. */
export class RecordModel {
	readonly name: string;
	readonly #rules: ModelRules | undefined;
	id: string | undefined;
	created = false;
	deleteAsked = false;
	sealAsked = false;
	sealed = false;
	/** Shards that it is known to have, and numbers that were asked for without an answer. */
	count: number;
	readonly asked: Set<number> = new Set();
	/** Growths as they were last found in its descriptor. */
	growth: readonly Growth[] = [];
	readonly calls: Map<number, RecordCall> = new Map();
	/** Calls without an answer, and those that are said to be stored, nobody knows where. */
	readonly open: Set<RecordCall> = new Set();
	readonly unread: Set<RecordCall> = new Set();
	readonly producers: Map<string, RecordProducerKnowledge> = new Map();
	cuts: KnownCut[] = [];
	#atomic: RecordCall[] = [];
	readonly #shards: RecordShard[] = [];

	constructor(name: string, shards: number, rules: ModelRules | undefined) {
		this.name = name;
		this.count = shards;
		this.#rules = rules;
	}

	/** Retention may take something of it away. */
	get expires(): boolean {
		return this.#rules !== undefined;
	}

	/** Something may have been dropped before anybody saw it. */
	get mayHide(): boolean {
		return this.#shards.some(({ unseen }) => unseen > 0);
	}

	/** Those of which anything is known. */
	get shards(): readonly RecordShard[] {
		return this.#shards;
	}

	shard(number: number): RecordShard {
		while (this.#shards.length <= number) this.#shards.push(new RecordShard());
		return this.#shards[number] as RecordShard;
	}

	/** Bytes that it holds. */
	get volume(): number {
		return this.#shards.reduce((sum, { volume }) => sum + volume, 0);
	}

	/** Tails that were promised, by shard. */
	get promised(): number[] {
		return this.#shards.map(({ told }) => told);
	}

	/** Tails that the owner has told of, by shard: he goes on from there. */
	get answered(): number[] {
		return this.#shards.map(({ answered }) => answered);
	}

	/** Says that something about this stream is wrong. */
	fail(what: string): never {
		throw new SimulationFailure(`${this.name}: ${what}`);
	}

	// Asking

	/** A call that was never made before. */
	call(plan: CallPlan): RecordCall {
		const call = new RecordCall(plan);
		this.calls.set(call.number, call);
		if (call.atomic) this.#atomic = [...this.#atomic.slice(-CUTS), call];
		return call;
	}

	handedOver(call: RecordCall, now: number, override?: number): void {
		if (Number.isNaN(call.called)) {
			call.called = now;
			call.calledMs = this.#rules?.now() ?? Number.NaN;
		}
		call.state = "open";
		this.open.add(call);
		for (const shards of [this.count, ...this.asked]) call.layouts.add(shards);
		call.overrides.add(override);
	}

	growthAsked(shards: number): void {
		this.asked.add(shards);
		for (const call of this.open) call.layouts.add(shards);
	}

	grown(shards: number): void {
		if (shards < this.count) this.fail(`it has ${shards} shards, and had ${this.count}`);
		if (shards !== this.count && !this.asked.has(shards))
			this.fail(`it has ${shards} shards, and nobody asked for that`);
		this.count = shards;
		for (const asked of this.asked) if (asked <= shards) this.asked.delete(asked);
	}

	headAsked(shard: number, head: number, called: number): void {
		const { heads } = this.shard(shard);
		if (!heads.has(head)) heads.set(head, called);
	}

	// Answers

	/** The answer to a call: where each of its records is. */
	stored(call: RecordCall, results: readonly RecordAppended[], answered: number): void {
		if (results.length !== call.plans.length) this.fail(`call ${call.number} got ${results.length} answers`);
		for (const [index, { shard, from, to, time, duplicate }] of results.entries()) {
			// Tries that name different shards may be spread differently: where that cannot be told the place is not.
			if (duplicate && Number.isNaN(shard) && call.overrides.size > 1) continue;
			if (to !== from + 1) this.fail(`record ${call.number}.${index} was answered with ${from} to ${to}`);
			const slot = this.#learn({ shard, sequence: from }, call, index, "the answer");
			if (!duplicate) this.#timed(shard, from, slot, time);
		}
		call.answered = Math.min(call.answered, answered);
		call.state = "stored";
		this.open.delete(call);
		if (call.places.includes(undefined)) this.unread.add(call);
		this.checkRouting(call);
		for (const [shard, indexes] of this.#placedGroups(call)) {
			const first = call.places[indexes[0] as number] as RecordPlace;
			const expected = call.expect?.get(shard);
			if (expected !== undefined && expected !== first.sequence) {
				this.fail(`call ${call.number} expected ${shard}:${expected} and landed at ${first.sequence}`);
			}
			this.#note(call, shard, first.sequence + indexes.length, answered);
		}
	}

	/** It is said that a call is stored, and of the last one where. */
	saidStored(call: RecordCall, spans: readonly ShardSpan[] | undefined, answered: number): void {
		for (const { shard, from, to } of spans ?? []) {
			for (let at = from; at < to; at++) {
				const slot = this.shard(shard).slots[at];
				if (slot !== undefined && slot.call !== call) this.fail(`call ${call.number} is said to be at ${shard}:${at}`);
			}
			this.shard(shard).answer(to);
		}
		const records = spans?.reduce((sum, { from, to }) => sum + to - from, 0) ?? call.plans.length;
		if (records !== call.plans.length) this.fail(`${records} records are said to be stored of call ${call.number}`);
		call.answered = Math.min(call.answered, answered);
		call.state = "stored";
		this.open.delete(call);
		if (call.places.includes(undefined)) this.unread.add(call);
		this.checkRouting(call);
	}

	/** Nothing of the call happened. */
	refused(call: RecordCall): void {
		this.open.delete(call);
		if (call.isPlaced) this.fail(`call ${call.number} was refused, and something of it is stored`);
		call.state = "absent";
	}

	/** Some shards have stored what the call had for them, and nothing else of it happened. */
	partly(call: RecordCall, stored: readonly ShardSpan[]): void {
		call.state = "partly";
		call.stored = stored;
		for (const { shard, to } of stored) this.shard(shard).answer(to);
	}

	/** Somebody was told a tail, perhaps an older one: it never goes back below that. */
	toldTail(shard: number, tail: number): void {
		this.shard(shard).tell(tail);
	}

	sawTail(by: string, shard: number, tail: number, called: number, answered: number): void {
		const { history, sealSeen } = this.shard(shard);
		this.shard(shard).answer(tail);
		history.sawTail(by, tail, this.sealed || sealSeen, called, answered);
	}

	sawSeal(shard: number, called: number, answered: number): void {
		this.shard(shard).sealSeen = true;
		this.shard(shard).history.sawSeal(called, answered);
	}

	/** All shards ended there at one moment; `before` is what had been told by then. */
	cutTaken(cut: KnownCut, before: readonly number[], called: number, answered: number): void {
		const { positions } = cut;
		for (const [shard, told] of before.entries()) {
			if ((positions[shard] ?? 0) < told) this.fail(`a cut ends at ${shard}:${positions[shard]}, ${told} was seen`);
		}
		for (const [shard, tail] of positions.entries()) this.sawTail("cut", shard, tail, called, answered);
		this.cuts = [...this.cuts.slice(1 - CUTS), cut];
		for (const call of this.#atomic) this.#checkCut(call, cut);
	}

	wasSealed(called: number, answered: number): void {
		this.sealed = true;
		for (let shard = 0; shard < this.count; shard++) this.shard(shard).history.sealed(called, answered);
	}

	sawHead(number: number, head: number, called: number, answered: number): void {
		this.toldHead(number, head);
		const shard = this.shard(number);
		const asked = shard.heads.get(head) as number;
		if (head > shard.head) shard.history.moved(head, asked, Number.POSITIVE_INFINITY);
		shard.moveHead(head);
		shard.history.sawHead(head, called, answered);
	}

	headMoved(number: number, asked: number, head: number, called: number, answered: number): void {
		if (head < asked) this.fail(`truncation before ${number}:${asked} left the head at ${head}`);
		if (head === asked) this.shard(number).history.moved(head, called, answered);
		this.sawHead(number, head, called, answered);
	}

	/** Somebody who may be behind saw the head there: it was asked for, or retention may have moved it. */
	toldHead(number: number, head: number): void {
		const shard = this.shard(number);
		if (shard.heads.has(head)) return;
		const rules = this.#rules;
		if (rules === undefined) this.fail(`the head is at ${number}:${head}, and nobody asked for that`);
		shard.heads.set(head, -1);
		shard.tell(head);
		const [last, first] = [shard.slots[head - 1], shard.slots[head]];
		// Parts of one record may be in several segments.
		if (last !== undefined && first !== undefined && last.call === first.call && !last.call.inParts) {
			this.fail(`the head of retention at ${number}:${head} cuts call ${last.call.number}`);
		}
		const { ageMs, bytes, maxBytes } = rules.retention;
		if (maxBytes !== undefined) return;
		this.#checkAges(number, head, ageMs, rules.now());
		if (bytes === undefined || this.open.size > 0) return;
		const kept = shard.keptAtMost(head);
		if (kept < bytes)
			this.fail(`retention left ${kept} bytes at the most behind ${number}:${head}: less than ${bytes}`);
	}

	#checkAges(number: number, head: number, ageMs: Retention["ageMs"], now: number): void {
		if (ageMs === undefined) return;
		const { head: before, slots } = this.shard(number);
		for (let at = before; at < head; at++) {
			const { call } = slots[at] ?? {};
			const age = now - (call?.calledMs ?? Number.NaN);
			if (age < ageMs) this.fail(`retention dropped ${number}:${at}, ${age} ms old: younger than ${ageMs} ms`);
		}
	}

	// Records

	/** Compares a record that was read. */
	saw(record: StreamRecord, what: string): Slot {
		const { shard, sequence, time } = record;
		const identity = identityOf(record.value);
		const call = identity && this.calls.get(identity.number);
		if (identity === undefined || call === undefined)
			this.fail(`${what} gave at ${shard}:${sequence} what nobody appended`);
		const { number, index } = identity;
		const plan = call.plans[index] as RecordPlan | undefined;
		const wrong = plan === undefined ? "its number" : differenceOf(record, number, index, plan);
		if (wrong !== undefined)
			this.fail(`${what} gave record ${number}.${index} at ${shard}:${sequence}, and ${wrong} is wrong`);
		const slot = this.#learn({ shard, sequence }, call, index, what);
		this.#timed(shard, sequence, slot, time);
		return slot;
	}

	#learn({ shard, sequence }: RecordPlace, call: RecordCall, index: number, what: string): Slot {
		const known = this.shard(shard).slots[sequence];
		const name = `record ${call.number}.${index}`;
		if (known !== undefined) {
			if (known.call === call && known.index === index) return known;
			this.fail(`${what} has ${name} at ${shard}:${sequence}, where record ${known.call.number}.${known.index} is`);
		}
		const place = call.places[index];
		if (place !== undefined) {
			this.fail(`${what} has ${name} at ${shard}:${sequence}, and it is at ${place.shard}:${place.sequence}`);
		}
		if (call.state === "absent") this.fail(`${what} has ${name} at ${shard}:${sequence}, and it was not stored`);
		const slot = { call, index, time: Number.NaN };
		call.places[index] = { shard, sequence };
		this.shard(shard).keep(sequence, slot);
		if (call.atomic) for (const cut of this.cuts) this.#checkCut(call, cut);
		return slot;
	}

	#timed(shard: number, sequence: number, slot: Slot, time: number): void {
		if (!Number.isNaN(slot.time) && slot.time !== time)
			this.fail(`${shard}:${sequence} was of ${slot.time} and is of ${time}`);
		slot.time = time;
		const { slots } = this.shard(shard);
		const [before, after] = [slots[sequence - 1]?.time ?? time, slots[sequence + 1]?.time ?? time];
		if (before > time || after < time) this.fail(`times go back at ${shard}:${sequence}: ${before}, ${time}, ${after}`);
	}

	#checkCut({ number, places }: RecordCall, { positions }: KnownCut): void {
		let side: boolean | undefined;
		for (const place of places) {
			if (place === undefined) continue;
			const before = place.sequence < (positions[place.shard] ?? 0);
			if (side !== undefined && side !== before) this.fail(`a cut at ${positions} divides the atomic call ${number}`);
			side = before;
		}
	}

	/** Notes in a shard's history that something of a call is stored there. */
	#note(call: RecordCall, shard: number, to: number, answered: number): void {
		if (call.noted.has(shard)) return;
		call.noted.add(shard);
		this.shard(shard).answer(to);
		this.shard(shard).history.appended(to, call.called, answered);
	}

	/** Notes of calls without an answer what of them was found. */
	noteFound(call: RecordCall): void {
		for (const [shard, indexes] of this.#placedGroups(call)) {
			const last = call.places[indexes.at(-1) as number] as RecordPlace;
			this.#note(call, shard, last.sequence + 1, Number.POSITIVE_INFINITY);
		}
	}

	#placedGroups({ places }: RecordCall): ReadonlyMap<number, readonly number[]> {
		const placed = places.flatMap((place, index) => (place === undefined ? [] : [index]));
		const groups = groupsOf(placed.map((index) => (places[index] as RecordPlace).shard));
		return new Map([...groups].map(([shard, indexes]) => [shard, indexes.map((each) => placed[each] as number)]));
	}

	// Whole or not at all

	/** Looks whether the places of a call are those that some routing gives, each group whole or missing, an atomic one altogether. */
	checkRouting(call: RecordCall): void {
		for (const routing of call.routings()) if (this.#fits(call, routing)) return;
		const places = call.places.map((place) => (place === undefined ? "?" : `${place.shard}:${place.sequence}`));
		const how = `by ${[...call.layouts]} shards${call.atomic ? ", atomic" : ""}, ${call.state}`;
		this.fail(`call ${call.number} of ${places.length} records, ${how}, is at ${places.join(" ")}`);
	}

	#fits(call: RecordCall, routing: readonly number[]): boolean {
		const { places, state, stored, atomic } = call;
		if (places.some((place, index) => place !== undefined && place.shard !== routing[index])) return false;
		if (this.unread.has(call)) return true;
		let there = 0;
		let missing = 0;
		for (const [shard, indexes] of groupsOf(routing)) {
			const kind = this.#groupIs(call, shard, indexes);
			if (kind === "torn") return false;
			const promised = state === "stored" || (state === "partly" && stored.some((one) => one.shard === shard));
			if (promised && kind === "missing") return false;
			if (state === "partly" && !promised && kind === "there") return false;
			if (kind === "there") there++;
			if (kind === "missing") missing++;
		}
		return !(atomic && there > 0 && missing > 0);
	}

	/** `hidden`: it may have been there, below the head, before anybody saw it. */
	#groupIs(call: RecordCall, shard: number, indexes: readonly number[]): "there" | "missing" | "hidden" | "torn" {
		const { slots, head, unseen } = this.shard(shard);
		const known = indexes.findIndex((index) => call.places[index] !== undefined);
		if (known < 0) return unseen >= indexes.length ? "hidden" : "missing";
		const base = (call.places[indexes[known] as number] as RecordPlace).sequence - known;
		for (const [at, index] of indexes.entries()) {
			const place = call.places[index];
			const right =
				place === undefined ? base + at < head && slots[base + at] === undefined : place.sequence === base + at;
			if (!right || base < 0) return "torn";
		}
		return "there";
	}
}
