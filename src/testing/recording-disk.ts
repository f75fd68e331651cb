/**
 * A disk that remembers every change asked of it, so that what a process had done up to any moment can be made anew:
 * a process that is killed between two changes leaves exactly a beginning of the list.
 */
import type { Disk, DiskFile } from "../disk/disk.ts";

/** One change; `file` numbers handles in the order of their opening. */
export type DiskChange =
	| { readonly kind: "open"; readonly file: number; readonly path: string; readonly mode: "write" | "create" }
	| { readonly kind: "write"; readonly file: number; readonly bytes: Uint8Array; readonly position: number }
	| { readonly kind: "truncate"; readonly file: number; readonly length: number }
	| { readonly kind: "close"; readonly file: number }
	| { readonly kind: "rename"; readonly path: string; readonly to: string }
	| { readonly kind: "mkdir" | "unlink" | "rmdir"; readonly path: string };

/** A disk with a memory of its changes. */
export interface RecordingDisk extends Disk {
	/** All changes so far, in order. */
	readonly changes: readonly DiskChange[];
}

/** Makes a disk that does what `inner` does and writes changes down, data included. */
export function recordingDisk(inner: Disk): RecordingDisk {
	const changes: DiskChange[] = [];
	let files = 0;
	return {
		changes,
		counters: inner.counters,
		async open(path, mode, options) {
			const opened = await inner.open(path, mode, options);
			if (mode === "read") return opened;
			const file = files++;
			changes.push({ kind: "open", file, path, mode });
			return new RecordedFile(opened, file, changes);
		},
		async mkdir(path, options) {
			await inner.mkdir(path, options);
			changes.push({ kind: "mkdir", path });
		},
		async rename(path, to) {
			await inner.rename(path, to);
			changes.push({ kind: "rename", path, to });
		},
		async unlink(path) {
			await inner.unlink(path);
			changes.push({ kind: "unlink", path });
		},
		async rmdir(path) {
			await inner.rmdir(path);
			changes.push({ kind: "rmdir", path });
		},
		list: (path) => inner.list(path),
		stat: (path) => inner.stat(path),
		readFile: (path) => inner.readFile(path),
		syncDir: (path) => inner.syncDir(path),
		freeBytes: (path) => inner.freeBytes(path),
		writable: (path) => inner.writable(path),
		realPath: (path) => inner.realPath(path),
	};
}

/** Does changes to a disk; of the one after them, if it is a write, only the first `partBytes`. */
export async function replayChanges(
	changes: readonly DiskChange[],
	disk: Disk,
	count: number,
	partBytes = 0,
): Promise<void> {
	const files = new Map<number, DiskFile>();
	for (const change of changes.slice(0, count)) await redo(change, disk, files);
	const next = changes[count];
	if (partBytes > 0 && next?.kind === "write") {
		await redo({ ...next, bytes: next.bytes.subarray(0, partBytes) }, disk, files);
	}
	for (const file of files.values()) await file.close();
}

async function redo(change: DiskChange, disk: Disk, files: Map<number, DiskFile>): Promise<void> {
	switch (change.kind) {
		case "open":
			files.set(change.file, await disk.open(change.path, change.mode));
			return;
		case "write":
			return await files.get(change.file)?.write(change.bytes, change.position);
		case "truncate":
			return await files.get(change.file)?.truncate(change.length);
		case "close":
			await files.get(change.file)?.close();
			files.delete(change.file);
			return;
		case "rename":
			return await disk.rename(change.path, change.to);
		case "mkdir":
		case "unlink":
		case "rmdir":
			return await disk[change.kind](change.path);
	}
}

class RecordedFile implements DiskFile {
	readonly path: string;
	readonly #inner: DiskFile;
	readonly #file: number;
	readonly #changes: DiskChange[];
	#closed = false;

	constructor(inner: DiskFile, file: number, changes: DiskChange[]) {
		this.path = inner.path;
		this.#inner = inner;
		this.#file = file;
		this.#changes = changes;
	}

	read(target: Uint8Array, position: number): Promise<number> {
		return this.#inner.read(target, position);
	}

	async write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		const bytes = this.#copy(data);
		await this.#inner.write(data, position);
		this.#changes.push({ kind: "write", file: this.#file, bytes, position });
	}

	async writeDurable(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		const bytes = this.#copy(data);
		await this.#inner.writeDurable(data, position);
		this.#changes.push({ kind: "write", file: this.#file, bytes, position });
	}

	sync(): Promise<void> {
		return this.#inner.sync();
	}

	async truncate(length: number): Promise<void> {
		await this.#inner.truncate(length);
		this.#changes.push({ kind: "truncate", file: this.#file, length });
	}

	size(): Promise<number> {
		return this.#inner.size();
	}

	async close(): Promise<void> {
		await this.#inner.close();
		if (this.#closed) return;
		this.#closed = true;
		this.#changes.push({ kind: "close", file: this.#file });
	}

	/** The caller may use its buffers again once the write has ended. */
	#copy(data: Uint8Array | readonly Uint8Array[]): Uint8Array {
		return new Uint8Array(data instanceof Uint8Array ? data : Buffer.concat(data));
	}
}
