import { join } from "node:path/posix";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import type { Store } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { drive } from "./memory-store.ts";
import { firstWrong, patterned } from "./pattern.ts";
import {
	errorOf,
	flipBit,
	type Left,
	leftBy,
	openOwner,
	openReader,
	ROOT,
	readFrom,
	unwritable,
	writeFile,
} from "./store-kit.ts";

describe("opening a store for reading", () => {
	it("says NOT_FOUND where there is no store, and makes nothing", async () => {
		const disk = memoryDisk();
		expect((await errorOf(openReader({ disk, locker: memoryLocker() }))).code).toBe("STREAMBED_NOT_FOUND");
		expect(await disk.list("/")).toEqual([]);
	});

	it("takes no lock and writes nothing after a clean close", async () => {
		const left = await leftBy("closed", write);
		await left.locker.tryLock(join(ROOT, "LOCK"));
		const refused = { ...left.locker, tryLock: () => Promise.reject(new Error("the lock was tried")) };
		const store = await reader({ disk: unwritable(left.disk), locker: refused });
		expect(await allOf(store)).toBe(TOTAL);
		expect(store.stats().recovery).toMatchObject({ clean: true, rounds: 0 });
	});

	it("shows every acknowledged byte of a killed owner, and leaves the store clean and free", async () => {
		const left = await leftBy("killed", write);
		const store = await reader(left);
		expect(await allOf(store)).toBe(TOTAL);
		expect(store.stats().recovery.rounds).toBeGreaterThan(0);
		const again = await reader(left);
		expect(again.stats().recovery).toMatchObject({ clean: true, rounds: 0 });
		const owner = await openOwner(left);
		await owner.scope("a").stream("b").append(Buffer.from("more"));
		await owner.close();
		expect(await allOf(again)).toBe(TOTAL + 4);
	});

	it("tells what the disk refuses as IO", async () => {
		const left = await leftBy("closed", write);
		const disk = faultyDisk(left.disk);
		const store = await reader({ disk, locker: left.locker });
		disk.addRule({ operation: "readFile", path: /b\.stream\/stream\.json$/, code: "EIO" });
		expect((await errorOf(store.scope("a").stream("b").open())).code).toBe("STREAMBED_IO");
		disk.addRule({ operation: "list", path: /streams$/, code: "EIO" });
		expect((await errorOf(Array.fromAsync([0], () => store.list()))).code).toBe("STREAMBED_IO");
	});

	it("never shows a stream that is just being deleted as an empty one", async () => {
		const left = await leftBy("closed", write);
		const disk = faultyDisk(left.disk);
		const store = await reader({ disk, locker: left.locker });
		const path = join(ROOT, "streams", "a", "b.stream");
		// Behind the look at its description.
		const before = (): Promise<void> => left.disk.rename(path, join(ROOT, "gone"));
		disk.addRule({ operation: "list", path: /b\.stream$/, before });
		expect((await errorOf(store.scope("a").stream("b").info())).code).toBe("STREAMBED_NOT_FOUND");
	});

	it("waits for an owner that is just redoing the journal, whatever the clock says", async () => {
		const clock = new ManualClock();
		const left = await leftBy("killed", write, { clock });
		const disk = faultyDisk(left.disk);
		let goOn: () => void = () => {};
		const { promise: redoing, resolve: reached } = Promise.withResolvers<void>();
		const held = new Promise<void>((resolve) => (goOn = resolve));
		const hold = (): Promise<void> => {
			reached();
			return held;
		};
		disk.addRule({ operation: "write", path: /\.seg$/, before: hold });
		// The same millisecond as in the life before.
		const opening = openOwner({ ...left, disk }, { clock });
		await redoing;
		let open = false;
		const reading = openReader(left, { clock }).then((store) => {
			open = true;
			return store;
		});
		for (let turn = 0; turn < 200; turn++) {
			await new Promise((resolve) => setImmediate(resolve));
			clock.advance(1);
		}
		expect(open).toBe(false);
		goOn();
		const owner = await drive(clock, opening);
		const store = await drive(clock, reading);
		expect(await allOf(store)).toBe(TOTAL);
		await drive(clock, store.close());
		await drive(clock, owner.close());
	});

	it("shows every acknowledged byte of a killed owner where nothing may be written, and changes nothing", async () => {
		const left = await leftBy("killed", write);
		const before = await contents(left.disk);
		const store = await reader({ ...left, disk: unwritable(left.disk) });
		expect(await allOf(store)).toBe(TOTAL);
		expect(store.stats().recovery.rounds).toBeGreaterThan(0);
		await store.close();
		expect(await contents(left.disk)).toEqual(before);
	});

	it("takes back nothing that redo in memory brought: new streams are there, deleted ones are not", async () => {
		const left = await leftBy("killed", async (store) => {
			await write(store);
			await store.checkpoint();
			await store.scope("a").delete("b");
			await (await store.scope("a").create("c")).append(Buffer.from("new"));
		});
		const store = await reader({ ...left, disk: unwritable(left.disk) });
		expect((await store.list()).map(({ stream }) => stream)).toEqual(["c"]);
		expect((await readFrom(store.scope("a").stream("c"), 0)).toString()).toBe("new");
	});

	it("reads beside a living owner without touching what it wrote or waiting for its lock", async () => {
		const left = await leftBy("alive", async (store) => {
			await write(store);
			await store.checkpoint();
		});
		const store = await reader({ ...left, disk: unwritableButOpen(left.disk) });
		expect(await allOf(store)).toBe(TOTAL);
	});

	it("waits while an owner is opening the store, until that has redone the journal, but not for ever", async () => {
		const clock = new ManualClock();
		const left = await leftBy("killed", write);
		const lock = await left.locker.tryLock(join(ROOT, "LOCK"));
		const owner = { nonce: "0", pid: 1, startedAt: Date.now() + 1e6 };
		await writeFile(left.disk, join(ROOT, "OWNER"), Buffer.from(JSON.stringify(owner)));
		let opened = false;
		const opening = openReader(left, { clock }).finally(() => {
			opened = true;
		});
		for (let turn = 0; turn < 200 || clock.timers === 0; turn++) await new Promise((resolve) => setImmediate(resolve));
		expect(opened).toBe(false);
		await lock?.release();
		for (let turn = 0; turn < 5000 && !opened; turn++) {
			await new Promise((resolve) => setImmediate(resolve));
			clock.advance(1);
		}
		const store = await opening;
		onTestFinished(() => store.close());
		expect(await allOf(store)).toBe(TOTAL);
		expect(store.stats().recovery.rounds).toBeGreaterThan(0);
	});

	it("reads the segments as they are when an owner seems to be opening the store for ever", async () => {
		const clock = new ManualClock();
		const left = await leftBy("alive", async (store) => {
			await write(store);
			await store.checkpoint();
		});
		await left.disk.unlink(join(ROOT, "OWNER"));
		let opened = false;
		const opening = openReader(left, { clock }).finally(() => {
			opened = true;
		});
		for (let turn = 0; turn < 10_000 && !opened; turn++) {
			await new Promise((resolve) => setImmediate(resolve));
			clock.advance(10);
		}
		const store = await opening;
		onTestFinished(() => store.close());
		expect(await allOf(store)).toBe(TOTAL);
	});

	it("reads the segments as they are when the journal is damaged", async () => {
		const left = await leftBy("killed", async (store) => {
			await write(store);
			await store.checkpoint();
			for (let round = 0; round < 5; round++) await store.scope("a").stream("b").append(Buffer.alloc(5000));
		});
		const ring = join(ROOT, "journal", "ring-000000.jnl");
		const journal = Buffer.from(await left.disk.readFile(ring));
		const rounds = placesOf(journal, "SBRD");
		await flipBit(left.disk, ring, (rounds.at(-3) ?? 0) + 100);
		expect((await errorOf(openOwner(left))).code).toBe("STREAMBED_CORRUPT");
		const store = await reader(left);
		expect((await readFrom(store.scope("a").stream("b"), 0)).length).toBeGreaterThanOrEqual(TOTAL);
	});

	it("reads on when both slots of the checkpoint are damaged", async () => {
		const left = await leftBy("closed", write);
		const path = join(ROOT, "journal", "checkpoint");
		for (const at of [0, 4096]) await flipBit(left.disk, path, at + 40);
		expect((await errorOf(openOwner(left))).code).toBe("STREAMBED_CORRUPT");
		expect(await allOf(await reader(left))).toBe(TOTAL);
	});

	it("tells a store of another format version apart", async () => {
		const left = await leftBy("closed", write);
		const path = join(ROOT, "store.json");
		const text = new TextDecoder().decode(await left.disk.readFile(path)).replace('"format":1', '"format":2');
		await left.disk.unlink(path);
		const file = await left.disk.open(path, "create");
		await file.write(new TextEncoder().encode(text), 0);
		await file.close();
		expect((await errorOf(openReader(left))).code).toBe("STREAMBED_FORMAT_VERSION");
	});

	it("reads a stream under the name that its folder was given by hand", async () => {
		const left = await leftBy("closed", write);
		const streams = join(ROOT, "streams", "a");
		await left.disk.rename(join(streams, "b.stream"), join(streams, "renamed.stream"));
		const store = await reader({ ...left, disk: unwritable(left.disk) });
		const stream = store.scope("a").stream("renamed");
		expect(firstWrong(0, 0, await readFrom(stream, 0))).toBeUndefined();
		expect((await errorOf(store.scope("a").stream("b").info())).code).toBe("STREAMBED_NOT_FOUND");
	});

	it("opens LOCK neither as an owner nor as a reader: closing it would drop the owner's lock", async () => {
		const disk = faultyDisk(memoryDisk());
		const locker = memoryLocker();
		const owner = await openOwner({ disk, locker });
		await write(owner);
		await owner.checkpoint();
		await owner.scope("a").stream("b").truncateBefore(100_000);
		const store = await reader({ disk, locker });
		await store.scope("a").stream("b").info();
		await owner.scope("a").delete("b");
		await owner.close();
		const opened = disk.events.filter(({ operation }) => operation === "open" || operation === "readFile");
		expect(opened.some(({ path }) => path === join(ROOT, "OWNER"))).toBe(true);
		expect(opened.filter(({ path }) => path.endsWith("/LOCK"))).toEqual([]);
	});

	it("ends with ABORTED when it is called off", async () => {
		const left = await leftBy("killed", write);
		const signal = AbortSignal.abort();
		expect((await errorOf(openReader(left, { signal }))).code).toBe("STREAMBED_ABORTED");
	});
});

