/**
 * The life of a stream with records in parts is cut between any two changes of its disk, and in the middle of writes, and
 * so is the opening after that. Each record in parts has to be there with all of its parts, or not at all.
 */
import { describe, expect, it } from "vitest";
import type { Disk } from "../../src/disk/disk.ts";
import { type RecordStream, verifyStore } from "../../src/index.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";
import { type DiskChange, recordingDisk, replayChanges } from "../../src/testing/recording-disk.ts";
import { copyOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "../unit/log/memory-store.ts";
import { patterned } from "../unit/log/pattern.ts";
import { cutsOf } from "./cut.ts";

const PART = 512 * 1024;
/** What is stored one after the other: sizes of records, those in parts below zero. */
const STEPS = [10, -(PART + 100), 3000, -20, -(2 * PART), 70_000, 5, -(PART + 1), 9] as const;
/** Records behind each step. */
const ENDS = STEPS.map((_, index) => STEPS.slice(0, index + 1).reduce((sum, size) => sum + partsOf(size), 0));

interface Recorded {
	readonly base: Disk;
	readonly changes: readonly DiskChange[];
	/** After how many changes how many steps were answered. */
	readonly known: readonly { readonly at: number; readonly answered: number }[];
}

function partsOf(size: number): number {
	return size > 0 ? 1 : Math.max(1, Math.ceil(-size / PART));
}

function filled(number: number, bytes: number): Uint8Array {
	// A prime: so that no part is like another.
	return new Uint8Array(Buffer.alloc(bytes, patterned(number, 0, 4999)));
}

/** What each step stores. */
const CONTENTS = STEPS.map((size, step) => filled(step, Math.abs(size)));

async function store(stream: RecordStream, step: number): Promise<void> {
	const value = CONTENTS[step] as Uint8Array;
	if ((STEPS[step] as number) > 0) {
		await stream.append({ value });
		return;
	}
	const record = stream.multipart({ key: `k${step}` });
	await record.write(value.subarray(0, 7));
	await record.write(value.subarray(7));
	await record.commit();
}

async function live(
	around: Surroundings,
	disk: { readonly changes: readonly DiskChange[] },
): Promise<Recorded["known"]> {
	const known = [{ at: 0, answered: 0 }];
	for (let opening = 0; opening < 2; opening++) {
		const opened = await openStore(around);
		const work = async (): Promise<void> => {
			const stream = await opened.scope("s").ensure("t", { kind: "records", segmentBytes: 65_536 });
			const left = stream.multipart();
			await left.write(filled(99, PART + 1));
			for (let step = 5 * opening; step < (opening === 0 ? 5 : STEPS.length); step++) {
				await store(stream, step);
				known.push({ at: disk.changes.length, answered: step + 1 });
				if (step === 2) await opened.checkpoint();
				if (step === 3) await pass(around.clock, 10_400);
			}
		};
		await drive(around.clock, work());
		if (opening === 0) await drive(around.clock, opened.close());
	}
	await pass(around.clock, 5200);
	return known;
}

async function record(durability: "sync" | "os"): Promise<Recorded> {
	const base = memoryDisk();
	const first = surroundings({ disk: base });
	await drive(first.clock, (await openStore(first)).close());
	const disk = recordingDisk(copyOf(base));
	const known = await live(surroundings({ disk, durability }), disk);
	return { base, changes: disk.changes, known };
}

/** What the stream holds, step by step; fails if something else is there, or only some parts of a record. */
async function stepsIn(stream: RecordStream, context: string): Promise<number> {
	let steps = 0;
	let value: Uint8Array[] = [];
	for await (const { sequence, value: piece, part, key } of stream.read({ copy: true })) {
		expect(part?.index ?? 0, context).toBe(value.length);
		expect(key, context).toBe((STEPS[steps] as number) < 0 && value.length === 0 ? `k${steps}` : null);
		value.push(piece);
		if (part !== undefined && !part.last) continue;
		expect(sequence + 1, context).toBe(ENDS[steps]);
		expect(Buffer.concat(value).equals(CONTENTS[steps] as Uint8Array), context).toBe(true);
		value = [];
		steps++;
	}
	expect(value, context).toEqual([]);
	return steps;
}

/** Opens what a cut left, and stores what is missing. */
async function recover(disk: Disk, answered: number, context: string): Promise<void> {
	expect((await verifyStore(ROOT, { disk })).problems, context).toEqual([]);
	const around = surroundings({ disk });
	for (let times = 0; times < 2; times++) {
		const opened = await openStore(around, false);
		const work = async (): Promise<void> => {
			const stream = await opened.scope("s").ensure("t", { kind: "records", segmentBytes: 65_536 });
			const stored = await stepsIn(stream, context);
			expect(stored, context).toBeGreaterThanOrEqual(times === 0 ? answered : STEPS.length);
			for (let step = stored; step < STEPS.length; step++) await store(stream, step);
		};
		await drive(around.clock, work());
		await drive(around.clock, opened.close());
	}
	const left = (await disk.list(`${ROOT}/streams/s/t.stream/0/staged`).catch(() => [])).map(({ name }) => name);
	expect(left, context).toEqual([]);
}

describe.each(["sync", "os"] as const)("with durability %s", (durability) => {
	it("a record in parts is there whole or not at all, wherever its life is cut", { timeout: 120_000 }, async () => {
		const { base, changes, known } = await record(durability);
		const cuts = cutsOf(changes, known);
		expect(cuts.length).toBeGreaterThan(100);
		expect(changes.some((change) => change.kind === "rename" && change.path.includes("/staged/"))).toBe(true);
		for (const { count, part } of cuts) {
			const disk = copyOf(base);
			await replayChanges(changes, disk, count, part);
			const { answered } = known.findLast(({ at }) => at <= count) as Recorded["known"][number];
			await recover(disk, answered, `cut after ${count} changes and ${part} bytes`);
		}
	});

	it("so is one whose opening is cut anywhere", { timeout: 120_000 }, async () => {
		const { base, changes, known } = await record(durability);
		const renames = changes.flatMap((change, at) => {
			return change.kind === "rename" && change.path.includes("/staged/") ? [at] : [];
		});
		for (const count of renames.filter((_, index) => index % 3 === 1)) {
			const crashed = copyOf(base);
			await replayChanges(changes, crashed, count, 0);
			const opening = recordingDisk(copyOf(crashed));
			await openStore(surroundings({ disk: opening }), false);
			const { answered } = known.findLast(({ at }) => at <= count) as Recorded["known"][number];
			for (const cut of cutsOf(opening.changes, [])) {
				const disk = copyOf(crashed);
				await replayChanges(opening.changes, disk, cut.count, cut.part);
				await recover(
					disk,
					answered,
					`cut after ${count} changes, its opening after ${cut.count} and ${cut.part} bytes`,
				);
			}
		}
	});
});
