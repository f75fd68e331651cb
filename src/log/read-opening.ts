/**
 * Makes a store ready to be read by a process that will not own it (docs/commit-protocol.md §6): beside a living owner
 * nothing is to be done; what a dead one left in the journal is redone, on the disk if that may be written, else in memory.
 */
import { abortError } from "../core/abort.ts";
import type { Clock } from "../core/clock.ts";
import { StreambedError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import type { Random } from "../core/random.ts";
import type { RecoveryReport } from "../core/shard.ts";
import type { Disk, StoreLocker } from "../disk/disk.ts";
import { overlayDisk } from "../disk/overlay-disk.ts";
import { isGone } from "../disk/system-error.ts";
import { ownerAlive, readOwner } from "./files/owner.ts";
import { type Checkpoint, readCheckpoint } from "./format/checkpoint-file.ts";
import { ioError } from "./format/corruption.ts";
import { JournalWalk } from "./journal/journal-walk.ts";
import { LogStore } from "./log-store.ts";
import { noStore, type RedoReport, redoJournal } from "./opening/opening.ts";
import { readStore, type StoreIdentity } from "./opening/store-folder.ts";

/** An owner that is just opening the store redoes its journal: so long is waited for it, and looked so often. */
const READY_MS = 5000;
const READY_PAUSE_MS = 10;
/** Changes under our hands are met so often before the segments are read as they are. */
const TRIES = 3;

/** Where and with what a store is to be read. */
export interface ReadingOptions {
	readonly root: string;
	readonly disk: Disk;
	readonly clock: Clock;
	readonly random: Random;
	readonly locker: StoreLocker;
	readonly limits: Limits;
	readonly signal?: AbortSignal | undefined;
}

/** A store whose segments hold all that is durable, or are just being written by its owner. */
export interface ReadableStore {
	readonly identity: StoreIdentity;
	/** The disk to read through: the given one, or one that shows the redone journal. */
	readonly disk: Disk;
	/** What the disk shows never changes. */
	readonly still: boolean;
	/** Rounds were written without sync. */
	readonly unsynced: boolean;
	readonly recovery: RecoveryReport;
}

const nothingDone: RecoveryReport = { clean: true, rounds: 0, redoneBytes: 0, tailCutBytes: 0 };

/** Makes a store readable. @throws NOT_FOUND, CORRUPT, FORMAT_VERSION, IO, ABORTED */
export async function makeReadable(options: ReadingOptions): Promise<ReadableStore> {
	const { root, disk } = options;
	try {
		const identity = await readStore(disk, root);
		if (identity === undefined) throw noStore(root);
		return await prepare(options, identity);
	} catch (error) {
		throw ioError(error, `opening ${root}`);
	}
}

async function prepare(options: ReadingOptions, identity: StoreIdentity): Promise<ReadableStore> {
	const { root, disk, clock, signal } = options;
	const start = clock.monotonic();
	let changes = 0;
	let before: string | undefined;
	for (;;) {
		if (signal?.aborted) throw abortError(signal, `opening ${root}`);
		const checkpoint = await checkpointOf(disk, root, identity);
		const clean = checkpoint?.clean ?? false;
		const unsynced = checkpoint?.unsynced ?? false;
		const asItIs = { identity, disk, still: false, unsynced, recovery: { ...nothingDone, clean } };
		if (checkpoint === undefined || clean || changes > TRIES) return asItIs;
		const owner = await readOwner(disk, root);
		const recovery = ownerAlive(owner) ? "locked" : await recover(options, unsynced);
		if (recovery === "locked") {
			// One whose death cannot be told may have left its OWNER to the one that holds the lock now: it is asked twice.
			const ready = owner?.ready === true && (ownerAlive(owner) || owner.nonce === before);
			before = owner?.nonce;
			if (ready || clock.monotonic() - start > READY_MS) return asItIs;
			await new Promise<void>((resolve) => clock.setTimer(READY_PAUSE_MS, resolve));
			continue;
		}
		if (recovery === "damaged") return asItIs;
		if (recovery !== "unwritable") return { ...asItIs, recovery };
		const redone = await redoInMemory(options, identity, checkpoint);
		if (redone === "damaged") return asItIs;
		if (redone !== "changed") return { ...asItIs, disk: redone.disk, still: true, recovery: redone.recovery };
		changes++;
	}
}

/** The checkpoint, or `undefined` if it is damaged or missing: then the segments are read as they are. */
async function checkpointOf(disk: Disk, root: string, identity: StoreIdentity): Promise<Checkpoint | undefined> {
	try {
		return await readCheckpoint(disk, root, identity.idBytes);
	} catch (error) {
		if (isGone(error) || StreambedError.is(error, "STREAMBED_CORRUPT")) return undefined;
		throw error;
	}
}

/** Opens and closes the store as an owner would, or says why that cannot be. */
async function recover(
	options: ReadingOptions,
	unsynced: boolean,
): Promise<RecoveryReport | "locked" | "damaged" | "unwritable"> {
	try {
		const store = await LogStore.open({ ...options, create: false, durability: unsynced ? "os" : "sync" });
		await store.close();
		return store.recovery;
	} catch (error) {
		if (StreambedError.is(error, "STREAMBED_LOCKED")) return "locked";
		if (StreambedError.is(error, "STREAMBED_CORRUPT")) return "damaged";
		if (StreambedError.is(error, "STREAMBED_READ_ONLY") || StreambedError.is(error, "STREAMBED_DISK_FULL")) {
			return "unwritable";
		}
		throw error;
	}
}

/** Redoes the journal into memory, provided that nobody changes it meanwhile. */
async function redoInMemory(
	options: ReadingOptions,
	identity: StoreIdentity,
	start: Checkpoint,
): Promise<{ disk: Disk; recovery: RecoveryReport } | "changed" | "damaged"> {
	const { root, disk } = options;
	const overlay = overlayDisk(disk);
	let recovery: RedoReport | undefined;
	try {
		recovery = await redoJournal({ root, disk: overlay }, identity, start);
	} catch (error) {
		if (!isGone(error) && !StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
	}
	const again = await checkpointOf(disk, root, identity);
	if (again?.sequence !== start.sequence) return "changed";
	if (recovery === undefined) return "damaged";
	return (await countRounds(disk, root, identity, start)) === recovery.walkedRounds
		? { disk: overlay, recovery }
		: "changed";
}

async function countRounds(disk: Disk, root: string, identity: StoreIdentity, start: Checkpoint): Promise<number> {
	let walk: JournalWalk | undefined;
	let rounds = 0;
	try {
		walk = await JournalWalk.open(disk, root, identity.idBytes, start);
		for await (const _ of walk.rounds()) rounds++;
	} catch (error) {
		if (!StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
	} finally {
		await walk?.close();
	}
	return rounds;
}
