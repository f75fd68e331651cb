/** Retention in a folder: which files go, what is recorded, how much is looked at. */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ByteStream, open } from "../../../src/index.ts";
import { viewOf } from "../../../src/log/format/checksum.ts";
import { decodeState, FrameType, frameBytes, HeadReason, readFrameHeader } from "../../../src/log/format/frame.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { codeOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "./memory-store.ts";
import { patterned } from "./pattern.ts";

const HOUR = 3_600_000;
const folder = join(ROOT, "streams/s/a.stream/0");

async function make(around: Surroundings, retention: object) {
	const store = await openStore(around);
	const stream = await drive(around.clock, store.scope("s").create("a", { retention, segmentBytes: 65_536 }));
	return { store, stream };
}

async function headOf(around: Surroundings, stream: ByteStream): Promise<number> {
	return (await drive(around.clock, stream.info())).shards[0]?.head ?? Number.NaN;
}

/** Bases of the segments, ascending. */
async function bases({ disk }: Surroundings): Promise<number[]> {
	const names = (await disk.list(folder)).map(({ name }) => name);
	return names.filter((name) => name.endsWith(".seg")).map((name) => Number(name.slice(0, 20)));
}

/** Reasons of all head-moved frames in the newest segment. */
async function reasons(around: Surroundings): Promise<number[]> {
	const newest = Math.max(...(await bases(around)));
	const bytes = await around.disk.readFile(join(folder, `${String(newest).padStart(20, "0")}.seg`));
	const found: number[] = [];
	for (let at = 64; ; ) {
		const header = readFrameHeader(bytes, viewOf(bytes), at);
		if (header === undefined) return found;
		if (header.type === FrameType.head) found.push(decodeState(bytes, at, header)?.reason ?? -1);
		at += frameBytes(header);
	}
}

describe("retention", () => {
	it.each([
		["age", { ageMs: HOUR }, HeadReason.age],
		["size", { bytes: 100_000 }, HeadReason.size],
		["the hard bound", { ageMs: 24 * HOUR, maxBytes: 100_000 }, HeadReason.bound],
	] as const)("by %s moves the head to the beginning of a segment and records why", async (_by, rules, reason) => {
		const around = surroundings();
		const { store, stream } = await make(around, rules);
		for (let at = 0; at < 300_000; at += 10_000) await drive(around.clock, stream.append(patterned(0, at, 10_000)));
		await pass(around.clock, 200);
		around.clock.advance(HOUR);
		await pass(around.clock, 3000);
		const head = await headOf(around, stream);
		expect(head).toBeGreaterThan(0);
		expect((await bases(around)).sort((a, b) => a - b)[0]).toBe(head);
		expect(await reasons(around)).toContain(reason);
		await drive(around.clock, store.close());
	});

	it("keeps a truncation that was asked for apart from its own", async () => {
		const around = surroundings();
		const { store, stream } = await make(around, { ageMs: HOUR });
		await drive(around.clock, stream.append(patterned(0, 0, 1000)));
		await drive(around.clock, stream.truncateBefore(10));
		await pass(around.clock, 100);
		expect(await reasons(around)).toEqual([HeadReason.truncation]);
		await drive(around.clock, store.close());
	});

	it("frees space file by file on a real disk, as much as stats say", { timeout: 30_000 }, async () => {
		const root = await mkdtemp(join(tmpdir(), "streambed-retention-"));
		try {
			await using store = await open(`file:${root}/data`);
			const retention = { bytes: 1_000_000 };
			const stream = await store.scope("s").create("a", { retention, segmentBytes: 128 * 1024 });
			const path = join(root, "data/streams/s/a.stream/0");
			for (let at = 0; at < 20_000_000; at += 100_000) await stream.append(patterned(0, at, 100_000));
			const used = async (): Promise<number> => {
				const names = await readdir(path).catch(() => []);
				const infos = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => undefined)));
				return infos.reduce((sum, info) => sum + (info?.blocks ?? 0) * 512, 0);
			};
			await expect.poll(used, { timeout: 20_000 }).toBeLessThan(1_500_000);
			const { freedBytes, freedSegments } = store.stats().retention;
			expect(freedBytes).toBeGreaterThan(18_500_000);
			expect(freedSegments).toBeGreaterThan(100);
		} finally {
			await rm(root, { recursive: true, force: true });
		}
	});

	it("goes on past a damaged segment with a later one that is old enough", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk });
		const { store, stream } = await make(around, {});
		for (let at = 0; at < 300_000; at += 10_000) await drive(around.clock, stream.append(patterned(0, at, 10_000)));
		await drive(around.clock, store.close());
		const [first, second] = (await bases(around)).sort((a, b) => a - b);
		for (const base of [first, second]) {
			const file = await disk.open(join(folder, `${String(base).padStart(20, "0")}.seg`), "write");
			await file.write(new Uint8Array(200), 0);
			await file.close();
		}
		const again = surroundings({ disk, clock: around.clock });
		const opened = await openStore(again, false);
		const found = opened.scope("s").stream("a");
		await drive(again.clock, found.update({ retention: { ageMs: HOUR } }));
		again.clock.advance(2 * HOUR);
		await pass(again.clock, 3000);
		expect(await headOf(again, found)).toBe(300_000);
		await drive(again.clock, opened.close());
	});
});

