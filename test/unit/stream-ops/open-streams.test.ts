/** Many streams at once, and several processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { systemRandom } from "../../../src/core/random.ts";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { AppendLocks } from "../../../src/stream-ops/append-lock.ts";
import { StreamStorageRootFS } from "../../../src/stream-ops/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { block, fill, offsetsOf, record, storageKit } from "./storage-kit.ts";

const kit = storageKit();
const child = fileURLToPath(new URL("append-child.ts", import.meta.url));

describe("hundreds of streams that are open for append", () => {
	it("need no more descriptors than are allowed, and lose nothing", async () => {
		const disk = nodeDisk();
		const root = new StreamStorageRootFS(kit.root, { disk, openFiles: 16 });
		const before = descriptors();
		const streams = await Promise.all(Array.from({ length: 300 }, (_, i) => root.createStreamStorage(`s${i}`, 30)));
		await Promise.all(streams.map((stream) => stream.openForAppend()));
		let most = 0;
		for (let round = 0; round < 5; round++) {
			await Promise.all(streams.map((stream) => stream.append(record(10, round))));
			most = Math.max(most, descriptors() - before);
		}
		expect(most).toBeLessThan(40);
		await Promise.all(streams.map((stream) => stream.closeForAppend()));
		expect(await Promise.all(streams.map((stream) => offsetsOf(stream)))).toEqual(streams.map(() => [0, 1, 2, 3, 4]));
		expect(descriptors() - before).toBeLessThan(40);
	});

	it("cost one descriptor for all their locks", async () => {
		const root = new StreamStorageRootFS(kit.root);
		const streams = await Promise.all(Array.from({ length: 50 }, (_, i) => root.createStreamStorage(`s${i}`, 30)));
		for (const stream of streams) await stream.openForAppend();
		const locks = readdirSync(join(kit.root, ".streambed-locks"));
		expect(locks.filter((name) => !name.endsWith(".lock") && name !== "gate")).toHaveLength(1);
		await Promise.all(streams.map((stream) => stream.closeForAppend()));
		expect(existsSync(join(kit.root, ".streambed-locks"))).toBe(false);
	});
});

function descriptors(): number {
	return readdirSync("/proc/self/fd").length;
}

describe("another process", () => {
	it("is kept from appending to the same stream, not from others beside it, and no longer than the first one lives", async () => {
		const process = spawn(globalThis.process.execPath, [child, kit.root, "s"], { stdio: ["pipe", "pipe", "inherit"] });
		try {
			await once(process.stdout, "data");
			const storage = kit.stream();
			await expect(storage.openForAppend()).rejects.toMatchObject({
				code: "STREAMBED_LOCKED",
				details: { pid: process.pid },
			});
			expect(await offsetsOf(storage)).toEqual([0]);
			await fill(kit.stream(20, {}, "other"), [10]);
			process.kill("SIGKILL");
			await once(process, "exit");
			await storage.openForAppend();
			expect(await storage.append(record(10))).toBe(1);
			await storage.closeForAppend();
			expect(kit.files()).toEqual({ [block(0)]: 20 });
			expect(readdirSync(kit.root).toSorted()).toEqual(["other", "s"]);
		} finally {
			process.kill("SIGKILL");
		}
	});
});

describe("locks of streams", () => {
	it("are not needed where the folder above cannot be written, if so told", async () => {
		const disk = faultyDisk(nodeDisk(), [
			{ operation: "mkdir", path: /streambed-locks/, code: "EROFS", times: Infinity },
		]);
		const strict = kit.stream(20, { disk, locker: memoryLocker() });
		await expect(strict.openForAppend()).rejects.toMatchObject({
			code: "STREAMBED_READ_ONLY",
			hint: expect.stringContaining("lock: false"),
		});
		await fill(kit.stream(20, { disk, lock: false }), [10]);
		expect(kit.files()).toEqual({ [block(0)]: 10 });
	});

	it("are taken from an owner that died, and from a file that names nobody", async () => {
		const disk = memoryDisk();
		await disk.mkdir("/streams/a");
		const locker = memoryLocker();
		const ours = new AppendLocks(disk, locker, systemRandom, systemClock);
		const others = new AppendLocks(disk, locker, systemRandom, systemClock);
		await ours.acquire("/streams/a");
		await expect(others.acquire("/streams/a")).rejects.toMatchObject({ code: "STREAMBED_LOCKED" });
		await expect(ours.acquire("/streams/a")).rejects.toMatchObject({ code: "STREAMBED_LOCKED" });
		locker.crash();
		const lock = await others.acquire("/streams/a");
		await lock.release();
		await lock.release();
		expect(await disk.stat("/streams/.streambed-locks/a.lock")).toBeUndefined();
		await disk.mkdir("/streams/.streambed-locks");
		const torn = await disk.open("/streams/.streambed-locks/a.lock", "create");
		await torn.close();
		await (await others.acquire("/streams/a")).release();
	});

	it("have a name of their own also where the stream's is too long for a file", async () => {
		const disk = memoryDisk();
		const long = "x".repeat(230);
		await disk.mkdir(`/streams/${long}`);
		const locks = new AppendLocks(disk, memoryLocker(), systemRandom, systemClock);
		const lock = await locks.acquire(`/streams/${long}`);
		const names = (await disk.list("/streams/.streambed-locks")).map(({ name }) => name);
		expect(names.every((name) => name.length < 100)).toBe(true);
		await lock.release();
	});
});
