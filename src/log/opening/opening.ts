/** Opening a store as its owner: lock, journal walk, redo, next incarnation (docs/commit-protocol.md §4). */
import { join } from "node:path/posix";
import type { Clock } from "../../core/clock.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { RecoveryReport } from "../../core/shard.ts";
import type { Disk, DiskFile, HeldLock, StoreLocker } from "../../disk/disk.ts";
import { dropReserve } from "../commit/reserve.ts";
import { claimOwner, lockName, type Owner, type OwnerInfo, ownerAlive, readOwner } from "../files/owner.ts";
import { sweepFolders } from "../files/stream-folder.ts";
import { type Checkpoint, CheckpointFile, checkpointPath, readCheckpoint } from "../format/checkpoint-file.ts";
import { readU64, viewOf } from "../format/checksum.ts";
import { corrupt, ioError } from "../format/corruption.ts";
import { JournalWalk, type WalkedRound } from "../journal/journal-walk.ts";
import { Ring } from "../journal/ring.ts";
import { ROUND_ALIGN } from "../journal/round.ts";
import { Redo } from "./redo.ts";
import { checkNoStreams, checkUnused, makeStore, readStore, type StoreIdentity } from "./store-folder.ts";

/** Round numbers jump by this at each opening: more than the ring can hold of rounds that a crash took back. */
const ROUND_JUMP = 2 ** 20;
const REDO_OPEN_FILES = 256;
/** A lock whose holder has just come is asked for again, so often and after such pauses. */
const LOCK_TRIES = 12;
const LOCK_PAUSE_MS = 25;
const LOCK_FRESH_MS = 2000;

/** Where and with what a store is opened. */
export interface OpeningOptions {
	readonly root: string;
	readonly disk: Disk;
	readonly clock: Clock;
	readonly random: Random;
	readonly locker: StoreLocker;
	/** Make a store if there is none. */
	readonly create: boolean;
	readonly unsynced: boolean;
}

/** A store that this process owns, redone and empty of rounds. */
export interface OpenedStore {
	readonly identity: StoreIdentity;
	readonly lock: HeldLock;
	readonly owner: Owner;
	readonly checkpoint: CheckpointFile;
	readonly recovery: RecoveryReport;
}

/** Takes possession of a store. @throws NOT_FOUND, LOCKED, READ_ONLY, CORRUPT, FORMAT_VERSION, IO, DISK_FULL */
export async function openStore(options: OpeningOptions): Promise<OpenedStore> {
	try {
		return await open(options).catch(async (error) => {
			// On a full disk even OWNER needs room; the reserve is there for that.
			const full = ioError(error, "").code === "STREAMBED_DISK_FULL";
			if (full && (await dropReserve(options.disk, options.root))) return await open(options);
			throw error;
		});
	} catch (error) {
		throw ioError(error, `opening ${options.root}`);
	}
}

async function open(options: OpeningOptions): Promise<OpenedStore> {
	const { root, disk } = options;
	if ((await readStore(disk, root)) === undefined) {
		if (!options.create) throw noStore(root);
		await checkUnused(disk, root);
		await checkNoStreams(disk, root);
		await disk.mkdir(root);
	}
	if (!(await disk.writable(root))) {
		throw fail("READ_ONLY", `cannot open ${root} for writing: the folder may not be written`, {
			hint: 'Open it with mode "read", or change the permissions of the folder.',
		});
	}
	const lock = await takeLock(options);
	let owner: Owner | undefined;
	try {
		owner = await claimOwner(disk, root, { ...options, process: options.locker.process });
		const found = await readStore(disk, root);
		const identity = found ?? (await makeStore(disk, root, options.random, options.clock.now()));
		if (found !== undefined && (await disk.stat(join(root, "journal"))) === undefined) throw noJournal(root);
		// A person who removed all streams may have removed their folder with them.
		const streams = join(root, "streams");
		if ((await disk.stat(streams)) === undefined) await disk.mkdir(streams);
		// Who made the store may have been killed before these syncs: what is about to be promised rests on the names.
		for (const folder of [join(root, "journal"), root]) await disk.syncDir(folder);
		const recovered = await recover(options, identity);
		await owner.ready().catch(async (error) => {
			await recovered.checkpoint.close().catch(() => {});
			throw error;
		});
		return { identity, lock, owner, ...recovered };
	} catch (error) {
		await owner?.release().catch(() => {});
		await lock.release();
		throw error;
	}
}

