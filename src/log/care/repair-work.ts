/**
 * Changes that a repair makes to files. Each is done so that a crash leaves the old file or the new one, and so that the
 * original stands in the folder `repaired-<time>` of the store before it is touched. A rehearsal does the same to a disk
 * that keeps changes in memory, without copies.
 */
import { dirname, join, relative } from "node:path/posix";
import type { Disk, DiskFile } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { replaceFile } from "../files/stream-folder.ts";
import type { VerifyProblem } from "./verify-report.ts";

const WINDOW_BYTES = 1024 * 1024;

/** Something that is done, or would be. */
export interface RepairStep {
	/** File or folder. */
	readonly path: string;
	readonly what: string;
}

/** Bytes to be written at a place in a file. */
export interface Edit {
	readonly at: number;
	readonly bytes: Uint8Array;
}

/** How changes are made. */
export interface WorkOptions {
	/** Changes are real: originals are kept, files synced. */
	readonly real: boolean;
	/** Name of the folder of originals. */
	readonly folder: string;
	readonly onStep: ((step: RepairStep) => void) | undefined;
}

/** The changes of one repair. */
export class RepairWork {
	readonly disk: Disk;
	readonly root: string;
	readonly steps: RepairStep[] = [];
	/** What nothing can put right, and no verification afterwards can see. */
	readonly lost: VerifyProblem[] = [];
	readonly #options: WorkOptions;
	readonly #kept = new Set<string>();

	constructor(disk: Disk, root: string, options: WorkOptions) {
		this.disk = disk;
		this.root = root;
		this.#options = options;
	}

	/** Where originals are kept, once there are any. */
	get aside(): string {
		return join(this.root, this.#options.folder);
	}

	/** Notes something that is done. */
	note(path: string, what: string): void {
		const step = { path, what };
		this.steps.push(step);
		this.#options.onStep?.(step);
	}

	/** Notes a loss. */
	lose(path: string, offset: number, message: string): void {
		this.lost.push({ code: "STREAMBED_CORRUPT", path, offset, message });
	}

	/** Changes bytes of a file, and its length if that is given. */
	async edit(path: string, what: string, edits: readonly Edit[], length?: number): Promise<void> {
		this.note(path, what);
		if (!this.#options.real) {
			const file = await this.disk.open(path, "write");
			try {
				await apply(file, edits, length);
			} finally {
				await file.close();
			}
			return;
		}
		await this.#keep(path);
		const temporary = `${path}.tmp`;
		await copyFile(this.disk, path, temporary, (file) => apply(file, edits, length));
		await this.disk.rename(temporary, path);
		await this.disk.syncDir(dirname(path));
	}

	/** Makes a small file or replaces it as a whole. */
	async put(path: string, what: string, bytes: Uint8Array): Promise<void> {
		this.note(path, what);
		if (this.#options.real) await this.#keep(path);
		await replaceFile(this.disk, path, bytes);
	}

	/** Takes a file or a folder out of its place. */
	async setAside(path: string, what: string): Promise<void> {
		this.note(path, what);
		const target = await this.#target(path);
		await this.disk.rename(path, target);
		await this.disk.syncDir(dirname(target));
		await this.disk.syncDir(dirname(path));
	}

	/** Gives a file another name in its folder. */
	async rename(path: string, to: string, what: string): Promise<void> {
		this.note(path, what);
		await this.disk.rename(path, to);
		await this.disk.syncDir(dirname(path));
	}

	/** Copies a file aside, once; nothing if it is not there. */
	async #keep(path: string): Promise<void> {
		if (this.#kept.has(path) || (await this.disk.stat(path)) === undefined) return;
		const target = await this.#target(path);
		await copyFile(this.disk, path, `${target}.tmp`);
		await this.disk.rename(`${target}.tmp`, target);
		await this.disk.syncDir(dirname(target));
		this.#kept.add(path);
	}

	/** A free name in the folder of originals, which is made; the folders above it are durable. */
	async #target(path: string): Promise<string> {
		const below = relative(this.root, path);
		let target = join(this.aside, below);
		for (let number = 1; (await this.disk.stat(target)) !== undefined; number++)
			target = join(this.aside, `${below}.${number}`);
		await this.disk.mkdir(dirname(target));
		for (let folder = dirname(target); folder !== dirname(this.root); folder = dirname(folder))
			await this.disk.syncDir(folder);
		return target;
	}
}

async function apply(file: DiskFile, edits: readonly Edit[], length: number | undefined): Promise<void> {
	for (const { at, bytes } of edits) await file.write(bytes, at);
	if (length !== undefined) await file.truncate(length);
}

/** Copies a file under a new name, changes the copy, and makes its bytes durable. */
async function copyFile(
	disk: Disk,
	path: string,
	to: string,
	change: (file: DiskFile) => Promise<void> = async () => {},
): Promise<void> {
	await disk.unlink(to);
	const source = await disk.open(path, "read");
	try {
		const target = await disk.open(to, "create");
		try {
			const size = await source.size();
			const window = Buffer.allocUnsafe(WINDOW_BYTES);
			for (let at = 0; at < size; at += WINDOW_BYTES) {
				const bytes = window.subarray(0, Math.min(WINDOW_BYTES, size - at));
				await target.write(bytes.subarray(0, await source.read(bytes, at)), at);
			}
			await change(target);
			await target.sync();
		} finally {
			await target.close();
		}
	} finally {
		await source.close();
	}
}

/** Makes room for a file where somebody made a folder. */
export async function setFolderAside(work: RepairWork, path: string): Promise<void> {
	if ((await work.disk.stat(path))?.kind !== "folder") return;
	await work.setAside(path, "set aside: a folder in the place of this file");
}

/** Reads a whole small file; `undefined` if there is none. */
export async function readIfThere(disk: Disk, path: string): Promise<Uint8Array | undefined> {
	try {
		return await disk.readFile(path);
	} catch (error) {
		if (isGone(error)) return undefined;
		throw error;
	}
}
