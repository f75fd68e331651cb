import { describe, expect, it } from "vitest";
import { type Block, BlockCache } from "../../../src/log/segments/block-cache.ts";
import { BlockMemory } from "../../../src/log/segments/block-memory.ts";

const MiB = 1024 * 1024;

describe("memory of blocks", () => {
	it("is used again for what it has room for, the newest first, and not for what would waste much of it", () => {
		const memory = new BlockMemory(10 * MiB);
		const [first, second] = [memory.take(MiB), memory.take(MiB - 100_000)];
		expect([first.length, second.length]).toEqual([MiB, 15 * 64 * 1024]);
		memory.giveBack(first);
		memory.giveBack(second);
		expect(memory.take(MiB - 100_000)).toBe(second);
		expect(memory.take(MiB / 2)).not.toBe(first);
		expect(memory.take(900_000)).toBe(first);
		expect(memory.bytes).toBe(0);
	});

	it("is bounded, lets the oldest go, and keeps neither small pieces nor very large ones", () => {
		const memory = new BlockMemory(2 * MiB);
		const pieces = [memory.take(MiB), memory.take(MiB), memory.take(MiB)];
		for (const piece of pieces) memory.giveBack(piece);
		memory.giveBack(memory.take(3 * MiB));
		expect(memory.bytes).toBe(2 * MiB);
		expect([memory.take(MiB), memory.take(MiB)]).toEqual([pieces[2], pieces[1]]);
		for (const piece of pieces) memory.giveBack(piece);
		expect(memory.take(1000).length).toBe(1000);
		memory.giveBack(memory.take(1000));
		expect(memory.bytes).toBe(2 * MiB);
	});
});

describe("a block in use", () => {
	function cacheOf(limit: number) {
		const memory = new BlockMemory(10 * MiB);
		const cache = new BlockCache(limit, memory);
		const load = async (): Promise<Block> => {
			const piece = memory.take(MiB);
			await undefined;
			return { bytes: piece, memory: piece, fileOffset: 0, frames: [], bad: [], from: 0, to: 0 };
		};
		return { memory, get: (key: string) => cache.get(key, MiB, load), cache };
	}

	it("keeps its memory until the last of those who asked for it has released it", async () => {
		const { memory, get } = cacheOf(MiB);
		const [one, other] = await Promise.all([get("a"), get("a")]);
		expect(one.block).toBe(other.block);
		await get("b");
		one.release();
		one.release();
		expect(memory.bytes).toBe(0);
		other.release();
		expect(memory.bytes).toBe(MiB);
		expect((await get("c")).block.memory).toBe(one.block.memory);
	});

	it("keeps it as long as the block is in the cache, for who asks next", async () => {
		const { memory, get } = cacheOf(2 * MiB);
		const first = await get("a");
		first.release();
		const again = await get("a");
		expect([again.block, memory.bytes]).toEqual([first.block, 0]);
		again.release();
		await get("b");
		await get("c");
		expect(memory.bytes).toBe(MiB);
	});

	it("keeps it for ever where nobody releases it", async () => {
		const { memory, get, cache } = cacheOf(MiB);
		await get("file:a");
		cache.forget("file:");
		await get("b");
		expect(memory.bytes).toBe(0);
	});

	it("keeps it where it was forgotten while it was being read", async () => {
		const { memory, get, cache } = cacheOf(MiB);
		const reading = get("file:a");
		cache.forget("file:");
		const { release } = await reading;
		expect(memory.bytes).toBe(0);
		release();
		expect(memory.bytes).toBe(MiB);
	});
});
