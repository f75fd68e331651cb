/** The check of histories says of every small one what trying all orders says. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { History } from "./history.ts";

type Kind = "append" | "tail" | "bytes" | "seal" | "refusal" | "sealedTail" | "moved" | "head";

interface Operation {
	readonly kind: Kind;
	readonly value: number;
	readonly called: number;
	readonly answered: number;
}

interface State {
	tail: number;
	head: number;
	sealed: boolean;
}

/** What an operation makes of a stream, or `undefined` if its answer is impossible there. Appends are one byte long. */
function applied({ kind, value }: Operation, state: State): State | undefined {
	switch (kind) {
		case "append":
			return !state.sealed && state.tail === value - 1 ? { ...state, tail: value } : undefined;
		case "tail":
			return !state.sealed && state.tail === value ? state : undefined;
		case "sealedTail":
		case "refusal":
			return state.sealed ? state : undefined;
		case "bytes":
			return state.tail >= value ? state : undefined;
		case "seal":
			return { ...state, sealed: true };
		case "moved":
			return state.head <= value ? { ...state, head: value } : undefined;
		case "head":
			return state.head === value ? state : undefined;
	}
}

function possible(operations: readonly Operation[], state: State): boolean {
	if (operations.length === 0) return true;
	return operations.some((next, index) => {
		const rest = operations.toSpliced(index, 1);
		if (rest.some((other) => other.answered < next.called)) return false;
		const then = applied(next, state);
		return then !== undefined && possible(rest, then);
	});
}

function checked(operations: readonly Operation[]): string | undefined {
	const history = new History({ head: 0, tail: 0, sealed: false });
	for (const { kind, value, called, answered } of operations) {
		if (kind === "append") history.appended(value, called, answered);
		else if (kind === "tail") history.sawTail("info", value, false, called, answered);
		else if (kind === "sealedTail") history.sawTail("info", value, true, called, answered);
		else if (kind === "refusal") history.sawSeal(called, answered);
		else if (kind === "bytes") history.sawBytes(value, called, answered);
		else if (kind === "seal") history.sealed(called, answered);
		else if (kind === "moved") history.moved(value, called, answered);
		else history.sawHead(value, called, answered);
	}
	return history.check();
}

const MOMENTS = 12;
const operation = fc
	.record({
		kind: fc.constantFrom<Kind>("append", "append", "tail", "bytes", "seal", "refusal", "sealedTail", "moved", "head"),
		value: fc.nat(3),
		called: fc.nat(MOMENTS),
		lasts: fc.nat(6),
		open: fc.nat(9),
	})
	.map(({ kind, value, called, lasts, open }) => ({
		kind,
		value,
		called,
		answered: open === 0 && (kind === "append" || kind === "seal") ? Number.POSITIVE_INFINITY : called + lasts,
	}));

/** Moments are all different, as a clock that counts has them; appends end at 1, 2, … */
const operations = fc.array(operation, { maxLength: 6 }).map((drawn) => {
	let appends = 0;
	let moved = 0;
	return drawn.map((one, index) => {
		const called = one.called * 20 + 2 * index + 1;
		const answered = one.answered === Number.POSITIVE_INFINITY ? one.answered : one.answered * 20 + 2 * index + 2;
		if (one.kind === "append") appends++;
		if (one.kind === "moved") moved++;
		const value = one.kind === "append" ? appends : one.kind === "moved" ? moved : one.value;
		return { ...one, value, called, answered };
	});
});

describe("the check of a history", () => {
	it("finds impossible what no order of all operations explains, and nothing else", () => {
		const found = { possible: 0, impossible: 0 };
		fc.assert(
			fc.property(operations, (history) => {
				// Of bytes that nobody ever appended the model speaks, not the history.
				const appends = history.filter(({ kind }) => kind === "append").length;
				const known = history.filter(({ kind, value }) => kind !== "bytes" || value <= appends);
				const moves = history.filter(({ kind }) => kind === "moved").length;
				const sane = known.filter(
					({ kind, value }) => !(kind === "head" && value > moves) && !(kind === "tail" && value > appends),
				);
				const seals = sane.some(({ kind }) => kind === "seal");
				const all = sane.filter(({ kind }) => seals || !(kind === "refusal" || kind === "sealedTail"));
				const right = possible(all, { head: 0, tail: 0, sealed: false });
				found[right ? "possible" : "impossible"]++;
				expect(checked(all) === undefined, JSON.stringify(all)).toBe(right);
			}),
			{ numRuns: 20_000 },
		);
		expect(Math.min(found.possible, found.impossible)).toBeGreaterThan(2000);
	});

	it("says which two answers do not go together", () => {
		const history = new History({ head: 0, tail: 0, sealed: false });
		history.appended(10, 1, 2);
		history.sawTail("info", 0, false, 3, 4);
		expect(history.check()).toBe('"append up to 10" was answered at 2, before "info told the tail 0" was called at 3');
	});
});
