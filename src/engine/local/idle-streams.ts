/**
 * Retention of streams that nobody has opened since the store was, and the sweep of what writes in parts have left there:
 * walks the folders, a few streams a second, and opens only those of which something has to go, for as long as that takes.
 * When the next one is due is remembered, so that a walk over streams that are not touches no file of theirs.
 */
import { join } from "node:path/posix";
import { addressOfFolder, type StreamAddress } from "../../core/names.ts";
import { formatUuid, parseUuid } from "../../core/random.ts";
import { shardFolders } from "../../log/files/shard-folders.ts";
import { walkFolders } from "../../log/files/stream-folder.ts";
import { STAGED_FOLDER } from "../../log/format/staged-files.ts";
import type { LogStore } from "../../log/log-store.ts";
import { learnSizes, retainedSegments } from "../../log/segments/retained-segments.ts";
import { ShardFiles } from "../../log/segments/shard-files.ts";
import { hasRules } from "../../log/shards/retention.ts";
import type { StreamLog } from "../../log/shards/stream-log.ts";
import type { Catalog, StoredStream } from "./catalog.ts";

/** Streams whose files are looked at in one look, and folders gone through. */
const STREAMS_PER_LOOK = 32;
const FOLDERS_PER_LOOK = 2000;
/** A stream is looked at again after this time at the latest: its settings may have changed under another owner of its folder. */
const AGAIN_MS = 3_600_000;
/** Pause between two walks over all folders, and between two looks at a stream that somebody has open. */
const PAUSE_MS = 10_000;

/** The streams that are not open. */
export class IdleStreams {
	readonly #log: LogStore;
	readonly #catalog: Catalog;
	readonly #retain: (address: StreamAddress) => Promise<StreamLog>;
	/** When a folder's stream has to be looked at again, on the monotonic clock. */
	#due = new Map<string, number>();
	#seen = new Map<string, number>();
	/** Ids of streams by folder, of which nothing is left of writes in parts but what is prepared. */
	readonly #swept = new Map<string, string>();
	#walk: AsyncGenerator<string> | undefined;
	#nextWalkMs = Number.NEGATIVE_INFINITY;
	/** Opened for its sake, and not closed again yet. */
	readonly #opened: StreamLog[] = [];

	constructor(log: LogStore, catalog: Catalog, retain: (address: StreamAddress) => Promise<StreamLog>) {
		this.#log = log;
		this.#catalog = catalog;
		this.#retain = retain;
	}

	/** Goes on with the walk for a bounded amount of work. */
	async look(): Promise<void> {
		const now = this.#log.clock.monotonic();
		if (this.#walk !== undefined || now >= this.#nextWalkMs) await this.#walkOn(now);
		if (this.#opened.length > 0) await this.#settle();
	}

	async #walkOn(now: number): Promise<void> {
		this.#walk ??= walkFolders(this.#log.disk, this.#catalog.streams);
		let streams = STREAMS_PER_LOOK;
		for (let folders = FOLDERS_PER_LOOK; folders > 0 && streams > 0; folders--) {
			const { done, value: folder } = await this.#walk.next();
			if (done === true) {
				this.#endWalk(now);
				break;
			}
			const due = this.#due.get(folder) ?? now;
			this.#seen.set(folder, due);
			if (due > now) continue;
			streams--;
			// A stream that cannot be read is looked at again as any other.
			const next = await this.#lookAt(folder, now).catch(() => now + AGAIN_MS);
			this.#seen.set(folder, Math.min(next, now + AGAIN_MS));
		}
	}

	/** Only folders that are still there are remembered. */
	#endWalk(now: number): void {
		this.#walk = undefined;
		this.#due = this.#seen;
		this.#seen = new Map();
		for (const folder of this.#swept.keys()) if (!this.#due.has(folder)) this.#swept.delete(folder);
		this.#nextWalkMs = now + PAUSE_MS;
	}

	/** Looks at one stream; returns when to do so again. */
	async #lookAt(folder: string, now: number): Promise<number> {
		const address = addressOfFolder(folder);
		const stored = address && (await this.#catalog.find(address));
		if (stored === undefined) return Number.POSITIVE_INFINITY;
		if (this.#log.isOpen(stored.id)) return now + PAUSE_MS;
		// What a dead process left of writes in parts goes when a shard is opened; what is prepared stays.
		if (this.#swept.get(folder) !== stored.id && (await this.#hasStaged(stored))) {
			const stream = await this.#retain(stored.address);
			this.#opened.push(stream);
			this.#swept.set(folder, formatUuid(stream.id));
			return now + PAUSE_MS;
		}
		// Opening or updating it looks at its retention as well.
		if (!hasRules(stored.retention)) return Number.POSITIVE_INFINITY;
		let next = Number.POSITIVE_INFINITY;
		for (const number of await shardFolders(this.#log.disk, join(this.#catalog.streams, folder))) {
			if (number >= stored.shards) continue;
			const wait = await this.#waitOf(stored, number);
			if (wait <= 0) {
				this.#opened.push(await this.#retain(stored.address));
				return now + PAUSE_MS;
			}
			next = Math.min(next, now + wait);
		}
		return next;
	}

	async #hasStaged({ folder }: StoredStream): Promise<boolean> {
		const path = join(this.#catalog.streams, folder);
		for (const { name, kind } of await this.#log.disk.list(path)) {
			if (kind !== "folder") continue;
			if ((await this.#log.disk.stat(join(path, name, STAGED_FOLDER))) !== undefined) return true;
		}
		return false;
	}

	/** Milliseconds until something of a shard has to go; 0 if it has to now. */
	async #waitOf(stored: StoredStream, number: number): Promise<number> {
		const { disk, reader, retention } = this.#log;
		const ids = [stored.id, ...stored.origins].map((id) => parseUuid(id)).filter((id) => id !== undefined);
		const files = new ShardFiles(disk, reader, join(this.#catalog.streams, stored.folder, String(number)), ids, number);
		await files.list();
		const { tail, state, lastTime, damage } = await files.openTail();
		const newest = files.segments.at(-1);
		if (damage !== undefined || newest === undefined) return Number.POSITIVE_INFINITY;
		newest.lastTime = lastTime ?? undefined;
		await retention.learn(stored.retention, files);
		if (stored.kind === "records") await learnSizes(files);
		const extent = { kind: stored.kind, head: state.head, tail, idle: true };
		if (retention.plan(stored.retention, retainedSegments(files.segments, extent)) !== undefined) return 0;
		const { ageMs } = stored.retention;
		if (ageMs === undefined || tail === state.head) return Number.POSITIVE_INFINITY;
		const oldest = files.segments.find((segment) => segment.lastTime !== undefined)?.lastTime;
		const wait = (oldest ?? 0) + ageMs + 1 - this.#log.clock.now();
		// What is older and stays does so for its size, until somebody appends; unless ages are suspended.
		return wait > 0 || retention.stats().clockStepped ? Math.max(1, wait) : Number.POSITIVE_INFINITY;
	}

	/** Waits until what had to go is gone, then closes what was opened for it. */
	async #settle(): Promise<void> {
		await this.#log.committer.settled();
		// On a full disk later.
		if (!(await this.#log.writeBehind.flush())) return;
		for (const stream of this.#opened.splice(0)) this.#log.closeIdle(stream);
	}
}
