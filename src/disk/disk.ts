/**
 * The file system as the log needs it, and what each call promises. Crash, fault and slow disks implement the same
 * interface, so that tests can lie to the log in every way a real disk does.
 *
 * Errors are the operating system's own (`code` "ENOSPC", "EIO", "ENOENT", …); the log turns them into Streambed's.
 * Paths are absolute or relative to the working directory, with `/` between parts.
 */

import { fail } from "../core/errors.ts";

/** How a folder is made. */
export interface MkdirOptions {
	readonly parents?: boolean;
}

/** A file system. */
export interface Disk {
	/**
	 * Opens a file.
	 * `read`: must exist, not written through this handle. `write`: must exist, read and write.
	 * `create`: must not exist, read and write. With `durable`, {@link DiskFile.writeDurable} may be used; every other
	 * write through such a handle may wait for the disk as well.
	 */
	open(path: string, mode: "read" | "write" | "create", options?: { readonly durable?: boolean }): Promise<DiskFile>;
	/**
	 * Makes a folder and those above it; no error if it exists. New names need `syncDir` of the folders above. With
	 * `parents` false, those above must be there: ENOENT.
	 */
	mkdir(path: string, options?: MkdirOptions): Promise<void>;
	/** Names in a folder, in no particular order. */
	list(path: string): Promise<DirEntry[]>;
	/** What is at a path, or `undefined` if nothing is there. */
	stat(path: string): Promise<PathInfo | undefined>;
	/** Reads a whole small file. */
	readFile(path: string): Promise<Uint8Array>;
	/** Renames a file or folder, replacing a file; atomic, durable only after `syncDir` of both folders. */
	rename(from: string, to: string): Promise<void>;
	/** Removes a file; no error if nothing is there. */
	unlink(path: string): Promise<void>;
	/** Removes an empty folder; ENOTEMPTY if it is not empty. */
	rmdir(path: string): Promise<void>;
	/** Makes the names in a folder durable: created, renamed and removed ones. */
	syncDir(path: string): Promise<void>;
	/** Bytes that may still be written to the file system that holds `path`. */
	freeBytes(path: string): Promise<number>;
	/** Tells whether this process may write to `path`. */
	writable(path: string): Promise<boolean>;
	/** The one name of a path, links resolved. */
	realPath(path: string): Promise<string>;
	/** Files that one store should keep open at most, where they are scarce. */
	readonly openFiles?: number;
	/** What has been done so far, for tests and `stats()`. */
	readonly counters: DiskCounters;
}

/** An open file. Every handle has an owner that closes it. Positions are bytes from the start. */
export interface DiskFile {
	readonly path: string;
	/** Fills `target` from `position` on; returns the bytes read, fewer only at the end of the file. */
	read(target: Uint8Array, position: number): Promise<number>;
	/** Writes all of `data` at `position`, to the operating system's cache. */
	write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void>;
	/**
	 * Writes a small piece at `position` to the operating system's cache, in the calling thread: for many small files at a
	 * time, where handing each write to another thread costs more than the write. Left out where a disk can't.
	 */
	writeNow?(data: Uint8Array, position: number): void;
	/**
	 * Writes all of `data` at `position` and returns when it is durable; covers this range only. Throws at once if the
	 * file was not opened with `durable`. More than 1,000 buffers cost a sync per 1,000.
	 */
	writeDurable(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void>;
	/** Makes everything written through this handle, and the size, durable. A failed sync must not be retried. */
	sync(): Promise<void>;
	/** Cuts or extends (with zeros) to `length`. */
	truncate(length: number): Promise<void>;
	/** Size in bytes. */
	size(): Promise<number>;
	/** Waits for the operations under way and closes; whatever comes later fails with EBADF. May be called again. */
	close(): Promise<void>;
}

/** A name in a folder. */
export interface DirEntry {
	readonly name: string;
	readonly kind: "file" | "folder" | "other";
}

/** What is known of a path without opening it. */
export interface PathInfo {
	readonly kind: "file" | "folder" | "other";
	/** Bytes of a file. */
	readonly size: number;
	/** Identity of the file: device and inode; the same file has the same under every name. */
	readonly identity: string;
	/** Last change, milliseconds since 1970. */
	readonly modifiedMs: number;
	/** Another text once a name in a folder has come, gone or changed its meaning; left out where that cannot be told. */
	readonly changed?: string;
}

/** Operations and bytes since the disk was made. */
export interface DiskCounters {
	opens: number;
	reads: number;
	readBytes: number;
	writes: number;
	writtenBytes: number;
	/** Synced writes, syncs of files and of folders. */
	syncs: number;
}

/** Zeroed counters. */
export function newCounters(): DiskCounters {
	return { opens: 0, reads: 0, readBytes: 0, writes: 0, writtenBytes: 0, syncs: 0 };
}

/** Refuses a durable write through a handle that was not opened for it: a mistake of the caller's, not of the disk. */
export function assertDurable(durable: boolean, path: string): void {
	if (!durable) throw fail("INTERNAL", `durable write to ${path}, which was not opened with durable: true`);
}

/** Refuses a place in a file that is none: Node takes such a number for "go on where the last call ended", or for 0. */
export function assertPosition(position: number, path: string): void {
	if (Number.isSafeInteger(position) && position >= 0) return;
	throw fail("INTERNAL", `position ${position} in ${path} is not an integer from 0 on`);
}

/** A lock on a store's folder that dies with its owner. Passed in like the disk, so that a simulation has its own. */
export interface StoreLocker {
	/** Takes the lock on the file `path` at once, or returns `undefined` if another holder has it. */
	tryLock(path: string): Promise<HeldLock | undefined>;
	/**
	 * The process that the lock dies with. The owner notes it beside the lock, so that an opener who finds the lock
	 * free can tell that its owner still lives. Left out where a lock can't be lost, as in a simulation.
	 */
	readonly process?: ProcessIdentity;
}

/** A lock that is held until released. */
export interface HeldLock {
	release(): Promise<void>;
}

/** A process, told apart from every other one with the same number; the optional parts are known on Linux only. */
export interface ProcessIdentity {
	readonly pid: number;
	/** The boot of the machine: a UUID. */
	readonly boot?: string;
	/** The namespace that `pid` counts in, as in `pid:[4026531836]`. */
	readonly pidNamespace?: string;
	/** When the process started, in clock ticks since the boot. */
	readonly startTicks?: string;
}
