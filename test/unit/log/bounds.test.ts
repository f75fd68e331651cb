/** Small parts that hold something within a bound: admission of appends, the cache of blocks, the sparse index. */
import { describe, expect, it } from "vitest";
import { INDEX_STEP_BYTES, SparseIndex } from "../../../src/log/format/sparse-index.ts";
import { type Block, BlockCache, type Lease } from "../../../src/log/segments/block-cache.ts";
import { BlockMemory } from "../../../src/log/segments/block-memory.ts";
import { Admission } from "../../../src/log/shards/admission.ts";

describe("admission", () => {
	it("lets in up to its bound, and later ones in their order as room comes", () => {
		const admission = new Admission(100);
		const order: string[] = [];
		expect(admission.admit(60)).toBe(true);
		expect(admission.admit(60)).toBe(false);
		admission.wait(60, () => order.push("large"));
		admission.wait(10, () => order.push("small"));
		// The small one would fit, and does not overtake.
		expect([admission.admit(10), admission.hasRoom(1)]).toEqual([false, false]);
		admission.release(30);
		expect(order).toEqual(["large", "small"]);
		expect(admission.bytes).toBe(100);
		admission.release(100);
		expect([admission.bytes, admission.hasRoom(100)]).toEqual([0, true]);
	});

	it("lets in what is larger than the bound when nothing else is there", () => {
		const admission = new Admission(100);
		const order: number[] = [];
		expect(admission.admit(1)).toBe(true);
		admission.wait(500, () => order.push(500));
		admission.release(1);
		expect([order, admission.bytes]).toEqual([[500], 500]);
		expect(admission.hasRoom(0)).toBe(false);
	});

	it("lets everybody in at the end", () => {
		const admission = new Admission(10);
		admission.admit(10);
		const order: number[] = [];
		for (const number of [1, 2, 3]) admission.wait(10, () => order.push(number));
		admission.flush();
		expect(order).toEqual([1, 2, 3]);
	});
});

describe("the cache of blocks", () => {
	const block: Block = { bytes: new Uint8Array(), fileOffset: 0, frames: [], bad: [], from: 0, to: 0 };

	function cacheWith(limit: number) {
		const loads: string[] = [];
		const cache = new BlockCache(limit, new BlockMemory(0));
		const get = (key: string, bytes = 10): Promise<Lease> =>
			cache.get(key, bytes, async () => {
				loads.push(key);
				return block;
			});
		return { cache, loads, get };
	}

	it("reads once what many ask for at the same time and after that", async () => {
		const { loads, get } = cacheWith(100);
		await Promise.all([get("a"), get("a"), get("b")]);
		await get("a");
		expect(loads).toEqual(["a", "b"]);
	});

	it("lets go of what was not asked for for longest", async () => {
		const { cache, loads, get } = cacheWith(30);
		for (const key of ["a", "b", "c", "a", "d", "a", "b"]) await get(key);
		expect(loads).toEqual(["a", "b", "c", "d", "b"]);
		expect(cache.bytes).toBe(30);
	});

	it("keeps one that is larger than the bound while it is the newest", async () => {
		const { cache, loads, get } = cacheWith(30);
		await get("a");
		await get("huge", 500);
		await get("huge", 500);
		expect([loads, cache.bytes]).toEqual([["a", "huge"], 500]);
		await get("a");
		expect(cache.bytes).toBe(10);
	});

	it("does not keep a failure, and forgets a file on request", async () => {
		const { cache, loads, get } = cacheWith(100);
		await expect(cache.get("x", 10, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
		await get("x");
		expect(loads).toEqual(["x"]);
		await get("file:1");
		cache.forget("file:");
		expect(cache.bytes).toBe(10);
		await get("file:1");
		expect(loads).toEqual(["x", "file:1", "file:1"]);
	});
});

describe("the sparse index", () => {
	function filled(): SparseIndex {
		const index = new SparseIndex();
		for (let frame = 0; frame < 40; frame++) {
			const fileOffset = 64 + frame * (INDEX_STEP_BYTES / 4);
			const entry = { fileOffset, relative: frame * 100, time: 1000 + frame * 10, head: 0, sealed: false, crc: frame };
			index.note(entry, fileOffset + INDEX_STEP_BYTES / 4);
		}
		return index;
	}

	it("notes the first frame, then one each MiB", () => {
		const index = filled();
		expect(index.entries.map(({ relative }) => relative)).toEqual([
			0, 400, 800, 1200, 1600, 2000, 2400, 2800, 3200, 3600,
		]);
		expect(index.coveredBytes).toBe(64 + 10 * INDEX_STEP_BYTES);
	});

	it("finds the block of a position, and the last block before a time", () => {
		const index = filled();
		expect([0, 399, 400, 401, 3599, 3600, 9999].map((relative) => index.blockOf(relative))).toEqual([
			0, 0, 1, 1, 8, 9, 9,
		]);
		// Entries have the times 1000, 1040, 1080, …; a frame of the same time may end the block before.
		expect([0, 1000, 1001, 1040, 1041, 9999].map((time) => index.blockBefore(time))).toEqual([0, 0, 0, 0, 1, 9]);
	});
});
