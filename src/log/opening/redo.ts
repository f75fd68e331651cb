/**
 * Redo: carries out once more what the journal holds (docs/commit-protocol.md §4, steps 5 and 6). Every step may be done
 * any number of times, and whatever might have been done by a dead process is synced here, changed or not: its own syncs
 * prove nothing.
 */
import { dirname, join } from "node:path/posix";
import { formatUuid } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { FilePool } from "../files/file-pool.ts";
import { GatheredWrites } from "../files/gathered-writes.ts";
import { AT_ONCE_ALONE, inParallel } from "../files/in-parallel.ts";
import {
	findFolders,
	freshFolder,
	isOccupied,
	readDescriptor,
	removeEmpty,
	removeFolder,
	type StreamFolder,
} from "../files/stream-folder.ts";
import { viewOf } from "../format/checksum.ts";
import {
	decodeState,
	FRAME_HEADER_BYTES,
	type FrameHeader,
	FrameType,
	frameBodyHolds,
	frameBytes,
	readFrameHeader,
} from "../format/frame.ts";
import {
	baseOfName,
	decodeSegmentHeader,
	encodeSegmentHeader,
	SEGMENT_HEADER_BYTES,
	segmentName,
	segmentNumber,
} from "../format/segment-header.ts";
import { decodeAdoption, encodeStamp } from "../format/staged-files.ts";
import type { WalkedRound } from "../journal/journal-walk.ts";
import { placedTable } from "../journal/placed-body.ts";
import { type Envelope, EnvelopeKind } from "../journal/round.ts";
import { decodeEpoch } from "../producers/producer-epochs.ts";
import { ProducerRedo } from "../producers/producer-redo.ts";
import { baseOfIndex } from "../segments/indexed-end.ts";
import { carryOut } from "../staged/adoption.ts";

/** So much is gathered before it is written, by those who do not say when. */
const GATHER_BYTES = 4 * 1024 * 1024;

interface Touched {
	readonly folder: string;
	readonly base: number;
	end: number;
}

interface Missing {
	readonly folder: string;
	readonly path: string;
	/** Position behind its last unit. */
	readonly end: number;
	readonly header: Uint8Array;
}

/** Redo of one opening. */
export class Redo {
	readonly #disk: Disk;
	readonly #streams: string;
	readonly #files: FilePool;
	/** Folder below `streams/` that rounds gave for each stream id. */
	readonly #names = new Map<string, string>();
	/** Folder where a stream was found, or `undefined` if it is gone. */
	readonly #places = new Map<string, StreamFolder | undefined>();
	#moved: Map<string, StreamFolder> | undefined;
	readonly #segments = new Map<string, Touched>();
	readonly #known = new Set<string>();
	readonly #folders = new Set<string>();
	readonly #producers: ProducerRedo;
	readonly #writes: GatheredWrites;
	/** Folders of shards of which something is gathered, and of which something is being written. */
	#pending = new Set<string>();
	readonly #leaving = new Set<ReadonlySet<string>>();
	/** What is being written while more is gathered. */
	#writing: Promise<void> = Promise.resolve();
	/** Adopted files that were found nowhere, and the heads that rounds gave to shards, by their folders. */
	#missing: Missing[] = [];
	readonly #heads = new Map<string, number>();
	/** Adopted files in the place of segments that rounds before their adoption wrote to: nothing of those comes back. */
	readonly #adopted = new Set<string>();
	redoneBytes = 0;
	/** Frames of streams, or of segments, that are no longer there. */
	skippedFrames = 0;

	constructor(disk: Disk, root: string, openFiles: number) {
		this.#disk = disk;
		this.#streams = join(root, "streams");
		this.#files = new FilePool(disk, openFiles, "write", () => {});
		this.#writes = new GatheredWrites(this.#files);
		this.#producers = new ProducerRedo(disk, this.#streams);
	}

