/** Stores that were built wrong on purpose: what the simulation does not find, it does not prove. */
import { describe, expect, it } from "vitest";
import { breaks } from "../../scripts/simulate/breaks.ts";
import { simulate } from "./simulate-process.ts";

describe("a store that was built wrong", () => {
	it.each(Object.keys(breaks))("is found: %s", { timeout: 900_000 }, async (name) => {
		const { exitCode, counts, what, again, stderr } = await simulate(
			"--seeds",
			"100",
			"--crashes",
			"1000",
			"--break",
			name,
		);
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
