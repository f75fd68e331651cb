import { describe, expect, it } from "vitest";
import { hashBytes, jump, RoundRobin, shardOfKey } from "../../../src/core/routing.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function hex(text: string): string {
	const { high, low } = hashBytes(bytes(text));
	return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** The two algorithms as their authors wrote them, in 64-bit arithmetic. */
function reference(key: string, shards: number): number {
	const mask = 2n ** 64n - 1n;
	let state = 0xcbf29ce484222325n;
	for (const byte of bytes(key)) state = ((state ^ BigInt(byte)) * 0x100000001b3n) & mask;
	let shard = -1;
	for (let next = 0; next < shards; ) {
		shard = next;
		state = (state * 2862933555777941757n + 1n) & mask;
		next = Math.floor((shard + 1) * (2 ** 31 / (Number(state >> 33n) + 1)));
	}
	return shard;
}

describe("the hash of a key", () => {
	it.each([
		["", "cbf29ce484222325"],
		["a", "af63dc4c8601ec8c"],
		["foobar", "85944171f73967e8"],
	])("is FNV-1a of 64 bits: the published vector of %j", (text, wanted) => {
		expect(hex(text)).toBe(wanted);
	});
});

describe("the shard of a key", () => {
	it("is pinned: these vectors never change", () => {
		const keys = ["", "a", "user-7", "sensor/12", "Zürich", "日本", "😀", "x".repeat(100)];
		const found = keys.map((key) => [2, 3, 4, 16, 100, 4096].map((shards) => shardOfKey(key, shards)));
		expect(found).toMatchInlineSnapshot(`
			[
			  [
			    1,
			    1,
			    1,
			    13,
			    90,
			    3422,
			  ],
			  [
			    1,
			    2,
			    2,
			    12,
			    31,
			    1695,
			  ],
			  [
			    0,
			    0,
			    0,
			    8,
			    75,
			    217,
			  ],
			  [
			    0,
			    2,
			    2,
			    15,
			    93,
			    93,
			  ],
			  [
			    1,
			    1,
			    1,
			    13,
			    13,
			    1028,
			  ],
			  [
			    0,
			    0,
			    0,
			    14,
			    95,
			    130,
			  ],
			  [
			    0,
			    0,
			    0,
			    13,
			    84,
			    2905,
			  ],
			  [
			    0,
			    2,
			    2,
			    2,
			    2,
			    2994,
			  ],
			]
		`);
	});

	it("is what 64-bit arithmetic gives", () => {
		for (let index = 0; index < 2000; index++) {
			const key = index % 3 === 0 ? `ключ-${index}` : `key-${index * 7919}`;
			for (const shards of [1, 2, 5, 64, 4096]) expect(shardOfKey(key, shards), key).toBe(reference(key, shards));
		}
	});

	it("follows published vectors of jump consistent hash", () => {
		// From the tests of well-known implementations: numbers as hashes.
		expect(jump(0, 1, 1)).toBe(0);
		expect(jump(0, 42, 57)).toBe(43);
		expect(jump(0, 0xdead10cc, 1)).toBe(0);
		expect(jump(0, 0xdead10cc, 666)).toBe(361);
		expect(jump(0, 256, 1024)).toBe(520);
	});

	it("stays or becomes a new one when shards are added", () => {
		for (let index = 0; index < 500; index++) {
			let before = shardOfKey(`key-${index}`, 1);
			for (let shards = 2; shards <= 70; shards++) {
				const after = shardOfKey(`key-${index}`, shards);
				expect(after === before || after === shards - 1).toBe(true);
				before = after;
			}
		}
	});

	it("spreads keys that follow on one another evenly", () => {
		for (const shards of [3, 16, 256]) {
			const counts = new Array<number>(shards).fill(0);
			const keys = 400 * shards;
			for (let index = 0; index < keys; index++) {
				const shard = shardOfKey(`user-${index}`, shards);
				counts[shard] = (counts[shard] as number) + 1;
			}
			expect(Math.min(...counts)).toBeGreaterThan(300);
			expect(Math.max(...counts)).toBeLessThan(500);
		}
	});
});

describe("taking turns", () => {
	it("is strict, from a given shard on, and goes on in a stream that has grown", () => {
		const turns = new RoundRobin(1);
		expect([1, 2, 3, 4].map(() => turns.next(3))).toEqual([1, 2, 0, 1]);
		expect([1, 2, 3, 4].map(() => turns.next(5))).toEqual([2, 3, 4, 0]);
	});
});
