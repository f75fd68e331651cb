/** What a store does when its disk fails: stop or refuse, tell what became of each append, go on reading, recover. */
import { join } from "node:path/posix";
import { describe, expect, it } from "vitest";
import type { ByteStream, StreambedError } from "../../../src/index.ts";
import { type FaultyDisk, faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "./memory-store.ts";
import { firstWrong, patterned } from "./pattern.ts";

async function readAll(stream: ByteStream): Promise<Uint8Array> {
	return Buffer.concat(await Array.fromAsync(stream.reader(), (chunk) => new Uint8Array(chunk)));
}

async function outcomeOf(append: Promise<unknown>): Promise<unknown> {
	return await append.then(
		() => "stored",
		(error: StreambedError) => [error.code, error.details.outcome],
	);
}

async function start(given: Partial<Surroundings> = {}) {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk, ...given });
	const store = await openStore(around);
	const stream = await drive(around.clock, store.scope("s").create("a", { segmentBytes: 65_536 }));
	await drive(around.clock, stream.append(patterned(0, 0, 100_000)));
	return { disk, around, store, stream };
}

/** Opens the store once more on the same disk, with the rules gone or spent. */
async function reopen(around: Surroundings, disk: FaultyDisk) {
	const again = surroundings({ disk, clock: around.clock, locker: around.locker });
	const store = await openStore(again, false);
	return { store, stream: store.scope("s").stream("a") };
}

const stopped = ["STREAMBED_STOPPED", "unknown"];
const nothing = ["STREAMBED_STOPPED", "nothing"];

describe("a journal write that fails", () => {
	it("stops the store: in flight unknown, behind it nothing, reading goes on, opening again recovers", async () => {
		const { disk, around, store, stream } = await start();
		const { promise: failing, resolve: fail } = Promise.withResolvers<void>();
		const { promise: inFlight, resolve: reached } = Promise.withResolvers<void>();
		const before = (): Promise<void> => {
			reached();
			return failing;
		};
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, code: "EIO", before });
		const first = [outcomeOf(stream.append(new Uint8Array(10))), outcomeOf(stream.append(new Uint8Array(10)))];
		await drive(around.clock, inFlight);
		const behind = outcomeOf(stream.append(new Uint8Array(10)));
		const sealed = codeOf(stream.seal());
		await pass(around.clock, 5);
		fail();
		expect(await drive(around.clock, Promise.all(first))).toEqual([stopped, stopped]);
		expect(await behind).toEqual(nothing);
		expect(await sealed).toBe("STREAMBED_STOPPED");
		expect(await outcomeOf(stream.append(new Uint8Array(10)))).toEqual(nothing);
		expect(await drive(around.clock, codeOf(store.scope("s").create("b")))).toBe("STREAMBED_STOPPED");
		const read = await drive(around.clock, readAll(stream));
		expect([read.length, firstWrong(0, 0, read)]).toEqual([100_000, undefined]);
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		expect((await drive(around.clock, readAll(again.stream))).length).toBe(100_000);
		expect((await drive(around.clock, again.stream.append(new Uint8Array(5)))).from).toBe(100_000);
		await drive(around.clock, again.store.close());
	});

	it("leaves a torn round that the next opening drops and reports", async () => {
		const { disk, around, store, stream } = await start();
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, code: "EIO", doneBytes: 20_000 });
		const append = outcomeOf(stream.append(patterned(0, 100_000, 50_000)));
		expect(await drive(around.clock, append)).toEqual(stopped);
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		expect(again.store.stats().recovery).toMatchObject({ clean: false, tailCutBytes: 53_248 });
		expect((await drive(around.clock, again.stream.info())).shards[0]?.tail).toBe(100_000);
		await drive(around.clock, again.store.close());
	});

	it("of a round that reached the disk whole shows its appends after opening again", async () => {
		const { disk, around, store, stream } = await start();
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, code: "EIO", doneBytes: 10_000_000 });
		expect(await drive(around.clock, outcomeOf(stream.append(patterned(0, 100_000, 50_000))))).toEqual(stopped);
		expect((await drive(around.clock, stream.info())).shards[0]?.tail).toBe(100_000);
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		const read = await drive(around.clock, readAll(again.stream));
		expect([read.length, firstWrong(0, 0, read)]).toEqual([150_000, undefined]);
		await drive(around.clock, again.store.close());
	});

	it("wakes those who follow the stream", async () => {
		const { disk, around, store, stream } = await start();
		const reader = stream.reader({ from: "tail", follow: true });
		const waiting = codeOf(reader[Symbol.asyncIterator]().next());
		await pass(around.clock, 5);
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, code: "EIO" });
		await drive(around.clock, outcomeOf(stream.append(new Uint8Array(10))));
		expect(await drive(around.clock, waiting)).toBe("STREAMBED_STOPPED");
		await drive(around.clock, store.close());
	});
});

