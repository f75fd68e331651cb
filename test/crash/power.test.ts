/**
 * The machine stops before the first operation of the disk, before the second, and so on until there is none left, while
 * a store does one thing; what was not synced then survives by chance. Whatever is left, the next opening finds all that
 * was promised.
 */
import { describe, expect, it } from "vitest";
import { open, verifyStore } from "../../src/index.ts";
import { type CrashDisk, crashDisk } from "../../src/testing/crash-disk.ts";
import { type FaultyDisk, faultyDisk } from "../../src/testing/faulty-disk.ts";
import { codeOf, drive, openStore, ROOT, surroundings } from "../unit/log/memory-store.ts";
import { Life, prepare, SCOPE, type Scenario, scenarios } from "./scenarios.ts";

/** Seeds for each operation; fewer where there are many operations. */
const SEEDS = 12;
const SEEDS_OF_LONG = 3;

/** From its `nth` operation on the disk does nothing and never answers; `reached` says that it has come to that. */
function stopAt(disk: FaultyDisk, nth: number): { readonly reached: Promise<void>; count(): number } {
	let count = 0;
	const reached = new Promise<void>((resolve) => {
		const before = (): Promise<void> => {
			count++;
			resolve();
			return new Promise(() => {});
		};
		disk.addRule({ nth, times: Number.POSITIVE_INFINITY, before });
	});
	return { reached, count: () => count };
}

/** Runs a scenario on a machine that stops at its `nth` operation; tells whether it came to that. */
async function strike(scenario: Scenario, nth: number, seed: number): Promise<boolean> {
	const context = `${scenario.name}, stopped at operation ${nth}, seed ${seed}`;
	const opening = scenario.name === "the next opening";
	let inner: CrashDisk = crashDisk({ seed });
	let around = surroundings({ disk: faultyDisk(inner) });
	const store = await openStore(around);
	const life = new Life(store);
	await drive(around.clock, prepare(life));
	if (opening) {
		inner = inner.crash();
		around = surroundings({ disk: faultyDisk(inner), clock: around.clock });
	}
	const stopping = stopAt(around.disk as FaultyDisk, nth);
	if (opening) {
		const { disk, clock, random, locker: lock } = around;
		await drive(clock, Promise.race([open(ROOT, { disk, clock, random, lock, create: false }), stopping.reached]));
	} else {
		const work = codeOf(scenario.run(life, store, around));
		await drive(around.clock, Promise.race([work, stopping.reached]));
	}
	const stopped = stopping.count() > 0;
	const left = inner.crash();
	const after = surroundings({ disk: left });
	const again = await openStore(after, false);
	for (const model of life.models.values()) await drive(after.clock, model.check(again, SCOPE, context));
	const next = new Life(again, life.models);
	for (const model of life.models.values()) {
		if (model.created && !model.sealed && !model.deleteAsked) await drive(after.clock, next.append(model.name, 100));
	}
	await drive(after.clock, again.close());
	expect((await verifyStore(ROOT, { disk: left })).problems, context).toEqual([]);
	return stopped;
}

describe("a machine that stops", () => {
	it.each(scenarios)(
		"$name loses nothing, whichever operation was the last",
		{ timeout: 400_000 },
		async (scenario) => {
			const seeds = /opening|checkpoint|parts|prepared/.test(scenario.name) ? SEEDS_OF_LONG : SEEDS;
			let nth = 1;
			for (; ; nth++) {
				let stopped = false;
				for (let seed = 0; seed < seeds; seed++) stopped = (await strike(scenario, nth, 1000 * nth + seed)) || stopped;
				if (!stopped) break;
			}
			expect(nth).toBeGreaterThan(1);
		},
	);
});