/** The error for a folder without a store. */
export function noStore(root: string): StreambedError {
	return fail("NOT_FOUND", `there is no store at ${root}`, {
		hint: "A store is made by opening it for writing, or by `streambed create`.",
		details: { path: root },
	});
}

function noJournal(root: string): StreambedError {
	const what = "the folder is missing, and with it what was appended last";
	return corrupt({ path: join(root, "journal"), offset: 0, what });
}

/** Takes the lock of a store. @throws LOCKED */
export async function takeLock(options: Pick<OpeningOptions, "root" | "disk" | "locker" | "clock">): Promise<HeldLock> {
	const { root, disk, locker, clock } = options;
	let lock = await locker.tryLock(join(root, lockName));
	let holder = await readOwner(disk, root);
	for (let tries = LOCK_TRIES; lock === undefined && tries > 0; tries--) {
		// A reader that recovers a dead owner's store holds the lock for a moment only.
		const fresh = holder !== undefined && clock.now() - holder.startedAt < LOCK_FRESH_MS;
		if (locker.process === undefined || !fresh) break;
		await new Promise<void>((resolve) => clock.setTimer(LOCK_PAUSE_MS, resolve));
		lock = await locker.tryLock(join(root, lockName));
		holder = await readOwner(disk, root);
	}
	if (lock === undefined) throw lockedError(root, holder);
	try {
		const here = holder?.folder === undefined || holder.folder === (await disk.stat(root))?.identity;
		if (locker.process !== undefined && here && ownerAlive(holder)) throw lockedError(root, holder);
	} catch (error) {
		await lock.release();
		throw error;
	}
	return lock;
}

/** The error for a store that another process owns. */
export function lockedError(root: string, holder: OwnerInfo | undefined): StreambedError {
	const who = holder === undefined ? "another process" : `process ${holder.pid}`;
	return fail("LOCKED", `the store at ${root} is owned by ${who}`, {
		details: { path: root, pid: holder?.pid ?? null, url: holder?.url ?? null },
	});
}

async function recover(
	options: OpeningOptions,
	identity: StoreIdentity,
): Promise<{ checkpoint: CheckpointFile; recovery: RecoveryReport }> {
	const { root, disk, clock, random } = options;
	const start = await readCheckpoint(disk, root, identity.idBytes);
	const file = await disk.open(checkpointPath(root), "write", { durable: true });
	const checkpoint = new CheckpointFile(file, identity.idBytes, start);
	try {
		await checkpoint.confirm();
		const recovery = await redoJournal(options, identity, start);
		await sweepFolders(disk, join(root, "streams"));
		// Whose first file the new checkpoint names.
		await new Ring(disk, root, identity.idBytes, { durable: true, limitBytes: 0 }).prepare();
		await checkpoint.write({
			clean: false,
			unsynced: options.unsynced,
			incarnation: start.incarnation + 1,
			round: start.round + recovery.rounds + ROUND_JUMP,
			file: 0,
			offset: ROUND_ALIGN,
			previous: viewOf(random.bytes(4)).getUint32(0, true),
			nonce: newNonce(random),
			time: clock.now(),
		});
		return { checkpoint, recovery };
	} catch (error) {
		await checkpoint.close().catch(() => {});
		throw error;
	}
}

/** Outcome of a redo. */
export interface RedoReport extends RecoveryReport {
	/** Whole rounds in the journal, one included that was dropped because a payload that it names was not. */
	readonly walkedRounds: number;
}