describe("a change that is committed and then fails", () => {
	it("stops the store when a stream cannot be put in its place; it is there after opening again", async () => {
		const { disk, around, store, stream } = await start();
		disk.addRule({ operation: "rename", path: /\.new-[^/]*\.stream$/, code: "EIO" });
		expect(await drive(around.clock, codeOf(store.scope("s").create("b")))).toBe("STREAMBED_STOPPED");
		expect(await outcomeOf(stream.append(new Uint8Array(1)))).toEqual(nothing);
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		expect((await drive(around.clock, again.store.list())).map((found) => found.stream)).toEqual(["a", "b"]);
		await drive(around.clock, again.store.close());
	});

	it("stops the store when a deleted stream cannot be removed; it is gone after opening again", async () => {
		const { disk, around, store } = await start();
		await drive(around.clock, store.scope("s").create("b"));
		disk.addRule({ operation: "rename", path: /\/a\.stream$/, code: "EIO" });
		expect(await drive(around.clock, codeOf(store.scope("s").delete("a")))).toBe("STREAMBED_STOPPED");
		// Else it could be opened and appended to once more, and what was acknowledged would go with it.
		const late = store.scope("s").stream("a").append(new Uint8Array(1));
		expect(await drive(around.clock, codeOf(late))).toBe("STREAMBED_STOPPED");
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		expect((await drive(around.clock, again.store.list())).map((found) => found.stream)).toEqual(["b"]);
		await drive(around.clock, again.store.close());
	});
});

describe("a look at a stream's folder that fails", () => {
	it("deletes nothing, neither now nor after a crash", async () => {
		const { disk, around, stream } = await start();
		disk.addRule({ operation: "stat", path: /\/a\.stream$/, code: "EIO" });
		await pass(around.clock, 1500);
		expect((await drive(around.clock, stream.append(patterned(0, 100_000, 7)))).from).toBe(100_000);
		const again = await openStore(surroundings({ disk }), false);
		const read = await drive(around.clock, readAll(again.scope("s").stream("a")));
		expect([read.length, firstWrong(0, 0, read)]).toEqual([100_007, undefined]);
	});
});

describe("a checkpoint that fails", () => {
	it.each([
		["the sync of a segment", "sync", /\.seg/],
		["the sync of a folder", "syncDir", /streams/],
		["the write of its slot", "writeDurable", /checkpoint$/],
	] as const)("in %s stops the store and loses nothing", async (_what, operation, path) => {
		const { disk, around, store, stream } = await start();
		disk.addRule({ operation, path, code: "EIO" });
		expect(await drive(around.clock, codeOf(store.checkpoint()))).toBe("STREAMBED_STOPPED");
		expect(await outcomeOf(stream.append(new Uint8Array(1)))).toEqual(nothing);
		expect((await drive(around.clock, readAll(stream))).length).toBe(100_000);
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		expect(again.store.stats().recovery.redoneBytes).toBeGreaterThan(100_000);
		const read = await drive(around.clock, readAll(again.stream));
		expect([read.length, firstWrong(0, 0, read)]).toEqual([100_000, undefined]);
		await drive(around.clock, again.store.close());
	});
});

