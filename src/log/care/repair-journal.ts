/**
 * Brings the segments up to what the journal holds although checkpoint, ring files or rounds are damaged, and gives the
 * store an empty journal in place of a damaged one (docs/adr/0017-repair.md).
 *
 * Rounds are redone in order, those that are missing left out; nothing is cut behind redone frames, since what stands
 * there may be of a round that can't be read.
 */
import { join } from "node:path/posix";
import { StreambedError } from "../../core/errors.ts";
import { formatUuid } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { overlayDisk } from "../../disk/overlay-disk.ts";
import { ownerName } from "../files/owner.ts";
import { findFolders, removeTree, type StreamFolder } from "../files/stream-folder.ts";
import { type Checkpoint, CheckpointFile, checkpointPath, readCheckpoint } from "../format/checkpoint-file.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName, segmentNumber } from "../format/segment-header.ts";
import { listRing, readRingHeader } from "../journal/ring.ts";
import type { RingRound, RingRounds } from "../journal/ring-rounds.ts";
import {
	type Envelope,
	EnvelopeKind,
	ROUND_ALIGN,
	ROUND_HEADER_BYTES,
	readRoundHeader,
	roundBytes,
} from "../journal/round.ts";
import { redoJournal } from "../opening/opening.ts";
import { Redo } from "../opening/redo.ts";
import { makeJournal, type StoreIdentity } from "../opening/store-folder.ts";
import { type RepairWork, setFolderAside } from "./repair-work.ts";
import { verifyJournal } from "./verify-journal.ts";
import { VerifyReport } from "./verify-report.ts";

const REDO_OPEN_FILES = 256;
/** Round numbers jump by this, as at an opening. */
const ROUND_JUMP = 2 ** 20;

/** What the journal says of the segments beyond what it could restore. */
export interface JournalOutcome {
	/** The journal is damaged: it is to be replaced once the segments are repaired. */
	readonly damaged: boolean;
	/** The last owner closed the store. */
	readonly clean: boolean;
	/** Files of segments, and how long they were at least: durable frames stood there that are lost. */
	readonly ends: ReadonlyMap<string, number>;
	readonly lastRound: number;
	readonly incarnation: number;
}

/** Where a new journal is made before it takes the place of the old one. */
function workshop(root: string): string {
	return join(root, "journal.new");
}

/** Completes a replacement that a crash cut short, or removes what it left */
async function completeReplacement(work: RepairWork): Promise<void> {
	const { disk, root } = work;
	const made = join(workshop(root), "journal");
	if ((await disk.stat(workshop(root))) === undefined) return;
	const ready = (await disk.stat(join(workshop(root), "ready"))) !== undefined;
	if (ready && (await disk.stat(join(root, "journal"))) === undefined && (await disk.stat(made)) !== undefined) {
		await work.rename(made, join(root, "journal"), "put in place, as a repair before this one had begun to");
	}
	await removeTree(disk, workshop(root));
}

/** Brings the journal's folder into a state that can be read: whatever stood in the place of a file is aside. */
export async function settleJournal(work: RepairWork): Promise<void> {
	await completeReplacement(work);
	const ring = await listRing(work.disk, join(work.root, "journal")).catch(() => []);
	for (const path of [checkpointPath(work.root), ...ring.map((file) => file.path)]) await setFolderAside(work, path);
}

/**
 * The disk as a verification has to see it: the one who repairs holds the store, and `OWNER`, which names him, would say
 * that somebody is writing.
 */
export async function unowned(disk: Disk, root: string): Promise<Disk> {
	const view = overlayDisk(disk);
	await view.unlink(join(root, ownerName));
	return view;
}

/** Redoes what can be redone. */
export async function repairJournal(
	work: RepairWork,
	identity: StoreIdentity,
	ring: RingRounds,
): Promise<JournalOutcome> {
	const { disk, root } = work;
	const start = await readCheckpoint(disk, root, identity.idBytes).catch((error) => {
		if (StreambedError.is(error, "STREAMBED_CORRUPT")) return undefined;
		throw error;
	});
	const report = new VerifyReport(undefined, undefined);
	await verifyJournal(await unowned(disk, root), root, identity, report);
	const known = ring.rounds.map(({ header }) => header);
	const lastRound = Math.max(start?.round ?? 0, ...known.map(({ number }) => number));
	const incarnation = Math.max(start?.incarnation ?? 0, ...known.map((header) => header.incarnation));
	const outcome = { clean: start?.clean ?? false, ends: new Map<string, number>(), lastRound, incarnation };
	if (report.problems.length === 0 && start !== undefined) {
		if (!start.clean) await redoWhole(work, identity, start);
		return { ...outcome, damaged: false };
	}
	const rounds = toRedo(ring, start);
	await redoDamaged(work, ring, rounds, outcome.ends);
	if (start?.clean !== true) await noteLost(work, identity, start, rounds.at(-1));
	return { ...outcome, damaged: true };
}

