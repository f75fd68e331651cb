/**
 * A disk in memory that keeps what was synced and nothing else for certain, so that any program on it can be stopped at
 * any moment and looked at afterwards.
 *
 * Certain are: bytes and size after `sync` of the handle that wrote them; the range of a `writeDurable`; names (made,
 * renamed, removed) after `syncDir` of their folders, both of them for a rename. Of all else, each write may be there
 * after a crash whole, torn at any byte or by sectors, or not at all, later ones without earlier ones, the size without
 * the bytes; each name may be there or not. A rename is seen whole or not at all. All choices come from the seed.
 */
import { dirname, resolve } from "node:path";
import {
	assertDurable,
	assertPosition,
	type DirEntry,
	type Disk,
	type DiskCounters,
	type DiskFile,
	type MkdirOptions,
	newCounters,
	type PathInfo,
} from "../disk/disk.ts";
import { systemError } from "../disk/system-error.ts";
import { type CrashFileNode, type CrashFolderNode, CrashNames, type CrashNode } from "./crash-names.ts";
import { SeededRandom } from "./seeded-random.ts";

/** How a crash disk behaves. */
export interface CrashDiskOptions {
	/** Decides what survives. */
	readonly seed: number;
	/** Milliseconds since 1970, for times of change. Default: always 0. */
	readonly now?: () => number;
}

/** A disk as one process sees it, until that process or the machine stops. */
export interface CrashDisk extends Disk {
	/**
	 * The machine stops. Returns what the next process finds: what was certain, and what survived by chance. This disk
	 * and its handles fail with EIO from now on.
	 */
	crash(): CrashDisk;
	/**
	 * The process is killed, the machine goes on: the next process finds everything as it was, but what was not certain
	 * stays so, and no sync of a new handle makes it certain.
	 */
	kill(): CrashDisk;
	/**
	 * A second machine that stands as this one does now, unsynced changes included, and goes its own way from here on: for
	 * stopping a program at one moment and seeing several outcomes. Whoever works on this one is not on that one.
	 */
	fork(seed: number): CrashDisk;
	/** Changes one bit of a file where it lies, as a failing medium does; `bit` counts from 0 at the file's beginning. */
	flip(path: string, bit: number): void;
}

/** Makes an empty disk; it has the folder `/` and no other. */
export function crashDisk(options: CrashDiskOptions): CrashDisk {
	const now = options.now ?? (() => 0);
	return new MemoryCrashDisk(new CrashNames(now), new SeededRandom(options.seed), now);
}

/** A process: alive or not. */
interface Life {
	over: boolean;
}

class MemoryCrashDisk implements CrashDisk {
	readonly counters: DiskCounters = newCounters();
	readonly #names: CrashNames;
	readonly #random: SeededRandom;
	readonly #now: () => number;
	readonly #life: Life = { over: false };

	constructor(names: CrashNames, random: SeededRandom, now: () => number) {
		this.#names = names;
		this.#random = random;
		this.#now = now;
	}

	crash(): CrashDisk {
		this.#alive("crash", "/");
		this.#names.crash(this.#random);
		return this.kill();
	}