describe("a full disk", () => {
	it("met by write-behind refuses appends until there is space, and forgets nothing", async () => {
		const { disk, around, store, stream } = await start();
		await pass(around.clock, 50);
		const free = disk.addRule({ operation: "write", path: /\.seg/, code: "ENOSPC", times: Number.POSITIVE_INFINITY });
		await drive(around.clock, stream.append(patterned(0, 100_000, 1000)));
		await pass(around.clock, 50);
		expect(await codeOf(stream.append(new Uint8Array(1)))).toBe("STREAMBED_DISK_FULL");
		expect(await drive(around.clock, codeOf(store.checkpoint()))).toBe("STREAMBED_DISK_FULL");
		const read = await drive(around.clock, readAll(stream));
		expect([read.length, firstWrong(0, 0, read)]).toEqual([101_000, undefined]);
		free();
		await pass(around.clock, 600);
		expect((await drive(around.clock, stream.append(patterned(0, 101_000, 7)))).from).toBe(101_000);
		await drive(around.clock, store.checkpoint());
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		const after = await drive(around.clock, readAll(again.stream));
		expect([after.length, firstWrong(0, 0, after)]).toEqual([101_007, undefined]);
		await drive(around.clock, again.store.close());
	});

	it("on which the reserve cannot be removed either is waited for like one whose reserve is given up already", async () => {
		const { disk, around, store, stream } = await start();
		await pass(around.clock, 50);
		const free = disk.addRule({ operation: "write", path: /\.seg/, code: "ENOSPC", times: Number.POSITIVE_INFINITY });
		disk.addRule({ operation: "unlink", path: /reserve$/, code: "EIO" });
		await drive(around.clock, stream.append(patterned(0, 100_000, 1000)));
		await pass(around.clock, 50);
		expect(await codeOf(stream.append(new Uint8Array(1)))).toBe("STREAMBED_DISK_FULL");
		free();
		await pass(around.clock, 600);
		expect((await drive(around.clock, stream.append(patterned(0, 101_000, 7)))).from).toBe(101_000);
		await drive(around.clock, store.close());
	});

	it("does not keep a store from closing, with more accepted than can be written", async () => {
		const { disk, around, store, stream } = await start({ limits: { journalBytes: 16 * 1024 * 1024 } });
		await pass(around.clock, 50);
		const free = disk.addRule({ operation: "write", code: "ENOSPC", times: Number.POSITIVE_INFINITY });
		const froms = Array.from({ length: 60 }, (_, index) => 100_000 + index * 1_000_000);
		const appends = froms.map((from) => outcomeOf(stream.append(patterned(0, from, 1_000_000))));
		await pass(around.clock, 100);
		await drive(around.clock, store.close());
		const outcomes = await drive(around.clock, Promise.all(appends));
		const stored = outcomes.filter((outcome) => outcome === "stored").length;
		expect(stored).toBeLessThan(30);
		for (const outcome of outcomes.slice(stored)) expect(outcome).toEqual(["STREAMBED_DISK_FULL", undefined]);
		free();
		const again = await reopen(around, disk);
		const read = await drive(around.clock, readAll(again.stream));
		expect([read.length, firstWrong(0, 0, read)]).toEqual([100_000 + stored * 1_000_000, undefined]);
		await drive(around.clock, again.store.close());
	});

	it("takes back what was refused: seal, head and new segments as if they had never been asked for", async () => {
		const { disk, around, store, stream } = await start();
		disk.addRule({ operation: "write", path: /ring-.*tmp$/, code: "ENOSPC", times: Number.POSITIVE_INFINITY });
		const work = [
			stream.append(new Uint8Array(6 * 1024 * 1024)),
			stream.append(new Uint8Array(100_000)),
			stream.truncateBefore(5000),
			stream.seal(),
			stream.append(new Uint8Array(10)),
		].map(outcomeOf);
		const outcomes = await drive(around.clock, Promise.all(work));
		expect(outcomes.map((outcome) => (outcome as unknown[])[0])).toEqual(Array(5).fill("STREAMBED_DISK_FULL"));
		const info = await drive(around.clock, stream.info());
		expect(info).toMatchObject({ sealed: false, shards: [{ head: 0, tail: 100_000 }] });
		expect(store.stats().pendingBytes).toBe(0);
		const sizes = [10, 70_000, 3, 1];
		let from = 100_000;
		for (const size of sizes) {
			await drive(around.clock, stream.append(patterned(0, from, size)));
			from += size;
		}
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		const read = await drive(around.clock, readAll(again.stream));
		expect([read.length, firstWrong(0, 0, read)]).toEqual([from, undefined]);
		await drive(around.clock, again.store.close());
	});

	it.each(["ENOSPC", "EDQUOT"])(
		"or quota (%s) does not keep a journal that cannot grow from going on",
		async (code) => {
			const { disk, around, store, stream } = await start();
			disk.addRule({ operation: "write", path: /ring-.*tmp$/, code, times: Number.POSITIVE_INFINITY });
			for (let from = 100_000; from < 10_000_000; from += 250_000) {
				await drive(around.clock, stream.append(patterned(0, from, 250_000)));
			}
			await drive(around.clock, store.close());
		},
	);

	it("leaves no folder of a stream that is not made", async () => {
		const { disk, around, store } = await start();
		disk.addRule({ operation: "open", path: /\.new-.*\.tmp$/, code: "ENOSPC" });
		expect(await codeOf(drive(around.clock, store.scope("s").create("b")))).toBe("STREAMBED_DISK_FULL");
		expect((await disk.list(join(ROOT, "streams"))).map((each) => each.name)).toEqual(["s"]);
		await drive(around.clock, store.scope("s").create("b"));
		await drive(around.clock, store.close());
	});

	it("leaves an append that the journal has no room for refused, not waiting", async () => {
		const { disk, around, store, stream } = await start();
		disk.addRule({ operation: "write", path: /ring-.*tmp$/, code: "ENOSPC", times: Number.POSITIVE_INFINITY });
		const large = outcomeOf(stream.append(new Uint8Array(6 * 1024 * 1024)));
		expect((await drive(around.clock, large)) as unknown[]).toContain("STREAMBED_DISK_FULL");
		expect((await drive(around.clock, stream.append(new Uint8Array(5)))).from).toBe(100_000);
		await drive(around.clock, store.close());
	});
});

describe("a disk that fails for a moment", () => {
	it("at the first look at a stream fails that look, and the next one finds all of it", async () => {
		const { disk, around, store } = await start();
		await drive(around.clock, store.close());
		const again = await reopen(around, disk);
		disk.addRule({ operation: "size", path: /\.seg$/, code: "EIO" });
		expect(await codeOf(drive(around.clock, again.stream.info()))).toBe("STREAMBED_IO");
		expect((await drive(around.clock, again.stream.info())).shards[0]?.tail).toBe(100_000);
		await drive(around.clock, again.stream.append(patterned(0, 100_000, 5)));
		await drive(around.clock, again.store.close());
	});
});
