/**
 * What is known of one stream: what was asked for, what was promised, what was seen. Whatever a store shows of it is
 * compared with this.
 *
 *     log      appends whose place is certain, from the birth of the stream on, without a gap
 *     open     appends that were handed over and not answered; after a crash each may be there, whole, or not
 *     early    bytes that were read and whose append nobody was told of yet
 */
import type { Retention } from "../../src/index.ts";
import { History } from "./history.ts";
import type { PreparedKnowledge } from "./multipart-user.ts";
import { firstDifference, payloadOf } from "./payloads.ts";
import type { ProducerKnowledge } from "./producer-user.ts";
import { SimulationFailure } from "./simulation-failure.ts";

/** An append as it was handed over. */
export interface Attempt {
	readonly number: number;
	readonly bytes: number;
	readonly expect: number | undefined;
	readonly called: number;
	/** It was written in parts: retention may cut it, at the end of a segment. */
	readonly parts?: true;
	/** Appends with the same lane are stored in the order of their numbers, none without those before it. */
	readonly lane: number;
}

/** An append and its place. */
interface Placed {
	readonly from: number;
	readonly to: number;
	readonly number: number;
}

/** Stands for appends that were dropped before anybody was told of their places. */
const DROPPED = -1;

/** The state of a shard, all of it: one byte that is lost, moved, changed or doubled makes it another one. */
export interface FoundStream {
	readonly id: string;
	readonly head: number;
	readonly tail: number;
	readonly sealed: boolean;
	/** From the head to the tail. */
	readonly content: Uint8Array;
}

/** What a stream was made with that takes data away, and the time by which that is judged: one that no step changes. */
export interface ModelRules {
	readonly retention: Retention;
	now(): number;
}

/** One stream, from its creation to its deletion. */
export class StreamModel {
	readonly name: string;
	readonly #rules: ModelRules | undefined;
	/** When each append was handed over, by its number. */
	readonly #calledMs = new Map<number, number>();
	/** Heads that retention moved to, as far as anybody saw. */
	retained = 0;
	id: string | undefined;
	created = false;
	deleteAsked = false;
	head = 0;
	sealed = false;
	history: History = new History({ head: 0, tail: 0, sealed: false });
	readonly #heads = new Map<number, number>([[0, -1]]);
	#sealCalled: number | undefined;
	/** Where it was sealed; 0 if only that it is sealed is known. */
	#sealedAt = 0;
	/** What its producers know, by their ids. */
	readonly producers: Map<string, ProducerKnowledge> = new Map();
	/** Writes in parts that were prepared, by their ids. */
	readonly prepared: Map<string, PreparedKnowledge> = new Map();
	/** A seal was forced in this life: it aborts what is prepared, also what is prepared while it does so. */
	sealForced = false;
	/** Commits of writes in parts that are under way. */
	committing = 0;
	readonly #log: Placed[] = [];
	/** Where appends are, by their numbers. */
	readonly #places = new Map<number, Placed>();
	readonly #ahead = new Map<number, Placed>();
	readonly #open = new Map<number, Attempt>();
	#early: { readonly from: number; readonly bytes: Uint8Array }[] = [];
	/** Highest tail that was ever told. */
	#told = 0;
	/** Tails, and heads of retention, that were told and not yet compared with the ends of appends. */
	#borders: { readonly at: number; readonly isHead: boolean }[] = [];
	/** Numbers of appends that were written in parts. */
	readonly #inParts = new Set<number>();

	constructor(name: string, rules?: ModelRules) {
		this.name = name;
		this.#rules = rules;
	}

	/** Where the appends end that somebody was told of. */
	get tail(): number {
		return this.#log.at(-1)?.to ?? 0;
	}

	get sealAsked(): boolean {
		return this.#sealCalled !== undefined;
	}

