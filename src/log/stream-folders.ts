/**
 * Streams' folders coming and going (docs/commit-protocol.md §3): made outside their place, committed, then renamed into it;
 * committed, then renamed out of it and removed.
 */
import { dirname, join } from "node:path/posix";
import { fail, StreambedError } from "../core/errors.ts";
import { formatUuid } from "../core/random.ts";
import type { Disk } from "../disk/disk.ts";
import { EnvelopeKind } from "./round.ts";
import { isGone } from "./segment-reader.ts";
import { DESCRIPTOR, freshFolder, readDescriptor, removeFolder, removeTree, replaceFile } from "./stream-folder.ts";
import type { StreamLog } from "./stream-log.ts";

/** Folders above a new stream are made again so many times when they vanish under it. */
const RENAME_TRIES = 100;

/** What the folders need of their store. */
export interface FolderHost {
	readonly disk: Disk;
	readonly root: string;
	readonly stopped: boolean;
	/** Makes a change part of a round; resolves when it is durable. */
	act(kind: EnvelopeKind, id: string, folder: string): Promise<void>;
	/** Names in a folder changed: the next checkpoint syncs it. */
	noteFolder(path: string): void;
	stop(error: unknown): StreambedError;
}

/** The folders below `streams/`. */
export class StreamFolders {
	readonly #host: FolderHost;

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
		await disk.mkdir(fresh);
		await replaceFile(disk, join(fresh, DESCRIPTOR), descriptor);
		await disk.syncDir(this.#streams);
		await makeFolders(disk, this.#streams, dirname(path));
		await this.#host.act(EnvelopeKind.create, id, folder).catch(async (error) => {
			if (!this.#host.stopped) await removeTree(disk, fresh).catch(() => {});
			throw error;
		});
		await this.#carryOut(async () => {
			if ((await disk.stat(path)) !== undefined) {
				await removeTree(disk, fresh);
				throw fail("EXISTS", `a folder stands at ${path} already`);
			}
			await this.#renameInto(fresh, path);
		});
		this.#noteChange(path);
	}

	/** Commits that a stream is deleted, and removes its folder, if it is still there. */
	async remove(stream: StreamLog): Promise<void> {
		const { disk } = this.#host;
		const id = formatUuid(stream.id);
		await this.#host.act(EnvelopeKind.delete, id, stream.folder);
		await this.#carryOut(async () => {
			const found = await readDescriptor(disk, stream.path);
			if (found?.id !== id) return;
			await removeFolder(disk, this.#streams, stream.path, id).catch(async (error) => {
				// Once out of its place it is deleted; what is left of it the next opening removes.
				if ((await disk.stat(stream.path)) !== undefined) throw error;
			});
		});
		this.#noteChange(stream.path);
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

	/** Renames a new stream's folder to its place; a deletion beside it may have removed the folders above meanwhile. */
	async #renameInto(fresh: string, path: string): Promise<void> {
		const { disk } = this.#host;
		for (let tries = RENAME_TRIES; ; tries--) {
			try {
				return await disk.rename(fresh, path);
			} catch (error) {
				if (tries === 0 || !isGone(error)) throw error;
				await makeFolders(disk, this.#streams, dirname(path));
			}
		}
	}
}

/** Makes the folders from `streams` down to `path`, each new name durable. */
async function makeFolders(disk: Disk, streams: string, path: string): Promise<void> {
	if (path === streams || (await disk.stat(path)) !== undefined) return;
	await makeFolders(disk, streams, dirname(path));
	await disk.mkdir(path);
	await disk.syncDir(dirname(path));
}