it("segments that go while a write in parts is adopted are counted once", async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const { store, stream } = await make(around, {});
	for (let at = 0; at < 600_000; at += 60_000) await drive(clock, stream.append(patterned(0, at, 60_000)));
	await drive(clock, store.checkpoint());
	const goes = (await disk.list(folder)).map(({ name }) => name).filter((name) => name.endsWith(".seg"));
	// The last one holds the new head.
	goes.sort().pop();
	const sizes = await Promise.all(goes.map(async (name) => (await disk.stat(join(folder, name)))?.size ?? 0));
	const write = stream.writer().multipart();
	for (let piece = 0; piece < 3; piece++) await drive(clock, write.write(patterned(0, 0, 1_000_000)));
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	disk.addRule({ operation: "unlink", path: /\.seg$/, before: () => held });
	await drive(clock, stream.truncateBefore(550_000));
	await pass(clock, 300);
	const commit = write.commit();
	await pass(clock, 2000);
	goOn();
	await drive(clock, commit);
	await pass(clock, 2000);
	const { freedSegments, freedBytes } = store.stats().retention;
	expect([freedSegments, freedBytes]).toEqual([9, sizes.reduce((sum, size) => sum + size)]);
	await drive(clock, store.close());
});

describe("a walk over streams that nobody has open", () => {
	it("reads little at a time, and of those that are not due only once", { timeout: 60_000 }, async () => {
		const count = 500;
		const disk = memoryDisk();
		const locker = memoryLocker();
		const around = surroundings({ disk, locker });
		const store = await openStore(around);
		const made = Array.from({ length: count }, async (_, number) => {
			const retention = number % 2 === 0 ? { ageMs: HOUR } : {};
			const stream = await store.scope("s").create(`n${number}`, { retention });
			await stream.append(patterned(0, 0, 100));
		});
		await drive(around.clock, Promise.all(made));
		await drive(around.clock, store.close());
		const again = await openStore(surroundings({ disk, locker, clock: around.clock }), false);
		const readsIn = async (ms: number): Promise<number> => {
			const before = disk.counters.reads;
			await pass(around.clock, ms);
			return disk.counters.reads - before;
		};
		expect(await readsIn(1000)).toBeLessThan(32 * 6);
		await readsIn(20_000);
		// OWNER is read each second.
		expect(await readsIn(10_000)).toBeLessThan(15);
		expect(again.stats().streams).toBe(0);
		around.clock.advance(HOUR);
		await pass(around.clock, 30_000);
		expect(again.stats().retention.freedSegments).toBe(count / 2);
		expect(again.stats().streams).toBe(0);
		await drive(around.clock, again.close());
	});
});

