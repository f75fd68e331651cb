/** What is kept in memory for readers: how much, and what it spares. */
import { describe, expect, it } from "vitest";
import type { ByteStream } from "../../../src/index.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, pass, type Surroundings, surroundings } from "./memory-store.ts";
import { firstWrong, patterned } from "./pattern.ts";

const MiB = 1024 * 1024;

async function fill(stream: ByteStream, { clock }: Surroundings, bytes: number, each: number): Promise<void> {
	const appends: Promise<unknown>[] = [];
	for (let at = 0; at < bytes; at += each) appends.push(stream.append(patterned(0, at, each)));
	await drive(clock, Promise.all(appends));
}

describe("the cache of recent frames", () => {
	it("stays within its bound once everything is in its file", async () => {
		const around = surroundings({ limits: { tailCacheBytes: MiB } });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		await fill(stream, around, 20_000_000, 100_000);
		expect(store.stats().cachedBytes).toBeGreaterThan(MiB);
		await pass(around.clock, 50);
		expect(store.stats().cachedBytes).toBeLessThanOrEqual(MiB);
		await drive(around.clock, store.close());
	});

	it("serves readers at the tail without the disk", async () => {
		const around = surroundings();
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		await fill(stream, around, 1_000_000, 10_000);
		await pass(around.clock, 50);
		const before = around.disk.counters.reads;
		const read = Buffer.concat(
			await drive(
				around.clock,
				Array.fromAsync(stream.reader(), (chunk) => new Uint8Array(chunk)),
			),
		);
		expect([read.length, firstWrong(0, 0, read)]).toEqual([1_000_000, undefined]);
		expect(around.disk.counters.reads).toBe(before);
		await drive(around.clock, store.close());
	});

	it("holds what many streams appended last, when each has a chunk of its own", async () => {
		const around = surroundings({ limits: { tailCacheBytes: 0 } });
		const store = await openStore(around);
		const names = Array.from({ length: 40 }, (_, index) => `s${index}`);
		const streams = await drive(around.clock, Promise.all(names.map((name) => store.scope("s").create(name))));
		for (let at = 0; at < 50_000; at += 5000) {
			await drive(around.clock, Promise.all(streams.map((stream, index) => stream.append(patterned(index, at, 5000)))));
			await pass(around.clock, 20);
		}
		for (const [index, stream] of streams.entries()) {
			const read = Buffer.concat(
				await drive(
					around.clock,
					Array.fromAsync(stream.reader(), (chunk) => new Uint8Array(chunk)),
				),
			);
			expect([read.length, firstWrong(index, 0, read)]).toEqual([50_000, undefined]);
		}
		await drive(around.clock, store.close());
	});
});

describe("the cache of blocks", () => {
	async function stored(bytes: number) {
		const disk = memoryDisk();
		const first = surroundings({ disk });
		const store = await openStore(first);
		const stream = await drive(first.clock, store.scope("s").create("a", { segmentBytes: 4 * MiB }));
		await fill(stream, first, bytes, 50_000);
		await drive(first.clock, store.close());
		return disk;
	}

	async function readBytesOf(readers: number): Promise<number> {
		const bytes = 20_000_000;
		const around = surroundings({ disk: await stored(bytes) });
		const store = await openStore(around);
		const before = around.disk.counters.readBytes;
		const readOne = async (): Promise<void> => {
			let at = 0;
			for await (const chunk of store.scope("s").stream("a").reader()) {
				expect(firstWrong(0, at, chunk)).toBeUndefined();
				at += chunk.length;
			}
			expect(at).toBe(bytes);
		};
		await drive(around.clock, Promise.all(Array.from({ length: readers }, readOne)));
		const read = around.disk.counters.readBytes - before;
		expect(store.stats().cachedBytes).toBeLessThanOrEqual(64 * MiB);
		await drive(around.clock, store.close());
		return read;
	}

	it("lets a hundred readers read from the disk what one reads", { timeout: 60_000 }, async () => {
		const one = await readBytesOf(1);
		expect(one).toBeGreaterThan(20_000_000);
		expect(await readBytesOf(100)).toBeLessThan(one * 1.05);
	});

	it("stays within its bound", async () => {
		const around = surroundings({
			disk: await stored(20_000_000),
			limits: { readCacheBytes: 3 * MiB, tailCacheBytes: 0 },
		});
		const store = await openStore(around);
		let most = 0;
		for await (const _chunk of store.scope("s").stream("a").reader()) most = Math.max(most, store.stats().cachedBytes);
		expect(most).toBeGreaterThan(MiB);
		// One block more may be on its way in.
		expect(most).toBeLessThanOrEqual(5 * MiB);
		await drive(around.clock, store.close());
	});
});
