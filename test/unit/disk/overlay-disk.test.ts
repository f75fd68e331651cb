import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import { type FaultyDisk, faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function put(disk: Disk, path: string, content: Uint8Array): Promise<void> {
	const file = await disk.open(path, "create");
	await file.write(content, 0);
	await file.close();
}

async function contentOf(disk: Disk, path: string): Promise<string> {
	return new TextDecoder().decode(await disk.readFile(path));
}

/** All there is below a folder, with contents. */
async function treeOf(disk: Disk, path: string): Promise<Record<string, string>> {
	const tree: Record<string, string> = {};
	for (const { name, kind } of await disk.list(path)) {
		const at = `${path}/${name}`;
		if (kind === "folder") Object.assign(tree, { [`${at}/`]: "" }, await treeOf(disk, at));
		else tree[at] = Buffer.from(await disk.readFile(at)).toString("latin1");
	}
	return tree;
}

async function populated(): Promise<FaultyDisk> {
	const base = faultyDisk(memoryDisk());
	await base.mkdir("/s/a/deep");
	await base.mkdir("/s/b");
	await put(base, "/s/one", text("first file"));
	await put(base, "/s/a/two", text("x".repeat(10_000)));
	await put(base, "/s/a/deep/three", text("third"));
	return base;
}

const changing = new Set([
	"mkdir",
	"rename",
	"unlink",
	"rmdir",
	"write",
	"writeDurable",
	"truncate",
	"sync",
	"syncDir",
]);

describe("an overlay on a folder with files", () => {
	it("shows what the base holds until it is changed", async () => {
		const base = await populated();
		const disk = overlayDisk(base);
		expect(await treeOf(disk, "/s")).toEqual(await treeOf(base, "/s"));
		expect(await disk.stat("/s/one")).toEqual(await base.stat("/s/one"));
		const file = await disk.open("/s/one", "write");
		await file.write(text("FIRST"), 0);
		expect(await contentOf(disk, "/s/one")).toBe("FIRST file");
		expect(await contentOf(base, "/s/one")).toBe("first file");
		await file.close();
		expect(await contentOf(disk, "/s/one")).toBe("FIRST file");
	});

	it("asks the base for nothing that changes it, whatever is done", async () => {
		const base = await populated();
		const before = await treeOf(base, "/s");
		const from = base.events.length;
		const disk = overlayDisk(base);
		await disk.rename("/s/a", "/s/c");
		await disk.unlink("/s/one");
		await disk.rmdir("/s/b");
		await disk.mkdir("/s/b/new");
		await put(disk, "/s/one", text("second life"));
		const file = await disk.open("/s/c/two", "write", { durable: true });
		await file.writeDurable(text("yy"), 4095);
		await file.truncate(5000);
		await file.sync();
		await file.close();
		await disk.rename("/s/c/deep/three", "/s/c/two");
		await disk.syncDir("/s");
		expect(await treeOf(disk, "/s")).toEqual({
			"/s/c/": "",
			"/s/c/deep/": "",
			"/s/c/two": "third",
			"/s/b/": "",
			"/s/b/new/": "",
			"/s/one": "second life",
		});
		expect(base.events.slice(from).filter((event) => changing.has(event.operation))).toEqual([]);
		expect(await treeOf(base, "/s")).toEqual(before);
	});

	it("does not bring back what was removed from the base, under the same names", async () => {
		const disk = overlayDisk(await populated());
		await disk.unlink("/s/a/two");
		await disk.unlink("/s/a/deep/three");
		await disk.rmdir("/s/a/deep");
		await disk.rmdir("/s/a");
		await disk.mkdir("/s/a");
		expect(await disk.list("/s/a")).toEqual([]);
		await put(disk, "/s/a/two", text("new"));
		expect(await contentOf(disk, "/s/a/two")).toBe("new");
		expect(await disk.stat("/s/a/deep")).toBeUndefined();
	});

	it("keeps a file of the base when it is renamed twice, back home too", async () => {
		const disk = overlayDisk(await populated());
		const identity = (await disk.stat("/s/one"))?.identity;
		await disk.rename("/s/one", "/s/b/moved");
		expect(await disk.stat("/s/one")).toBeUndefined();
		expect(await contentOf(disk, "/s/b/moved")).toBe("first file");
		await disk.rename("/s/b/moved", "/s/one");
		expect(await contentOf(disk, "/s/one")).toBe("first file");
		expect((await disk.stat("/s/one"))?.identity).toBe(identity);
		expect(await disk.list("/s/b")).toEqual([]);
	});

	it("shows a write to readers that opened the file before", async () => {
		const disk = overlayDisk(await populated());
		const reader = await disk.open("/s/a/two", "read");
		const writer = await disk.open("/s/a/two", "write");
		await writer.write(text("!"), 5000);
		const target = new Uint8Array(3);
		await reader.read(target, 4999);
		expect(new TextDecoder().decode(target)).toBe("x!x");
		await writer.close();
		await reader.close();
	});

	it("closes every file of the base that it opened", async () => {
		const base = await populated();
		const disk = overlayDisk(base);
		await treeOf(disk, "/s");
		const file = await disk.open("/s/one", "read");
		const reading = file.read(new Uint8Array(5), 0);
		await file.close();
		expect(await reading).toBe(5);
		const count = (operation: string): number => base.events.filter((e) => e.operation === operation).length;
		expect(count("open")).toBeGreaterThan(3);
		expect(count("close")).toBe(count("open"));
	});

	it("passes errors of the base on and works when they are over", async () => {
		const base = await populated();
		const disk = overlayDisk(base);
		base.addRule({ operation: "open", path: /one/, code: "EMFILE" });
		await expect(disk.readFile("/s/one")).rejects.toMatchObject({ code: "EMFILE" });
		expect(await contentOf(disk, "/s/one")).toBe("first file");
	});

	it("says that everything in it may be written", async () => {
		const base = await populated();
		const disk = overlayDisk({ ...base, writable: async () => false });
		expect(await disk.writable("/s")).toBe(true);
	});

	it("behaves like a disk that holds the same, for any order of changes", async () => {
		const path = fc.constantFrom("/s/one", "/s/a/two", "/s/b/x", "/s/a/deep/three", "/s/a", "/s/b", "/s/c", "/s/c/two");
		const size = fc.integer({ min: 0, max: 12_000 });
		const step = fc.oneof(
			fc.record({ do: fc.constant("write" as const), path, at: size, bytes: size }),
			fc.record({ do: fc.constant("truncate" as const), path, at: size }),
			fc.record({ do: fc.constant("create" as const), path }),
			fc.record({ do: fc.constant("rename" as const), path, to: path }),
			fc.record({ do: fc.constantFrom("unlink" as const, "rmdir" as const, "mkdir" as const), path }),
		);
		type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
		async function apply(disk: Disk, todo: Step, fill: number): Promise<string> {
			try {
				if (todo.do === "rename") await disk.rename(todo.path, todo.to);
				else if (todo.do === "unlink" || todo.do === "rmdir" || todo.do === "mkdir") await disk[todo.do](todo.path);
				else {
					const file = await disk.open(todo.path, todo.do === "create" ? "create" : "write");
					if (todo.do === "write") await file.write(new Uint8Array(todo.bytes).fill(fill), todo.at);
					if (todo.do === "truncate") await file.truncate(todo.at);
					await file.close();
				}
				return "done";
			} catch (error) {
				return (error as NodeJS.ErrnoException).code ?? String(error);
			}
		}
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
				const base = await populated();
				const before = await treeOf(base, "/s");
				const [overlay, plain] = [overlayDisk(base), await populated()];
				for (const [index, todo] of steps.entries()) {
					const fill = 65 + (index % 26);
					expect(await apply(overlay, todo, fill)).toBe(await apply(plain, todo, fill));
				}
				expect(await treeOf(overlay, "/s")).toEqual(await treeOf(plain, "/s"));
				expect(await treeOf(base, "/s")).toEqual(before);
			}),
			{ numRuns: 150 },
		);
	});
});

