import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { systemRandom } from "../../../src/core/random.ts";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { processIdentity } from "../../../src/disk/process-identity.ts";
import { sqliteLocker } from "../../../src/disk/sqlite-lock.ts";
import { claimOwner, type OwnerInfo, ownerAlive, readOwner } from "../../../src/log/files/owner.ts";
import { type LockChild, startLockChild } from "../disk/child.ts";

const onLinux = process.platform === "linux";
const disk = nodeDisk();
const options = { random: systemRandom, clock: systemClock, process: processIdentity() };
let dir = "";
let child: LockChild | undefined;

beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "streambed-owner-"));
	writeFileSync(join(dir, "LOCK"), "");
});

afterEach(async () => {
	await child?.kill();
	child = undefined;
	rmSync(dir, { recursive: true, force: true });
});

async function startOwner(command: "claim" | "drop"): Promise<OwnerInfo> {
	child = await startLockChild(command, dir);
	expect(child.said).toBe("held");
	const info = await readOwner(disk, dir);
	expect(info?.pid).toBe(child.pid);
	return info as OwnerInfo;
}

describe("claiming a store", () => {
	it("names the process and its address in OWNER and removes it at the end", async () => {
		const owner = await claimOwner(disk, dir, { ...options, url: "http://127.0.0.1:4000" });
		expect(await readOwner(disk, dir)).toMatchObject({ pid: process.pid, url: "http://127.0.0.1:4000" });
		expect(readdirSync(dir).sort()).toEqual(["LOCK", "OWNER"]);
		await owner.release();
		await owner.release();
		expect(readdirSync(dir)).toEqual(["LOCK"]);
		expect(await readOwner(disk, dir)).toBeUndefined();
	});

	it("replaces what a dead owner left, half-written files too", async () => {
		writeFileSync(join(dir, "OWNER.tmp"), "{");
		writeFileSync(join(dir, "OWNER"), '{"nonce":"x","pid":1,"startedAt":0}');
		const owner = await claimOwner(disk, dir, options);
		expect(await readOwner(disk, dir)).toEqual(owner.info);
		await owner.release();
	});

	it("leaves OWNER alone at the end when it names somebody else", async () => {
		const owner = await claimOwner(disk, dir, options);
		const other = await claimOwner(disk, dir, options);
		await owner.release();
		expect(await readOwner(disk, dir)).toEqual(other.info);
		await other.release();
	});
});

describe("an owner's own check", () => {
	it("passes as long as nothing has changed", async () => {
		const owner = await claimOwner(disk, dir, options);
		await owner.check();
		await owner.check();
		await owner.release();
	});

	it.each(["OWNER", "LOCK"])("stops the store when %s has been removed, naming it", async (file) => {
		const owner = await claimOwner(disk, dir, options);
		rmSync(join(dir, file));
		await expect(owner.check()).rejects.toMatchObject({
			code: "STREAMBED_STOPPED",
			message: expect.stringContaining(file),
			details: { file },
		});
		await owner.release();
	});

	it("stops the store when LOCK has been replaced by another file", async () => {
		const owner = await claimOwner(disk, dir, options);
		writeFileSync(join(dir, "new"), "");
		renameSync(join(dir, "new"), join(dir, "LOCK"));
		await expect(owner.check()).rejects.toMatchObject({ code: "STREAMBED_STOPPED", details: { file: "LOCK" } });
		await owner.release();
	});

	it("stops the store when OWNER names another opening", async () => {
		const owner = await claimOwner(disk, dir, options);
		const other = await claimOwner(disk, dir, options);
		await expect(owner.check()).rejects.toMatchObject({ code: "STREAMBED_STOPPED", details: { file: "OWNER" } });
		await other.check();
		await other.release();
		await owner.release();
	});
});

describe("reading who owns a store", () => {
	it.each(["", "{", "null", "[]", '"x"', '{"pid":1}', '{"nonce":"x","pid":"1","startedAt":0}', "x".repeat(20_000)])(
		"takes a damaged OWNER for none: %.20s",
		async (text) => {
			writeFileSync(join(dir, "OWNER"), text);
			expect(await readOwner(disk, dir)).toBeUndefined();
		},
	);

	it("finds none where there is no folder", async () => {
		expect(await readOwner(disk, join(dir, "none"))).toBeUndefined();
	});
});

describe("whether an owner lives although its lock is free", () => {
	it("is true for a claim of this process until it is released", async () => {
		const owner = await claimOwner(disk, dir, options);
		expect(ownerAlive(await readOwner(disk, dir))).toBe(true);
		await owner.release();
		expect(ownerAlive(owner.info)).toBe(false);
	});

	it("is false for a claim without a process, as simulations make it", async () => {
		const owner = await claimOwner(disk, dir, { random: systemRandom, clock: systemClock });
		expect(ownerAlive(await readOwner(disk, dir))).toBe(false);
		await owner.check();
		await owner.release();
	});

	it.runIf(onLinux)("is true when the owner lost its lock by opening and closing LOCK", async () => {
		const info = await startOwner("drop");
		const lock = await sqliteLocker().tryLock(join(dir, "LOCK"));
		expect(lock).toBeDefined(); // the trap: the kernel gives the lock away
		await lock?.release();
		expect(ownerAlive(info)).toBe(true);
	});

	it.runIf(onLinux)("is false once the owner is dead", async () => {
		const info = await startOwner("claim");
		expect(ownerAlive(info)).toBe(true);
		await child?.kill();
		expect(ownerAlive(info)).toBe(false);
	});

	it.runIf(onLinux)("is false for another process of the same number", async () => {
		const info = await startOwner("claim");
		const other = String(Number(info.startTicks) - 1);
		expect(ownerAlive({ ...info, startTicks: other })).toBe(false);
		expect(ownerAlive({ ...info, boot: "00000000-0000-4000-8000-000000000000" })).toBe(false);
		expect(ownerAlive({ ...info, pidNamespace: "pid:[1]" })).toBe(false);
		expect(ownerAlive({ ...info, pid: 2 ** 30 })).toBe(false);
	});

	it("is false where no more than the number is known", () => {
		expect(ownerAlive({ nonce: "x", pid: process.ppid, startedAt: 0 })).toBe(false);
		expect(ownerAlive({ nonce: "x", pid: 1, startedAt: 0 })).toBe(false);
		expect(ownerAlive(undefined)).toBe(false);
	});
});