	kill(): CrashDisk {
		this.#alive("kill", "/");
		this.#life.over = true;
		return new MemoryCrashDisk(this.#names, this.#random, this.#now);
	}

	fork(seed: number): CrashDisk {
		this.#alive("fork", "/");
		return new MemoryCrashDisk(this.#names.copy(), new SeededRandom(seed), this.#now);
	}

	flip(path: string, bit: number): void {
		const file = this.#file(path, "flip");
		if (bit < 0 || bit >= file.content.size * 8) throw systemError("EINVAL", "flip", path);
		file.content.flip(Math.floor(bit / 8), bit % 8);
	}

	async open(
		path: string,
		mode: "read" | "write" | "create",
		options?: { readonly durable?: boolean },
	): Promise<DiskFile> {
		this.#alive("open", path);
		this.counters.opens++;
		const place = this.#names.place(path, "open");
		const found = place.folder.entries.get(place.name);
		if (mode === "create" && found !== undefined) throw systemError("EEXIST", "open", path);
		if (mode !== "create" && found === undefined) throw systemError("ENOENT", "open", path);
		if (found?.kind === "folder") throw systemError("EISDIR", "open", path);
		const node = found ?? this.#names.create(place);
		const rights = { write: mode !== "read", durable: options?.durable === true };
		return new CrashFile(path, node, rights, { life: this.#life, counters: this.counters, now: this.#now });
	}

	async mkdir(path: string, options?: MkdirOptions): Promise<void> {
		this.#alive("mkdir", path);
		if (options?.parents === false) this.#names.folder(dirname(path), "mkdir");
		this.#names.makeFolders(path);
	}

	async list(path: string): Promise<DirEntry[]> {
		this.#alive("scandir", path);
		const { entries } = this.#names.folder(path, "scandir");
		return Array.from(entries, ([name, { kind }]) => ({ name, kind }));
	}

	async stat(path: string): Promise<PathInfo | undefined> {
		this.#alive("stat", path);
		const node = this.#names.find(path);
		if (node === undefined) return undefined;
		const { kind, identity, modifiedMs } = node;
		return { kind, identity, modifiedMs, size: node.kind === "file" ? node.content.size : 0 };
	}

	async readFile(path: string): Promise<Uint8Array> {
		this.#alive("open", path);
		const { content } = this.#file(path, "open");
		const bytes = new Uint8Array(content.size);
		content.read(bytes, 0);
		return bytes;
	}

	async rename(from: string, to: string): Promise<void> {
		this.#alive("rename", from);
		const source = this.#names.place(from, "rename");
		const target = this.#names.place(to, "rename");
		const node = source.folder.entries.get(source.name);
		if (node === undefined) throw systemError("ENOENT", "rename", from);
		const replaced = target.folder.entries.get(target.name);
		if (replaced === node) return;
		if (node.kind === "folder") this.#checkFolderMove(node, replaced, from, to);
		else if (replaced?.kind === "folder") throw systemError("EISDIR", "rename", to);
		this.#names.rename(source, target, node);
	}

	async unlink(path: string): Promise<void> {
		this.#alive("unlink", path);
		const node = this.#names.find(path);
		if (node === undefined) return;
		if (node.kind === "folder") throw systemError("EISDIR", "unlink", path);
		this.#names.remove(this.#names.place(path, "unlink"));
	}

	async rmdir(path: string): Promise<void> {
		this.#alive("rmdir", path);
		if (this.#names.folder(path, "rmdir").entries.size > 0) throw systemError("ENOTEMPTY", "rmdir", path);
		this.#names.remove(this.#names.place(path, "rmdir"));
	}

	async syncDir(path: string): Promise<void> {
		this.#alive("open", path);
		this.counters.syncs++;
		this.#names.sync(this.#names.folder(path, "open"));
	}

	async freeBytes(path: string): Promise<number> {
		this.#alive("statfs", path);
		if (this.#names.find(path) === undefined) throw systemError("ENOENT", "statfs", path);
		return 2 ** 40;
	}

	async writable(path: string): Promise<boolean> {
		return (await this.stat(path)) !== undefined;
	}

	async realPath(path: string): Promise<string> {
		if ((await this.stat(path)) === undefined) throw systemError("ENOENT", "realpath", path);
		return resolve(path);
	}

	#checkFolderMove(node: CrashFolderNode, replaced: CrashNode | undefined, from: string, to: string): void {
		if (`${to}/`.startsWith(`${from}/`)) throw systemError("EINVAL", "rename", from);
		if (replaced === undefined) return;
		if (replaced.kind !== node.kind) throw systemError("ENOTDIR", "rename", to);
		if (replaced.entries.size > 0) throw systemError("ENOTEMPTY", "rename", to);
	}

	#file(path: string, syscall: string): CrashFileNode {
		const { folder, name } = this.#names.place(path, syscall);
		const node = folder.entries.get(name);
		if (node === undefined) throw systemError("ENOENT", syscall, path);
		if (node.kind === "folder") throw systemError("EISDIR", syscall, path);
		return node;
	}

	#alive(syscall: string, path: string): void {
		if (this.#life.over) throw systemError("EIO", syscall, path);
	}
}

/** What a handle shares with its disk. */
interface Surroundings {
	readonly life: Life;
	readonly counters: DiskCounters;
	now(): number;
}

class CrashFile implements DiskFile {
	readonly path: string;
	readonly #node: CrashFileNode;
	readonly #rights: { readonly write: boolean; readonly durable: boolean };
	readonly #around: Surroundings;
	#closed = false;

	constructor(
		path: string,
		node: CrashFileNode,
		rights: { readonly write: boolean; readonly durable: boolean },
		around: Surroundings,
	) {
		this.path = path;
		this.#node = node;
		this.#rights = rights;
		this.#around = around;
	}

	async read(target: Uint8Array, position: number): Promise<number> {
		this.#check("read");
		assertPosition(position, this.path);
		const bytes = this.#node.content.read(target, position);
		this.#around.counters.reads++;
		this.#around.counters.readBytes += bytes;
		return bytes;
	}

	async write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		const buffers = this.#toWrite(data, position);
		this.#node.content.write(buffers, position, this);
	}

	writeDurable(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		assertDurable(this.#rights.durable, this.path);
		return this.#writeDurable(data, position);
	}

	async #writeDurable(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		const buffers = this.#toWrite(data, position);
		this.#around.counters.syncs++;
		this.#node.content.writeDurable(buffers, position);
	}

	async sync(): Promise<void> {
		this.#check("fdatasync");
		this.#around.counters.syncs++;
		this.#node.content.sync(this);
	}

	async truncate(length: number): Promise<void> {
		this.#check("ftruncate");
		if (!this.#rights.write) throw systemError("EINVAL", "ftruncate", this.path);
		assertPosition(length, this.path);
		this.#node.content.truncate(length, this);
		this.#node.modifiedMs = this.#around.now();
	}

	async size(): Promise<number> {
		this.#check("fstat");
		return this.#node.content.size;
	}

	async close(): Promise<void> {
		this.#closed = true;
	}

	#toWrite(data: Uint8Array | readonly Uint8Array[], position: number): readonly Uint8Array[] {
		this.#check("write");
		if (!this.#rights.write) throw systemError("EBADF", "write", this.path);
		assertPosition(position, this.path);
		const buffers = data instanceof Uint8Array ? [data] : data;
		this.#around.counters.writes++;
		for (const { byteLength } of buffers) this.#around.counters.writtenBytes += byteLength;
		this.#node.modifiedMs = this.#around.now();
		return buffers;
	}

	#check(syscall: string): void {
		if (this.#around.life.over) throw systemError("EIO", syscall, this.path);
		if (this.#closed) throw systemError("EBADF", syscall, this.path);
	}
}