describe("a disk in memory", () => {
	it("fails with ENOSPC when it is full and takes more once something was removed", async () => {
		const disk = memoryDisk({ capacityBytes: 64 * 1024 });
		const file = await disk.open("/a", "create");
		await file.write(new Uint8Array(60 * 1024), 0);
		expect(await disk.freeBytes("/")).toBe(4096);
		await expect(file.write(new Uint8Array(8192), 60 * 1024)).rejects.toMatchObject({ code: "ENOSPC" });
		await file.write(new Uint8Array(100).fill(1), 0);
		await disk.unlink("/a");
		expect(await disk.freeBytes("/")).toBe(0);
		await file.close();
		expect(await disk.freeBytes("/")).toBe(64 * 1024);
		await put(disk, "/b", new Uint8Array(64 * 1024));
		await disk.rename("/b", "/c");
		await expect(put(disk, "/d", new Uint8Array(1))).rejects.toMatchObject({ code: "ENOSPC" });
		const again = await disk.open("/c", "write");
		await again.truncate(0);
		await again.close();
		expect(await disk.freeBytes("/")).toBe(64 * 1024);
	});

	it("gives files of two disks different identities", async () => {
		const [one, other] = [memoryDisk(), memoryDisk()];
		await put(one, "/a", text("a"));
		await put(other, "/a", text("a"));
		expect((await one.stat("/a"))?.identity).not.toBe((await other.stat("/a"))?.identity);
	});

	it("takes its times from the clock that it was given", async () => {
		let now = 1000;
		const clock = { now: () => now, monotonic: () => now, setTimer: () => ({ cancel: () => undefined }) };
		const disk = memoryDisk({ clock });
		const file = await disk.open("/a", "create");
		now = 2000;
		await file.write(text("a"), 0);
		expect((await disk.stat("/a"))?.modifiedMs).toBe(2000);
		await file.close();
	});
});
