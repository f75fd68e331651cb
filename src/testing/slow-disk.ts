/** A disk whose syncs take a stated time, to see how the log shares them. */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Disk, DiskFile } from "../disk/disk.ts";

/** How slow. */
export interface SlowDiskOptions {
	/** Least time of a sync, a folder's sync and a durable write, in milliseconds; fractions count. */
	readonly syncMs: number;
}

/** Makes a disk that does what `inner` does, and takes its time for whatever makes durable. */
export function slowDisk(inner: Disk, options: SlowDiskOptions): Disk {
	const slowly = async <T>(operation: () => Promise<T>): Promise<T> => {
		const until = performance.now() + options.syncMs;
		const result = await operation();
		await waitUntil(until);
		return result;
	};
	return {
		open: async (path, mode, openOptions) => slowFile(await inner.open(path, mode, openOptions), slowly),
		mkdir: (path, options) => inner.mkdir(path, options),
		list: (path) => inner.list(path),
		stat: (path) => inner.stat(path),
		readFile: (path) => inner.readFile(path),
		rename: (from, to) => inner.rename(from, to),
		unlink: (path) => inner.unlink(path),
		rmdir: (path) => inner.rmdir(path),
		syncDir: (path) => slowly(() => inner.syncDir(path)),
		freeBytes: (path) => inner.freeBytes(path),
		writable: (path) => inner.writable(path),
		realPath: (path) => inner.realPath(path),
		counters: inner.counters,
	};
}

function slowFile(file: DiskFile, slowly: <T>(operation: () => Promise<T>) => Promise<T>): DiskFile {
	return {
		path: file.path,
		read: (target, position) => file.read(target, position),
		write: (data, position) => file.write(data, position),
		writeDurable: (data, position) => slowly(() => file.writeDurable(data, position)),
		sync: () => slowly(() => file.sync()),
		truncate: (length) => file.truncate(length),
		size: () => file.size(),
		close: () => file.close(),
	};
}

/** A timer is late by a millisecond or more, so it covers all but the last two and turns of the event loop the rest. */
async function waitUntil(time: number): Promise<void> {
	const coarse = Math.floor(time - performance.now() - 2);
	if (coarse >= 1) await sleep(coarse);
	while (performance.now() < time) await nextTurn();
}
