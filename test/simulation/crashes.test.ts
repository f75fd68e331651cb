/** Stores that crash, as many as a run of the tests can afford. */
import { describe, expect, it } from "vitest";
import { simulate } from "./simulate-process.ts";
import { Simulation } from "./simulation.ts";

const SEEDS = 200;
const CRASHES = 2000;

describe("a store on a machine that crashes", () => {
	it("keeps what it promised through two thousand crashes", { timeout: 900_000 }, async () => {
		// One process for each of two cores.
		const half = ["--seeds", String(SEEDS / 2), "--crashes", String(CRASHES / 2)];
		const runs = await Promise.all([
			simulate(...half, "--seed", "1"),
			simulate(...half, "--seed", String(SEEDS / 2 + 1)),
		]);
		const total = { seeds: 0, crashes: 0, operations: 0, historiesChecked: 0, failures: 0 };
		for (const { counts } of runs) {
			for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counts[name];
		}
		console.log(JSON.stringify(total));
		expect(runs.map(({ stderr }) => stderr)).toEqual(["", ""]);
		expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
		expect(total).toMatchObject({ seeds: SEEDS, failures: 0 });
		expect(total.crashes).toBeGreaterThanOrEqual(CRASHES);
		expect(total.operations).toBeGreaterThan(100_000);
		expect(total.historiesChecked).toBeGreaterThan(CRASHES / 2);
	});
});

describe("a simulation", () => {
	/** Everything that happened, in one number. */
	const traceOf = async (seed: number): Promise<number> => {
		const simulation = new Simulation(seed);
		await simulation.run(6);
		return simulation.machine.trace;
	};

	it("does the same with the same seed, down to every operation of the disk", { timeout: 200_000 }, async () => {
		const traces: number[] = [];
		for (let seed = 1; seed <= 12; seed++) {
			const trace = await traceOf(seed);
			// Beside another one, whose turns come in between.
			const [again] = await Promise.all([traceOf(seed), traceOf(seed + 100)]);
			expect(again, `seed ${seed}`).toBe(trace);
			traces.push(trace);
		}
		expect(new Set(traces).size).toBe(traces.length);
	});
});
