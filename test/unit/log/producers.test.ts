/** What becomes of producers when the disk fails, is full, or holds something else than was written. */
import { join } from "node:path/posix";
import { describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { type ByteStream, type ProducerTriple, type StreambedError, verifyStore } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { recordingDisk } from "../../../src/testing/recording-disk.ts";
import { codeOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "./memory-store.ts";
import { leftBy, openReader } from "./store-kit.ts";

const FILE = join(ROOT, "streams/s/a.stream/producers.bin");

function triple(sequence: number, epoch = 0): ProducerTriple {
	return { id: "p", epoch, sequence };
}

async function outcomeOf(append: Promise<{ from: number; duplicate: boolean }>): Promise<unknown> {
	return await append.then(
		({ from, duplicate }) => [from, duplicate],
		(error: StreambedError) => [error.code, error.details.outcome],
	);
}

async function start(given: Partial<Surroundings> = {}) {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk, ...given });
	const store = await openStore(around);
	const stream = await drive(around.clock, store.scope("s").create("a"));
	await drive(around.clock, stream.append(new Uint8Array(100), { producer: triple(0) }));
	return { disk, around, store, stream };
}

async function reopen({ disk, clock, locker }: Surroundings) {
	const again = surroundings({ disk, clock, locker });
	const store = await openStore(again, false);
	return { store, stream: store.scope("s").stream("a"), around: again };
}

describe("when a journal write fails", () => {
	it.each([
		["nothing", 0, [100, false]],
		["all of it", 1_000_000, [100, true]],
	] as const)(
		"and %s reached the disk, a retry after opening again stores what is missing",
		async (_, doneBytes, then) => {
			const { disk, around, store, stream } = await start();
			disk.addRule({ operation: "writeDurable", path: /\.jnl$/, code: "EIO", doneBytes });
			const both = [1, 1].map((sequence) =>
				outcomeOf(stream.append(new Uint8Array(10), { producer: triple(sequence) })),
			);
			const stopped = ["STREAMBED_STOPPED", "unknown"];
			expect(await drive(around.clock, Promise.all(both))).toEqual([stopped, stopped]);
			const late = outcomeOf(stream.append(new Uint8Array(10), { producer: triple(1) }));
			expect(await late).toEqual(["STREAMBED_STOPPED", "nothing"]);
			await drive(around.clock, store.close());
			const again = await reopen(around);
			const retry = outcomeOf(again.stream.append(new Uint8Array(10), { producer: triple(1) }));
			expect(await drive(around.clock, retry)).toEqual(then);
			expect((await again.stream.info()).shards[0]?.tail).toBe(110);
			await drive(around.clock, again.store.close());
		},
	);

	it("an epoch that nobody was told of is not given twice", async () => {
		for (const doneBytes of [0, 1_000_000]) {
			const { disk, around, store, stream } = await start();
			const { epoch } = await drive(around.clock, stream.producer("p"));
			disk.addRule({ operation: "writeDurable", path: /\.jnl$/, code: "EIO", doneBytes });
			expect(await drive(around.clock, codeOf(stream.producer("p")))).toBe("STREAMBED_STOPPED");
			await drive(around.clock, store.close());
			const again = await reopen(around);
			const taken = await drive(around.clock, again.stream.producer("p"));
			expect(taken.epoch).toBe(epoch + (doneBytes === 0 ? 1 : 2));
			expect(taken.last).toEqual({ epoch: 0, sequence: 0, from: 0, to: 100 });
			await drive(around.clock, again.store.close());
		}
	});
});

