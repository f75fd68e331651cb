import { describe, expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { slowDisk } from "../../../src/testing/slow-disk.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("a faulty disk", () => {
	it("fails the nth operation that matches, and only that", async () => {
		const disk = faultyDisk(memoryDisk(), [{ operation: "write", path: /\/a$/, nth: 2, code: "EIO" }]);
		const a = await disk.open("/a", "create");
		const b = await disk.open("/b", "create");
		await b.write(text("1"), 0);
		await a.write(text("1"), 0);
		await b.write(text("2"), 1);
		await expect(a.write(text("2"), 1)).rejects.toMatchObject({ code: "EIO", path: "/a" });
		await a.write(text("3"), 1);
		expect(Buffer.from(await disk.readFile("/a")).toString()).toBe("13");
		await a.close();
		await b.close();
	});

	it("stays broken for as many operations as it is told", async () => {
		const disk = faultyDisk(memoryDisk());
		const remove = disk.addRule({ operation: ["sync", "syncDir"], times: Number.POSITIVE_INFINITY, code: "EIO" });
		const file = await disk.open("/a", "create");
		for (let i = 0; i < 3; i++) await expect(file.sync()).rejects.toMatchObject({ code: "EIO" });
		await expect(disk.syncDir("/")).rejects.toMatchObject({ code: "EIO" });
		remove();
		await file.sync();
		await file.close();
	});

	it("lets part of a failing write reach the disk", async () => {
		const disk = faultyDisk(memoryDisk(), [{ operation: "writeDurable", code: "ENOSPC", doneBytes: 3 }]);
		const file = await disk.open("/a", "create", { durable: true });
		await expect(file.writeDurable([text("ab"), text("cd")], 0)).rejects.toMatchObject({ code: "ENOSPC" });
		expect(Buffer.from(await disk.readFile("/a")).toString()).toBe("abc");
		await file.close();
	});

	it("gives fewer bytes than there are", async () => {
		const disk = faultyDisk(memoryDisk(), [{ operation: "read", shortBytes: 2 }]);
		const file = await disk.open("/a", "create");
		await file.write(text("abcd"), 0);
		expect(await file.read(new Uint8Array(4), 0)).toBe(2);
		expect(await file.read(new Uint8Array(4), 0)).toBe(4);
		await file.close();
	});

	it("makes an operation wait", async () => {
		let go = (): void => undefined;
		const gate = new Promise<void>((resolve) => (go = resolve));
		const disk = faultyDisk(memoryDisk(), [{ operation: "sync", before: () => gate }]);
		const file = await disk.open("/a", "create");
		let synced = false;
		const syncing = file.sync().then(() => (synced = true));
		await file.write(text("a"), 0);
		expect(synced).toBe(false);
		go();
		expect(await syncing).toBe(true);
		await file.close();
	});

	it("writes down what it was asked, failed or not", async () => {
		const disk = faultyDisk(memoryDisk(), [{ operation: "rename", code: "EACCES" }]);
		await (await disk.open("/a", "create")).close();
		await expect(disk.rename("/a", "/b")).rejects.toMatchObject({ code: "EACCES" });
		expect(disk.events).toEqual([
			{ operation: "open", path: "/a" },
			{ operation: "close", path: "/a" },
			{ operation: "rename", path: "/a" },
		]);
		expect(await disk.stat("/b")).toBeUndefined();
	});
});

describe("a slow disk", () => {
	it("takes at least its time for whatever makes durable", async () => {
		const disk = slowDisk(memoryDisk(), { syncMs: 5 });
		const file = await disk.open("/a", "create", { durable: true });
		for (const operation of [() => file.writeDurable(text("a"), 0), () => file.sync(), () => disk.syncDir("/")]) {
			const start = performance.now();
			await operation();
			expect(performance.now() - start).toBeGreaterThanOrEqual(5);
		}
		await file.close();
	});

	it("syncs at the same time what is synced at the same time", async () => {
		const disk = slowDisk(memoryDisk(), { syncMs: 30 });
		const file = await disk.open("/a", "create");
		const order: string[] = [];
		const timer = new Promise<void>((resolve) => setTimeout(resolve, 1)).then(() => order.push("timer"));
		await Promise.all([file.sync(), file.sync()]).then(() => order.push("synced"));
		await timer;
		expect(order).toEqual(["timer", "synced"]);
		await file.close();
	});
});

describe("a locker in memory", () => {
	it("gives a path's lock to one holder at a time", async () => {
		const locker = memoryLocker();
		const lock = await locker.tryLock("/a/LOCK");
		expect(await locker.tryLock("/a/LOCK")).toBeUndefined();
		expect(await locker.tryLock("/b/LOCK")).toBeDefined();
		expect(await memoryLocker().tryLock("/a/LOCK")).toBeDefined();
		await lock?.release();
		expect(await locker.tryLock("/a/LOCK")).toBeDefined();
		await lock?.release();
		expect(await locker.tryLock("/a/LOCK")).toBeUndefined();
	});

	it("frees the locks of owners that died, who can't free those of the next", async () => {
		const locker = memoryLocker();
		const dead = await locker.tryLock("/a/LOCK");
		locker.crash();
		expect(await locker.tryLock("/a/LOCK")).toBeDefined();
		await dead?.release();
		expect(await locker.tryLock("/a/LOCK")).toBeUndefined();
	});
});