	/** Tells whether the placed payloads of the last round, which may have been cut off, are whole. All before it are carried out. */
	async holds(round: WalkedRound): Promise<boolean> {
		for (const envelope of round.envelopes) {
			if (envelope.kind === EnvelopeKind.name) this.#names.set(formatUuid(envelope.streamId), nameOf(envelope));
			if (envelope.kind !== EnvelopeKind.placed) continue;
			const path = await this.#segmentPath(envelope);
			if (path !== undefined && (await this.#payload(path, envelope)) === undefined) return false;
		}
		return true;
	}

	/** Carries out one round, whose memory must not change until {@link flush}; the `last` one's placed payloads are written once more. */
	async apply(round: WalkedRound, last: boolean): Promise<void> {
		for (const envelope of round.envelopes) {
			if (envelope.kind === EnvelopeKind.frame) await this.#frame(envelope, envelope.body.length);
			else if (envelope.kind === EnvelopeKind.placed) await this.#placed(envelope, last);
			else if (envelope.kind === EnvelopeKind.epoch) await this.#epoch(envelope);
			else if (envelope.kind === EnvelopeKind.adopt) await this.#adopt(envelope);
			else await this.#change(envelope);
		}
		this.#producers.endRound();
	}

	/**
	 * Cuts what stands behind the redone frames, and syncs everything that any of the rounds may have touched. With `keep`
	 * nothing is cut or removed: where rounds are missing, what stands there may be theirs.
	 */
	async finish(dropIndexes: boolean, keep = false): Promise<void> {
		await this.#writes.finish();
		const settle = async ([path, touched]: [string, Touched]): Promise<void> => {
			await this.#files.use(path, async (file) => {
				if (!keep && (await file.size()) > touched.end) await file.truncate(touched.end);
				await file.sync();
			});
			if (dropIndexes) await this.#disk.unlink(path.replace(/\.seg$/, ".idx"));
		};
		await inParallel(this.#segments, settle, AT_ONCE_ALONE);
		if (!keep) await this.#dropBeyond();
		for (const missing of this.#missing) await this.#markMissing(missing);
		await this.#files.close();
		await this.#producers.finish((id) => this.#locate(id));
		await inParallel(this.#folders, async (folder) => {
			await this.#disk.syncDir(folder).catch((error) => {
				if (!isGone(error)) throw error;
			});
		});
	}

	/** Writes what was gathered of the rounds so far: their memory is needed no more. */
	async flush(): Promise<void> {
		const leaving = this.#pending;
		this.#pending = new Set();
		this.#leaving.add(leaving);
		await this.#writes.flush();
		this.#leaving.delete(leaving);
	}

	/**
	 * An adopted file that is nowhere has been truncated away, or is lost: then a segment without a frame stands for it, so
	 * that the shard does not seem to end before it.
	 */
	async #markMissing({ folder, path, end, header }: Missing): Promise<void> {
		if (end <= (this.#heads.get(folder) ?? 0) || (await this.#disk.stat(path)) !== undefined) return;
		await this.#disk.mkdir(folder);
		const file = await this.#disk.open(path, "create");
		await file
			.write(header, 0)
			.then(() => file.sync())
			.finally(() => file.close());
		this.#folders.add(folder);
	}

	/** Gives files back without finishing, after a failure. */
	async abandon(): Promise<void> {
		await this.#writes.finish().catch(() => {});
		await this.#files.close();
	}

	async #change(envelope: Envelope): Promise<void> {
		const id = formatUuid(envelope.streamId);
		const folder = nameOf(envelope);
		this.#names.set(id, folder);
		if (envelope.kind === EnvelopeKind.name) return;
		await this.flush();
		const path = join(this.#streams, folder);
		for (let above = dirname(path); above.startsWith(this.#streams); above = dirname(above)) this.#folders.add(above);
		this.#places.delete(id);
		if (envelope.kind === EnvelopeKind.create) await this.#create(id, path);
		else await this.#delete(id, path);
	}

	async #create(id: string, path: string): Promise<void> {
		const fresh = join(this.#streams, freshFolder(id));
		if ((await this.#disk.stat(fresh)) === undefined) return;
		// An occupied place wins: somebody put a folder there before the rename was done.
		if (await isOccupied(this.#disk, path)) return;
		await this.#disk.mkdir(dirname(path));
		await this.#disk.rename(fresh, path);
	}

	async #epoch({ streamId, body }: Envelope): Promise<void> {
		const taken = decodeEpoch(body);
		if (taken === undefined) return;
		const id = formatUuid(streamId);
		this.#names.set(id, taken.folder);
		const place = await this.#locate(id);
		if (place !== undefined) await this.#producers.epoch(place, taken.id, taken.epoch);
	}

	/** Makes segments of staged files, those that it finds. */
	async #adopt({ streamId, shard, body }: Envelope): Promise<void> {
		const adoption = decodeAdoption(body);
		if (adoption === undefined) return;
		const id = formatUuid(streamId);
		this.#names.set(id, adoption.folder);
		const place = await this.#locate(id);
		if (place === undefined) return;
		await this.flush();
		const folder = join(this.#streams, place.folder, String(shard));
		const owner = { streamId, shard, kind: place.kind };
		const done = await carryOut({ disk: this.#disk, files: this.#files, folder, ...owner }, adoption);
		for (const [index, { base, bytes, units }] of adoption.files.entries()) {
			const path = join(folder, segmentName(base));
			if (done.includes(index)) {
				this.#segments.set(path, { folder, base, end: bytes });
				this.#known.add(path);
			} else {
				const header = encodeStamp(owner, adoption, index).subarray(0, SEGMENT_HEADER_BYTES);
				this.#missing.push({ folder, path, end: base + units, header });
			}
		}
	}

	async #delete(id: string, path: string): Promise<void> {
		const found = await readDescriptor(this.#disk, path);
		if (found?.id !== id) return;
		this.#producers.forget(id);
		await this.#files.forgetBelow(path);
		const of = (one: string): boolean => one.startsWith(`${path}/`);
		for (const touched of this.#segments.keys()) if (of(touched)) this.#segments.delete(touched);
		// Another stream may get its place.
		for (const known of [this.#known, this.#adopted]) for (const one of known) if (of(one)) known.delete(one);
		for (const folder of this.#heads.keys()) if (of(folder)) this.#heads.delete(folder);
		this.#missing = this.#missing.filter((missing) => !of(missing.path));
		await removeFolder(this.#disk, this.#streams, path, id);
		await removeEmpty(this.#disk, this.#streams, dirname(path));
	}

	/** Writes the header of a frame whose payload is in its place. */
	async #placed(envelope: Envelope, last: boolean): Promise<void> {
		const header = readFrameHeader(envelope.body, viewOf(envelope.body), 0) as FrameHeader;
		const path = last ? await this.#segmentPath(envelope) : undefined;
		// It may stand in the cache alone, like the round itself: its writer died in its sync.
		const payload = path === undefined ? undefined : await this.#payload(path, envelope);
		const body = payload ?? envelope.body.subarray(0, FRAME_HEADER_BYTES);
		const place = await this.#locate(formatUuid(envelope.streamId));
		const table = placedTable(envelope.body, header);
		if (place !== undefined && table !== undefined) await this.#producers.frame(place, envelope, table);
		await this.#frame({ ...envelope, body }, frameBytes(header));
	}

	/** The whole frame of a placed payload that passes its check. */
	async #payload(path: string, envelope: Envelope): Promise<Uint8Array | undefined> {
		const header = readFrameHeader(envelope.body, viewOf(envelope.body), 0) as FrameHeader;
		const bytes = Buffer.allocUnsafeSlow(frameBytes(header));
		bytes.set(envelope.body.subarray(0, FRAME_HEADER_BYTES));
		const rest = bytes.subarray(FRAME_HEADER_BYTES);
		const from = envelope.fileOffset + FRAME_HEADER_BYTES;
		const got = await this.#files
			.use(path, (file) => file.read(rest, from))
			.catch((error) => {
				if (isGone(error)) return 0;
				throw error;
			});
		return got === rest.length && frameBodyHolds(bytes, 0, header) ? bytes : undefined;
	}

	/** Where the segment of an envelope is, if its stream is there. */
	async #segmentPath(envelope: Envelope): Promise<string | undefined> {
		const place = await this.#locate(formatUuid(envelope.streamId));
		return place && join(this.#streams, place.folder, String(envelope.shard), segmentName(envelope.base));
	}

	async #frame(envelope: Envelope, wholeBytes: number): Promise<void> {
		const place = await this.#locate(formatUuid(envelope.streamId));
		if (place === undefined) {
			this.skippedFrames++;
			return;
		}
		if (envelope.kind === EnvelopeKind.frame) {
			const header = readFrameHeader(envelope.body, viewOf(envelope.body), 0) as FrameHeader;
			await this.#producers.frame(place, envelope, { bytes: envelope.body, header });
		}
		const folder = join(this.#streams, place.folder, String(envelope.shard));
		this.#noteHead(folder, envelope.body);
		const path = join(folder, segmentName(envelope.base));
		const touched = this.#segments.get(path) ?? { folder, base: envelope.base, end: 0 };
		if (!(await this.#ensureSegment(path, folder, place, envelope))) {
			this.skippedFrames++;
			return;
		}
		this.#segments.set(path, touched);
		touched.end = Math.max(touched.end, envelope.fileOffset + wholeBytes);
		this.#writes.add(path, envelope.fileOffset, envelope.body);
		this.#pending.add(folder);
		if (this.#writes.bytes >= GATHER_BYTES) await this.#writeOn();
		this.redoneBytes += envelope.body.length;
	}

	/** Begins to write what was gathered, once what was gathered before is written. */
	async #writeOn(): Promise<void> {
		await this.#writing;
		this.#writing = this.flush();
		// Who writes on next, or finishes, hears of it.
		this.#writing.catch(() => {});
	}

	/** Tells whether frames of a shard are yet to be written. */
	#isPending(folder: string): boolean {
		return this.#pending.has(folder) || [...this.#leaving].some((folders) => folders.has(folder));
	}

	#noteHead(folder: string, body: Uint8Array): void {
		const header = readFrameHeader(body, viewOf(body), 0);
		const state = header?.type === FrameType.data ? undefined : header && decodeState(body, 0, header);
		if (state !== undefined) this.#heads.set(folder, Math.max(state.head, this.#heads.get(folder) ?? 0));
	}

	/** Makes sure that the file of a frame is there; a header is written whenever the first frame is redone. */
	async #ensureSegment(path: string, folder: string, place: StreamFolder, envelope: Envelope): Promise<boolean> {
		const first = envelope.fileOffset === SEGMENT_HEADER_BYTES;
		if (this.#adopted.has(path)) return false;
		if (this.#known.has(path) && !first) return true;
		const there = (await this.#disk.stat(path)) !== undefined;
		if (there && !this.#known.has(path) && (await this.#isAdopted(path, envelope))) {
			this.#adopted.add(path);
			return false;
		}
		if (!there && !first) return this.#known.has(path);
		this.#folders.add(folder);
		this.#folders.add(dirname(folder));
		this.#known.add(path);
		if (!first) return true;
		if (!there) {
			// A reader that has stayed open takes a segment that another one follows for complete.
			if (this.#isPending(folder)) await this.flush();
			await this.#disk.mkdir(folder);
			const file = await this.#disk.open(path, "create");
			await file.close();
		}
		const header = encodeSegmentHeader({
			kind: place.kind,
			streamId: envelope.streamId,
			shard: envelope.shard,
			number: segmentNumber(envelope.base),
			base: envelope.base,
			createdAt: readFrameHeader(envelope.body, viewOf(envelope.body), 0)?.time ?? 0,
		});
		await this.#files.write(path, header, 0);
		return true;
	}

	/** Tells whether a segment was adopted: to those nothing is ever added. */
	async #isAdopted(path: string, { streamId, shard }: Envelope): Promise<boolean> {
		const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
		const got = await this.#files.use(path, (file) => file.read(bytes, 0));
		const header = decodeSegmentHeader(bytes.subarray(0, got));
		if (header === undefined || header === "version" || header.following === undefined) return false;
		return header.shard === shard && Buffer.compare(header.streamId, streamId) === 0;
	}

	/** Where a stream is: at its last name if the folder there holds this id, else wherever its id is found. */
	async #locate(id: string): Promise<StreamFolder | undefined> {
		if (this.#places.has(id)) return this.#places.get(id);
		const folder = this.#names.get(id);
		let place: StreamFolder | undefined;
		if (folder !== undefined) {
			const found = await readDescriptor(this.#disk, join(this.#streams, folder));
			if (found?.id === id) place = { folder, id, kind: found.kind };
		}
		if (place === undefined) {
			this.#moved ??= await findFolders(this.#disk, this.#streams);
			place = this.#moved.get(id);
		}
		this.#places.set(id, place);
		return place;
	}

	/** Removes segments above the last redone one of a shard: only a round that was dropped can have made them. */
	async #dropBeyond(): Promise<void> {
		const last = new Map<string, number>();
		for (const { folder, base } of this.#segments.values()) last.set(folder, Math.max(base, last.get(folder) ?? 0));
		for (const [folder, base] of last) {
			for (const { name, kind } of await this.#disk.list(folder)) {
				const found = baseOfName(name) ?? baseOfIndex(name);
				if (found !== undefined && found > base && kind === "file") await this.#disk.unlink(join(folder, name));
			}
		}
	}
}

function nameOf(envelope: Envelope): string {
	return new TextDecoder().decode(envelope.body);
}