describe("a full disk", () => {
	it("that makes a round be taken back takes back triples and takeovers, and gives their numbers free", async () => {
		const { disk, around, store, stream } = await start();
		const free = disk.addRule({
			operation: "write",
			path: /ring-.*tmp$/,
			code: "ENOSPC",
			times: Number.POSITIVE_INFINITY,
		});
		const work = [
			stream.append(new Uint8Array(6 * 1024 * 1024), { producer: triple(1) }),
			stream.append(new Uint8Array(10), { producer: triple(1) }),
			stream.append(new Uint8Array(10), { producer: triple(2) }),
			stream.append(new Uint8Array(10), { producer: triple(0, 7) }),
			stream.append(new Uint8Array(10), { producer: { id: "new", epoch: 4, sequence: 0 } }),
		].map(outcomeOf);
		const full = ["STREAMBED_DISK_FULL", undefined];
		expect(await drive(around.clock, Promise.all(work))).toEqual([full, full, full, full, full]);
		const retry = (producer: ProducerTriple) =>
			drive(around.clock, outcomeOf(stream.append(new Uint8Array(5), { producer })));
		expect(await retry(triple(2))).toEqual(["STREAMBED_PRODUCER_GAP", undefined]);
		expect(await retry(triple(1))).toEqual([100, false]);
		expect(await retry(triple(0))).toEqual([0, true]);
		expect(await retry({ id: "new", epoch: 3, sequence: 0 })).toEqual([105, false]);
		free();
		await drive(around.clock, store.close());
		const again = await reopen(around);
		const after = outcomeOf(again.stream.append(new Uint8Array(5), { producer: triple(1) }));
		expect(await drive(around.clock, after)).toEqual([100, true]);
		await drive(around.clock, again.store.close());
	});

	it("met by the producers file postpones the checkpoint, and forgets nothing", async () => {
		const { disk, around, store, stream } = await start();
		const free = disk.addRule({
			operation: "write",
			path: /producers/,
			code: "ENOSPC",
			times: Number.POSITIVE_INFINITY,
		});
		expect(await drive(around.clock, codeOf(store.checkpoint()))).toBe("STREAMBED_DISK_FULL");
		const append = stream.append(new Uint8Array(5), { producer: triple(1) });
		expect((await drive(around.clock, append)).from).toBe(100);
		free();
		await drive(around.clock, store.checkpoint());
		expect(store.stats().journalLiveBytes).toBe(0);
		await drive(around.clock, store.close());
		const again = await reopen(around);
		for (const sequence of [0, 1]) {
			const retry = again.stream.append(new Uint8Array(1), { producer: triple(sequence) });
			expect((await drive(around.clock, retry)).duplicate).toBe(true);
		}
		await drive(around.clock, again.store.close());
	});
});

describe("the producers file", () => {
	it("is written where something has changed, and not otherwise", async () => {
		const { disk, around, store, stream } = await start();
		const files = (): number =>
			disk.events.filter(({ operation, path }) => operation === "rename" && path === `${FILE}.tmp`).length;
		await drive(around.clock, store.checkpoint());
		await drive(around.clock, stream.append(new Uint8Array(5)));
		await drive(around.clock, store.checkpoint());
		expect(files()).toBe(1);
		await drive(around.clock, stream.producer("q"));
		await drive(around.clock, store.checkpoint());
		expect(files()).toBe(2);
		await drive(around.clock, store.close());
		expect(files()).toBe(2);
	});

	it("is not there where no producer was", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		await drive(around.clock, stream.append(new Uint8Array(5)));
		await drive(around.clock, store.close());
		expect(await disk.stat(FILE)).toBe(undefined);
	});

	it("that is damaged is reported; nothing is appended by a producer, everything else goes on", async () => {
		const { disk, around, store } = await start();
		await drive(around.clock, store.close());
		await flip(disk, FILE, 20);
		expect((await verifyStore(ROOT, { disk })).problems).toMatchObject([{ code: "STREAMBED_CORRUPT", path: FILE }]);
		const again = await reopen(around);
		for (const sequence of [0, 1]) {
			const append = again.stream.append(new Uint8Array(5), { producer: triple(sequence) });
			const error = await drive(
				around.clock,
				append.catch((reason: StreambedError) => reason),
			);
			expect(error).toMatchObject({ code: "STREAMBED_CORRUPT", details: { path: FILE } });
		}
		expect(await drive(around.clock, codeOf(again.stream.producer("q")))).toBe("STREAMBED_CORRUPT");
		expect((await drive(around.clock, again.stream.append(new Uint8Array(5)))).from).toBe(100);
		await drive(around.clock, again.store.close());
	});

	it("follows a sync of the ring where rounds are not synced: it never says more than the journal does", async () => {
		const disk = recordingDisk(memoryDisk());
		const events = faultyDisk(disk);
		const around = surroundings({ disk: events, durability: "os" });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		await drive(around.clock, stream.producer("p"));
		const before = events.events.length;
		await drive(around.clock, store.checkpoint());
		const since = events.events.slice(before).map(({ operation, path }) => `${operation} ${path.split("/").at(-1)}`);
		const synced = since.indexOf("sync ring-000000.jnl");
		expect(synced).toBeGreaterThanOrEqual(0);
		expect(since.indexOf("rename producers.bin.tmp")).toBeGreaterThan(synced);
		await drive(around.clock, store.close());
	});
});

