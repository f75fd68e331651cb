/** What `streambed/testing` gives to those who test their own programs, used as they would use it: by that entry alone. */
import { describe, expect, it } from "vitest";
import { open } from "../../../src/index.ts";
import { crashDisk, faultyDisk, ManualClock, memoryDisk, memoryLocker } from "../../../src/testing/index.ts";

const create = { kind: "bytes" } as const;

describe("a program's store on a disk for tests", () => {
	it("has what was acknowledged after the machine stopped", async () => {
		const disk = crashDisk({ seed: 7 });
		const lock = memoryLocker();
		const clock = new ManualClock();
		const store = await open("file:/data", { disk, lock, clock });
		const log = await store.scope("a").create("log", create);
		await log.append(Buffer.from("kept"));
		const left = disk.crash();
		lock.crash();
		const again = await open("file:/data", { disk: left, lock, clock, create: false });
		const found = await Array.fromAsync(again.scope("a").stream("log").reader());
		expect(Buffer.concat(found).toString()).toBe("kept");
		await again.close();
	});

	it("meets the failure that it was told to, at the operation that was named", async () => {
		const disk = faultyDisk(memoryDisk());
		const store = await open("file:/data", { disk, lock: memoryLocker() });
		const log = await store.scope("a").create("log", create);
		await log.append(Buffer.from("before"));
		disk.addRule({ operation: "writeDurable", path: /\/journal\//, code: "EIO" });
		await expect(log.append(Buffer.from("lost"))).rejects.toMatchObject({ code: "STREAMBED_STOPPED" });
		const found = await Array.fromAsync(log.reader());
		expect(Buffer.concat(found).toString()).toBe("before");
		await store.close();
	});

	it("is full when its bound is reached", async () => {
		const disk = memoryDisk({ capacityBytes: 16 * 1024 * 1024 });
		await using store = await open("file:/data", { disk, lock: memoryLocker() });
		const log = await store.scope("a").create("log", create);
		const fill = async (): Promise<void> => {
			for (;;) await log.append(new Uint8Array(1024 * 1024));
		};
		await expect(fill()).rejects.toMatchObject({ code: "STREAMBED_DISK_FULL", retryable: true });
	});
});
