/** The writes in parts of a store that this process owns: those that are open, and those that are prepared. */
import { join } from "node:path/posix";
import { fail, StreambedError } from "../../core/errors.ts";
import { formatUuid, newUuid } from "../../core/random.ts";
import type { StagedInfo } from "../../core/shard.ts";
import type { Disk } from "../../disk/disk.ts";
import { replaceFile } from "../files/stream-folder.ts";
import {
	decodePrepared,
	preparedPath,
	STAGED_FOLDER,
	STAMP_BYTES,
	type StagedFile,
	stagedName,
} from "../format/staged-files.ts";
import type { ShardLog } from "../shards/shard-log.ts";
import type { StreamLog } from "../shards/stream-log.ts";
import { namesIn } from "./staged-listing.ts";
import { type BegunWrite, StagedWrite, type StagedWriteHost } from "./staged-write.ts";

/** Writes that may be open in one store: each holds up to a frame in memory. */
const OPEN_WRITES_MAX = 1024;

/** The writes in parts of a store. */
export class Staging {
	readonly #host: StagedWriteHost;
	/** Open and prepared ones, in the order of their beginning. */
	readonly #writes = new Map<ShardLog, Map<string, StagedWrite>>();
	readonly #running = new Set<Promise<unknown>>();
	#open = 0;

	constructor(host: StagedWriteHost) {
		this.#host = host;
	}

	/** Begins a write. @throws LIMIT_EXCEEDED, STOPPED, CLOSED, DISK_FULL, NOT_FOUND */
	begin(stream: StreamLog, shard: ShardLog, leaseMs: number): StagedWrite {
		const refusal = stream.deleted ?? this.#host.refusal();
		if (refusal !== undefined) throw refusal;
		if (this.#open >= OPEN_WRITES_MAX) {
			throw fail("LIMIT_EXCEEDED", `${OPEN_WRITES_MAX} writes in parts are open in this store`, {
				hint: "Commit or abort those that are done.",
				details: { limit: OPEN_WRITES_MAX },
			});
		}
		this.#open++;
		const about = { id: newUuid(this.#host.random), createdAt: this.#host.clock.now() };
		return this.#add(stream, shard, about, leaseMs, () => this.#open--);
	}

	/** Takes over what was prepared when the shard is opened, and removes what nobody will commit. */
	async load(stream: StreamLog, shard: ShardLog): Promise<void> {
		const { disk } = this.#host;
		const folder = join(shard.files.folder, STAGED_FOLDER);
		const listed = await namesIn(disk, folder);
		if (listed === undefined) return;
		const names = listed.map(({ name }) => name);
		const prepared = await preparedIn(disk, folder, names, formatUuid(stream.id));
		// Whoever is told which there are, and which not, must be able to rely on it: who changed that may have died before this.
		await disk.syncDir(folder);
		for (const { id, damaged } of prepared) {
			// Written once more: the sync of a process that died proves nothing.
			const path = preparedPath(shard.files.folder, id);
			if (!damaged) await replaceFile(disk, path, await disk.readFile(path));
		}
		const kept = new Set(prepared.map(({ id }) => id));
		for (const name of names) {
			if (!kept.has(stagedName(name)?.id ?? "")) await disk.unlink(join(folder, name));
		}
		for (const one of prepared) this.#add(stream, shard, one, Number.POSITIVE_INFINITY, () => {});
		// So that the next opening has nothing to sync.
		if (prepared.length === 0) await disk.rmdir(folder).catch(() => {});
	}

	#add(stream: StreamLog, shard: ShardLog, from: BegunWrite, leaseMs: number, ended: () => void): StagedWrite {
		const ofShard = this.#writes.get(shard) ?? new Map<string, StagedWrite>();
		this.#writes.set(shard, ofShard);
		const write = new StagedWrite(this.#host, { stream, shard }, from, leaseMs, () => {
			ofShard.delete(from.id);
			if (ofShard.size === 0) this.#writes.delete(shard);
			ended();
		});
		ofShard.set(from.id, write);
		return write;
	}

