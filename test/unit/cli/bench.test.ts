import { describe, expect, it } from "vitest";
import { measure, type Scenario, spreadOf } from "../../../src/cli/bench/measure.ts";

function fixed(ours: number[], reference: number[], log: string[] = []): Scenario {
	const side = (name: string, figures: number[]) => ({
		name,
		run: async () => {
			log.push(name);
			return figures.shift() ?? 0;
		},
	});
	return {
		name: "fixed",
		what: "fixed figures",
		unit: "µs",
		settings: {},
		open: async () => ({
			ours: side("ours", ours),
			reference: side("reference", reference),
			close: async () => void log.push("closed"),
		}),
	};
}

const how = { rounds: 3, ms: 1, signal: new AbortController().signal, progress: () => {} };

describe("a measurement", () => {
	it("forms ratios within a round, leaves the warm-up out, and closes what it opened", async () => {
		const log: string[] = [];
		const result = await measure(fixed([99, 10, 20, 60], [1, 10, 10, 20], log), "", how);
		expect(result).toMatchObject({
			ours: { median: 20, min: 10, max: 60, unit: "µs" },
			reference: { median: 10, min: 10, max: 20 },
			ratio: { median: 2, min: 1, max: 3 },
		});
		expect(log).toEqual(["ours", "reference", "reference", "ours", "ours", "reference", "reference", "ours", "closed"]);
	});

	it("that is called off closes what it opened", async () => {
		const log: string[] = [];
		const abort = new AbortController();
		const progress = (): void => abort.abort();
		const measured = measure(fixed([1], [1], log), "", { ...how, signal: abort.signal, progress });
		await expect(measured).rejects.toMatchObject({ code: "STREAMBED_ABORTED" });
		expect(log).toEqual(["closed"]);
	});

	it("has the middle of an even number of rounds between the two in the middle", () => {
		expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
	});
});
