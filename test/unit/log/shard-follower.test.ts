import { describe, expect, it, onTestFinished } from "vitest";
import { processIdentity } from "../../../src/disk/process-identity.ts";
import type { ByteStream, OpenOptions, Store } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { type MemoryLocker, memoryLocker } from "../../../src/testing/memory-locker.ts";
import { drive } from "./memory-store.ts";
import { firstWrong, patterned } from "./pattern.ts";
import {
	copyTree,
	errorOf,
	flipBit,
	type Left,
	leftBy,
	openOwner,
	openReader,
	patchFile,
	readFrom,
	segmentFiles,
	unwritable,
	writeFile,
} from "./store-kit.ts";

const KiB = 1024;

describe("a shard read beside its owner", () => {
	it("shows a frame once all of it is there, whatever part of the file has been written", async () => {
		const left = await leftBy("alive", (store) => appendAll(store, [700, 1, 2300, 64, 5]));
		const [path = ""] = await segmentFiles(left.disk, "a/b");
		const whole = await left.disk.readFile(path);
		const stream = await streamOf(await reader(left));
		await writeFile(left.disk, path, whole.subarray(0, 0));
		const ends = [0, 700, 701, 3001, 3065, 3070];
		let seen = 0;
		for (let length = 1; length <= whole.length; length += 3) {
			await patchFile(left.disk, path, whole.subarray(length - 1, length + 2), length - 1);
			const bytes = await readFrom(stream, 0);
			expect(ends).toContain(bytes.length);
			expect(bytes.length).toBeGreaterThanOrEqual(seen);
			expect(firstWrong(0, 0, bytes)).toBeUndefined();
			seen = bytes.length;
		}
		await until(async () => (await tailOf(stream)) === 3070);
	});

	it("takes a complete frame that fails its check at the end for one to come, until the file has rested", async () => {
		const clock = new ManualClock();
		const { left, path, whole } = await aliveAt(clock, [100, 200]);
		const last = whole.length - 100;
		await flipBit(left.disk, path, last);
		const stream = await streamOf(await reader(left, { clock }));
		clock.advance(100);
		expect(await tailOf(stream)).toBe(100);
		clock.advance(500);
		expect((await readFrom(stream, 0)).length).toBe(100);
		clock.advance(1000);
		const error = await errorOf(readFrom(stream, 100));
		expect(error.code).toBe("STREAMBED_CORRUPT");
		expect(error.details).toMatchObject({ path, validAfter: null });
		await patchFile(left.disk, path, whole.subarray(last, last + 1), last);
		clock.advance(1000);
		expect(firstWrong(0, 0, await readFrom(stream, 0))).toBeUndefined();
		expect(await tailOf(stream)).toBe(300);
	});

	it("takes a bad frame for damage as soon as a good one follows it, and goes on behind it", async () => {
		const clock = new ManualClock();
		const { left, path, whole } = await aliveAt(clock, [100, 200, 300]);
		await flipBit(left.disk, path, whole.length - 500);
		const stream = await streamOf(await reader(left, { clock }));
		expect(await tailOf(stream)).toBe(600);
		const error = await errorOf(readFrom(stream, 0));
		expect(error.code).toBe("STREAMBED_CORRUPT");
		expect(error.details).toMatchObject({ path, validAfter: 300 });
		expect(firstWrong(0, 300, await readFrom(stream, 300))).toBeUndefined();
		expect((await readFrom(stream, 300)).length).toBe(300);
	});

	it("takes a bad end for damage at once when the owner has closed the store", async () => {
		const left = await leftBy("closed", (store) => appendAll(store, [100, 200]));
		const [path = ""] = await segmentFiles(left.disk, "a/b");
		await flipBit(left.disk, path, (await left.disk.readFile(path)).length - 20);
		const stream = await streamOf(await reader(left));
		expect((await errorOf(readFrom(stream, 100))).code).toBe("STREAMBED_CORRUPT");
		expect((await stream.reader({ to: { offset: 100 } }).read()).kind).toBe("data");
	});

	it("says so, and does not wait for ever, when the header of the last frame is damaged", async () => {
		const left = await leftBy("closed", (store) => appendAll(store, [100, 200]));
		const [path = ""] = await segmentFiles(left.disk, "a/b");
		const headerAt = (await left.disk.readFile(path)).length - 200 - 8 - 64;
		await flipBit(left.disk, path, headerAt + 20);
		const stream = await streamOf(await reader(left));
		const error = await errorOf(stream.reader({ from: { offset: 100 }, follow: true }).read());
		expect(error.code).toBe("STREAMBED_CORRUPT");
		expect(error.details).toMatchObject({ path, offset: headerAt });
	});

	it("follows an owner through many segments, from the first byte to the seal", async () => {
		const { owner, left } = await ownerOn();
		const writing = await owner.scope("a").create("b", { segmentBytes: 64 * KiB });
		const following = await streamOf(await reader(left));
		const followed = collect(following);
		const sizes = Array.from({ length: 120 }, (_, number) => 1 + ((number * 7919) % 9000));
		await appendTo(writing, sizes);
		await writing.seal();
		const bytes = await followed;
		expect(bytes.length).toBe(sizes.reduce((sum, size) => sum + size, 0));
		expect(firstWrong(0, 0, bytes)).toBeUndefined();
		expect((await segmentFiles(left.disk, "a/b")).length).toBeGreaterThan(5);
		expect((await following.info()).sealed).toBe(true);
	});

	it("jumps over segments that came while nobody looked, and reads them all the same", async () => {
		const { owner, left } = await ownerOn();
		const writing = await owner.scope("a").create("b", { segmentBytes: 64 * KiB });
		await appendTo(writing, [100]);
		const stream = await streamOf(await reader(left));
		await until(async () => (await tailOf(stream)) === 100);
		await appendTo(writing, Array(60).fill(9000), 100);
		await owner.checkpoint();
		await until(async () => (await tailOf(stream)) === 540_100);
		expect(firstWrong(0, 0, await readFrom(stream, 0))).toBeUndefined();
		expect((await stream.info()).shards[0]?.segments).toBe((await segmentFiles(left.disk, "a/b")).length);
	});

	it("reads the same with indexes that are missing or belong elsewhere", async () => {
		const left = await leftBy("closed", (store) => appendAll(store, Array(40).fill(9000), 64 * KiB));
		const files = await segmentFiles(left.disk, "a/b");
		const [first = "", second = "", third = ""] = files.map((path) => path.replace(".seg", ".idx"));
		await writeFile(left.disk, second, await left.disk.readFile(first));
		await writeFile(left.disk, third, new TextEncoder().encode("no index"));
		await left.disk.unlink(files.at(-1)?.replace(".seg", ".idx") ?? "");
		const bytes = await readFrom(await streamOf(await reader(left)), 0);
		expect(bytes.length).toBe(360_000);
		expect(firstWrong(0, 0, bytes)).toBeUndefined();
	});

	it("hears of truncation and answers TRUNCATED below the head, also for files that it had open", async () => {
		const { owner, left } = await ownerOn();
		const writing = await owner.scope("a").create("b", { segmentBytes: 64 * KiB });
		await appendTo(writing, Array(40).fill(9000));
		await owner.checkpoint();
		const stream = await streamOf(await reader(left));
		expect((await readFrom(stream, 0)).length).toBe(360_000);
		await writing.truncateBefore(200_000);
		await owner.checkpoint();
		await until(async () => (await stream.info()).shards[0]?.head === 200_000);
		expect(await errorOf(stream.reader({ from: { offset: 10 } }).read())).toMatchObject({
			code: "STREAMBED_TRUNCATED",
			details: { head: 200_000 },
		});
		const [info] = (await stream.info()).shards;
		expect(info?.segments).toBe((await segmentFiles(left.disk, "a/b")).length);
		expect(firstWrong(0, 200_000, await readFrom(stream, 200_000))).toBeUndefined();
	});

	it("waits on a stream without a byte, and hears of the first one", async () => {
		const { owner, left } = await ownerOn();
		const writing = await owner.scope("a").create("b");
		const stream = await streamOf(await reader(left));
		expect(await stream.reader().read()).toEqual({ kind: "nothing" });
		const first = stream.reader({ follow: true }).read();
		await appendTo(writing, [10]);
		expect(await first).toMatchObject({ kind: "data", offset: 0 });
	});

	it("answers NOT_FOUND for a deleted stream, to those who wait as well, and reads its successor anew", async () => {
		const { owner, left } = await ownerOn();
		const store = await reader(left);
		for (const size of [0, 500]) {
			const writing = await owner.scope("a").create("b");
			if (size > 0) await appendTo(writing, [size]);
			const stream = await streamOf(store);
			if (size > 0) await until(async () => (await tailOf(stream)) === size);
			const waiting = errorOf(stream.reader({ from: "tail", follow: true }).read());
			await owner.scope("a").delete("b");
			expect((await waiting).code).toBe("STREAMBED_NOT_FOUND");
			expect((await errorOf(stream.info())).code).toBe("STREAMBED_NOT_FOUND");
			expect((await errorOf(streamOf(store))).code).toBe("STREAMBED_NOT_FOUND");
		}
		const next = await owner.scope("a").create("b");
		await next.append(Buffer.from("successor"));
		const stream = await streamOf(store);
		await until(async () => (await tailOf(stream)) === 9);
		expect((await readFrom(stream, 0)).toString()).toBe("successor");
	});

	it("gives an old handle NOT_FOUND and a new one the new bytes when a stream is made again at once", async () => {
		const { owner, left } = await ownerOn();
		const store = await reader(left);
		await appendTo(await owner.scope("a").create("b"), [500]);
		const old = await streamOf(store);
		await until(async () => (await tailOf(old)) === 500);
		const waiting = errorOf(old.reader({ from: "tail", follow: true }).read());
		await owner.scope("a").delete("b");
		await (await owner.scope("a").create("b")).append(Buffer.from("again"));
		await owner.checkpoint();
		expect((await waiting).code).toBe("STREAMBED_NOT_FOUND");
		expect((await errorOf(old.reader().read())).code).toBe("STREAMBED_NOT_FOUND");
		expect((await readFrom(await streamOf(store), 0)).toString()).toBe("again");
	});

	it("locates times, the head, the tail and the last bytes", async () => {
		const clock = new ManualClock(5_000_000);
		const left = await leftBy("closed", async (store) => {
			const stream = await store.scope("a").create("b");
			for (let number = 0; number < 5; number++) {
				await stream.append(patterned(0, number * 100, 100));
				await new Promise((resolve) => setTimeout(resolve, 5));
			}
		});
		const stream = await streamOf(await reader(left, { clock }));
		const pieces: { offset: number; time: number }[] = [];
		for await (const { offset, time } of stream.appends()) pieces.push({ offset, time });
		expect(pieces.map(({ offset }) => offset)).toEqual([0, 100, 200, 300, 400]);
		const place = async (from: Parameters<ByteStream["reader"]>[0]): Promise<number> =>
			(await stream.reader(from).open()).offset;
		for (const { offset, time } of pieces) expect(await place({ from: { time } })).toBe(offset);
		expect(await place({ from: { time: (pieces[4]?.time ?? 0) + 1 } })).toBe(500);
		expect(await place({ from: { last: 20 } })).toBe(480);
		expect(await place({ from: "tail" })).toBe(500);
		expect((await stream.info()).shards[0]?.lastTime).toBe(pieces[4]?.time);
	});

	it("ends waits with CLOSED when it is closed, and with ABORTED when they are called off; no timer is left", async () => {
		const clock = new ManualClock();
		const left = await leftBy("closed", (store) => appendAll(store, [10]));
		const store = await openReader(left, { clock });
		const stream = await streamOf(store);
		const abort = new AbortController();
		const called = errorOf(stream.reader({ from: "tail", follow: true, signal: abort.signal }).read());
		const closed = errorOf(stream.reader({ from: "tail", follow: true }).read());
		await until(async () => clock.timers > 0);
		abort.abort();
		expect((await called).code).toBe("STREAMBED_ABORTED");
		await store.close();
		expect((await closed).code).toBe("STREAMBED_CLOSED");
		expect(clock.timers).toBe(0);
		expect((await errorOf(stream.info())).code).toBe("STREAMBED_CLOSED");
	});

	it("refuses all that would change something with READ_ONLY", async () => {
		const left = await leftBy("closed", (store) => appendAll(store, [10]));
		const store = await reader(left);
		const stream = await streamOf(store);
		const refused = [
			() => stream.append(Buffer.from("x")),
			() => stream.seal(),
			() => stream.truncateBefore(5),
			() => stream.update({ tags: { a: "b" } }),
			() => store.scope("a").create("c"),
			() => store.scope("a").delete("b"),
			() => store.checkpoint(),
		];
		for (const attempt of refused) expect((await errorOf(attempt())).code).toBe("STREAMBED_READ_ONLY");
		expect((await readFrom(stream, 0)).length).toBe(10);
		expect(await store.list()).toMatchObject([{ scope: "a", stream: "b" }]);
	});

	it("never sees a byte whose round is not durable, also when that round then fails", async () => {
		const disk = faultyDisk(memoryDisk());
		const left: Left = { disk, locker: memoryLocker() };
		const owner = await openOwner(left);
		const writing = await owner.scope("a").create("b");
		await appendTo(writing, [100]);
		const stream = await streamOf(await reader(left));
		await until(async () => (await tailOf(stream)) === 100);
		const { promise: gate, resolve: fall } = Promise.withResolvers<void>();
		disk.addRule({ operation: "writeDurable", path: /ring-/, code: "EIO", doneBytes: 4096, before: () => gate });
		const lost = errorOf(appendTo(writing, [200], 100));
		const seen: unknown[] = [];
		for (let look = 0; look < 20; look++) {
			seen.push(await tailOf(stream));
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
		fall();
		expect((await lost).code).toBe("STREAMBED_STOPPED");
		for (let look = 0; look < 20; look++) {
			seen.push(await tailOf(stream));
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
		expect(new Set(seen)).toEqual(new Set([100]));
		await owner.close();
	});

	it("writes nothing while it follows", async () => {
		const { owner, left } = await ownerOn({ ...memoryLocker(), process: processIdentity() });
		const writing = await owner.scope("a").create("b", { segmentBytes: 64 * KiB });
		const followed = collect(await streamOf(await reader({ ...left, disk: unwritable(left.disk) })));
		await appendTo(writing, Array(30).fill(9000));
		await writing.seal();
		expect(firstWrong(0, 0, await followed)).toBeUndefined();
	});
});

/** A store with a living owner on the same disk. */
async function ownerOn(locker: MemoryLocker = memoryLocker()): Promise<{ owner: Store; left: Left }> {
	const left: Left = { disk: memoryDisk(), locker };
	const owner = await openOwner(left);
	onTestFinished(() => owner.close());
	return { owner, left };
}

/** A store that seems to have a living owner, on a disk with this clock. */
async function aliveAt(clock: ManualClock, sizes: number[]): Promise<{ left: Left; path: string; whole: Uint8Array }> {
	const source = await leftBy("alive", (store) => appendAll(store, sizes));
	const disk = memoryDisk({ clock });
	const left = { disk, locker: source.locker };
	await copyTree(source.disk, disk);
	const [path = ""] = await segmentFiles(disk, "a/b");
	return { left, path, whole: await disk.readFile(path) };
}

async function reader(left: Left, options: OpenOptions = {}): Promise<Store> {
	const opening = openReader(left, options);
	const store = await (options?.clock instanceof ManualClock ? drive(options.clock, opening) : opening);
	onTestFinished(() => store.close());
	return store;
}

async function streamOf(store: Store): Promise<ByteStream> {
	return await store.scope("a").stream("b").open();
}

async function tailOf(stream: ByteStream): Promise<number | undefined> {
	return (await stream.info()).shards[0]?.tail;
}

async function appendAll(store: Store, sizes: readonly number[], segmentBytes?: number): Promise<void> {
	await appendTo(await store.scope("a").create("b", segmentBytes === undefined ? {} : { segmentBytes }), sizes);
	await store.checkpoint();
}

async function appendTo(stream: ByteStream, sizes: readonly number[], from = 0): Promise<void> {
	let at = from;
	for (const size of sizes) {
		await stream.append(patterned(0, at, size));
		at += size;
	}
}

async function collect(stream: ByteStream): Promise<Buffer> {
	const parts: Buffer[] = [];
	for await (const bytes of stream.reader({ follow: true })) parts.push(Buffer.from(bytes));
	return Buffer.concat(parts);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
	const deadline = performance.now() + 10_000;
	while (!(await holds())) {
		if (performance.now() > deadline) throw new Error("it does not come true");
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}
