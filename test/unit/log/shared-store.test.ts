/** One folder, opened more than once; and the lock file, which nothing but the lock may open. */
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { open, type Store } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { codeOf } from "./memory-store.ts";

let parent = "";
let folder = "";

beforeEach(async () => {
	parent = await mkdtemp(join(tmpdir(), "streambed-shared-"));
	folder = join(parent, "data");
});

afterEach(async () => {
	await rm(parent, { recursive: true, force: true });
});

async function tail(store: Store): Promise<number | undefined> {
	return (await store.scope("s").stream("a").info()).shards[0]?.tail;
}

describe("a folder opened twice in one process", () => {
	it("is one store: each sees the other's appends, and it closes with the last", async () => {
		const one = await open(folder);
		const two = await open(`file:${folder}/`);
		await (await one.scope("s").create("a")).append(new Uint8Array(5));
		expect(await tail(two)).toBe(5);
		await one.close();
		expect(await codeOf(one.scope("s").stream("a").append(new Uint8Array(1)))).toBe("STREAMBED_CLOSED");
		await two.scope("s").stream("a").append(new Uint8Array(5));
		await two.close();
		const again = await open(folder, { create: false });
		expect(again.stats().recovery.clean).toBe(true);
		expect(await tail(again)).toBe(10);
		await again.close();
	});

	it("is refused with other options than the first time", async () => {
		const one = await open(folder);
		expect(await codeOf(open(folder, { durability: "os" }))).toBe("STREAMBED_INVALID_OPTION");
		expect(await codeOf(open(folder, { limits: { pendingBytes: 1_000_000 } }))).toBe("STREAMBED_INVALID_OPTION");
		await (await open(folder, { durability: "sync" })).close();
		await one.scope("s").create("a");
		await one.close();
		await (await open(folder, { durability: "os" })).close();
	});

	it("may be opened while it is being closed", async () => {
		const one = await open(folder);
		await (await one.scope("s").create("a")).append(new Uint8Array(5));
		const closing = one.close();
		const two = await open(folder);
		await two.scope("s").stream("a").append(new Uint8Array(5));
		expect(await tail(two)).toBe(10);
		await Promise.all([closing, two.close()]);
	});

	it("is one store under every name that leads to it, from its making on", async () => {
		await mkdir(join(parent, "real"));
		await symlink(join(parent, "real"), join(parent, "link"));
		const one = await open(join(parent, "link", "data"));
		const two = await open(join(parent, "real", "data"));
		await Promise.all([one.close(), two.close()]);
	});

	it("is let go of by an opening that was aborted", async () => {
		const stop = new AbortController();
		const opening = open(folder, { signal: stop.signal });
		stop.abort();
		expect(await codeOf(opening)).toBe("STREAMBED_ABORTED");
		await vi.waitFor(async () => (await open(folder, { durability: "os" })).close(), { timeout: 5000, interval: 10 });
	});

	it("may be opened again after an opening that failed", async () => {
		expect(await codeOf(open(folder, { create: false }))).toBe("STREAMBED_NOT_FOUND");
		await Promise.all([open(folder), open(folder)].map(async (opening) => (await opening).close()));
	});
});

describe("the file LOCK", () => {
	it("is opened by the lock alone, whatever the store does", async () => {
		const disk = faultyDisk(nodeDisk());
		for (let opening = 0; opening < 2; opening++) {
			const store = await open(folder, { disk });
			const stream = await store.scope("s").ensure("a", { segmentBytes: 65_536 });
			await stream.append(new Uint8Array(100_000));
			await stream.truncateBefore(50_000);
			await store.checkpoint();
			await store.scope("s").create(`b${opening}`);
			await store.scope("s").delete(`b${opening}`);
			await store.close();
		}
		const touching = ["open", "readFile", "rename", "unlink"];
		const touched = disk.events.filter(({ operation, path }) => touching.includes(operation) && /LOCK/.test(path));
		expect(touched).toEqual([]);
		// The rule could not strike if the paths were others than these.
		expect(disk.events.some(({ operation, path }) => operation === "stat" && path.endsWith("/LOCK"))).toBe(true);
	});
});
