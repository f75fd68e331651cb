/**
 * Repairs a store (docs/adr/0017-repair.md): puts right what other files prove, makes appends possible again where the
 * end of a stream can be bounded, and tells what is lost. Nothing readable is lost by it, no position moves, and nothing
 * is made up; originals of all that is changed are kept in a folder of the store.
 */
import { join, resolve } from "node:path/posix";
import { throwIfAborted } from "../../core/abort.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { fail } from "../../core/errors.ts";
import { parseAddress, streamFolder } from "../../core/names.ts";
import { rejectUnknown } from "../../core/options.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { Disk, StoreLocker } from "../../disk/disk.ts";
import { nodeDisk } from "../../disk/node-disk.ts";
import { overlayDisk } from "../../disk/overlay-disk.ts";
import { sqliteLocker } from "../../disk/sqlite-lock.ts";
import { claimOwner, ownerAlive, readOwner } from "../files/owner.ts";
import { readDescriptor, walkFolders } from "../files/stream-folder.ts";
import { readCheckpoint } from "../format/checkpoint-file.ts";
import { ioError } from "../format/corruption.ts";
import { RingRounds } from "../journal/ring-rounds.ts";
import { lockedError, noStore, takeLock } from "../opening/opening.ts";
import { STORE_FILE, type StoreIdentity } from "../opening/store-folder.ts";
import type { ShardToRepair } from "./repair-end.ts";
import { repairIndexes } from "./repair-index.ts";
import { repairJournal, replaceJournal, settleJournal, unowned } from "./repair-journal.ts";
import { restoreNames } from "./repair-names.ts";
import { repairDescriptor, repairIdentity } from "./repair-settings.ts";
import { repairShard } from "./repair-shard.ts";
import { repairStaged } from "./repair-staged.ts";
import { type RepairStep, RepairWork } from "./repair-work.ts";
import { folders, idsOf, shardsOf, verifyStore } from "./verify.ts";
import type { VerifyProblem } from "./verify-report.ts";