describe("a stream that nobody has opened", () => {
	const AGE_MS = 10 * 60_000;

	/** A store just opened, and in it the stream "a" with data that goes by its age; with a prepared write too where asked for. */
	async function left(prepared: boolean) {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const { clock } = around;
		const { store, stream } = await make(around, { ageMs: AGE_MS });
		await drive(clock, stream.append(patterned(0, 0, 1000)));
		if (prepared) {
			const write = stream.writer().multipart();
			await drive(clock, write.write(patterned(0, 0, 1000)));
			await drive(clock, write.prepare());
		}
		await drive(clock, store.close());
		const again = await openStore(around, false);
		return { disk, clock, store: again, scope: again.scope("s") };
	}

	it.each([false, true])("expires in time, with a prepared write in it: %s", async (prepared) => {
		const { clock, store, scope } = await left(prepared);
		await pass(clock, AGE_MS + 30_000);
		const { streams, retention } = store.stats();
		expect([streams, retention.freedSegments]).toEqual([0, 1]);
		expect(await drive(clock, scope.stream("a").transactions())).toHaveLength(prepared ? 1 : 0);
		await drive(clock, store.close());
	});

	it("expires in time when its delete was refused", async () => {
		const { clock, store, scope } = await left(true);
		expect(await codeOf(drive(clock, scope.delete("a")))).toBe("STREAMBED_TXN_STATE");
		await pass(clock, AGE_MS + 30_000);
		expect(store.stats().retention.freedSegments).toBe(1);
		await drive(clock, store.close());
	});

	it("expires in time when its opening has failed", async () => {
		const { disk, clock, store, scope } = await left(false);
		disk.addRule({ operation: "list", path: /a\.stream\/0$/, code: "EIO" });
		expect(await codeOf(drive(clock, scope.stream("a").open()))).toBe("STREAMBED_IO");
		await pass(clock, AGE_MS + 30_000);
		expect(store.stats().retention.freedSegments).toBe(1);
		await drive(clock, store.close());
	});

	it("expires an hour later when it could not be opened for that", async () => {
		const { disk, clock, store } = await left(false);
		disk.addRule({ operation: "readFile", path: /producers/, code: "EIO" });
		await pass(clock, AGE_MS + 30_000);
		expect(store.stats().retention.freedSegments).toBe(0);
		await pass(clock, HOUR);
		expect(store.stats().retention.freedSegments).toBe(1);
		await drive(clock, store.close());
	});
});

describe("a clock that is set", () => {
	it("is taken as it is by an opening that no step was kept for", async () => {
		const around = surroundings();
		const { store, stream } = await make(around, { ageMs: HOUR });
		await drive(around.clock, stream.append(patterned(0, 0, 1000)));
		await drive(around.clock, store.close());
		const clock = new ManualClock(around.clock.now() + 2 * HOUR);
		const again = surroundings({ disk: around.disk, clock });
		const opened = await openStore(again, false);
		await pass(clock, 2000);
		expect(await headOf(again, opened.scope("s").stream("a"))).toBe(1000);
		await drive(clock, opened.close());
	});

	it("does appends no harm: times never go back, whichever way it goes", async () => {
		const around = surroundings();
		const { store, stream } = await make(around, {});
		const steps = [HOUR, -2 * HOUR, 24 * HOUR, -48 * HOUR, 0, HOUR];
		for (const [index, step] of steps.entries()) {
			around.clock.step(step);
			await drive(around.clock, stream.append(patterned(0, index * 10, 10)));
		}
		const reading = Array.fromAsync(stream.appends(), ({ offset, time }) => ({ offset, time }));
		const appends = await drive(around.clock, reading);
		expect(appends.map(({ offset }) => offset)).toEqual(steps.map((_, index) => index * 10));
		const times = appends.map(({ time }) => time);
		expect(times).toEqual([...times].sort((a, b) => a - b));
		await drive(around.clock, store.close());
	});
});
