/**
 * Copies a store, in use or not, to a folder that opens as a store of its own. Of each stream a prefix of what is
 * durable, checked while it is copied; the source is only read, and no lock is taken.
 *
 * The copy comes into being under another name and is renamed when it is whole and durable; `store.json` is written
 * last, so that what a crash leaves is never taken for a store.
 */
import { dirname, join, resolve } from "node:path/posix";
import { throwIfAborted } from "../../core/abort.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { fail } from "../../core/errors.ts";
import { rejectUnknown } from "../../core/options.ts";
import { newUuid, type Random, systemRandom } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { nodeDisk } from "../../disk/node-disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { DESCRIPTOR, type Descriptor, readDescriptor, removeTree, replaceFile } from "../files/stream-folder.ts";
import { readCheckpoint } from "../format/checkpoint-file.ts";
import { ioError } from "../format/corruption.ts";
import { PRODUCERS_FILE } from "../format/producer-file.ts";
import { noStore } from "../opening/opening.ts";
import { makeJournal, readStore, STORE_FILE, type StoreIdentity } from "../opening/store-folder.ts";
import { existingSegment } from "../segments/segment.ts";
import { ShardCopy } from "./backup-copy.ts";
import { ShardProducers, StreamProducersCopy } from "./backup-producers.ts";
import { folders, idsOf, shardsOf, totalBytes } from "./verify.ts";
import { type SegmentView, verifyJournal } from "./verify-journal.ts";
import { type VerifyProblem, type VerifyProgress, VerifyReport } from "./verify-report.ts";
import { SinkError, segmentBases, verifyShard } from "./verify-shard.ts";

/** How to back up. */
export interface BackupOptions {
	/** Called again and again while segments are copied. */
	readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
	/** File system, for tests. */
	readonly disk?: Disk | undefined;
	/** Source of time, for tests. */
	readonly clock?: Clock | undefined;
	/** Source of randomness, for tests. */
	readonly random?: Random | undefined;
}

/** Outcome of a backup. */
export interface BackupResult {
	readonly streams: number;
	/** Bytes of segment files in the copy. */
	readonly bytes: number;
	/** Damage in the original; the copy holds the same bytes there. */
	readonly problems: readonly VerifyProblem[];
}

/** A stream is looked at so often before it is given up that its files vanish under us. */
const TRIES = 20;
/** Copying begins anew so often when somebody takes over a store that had no owner. */
const RESTARTS = 3;
/** The copy's rounds are numbered on from here: more than a journal can hold that the segments do not show. */
const ROUND_JUMP = 2 ** 20;

/**
 * Copies the store in the folder `path` to the new or empty folder `target`. Damage is reported, not thrown.
 *
 * @throws NOT_FOUND, INVALID_OPTION if `target` is in use, CORRUPT if `store.json` is damaged, DISK_FULL, IO, ABORTED
 */
export async function backupStore(path: string, target: string, options: BackupOptions = {}): Promise<BackupResult> {
	const names = ["onProgress", "signal", "disk", "clock", "random"];
	rejectUnknown(options, names, "the options of backupStore");
	throwIfAborted(options.signal, "the backup");
	const disk = options.disk ?? nodeDisk();
	const [root, goal] = [resolve(path), resolve(target)];
	try {
		const identity = await readStore(disk, root);
		if (identity === undefined) throw noStore(path);
		await checkTarget(disk, root, goal);
		for (let attempt = 1; ; attempt++) {
			const result = await new Backup(disk, root, goal, identity, options).run();
			if (result !== undefined) return result;
			if (attempt === RESTARTS) throw fail("LOCKED", `${path} changed owners again and again while it was copied`);
		}
	} catch (error) {
		throw ioError(error instanceof SinkError ? error.cause : error, `copying ${path} to ${target}`);
	}
}

async function checkTarget(disk: Disk, root: string, goal: string): Promise<void> {
	const found = await disk.stat(goal);
	const used = found !== undefined && (found.kind !== "folder" || (await disk.list(goal)).length > 0);
	if (used) {
		throw fail(
			"INVALID_OPTION",
			`cannot back up to ${goal}: it is ${found.kind === "folder" ? "not empty" : "no folder"}`,
			{
				hint: "Name a folder that does not exist yet; each backup gets one of its own.",
				details: { path: goal },
			},
		);
	}
	const above = await disk.stat(dirname(goal));
	if (above?.kind !== "folder") {
		throw fail("NOT_FOUND", `cannot back up to ${goal}: there is no folder ${dirname(goal)}`, {
			hint: "Make the folder above it first.",
			details: { path: goal },
		});
	}
	const real = await disk.realPath(dirname(goal));
	const source = await disk.realPath(root);
	if (goal !== root && !`${real}/`.startsWith(`${source}/`)) return;
	throw fail("INVALID_OPTION", `cannot back up ${root} to ${goal}, which lies inside it`, { details: { path: goal } });
}

