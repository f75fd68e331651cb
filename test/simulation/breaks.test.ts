/** Stores that were built wrong on purpose: what the simulation does not find, it does not prove. */
import { describe, expect, it } from "vitest";
import { breaks } from "../../scripts/simulate/breaks.ts";
import { type Simulated, simulate } from "./simulate-process.ts";

/** All of them have to be found by so many seeds, from one that is known to find it or from 1 on. */
const SEEDS = 100;

/**
 * Runs of a store that was built wrong, up to the first that fails: from the seed before that which is known to fail on,
 * since a replay has to do without what came before; then from 1 on.
 */
async function found(name: string): Promise<Simulated> {
	const first = Math.max(1, (breaks[name]?.seed ?? 1) - 1);
	const from = (seed: number, seeds: number): Promise<Simulated> => {
		const counts = ["--seed", seed, "--seeds", seeds, "--crashes", 10 * seeds].map(String);
		return simulate(...counts, "--break", name);
	};
	const simulated = await from(first, SEEDS);
	return simulated.exitCode === 0 && first > 1 ? await from(1, Math.min(first - 1, SEEDS)) : simulated;
}

describe("a store that was built wrong", () => {
	it.each(Object.keys(breaks))("is found: %s", { timeout: 900_000 }, async (name) => {
		const { exitCode, counts, what, again, stderr } = await found(name);
		expect(stderr).toMatch(/^seed \d+: /);
		expect([exitCode, counts.failures]).toEqual([1, 1]);
		// A change whose text is no longer in the source breaks nothing, and finding that out proves nothing.
		expect(what).not.toMatch(/does not hold once/);
		// The same failure, in another process, from nothing but its line.
		const replayed = await simulate(...again);
		expect([replayed.exitCode, replayed.what]).toEqual([1, what]);
	});

	it("is not found where nothing is wrong", { timeout: 900_000 }, async () => {
		expect(await simulate("--seeds", "5", "--crashes", "30")).toMatchObject({ exitCode: 0, what: undefined });
	});

	it("has to have a name that is known", async () => {
		await expect(simulate("--break", "nothing")).rejects.toThrow(/there is no break nothing; there are skip-sync, /);
	});
});