/**
 * Brings the segments up to what the journal holds. If the journal turns out to be damaged, what was durable before the
 * damage may have been carried out, which an opening may do any number of times, and nothing else has changed.
 */
export async function redoJournal(
	options: { readonly root: string; readonly disk: Disk },
	identity: StoreIdentity,
	start: Checkpoint,
): Promise<RedoReport> {
	const { root, disk } = options;
	const { clean, unsynced } = start;
	const walk = await JournalWalk.open(disk, root, identity.idBytes, start);
	try {
		// Without syncs nothing proves that a round was durable, and all of them have to be known before one is believed.
		const last = unsynced ? await lastRound(walk) : undefined;
		const redo = new Redo(disk, root, REDO_OPEN_FILES);
		const { rounds, cutBytes } = await redoRounds(disk, walk, redo, last).catch(async (error) => {
			await redo.abandon();
			throw error;
		});
		const { redoneBytes } = redo;
		if (cutBytes > 0) return { clean, rounds: rounds - 1, walkedRounds: rounds, redoneBytes, tailCutBytes: cutBytes };
		return { clean, rounds, walkedRounds: rounds, redoneBytes, tailCutBytes: walk.tailCutBytes };
	} finally {
		await walk.close();
	}
}

/** Number of the last whole round; the walk begins anew. */
async function lastRound(walk: JournalWalk): Promise<number> {
	let last = Number.NaN;
	for await (const { header } of walk.rounds()) last = header.number;
	walk.restart();
	return last;
}

/**
 * Redoes the rounds; of those that were written without syncs the `last` one is known, of others it is the one that is not proven.
 * Returns how many there were, and the bytes of the last one if it is incomplete and was dropped.
 */
async function redoRounds(
	disk: Disk,
	walk: JournalWalk,
	redo: Redo,
	last: number | undefined,
): Promise<{ rounds: number; cutBytes: number }> {
	const unsynced = last !== undefined;
	let rounds = 0;
	for await (const round of walk.rounds(() => redo.flush())) {
		rounds++;
		const isLast = unsynced ? round.header.number === last : !round.proven;
		if (isLast && !(await redo.holds(round))) {
			await redo.finish(unsynced);
			return { rounds, cutBytes: round.bytes.length };
		}
		// The last round may stand in the cache alone: its writer died in its sync. It is made certain before it is shown.
		if (isLast || unsynced) await rewrite(disk, round);
		await redo.apply(round, isLast);
	}
	if (unsynced && !Number.isNaN(last) && walk.expected <= last) {
		// Every byte is checked each time it is read: a disk that answers differently the second time is not believed.
		const what = `round ${last} was there a moment ago, round ${walk.expected} is not now`;
		throw corrupt({ ...walk.place, what });
	}
	if (rounds > 0) await redo.finish(unsynced);
	return { rounds, cutBytes: 0 };
}

/** Lets go of a store's folder, whatever fails on the way: all that was acknowledged is on the disk. */
export async function letGoOfFolder(
	root: string,
	held: readonly { close(): Promise<void> }[],
	owner: Owner,
	lock: HeldLock,
): Promise<void> {
	const outcomes = await Promise.allSettled(held.map((one) => one.close()));
	outcomes.push(...(await Promise.allSettled([owner.release()])));
	await lock.release();
	const failed = outcomes.find((outcome) => outcome.status === "rejected");
	if (failed !== undefined) throw ioError(failed.reason, `closing ${root}`);
}

async function rewrite(disk: Disk, round: WalkedRound): Promise<void> {
	const file: DiskFile = await disk.open(round.path, "write", { durable: true });
	try {
		await file.writeDurable(round.bytes, round.offset);
	} finally {
		await file.close();
	}
}

function newNonce(random: Random): number {
	const bytes = new Uint8Array(8);
	bytes.set(random.bytes(6));
	return readU64(viewOf(bytes), 0);
}