/** A stream on its way. */
interface StreamCopy {
	readonly from: string;
	readonly to: string;
	/** `undefined` where it cannot be read, or is not there. */
	readonly descriptor: Descriptor | undefined;
	readonly producers: StreamProducersCopy | undefined;
}

class Backup {
	readonly #disk: Disk;
	readonly #root: string;
	readonly #goal: string;
	readonly #identity: StoreIdentity;
	readonly #options: BackupOptions;
	readonly #report: VerifyReport;
	/** The copy until it is whole. */
	readonly #partial: string;
	#bytes = 0;
	#streams = 0;
	#lastRound = 0;

	constructor(disk: Disk, root: string, goal: string, identity: StoreIdentity, options: BackupOptions) {
		this.#disk = disk;
		this.#root = root;
		this.#goal = goal;
		this.#identity = identity;
		this.#options = options;
		this.#report = new VerifyReport(options.onProgress, options.signal);
		this.#partial = `${goal}.partial-${newUuid(options.random ?? systemRandom).slice(0, 8)}`;
	}

	/** Makes the copy; `undefined` if the store was opened meanwhile by somebody who changed what we read. */
	async run(): Promise<BackupResult | undefined> {
		const disk = this.#disk;
		try {
			const before = await this.#sequence();
			const view = await verifyJournal(disk, this.#root, this.#identity, this.#report);
			const streams = join(this.#root, "streams");
			this.#report.totalBytes = await totalBytes(view, streams, undefined);
			await this.#checkRoom(this.#report.totalBytes);
			await disk.mkdir(join(this.#partial, "streams"));
			for await (const folder of folders(view, streams, undefined)) await this.#stream(view, folder);
			// Beside an owner its checkpoints are no matter; a journal that was redone in memory must not have been touched.
			if (view.disk !== disk && (await this.#sequence()) !== before) {
				await this.#discard();
				return undefined;
			}
			await this.#complete();
			return { streams: this.#streams, bytes: this.#bytes, problems: this.#report.problems };
		} catch (error) {
			await this.#discard();
			throw error;
		}
	}

	async #discard(): Promise<void> {
		if ((await this.#disk.stat(this.#partial)) !== undefined)
			await removeTree(this.#disk, this.#partial).catch(() => {});
	}

	async #sequence(): Promise<number | undefined> {
		const checkpoint = readCheckpoint(this.#disk, this.#root, this.#identity.idBytes);
		return (await checkpoint.catch(() => undefined))?.sequence;
	}

	async #checkRoom(bytes: number): Promise<void> {
		const free = await this.#disk.freeBytes(dirname(this.#goal));
		if (free >= bytes) return;
		throw fail("DISK_FULL", `the store has ${bytes} bytes, and ${free} are free for ${this.#goal}`, {
			hint: "Choose a folder on a larger disk, or make room there.",
			details: { path: this.#goal },
		});
	}

	async #stream(view: SegmentView, folder: string): Promise<void> {
		const from = join(this.#root, "streams", folder);
		const to = join(this.#partial, "streams", folder);
		for (let tries = TRIES; tries > 0; tries--) {
			const text = await view.disk.readFile(join(from, DESCRIPTOR)).catch((error) => {
				if (isGone(error)) return undefined;
				throw error;
			});
			const shards = await shardsOf(view, from);
			// Somebody's folder, or a stream that is being deleted; one that holds data is copied whatever it is.
			if (text === undefined && (await this.#isEmpty(view, from, shards))) return;
			await this.#disk.mkdir(to);
			if (text !== undefined) await replaceFile(this.#disk, join(to, DESCRIPTOR), text);
			const descriptor = await this.#descriptor(view, from);
			const producers = await this.#producers(view, from, to, descriptor);
			let whole = true;
			for (const shard of shards) {
				whole = whole && (await this.#shard(view, { from, to, descriptor, producers }, shard));
			}
			const known = producers?.encode();
			if (known !== undefined) await replaceFile(this.#disk, join(to, PRODUCERS_FILE), known);
			const again = await readDescriptor(view.disk, from).catch(() => descriptor);
			if (whole && again?.id === descriptor?.id) {
				this.#streams++;
				return;
			}
			await removeTree(this.#disk, to);
		}
		this.#report.error(fail("IO", `${from} changes faster than it can be copied`), from, 0);
	}

	async #isEmpty(view: SegmentView, from: string, shards: readonly number[]): Promise<boolean> {
		for (const shard of shards) if ((await segmentBases(view, join(from, String(shard)))).length > 0) return false;
		return true;
	}

	async #descriptor(view: SegmentView, from: string): Promise<Descriptor | undefined> {
		try {
			const found = await readDescriptor(view.disk, from);
			if (found === undefined)
				this.#report.damage(join(from, DESCRIPTOR), 0, "the description of the stream is missing");
			return found;
		} catch (error) {
			this.#report.error(error, join(from, DESCRIPTOR), 0);
			return undefined;
		}
	}

	/** What is known of the stream's producers so far; a file that cannot be believed is copied as it is. */
	async #producers(
		{ disk }: SegmentView,
		from: string,
		to: string,
		descriptor: Descriptor | undefined,
	): Promise<StreamProducersCopy | undefined> {
		try {
			if (descriptor !== undefined) return await StreamProducersCopy.read(disk, from, descriptor.id);
		} catch (error) {
			this.#report.error(error, join(from, PRODUCERS_FILE), 0);
		}
		const bytes = await disk.readFile(join(from, PRODUCERS_FILE)).catch(() => undefined);
		if (bytes !== undefined) await replaceFile(this.#disk, join(to, PRODUCERS_FILE), bytes);
		return undefined;
	}

	/** Copies a shard; `false` if files of it vanished meanwhile, so that it has to be copied again. */
	async #shard(view: SegmentView, { from, to, descriptor, producers }: StreamCopy, shard: number): Promise<boolean> {
		const folder = join(to, String(shard));
		await this.#disk.mkdir(folder);
		const met = producers && descriptor && new ShardProducers(descriptor.id, shard);
		const copy = new ShardCopy({ from: view.disk, to: this.#disk, folder }, met);
		const report = new VerifyReport((now) => this.#report.progress(now.bytes), this.#options.signal);
		let whole = true;
		try {
			if (descriptor === undefined) await this.#unknownShard(view, join(from, String(shard)), copy);
			else {
				const stream = { path: from, ids: idsOf(descriptor), kind: descriptor.kind };
				whole = await verifyShard(view, stream, shard, report, copy);
			}
		} finally {
			await copy.finish();
		}
		if (!whole) return false;
		if (met !== undefined) producers?.add(met);
		this.#report.add(report);
		this.#bytes += copy.bytes;
		this.#lastRound = Math.max(this.#lastRound, copy.lastRound);
		await this.#indexes(view, join(from, String(shard)), folder);
		return true;
	}

	/** Without a description it is not known whose frames belong there: the files are copied as they are. */
	async #unknownShard(view: SegmentView, from: string, copy: ShardCopy): Promise<void> {
		for (const base of await segmentBases(view, from)) await copy.raw(existingSegment(from, base), 0, undefined);
	}

	/** Indexes of segments that are complete: caches, which spare the copy's owner from reading all of them. */
	async #indexes(view: SegmentView, from: string, to: string): Promise<void> {
		const bases = await segmentBases({ ...view, disk: this.#disk }, to);
		for (const base of bases.slice(0, -1)) {
			const name = existingSegment("", base).path.replace(/\.seg$/, ".idx");
			const bytes = await view.disk.readFile(join(from, name)).catch(() => undefined);
			if (bytes !== undefined) await replaceFile(this.#disk, join(to, name), bytes);
		}
	}

	async #complete(): Promise<void> {
		const disk = this.#disk;
		const { id, idBytes, createdAt } = this.#identity;
		const checkpoint = await readCheckpoint(disk, this.#root, idBytes).catch(() => undefined);
		await disk.mkdir(join(this.#partial, "journal"));
		await makeJournal(disk, this.#partial, idBytes, {
			sequence: 0,
			incarnation: (checkpoint?.incarnation ?? 0) + 1,
			round: Math.max(checkpoint?.round ?? 0, this.#lastRound) + ROUND_JUMP,
			time: (this.#options.clock ?? systemClock).now(),
		});
		await syncFolders(disk, this.#partial);
		const text = `${JSON.stringify({ format: 1, id, createdAt })}\n`;
		await replaceFile(disk, join(this.#partial, STORE_FILE), new TextEncoder().encode(text));
		throwIfAborted(this.#options.signal, "the backup");
		if ((await disk.stat(this.#goal)) !== undefined) await disk.rmdir(this.#goal);
		await disk.rename(this.#partial, this.#goal);
		await disk.syncDir(dirname(this.#goal));
	}
}

/** Makes the names in a folder and in those below it durable. */
async function syncFolders(disk: Disk, path: string): Promise<void> {
	for (const { name, kind } of await disk.list(path)) if (kind === "folder") await syncFolders(disk, join(path, name));
	await disk.syncDir(path);
}