	/** Up to here everything is there from now on, whatever happens. */
	get promised(): number {
		return Math.max(this.tail, this.#told, ...[...this.#ahead.values()].map(({ to }) => to));
	}

	/** Begins the history of a new life. */
	beginHistory(): void {
		this.history = new History({ head: this.head, tail: this.tail, sealed: this.sealed });
	}

	// Asking

	handedOver(attempt: Attempt): void {
		if (attempt.bytes > 0) this.#open.set(attempt.number, attempt);
		if (attempt.parts === true) this.#inParts.add(attempt.number);
		if (this.#rules !== undefined) this.#calledMs.set(attempt.number, this.#rules.now());
	}

	headAsked(head: number, called: number): void {
		if (!this.#heads.has(head)) this.#heads.set(head, called);
	}

	sealAskedAt(called: number): void {
		this.#sealCalled ??= called;
	}

	// Answers

	stored(attempt: Attempt, from: number, to: number, answered: number): void {
		const { number, bytes, expect, called } = attempt;
		this.#open.delete(number);
		if (to - from !== bytes) this.fail(`an append of ${bytes} bytes was answered with ${from} to ${to}`);
		if (expect !== undefined && from !== expect) this.fail(`an append expected ${expect} and landed at ${from}`);
		if (bytes === 0) return this.sawTail("append of nothing", from, false, called, answered);
		if (from < this.tail) this.fail(`the positions ${from} to ${to} were given twice: the tail was at ${this.tail}`);
		// A commit may be answered behind the seal that it came before.
		if (this.sealed && to > this.#sealedAt) this.fail(`an append landed at ${from} of a sealed stream`);
		if (this.#ahead.has(from)) this.fail(`the position ${from} was given to two appends`);
		this.#keep({ from, to, number });
		this.history.appended(to, called, answered);
		this.#join();
	}

	/** Nothing of the append happened. */
	refused(attempt: Attempt): void {
		this.#open.delete(attempt.number);
	}

	/** Somebody was told a tail, perhaps an older one: an append ends there, and the tail never goes back below it. */
	toldTail(tail: number, isHead = false): void {
		this.#told = Math.max(this.#told, tail);
		this.#borders.push({ at: tail, isHead });
		this.#checkBorders();
	}

	sawTail(by: string, tail: number, sealed: boolean, called: number, answered: number): void {
		this.toldTail(tail);
		if (sealed && this.#sealCalled === undefined) this.fail("it is sealed, and nobody asked for that");
		this.history.sawTail(by, tail, sealed, called, answered);
	}

	wasSealed(tail: number, called: number, answered: number): void {
		this.toldTail(tail);
		this.sealed = true;
		this.#sealedAt = tail;
		this.history.sealed(called, answered);
		if (tail < this.tail) this.fail(`it was sealed at ${tail}, and there were appends up to ${this.tail}`);
	}

	headMoved(asked: number, head: number, called: number, answered: number): void {
		if (head < asked) this.fail(`truncation before ${asked} left the head at ${head}`);
		if (head === asked) this.history.moved(head, called, answered);
		this.sawHead(head, called, answered);
	}

	sawHead(head: number, called: number, answered: number): void {
		this.#checkHead(head);
		const asked = this.#heads.get(head) as number;
		if (head > this.head) this.history.moved(head, asked, Number.POSITIVE_INFINITY);
		this.head = Math.max(this.head, head);
		this.history.sawHead(head, called, answered);
	}

	/** Retention may take something of it away. */
	get expires(): boolean {
		return this.#rules !== undefined;
	}

	/** Somebody who may be behind saw the head there: it was asked for, or retention may have moved it. */
	toldHead(head: number): void {
		this.#checkHead(head);
	}

	/** Judges a head that nobody asked for: retention moves it to the ends of appends, and takes nothing that it promised to keep. */
	#checkHead(head: number): void {
		if (this.#heads.has(head)) return;
		const rules = this.#rules;
		if (rules === undefined) this.fail(`the head is at ${head}, and nobody asked for that`);
		const { ageMs, bytes, maxBytes } = rules.retention;
		this.toldTail(head, true);
		this.#heads.set(head, -1);
		this.retained++;
		if (maxBytes !== undefined) return;
		for (const { from, to, number } of [...this.#log, ...this.#ahead.values()]) {
			const called = this.#calledMs.get(number);
			if (ageMs === undefined || called === undefined || from >= head || to <= this.head) continue;
			const age = rules.now() - called;
			if (age < ageMs) this.fail(`retention dropped ${from} to ${to}, ${age} ms old: younger than ${ageMs} ms`);
		}
		// Appends that nobody was told of may have been stored as well.
		let highest = Math.max(this.#told, this.tail);
		for (const { to } of this.#ahead.values()) highest = Math.max(highest, to);
		for (const open of this.#open.values()) highest += open.bytes;
		if (bytes !== undefined && highest - head < bytes) {
			this.fail(`retention left ${highest - head} bytes behind the head at ${head}: less than ${bytes}`);
		}
	}

	// Bytes

	/** Compares bytes that were read at an offset. */
	sawBytes(from: number, bytes: Uint8Array, what: string): void {
		const known = Math.min(from + bytes.length, this.tail);
		if (known > from) this.#compare(from, bytes.subarray(0, known - from), what);
		const rest = Math.max(0, known - from);
		if (rest < bytes.length) this.#early.push({ from: from + rest, bytes: new Uint8Array(bytes.subarray(rest)) });
	}

	/** End of the append that holds the byte before `position`; the position itself if nobody was told of it yet. */
	endOf(position: number): number {
		return this.#log[this.#indexAt(position - 1)]?.to ?? position;
	}

	/** Where the append of this number is, if that is certain. */
	placeOf(number: number): { readonly from: number; readonly to: number } | undefined {
		return this.#places.get(number);
	}

	/** Tells whether there are bytes of which nobody knows any more whose they were. */
	isUnknown(from: number, to: number): boolean {
		const placed = this.#log[this.#indexAt(from)];
		return placed?.number === -1 && placed.from <= from && to <= placed.to;
	}

	/** Says that something about this stream is wrong. */
	fail(what: string): never {
		throw new SimulationFailure(`${this.name}: ${what}`);
	}

	#keep(placed: Placed): void {
		this.#ahead.set(placed.from, placed);
		this.#places.set(placed.number, placed);
	}

	#compare(from: number, bytes: Uint8Array, what: string): void {
		let at = from;
		const end = from + bytes.length;
		for (let index = this.#indexAt(from); at < end; index++) {
			const placed = this.#log[index] as Placed;
			const to = Math.min(end, placed.to);
			if (placed.number === DROPPED) {
				at = to;
				continue;
			}
			const wanted = payloadOf(placed.number, placed.to - placed.from).subarray(at - placed.from, to - placed.from);
			const wrong = firstDifference(bytes.subarray(at - from, to - from), wanted);
			if (wrong >= 0) {
				this.fail(`${what}: the byte at ${at + wrong} is wrong, in the append from ${placed.from} to ${placed.to}`);
			}
			at = to;
		}
	}

	/** Index in the log of the append that holds a position. */
	#indexAt(position: number): number {
		let low = 0;
		let high = this.#log.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if ((this.#log[middle] as Placed).to <= position) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	#join(): void {
		for (let next = this.#ahead.get(this.tail); next !== undefined; next = this.#ahead.get(this.tail)) {
			this.#ahead.delete(next.from);
			this.#log.push(next);
		}
		this.#checkBorders();
		if (this.#early.length === 0) return;
		const early = this.#early;
		this.#early = [];
		for (const { from, bytes } of early) this.sawBytes(from, bytes, "read before its append was answered");
	}

	#checkBorders(): void {
		const { tail } = this;
		for (const { at, isHead } of this.#borders) {
			const placed = at > tail || at === 0 ? undefined : this.#log[this.#indexAt(at - 1)];
			if (placed === undefined || placed.to === at || (isHead && this.#inParts.has(placed.number))) continue;
			this.fail(`the ${isHead ? "head" : "tail"} ${at} cuts an append`);
		}
		this.#borders = this.#borders.filter(({ at }) => at > tail);
	}

	// After a crash

	/** Compares the whole stream with what may be left of it; what was found is what is known then. */
	found({ id, head, tail, sealed, content }: FoundStream): void {
		if (this.id !== undefined && id !== this.id) this.fail(`it has another id: ${id}, not ${this.id}`);
		if (head < this.head) this.fail(`a truncation is undone: the head is at ${head}, it was at ${this.head}`);
		this.#checkHead(head);
		if (this.sealed && !sealed) this.fail("a seal is undone");
		if (sealed && this.#sealCalled === undefined) this.fail("it is sealed, and nobody asked for that");
		const { promised } = this;
		if (tail < promised) this.fail(`the tail is at ${tail}: what was there up to ${promised} is lost`);
		if (content.length !== tail - head) this.fail(`${content.length} bytes were read from ${head} to ${tail}`);
		const from = Math.max(this.tail, head);
		this.#place(from, content.subarray(from - head), tail);
		this.sawBytes(head, content, "after opening");
		const unseen = this.#early.find(({ from: at, bytes }) => at + bytes.length > tail);
		if (unseen !== undefined) this.fail(`bytes that were read at ${unseen.from} are gone`);
		this.id = id;
		this.created = true;
		if (head > this.head) this.history.moved(head, this.#heads.get(head) as number, Number.POSITIVE_INFINITY);
		if (sealed && !this.sealed) this.history.sealed(this.#sealCalled as number, Number.POSITIVE_INFINITY);
		this.head = head;
		this.sealed = sealed;
		this.#sealCalled = sealed ? this.#sealCalled : undefined;
		for (const asked of this.#heads.keys()) if (asked !== head) this.#heads.delete(asked);
		this.#open.clear();
	}

	/** Finds out which unanswered appends the bytes behind the known ones are. */
	#place(first: number, found: Uint8Array, tail: number): void {
		let from = first;
		let content = found;
		const known = this.tail;
		if (from > this.tail) {
			const cut = this.#cutWrite(from, content);
			if (cut !== undefined) {
				content = content.subarray(cut.to - from);
				from = cut.to;
			}
			// The bytes were dropped: which appends they were, and where these ended, does not matter any more.
			this.#borders = this.#borders.filter(({ at }) => at <= this.tail || at >= from);
			for (const placed of [...this.#ahead.values()]) if (placed.from < from) this.#ahead.delete(placed.from);
			this.#log.push({ from: this.tail, to: cut?.from ?? from, number: DROPPED });
			if (cut !== undefined) this.#keep(cut);
		}
		if (from === tail) return this.#join();
		const open = [...this.#open.values()];
		const order = this.#match(content, from, 0, open) ?? this.#match(content, from, 0, behind(open, from - known));
		if (order === undefined) {
			this.fail(`the bytes from ${from} to ${tail} are no sequence of whole appends that were handed over`);
		}
		let at = from;
		for (const { number, bytes, called } of order) {
			if (!this.#ahead.has(at)) {
				this.#keep({ from: at, to: at + bytes, number });
				this.history.appended(at + bytes, called, Number.POSITIVE_INFINITY);
			}
			at += bytes;
		}
		this.#join();
	}

	/** The write in parts, answered or not, whose beginning was dropped: the content begins inside of it. */
	#cutWrite(from: number, content: Uint8Array): Placed | undefined {
		for (const number of this.#inParts) {
			const bytes = this.#open.get(number)?.bytes ?? this.#lengthAhead(number);
			if (bytes === undefined) continue;
			const payload = Buffer.from(payloadOf(number, bytes));
			const skipped = content.length === 0 ? -1 : payload.indexOf(content.subarray(0, Math.min(32, content.length)));
			const rest = payload.subarray(skipped);
			if (skipped <= 0 || from - skipped < this.tail || rest.length > content.length) continue;
			if (firstDifference(content.subarray(0, rest.length), rest) >= 0) continue;
			this.#open.delete(number);
			return { from: from - skipped, to: from + rest.length, number };
		}
		return undefined;
	}

	#lengthAhead(number: number): number | undefined {
		const placed = this.#places.get(number);
		return placed !== undefined && this.#ahead.get(placed.from) === placed ? placed.to - placed.from : undefined;
	}

	/** A sequence of attempts, each at most once and in the order of its lane, whose payloads are the content. */
	#match(content: Uint8Array, from: number, at: number, open: readonly Attempt[]): Attempt[] | undefined {
		if (at === content.length) return [];
		const known = this.#ahead.get(from + at);
		if (known !== undefined) {
			const rest = this.#match(content, from, at + known.to - known.from, open);
			const { number } = known;
			return rest && [{ number, bytes: known.to - known.from, expect: undefined, called: 0, lane: 0 }, ...rest];
		}
		const lanes = new Set<number>();
		for (const attempt of open) {
			const { number, bytes, expect, lane } = attempt;
			// A conditional append before it may have been refused; an unconditional one was stored or nothing behind it is.
			const first = !lanes.has(lane);
			if (expect === undefined) lanes.add(lane);
			const fits = bytes > 0 && bytes <= content.length - at && (expect === undefined || expect === from + at);
			if (!first || !fits) continue;
			if (firstDifference(content.subarray(at, at + bytes), payloadOf(number, bytes)) >= 0) continue;
			const rest = this.#match(
				content,
				from,
				at + bytes,
				open.filter((other) => other !== attempt && !(other.lane === lane && other.number < number)),
			);
			if (rest !== undefined) return [attempt, ...rest];
		}
		return undefined;
	}
}

/** Appends without an answer that may come behind so many bytes which were dropped unseen: the first ones may have been those. */
function behind(open: readonly Attempt[], dropped: number): readonly Attempt[] {
	let left = dropped;
	return open.filter(({ bytes, expect }) => {
		if (expect !== undefined || bytes > left) return true;
		left -= bytes;
		return false;
	});
}
