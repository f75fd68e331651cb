/**
 * Open segment files, at most `limit` at a time; the least recently used idle one is closed to make room.
 *
 * Knows which files hold writes that no sync has covered. Such a descriptor is synced before it is closed: a sync through
 * another descriptor proves nothing. A failed sync is reported once through `onSyncFailed` and never retried.
 */
import type { Disk, DiskFile } from "../../disk/disk.ts";
import { systemError } from "../../disk/system-error.ts";

interface Entry {
	readonly path: string;
	opening: Promise<DiskFile>;
	/** Once it is open. */
	file: DiskFile | undefined;
	users: number;
	/** Written to since its last sync was begun. */
	dirty: boolean;
	/** The sync under way. */
	syncing: Promise<void> | undefined;
	/** Forgotten while in use: closed by its last user. */
	doomed: boolean;
}

/** A bounded set of open files, by path. */
export class FilePool {
	readonly #disk: Disk;
	readonly #limit: number;
	readonly #mode: "read" | "write";
	readonly #onSyncFailed: (error: unknown, path: string) => void;
	/** In the order of last use. */
	readonly #entries = new Map<string, Entry>();
	#closed = false;
	#failed: { readonly error: unknown } | undefined;

	constructor(disk: Disk, limit: number, mode: "read" | "write", onSyncFailed: (error: unknown, path: string) => void) {
		this.#disk = disk;
		this.#limit = Math.min(limit, disk.openFiles ?? limit);
		this.#mode = mode;
		this.#onSyncFailed = onSyncFailed;
	}

	/** Lends the open file at `path` to `use`, at once; opens it first if need be. */
	async use<T>(path: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
		// A block read ahead of a reader may still be asked for: nobody would close its file.
		if (this.#closed) throw systemError("EBADF", "open", path);
		const entry = this.#take(path);
		try {
			return await use(entry.file ?? (await entry.opening));
		} finally {
			entry.users--;
			if (entry.doomed && entry.users === 0) await close(entry);
			if (this.#entries.size > this.#limit) await this.#shrink();
		}
	}

	/** Writes without sync; the file counts as unsynced from now on. */
	async write(path: string, data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		await this.use(path, async (file) => {
			const entry = this.#entries.get(path);
			if (entry !== undefined) entry.dirty = true;
			try {
				await file.write(data, position);
			} finally {
				// A sync that ran beside the write does not cover it.
				if (entry !== undefined) entry.dirty = true;
			}
		});
	}

	/** Writes a small piece at once, in this thread; `false` if the file is not open or its disk can't: nothing was written. */
	writeNow(path: string, data: Uint8Array, position: number): boolean {
		const entry = this.#entries.get(path);
		if (entry?.file?.writeNow === undefined) return false;
		entry.dirty = true;
		entry.file.writeNow(data, position);
		return true;
	}

	/** Takes over an open file with unsynced writes, under the path that it has now. */
	async adopt(path: string, file: DiskFile): Promise<void> {
		const opening = Promise.resolve(file);
		this.#entries.set(path, { path, opening, file, users: 0, dirty: true, syncing: undefined, doomed: false });
		if (this.#entries.size > this.#limit) await this.#shrink();
	}

	/** Paths with writes that no sync has covered yet, those being synced included. */
	unsynced(): string[] {
		const open = [...this.#entries.values()];
		return open.filter((entry) => entry.dirty || entry.syncing !== undefined).map((entry) => entry.path);
	}

	/**
	 * Syncs what was written to one file before this call; writes that arrive meanwhile make it unsynced again. @throws once
	 * any sync has failed, whoever asked for that one: it may have been the only one that would have told of these writes
	 */
	async sync(path: string): Promise<void> {
		let entry = this.#entries.get(path);
		while (entry?.syncing !== undefined) {
			await entry.syncing;
			// Who else waited may have begun the next sync by now: that one has to end as well. Or the file was forgotten.
			entry = this.#entries.get(path);
		}
		if (this.#failed !== undefined) throw this.#failed.error;
		if (entry?.dirty !== true) return;
		const unsynced = entry;
		await this.use(path, async () => await (unsynced.dirty ? this.#syncEntry(unsynced) : unsynced.syncing));
	}

	/** Closes the file without a sync and forgets it: it was, or is going to be, removed. */
	async forget(path: string): Promise<void> {
		const entry = this.#entries.get(path);
		if (entry === undefined) return;
		this.#entries.delete(path);
		entry.doomed = true;
		if (entry.users === 0) await close(entry);
	}

	/** Forgets all files below a folder. */
	async forgetBelow(folder: string): Promise<void> {
		const paths = [...this.#entries.keys()].filter((path) => path.startsWith(`${folder}/`));
		await Promise.all(paths.map((path) => this.forget(path)));
	}

	/** Closes all files, for good; the caller has synced what has to be. */
	async close(): Promise<void> {
		this.#closed = true;
		const entries = [...this.#entries.values()];
		this.#entries.clear();
		await Promise.all(entries.map(close));
	}

	#take(path: string): Entry {
		let entry = this.#entries.get(path);
		if (entry === undefined) {
			const opening = this.#disk.open(path, this.#mode);
			const opened: Entry = {
				path,
				opening,
				file: undefined,
				users: 0,
				dirty: false,
				syncing: undefined,
				doomed: false,
			};
			entry = opened;
			opened.opening.then(
				(file) => {
					opened.file = file;
				},
				() => {
					if (this.#entries.get(path) === opened) this.#entries.delete(path);
				},
			);
		} else {
			this.#entries.delete(path);
		}
		this.#entries.set(path, entry);
		entry.users++;
		return entry;
	}

	/** Closes idle files. One that has to be synced first stays known meanwhile, so that a checkpoint waits for it. */
	async #shrink(): Promise<void> {
		for (const entry of this.#entries.values()) {
			if (this.#entries.size <= this.#limit) return;
			if (entry.users > 0) continue;
			entry.users++;
			try {
				if (entry.dirty) await this.#syncEntry(entry);
			} finally {
				entry.users--;
			}
			if (entry.users > 0 || (entry.dirty && !entry.doomed)) continue;
			if (this.#entries.get(entry.path) === entry) this.#entries.delete(entry.path);
			await close(entry);
		}
	}

	#syncEntry(entry: Entry): Promise<void> {
		entry.dirty = false;
		const mine = this.#syncFile(entry).finally(() => {
			if (entry.syncing === mine) entry.syncing = undefined;
		});
		entry.syncing = mine;
		return mine;
	}

	async #syncFile(entry: Entry): Promise<void> {
		try {
			await (entry.file ?? (await entry.opening)).sync();
		} catch (error) {
			this.#failed ??= { error };
			this.#onSyncFailed(error, entry.path);
			throw error;
		}
	}
}

async function close(entry: Entry): Promise<void> {
	const file = await entry.opening.catch(() => undefined);
	await file?.close();
}
