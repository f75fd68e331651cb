/**
 * Verifies the journal: checkpoint slots, headers of the ring files, and, where no owner is alive, the rounds. What the
 * rounds hold beyond the segments is no damage: the segments are verified as the next owner will find them after redo,
 * which is done in memory for that.
 */
import { join } from "node:path/posix";
import type { Disk } from "../../disk/disk.ts";
import { overlayDisk } from "../../disk/overlay-disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { ownerAlive, readOwner } from "../files/owner.ts";
import {
	type Checkpoint,
	checkpointPath,
	decodeCheckpoint,
	readCheckpoint,
	SLOT_BYTES,
} from "../format/checkpoint-file.ts";
import { listRing, readRingHeader } from "../journal/ring.ts";
import { redoJournal } from "../opening/opening.ts";
import type { StoreIdentity } from "../opening/store-folder.ts";
import type { VerifyReport } from "./verify-report.ts";

/** The journal moved under our hands so often: somebody is writing it whom we can't see. */
const TRIES = 2;

/** How the segments are to be verified. */
export interface SegmentView {
	readonly disk: Disk;
	/** Tells whether nobody can be writing the segments now. */
	readonly nobodyWrites: () => Promise<boolean>;
}

/** Verifies the journal of a store. */
export async function verifyJournal(
	disk: Disk,
	root: string,
	identity: StoreIdentity,
	report: VerifyReport,
): Promise<SegmentView> {
	await verifyRing(disk, root, identity, report);
	const live = { disk, nobodyWrites: () => isStill(disk, root, identity) };
	let start = await verifyCheckpoint(disk, root, identity, report);
	for (let attempt = 0; ; attempt++) {
		if (start === undefined || start.clean || (await isOwned(disk, root))) return live;
		const overlay = overlayDisk(disk);
		let failure: unknown;
		let cutBytes = 0;
		try {
			cutBytes = (await redoJournal({ root, disk: overlay }, identity, start)).tailCutBytes;
		} catch (error) {
			failure = error;
		}
		const again = await readCheckpoint(disk, root, identity.idBytes).catch(() => undefined);
		const moved = again?.sequence !== start.sequence || (await isOwned(disk, root));
		if (moved && attempt < TRIES) {
			start = again;
			continue;
		}
		if (moved) return { disk, nobodyWrites: async () => false };
		if (failure !== undefined) {
			report.error(failure, join(root, "journal"), 0);
			return live;
		}
		report.tailCutBytes = cutBytes;
		return { disk: overlay, nobodyWrites: async () => true };
	}
}

async function isOwned(disk: Disk, root: string): Promise<boolean> {
	return ownerAlive(await readOwner(disk, root));
}

async function isStill(disk: Disk, root: string, identity: StoreIdentity): Promise<boolean> {
	const checkpoint = await readCheckpoint(disk, root, identity.idBytes).catch(() => undefined);
	return checkpoint?.clean === true || !(await isOwned(disk, root));
}

/** Checks both slots; returns the one that counts. */
async function verifyCheckpoint(
	disk: Disk,
	root: string,
	identity: StoreIdentity,
	report: VerifyReport,
): Promise<Checkpoint | undefined> {
	const path = checkpointPath(root);
	try {
		const best = await readCheckpoint(disk, root, identity.idBytes);
		// An owner that died while it wrote a slot left it torn; after a clean close both are whole, or one was never written.
		if (!best.clean) {
			// Without an owner the redo tells.
			if (await isOwned(disk, root)) await verifyStart(disk, root, identity, best, report);
			return best;
		}
		const bytes = await disk.readFile(path);
		for (const at of [0, SLOT_BYTES]) {
			const slot = bytes.subarray(at, at + SLOT_BYTES);
			const bad = decodeCheckpoint(slot, identity.idBytes) === undefined && slot.some((byte) => byte !== 0);
			if (bad && (await isStill(disk, root, identity)))
				report.damage(path, at, "this slot of the checkpoint fails its check");
		}
		return best;
	} catch (error) {
		report.error(error, path, 0);
		return undefined;
	}
}

/** The ring file in which redo begins must be there: without it an opening would find nothing to redo. */
async function verifyStart(
	disk: Disk,
	root: string,
	identity: StoreIdentity,
	{ file, sequence }: Checkpoint,
	report: VerifyReport,
): Promise<void> {
	const files = await listRing(disk, join(root, "journal"));
	if (files.some(({ number }) => number === file)) return;
	const again = await readCheckpoint(disk, root, identity.idBytes).catch(() => undefined);
	if (again?.sequence !== sequence) return;
	report.damage(join(root, "journal"), 0, `journal file ${file} is missing, and rounds in it are to be redone`);
}

async function verifyRing(disk: Disk, root: string, identity: StoreIdentity, report: VerifyReport): Promise<void> {
	const folder = join(root, "journal");
	const files = await listRing(disk, folder).catch((error) => {
		if (isGone(error)) report.damage(folder, 0, "the folder is missing, and with it what was appended last");
		else report.error(error, folder, 0);
		return [];
	});
	for (const { number, path } of files) {
		try {
			const file = await disk.open(path, "read");
			try {
				const size = await readRingHeader(file, identity.idBytes, number);
				if (size === undefined) report.damage(path, 0, "the header of this journal file fails its check");
				else if ((await file.size()) < size) report.damage(path, await file.size(), "this journal file is cut short");
			} finally {
				await file.close();
			}
		} catch (error) {
			// A file beyond the bound may have been removed meanwhile.
			if ((await disk.stat(path)) !== undefined) report.error(error, path, 0);
		}
	}
}
