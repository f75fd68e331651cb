/** Windows over ring files: every round as it stands there, in memory that is used again only when it may be. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { viewOf } from "../../../src/log/format/checksum.ts";
import { JournalWindows, type WindowFile } from "../../../src/log/journal/journal-windows.ts";
import { encodeRound, ROUND_ALIGN, roundBytes } from "../../../src/log/journal/round.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";

interface Written {
	readonly offset: number;
	readonly bytes: Uint8Array;
}

/** Rounds that follow one another, each of one body of so many bytes. */
async function ringOf(disk: Disk, sizes: readonly number[]): Promise<{ ring: WindowFile; rounds: Written[] }> {
	const file = await disk.open("/ring", "create");
	const rounds: Written[] = [];
	let offset = ROUND_ALIGN;
	for (const [number, size] of sizes.entries()) {
		const source = Buffer.alloc(size, number + 1);
		const bytes = new Uint8Array(roundBytes(1, size));
		const place = {
			unsynced: false,
			storeTag: 1,
			incarnation: 1,
			number,
			file: 0,
			offset,
			previous: 0,
			nonce: 1,
			time: 0,
		};
		const part = { kind: 2, shard: 0, streamId: new Uint8Array(16), base: 0, fileOffset: 0, crc: 0 } as const;
		encodeRound(bytes, viewOf(bytes), place, [{ ...part, source, from: 0, to: size }]);
		await file.write(bytes, offset);
		rounds.push({ offset, bytes });
		offset += bytes.length;
	}
	return { ring: { file, bytes: offset }, rounds };
}

const sizes = fc.array(fc.oneof(fc.nat(9000), fc.nat(400_000), fc.nat({ max: 2_500_000 })), {
	minLength: 1,
	maxLength: 12,
});

describe("windows over a ring file", () => {
	it("give each round as it stands there, whatever its size", async () => {
		await fc.assert(
			fc.asyncProperty(sizes, async (list) => {
				const { ring, rounds } = await ringOf(memoryDisk(), list);
				const windows = new JournalWindows();
				for (const { offset, bytes } of rounds) {
					expect(Buffer.compare(await windows.head(ring, offset), bytes.subarray(0, 64))).toBe(0);
					expect(Buffer.compare(await windows.round(ring, offset, bytes.length), bytes)).toBe(0);
				}
				await windows.end();
			}),
			{ numRuns: 30 },
		);
	});

	it("do not use the memory of a round again before it was released", async () => {
		const { ring, rounds } = await ringOf(
			memoryDisk(),
			Array.from({ length: 40 }, () => 300_000),
		);
		const windows = new JournalWindows();
		const held: { view: Uint8Array; bytes: Uint8Array }[] = [];
		let released = 0;
		windows.reuse = async () => {
			// Later than the call, as a write of what is held would be.
			await new Promise((resolve) => setImmediate(resolve));
			for (const { view, bytes } of held.splice(0)) expect(Buffer.compare(view, bytes)).toBe(0);
			released++;
		};
		for (const { offset, bytes } of rounds) held.push({ view: await windows.round(ring, offset, bytes.length), bytes });
		await windows.end();
		expect(released).toBeGreaterThan(5);
	});

	it("read rounds that are larger than a window once, the next one while the last is worked on", async () => {
		const disk = memoryDisk();
		const { ring, rounds } = await ringOf(
			disk,
			Array.from({ length: 6 }, (_, number) => 2_000_000 + number * 100_000),
		);
		const windows = new JournalWindows();
		const before = disk.counters.reads;
		for (const { offset, bytes } of rounds) await windows.round(ring, offset, bytes.length);
		await windows.end();
		expect(disk.counters.reads - before).toBe(rounds.length);
	});

	it("fail as the disk does, and give less where the file has become shorter", async () => {
		const disk = memoryDisk();
		const { ring, rounds } = await ringOf(disk, [10_000, 10_000]);
		const [first, second] = rounds as [Written, Written];
		const longer = { ...ring, bytes: ring.bytes + 1_000_000 };
		await ring.file.truncate(second.offset + 100);
		const windows = new JournalWindows();
		expect((await windows.round(longer, second.offset, second.bytes.length)).length).toBe(100);
		await ring.file.close();
		await expect(windows.round(longer, first.offset, 2_000_000)).rejects.toMatchObject({ code: "EBADF" });
		await windows.end();
	});
});