/** An undamaged journal is redone as an opening does it; afterwards there is nothing to redo. */
async function redoWhole(work: RepairWork, identity: StoreIdentity, start: Checkpoint): Promise<void> {
	const { disk, root } = work;
	work.note(join(root, "journal"), "redone into the segments, as an opening does it");
	const { rounds } = await redoJournal({ root, disk }, identity, start);
	const file = await disk.open(checkpointPath(root), "write", { durable: true });
	const checkpoint = new CheckpointFile(file, identity.idBytes, start);
	try {
		await checkpoint.confirm();
		const next = { round: start.round + rounds + ROUND_JUMP, file: 0, offset: ROUND_ALIGN, previous: 0, nonce: 0 };
		await checkpoint.write({ ...start, ...next, clean: true, incarnation: start.incarnation + 1 });
	} finally {
		await checkpoint.close();
	}
}

/** Rounds that have to be redone, in order: from the checkpoint on, or all of the last incarnation if it is not known. */
function toRedo({ rounds }: RingRounds, start: Checkpoint | undefined): RingRound[] {
	const newest = rounds.toSorted((a, b) => b.header.number - a.header.number)[0]?.header;
	if (newest === undefined) return [];
	const newer =
		start !== undefined &&
		(newest.incarnation > start.incarnation ||
			(start.clean && newest.nonce === start.nonce && newest.number >= start.round));
	// After a clean close nothing is to be redone, whatever else is wrong with the journal.
	if (start?.clean && !newer) return [];
	const [nonce, from] = start === undefined || newer ? [newest.nonce, 0] : [start.nonce, start.round];
	const mine = rounds
		.filter(({ header }) => header.nonce === nonce && header.number >= from)
		.toSorted((a, b) => a.header.number - b.header.number);
	// The last round was never complete if it is not whole.
	while (mine.at(-1)?.whole === false) mine.pop();
	const first = mine[0]?.header;
	if (first?.unsynced !== true) return mine;
	// Without syncs only what follows without a gap was ever shown.
	const gap = mine.findIndex(({ header, whole }, index) => !whole || header.number !== first.number + index);
	return gap < 0 ? mine : mine.slice(0, gap);
}

async function redoDamaged(
	work: RepairWork,
	ring: RingRounds,
	rounds: readonly RingRound[],
	ends: Map<string, number>,
): Promise<void> {
	const [first] = rounds;
	if (first === undefined) return;
	const { disk, root } = work;
	const last = (rounds.at(-1) as RingRound).header.number;
	const missing = last - first.header.number + 1 - rounds.length;
	const broken = rounds.filter(({ whole }) => !whole).length;
	const more = broken === 0 ? "" : `; of ${counted(broken)} more, damaged, what is still whole`;
	work.note(join(root, "journal"), `${counted(rounds.length - broken)} redone into the segments${more}`);
	if (missing > 0) {
		const between = `between ${first.header.number} and ${last}`;
		const what = `${counted(missing)} ${between} cannot be read: what of it is not in the segments yet is lost`;
		work.note(join(root, "journal"), what);
	}
	const lost: Envelope[] = [];
	const redo = new Redo(disk, root, REDO_OPEN_FILES);
	try {
		await makeSegments(work, ring, rounds);
		for (const found of rounds) {
			const loaded = await ring.load(found);
			lost.push(...loaded.lost);
			await redo.apply(loaded.round, true);
		}
		await redo.finish(true, true);
	} catch (error) {
		await redo.abandon();
		throw error;
	}
	if (lost.length > 0) await noteEnds(work, lost, ends);
}

/**
 * Says where the journal breaks off, so that rounds which were acknowledged may be gone: where it is to begin in a file that is
 * missing, or where the place of the next round lies behind the end of a file that was longer.
 */
