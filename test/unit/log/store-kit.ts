/** Stores on disks in memory as owners leave them, and ways to change their files by hand. */
import { join } from "node:path/posix";
import type { Disk } from "../../../src/disk/disk.ts";
import { systemError } from "../../../src/disk/system-error.ts";
import { type ByteStream, type OpenOptions, open, type Store, StreambedError } from "../../../src/index.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { type MemoryLocker, memoryLocker } from "../../../src/testing/memory-locker.ts";

/** Where the store stands. */
export const ROOT = "/data";
const URL_OF_STORE = `file:${ROOT}`;

/** What an owner left. */
export interface Left {
	readonly disk: Disk;
	readonly locker: MemoryLocker;
}

/** Lets an owner work on an empty disk; then it closes the store, or vanishes with the lock freed or still held. */
export async function leftBy(
	end: "closed" | "killed" | "alive",
	work: (store: Store) => Promise<void>,
	options: OpenOptions = {},
): Promise<Left> {
	const disk = memoryDisk();
	const store = await open(URL_OF_STORE, { disk, lock: memoryLocker(), ...options });
	await work(store);
	const locker = memoryLocker();
	if (end === "closed") {
		await store.close();
		return { disk, locker };
	}
	const left = await copyTree(disk);
	await store.close();
	if (end === "alive") await locker.tryLock(join(ROOT, "LOCK"));
	return { disk: left, locker };
}

/** Opens what an owner left for reading. */
export async function openReader(left: Left, options: OpenOptions = {}): Promise<Store> {
	return await open(URL_OF_STORE, { mode: "read", disk: left.disk, lock: left.locker, ...options });
}

/** Opens what an owner left for writing. */
export async function openOwner(left: Left, options: OpenOptions = {}): Promise<Store> {
	return await open(URL_OF_STORE, { disk: left.disk, lock: left.locker, ...options });
}

/** A copy of everything on a disk. */
export async function copyTree(from: Disk, to: Disk = memoryDisk(), path = "/"): Promise<Disk> {
	for (const { name, kind } of await from.list(path)) {
		const child = join(path, name);
		if (kind === "folder") {
			await to.mkdir(child);
			await copyTree(from, to, child);
		} else await writeFile(to, child, await from.readFile(child));
	}
	return to;
}

/** Puts a file in place. */
export async function writeFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
	await disk.unlink(path);
	const file = await disk.open(path, "create");
	await file.write(bytes, 0);
	await file.close();
}

/** Changes bytes of a file in place, beyond its end too. */
export async function patchFile(disk: Disk, path: string, bytes: Uint8Array, at: number): Promise<void> {
	const file = await disk.open(path, "write");
	await file.write(bytes, at);
	await file.close();
}

/** Flips one bit. */
export async function flipBit(disk: Disk, path: string, at: number): Promise<void> {
	const byte = (await disk.readFile(path))[at];
	if (byte === undefined) throw new Error(`${path} has no byte ${at}`);
	await patchFile(disk, path, Uint8Array.of(byte ^ 0x10), at);
}

/** Cuts a file. */
export async function cutFile(disk: Disk, path: string, length: number): Promise<void> {
	const file = await disk.open(path, "write");
	await file.truncate(length);
	await file.close();
}

/** Segment files of a stream, ascending. */
export async function segmentFiles(disk: Disk, stream: string): Promise<string[]> {
	const folder = join(ROOT, "streams", `${stream}.stream`, "0");
	const names = (await disk.list(folder)).map(({ name }) => name).filter((name) => name.endsWith(".seg"));
	return names.sort().map((name) => join(folder, name));
}

/** A disk on which nothing may be written; it says so before, like a folder of somebody else's. */
export function unwritable(disk: Disk): Disk {
	const refuse = (operation: string) => async (path: string) => {
		throw systemError("EROFS", operation, path);
	};
	return {
		counters: disk.counters,
		open: (path, mode) => (mode === "read" ? disk.open(path, mode) : refuse("open")(path)),
		list: (path) => disk.list(path),
		stat: (path) => disk.stat(path),
		readFile: (path) => disk.readFile(path),
		realPath: (path) => disk.realPath(path),
		freeBytes: (path) => disk.freeBytes(path),
		writable: async () => false,
		mkdir: refuse("mkdir"),
		rename: refuse("rename"),
		unlink: refuse("unlink"),
		rmdir: refuse("rmdir"),
		syncDir: refuse("fsync"),
	};
}

/** All bytes from an offset on, up to the tail. */
export async function readFrom(stream: ByteStream, offset: number): Promise<Buffer> {
	const parts: Uint8Array[] = [];
	for await (const bytes of stream.reader({ from: { offset } })) parts.push(Buffer.from(bytes));
	return Buffer.concat(parts);
}

/** The error that a promise rejects with. */
export async function errorOf(work: Promise<unknown>): Promise<StreambedError> {
	try {
		await work;
	} catch (error) {
		if (StreambedError.is(error)) return error;
		throw error;
	}
	throw new Error("it did not fail");
}