const SIZES = Array.from({ length: 40 }, (_, number) => 1 + ((number * 7919) % 9000));
const TOTAL = SIZES.reduce((sum, size) => sum + size, 0);

async function write(store: Store): Promise<void> {
	const stream = await store.scope("a").create("b", { segmentBytes: 64 * 1024 });
	let at = 0;
	for (const size of SIZES) {
		await stream.append(patterned(0, at, size));
		at += size;
	}
}

async function reader(left: Left): Promise<Store> {
	const store = await openReader(left);
	onTestFinished(() => store.close());
	return store;
}

/** Reads all and checks what is known of it; returns how much there is. */
async function allOf(store: Store): Promise<number> {
	const bytes = await readFrom(store.scope("a").stream("b"), 0);
	expect(firstWrong(0, 0, bytes.subarray(0, TOTAL))).toBeUndefined();
	return bytes.length;
}

async function contents(disk: Disk, path = "/"): Promise<Record<string, string>> {
	const found: Record<string, string> = {};
	for (const { name, kind } of await disk.list(path)) {
		const child = join(path, name);
		if (kind === "folder") Object.assign(found, { [child]: "folder" }, await contents(disk, child));
		else found[child] = Buffer.from(await disk.readFile(child)).toString("base64");
	}
	return found;
}

/** Says that it may be written, and fails when it is. */
function unwritableButOpen(disk: Disk): Disk {
	return { ...unwritable(disk), writable: async () => true };
}

function placesOf(bytes: Buffer, text: string): number[] {
	const places: number[] = [];
	for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) if (at % 4096 === 0) places.push(at);
	return places;
}
