/** Writes of a redo, gathered per file: what lies in memory that is about to be used again is written in few calls. */
import type { FilePool } from "./file-pool.ts";

/** Files written at the same time: libuv has four threads, and the journal is read meanwhile. */
const WRITERS = 2;
/** With so many files at a time, pieces up to this size are written in this thread: a change of threads costs more than each. */
const MANY_FILES = 32;
const SMALL_BYTES = 64 * 1024;
/** After so many bytes a file is synced while more is gathered: the disk works, then, while the processor does. */
const SYNC_BYTES = 4 * 1024 * 1024;

interface Stretch {
	readonly path: string;
	readonly start: number;
	readonly pieces: Uint8Array[];
	bytes: number;
}

/** What is to be written. */
export class GatheredWrites {
	readonly #files: FilePool;
	/** The last stretch of each file, and those before it. */
	#last = new Map<string, Stretch>();
	#stretches: Stretch[] = [];
	#underWay: Promise<void> = Promise.resolve();
	/** Bytes written to each file since a sync of it was begun. */
	readonly #unsynced = new Map<string, number>();
	#syncing: Promise<void> | undefined;
	#syncFailed: { readonly error: unknown } | undefined;
	/** Bytes gathered and not being written. */
	bytes = 0;

	constructor(files: FilePool) {
		this.#files = files;
	}

	/** Adds a piece; its memory must not change until a flush begun later has ended. */
	add(path: string, at: number, piece: Uint8Array): void {
		let stretch = this.#last.get(path);
		if (stretch === undefined || stretch.start + stretch.bytes !== at) {
			stretch = { path, start: at, pieces: [], bytes: 0 };
			this.#last.set(path, stretch);
			this.#stretches.push(stretch);
		}
		stretch.pieces.push(piece);
		stretch.bytes += piece.length;
		this.bytes += piece.length;
	}

	/** Writes all that was added so far; what was flushed before is written before. */
	flush(): Promise<void> {
		if (this.#stretches.length === 0) return this.#underWay;
		const stretches = this.#stretches;
		this.#stretches = [];
		this.#last = new Map();
		this.bytes = 0;
		this.#underWay = this.#underWay.then(() => this.#write(stretches));
		// Who flushes next, or finishes, hears of it.
		this.#underWay.catch(() => {});
		return this.#underWay;
	}

	/** Writes all, and waits for the syncs under way. @throws if one has failed: it must not be tried again */
	async finish(): Promise<void> {
		await this.flush();
		await this.#syncing;
		if (this.#syncFailed !== undefined) throw this.#syncFailed.error;
	}

	async #write(stretches: readonly Stretch[]): Promise<void> {
		const byFile = new Map<string, Stretch[]>();
		for (const stretch of stretches) {
			const before = byFile.get(stretch.path);
			if (before === undefined) byFile.set(stretch.path, [stretch]);
			else before.push(stretch);
		}
		const here = byFile.size >= MANY_FILES;
		const rest = byFile.values();
		const writer = async (): Promise<void> => {
			for (const ofFile of rest) {
				for (const stretch of ofFile) {
					if (here && this.#writeHere(stretch)) continue;
					await this.#files.write(stretch.path, stretch.pieces, stretch.start);
					this.#written(stretch);
				}
			}
		};
		const outcomes = await Promise.allSettled(Array.from({ length: WRITERS }, writer));
		for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
	}

	#written({ path, bytes }: Stretch): void {
		const unsynced = (this.#unsynced.get(path) ?? 0) + bytes;
		this.#unsynced.set(path, unsynced);
		if (unsynced < SYNC_BYTES || this.#syncing !== undefined || this.#syncFailed !== undefined) return;
		this.#unsynced.set(path, 0);
		this.#syncing = this.#files
			.sync(path)
			.catch((error: unknown) => {
				this.#syncFailed = { error };
			})
			.finally(() => {
				this.#syncing = undefined;
			});
	}

	/** Writes a small stretch in this thread, unless its file is not open yet or the disk can't. */
	#writeHere({ path, start, pieces, bytes }: Stretch): boolean {
		if (bytes > SMALL_BYTES || pieces.length > 1) return false;
		return this.#files.writeNow(path, pieces[0] as Uint8Array, start);
	}
}
