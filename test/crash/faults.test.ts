/**
 * Every operation of the disk fails once, one after the other, while a store does one thing: whatever it answers then,
 * nothing acknowledged is missing afterwards, and it always comes to an end.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../src/disk/disk.ts";
import { type Store, StreambedError, verifyStore } from "../../src/index.ts";
import { type DiskOperation, faultyDisk } from "../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";
import { codeOf, copyOf, drive, openStore, ROOT, surroundings } from "../unit/log/memory-store.ts";
import { copyModels, Life, prepare, SCOPE, type Scenario, scenarios } from "./scenarios.ts";
import type { StreamModel } from "./stream-model.ts";

/** A store to begin with, and what is known of it. */
interface Start {
	readonly disk: Disk;
	readonly models: Map<string, StreamModel>;
}

const allowed = [
	"fine",
	"STREAMBED_STOPPED",
	"STREAMBED_IO",
	"STREAMBED_DISK_FULL",
	"STREAMBED_CORRUPT",
	"STREAMBED_CLOSED",
	"STREAMBED_READ_ONLY",
];

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeAll(() => process.on("unhandledRejection", note));
afterAll(() => process.off("unhandledRejection", note));

/** Something of everything, once closed and once as a killed process left it. */
async function makeStart(killed: boolean): Promise<Start> {
	const disk = memoryDisk();
	const around = surroundings({ disk });
	const store = await openStore(around);
	const life = new Life(store);
	await drive(around.clock, prepare(life));
	if (!killed) await drive(around.clock, store.close());
	return { disk, models: life.models };
}

/** How often and how a disk fails. */
const faults = [
	{ code: "EIO", times: 1 },
	{ code: "ENOSPC", times: 1 },
	{ code: "EIO", times: Number.POSITIVE_INFINITY },
	{ code: "ENOSPC", times: Number.POSITIVE_INFINITY },
	{ code: "EMFILE", times: 1 },
	{ code: "EMFILE", times: Number.POSITIVE_INFINITY },
	// Some bytes of a write reach the disk, the rest does not.
	{ code: "EIO", times: 1, doneBytes: 1 },
	{ code: "EIO", times: 1, doneBytes: 4096 },
	{ code: "ENOSPC", times: 1, doneBytes: 100 },
] as const;

/** A full disk refuses what needs room, and nothing else; descriptors run out where one is needed; only writes can be done in part. */
function operationsOf(fault: (typeof faults)[number]): { operation?: readonly DiskOperation[] } {
	const writes = ["write", "writeDurable"] as const;
	if ("doneBytes" in fault) return { operation: writes };
	if (fault.code === "EIO") return {};
	if (fault.code === "EMFILE") return { operation: ["open", "readFile", "list", "syncDir"] };
	return { operation: [...writes, "open", "mkdir", "rename", "truncate", "sync", "syncDir"] };
}

/** Runs a scenario whose `nth` operation fails; tells whether the fault struck at all. */
async function strike(
	start: Start,
	scenario: Scenario,
	nth: number,
	fault: (typeof faults)[number],
	opening: boolean,
): Promise<boolean> {
	const context = `${scenario.name}, operation ${nth} failing: ${JSON.stringify({ ...fault, times: String(fault.times) })}`;
	const inner = copyOf(start.disk);
	const disk = faultyDisk(inner);
	const around = surroundings({ disk });
	let struck = false;
	const strikes = (): void => {
		struck = true;
	};
	const arm = (): void => {
		disk.addRule({ ...operationsOf(fault), nth, ...fault, before: strikes });
	};
	if (opening) arm();
	const models = copyModels(start.models);
	let store: Store | undefined;
	try {
		store = await openStore(around);
	} catch (error) {
		expect(StreambedError.is(error), `${context}: opening fails with ${String(error)}`).toBe(true);
	}
	if (store !== undefined) {
		const life = new Life(store, models);
		if (!opening) arm();
		const code = await drive(around.clock, codeOf(scenario.run(life, store, around)));
		expect(allowed, context).toContain(code);
		if (!struck) expect(code, context).toBe("fine");
		const closing = await drive(around.clock, codeOf(store.close()));
		expect(allowed, `${context}, closing`).toContain(closing);
	}
	// The lock is let go of in any case: the same locker serves the next opening.
	const healthy = surroundings({ disk: inner, locker: around.locker, clock: around.clock });
	const again = await openStore(healthy, false);
	for (const model of models.values()) await drive(healthy.clock, model.check(again, SCOPE, context));
	const after = new Life(again, models);
	for (const model of models.values()) {
		if (model.created && !model.sealed && !model.deleteAsked) await drive(healthy.clock, after.append(model.name, 100));
	}
	await drive(healthy.clock, again.close());
	expect((await verifyStore(ROOT, { disk: inner })).problems, context).toEqual([]);
	expect(unhandled, `${context}: unhandled rejections`).toEqual([]);
	return struck;
}

describe.each(faults)("with a disk that fails with %o", (fault) => {
	it.each(scenarios)(
		"$name loses nothing and ends, whichever operation fails",
		{ timeout: 400_000 },
		async (scenario) => {
			const start = await makeStart(false);
			let nth = 1;
			while (await strike(start, scenario, nth, fault, false)) nth++;
			// Had the fault never struck, the loop would have ended at once.
			expect(nth).toBeGreaterThan(scenario.name === "the next opening" ? 1 : 3);
		},
	);

	it("an opening after a crash loses nothing and ends, whichever operation fails", { timeout: 400_000 }, async () => {
		const start = await makeStart(true);
		const scenario = scenarios.at(-1) as Scenario;
		let nth = 1;
		while (await strike(start, scenario, nth, fault, true)) nth++;
		expect(nth).toBeGreaterThan(10);
	});
});
