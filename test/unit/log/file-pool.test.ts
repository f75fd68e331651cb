import { describe, expect, it } from "vitest";
import { FilePool } from "../../../src/log/files/file-pool.ts";
import { type FaultyDisk, faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";

const bytes = Uint8Array.of(1, 2, 3);

async function diskWith(files: number): Promise<FaultyDisk> {
	const disk = faultyDisk(memoryDisk());
	for (let number = 0; number < files; number++) await (await disk.open(`/${number}`, "create")).close();
	return disk;
}

function pool(disk: FaultyDisk, limit: number, failures: unknown[] = []): FilePool {
	return new FilePool(disk, limit, "write", (error) => failures.push(error));
}

function count(disk: FaultyDisk, operation: string, path?: string): number {
	return disk.events.filter((event) => event.operation === operation && (path ?? event.path) === event.path).length;
}

/** The next sync of a file hangs until the returned function is called. */
function hangSync(disk: FaultyDisk, path: RegExp): () => void {
	const { promise: ended, resolve: end } = Promise.withResolvers<void>();
	disk.addRule({ operation: "sync", path, before: () => ended });
	return end;
}

describe("a pool of open files", () => {
	it("opens a file once, however many use it at the same time", async () => {
		const disk = await diskWith(1);
		const files = pool(disk, 8);
		const opens = count(disk, "open");
		await Promise.all([1, 2, 3].map(() => files.use("/0", (file) => file.size())));
		expect(count(disk, "open") - opens).toBe(1);
		await files.close();
	});

	it("closes the one that was not used for longest, and holds no more than its bound", async () => {
		const disk = await diskWith(4);
		const files = pool(disk, 2);
		const closes = count(disk, "close");
		for (const path of ["/0", "/1", "/0", "/2"]) await files.use(path, (file) => file.size());
		expect(count(disk, "close") - closes).toBe(1);
		expect(disk.events.at(-1)).toEqual({ operation: "close", path: "/1" });
		await files.close();
	});

	it("syncs a file with unsynced writes before it closes it, and not one without", async () => {
		const disk = await diskWith(3);
		const files = pool(disk, 1);
		await files.write("/0", bytes, 0);
		expect(files.unsynced()).toEqual(["/0"]);
		await files.use("/1", (file) => file.size());
		await files.use("/2", (file) => file.size());
		const ends = disk.events.filter(({ operation }) => operation === "sync" || operation === "close").slice(-3);
		expect(ends).toEqual([
			{ operation: "sync", path: "/0" },
			{ operation: "close", path: "/0" },
			{ operation: "close", path: "/1" },
		]);
		expect(files.unsynced()).toEqual([]);
		await files.close();
	});

	it("counts a file as unsynced, and makes others wait, until the sync of its closing has ended", async () => {
		const disk = await diskWith(2);
		const files = pool(disk, 1);
		let end: () => void = () => {};
		disk.addRule({ operation: "sync", path: /0/, before: () => new Promise<void>((resolve) => (end = resolve)) });
		await files.write("/0", bytes, 0);
		const closing = files.use("/1", (file) => file.size());
		while (count(disk, "sync", "/0") === 0) await new Promise((resolve) => setImmediate(resolve));
		expect(files.unsynced()).toEqual(["/0"]);
		let synced = false;
		const sync = files.sync("/0").then(() => (synced = true));
		await new Promise((resolve) => setImmediate(resolve));
		expect(synced).toBe(false);
		end();
		await Promise.all([closing, sync]);
		expect([files.unsynced(), count(disk, "sync", "/0")]).toEqual([[], 1]);
		await files.close();
	});

	it("has nothing left to sync of a file that was forgotten while its last sync was under way", async () => {
		const disk = await diskWith(1);
		const failures: unknown[] = [];
		const files = pool(disk, 8, failures);
		const end = hangSync(disk, /0/);
		await files.write("/0", bytes, 0);
		const first = files.sync("/0");
		await files.write("/0", bytes, 3);
		const second = files.sync("/0");
		await files.forget("/0");
		await disk.unlink("/0");
		end();
		await Promise.all([first, second]);
		expect([failures, count(disk, "sync"), count(disk, "close", "/0")]).toEqual([[], 1, 2]);
		await files.close();
	});

	it("closes a file that was written to and forgotten while it was synced to be closed", async () => {
		const disk = await diskWith(2);
		const files = pool(disk, 1);
		const end = hangSync(disk, /0/);
		await files.write("/0", bytes, 0);
		const closing = files.use("/1", (file) => file.size());
		while (count(disk, "sync", "/0") === 0) await new Promise((resolve) => setImmediate(resolve));
		await files.write("/0", bytes, 3);
		await files.forget("/0");
		const closes = count(disk, "close", "/0");
		end();
		await closing;
		expect([count(disk, "close", "/0") - closes, count(disk, "sync")]).toEqual([1, 1]);
		await files.close();
	});

	it("reports a failed sync once, does not try it again, and says of nothing that it is durable", async () => {
		const disk = await diskWith(1);
		const failures: unknown[] = [];
		const files = pool(disk, 8, failures);
		disk.addRule({ operation: "sync", code: "EIO" });
		await files.write("/0", bytes, 0);
		await expect(files.sync("/0")).rejects.toMatchObject({ code: "EIO" });
		expect(failures).toHaveLength(1);
		await expect(files.sync("/0")).rejects.toMatchObject({ code: "EIO" });
		expect([failures.length, count(disk, "sync")]).toEqual([1, 1]);
		await files.close();
	});

	it("forgets without a sync what is about to be removed, after its last user", async () => {
		const disk = await diskWith(2);
		const files = pool(disk, 8);
		await files.write("/0", bytes, 0);
		let end: () => void = () => {};
		const using = files.use("/0", () => new Promise<void>((resolve) => (end = resolve)));
		await files.forget("/0");
		const closes = count(disk, "close", "/0");
		end();
		await using;
		expect([count(disk, "close", "/0") - closes, count(disk, "sync")]).toEqual([1, 0]);
		await files.close();
	});

	it("tries again to open a file that could not be opened", async () => {
		const disk = await diskWith(1);
		const files = pool(disk, 8);
		disk.addRule({ operation: "open", code: "EMFILE" });
		await expect(files.use("/0", (file) => file.size())).rejects.toMatchObject({ code: "EMFILE" });
		expect(await files.use("/0", (file) => file.size())).toBe(0);
		await files.close();
	});
});
