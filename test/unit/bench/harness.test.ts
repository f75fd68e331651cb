import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Case, compare, type Figures, measure, rotated, type Side, SideMissing } from "../../../bench/harness.ts";

let folder = "";
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "streambed-harness-"));
});
afterEach(() => {
	rmSync(folder, { recursive: true, force: true });
});

/** A side that measures `first`, then `first + 1`, …, and notes its turns. */
function counting(name: string, first: number, turns: string[], closed: string[] = []): Side {
	return {
		name,
		open: async () => {
			let next = first;
			return {
				run: async () => {
					turns.push(name);
					return { rate: next++ };
				},
				close: async () => {
					closed.push(name);
				},
			};
		},
	};
}

function caseOf(sides: readonly Side[], more: Partial<Case> = {}): Case {
	const pairs = [{ ours: "a", reference: "b", metric: "rate", unit: "x" }];
	return { name: "test/case", sides, pairs, settings: {}, ...more };
}

describe("measuring a case", () => {
	it("runs each side once to warm up and then round by round, beginning with another side each time", async () => {
		const turns: string[] = [];
		const sides = [counting("a", 1, turns), counting("b", 1, turns), counting("c", 1, turns)];
		await measure(caseOf(sides), { rounds: 2, seconds: 0 }, join(folder, "case"));
		expect(turns.join("")).toBe("abc" + "bca" + "cab");
	});

	it("does not count the warm-up", async () => {
		const turns: string[] = [];
		const sides = [counting("a", 10, turns), counting("b", 1, turns)];
		const [found] = await measure(caseOf(sides), { rounds: 3, seconds: 0 }, join(folder, "case"));
		expect(found?.ours).toEqual({ median: 12, min: 11, max: 13 });
		expect(found?.reference).toEqual({ median: 3, min: 2, max: 4 });
	});

	it("pays for no warm-up where a case says so", async () => {
		const turns: string[] = [];
		const sides = [counting("a", 10, turns), counting("b", 1, turns)];
		await measure(caseOf(sides, { warmUp: false }), { rounds: 1, seconds: 0 }, join(folder, "case"));
		expect(turns).toHaveLength(2);
	});

	it("gives each side a folder of its own, and removes all of them", async () => {
		const seen: string[] = [];
		const side = (name: string): Side => ({
			name,
			open: async (own) => {
				expect(readdirSync(own)).toEqual([]);
				seen.push(own);
				return { run: async () => ({ rate: 1 }) };
			},
		});
		const what = caseOf([side("a"), side("b")], {
			prepare: async (shared) => {
				seen.push(shared);
			},
		});
		await measure(what, { rounds: 1, seconds: 0 }, join(folder, "case"));
		expect(new Set(seen).size).toBe(3);
		expect(existsSync(join(folder, "case"))).toBe(false);
	});

	it("closes the sides and removes the folder also when one of them fails", async () => {
		const closed: string[] = [];
		const failing: Side = {
			name: "b",
			open: async () => ({
				run: async () => {
					throw new Error("no disk");
				},
			}),
		};
		const what = caseOf([counting("a", 1, [], closed), failing]);
		await expect(measure(what, { rounds: 1, seconds: 0 }, join(folder, "case"))).rejects.toThrow("no disk");
		expect(closed).toEqual(["a"]);
		expect(existsSync(join(folder, "case"))).toBe(false);
	});

	it("leaves out a side that is not to be had here, with its comparisons, and says so", async () => {
		const left: string[] = [];
		const missing: Side = {
			name: "c",
			open: async () => {
				throw new SideMissing("no such library");
			},
		};
		const pair = { metric: "rate", unit: "x" };
		const what = caseOf([counting("a", 1, []), missing, counting("b", 1, [])], {
			pairs: [
				{ ours: "a", reference: "c", ...pair },
				{ ours: "a", reference: "b", ...pair },
			],
		});
		const listener = { missing: (side: string, why: string) => left.push(`${side}: ${why}`) };
		const found = await measure(what, { rounds: 1, seconds: 0 }, join(folder, "case"), listener);
		expect(found.map(({ pair: { reference } }) => reference)).toEqual(["b"]);
		expect(left).toEqual(["c: no such library"]);
	});
});

describe("comparing two sides", () => {
	const figures = new Map<string, Figures[]>([
		["a", [{ rate: 10 }, { rate: 30 }, { rate: 20 }]],
		["b", [{ rate: 10 }, { rate: 60 }, { rate: 10 }]],
	]);
	const pair = { ours: "a", reference: "b", metric: "rate", unit: "x" };

	it("forms the ratio within each round, not of the medians", () => {
		// Median by median it would be 20 ÷ 10.
		expect(compare(pair, figures).ratio).toEqual({ median: 1, min: 0.5, max: 2 });
	});

	it.each([
		[{ atLeast: 1 }, true],
		[{ atLeast: 1.01 }, false],
		[{ atMost: 1 }, true],
		[{ atMost: 0.99 }, false],
	] as const)("tells whether the median ratio of 1 keeps the bar %o: %s", (bar, met) => {
		expect(compare({ ...pair, bar }, figures).met).toBe(met);
	});

	it("refuses to compare with a side that is not there, or by a metric that was not measured", () => {
		expect(() => compare({ ...pair, reference: "c" }, figures)).toThrow('no side is named "c"');
		expect(() => compare({ ...pair, metric: "p50" }, figures)).toThrow('"a" measured no "p50"');
	});
});

describe("rotating", () => {
	it("begins with another item each time and loses none", () => {
		expect([0, 1, 2, 3].map((by) => rotated([1, 2, 3], by).join(""))).toEqual(["123", "231", "312", "123"]);
	});
});