/** How to repair. */
export interface RepairOptions {
	/** Change nothing, and tell what would be done. Default false. */
	readonly dryRun?: boolean | undefined;
	/** Of segments and indexes only those of this stream, as `scope/stream`; settings and journal in any case. */
	readonly stream?: string | undefined;
	/** Called with each step before it is done. */
	readonly onStep?: ((step: RepairStep) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
	/** File system, for tests. */
	readonly disk?: Disk | undefined;
	/** Source of time, for tests. */
	readonly clock?: Clock | undefined;
	/** Source of randomness, for tests. */
	readonly random?: Random | undefined;
	/** How the store is locked, for tests. */
	readonly lock?: StoreLocker | undefined;
}

/** Outcome of a repair. */
export interface RepairResult {
	/** Nothing is wrong afterwards. */
	readonly ok: boolean;
	readonly dryRun: boolean;
	/** What was done, or would be. */
	readonly steps: readonly RepairStep[];
	/** Folder with the originals of what was changed; `null` if nothing was. */
	readonly aside: string | null;
	/** What was wrong before. */
	readonly found: readonly VerifyProblem[];
	/** What is wrong afterwards: data that is lost, and ends of streams that cannot be told. */
	readonly problems: readonly VerifyProblem[];
}

/**
 * Repairs the store in the folder `path`. What cannot be repaired is reported, not thrown.
 *
 * @throws NOT_FOUND, LOCKED{pid,url}, CORRUPT if the store's id cannot be known, FORMAT_VERSION, DISK_FULL, IO, ABORTED
 */
export async function repairStore(path: string, options: RepairOptions = {}): Promise<RepairResult> {
	const names = ["dryRun", "stream", "onStep", "signal", "disk", "clock", "random", "lock"];
	rejectUnknown(options, names, "the options of repairStore");
	throwIfAborted(options.signal, "repairing");
	const root = resolve(path);
	const disk = options.disk ?? nodeDisk();
	try {
		if (!(await looksLikeStore(disk, root))) throw noStore(path);
		return options.dryRun === true ? await rehearse(disk, root, options) : await repair(disk, root, options);
	} catch (error) {
		throw ioError(error, `repairing ${path}`);
	}
}

/** A store whose `store.json` is gone still has its folders. */
async function looksLikeStore(disk: Disk, root: string): Promise<boolean> {
	if ((await disk.stat(join(root, STORE_FILE))) !== undefined) return true;
	const streams = await disk.stat(join(root, "streams"));
	return streams?.kind === "folder" && (await disk.list(join(root, "streams"))).length > 0;
}

async function rehearse(disk: Disk, root: string, options: RepairOptions): Promise<RepairResult> {
	const owner = await readOwner(disk, root);
	if (ownerAlive(owner)) throw lockedError(root, owner);
	return await run(overlayDisk(disk), root, options);
}

async function repair(disk: Disk, root: string, options: RepairOptions): Promise<RepairResult> {
	if (!(await disk.writable(root))) {
		throw fail("READ_ONLY", `cannot repair ${root}: the folder may not be written`);
	}
	const { clock = systemClock, random = systemRandom } = options;
	const locker = options.lock ?? sqliteLocker();
	const lock = await takeLock({ root, disk, locker, clock });
	try {
		const owner = await claimOwner(disk, root, { random, clock, process: locker.process });
		try {
			return await run(disk, root, options);
		} finally {
			await owner.release().catch(() => {});
		}
	} finally {
		await lock.release();
	}
}

async function run(disk: Disk, root: string, options: RepairOptions): Promise<RepairResult> {
	const { dryRun = false, onStep, clock = systemClock } = options;
	const stamp = new Date(clock.now()).toISOString().replaceAll(/[:.]/g, "-");
	const work = new RepairWork(disk, root, { real: !dryRun, folder: `repaired-${stamp}`, onStep });
	const found = await problemsOf(await unowned(disk, root), root, options);
	await repairAll(work, options, found.length > 0);
	const left = work.steps.length === 0 ? found : await problemsOf(await unowned(disk, root), root, options);
	const problems = [...work.lost, ...left];
	const kept = !dryRun && (await disk.stat(work.aside)) !== undefined;
	const aside = kept ? work.aside : null;
	return { ok: problems.length === 0, dryRun, steps: work.steps, aside, found, problems };
}

/** Problems as a verification tells them; a store that cannot even be recognised has one. */
async function problemsOf(
	disk: Disk,
	root: string,
	{ stream, signal }: RepairOptions,
): Promise<readonly VerifyProblem[]> {
	if ((await disk.stat(join(root, STORE_FILE))) === undefined) {
		const path = join(root, STORE_FILE);
		return [{ code: "STREAMBED_CORRUPT", path, offset: 0, message: `${path} is damaged at byte 0: it is missing` }];
	}
	return (await verifyStore(root, { disk, stream, signal })).problems;
}

async function repairAll(work: RepairWork, options: RepairOptions, damaged: boolean): Promise<void> {
	const { disk, root } = work;
	const { signal, random = systemRandom, clock = systemClock } = options;
	await settleJournal(work);
	const identity = await repairIdentity(work);
	const ring = await RingRounds.read(disk, root, identity.idBytes, signal);
	for await (const folder of walkFolders(disk, join(root, "streams"))) {
		await repairDescriptor(work, folder, identity, ring, random);
	}
	const only = options.stream === undefined ? undefined : streamFolder(parseAddress(options.stream));
	if (only !== undefined && (await disk.stat(join(root, "streams", only)))?.kind !== "folder") {
		throw fail("NOT_FOUND", `there is no stream ${options.stream} in ${root}`);
	}
	if (damaged || work.steps.length > 0) {
		await repairData(work, identity, ring, only, clock.now());
		return;
	}
	// What is still to be redone would make indexes look wrong that are not.
	const checkpoint = await readCheckpoint(disk, root, identity.idBytes).catch(() => undefined);
	if (checkpoint?.clean !== true) return;
	for await (const shard of shards(work, only))
		await repairIndexes(work, { ...shard, ring, ends: new Map(), clean: true });
}

async function repairData(
	work: RepairWork,
	identity: StoreIdentity,
	ring: RingRounds,
	only: string | undefined,
	now: number,
): Promise<void> {
	// What is to be redone is written to the segments of all streams.
	const { clean: redone = false } =
		(await readCheckpoint(work.disk, work.root, identity.idBytes).catch(() => undefined)) ?? {};
	for await (const shard of shards(work, redone ? only : undefined)) await restoreNames(work, { ...shard, ring });
	const outcome = await repairJournal(work, identity, ring);
	let { lastRound } = outcome;
	// With the journal of all streams gone, the ends of all of them have to be looked at.
	for await (const shard of shards(work, outcome.damaged ? undefined : only)) {
		const { ends, clean } = outcome;
		lastRound = Math.max(lastRound, await repairShard(work, { ...shard, ring, ends, clean }));
		await repairIndexes(work, { ...shard, ring, ends, clean });
		await repairStaged(work, shard.folder);
	}
	if (outcome.damaged) await replaceJournal(work, identity, { ...outcome, lastRound }, now);
}

/** The shards of all streams that have a description, or of one. */
async function* shards(
	{ disk, root }: RepairWork,
	only: string | undefined,
): AsyncGenerator<Pick<ShardToRepair, "folder" | "ids" | "kind" | "shard">> {
	const view = { disk, nobodyWrites: async () => true };
	for await (const below of folders(view, join(root, "streams"), only)) {
		const path = join(root, "streams", below);
		const descriptor = await readDescriptor(disk, path).catch(() => undefined);
		if (descriptor === undefined) continue;
		const ids = idsOf(descriptor);
		for (const shard of await shardsOf(view, path)) {
			yield { folder: join(path, String(shard)), ids, kind: descriptor.kind, shard };
		}
	}
}