describe("taking an epoch", () => {
	it("takes another one if somebody has used it meanwhile", async () => {
		const { disk, around, store, stream } = await start();
		const { promise, resolve } = Promise.withResolvers<void>();
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, before: () => promise });
		const taking = stream.producer("p");
		await pass(around.clock, 5);
		const used = stream.append(new Uint8Array(5), { producer: triple(0, 1) });
		resolve();
		expect((await drive(around.clock, used)).from).toBe(100);
		expect((await drive(around.clock, taking)).epoch).toBe(2);
		await drive(around.clock, store.close());
	});

	it("waits for appends that were accepted before and need several rounds", async () => {
		const { around, store, stream } = await start();
		const appends = Array.from({ length: 20 }, (_, index) =>
			stream.append(new Uint8Array(1_000_000), { producer: triple(index + 1) }),
		);
		const { last } = await drive(around.clock, stream.producer("p"));
		expect(last).toMatchObject({ epoch: 0, sequence: 20 });
		await drive(around.clock, Promise.all(appends));
		await drive(around.clock, store.close());
	});

	it("does not fail for an append that was accepted before and finds no space", async () => {
		const faulty = faultyDisk(memoryDisk());
		let free = 100_000_000;
		const { around, store, stream } = await start({ disk: { ...faulty, freeBytes: async () => free } });
		const { promise, resolve } = Promise.withResolvers<void>();
		faulty.addRule({ operation: "writeDurable", path: /\.jnl$/, before: () => promise });
		const taking = stream.producer("p");
		await pass(around.clock, 5);
		const append = codeOf(stream.append(new Uint8Array(1000), { producer: triple(1) }));
		free = 0;
		await pass(around.clock, 1500);
		resolve();
		expect(await drive(around.clock, append)).toBe("STREAMBED_DISK_FULL");
		const { epoch, last } = await drive(around.clock, taking);
		expect({ epoch, last }).toMatchObject({ epoch: 1, last: { epoch: 0, sequence: 0 } });
		free = 100_000_000;
		await pass(around.clock, 3000);
		const retry = codeOf(stream.append(new Uint8Array(1000), { producer: triple(1) }));
		expect(await drive(around.clock, retry)).toBe("STREAMBED_FENCED");
		await drive(around.clock, store.close());
	});
});

describe("a second process", () => {
	it("reads what producers have appended, appends nothing and takes no epoch", async () => {
		const left = await leftBy("alive", async (store) => {
			const stream = await store.scope("s").create("a");
			await stream.append(Buffer.from("abc"), { producer: triple(0) });
			await store.checkpoint();
		});
		const store = await openReader(left);
		const stream: ByteStream = store.scope("s").stream("a");
		expect(Buffer.concat(await Array.fromAsync(stream.reader())).toString()).toBe("abc");
		expect(await codeOf(stream.append(Buffer.from("abc"), { producer: triple(0) }))).toBe("STREAMBED_READ_ONLY");
		expect(await codeOf(stream.producer("p"))).toBe("STREAMBED_READ_ONLY");
		await store.close();
	});
});

describe("what is taken for a duplicate", () => {
	it("waits as long as the first one does", async () => {
		const { disk, around, store, stream } = await start();
		const { promise, resolve } = Promise.withResolvers<void>();
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, before: () => promise });
		const told: string[] = [];
		const first = stream.append(new Uint8Array(5), { producer: triple(1) }).then(() => told.push("first"));
		await pass(around.clock, 5);
		const second = stream.append(new Uint8Array(5), { producer: triple(1) }).then(() => told.push("second"));
		await pass(around.clock, 50);
		expect(told).toEqual([]);
		resolve();
		await drive(around.clock, Promise.all([first, second]));
		expect(told).toEqual(["first", "second"]);
		await drive(around.clock, store.close());
	});
});

async function flip(disk: Disk, path: string, at: number): Promise<void> {
	const file = await disk.open(path, "write");
	const byte = new Uint8Array(1);
	await file.read(byte, at);
	await file.write(Uint8Array.of((byte[0] as number) ^ 1), at);
	await file.close();
}
