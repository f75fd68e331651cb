/**
 * The machine stops before the first operation of the disk, before the second, and so on until there is none left, while
 * a store does one thing; what was not synced then survives by chance. Whatever is left, the next opening finds all that
 * was promised.
 */
import { describe, expect, it } from "vitest";
import { open, type Store, verifyStore } from "../../src/index.ts";
import { type CrashDisk, crashDisk } from "../../src/testing/crash-disk.ts";
import { type FaultyDisk, faultyDisk } from "../../src/testing/faulty-disk.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { codeOf, drive, openStore, ROOT, type Surroundings, surroundings } from "../unit/log/memory-store.ts";
import { copyModels, Life, prepare, SCOPE, type Scenario, scenarios } from "./scenarios.ts";
import type { StreamModel } from "./stream-model.ts";

/** Seeds for each operation; fewer where there are many operations. */
const SEEDS = 12;
const SEEDS_OF_LONG = 3;

/** Of the scenarios the one that begins with a stop. */
const THE_OPENING = "the next opening";

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

/** A store that was prepared, and its machine. */
interface Prepared {
	readonly inner: CrashDisk;
	readonly around: Surroundings;
	readonly store: Store;
	readonly life: Life;
}

async function prepared(): Promise<Prepared> {
	const inner = crashDisk({ seed: 0 });
	const around = surroundings({ disk: faultyDisk(inner) });
	const store = await openStore(around);
	const life = new Life(store);
	await drive(around.clock, prepare(life));
	return { inner, around, store, life };
}

/** What a machine that has stopped leaves, in one of its outcomes: the next opening has to find all that was promised. */
async function expectRecovery(
	left: CrashDisk,
	models: ReadonlyMap<string, StreamModel>,
	context: string,
): Promise<void> {
	const after = surroundings({ disk: left });
	const again = await openStore(after, false);
	const next = new Life(again, copyModels(models));
	for (const model of next.models.values()) await drive(after.clock, model.check(again, SCOPE, context));
	for (const model of next.models.values()) {
		if (model.created && !model.sealed && !model.deleteAsked) await drive(after.clock, next.append(model.name, 100));
	}
	await drive(after.clock, again.close());
	expect((await verifyStore(ROOT, { disk: left })).problems, context).toEqual([]);
}

/** Runs a scenario on a machine that stops at its `nth` operation; tells whether it came to that. */
async function strike(scenario: Scenario, nth: number): Promise<boolean> {
	const { inner, around, store, life } = await prepared();
	const stopping = stopAt(around.disk as FaultyDisk, nth);
	const work = codeOf(scenario.run(life, store, around));
	await drive(around.clock, Promise.race([work, stopping.reached]));
	const stopped = stopping.count() > 0;
	const seeds = /checkpoint|parts|prepared/.test(scenario.name) ? SEEDS_OF_LONG : SEEDS;
	for (let seed = 1000 * nth; seed < 1000 * nth + seeds; seed++) {
		const context = `${scenario.name}, stopped at operation ${nth}, seed ${seed}`;
		await expectRecovery(inner.fork(seed).crash(), life.models, context);
	}
	return stopped;
}

/** Opens what the stop of a machine has left, and stops again at the `nth` operation; tells whether it came to that. */
async function strikeOpening(
	{ inner, around: { clock }, life }: Prepared,
	nth: number,
	seed: number,
): Promise<boolean> {
	const found = inner.fork(seed).crash();
	const around = surroundings({ disk: faultyDisk(found), clock: new ManualClock(clock.now()) });
	const stopping = stopAt(around.disk as FaultyDisk, nth);
	const { disk, random, locker: lock } = around;
	const opening = open(ROOT, { disk, clock: around.clock, random, lock, create: false });
	await drive(around.clock, Promise.race([opening, stopping.reached]));
	const stopped = stopping.count() > 0;
	await expectRecovery(found.crash(), life.models, `an opening, stopped at operation ${nth}, seed ${seed}`);
	return stopped;
}

describe("a machine that stops", () => {
	it.each(scenarios.filter(({ name }) => name !== THE_OPENING))(
		"$name loses nothing, whichever operation was the last",
		{ timeout: 400_000 },
		async (scenario) => {
			let nth = 1;
			while (await strike(scenario, nth)) nth++;
			expect(nth).toBeGreaterThan(1);
		},
	);

	it(`${THE_OPENING} loses nothing, whichever operation was the last`, { timeout: 400_000 }, async () => {
		const start = await prepared();
		let nth = 1;
		for (let stopped = true; stopped; nth += stopped ? 1 : 0) {
			stopped = false;
			for (let seed = 0; seed < SEEDS_OF_LONG; seed++)
				stopped = (await strikeOpening(start, nth, 1000 * nth + seed)) || stopped;
		}
		expect(nth).toBeGreaterThan(1);
	});
});
