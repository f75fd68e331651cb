/**
 * The life of a producer is cut between any two changes of its disk, and in the middle of writes, and so is the opening
 * after that. Then everything is tried once more, under the same triples: it has to be there once, in its order.
 */
import { describe, expect, it } from "vitest";
import type { Disk } from "../../src/disk/disk.ts";
import { type ByteStream, verifyStore } from "../../src/index.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";
import { type DiskChange, recordingDisk, replayChanges } from "../../src/testing/recording-disk.ts";
import { copyOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "../unit/log/memory-store.ts";
import { patterned } from "../unit/log/pattern.ts";
import { cutsOf } from "./cut.ts";

const SEGMENT = 65_536;
const SIZES = [10, 3000, 30_000, 1, 40_000, 200, 60_000, 5, 5, 20_000, 90_000, 77];
const ENDS = SIZES.map((_, index) => SIZES.slice(0, index + 1).reduce((sum, size) => sum + size, 0));

interface Known {
	/** Appends of epoch 0 that were answered. */
	readonly answered: number;
	/** Epoch of the other producer that was told. */
	readonly epoch: number;
	readonly truncated: boolean;
	readonly created: boolean;
}

interface Recorded {
	readonly base: Disk;
	readonly changes: readonly DiskChange[];
	readonly known: readonly { readonly at: number; readonly known: Known }[];
}

function bytesOf(index: number): Uint8Array {
	return patterned(1, (ENDS[index - 1] ?? 0) as number, SIZES[index] as number);
}

function append(stream: ByteStream, index: number): Promise<{ from: number; to: number; duplicate: boolean }> {
	return stream.append(bytesOf(index), { producer: { id: "p", epoch: 0, sequence: index } });
}

async function live(
	around: Surroundings,
	disk: { readonly changes: readonly DiskChange[] },
): Promise<Recorded["known"]> {
	const known: { at: number; known: Known }[] = [];
	let now: Known = { answered: 0, epoch: 0, truncated: false, created: false };
	const learn = (news: Partial<Known>): void => {
		now = { ...now, ...news };
		known.push({ at: disk.changes.length, known: now });
	};
	learn({});
	for (let opening = 0; opening < 2; opening++) {
		const store = await openStore(around);
		const work = async (): Promise<void> => {
			const scope = store.scope("s");
			const stream = await scope.ensure("t", { segmentBytes: SEGMENT });
			learn({ created: true });
			for (let index = 6 * opening; index < 6 * (opening + 1); index += 2) {
				const both = [append(stream, index), append(stream, index + 1), append(stream, index)];
				await Promise.all(both);
				learn({ answered: index + 2 });
				const { epoch } = await stream.producer("other");
				learn({ epoch });
				if (index === 2) await store.checkpoint();
				if (index === 4) {
					await stream.truncateBefore(70_000);
					learn({ truncated: true });
					await pass(around.clock, 10_400);
				}
			}
		};
		await drive(around.clock, work());
		if (opening === 0) await drive(around.clock, store.close());
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

/** Opens what a cut left, tries everything once more. */
async function recover(disk: Disk, known: Known, context: string): Promise<void> {
	expect((await verifyStore(ROOT, { disk })).problems, context).toEqual([]);
	const around = surroundings({ disk });
	for (let times = 0; times < 2; times++) {
		const store = await openStore(around, false);
		const work = async (): Promise<void> => {
			const scope = store.scope("s");
			const stream = known.created ? scope.stream("t") : await scope.ensure("t", { segmentBytes: SEGMENT });
			const answers = await Promise.all(SIZES.map((_, index) => append(stream, index)));
			expect(
				answers.map(({ to }) => to),
				context,
			).toEqual(ENDS);
			const fresh = answers.findIndex(({ duplicate }) => !duplicate);
			const stored = fresh < 0 ? SIZES.length : fresh;
			expect(stored, context).toBeGreaterThanOrEqual(times === 0 ? known.answered : SIZES.length);
			expect(answers.slice(stored).some(({ duplicate }) => duplicate)).toBe(false);
			expect((await stream.producer("other")).epoch, context).toBeGreaterThan(known.epoch);
			const { head, tail } = (await stream.info()).shards[0] as { head: number; tail: number };
			if (known.truncated) expect(head).toBe(70_000);
			expect(tail).toBe(ENDS.at(-1));
			const content = Buffer.concat(await Array.fromAsync(stream.reader(), (bytes) => new Uint8Array(bytes)));
			expect(content.equals(patterned(1, head, tail - head)), context).toBe(true);
		};
		await drive(around.clock, work());
		await drive(around.clock, store.close());
	}
}

describe.each(["sync", "os"] as const)("with durability %s", (durability) => {
	it("a producer's life cut anywhere goes on without anything lost or stored twice", { timeout: 400_000 }, async () => {
		const { base, changes, known } = await record(durability);
		const cuts = cutsOf(changes, known);
		expect(cuts.length).toBeGreaterThan(100);
		expect(changes.some((change) => change.kind === "rename" && change.to.endsWith("/producers.bin"))).toBe(true);
		for (const { count, part } of cuts) {
			const disk = copyOf(base);
			await replayChanges(changes, disk, count, part);
			const now = (known.findLast(({ at }) => at <= count) as Recorded["known"][number]).known;
			await recover(disk, now, `cut after ${count} changes and ${part} bytes`);
		}
	});

	it("so does one whose opening is cut anywhere", { timeout: 400_000 }, async () => {
		const { base, changes, known } = await record(durability);
		for (let count = 30; count < changes.length; count += 25) {
			const crashed = copyOf(base);
			await replayChanges(changes, crashed, count, 0);
			const opening = recordingDisk(copyOf(crashed));
			await openStore(surroundings({ disk: opening }), false);
			const now = (known.findLast(({ at }) => at <= count) as Recorded["known"][number]).known;
			for (const cut of cutsOf(opening.changes, [])) {
				const disk = copyOf(crashed);
				await replayChanges(opening.changes, disk, cut.count, cut.part);
				await recover(disk, now, `cut after ${count} changes, its opening after ${cut.count} and ${cut.part} bytes`);
			}
		}
	});
});
