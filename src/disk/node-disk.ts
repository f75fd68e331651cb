/**
 * The operating system's file system through the callback functions of `node:fs` on raw descriptors: each operation
 * is one job of the thread pool and one promise, and none blocks the event loop.
 */
import * as fs from "node:fs";
import { dirname } from "node:path/posix";
import { descriptorShare, withDescriptor } from "./descriptors.ts";
import {
	type DirEntry,
	type Disk,
	type DiskCounters,
	type DiskFile,
	type MkdirOptions,
	newCounters,
	type PathInfo,
} from "./disk.ts";
import { NodeFile, syncsOnWrite } from "./node-file.ts";
import { hasCode } from "./system-error.ts";

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_DSYNC } = fs.constants;
const openFlags = { read: O_RDONLY, write: O_RDWR, create: O_RDWR | O_CREAT | O_EXCL } as const;
const fileMode = 0o644;
const folderMode = 0o755;

/** Makes a disk on the operating system's file system, with counters of its own. */
export function nodeDisk(): Disk {
	return new NodeDisk();
}

class NodeDisk implements Disk {
	readonly counters: DiskCounters = newCounters();
	readonly openFiles: number = descriptorShare();

	async open(path: string, mode: keyof typeof openFlags, options?: { readonly durable?: boolean }): Promise<DiskFile> {
		const durable = options?.durable === true;
		const flags = openFlags[mode] | (durable && syncsOnWrite ? O_DSYNC : 0);
		this.counters.opens++;
		const fd = await withDescriptor(() => call<number>((done) => fs.open(path, flags, fileMode, done)));
		return new NodeFile(path, fd, durable, this.counters);
	}

	async mkdir(path: string, options?: MkdirOptions): Promise<void> {
		// Level by level: Node's recursive form never returns below folders that take no new names, such as /proc.
		try {
			await call<string | undefined>((done) => fs.mkdir(path, { mode: folderMode }, done));
		} catch (error) {
			if (hasCode(error, "EEXIST") && (await this.stat(path))?.kind === "folder") return;
			const above = dirname(path);
			if (!hasCode(error, "ENOENT") || above === path || options?.parents === false) throw error;
			// Somebody else may make it at the same time.
			if ((await this.stat(above)) === undefined) await this.mkdir(above);
			await call<string | undefined>((done) => fs.mkdir(path, { mode: folderMode }, done)).catch((failed) => {
				if (!hasCode(failed, "EEXIST")) throw failed;
			});
		}
	}

	async list(path: string): Promise<DirEntry[]> {
		const list = (): Promise<fs.Dirent[]> =>
			call<fs.Dirent[]>((done) => fs.readdir(path, { withFileTypes: true }, done));
		const entries = await withDescriptor(list);
		return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
	}

	async stat(path: string): Promise<PathInfo | undefined> {
		try {
			// Inode numbers may exceed what a double holds exactly.
			const stats = await call<fs.BigIntStats>((done) => fs.stat(path, { bigint: true }, done));
			const identity = `${stats.dev}:${stats.ino}`;
			const { size, mtimeMs, ctimeNs } = stats;
			const changed = String(ctimeNs);
			return { kind: kindOf(stats), size: Number(size), identity, modifiedMs: Number(mtimeMs), changed };
		} catch (error) {
			if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
			throw error;
		}
	}

	async readFile(path: string): Promise<Uint8Array> {
		this.counters.opens++;
		this.counters.reads++;
		const bytes = await withDescriptor(() => call<Buffer>((done) => fs.readFile(path, done)));
		this.counters.readBytes += bytes.byteLength;
		return bytes;
	}

	rename(from: string, to: string): Promise<void> {
		return call<void>((done) => fs.rename(from, to, done));
	}

	async unlink(path: string): Promise<void> {
		try {
			await call<void>((done) => fs.unlink(path, done));
		} catch (error) {
			if (!hasCode(error, "ENOENT", "ENOTDIR")) throw error;
		}
	}

	rmdir(path: string): Promise<void> {
		return call<void>((done) => fs.rmdir(path, done));
	}

	async syncDir(path: string): Promise<void> {
		this.counters.syncs++;
		// Windows opens no folders and makes names durable by itself.
		if (process.platform === "win32") return;
		const flags = O_RDONLY | fs.constants.O_DIRECTORY;
		const fd = await withDescriptor(() => call<number>((done) => fs.open(path, flags, done)));
		try {
			await call<void>((done) => fs.fsync(fd, done));
		} finally {
			await call<void>((done) => fs.close(fd, done));
		}
	}

	async freeBytes(path: string): Promise<number> {
		const stats = await call<fs.StatsFs>((done) => fs.statfs(path, done));
		return stats.bavail * stats.bsize;
	}

	writable(path: string): Promise<boolean> {
		return new Promise((resolve) => fs.access(path, fs.constants.W_OK, (error) => resolve(error === null)));
	}

	realPath(path: string): Promise<string> {
		return call<string>((done) => fs.realpath.native(path, done));
	}
}

function kindOf(of: { isFile(): boolean; isDirectory(): boolean }): "file" | "folder" | "other" {
	if (of.isFile()) return "file";
	return of.isDirectory() ? "folder" : "other";
}

/** One callback function of `node:fs` as a promise. */
function call<T>(start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
	return new Promise<T>((resolve, reject) => {
		start((error, value) => (error ? reject(error) : resolve(value as T)));
	});
}
