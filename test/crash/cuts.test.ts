/**
 * A store's life is cut between any two changes of its disk, and in the middle of writes, as SIGKILL does it; then it
 * is opened again, and that opening is cut as well. A cut takes back no change: what a loss of power does to unsynced
 * data is not tried here.
 */
import { describe, expect, it } from "vitest";
import type { Disk } from "../../src/disk/disk.ts";
import { verifyStore } from "../../src/index.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";
import { type DiskChange, recordingDisk, replayChanges } from "../../src/testing/recording-disk.ts";
import { copyOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "../unit/log/memory-store.ts";
import { type Cut, cutsOf } from "./cut.ts";
import { copyModels, Life, SCOPE } from "./scenarios.ts";
import type { StreamModel } from "./stream-model.ts";

type Models = ReadonlyMap<string, StreamModel>;

/** What a recorded life did, and what was known after how many changes. */
interface Recorded {
	readonly base: Disk;
	readonly changes: readonly DiskChange[];
	readonly known: readonly { readonly at: number; readonly models: Models }[];
}

async function live(life: Life, { clock }: Surroundings): Promise<void> {
	await life.create("a");
	await life.appendAll("a", [10, 3000, 9000, 30_000, 1]);
	await pass(clock, 60);
	await Promise.all([life.create("b"), life.appendAll("a", [40_000, 70_000, 5])]);
	await life.appendAll("b", [100, 200]);
	await life.truncate("a", 50_000);
	await pass(clock, 10_400);
	await Promise.all([life.appendAll("a", [100, 100_000]), life.appendAll("b", [50_000, 60_000])]);
	await life.seal("b");
	await life.create("c/d");
	await Promise.all([life.append("c/d", 77), life.truncate("b", 300)]);
	await life.delete("a");
	await life.create("e");
	await Promise.all([life.append("e", 5000), life.delete("c/d")]);
	await pass(clock, 10_400);
	await life.append("e", 200_000);
}

async function record(durability: "sync" | "os"): Promise<Recorded> {
	const base = memoryDisk();
	const first = surroundings({ disk: base });
	await drive(first.clock, (await openStore(first)).close());
	const disk = recordingDisk(copyOf(base));
	const around = surroundings({ disk, durability });
	const known: { at: number; models: Models }[] = [{ at: 0, models: new Map() }];
	const models = new Map<string, StreamModel>();
	for (let opening = 0; opening < 2; opening++) {
		const store = await openStore(around);
		const life = new Life(store, models);
		life.onNews = () => void known.push({ at: disk.changes.length, models: copyModels(models) });
		if (opening === 0) await drive(around.clock, live(life, around));
		else await drive(around.clock, life.append("e", 321));
		await drive(around.clock, store.close());
	}
	return { base, changes: disk.changes, known };
}

function knownAt({ known }: Recorded, count: number): Map<string, StreamModel> {
	return copyModels((known.findLast(({ at }) => at <= count) as (typeof known)[number]).models);
}

/** Two places in the middle of a write. */
function partsOf(bytes: number): number[] {
	return bytes > 4096 ? [bytes >> 1, 4096] : [bytes >> 1];
}

async function diskAt(base: Disk, changes: readonly DiskChange[], { count, part }: Cut): Promise<Disk> {
	const disk = copyOf(base);
	await replayChanges(changes, disk, count, part);
	return disk;
}

/** Opens what a cut left, checks it, goes on with it. */
async function recover(disk: Disk, models: Models, context: string): Promise<void> {
	const around = surroundings({ disk });
	const { problems } = await verifyStore(ROOT, { disk });
	expect(problems, context).toEqual([]);
	const store = await openStore(around, false).catch((error: unknown) => {
		throw new Error(`${context}: opening failed`, { cause: error });
	});
	for (const model of models.values()) await drive(around.clock, model.check(store, SCOPE, context));
	const life = new Life(store, new Map(models));
	for (const model of models.values()) {
		if (model.created && !model.sealed && !model.deleteAsked) await drive(around.clock, life.append(model.name, 50));
	}
	await drive(around.clock, store.close());
	const again = await openStore(around, false);
	for (const model of models.values()) await drive(around.clock, model.check(again, SCOPE, `${context}, once more`));
	await drive(around.clock, again.close());
}

describe.each(["sync", "os"] as const)("with durability %s", (durability) => {
	it("a life cut anywhere goes on with all that was promised", { timeout: 400_000 }, async () => {
		const recorded = await record(durability);
		const cuts = cutsOf(recorded.changes, recorded.known, partsOf);
		expect(cuts.length).toBeGreaterThan(200);
		for (const cut of cuts) {
			const disk = await diskAt(recorded.base, recorded.changes, cut);
			await recover(disk, knownAt(recorded, cut.count), `cut after ${cut.count} changes and ${cut.part} bytes`);
		}
	});

	it("an opening after a crash, cut anywhere, is done again by the next", { timeout: 400_000 }, async () => {
		const recorded = await record(durability);
		const { length } = recorded.changes;
		expect(length).toBeGreaterThan(100);
		for (let place = 19; place <= length; place += 20) {
			const crashed = await diskAt(recorded.base, recorded.changes, { count: place, part: 0 });
			const opening = recordingDisk(copyOf(crashed));
			await openStore(surroundings({ disk: opening }), false);
			for (const cut of cutsOf(opening.changes, [], partsOf)) {
				const disk = await diskAt(crashed, opening.changes, cut);
				const context = `cut after ${place} changes, its opening after ${cut.count} and ${cut.part} bytes`;
				await recover(disk, knownAt(recorded, place), context);
			}
		}
	});
});
