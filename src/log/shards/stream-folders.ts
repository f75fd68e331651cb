/**
 * Streams' folders coming and going (docs/commit-protocol.md §3): made outside their place, committed, then renamed into it;
 * committed, then renamed out of it and removed.
 */
import { dirname, join } from "node:path/posix";
import { fail, StreambedError } from "../../core/errors.ts";
import { formatUuid } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import {
	DESCRIPTOR,
	freshFolder,
	isOccupied,
	readDescriptor,
	removeEmpty,
	removeFolder,
	removeTree,
	replaceFile,
} from "../files/stream-folder.ts";
import { EnvelopeKind } from "../journal/round.ts";
import type { StreamLog } from "./stream-log.ts";

/** Folders above a new stream are made again so many times when a person removes them under it. */
const RENAME_TRIES = 100;

/** What the folders need of their store. */
export interface FolderHost {
	readonly disk: Disk;
	readonly root: string;
	readonly stopped: boolean;
	/** Makes a change part of a round; resolves when it is durable. It holds checkpoints back until `carriedOut` was called. */
	act(kind: EnvelopeKind, id: string, folder: string, committed?: () => void): Promise<{ carriedOut(): void }>;
	/** Names in a folder changed: the next checkpoint syncs it. */
	noteFolder(path: string): void;
	stop(error: unknown): StreambedError;
}

/** The folders below `streams/`. */
export class StreamFolders {
	readonly #host: FolderHost;
	/** Folders below `streams/` whose names are durable. */
	readonly #durable = new Set<string>();
	/** End of the queue of those who make and remove folders that streams share. */
	#turn: Promise<unknown> = Promise.resolve();

	constructor(host: FolderHost) {
		this.#host = host;
	}

	get #streams(): string {
		return join(this.#host.root, "streams");
	}

	/** Makes a stream's folder with this descriptor; committed and in its place when it resolves. @throws EXISTS */
	async create(folder: string, id: string, descriptor: Uint8Array): Promise<void> {
		const { disk } = this.#host;
		const fresh = join(this.#streams, freshFolder(id));
		const path = join(this.#streams, folder);
		const commit = async () => {
			await disk.mkdir(fresh);
			await replaceFile(disk, join(fresh, DESCRIPTOR), descriptor);
			await disk.syncDir(this.#streams);
			await this.#inTurn(() => this.#makeFolders(dirname(path)));
			return await this.#host.act(EnvelopeKind.create, id, folder);
		};
		const { carriedOut } = await commit().catch(async (error) => {
			if (!this.#host.stopped) await removeTree(disk, fresh).catch(() => {});
			throw error;
		});
		await this.#carryOut(async () => {
			if (await isOccupied(disk, path)) {
				await removeTree(disk, fresh);
				throw fail("EXISTS", `a folder stands at ${path} already`);
			}
			await this.#inTurn(() => this.#renameInto(fresh, path));
		}).finally(() => {
			this.#noteChange(path);
			carriedOut();
		});
	}

	/** Commits that a stream is deleted, and removes its folder, if it is still there; `committed` is called in between. */
	async remove(stream: StreamLog, committed: () => void): Promise<void> {
		const { disk } = this.#host;
		const id = formatUuid(stream.id);
		const { carriedOut } = await this.#host.act(EnvelopeKind.delete, id, stream.folder, committed);
		await this.#carryOut(async () => {
			const found = await readDescriptor(disk, stream.path);
			if (found?.id !== id) return;
			await removeFolder(disk, this.#streams, stream.path, id).catch(async (error) => {
				// Once out of its place it is deleted; what is left of it the next opening removes.
				if ((await disk.stat(stream.path)) !== undefined) throw error;
			});
			const gone = (folder: string): void => void this.#durable.delete(folder);
			await this.#inTurn(() => removeEmpty(disk, this.#streams, dirname(stream.path), gone));
		}).finally(() => {
			this.#noteChange(stream.path);
			carriedOut();
		});
	}

	#noteChange(path: string): void {
		this.#host.noteFolder(this.#streams);
		this.#host.noteFolder(dirname(path));
	}

	/** What is committed and not carried out would be done by redo, at a time when the store has moved on: it stops instead. */
	async #carryOut(work: () => Promise<void>): Promise<void> {
		try {
			await work();
		} catch (error) {
			throw StreambedError.is(error) ? error : this.#host.stop(error);
		}
	}

	/** Renames a new stream's folder to its place. */
	async #renameInto(fresh: string, path: string): Promise<void> {
		for (let tries = RENAME_TRIES; ; tries--) {
			try {
				await this.#makeFolders(dirname(path));
				return await this.#host.disk.rename(fresh, path);
			} catch (error) {
				if (tries === 0 || !isGone(error)) throw error;
				this.#durable.clear();
			}
		}
	}

	/** Makes the folders from `streams` down to `path`, each name durable; that one is there says nothing about that. */
	async #makeFolders(path: string): Promise<void> {
		if (path === this.#streams || this.#durable.has(path)) return;
		await this.#makeFolders(dirname(path));
		await this.#host.disk.mkdir(path);
		await this.#host.disk.syncDir(dirname(path));
		this.#durable.add(path);
	}

	#inTurn<T>(work: () => Promise<T>): Promise<T> {
		const mine = this.#turn.then(work, work);
		this.#turn = mine.catch(() => undefined);
		return mine;
	}
}
