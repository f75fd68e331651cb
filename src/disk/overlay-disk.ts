/**
 * A disk that reads from another one and keeps every change in memory, the base is never written: for redoing a journal
 * where the store's folder may not be written. Without a base it is a disk in memory.
 *
 * Memory: the pages written, one small entry for each folder looked at and each file open or changed.
 * The base must not change meanwhile; what it holds is looked up when needed, not copied.
 */
import { dirname } from "node:path/posix";
import { type Clock, systemClock } from "../core/clock.ts";
import {
	type DirEntry,
	type Disk,
	type DiskCounters,
	type DiskFile,
	type MkdirOptions,
	newCounters,
	type PathInfo,
} from "./disk.ts";
import { type FileNode, OverlayFile, type Space } from "./overlay-file.ts";
import { OverlayTree, type Place } from "./overlay-tree.ts";
import { systemError } from "./system-error.ts";

/** Makes a disk over another one that is only read. */
export function overlayDisk(base: Disk): Disk {
	return new OverlayDisk(base);
}

/** What a disk in memory may hold, and its clock. */
export interface OverlayOptions {
	/** Bytes of pages, in steps of 4 KiB; beyond it writes fail with ENOSPC. Unbounded by default. */
	readonly capacityBytes?: number;
	/** For times of change. Default the machine's. */
	readonly clock?: Clock;
}

export class OverlayDisk implements Disk {
	readonly counters: DiskCounters = newCounters();
	readonly #base: Disk | undefined;
	readonly #clock: Clock;
	readonly #space: Space;
	readonly #tree: OverlayTree;
	/** End of the queue of operations on names: looking up and changing take several steps. */
	#turn: Promise<unknown> = Promise.resolve();

	constructor(base: Disk | undefined, options: OverlayOptions = {}) {
		this.#base = base;
		this.#clock = options.clock ?? systemClock;
		this.#space = { usedBytes: 0, capacityBytes: options.capacityBytes ?? Number.MAX_SAFE_INTEGER };
		this.#tree = new OverlayTree(base, this.#space, () => this.#clock.now());
	}

	open(path: string, mode: "read" | "write" | "create", options?: { readonly durable?: boolean }): Promise<DiskFile> {
		this.counters.opens++;
		return this.#inTurn(async () => {
			const place = await this.#tree.place(path, "open");
			const found = await this.#tree.child(place.folder, place.name);
			if (mode === "create" && found !== undefined) throw systemError("EEXIST", "open", path);
			if (mode !== "create" && found === undefined) throw systemError("ENOENT", "open", path);
			if (found?.kind === "folder") throw systemError("EISDIR", "open", path);
			const node = found ?? this.#tree.newFile();
			const showsBase = node.basePath !== undefined && node.baseBytes > 0;
			const base = showsBase ? await this.#base?.open(node.basePath ?? "", "read") : undefined;
			this.#tree.link(place, node);
			node.handles++;
			const rights = { write: mode !== "read", durable: options?.durable === true };
			return new OverlayFile(path, node, base, rights, this.#fileContext(place, node));
		});
	}

	mkdir(path: string, options?: MkdirOptions): Promise<void> {
		return this.#inTurn(async () => {
			if (options?.parents === false) await this.#tree.folder(dirname(path), "mkdir");
			await this.#tree.makeFolders(path);
		});
	}

	list(path: string): Promise<DirEntry[]> {
		return this.#inTurn(async () => {
			const names = await this.#tree.list(await this.#tree.folder(path, "scandir"));
			return Array.from(names, ([name, kind]) => ({ name, kind }));
		});
	}

	stat(path: string): Promise<PathInfo | undefined> {
		return this.#inTurn(async () => {
			const node = await this.#tree.find(path);
			if (node === undefined) return undefined;
			const { kind, identity, modifiedMs } = node;
			return { kind, identity, modifiedMs, size: node.kind === "folder" ? 0 : node.size };
		});
	}

	async readFile(path: string): Promise<Uint8Array> {
		const file = await this.open(path, "read");
		try {
			const bytes = new Uint8Array(await file.size());
			return bytes.subarray(0, await file.read(bytes, 0));
		} finally {
			await file.close();
		}
	}

	rename(from: string, to: string): Promise<void> {
		return this.#inTurn(() => this.#rename(from, to));
	}

	unlink(path: string): Promise<void> {
		return this.#inTurn(async () => {
			const node = await this.#tree.find(path);
			if (node === undefined) return;
			if (node.kind === "folder") throw systemError("EISDIR", "unlink", path);
			this.#tree.unlink(await this.#tree.place(path, "unlink"));
		});
	}

	rmdir(path: string): Promise<void> {
		return this.#inTurn(async () => {
			const folder = await this.#tree.folder(path, "rmdir");
			if ((await this.#tree.list(folder)).size > 0) throw systemError("ENOTEMPTY", "rmdir", path);
			this.#tree.unlink(await this.#tree.place(path, "rmdir"));
		});
	}

	syncDir(path: string): Promise<void> {
		this.counters.syncs++;
		return this.#inTurn(async () => {
			await this.#tree.folder(path, "open");
		});
	}

	freeBytes(path: string): Promise<number> {
		return this.#inTurn(async () => {
			if ((await this.#tree.find(path)) === undefined) throw systemError("ENOENT", "statfs", path);
			return Math.max(0, this.#space.capacityBytes - this.#space.usedBytes);
		});
	}

	/** True of everything that exists: changes stay in memory. */
	async writable(path: string): Promise<boolean> {
		return (await this.stat(path)) !== undefined;
	}

	realPath(path: string): Promise<string> {
		return this.#inTurn(() => this.#tree.realPath(path));
	}

	async #rename(from: string, to: string): Promise<void> {
		const source = await this.#tree.place(from, "rename");
		const target = await this.#tree.place(to, "rename");
		const node = await this.#tree.child(source.folder, source.name);
		if (node === undefined) throw systemError("ENOENT", "rename", from);
		const replaced = await this.#tree.child(target.folder, target.name);
		if (replaced === node || (source.folder === target.folder && source.name === target.name)) return;
		if (node.kind === "folder") {
			if (await this.#tree.within(to, node)) throw systemError("EINVAL", "rename", from);
			if (replaced !== undefined && replaced.kind !== "folder") throw systemError("ENOTDIR", "rename", to);
		}
		if (replaced?.kind === "folder") {
			if (node.kind !== "folder") throw systemError("EISDIR", "rename", to);
			if ((await this.#tree.list(replaced)).size > 0) throw systemError("ENOTEMPTY", "rename", to);
		}
		this.#tree.move(source, target, node);
	}

	#fileContext(place: Place, node: FileNode): ConstructorParameters<typeof OverlayFile>[4] {
		return {
			space: this.#space,
			counters: this.counters,
			now: () => this.#clock.now(),
			closed: () => this.#tree.settle(place, node),
		};
	}

	#inTurn<T>(operation: () => Promise<T>): Promise<T> {
		const result = this.#turn.then(operation, operation);
		this.#turn = result.catch(() => undefined);
		return result;
	}
}
