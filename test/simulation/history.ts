/**
 * What was asked of one stream in one life of its store and what was answered, with the moments of both, and the check
 * that it could all have happened one after the other.
 *
 * The property is linearizability: there is an order of all operations in which each takes effect at one moment between
 * its call and its answer, and every answer is what the operations before it make of the stream as it was at the
 * beginning. For a log with positions that needs no search. Successful appends must be in the order of their positions;
 * an operation that was told a tail belongs behind the append that ends there and before the next one; bytes that were
 * read belong behind the append that they are of; the seal belongs behind all appends and all that saw the stream
 * unsealed, and before all that saw it sealed. This gives each operation a rank, and some order by rank fits the moments
 * if and only if no operation was answered before one of a lower rank was called. Seals after the first change nothing:
 * all of them are one that was called with the first of them and answered with the first of them.
 *
 * Heads, which only `truncateBefore` moves, are checked in the same way on an axis of their own.
 */

/** One answered operation. */
interface Event {
	readonly what: string;
	/** An append that ends at `t` has `2t`, what saw the tail there `2t + 1`. */
	readonly rank: number;
	readonly called: number;
	readonly answered: number;
	/** Others of a higher rank must not have been answered before it was called; not so if it only saw part of what was there. */
	readonly bounds: boolean;
}

/** Ranks behind all positions. */
const SEAL = Number.MAX_SAFE_INTEGER - 1;
const SEALED = Number.MAX_SAFE_INTEGER;

/** A stream as it was when a life began. */
export interface HistoryStart {
	readonly head: number;
	readonly tail: number;
	readonly sealed: boolean;
}

/** A stream's history in one life of its store. */
export class History {
	readonly #tails: Event[] = [];
	readonly #heads: Event[] = [];
	/** By rank: what may be asked for again without effect. */
	readonly #once = new Map<string, { -readonly [Key in keyof Event]: Event[Key] }>();

	constructor(start: HistoryStart) {
		this.appended(start.tail, -1, 0);
		this.moved(start.head, -1, 0);
		if (start.sealed) this.sealed(-1, 0);
	}

	/** Operations that were noted. */
	get length(): number {
		return this.#tails.length + this.#heads.length - 2;
	}

	/** An append that is stored up to `to`; `answered` is infinite if nobody was told. */
	appended(to: number, called: number, answered: number): void {
		this.#tails.push({ what: `append up to ${to}`, rank: 2 * to, called, answered, bounds: true });
	}

	/** The tail was told, of a stream that was or was not sealed then. */
	sawTail(by: string, tail: number, sealed: boolean, called: number, answered: number): void {
		const what = `${by} told the tail ${tail}${sealed ? ", sealed" : ""}`;
		this.#tails.push({ what, rank: sealed ? SEALED : 2 * tail + 1, called, answered, bounds: true });
	}

	/** Bytes were read of the append that ends at `to`. */
	sawBytes(to: number, called: number, answered: number): void {
		this.#tails.push({ what: `read bytes up to ${to}`, rank: 2 * to + 1, called, answered, bounds: false });
	}

	/** The stream was sealed by this call or an earlier one. */
	sealed(called: number, answered: number): void {
		this.#onceOn(this.#tails, { what: "seal", rank: SEAL, called, answered, bounds: true });
	}

	/** Something was refused because the stream is sealed. */
	sawSeal(called: number, answered: number): void {
		this.#tails.push({ what: "refusal of a sealed stream", rank: SEALED, called, answered, bounds: true });
	}

	/** The head was moved to `head` by this call or another one. */
	moved(head: number, called: number, answered: number): void {
		this.#onceOn(this.#heads, { what: `head moved to ${head}`, rank: 2 * head, called, answered, bounds: true });
	}

	/** The head was told. */
	sawHead(head: number, called: number, answered: number): void {
		this.#heads.push({ what: `told head ${head}`, rank: 2 * head + 1, called, answered, bounds: true });
	}

	#onceOn(events: Event[], event: Event): void {
		const key = `${events === this.#tails} ${event.rank}`;
		const known = this.#once.get(key);
		if (known !== undefined) {
			known.called = Math.min(known.called, event.called);
			known.answered = Math.min(known.answered, event.answered);
			return;
		}
		const first = { ...event };
		this.#once.set(key, first);
		events.push(first);
	}

	/** Says why the history is impossible, or nothing if it is possible. */
	check(): string | undefined {
		return firstImpossible(this.#tails) ?? firstImpossible(this.#heads);
	}
}

/** Finds an operation that was answered before one that must come before it was called. */
function firstImpossible(events: readonly Event[]): string | undefined {
	const inOrder = events.toSorted((a, b) => a.rank - b.rank);
	let latest: Event | undefined;
	for (let at = 0; at < inOrder.length; ) {
		const { rank } = inOrder[at] as Event;
		const same: Event[] = [];
		for (; at < inOrder.length && inOrder[at]?.rank === rank; at++) same.push(inOrder[at] as Event);
		for (const event of same) {
			if (latest === undefined || event.answered > latest.called) continue;
			return `"${event.what}" was answered at ${event.answered}, before "${latest.what}" was called at ${latest.called}`;
		}
		for (const event of same) {
			if (event.bounds && event.called > (latest?.called ?? -1)) latest = event;
		}
	}
	return undefined;
}
