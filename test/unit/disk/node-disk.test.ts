import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodeDisk } from "../../../src/disk/node-disk.ts";

const onLinux = process.platform === "linux";
const syncOnWrite = 0o10000; // O_DSYNC of Linux

let dir = "";

beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "streambed-node-disk-"));
});

afterEach(() => {
	rmSync(dir, { recursive: true, force: true });
});

/** Numbers of this process's descriptors that are open on a path. */
function descriptorsOf(path: string): string[] {
	return readdirSync("/proc/self/fd").filter((fd) => {
		try {
			return readlinkSync(`/proc/self/fd/${fd}`) === path;
		} catch {
			return false; // the descriptor of the listing itself
		}
	});
}

function flagsOf(path: string): number[] {
	return descriptorsOf(path).map((fd) => {
		const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
		return Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? "", 8);
	});
}

describe("the operating system's disk", () => {
	it.runIf(onLinux)("opens files for durable writes so that each write is synced, and others not", async () => {
		const disk = nodeDisk();
		const durable = await disk.open(join(dir, "a"), "create", { durable: true });
		const plain = await disk.open(join(dir, "b"), "create");
		expect(flagsOf(join(dir, "a")).map((flags) => flags & syncOnWrite)).toEqual([syncOnWrite]);
		expect(flagsOf(join(dir, "b")).map((flags) => flags & syncOnWrite)).toEqual([0]);
		await durable.close();
		await plain.close();
	});

	it.runIf(onLinux)("leaves no descriptor open, also after errors", async () => {
		const disk = nodeDisk();
		const file = await disk.open(join(dir, "a"), "create");
		await expect(disk.open(join(dir, "a"), "create")).rejects.toMatchObject({ code: "EEXIST" });
		await disk.syncDir(dir);
		await disk.readFile(join(dir, "a"));
		expect(descriptorsOf(join(dir, "a"))).toHaveLength(1);
		await file.close();
		expect(descriptorsOf(join(dir, "a"))).toEqual([]);
		expect(descriptorsOf(dir)).toEqual([]);
	});

	it("names the file in errors of calls on descriptors", async () => {
		const disk = nodeDisk();
		await (await disk.open(join(dir, "a"), "create")).close();
		const file = await disk.open(join(dir, "a"), "read");
		await expect(file.write(new Uint8Array(1), 0)).rejects.toThrow(join(dir, "a"));
		await file.close();
	});

	it("resolves links to one name, with one identity", async () => {
		const disk = nodeDisk();
		await disk.mkdir(join(dir, "real"));
		symlinkSync(join(dir, "real"), join(dir, "link"));
		expect(await disk.realPath(join(dir, "link"))).toBe(await disk.realPath(join(dir, "real")));
		expect(await disk.stat(join(dir, "link"))).toEqual(await disk.stat(join(dir, "real")));
		expect((await disk.list(dir)).find((entry) => entry.name === "link")?.kind).toBe("other");
	});

	it("makes files and folders that others may read", async () => {
		const before = process.umask(0o022);
		try {
			const disk = nodeDisk();
			await disk.mkdir(join(dir, "folder"));
			await (await disk.open(join(dir, "file"), "create")).close();
			expect(statSync(join(dir, "folder")).mode & 0o777).toBe(0o755);
			expect(statSync(join(dir, "file")).mode & 0o777).toBe(0o644);
		} finally {
			process.umask(before);
		}
	});

	it("counts for itself alone", async () => {
		const [one, other] = [nodeDisk(), nodeDisk()];
		await (await one.open(join(dir, "a"), "create")).close();
		expect(one.counters.opens).toBe(1);
		expect(other.counters.opens).toBe(0);
	});
});
