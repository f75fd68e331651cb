/**
 * Files held open for all streams of a process, at most `limit` at a time; the least recently used idle one is closed to
 * make room. One that holds unsynced writes is synced first, since a sync through another descriptor proves nothing.
 */
import type { Disk, DiskFile } from "../disk/disk.ts";

interface Entry {
	readonly key: string;
	readonly path: string;
	readonly opening: Promise<DiskFile>;
	users: number;
	/** Told of a sync that failed; there while writes are unsynced. */
	owner: SyncOwner | undefined;
	/** Forgotten while in use: closed by its last user. */
	doomed: boolean;
}

/** Who must know that a sync failed which nobody asked for. */
export interface SyncOwner {
	syncFailed(error: unknown): void;
}

/** How a file is opened; each way has a descriptor of its own. */
export type OpenMode = "read" | "write";

/** A bounded set of open files. */
export class OpenFiles {
	readonly #disk: Disk;
	readonly #limit: number;
	/** In the order of last use. */
	readonly #entries = new Map<string, Entry>();

	constructor(disk: Disk, limit: number) {
		this.#disk = disk;
		this.#limit = limit;
	}

	/** Files open now. */
	get size(): number {
		return this.#entries.size;
	}

	/**
	 * Lends the file at `path` to `use`; opens it first if need be. With `identity`, that of the file as it was last seen,
	 * nobody gets one that was removed while another took its name.
	 */
	async use<T>(path: string, mode: OpenMode, use: (file: DiskFile) => Promise<T>, identity = ""): Promise<T> {
		const entry = this.#take(keyOf(mode, path, identity), path, () => this.#disk.open(path, mode));
		try {
			return await use(await entry.opening);
		} finally {
			entry.users--;
			if (entry.doomed && entry.users === 0) await close(entry);
			if (this.#entries.size > this.#limit) await this.#shrink();
		}
	}

	/** Writes, and remembers who has to know if the sync before an early closing fails; nobody does without `owner`. */
	async write(
		path: string,
		data: readonly Uint8Array[],
		position: number,
		owner: SyncOwner | undefined,
	): Promise<void> {
		await this.use(path, "write", async (file) => {
			const entry = this.#entries.get(keyOf("write", path));
			if (entry !== undefined && owner !== undefined) entry.owner = owner;
			await file.write(data, position);
		});
	}

	/** Syncs what was written to a file, if it is not synced. A failed sync must not be repeated. */
	async sync(path: string): Promise<void> {
		const entry = this.#entries.get(keyOf("write", path));
		if (entry?.owner === undefined) return;
		await this.use(path, "write", async (file) => {
			entry.owner = undefined;
			await file.sync();
		});
	}

	/** Closes the files opened under a path, without a sync. */
	async forget(path: string): Promise<void> {
		for (const entry of this.#entries.values()) {
			if (entry.path !== path) continue;
			this.#entries.delete(entry.key);
			entry.doomed = true;
			if (entry.users === 0) await close(entry);
		}
	}

	#take(key: string, path: string, open: () => Promise<DiskFile>): Entry {
		let entry = this.#entries.get(key);
		if (entry === undefined) {
			const opened: Entry = { key, path, opening: open(), users: 0, owner: undefined, doomed: false };
			opened.opening.catch(() => {
				if (this.#entries.get(key) === opened) this.#entries.delete(key);
			});
			entry = opened;
		} else {
			this.#entries.delete(key);
		}
		this.#entries.set(key, entry);
		entry.users++;
		return entry;
	}

	async #shrink(): Promise<void> {
		for (const entry of this.#entries.values()) {
			if (this.#entries.size <= this.#limit) return;
			if (entry.users > 0) continue;
			const { owner } = entry;
			if (owner !== undefined) {
				entry.users++;
				entry.owner = undefined;
				try {
					await (await entry.opening).sync();
				} catch (error) {
					owner.syncFailed(error);
				} finally {
					entry.users--;
				}
				if (entry.users > 0 || entry.owner !== undefined) continue;
			}
			if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
			await close(entry);
		}
	}
}

function keyOf(mode: OpenMode, path: string, identity = ""): string {
	return `${mode}:${identity}:${path}`;
}

async function close(entry: Entry): Promise<void> {
	const file = await entry.opening.catch(() => undefined);
	await file?.close();
}