	/** The writes of a shard that are not decided. */
	list(shard: ShardLog): StagedInfo[] {
		return [...(this.#writes.get(shard)?.values() ?? [])].map(({ info }) => info);
	}

	/** The write of a shard with this id, if it is not decided. */
	find(shard: ShardLog, id: string): StagedWrite | undefined {
		return this.#writes.get(shard)?.get(id);
	}

	/** Tells whether a prepared write holds the shard. */
	holds(shard: ShardLog): boolean {
		return [...(this.#writes.get(shard)?.values() ?? [])].some((write) => write.holds);
	}

	/** Refuses what a prepared write stands against, or aborts those of the shard. @throws TXN_STATE */
	async clear(shard: ShardLog, what: string, force: boolean): Promise<void> {
		for (;;) {
			const first = [...(this.#writes.get(shard)?.values() ?? [])].find((write) => write.holds);
			if (first === undefined) return;
			if (!force) throw holdError(what, shard.owner.name, first.id);
			// One that is just being committed is decided all the same.
			await first.abort().catch(unlessDecided);
		}
	}

	/** Work that `close` waits for. */
	run<T>(work: Promise<T>): Promise<T> {
		this.#running.add(work);
		const ended = (): void => void this.#running.delete(work);
		work.then(ended, ended);
		return work;
	}

	/** Waits for calls under way, then aborts what is open. */
	async close(): Promise<void> {
		await Promise.allSettled(this.#running);
		const writes = [...this.#writes.values()].flatMap((ofShard) => [...ofShard.values()]);
		await Promise.allSettled(writes.filter(({ info }) => info.state === "open").map((write) => write.abort()));
	}

	/** The stream of these shards is let go of. */
	forget(shards: Iterable<ShardLog>): void {
		for (const shard of shards) {
			for (const write of this.#writes.get(shard)?.values() ?? []) write.forget();
			this.#writes.delete(shard);
		}
	}
}

function unlessDecided(error: unknown): void {
	if (!StreambedError.is(error, "STREAMBED_TXN_STATE")) throw error;
}

/** Ids of the prepared writes in a shard's folder, for those who have not opened it. */
export async function preparedIds(disk: Disk, shardFolder: string): Promise<string[]> {
	const names = (await namesIn(disk, join(shardFolder, STAGED_FOLDER))) ?? [];
	return names.flatMap(({ name }) => {
		const found = stagedName(name);
		return found?.prepared === true ? [found.id] : [];
	});
}

/** The error for a change of a stream that a prepared write holds. */
export function holdError(what: string, name: string, id: string): StreambedError {
	return fail("TXN_STATE", `cannot ${what} ${name}: the prepared write ${id} holds it`, {
		hint: "Commit or abort it first (`streambed txn`), or use force, which aborts it.",
		details: { id, state: "prepared" },
	});
}

/** The prepared writes of a stream in a folder. One whose descriptor fails its check is kept as it is, and can be aborted. */
async function preparedIn(
	disk: Disk,
	folder: string,
	names: readonly string[],
	streamId: string,
): Promise<BegunWrite[]> {
	const found: BegunWrite[] = [];
	for (const name of names) {
		const told = stagedName(name);
		if (told?.prepared !== true) continue;
		const prepared = decodePrepared(await disk.readFile(join(folder, name)));
		if (prepared === undefined) found.push(await damagedWrite(disk, folder, names, told.id));
		else if (prepared.stream === streamId) found.push(prepared);
	}
	return found.sort((a, b) => a.createdAt - b.createdAt);
}

/** What is left of a prepared write whose descriptor cannot be read: its files, by their names. */
async function damagedWrite(disk: Disk, folder: string, names: readonly string[], id: string): Promise<BegunWrite> {
	const files: StagedFile[] = [];
	const ours = names.filter((name) => stagedName(name)?.id === id && stagedName(name)?.prepared === false);
	for (const name of ours.sort()) {
		const bytes = (await disk.stat(join(folder, name)))?.size ?? 0;
		files[Number(name.slice(-9, -4))] = { number: 0, bytes, units: Math.max(0, bytes - STAMP_BYTES) };
	}
	// One that is missing between others counts for nothing, and removing it does no harm.
	return {
		id,
		createdAt: 0,
		damaged: true,
		files: Array.from(files, (file) => file ?? { number: 0, bytes: 0, units: 0 }),
	};
}
