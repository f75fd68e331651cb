/** A disk in memory that forgets what journal and segments hold: what is left of an append is computing. */
import type { Disk, DiskFile } from "../src/disk/disk.ts";
import { memoryDisk } from "../src/testing/memory-disk.ts";

/** Makes one. Nothing can be read from it, or recovered. */
export function nullDisk(): Disk {
	const inner = memoryDisk();
	return {
		open: async (path, mode, options) => {
			const file = await inner.open(path, mode, options);
			return /\.(seg|jnl)(\.|$)/.test(path) ? forgetful(file) : file;
		},
		mkdir: (path, options) => inner.mkdir(path, options),
		list: (path) => inner.list(path),
		stat: (path) => inner.stat(path),
		readFile: (path) => inner.readFile(path),
		rename: (from, to) => inner.rename(from, to),
		unlink: (path) => inner.unlink(path),
		rmdir: (path) => inner.rmdir(path),
		syncDir: (path) => inner.syncDir(path),
		freeBytes: (path) => inner.freeBytes(path),
		writable: (path) => inner.writable(path),
		realPath: (path) => inner.realPath(path),
		counters: inner.counters,
	};
}

function forgetful(file: DiskFile): DiskFile {
	return {
		path: file.path,
		read: (target, position) => file.read(target, position),
		write: async () => {},
		writeNow: () => {},
		writeDurable: async () => {},
		sync: async () => {},
		truncate: (length) => file.truncate(length),
		size: () => file.size(),
		close: () => file.close(),
	};
}