async function noteLost(
	work: RepairWork,
	identity: StoreIdentity,
	start: Checkpoint | undefined,
	last: RingRound | undefined,
): Promise<void> {
	const { disk, root } = work;
	const folder = join(root, "journal");
	const files = await listRing(disk, folder).catch(() => []);
	const what = "what of them is not in the segments is lost, and its positions may be given away again";
	const begins =
		start !== undefined && (last === undefined || last.header.nonce !== start.nonce) ? start.file : undefined;
	if (files.length === 0 || (begins !== undefined && !files.some(({ number }) => number === begins))) {
		return work.lose(
			folder,
			0,
			`files of the journal were missing, and perhaps rounds in them were to be redone: ${what}`,
		);
	}
	const number = last?.header.file ?? start?.file;
	const file = files.find((one) => one.number === number);
	if (file === undefined) return;
	const next = last === undefined ? (start as Checkpoint).offset : last.offset + lengthOf(last);
	const ring = await disk.open(file.path, "read");
	try {
		const size = await ring.size();
		const made = await readRingHeader(ring, identity.idBytes, file.number);
		if (size >= (made ?? 0)) return;
		const head = new Uint8Array(ROUND_HEADER_BYTES);
		const header = (await ring.read(head, next)) < head.length ? undefined : readRoundHeader(head);
		const begun = header !== undefined && header.offset === next && header.number === (last?.header.number ?? -1) + 1;
		if (next + ROUND_ALIGN > size || begun)
			work.lose(file.path, size, `this journal file was cut short, and rounds behind that were to be redone: ${what}`);
	} finally {
		await ring.close();
	}
}

function lengthOf({ header }: RingRound): number {
	return roundBytes(header.envelopes, header.bodyBytes);
}

function counted(rounds: number): string {
	return `${rounds} round${rounds === 1 ? "" : "s"}`;
}

/** Segments whose first frame was lost with its round: frames behind it have a place only if the file is there. */
async function makeSegments(work: RepairWork, ring: RingRounds, rounds: readonly RingRound[]): Promise<void> {
	const { disk, root } = work;
	const first = new Map<string, Envelope>();
	for (const found of rounds) {
		for (const envelope of (await ring.load(found)).round.envelopes) {
			if (!hasPlace(envelope)) continue;
			const key = `${formatUuid(envelope.streamId)}/${envelope.shard}/${envelope.base}`;
			const before = first.get(key);
			const { body: _, ...rest } = envelope;
			if (before === undefined || envelope.fileOffset < before.fileOffset) first.set(key, rest as Envelope);
		}
	}
	let streams: Map<string, StreamFolder> | undefined;
	for (const envelope of first.values()) {
		if (envelope.fileOffset === SEGMENT_HEADER_BYTES) continue;
		streams ??= await findFolders(disk, join(root, "streams"));
		const stream = streams.get(formatUuid(envelope.streamId));
		if (stream === undefined) continue;
		const { shard, base, streamId } = envelope;
		const folder = join(root, "streams", stream.folder, String(shard));
		const path = join(folder, segmentName(base));
		if ((await disk.stat(path)) !== undefined) continue;
		const number = segmentNumber(base);
		const header = encodeSegmentHeader({ kind: stream.kind, streamId, shard, number, base, createdAt: 0 });
		await disk.mkdir(folder);
		await work.put(path, "made anew: frames of it are in the journal, the first one is lost", header);
	}
}

/** Tells whether it is of a frame, which has a place in a segment. */
function hasPlace({ kind }: Pick<Envelope, "kind">): boolean {
	return kind === EnvelopeKind.frame || kind === EnvelopeKind.placed;
}

/** How long segments were at least, where durable frames are lost. */
async function noteEnds(
	{ disk, root }: RepairWork,
	lost: readonly Envelope[],
	ends: Map<string, number>,
): Promise<void> {
	const streams = await findFolders(disk, join(root, "streams"));
	for (const envelope of lost) {
		const stream = streams.get(formatUuid(envelope.streamId));
		if (stream === undefined || !hasPlace(envelope)) continue;
		const path = join(root, "streams", stream.folder, String(envelope.shard), segmentName(envelope.base));
		ends.set(path, Math.max(ends.get(path) ?? 0, envelope.fileOffset + envelope.body.length));
	}
}

/** Puts an empty journal in the place of a damaged one, which is kept among the originals. */
export async function replaceJournal(
	work: RepairWork,
	identity: StoreIdentity,
	outcome: JournalOutcome,
	now: number,
): Promise<void> {
	const { disk, root } = work;
	const made = workshop(root);
	await disk.mkdir(join(made, "journal"));
	await makeJournal(disk, made, identity.idBytes, {
		sequence: 0,
		incarnation: outcome.incarnation + 1,
		round: outcome.lastRound + ROUND_JUMP,
		time: now,
	});
	const ready = await disk.open(join(made, "ready"), "create");
	await ready.sync();
	await ready.close();
	await disk.syncDir(made);
	await disk.syncDir(root);
	const path = join(root, "journal");
	if ((await disk.stat(path)) !== undefined) await work.setAside(path, "set aside, an empty one is in its place");
	else work.note(path, "made anew, empty");
	await disk.rename(join(made, "journal"), path);
	await disk.syncDir(root);
	await removeTree(disk, made);
}
