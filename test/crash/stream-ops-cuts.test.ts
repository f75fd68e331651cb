/**
 * The life of a stream of Stream Ops is cut between any two changes of its disk, and in the middle of writes, as SIGKILL
 * does it; then it is opened again, read, and appended to. All that was acknowledged is there, and nothing but a
 * beginning of what was asked for.
 */
import { describe, expect, it } from "vitest";
import { StreamStorageFS, type StreamStorageOptions } from "../../src/stream-ops/index.ts";
import { wrap } from "../../src/stream-ops/rion/index.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../src/testing/memory-locker.ts";
import { type DiskChange, recordingDisk, replayChanges } from "../../src/testing/recording-disk.ts";

const folder = "/streams/s";
const payloads = Array.from({ length: 40 }, (_, i) => new Uint8Array(1 + ((i * 37) % 90)).fill(i));
const records = payloads.map((payload) => wrap(payload));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A life, its changes, and after how many of them how many records were acknowledged. */
async function live(layout: "0.6" | "0.7"): Promise<{ changes: readonly DiskChange[]; known: [number, number][] }> {
	const disk = recordingDisk(memoryDisk());
	const known: [number, number][] = [];
	const options = { disk, locker: memoryLocker(), layout };
	let next = 0;
	const acknowledged = (count: number): void => {
		next += count;
		known.push([disk.changes.length, next]);
	};
	for (let session = 0; session < 3; session++) {
		await using storage = new StreamStorageFS("s", folder, 200, options);
		await storage.openForAppend();
		for (let i = 0; i < 4; i++) {
			await storage.append(records[next] as Uint8Array);
			acknowledged(1);
		}
		const several = records.slice(next, next + 6);
		await storage.appendRecords(several);
		acknowledged(several.length);
		await Promise.all(records.slice(next, next + 3).map((each) => storage.append(each)));
		acknowledged(3);
	}
	return { changes: disk.changes, known };
}

async function recover(changes: readonly DiskChange[], count: number, part: number, least: number): Promise<void> {
	const context = `cut after ${count} changes and ${part} bytes`;
	const disk = recordingDisk(memoryDisk());
	await replayChanges(changes, disk, count, part);
	const options: StreamStorageOptions = { disk, locker: memoryLocker() };
	const reader = new StreamStorageFS("s", folder, 200, options);
	const before = (await Array.fromAsync(reader.records())).map(({ bytes }) => hex(bytes));
	expect(before.length, context).toBeGreaterThanOrEqual(least);
	expect(before, context).toEqual(records.slice(0, before.length).map(hex));
	expect((await reader.verify()).problems, context).toEqual([]);
	const cut = reader.tornTail;
	const opened = disk.changes.length;
	const writer = new StreamStorageFS("s", folder, 200, options);
	expect((await writer.openForAppend()) === null, context).toBe(cut === null);
	expect(await writer.append(records[before.length] as Uint8Array), context).toBe(before.length);
	await writer.closeForAppend();
	const after = await Array.fromAsync(new StreamStorageFS("s", folder, 200, options).records());
	expect(
		after.map(({ bytes }) => hex(bytes)),
		context,
	).toEqual(records.slice(0, before.length + 1).map(hex));
	if (cut === null) return;
	// Cutting a torn tail off is cut as well.
	const all = disk.changes;
	for (let again = opened; again <= all.length; again++) {
		const third = memoryDisk();
		await replayChanges(all, third, again);
		const last = new StreamStorageFS("s", folder, 200, { disk: third, locker: memoryLocker() });
		await last.openForAppend();
		const read = (await Array.fromAsync(last.records())).map(({ bytes }) => hex(bytes));
		expect(read.slice(0, before.length), `${context}, cut again after ${again}`).toEqual(before);
		expect(await last.append(records[0] as Uint8Array)).toBe(read.length);
		await last.closeForAppend();
	}
}

describe.each(["0.7", "0.6"] as const)("a stream of layout %s", (layout) => {
	it("cut anywhere goes on with all that was acknowledged", { timeout: 400_000 }, async () => {
		const { changes, known } = await live(layout);
		let torn = 0;
		for (let count = 0; count <= changes.length; count++) {
			const least = known.findLast(([at]) => at <= count)?.[1] ?? 0;
			await recover(changes, count, 0, least);
			const next = changes[count];
			if (next?.kind !== "write") continue;
			for (const part of [1, 2, next.bytes.length >> 1, next.bytes.length - 1]) {
				if (part <= 0 || part >= next.bytes.length) continue;
				await recover(changes, count, part, least);
				torn++;
			}
		}
		expect(torn).toBeGreaterThan(50);
	});
});
