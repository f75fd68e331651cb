import { describe, expect, it } from "vitest";
import { ByteReader } from "../../../src/stream/bytes/byte-reader.ts";
import { FakeShard, fakeStream } from "./fake-shard.ts";

const KiB = 1024;

function shardWith(length: number): FakeShard {
	const shard = new FakeShard();
	shard.data = Uint8Array.from({ length }, (_, index) => (index * 13 + (index >> 8)) & 0xff);
	shard.tail = length;
	shard.acceptedTail = length;
	return shard;
}

async function readerOf(shard: FakeShard): Promise<ByteReader> {
	return await new ByteReader(await fakeStream(shard)).open();
}

describe("a byte reader", () => {
	it("serves small reads from one engine read", async () => {
		const shard = shardWith(10_000);
		const reader = await readerOf(shard);
		for (let index = 0; index < 100; index++) await reader.read(100);
		expect(shard.reads.length).toBe(1);
		expect(reader.offset).toBe(10_000);
	});

	it("reads ahead in sequence, one engine read and not more", async () => {
		const shard = shardWith(4000 * KiB);
		const reader = await readerOf(shard);
		let last = shard.reads.length;
		while (reader.offset < 3000 * KiB) {
			await reader.read(64 * KiB);
			await new Promise((resolve) => setImmediate(resolve));
			expect(shard.reads.length - last).toBeLessThanOrEqual(2);
			last = shard.reads.length;
		}
		expect(reader.available).toBeGreaterThan(0);
		expect(reader.available).toBeLessThanOrEqual(1024 * KiB);
		const fetched = Math.max(...shard.reads.map(({ position, maxBytes }) => position + maxBytes));
		expect(fetched - reader.offset).toBeLessThanOrEqual(2048 * KiB);
	});

	it("asks for little after a jump and does not read ahead there", async () => {
		const shard = shardWith(4000 * KiB);
		const reader = await readerOf(shard);
		for (const offset of [3_000_000, 10, 2_000_000]) {
			await reader.seek({ offset });
			shard.reads.length = 0;
			await reader.read(100);
			await new Promise((resolve) => setImmediate(resolve));
			expect(shard.reads).toEqual([{ position: offset, maxBytes: 64 * KiB }]);
		}
	});

	it("keeps what is in memory over a short way forward, and asks the engine for nothing", async () => {
		const shard = shardWith(50_000);
		const reader = await readerOf(shard);
		await reader.read(10);
		shard.reads.length = 0;
		expect(await reader.seek({ offset: 30_000 })).toBe(30_000);
		const result = await reader.read(5);
		expect(result).toEqual({ kind: "data", offset: 30_000, bytes: shard.data.slice(30_000, 30_005) });
		expect(shard.reads).toEqual([]);
	});

	it("gives out a large run as a view and small runs as a copy", async () => {
		const large = shardWith(200 * KiB);
		const view = await (await readerOf(large)).read(100 * KiB);
		expect(view.kind === "data" && view.bytes.buffer === large.data.buffer).toBe(true);
		const small = shardWith(200 * KiB);
		small.runBytes = 100;
		const copy = await (await readerOf(small)).read(1000);
		expect(copy.kind === "data" && copy.bytes.buffer === small.data.buffer).toBe(false);
		expect(copy).toEqual({ kind: "data", offset: 0, bytes: small.data.slice(0, 1000) });
	});

	it("puts runs of any size together without losing a byte", async () => {
		for (const runBytes of [1, 7, 4096, 64 * KiB, 64 * KiB + 1, 150 * KiB]) {
			const shard = shardWith(runBytes < 100 ? 20_000 : 700_000);
			shard.runBytes = runBytes;
			const reader = await readerOf(shard);
			const found: Uint8Array[] = [];
			for (let max = 1; ; max = (max * 3) % 300_007) {
				const result = await reader.read(max);
				if (result.kind !== "data") break;
				found.push(result.bytes);
			}
			expect(Buffer.concat(found).equals(shard.data)).toBe(true);
		}
	});

	it("stops gathering small runs where a large one begins, and gives that out as a view", async () => {
		const shard = shardWith(100 + 80 * KiB);
		shard.read = async (position) => ({
			kind: "data",
			runs: [
				{ offset: 0, time: 0, bytes: shard.data.subarray(0, 100) },
				{ offset: 100, time: 0, bytes: shard.data.subarray(100) },
			].filter(({ offset, bytes }) => offset + bytes.length > position),
		});
		const reader = await readerOf(shard);
		const first = await reader.read();
		const second = await reader.read();
		expect(first).toEqual({ kind: "data", offset: 0, bytes: shard.data.slice(0, 100) });
		expect(second.kind === "data" && second.bytes.buffer === shard.data.buffer).toBe(true);
	});

	it("drops the answer to a read ahead that a seek has overtaken", async () => {
		const shard = shardWith(4000 * KiB);
		const reader = await readerOf(shard);
		const read = shard.read.bind(shard);
		const held: (() => void)[] = [];
		for (let round = 0; round < 4; round++) await reader.read(64 * KiB);
		while (reader.available > 64 * KiB) await reader.read(64 * KiB);
		await new Promise((resolve) => setImmediate(resolve));
		shard.read = async (...args) => {
			await new Promise<void>((resolve) => held.push(resolve));
			return await read(...args);
		};
		await reader.read(64 * KiB);
		expect(held.length).toBe(1);
		await reader.seek({ offset: 3_000_000 });
		held[0]?.();
		await new Promise((resolve) => setImmediate(resolve));
		expect(reader.available).toBe(0);
		shard.read = read;
		const result = await reader.read(10);
		expect(result).toEqual({ kind: "data", offset: 3_000_000, bytes: shard.data.slice(3_000_000, 3_000_010) });
	});

	it("never delivers beyond its end though the engine answers with more", async () => {
		const shard = shardWith(10_000);
		shard.read = async (position) => ({
			kind: "data",
			runs: [{ offset: position, time: 0, bytes: shard.data.subarray(position) }],
		});
		const reader = new ByteReader(await fakeStream(shard), { from: { offset: 10 }, to: { offset: 25 } });
		expect(await reader.read(10)).toMatchObject({ kind: "data", offset: 10 });
		expect(reader.available).toBe(5);
		expect(await reader.read(10)).toEqual({ kind: "data", offset: 20, bytes: shard.data.slice(20, 25) });
		expect(await reader.read(10)).toEqual({ kind: "end" });
		expect(reader.available).toBe(-1);
	});
});
