import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sqliteLocker } from "../../../src/disk/sqlite-lock.ts";
import { type LockChild, startLockChild } from "./child.ts";

let dir = "";
let path = "";
const children: LockChild[] = [];

beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "streambed-lock-"));
	path = join(dir, "LOCK");
});

afterEach(async () => {
	for (const child of children.splice(0)) await child.kill();
	rmSync(dir, { recursive: true, force: true });
});

async function child(command: "hold" | "claim" | "drop", where: string): Promise<LockChild> {
	const started = await startLockChild(command, where);
	children.push(started);
	return started;
}

describe("the lock on a store", () => {
	it("is refused to a second handle in the same process, also after that handle gave up", async () => {
		const locker = sqliteLocker();
		const first = await locker.tryLock(path);
		expect(first).toBeDefined();
		expect(await locker.tryLock(path)).toBeUndefined();
		expect(await sqliteLocker().tryLock(path)).toBeUndefined();
		const other = await child("hold", path);
		expect(other.said).toBe("refused");
		await first?.release();
	});

	it("is refused to a second process and given to it once released", async () => {
		const lock = await sqliteLocker().tryLock(path);
		expect((await child("hold", path)).said).toBe("refused");
		await lock?.release();
		const next = await child("hold", path);
		expect(next.said).toBe("held");
		expect(await sqliteLocker().tryLock(path)).toBeUndefined();
		await next.end();
		const again = await sqliteLocker().tryLock(path);
		expect(again).toBeDefined();
		await again?.release();
	});

	it("is free as soon as its owner has been killed", async () => {
		const owner = await child("hold", path);
		expect(owner.said).toBe("held");
		expect(await sqliteLocker().tryLock(path)).toBeUndefined();
		await owner.kill();
		const lock = await sqliteLocker().tryLock(path);
		expect(lock).toBeDefined();
		await lock?.release();
	});

	it("may be released twice without freeing somebody else's", async () => {
		const first = await sqliteLocker().tryLock(path);
		await first?.release();
		const second = await sqliteLocker().tryLock(path);
		await first?.release();
		expect((await child("hold", path)).said).toBe("refused");
		await second?.release();
	});

	it("leaves an empty file and nothing beside it", async () => {
		const lock = await sqliteLocker().tryLock(path);
		expect(readdirSync(dir)).toEqual(["LOCK"]);
		await lock?.release();
		expect(readdirSync(dir)).toEqual(["LOCK"]);
		expect(statSync(path).size).toBe(0);
		await (await child("hold", path)).kill();
		expect(readdirSync(dir)).toEqual(["LOCK"]);
		expect(statSync(path).size).toBe(0);
	});

	it("survives that its handle is forgotten and garbage is collected", async () => {
		// In a process of its own, for the flag that exposes the collector.
		const module = new URL("../../../src/disk/sqlite-lock.ts", import.meta.url).href;
		const script = `
			import { sqliteLocker } from ${JSON.stringify(module)};
			await sqliteLocker().tryLock(${JSON.stringify(path)});
			for (let i = 0; i < 5; i++) { globalThis.gc(); await new Promise((done) => setImmediate(done)); }
			console.log(await sqliteLocker().tryLock(${JSON.stringify(path)}) === undefined ? "held" : "lost");
		`;
		const run = spawnSync(process.execPath, ["--expose-gc", "--input-type=module", "-e", script]);
		expect(run.stdout.toString().trim()).toBe("held");
		expect(run.stderr.toString()).toBe("");
	});

	it("is refused as CORRUPT, untouched, where the file holds something else", async () => {
		writeFileSync(path, "not a database, but somebody's text\n".repeat(200));
		await expect(sqliteLocker().tryLock(path)).rejects.toMatchObject({ code: "STREAMBED_CORRUPT" });
		expect(statSync(path).size).toBeGreaterThan(1000);
	});

	it("is refused as IO where there is no folder, naming the file", async () => {
		const error = await sqliteLocker()
			.tryLock(join(dir, "none", "LOCK"))
			.catch((caught: unknown) => caught);
		expect(error).toMatchObject({ details: { path: join(dir, "none", "LOCK") } });
	});
});

describe("the lock on a store that may not be written", () => {
	const asNobody = process.getuid?.() === 0;

	/** Tries to lock as a user who may not write: an ordinary user is refused already, root has to become another. */
	function tryLockUnprivileged(file: string): string {
		const module = new URL("../../../src/disk/sqlite-lock.ts", import.meta.url).href;
		const script = `
			const { sqliteLocker } = await import(${JSON.stringify(module)});
			${asNobody ? "process.setgroups([]); process.setgid(65534); process.setuid(65534);" : ""}
			console.log(await sqliteLocker().tryLock(${JSON.stringify(file)}).then(String, (error) => error.code));
		`;
		const run = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
		return run.stdout.toString().trim() + run.stderr.toString();
	}

	it.runIf(process.platform !== "win32")("is refused as READ_ONLY where the file is read-only", () => {
		writeFileSync(path, "");
		chmodSync(path, 0o444);
		chmodSync(dir, 0o755);
		expect(tryLockUnprivileged(path)).toBe("STREAMBED_READ_ONLY");
	});

	it.runIf(process.platform !== "win32")("is refused as READ_ONLY where the folder is and the file missing", () => {
		mkdirSync(join(dir, "closed"));
		chmodSync(join(dir, "closed"), 0o555);
		chmodSync(dir, 0o755);
		expect(tryLockUnprivileged(join(dir, "closed", "LOCK"))).toBe("STREAMBED_READ_ONLY");
		chmodSync(join(dir, "closed"), 0o755);
	});
});
