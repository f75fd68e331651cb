/** What every disk does, as one suite for all of them. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Disk, DiskFile } from "../../../src/disk/disk.ts";

export interface DiskUnderTest {
	readonly disk: Disk;
	/** A folder that exists and is empty, as the disk names it. */
	readonly dir: string;
	readonly dispose: () => void;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Tests a disk; `start` is called for each test. */
export function testDisk(name: string, start: () => Promise<DiskUnderTest>): void {
	describe(`a disk: ${name}`, () => {
		let under: DiskUnderTest;
		let disk: Disk;
		let dir: string;
		const open: DiskFile[] = [];

		beforeEach(async () => {
			under = await start();
			({ disk, dir } = under);
		});

		afterEach(async () => {
			for (const file of open.splice(0)) await file.close();
			under.dispose();
		});

		async function opened(...args: Parameters<Disk["open"]>): Promise<DiskFile> {
			const file = await disk.open(...args);
			open.push(file);
			return file;
		}

		async function put(path: string, content: string): Promise<void> {
			const file = await disk.open(path, "create");
			await file.write(text(content), 0);
			await file.close();
		}

		async function contentOf(path: string): Promise<string> {
			return new TextDecoder().decode(await disk.readFile(path));
		}

		async function namesIn(path: string): Promise<string[]> {
			return (await disk.list(path)).map((entry) => `${entry.name}:${entry.kind}`).sort();
		}

		const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
			promise.then(
				() => "no error",
				(error: NodeJS.ErrnoException) => error.code,
			);

		describe("files", () => {
			it("creates, writes and reads back at positions", async () => {
				const file = await opened(`${dir}/a`, "create");
				await file.write(text("hello world"), 0);
				await file.write(text("W"), 6);
				const target = new Uint8Array(5);
				expect(await file.read(target, 6)).toBe(5);
				expect(new TextDecoder().decode(target)).toBe("World");
				expect(await file.size()).toBe(11);
				expect(file.path).toBe(`${dir}/a`);
			});

			it("reads fewer bytes at the end of the file only", async () => {
				const file = await opened(`${dir}/a`, "create");
				await file.write(text("12345"), 0);
				const target = new Uint8Array(10).fill(7);
				expect(await file.read(target, 2)).toBe(3);
				expect([...target]).toEqual([51, 52, 53, 7, 7, 7, 7, 7, 7, 7]);
				expect(await file.read(target, 5)).toBe(0);
				expect(await file.read(target, 500)).toBe(0);
				expect(await file.read(new Uint8Array(0), 0)).toBe(0);
			});

			it("writes many buffers in order, empty ones and none at all too", async () => {
				const file = await opened(`${dir}/a`, "create");
				const buffers = Array.from({ length: 2500 }, (_, i) => text(i % 7 === 0 ? "" : `${i},`));
				await file.write(buffers, 3);
				await file.write([], 0);
				await file.write(new Uint8Array(0), 0);
				await file.write([text("one")], 0);
				const expected = `one${Buffer.concat(buffers).toString()}`;
				expect(await contentOf(`${dir}/a`)).toBe(expected);
				expect(await file.size()).toBe(expected.length);
			});

			it("fills gaps with zeros", async () => {
				const file = await opened(`${dir}/a`, "create");
				await file.write(text("x"), 10_000);
				const target = new Uint8Array(10_001).fill(1);
				expect(await file.read(target, 0)).toBe(10_001);
				expect(target.subarray(0, 10_000).every((byte) => byte === 0)).toBe(true);
				expect(target[10_000]).toBe(120);
			});

			it("keeps large writes that cross many blocks", async () => {
				const file = await opened(`${dir}/a`, "create");
				const data = Uint8Array.from({ length: 1_000_003 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
				await file.write(data, 4095);
				await file.write(data.subarray(0, 5000), 500_000);
				const expected = new Uint8Array(4095 + data.length);
				expected.set(data, 4095);
				expected.set(data.subarray(0, 5000), 500_000);
				const found = new Uint8Array(expected.length);
				await file.read(found, 0);
				expect(Buffer.compare(found, expected)).toBe(0);
				expect(Buffer.compare(await disk.readFile(`${dir}/a`), expected)).toBe(0);
			});

			it("cuts and extends, and never shows again what was cut", async () => {
				const file = await opened(`${dir}/a`, "create");
				await file.write(new Uint8Array(9000).fill(1), 0);
				await file.truncate(4100);
				expect(await file.size()).toBe(4100);
				await file.truncate(9000);
				const target = new Uint8Array(9000).fill(2);
				await file.read(target, 0);
				expect(target.indexOf(0)).toBe(4100);
				expect(target.subarray(4100).every((byte) => byte === 0)).toBe(true);
			});

			it("shares what is written between handles", async () => {
				const writer = await opened(`${dir}/a`, "create");
				const reader = await opened(`${dir}/a`, "read");
				await writer.write(text("abc"), 0);
				const target = new Uint8Array(3);
				expect(await reader.read(target, 0)).toBe(3);
				expect(new TextDecoder().decode(target)).toBe("abc");
			});

			it("syncs files and folders", async () => {
				const file = await opened(`${dir}/a`, "create");
				await file.write(text("abc"), 0);
				await file.sync();
				await disk.syncDir(dir);
				expect(await contentOf(`${dir}/a`)).toBe("abc");
				expect(await codeOf(disk.syncDir(`${dir}/none`))).toBe("ENOENT");
				expect(await codeOf(disk.syncDir(`${dir}/a`))).toBe("ENOTDIR");
			});

			it("writes durably through handles opened for it, and through no other", async () => {
				const file = await opened(`${dir}/a`, "create", { durable: true });
				await file.writeDurable(text("abc"), 0);
				await file.writeDurable([text("de"), text("f")], 3);
				expect(await contentOf(`${dir}/a`)).toBe("abcdef");
				const plain = await opened(`${dir}/a`, "write");
				await expect(async () => plain.writeDurable(text("x"), 0)).rejects.toThrow(/durable/);
				expect(await contentOf(`${dir}/a`)).toBe("abcdef");
			});

			it("refuses what a handle was not opened for", async () => {
				await put(`${dir}/a`, "abc");
				const reader = await opened(`${dir}/a`, "read");
				expect(await codeOf(reader.write(text("x"), 0))).toBe("EBADF");
				expect(await codeOf(reader.truncate(0))).toBe("EINVAL");
				expect(await codeOf(disk.open(`${dir}/a`, "create"))).toBe("EEXIST");
				expect(await codeOf(disk.open(`${dir}/none`, "read"))).toBe("ENOENT");
				expect(await codeOf(disk.open(`${dir}/none`, "write"))).toBe("ENOENT");
				expect(await codeOf(disk.open(`${dir}/none/a`, "create"))).toBe("ENOENT");
				expect(await codeOf(disk.open(`${dir}/a/b`, "create"))).toBe("ENOTDIR");
				expect(await codeOf(disk.open(dir, "write"))).toBe("EISDIR");
				expect(await codeOf(disk.readFile(`${dir}/none`))).toBe("ENOENT");
				expect(await codeOf(disk.readFile(dir))).toBe("EISDIR");
				expect(await contentOf(`${dir}/a`)).toBe("abc");
			});

			it.each([0.5, -1, Number.NaN, 2 ** 53])("refuses %d as a position and can still be closed", async (position) => {
				const file = await opened(`${dir}/a`, "create", { durable: true });
				await file.write(text("abc"), 0);
				await expect(file.write(text("x"), position)).rejects.toThrow(/position/);
				await expect(file.write([text("x"), text("y")], position)).rejects.toThrow(/position/);
				await expect(file.writeDurable(text("x"), position)).rejects.toThrow(/position/);
				await expect(file.read(new Uint8Array(1), position)).rejects.toThrow(/position/);
				await expect(file.truncate(position)).rejects.toThrow(/position/);
				await file.close();
				expect(await contentOf(`${dir}/a`)).toBe("abc");
			});

			it("fails with EBADF after closing, and may be closed twice", async () => {
				const file = await disk.open(`${dir}/a`, "create");
				await file.write(text("abc"), 0);
				await file.close();
				await file.close();
				expect(await codeOf(file.read(new Uint8Array(1), 0))).toBe("EBADF");
				expect(await codeOf(file.write(text("x"), 0))).toBe("EBADF");
				expect(await codeOf(file.sync())).toBe("EBADF");
				expect(await codeOf(file.size())).toBe("EBADF");
				expect(await contentOf(`${dir}/a`)).toBe("abc");
			});

			it("ends the operations under way before it closes", async () => {
				const file = await disk.open(`${dir}/a`, "create");
				// So many buffers take several calls of the operating system, one after another.
				const writing = file.write(
					Array.from({ length: 3000 }, () => new Uint8Array(1000).fill(9)),
					0,
				);
				const closing = file.close();
				await writing;
				await closing;
				expect((await disk.stat(`${dir}/a`))?.size).toBe(3_000_000);
			});

			it("lets open handles go on with a file that was renamed, replaced or removed", async () => {
				const file = await opened(`${dir}/a`, "create");
				await disk.rename(`${dir}/a`, `${dir}/b`);
				await file.write(text("abc"), 0);
				expect(await contentOf(`${dir}/b`)).toBe("abc");
				await put(`${dir}/c`, "new");
				await disk.rename(`${dir}/c`, `${dir}/b`);
				await file.write(text("ABC"), 0);
				expect(await contentOf(`${dir}/b`)).toBe("new");
				const target = new Uint8Array(3);
				await file.read(target, 0);
				expect(new TextDecoder().decode(target)).toBe("ABC");
				expect(await namesIn(dir)).toEqual(["b:file"]);
			});
		});

		describe("names", () => {
			it("makes folders with those above them, and again without an error", async () => {
				await disk.mkdir(`${dir}/a/b/c`);
				await disk.mkdir(`${dir}/a/b/c`);
				await put(`${dir}/a/file`, "");
				expect(await namesIn(`${dir}/a`)).toEqual(["b:folder", "file:file"]);
				expect(await codeOf(disk.mkdir(`${dir}/a/file`))).toBe("EEXIST");
				expect(await codeOf(disk.mkdir(`${dir}/a/file/x`))).toBe("ENOTDIR");
				expect(await codeOf(disk.list(`${dir}/none`))).toBe("ENOENT");
				expect(await codeOf(disk.list(`${dir}/a/file`))).toBe("ENOTDIR");
			});

			it("makes a folder only where those above it are, if it shall not make them", async () => {
				expect(await codeOf(disk.mkdir(`${dir}/a/b`, { parents: false }))).toBe("ENOENT");
				expect(await disk.stat(`${dir}/a`)).toBe(undefined);
				await disk.mkdir(`${dir}/a`, { parents: false });
				await disk.mkdir(`${dir}/a/b`, { parents: false });
				await disk.mkdir(`${dir}/a/b`, { parents: false });
				expect(await namesIn(`${dir}/a`)).toEqual(["b:folder"]);
			});

			it("tells what is at a path", async () => {
				await put(`${dir}/a`, "12345");
				expect(await disk.stat(`${dir}/a`)).toMatchObject({ kind: "file", size: 5 });
				expect(await disk.stat(dir)).toMatchObject({ kind: "folder" });
				expect(await disk.stat(`${dir}/none`)).toBeUndefined();
				expect(await disk.stat(`${dir}/a/none`)).toBeUndefined();
			});

			it("gives a file one identity under every name, and every file its own", async () => {
				await put(`${dir}/a`, "a");
				await put(`${dir}/b`, "b");
				const [a, b] = [await disk.stat(`${dir}/a`), await disk.stat(`${dir}/b`)];
				expect(a?.identity).not.toBe(b?.identity);
				await disk.rename(`${dir}/a`, `${dir}/c`);
				expect((await disk.stat(`${dir}/c`))?.identity).toBe(a?.identity);
				await disk.rename(`${dir}/c`, `${dir}/b`);
				expect((await disk.stat(`${dir}/b`))?.identity).toBe(a?.identity);
			});

			it("renames folders with all that is in them", async () => {
				await disk.mkdir(`${dir}/a/deep`);
				await put(`${dir}/a/deep/file`, "x");
				await disk.mkdir(`${dir}/empty`);
				await disk.rename(`${dir}/a`, `${dir}/b`);
				expect(await contentOf(`${dir}/b/deep/file`)).toBe("x");
				expect(await disk.stat(`${dir}/a`)).toBeUndefined();
				await disk.rename(`${dir}/b`, `${dir}/empty`);
				expect(await namesIn(dir)).toEqual(["empty:folder"]);
				await put(`${dir}/empty/deep/second`, "y");
				expect(await namesIn(`${dir}/empty/deep`)).toEqual(["file:file", "second:file"]);
			});

			it("refuses renames that make no sense and changes nothing", async () => {
				await disk.mkdir(`${dir}/a/b`);
				await disk.mkdir(`${dir}/full/x`);
				await put(`${dir}/file`, "x");
				expect(await codeOf(disk.rename(`${dir}/none`, `${dir}/c`))).toBe("ENOENT");
				expect(await codeOf(disk.rename(`${dir}/file`, `${dir}/none/c`))).toBe("ENOENT");
				expect(await codeOf(disk.rename(`${dir}/a`, `${dir}/full`))).toBe("ENOTEMPTY");
				expect(await codeOf(disk.rename(`${dir}/a`, `${dir}/file`))).toBe("ENOTDIR");
				expect(await codeOf(disk.rename(`${dir}/file`, `${dir}/a`))).toBe("EISDIR");
				expect(await codeOf(disk.rename(`${dir}/a`, `${dir}/a/b/c`))).toBe("EINVAL");
				await disk.rename(`${dir}/file`, `${dir}/file`);
				expect(await namesIn(dir)).toEqual(["a:folder", "file:file", "full:folder"]);
				expect(await contentOf(`${dir}/file`)).toBe("x");
			});

			it("removes files, and folders that are empty", async () => {
				await disk.mkdir(`${dir}/a`);
				await put(`${dir}/a/file`, "x");
				expect(await codeOf(disk.rmdir(`${dir}/a`))).toBe("ENOTEMPTY");
				expect(await codeOf(disk.rmdir(`${dir}/a/file`))).toBe("ENOTDIR");
				await disk.unlink(`${dir}/a/file`);
				await disk.unlink(`${dir}/a/file`);
				await disk.unlink(`${dir}/none/file`);
				await disk.rmdir(`${dir}/a`);
				expect(await codeOf(disk.rmdir(`${dir}/a`))).toBe("ENOENT");
				expect(await codeOf(disk.open(`${dir}/a/file`, "create"))).toBe("ENOENT");
				expect(await namesIn(dir)).toEqual([]);
				await disk.mkdir(`${dir}/a`);
				expect(await namesIn(`${dir}/a`)).toEqual([]);
			});

			it("does not remove a folder as if it were a file", async () => {
				await disk.mkdir(`${dir}/a`);
				expect(["EISDIR", "EPERM"]).toContain(await codeOf(disk.unlink(`${dir}/a`)));
				expect(await namesIn(dir)).toEqual(["a:folder"]);
			});

			it("tells the one name of a path", async () => {
				await disk.mkdir(`${dir}/a`);
				const real = await disk.realPath(dir);
				expect(await disk.realPath(`${dir}/a/../a/.`)).toBe(`${real}/a`);
				expect(await codeOf(disk.realPath(`${dir}/none`))).toBe("ENOENT");
			});

			it("answers whether and how much may be written", async () => {
				expect(await disk.writable(dir)).toBe(true);
				expect(await disk.writable(`${dir}/none`)).toBe(false);
				expect(await disk.freeBytes(dir)).toBeGreaterThan(0);
				expect(await codeOf(disk.freeBytes(`${dir}/none`))).toBe("ENOENT");
			});

			it("lets one of many creators win", async () => {
				const codes = await Promise.all(
					Array.from({ length: 8 }, () =>
						disk.open(`${dir}/a`, "create").then(
							(file) => file.close().then(() => "made"),
							(error: NodeJS.ErrnoException) => error.code,
						),
					),
				);
				expect(codes.filter((code) => code === "made")).toHaveLength(1);
				expect(codes.filter((code) => code === "EEXIST")).toHaveLength(7);
			});
		});

		it("counts what it does", async () => {
			const before = { ...disk.counters };
			const file = await opened(`${dir}/a`, "create", { durable: true });
			await file.write(text("abc"), 0);
			await file.writeDurable([text("d"), text("ef")], 3);
			await file.sync();
			await disk.syncDir(dir);
			await file.read(new Uint8Array(10), 2);
			expect(disk.counters.opens - before.opens).toBe(1);
			expect(disk.counters.writes - before.writes).toBe(2);
			expect(disk.counters.writtenBytes - before.writtenBytes).toBe(6);
			expect(disk.counters.syncs - before.syncs).toBe(3);
			expect(disk.counters.reads - before.reads).toBe(1);
			expect(disk.counters.readBytes - before.readBytes).toBe(4);
		});
	});
}
