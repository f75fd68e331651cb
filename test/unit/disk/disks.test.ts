import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import { crashDisk } from "../../../src/testing/crash-disk.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { slowDisk } from "../../../src/testing/slow-disk.ts";
import { testDisk } from "./disk-suite.ts";

function tempFolder(): { readonly path: string; readonly dispose: () => void } {
	const path = mkdtempSync(join(tmpdir(), "streambed-disk-"));
	return { path, dispose: () => rmSync(path, { recursive: true, force: true }) };
}

testDisk("the operating system's", async () => {
	const { path, dispose } = tempFolder();
	return { disk: nodeDisk(), dir: path, dispose };
});

testDisk("in memory", async () => {
	const disk = memoryDisk();
	await disk.mkdir("/store");
	return { disk, dir: "/store", dispose: () => undefined };
});

testDisk("an overlay on an empty folder", async () => {
	const { path, dispose } = tempFolder();
	return { disk: overlayDisk(nodeDisk()), dir: path, dispose };
});

testDisk("an overlay on a folder whose files it has removed", async () => {
	const { path, dispose } = tempFolder();
	for (const name of ["a", "b", "c", "file", "none"]) writeFileSync(join(path, name), "left in the base\n".repeat(900));
	mkdirSync(join(path, "empty"));
	mkdirSync(join(path, "full"));
	const disk = overlayDisk(nodeDisk());
	for (const { name, kind } of await disk.list(path)) {
		await (kind === "folder" ? disk.rmdir(`${path}/${name}`) : disk.unlink(`${path}/${name}`));
	}
	return { disk, dir: path, dispose };
});

testDisk("an overlay on a disk in memory, in a renamed folder", async () => {
	const base = memoryDisk();
	await base.mkdir("/base/store");
	const disk = overlayDisk(base);
	await disk.rename("/base", "/moved");
	return { disk, dir: "/moved/store", dispose: () => undefined };
});

testDisk("a slow one", async () => {
	const disk = slowDisk(memoryDisk(), { syncMs: 0.5 });
	await disk.mkdir("/store");
	return { disk, dir: "/store", dispose: () => undefined };
});

testDisk("a faulty one without faults", async () => {
	const disk = faultyDisk(memoryDisk());
	await disk.mkdir("/store");
	return { disk, dir: "/store", dispose: () => undefined };
});

testDisk("one that can crash", async () => {
	const disk = crashDisk({ seed: 1, now: () => Date.now() });
	await disk.mkdir("/store");
	return { disk, dir: "/store", dispose: () => undefined };
});
