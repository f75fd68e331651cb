/**
 * The staged files of one write in parts, while they are being written (docs/commit-protocol.md §10). Data is written
 * once, from where its caller has it; only small pieces are gathered into frames first.
 */
import { dirname, join } from "node:path/posix";
import type { Clock } from "../../core/clock.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import type { FilePool } from "../files/file-pool.ts";
import { makeInside } from "../files/stream-folder.ts";
import { checksum, viewOf } from "../format/checksum.ts";
import { corrupt } from "../format/corruption.ts";
import { ENTRY_BYTES, FRAME_HEADER_BYTES, FRAME_PAYLOAD_TARGET, FrameType, writeFrameHeader } from "../format/frame.ts";
import { encodeSegmentHeader, segmentTag } from "../format/segment-header.ts";
import { SparseIndex } from "../format/sparse-index.ts";
import {
	preparedPath,
	STAGED_FOLDER,
	STAMP_BYTES,
	type StagedFile,
	type StagedOwner,
	stagedPath,
} from "../format/staged-files.ts";

const FRAME_EXTRA_BYTES: number = FRAME_HEADER_BYTES + ENTRY_BYTES;
/** Pieces below this size are gathered, larger ones written from where they are. */
const GATHER_BELOW_BYTES = 64 * 1024;
const FIRST_GATHER_BYTES = 4 * 1024;
/** Files of one write: their adoption has to fit into a round. */
const STAGED_FILES_MAX = 65_536;

/** What writing staged files needs of the store. */
export interface StagedDataHost {
	readonly disk: Disk;
	readonly clock: Clock;
	readonly random: Random;
	/** Staged files that are open. */
	readonly stagedFiles: FilePool;
	/** Finds out whether so many more bytes will find room on the disk; says why not. */
	roomOnDisk(bytes: number): Promise<StreambedError | undefined>;
}

/** Where the files are, and how large they may become. */
export interface StagedPlace extends StagedOwner {
	readonly id: string;
	/** Folder of the shard, and of its stream. */
	readonly folder: string;
	readonly streamPath: string;
	readonly segmentBytes: number;
	/** Largest frame payload, unless less fits into a segment. */
	readonly payloadBytes: number;
}

interface DataFile extends StagedFile {
	readonly path: string;
	readonly tag: number;
	bytes: number;
	units: number;
	/** Places of its frames, without time; unknown of a file that another process wrote. */
	readonly index: SparseIndex | undefined;
}

/** What there was before a piece was written. */
interface Before {
	readonly files: number;
	readonly bytes: number;
	readonly units: number;
	readonly entries: number;
}

/** The data of one write. Calls come one at a time. */
export class StagedData {
	readonly #host: StagedDataHost;
	readonly #place: StagedPlace;
	readonly #payloadBytes: number;
	readonly #files: DataFile[];
	#gather = Buffer.allocUnsafe(0);
	#gathered = 0;
	/** Units of what was gathered. */
	#gatheredUnits = 0;
	#syncing: Promise<void> = Promise.resolve();
	#named = false;
	/** A piece could not be taken back: what stands at the end of the newest file is not known. */
	#broken: unknown;
	/** Payload taken so far, and its units. */
	bytes: number;
	units: number;

	constructor(host: StagedDataHost, place: StagedPlace, files: readonly StagedFile[] = []) {
		this.#host = host;
		this.#place = place;
		const fits = place.segmentBytes - STAMP_BYTES - FRAME_EXTRA_BYTES;
		this.#payloadBytes = Math.min(FRAME_PAYLOAD_TARGET, place.payloadBytes, fits);
		this.#files = files.map((file, index) => this.#known(file, index));
		this.units = files.reduce((sum, { units }) => sum + units, 0);
		// Of byte streams; records are not prepared, so that nobody goes on with them in another process.
		this.bytes = this.units;
	}

	/** Its files, in order. */
	get files(): readonly (StagedFile & Pick<DataFile, "path" | "tag" | "index">)[] {
		return this.#files;
	}

	/** All of it, as long as no file was needed; `undefined` afterwards. */
	get held(): Uint8Array | undefined {
		return this.#files.length === 0 ? this.#gather.subarray(0, this.#gathered) : undefined;
	}

	/**
	 * Adds a piece: all of it or, if that fails, nothing. The piece must not change until this resolves. Of `records`, which are
	 * so many, none is torn apart: a piece is in one frame, however large.
	 */
	async add(piece: Uint8Array, records?: number): Promise<void> {
		if (this.#broken !== undefined) throw this.#broken;
		const units = records ?? piece.length;
		if (piece.length < GATHER_BELOW_BYTES && this.#gathered + piece.length <= this.#payloadBytes) {
			this.#gatherMore(piece, units);
		} else {
			await this.#flush();
			const before = this.#mark();
			try {
				if (records === undefined) await this.#addFrames(piece);
				else await this.#frame(piece, records);
			} catch (error) {
				await this.#takeBack(before);
				throw error;
			}
		}
		this.bytes += piece.length;
		this.units += units;
	}

	/** Makes everything durable, the names of the files too. */
	async finish(): Promise<void> {
		if (this.#broken !== undefined) throw this.#broken;
		await this.#flush();
		const newest = this.#files.at(-1);
		if (newest !== undefined) this.#syncLater(newest);
		await this.#syncing;
		if (this.#named) return;
		const { disk } = this.#host;
		const { folder, streamPath } = this.#place;
		const staged = join(folder, STAGED_FOLDER);
		// Of a write without a byte nothing is there yet, and that it is prepared has to stand somewhere.
		if (newest === undefined) await makeInside(disk, streamPath, staged);
		for (const one of [staged, folder, streamPath]) await disk.syncDir(one);
		this.#named = true;
	}

	/** Each file is there, as long as it should be: somebody may have removed one. @throws CORRUPT */
	async assertThere(): Promise<void> {
		for (const { path, bytes } of this.#files) {
			const size = (await this.#host.disk.stat(path))?.size;
			if (size !== undefined && size >= bytes) continue;
			const what = size === undefined ? "a staged file is missing" : `it has ${size} of ${bytes} bytes`;
			throw corrupt({ path, offset: size ?? 0, what, hint: "The write can only be aborted: its data is not whole." });
		}
	}

	/** Removes the files, and what says that the write is prepared before them. */
	async remove(): Promise<void> {
		const { disk, stagedFiles } = this.#host;
		const { folder, id } = this.#place;
		await this.#syncing.catch(() => {});
		const prepared = preparedPath(folder, id);
		if ((await disk.stat(prepared)) !== undefined) {
			await disk.unlink(prepared);
			await disk.syncDir(dirname(prepared));
		}
		for (const { path } of this.#files) {
			await stagedFiles.forget(path);
			await disk.unlink(path);
		}
	}

	/** Lets go of the memory and of open files. */
	async release(): Promise<void> {
		this.#gather = Buffer.allocUnsafe(0);
		this.#gathered = this.#gatheredUnits = 0;
		for (const { path } of this.#files) await this.#host.stagedFiles.forget(path);
	}

	#known(file: StagedFile, index: number): DataFile {
		const { folder, id, streamId, shard } = this.#place;
		const path = stagedPath(folder, id, index);
		return { ...file, path, tag: segmentTag(streamId, shard, file.number), index: undefined };
	}

	#gatherMore(piece: Uint8Array, units: number): void {
		const needed = this.#gathered + piece.length;
		if (needed > this.#gather.length) {
			const doubled = Math.max(FIRST_GATHER_BYTES, 2 ** Math.ceil(Math.log2(needed)));
			const larger = Buffer.allocUnsafeSlow(Math.min(doubled, this.#payloadBytes));
			larger.set(this.#gather.subarray(0, this.#gathered));
			this.#gather = larger;
		}
		this.#gather.set(piece, this.#gathered);
		this.#gathered = needed;
		this.#gatheredUnits += units;
	}

	/** Writes what was gathered. */
	async #flush(): Promise<void> {
		if (this.#gathered === 0) return;
		const before = this.#mark();
		try {
			await this.#frame(this.#gather.subarray(0, this.#gathered), this.#gatheredUnits);
		} catch (error) {
			await this.#takeBack(before);
			throw error;
		}
		this.#gathered = this.#gatheredUnits = 0;
	}

	async #addFrames(piece: Uint8Array): Promise<void> {
		let at = 0;
		while (piece.length - at >= GATHER_BELOW_BYTES || piece.length - at > this.#payloadBytes) {
			const part = piece.subarray(at, at + this.#payloadBytes);
			await this.#frame(part, part.length);
			at += part.length;
		}
		if (at < piece.length) this.#gatherMore(piece.subarray(at), piece.length - at);
	}

	/** Writes one frame; its checksum is made while the disk works. */
	async #frame(payload: Uint8Array, units: number): Promise<void> {
		const { stagedFiles } = this.#host;
		const bytes = payload.length + FRAME_EXTRA_BYTES;
		const full = await this.#host.roomOnDisk(bytes);
		if (full !== undefined) throw full;
		const file = await this.#fileFor(bytes);
		const at = file.bytes;
		const table = new Uint8Array(ENTRY_BYTES);
		viewOf(table).setUint32(0, payload.length, true);
		if (this.#place.kind === "records") viewOf(table).setUint32(4, units, true);
		const writing = stagedFiles.write(file.path, [payload, table], at + FRAME_HEADER_BYTES);
		const header = new Uint8Array(FRAME_HEADER_BYTES);
		const view = viewOf(header);
		writeFrameHeader(view, 0, {
			type: FrameType.data,
			entries: 1,
			payloadBytes: payload.length,
			tableBytes: ENTRY_BYTES,
			bodyCrc: checksum(table, checksum(payload)),
			units,
			relative: file.units,
			tag: file.tag,
			time: 0,
			round: 0,
		});
		await writing;
		if (!stagedFiles.writeNow(file.path, header, at)) await stagedFiles.write(file.path, header, at);
		const entry = {
			fileOffset: at,
			relative: file.units,
			time: 0,
			head: 0,
			sealed: false,
			crc: view.getUint32(4, true),
		};
		file.bytes += bytes;
		file.units += units;
		file.index?.note(entry, file.bytes);
	}

	/** The newest file if it has room, else the next one; the full one is synced meanwhile. */
	async #fileFor(bytes: number): Promise<DataFile> {
		const newest = this.#files.at(-1);
		if (newest !== undefined) {
			if (newest.bytes + bytes <= this.#place.segmentBytes) return newest;
			if (this.#files.length >= STAGED_FILES_MAX) throw this.#tooMany();
			this.#syncLater(newest);
		}
		const { disk, clock, random, stagedFiles } = this.#host;
		const { streamPath, kind, streamId, shard } = this.#place;
		const number = viewOf(random.bytes(4)).getUint32(0, true);
		const empty = { number, bytes: STAMP_BYTES, units: 0 };
		const file: DataFile = { ...this.#known(empty, this.#files.length), index: new SparseIndex() };
		await makeInside(disk, streamPath, dirname(file.path));
		await stagedFiles.adopt(file.path, await disk.open(file.path, "create"));
		this.#files.push(file);
		const header = encodeSegmentHeader({ kind, streamId, shard, number, base: 0, createdAt: clock.now() });
		await stagedFiles.write(file.path, [header, new Uint8Array(STAMP_BYTES - header.length)], 0);
		this.#named = false;
		return file;
	}

	#tooMany(): StreambedError {
		const { segmentBytes } = this.#place;
		const text = `a write in parts has ${STAGED_FILES_MAX} files of ${segmentBytes} bytes at most`;
		return fail("LIMIT_EXCEEDED", text, {
			hint: "Commit it, or make a stream with larger segments.",
			details: { limit: STAGED_FILES_MAX, segmentBytes },
		});
	}

	#syncLater({ path }: DataFile): void {
		this.#syncing = this.#syncing.then(() => this.#host.stagedFiles.sync(path));
		this.#syncing.catch(() => {});
	}

	#mark(): Before {
		const newest = this.#files.at(-1);
		const entries = newest?.index?.entries.length ?? 0;
		return { files: this.#files.length, bytes: newest?.bytes ?? 0, units: newest?.units ?? 0, entries };
	}

	/** Takes a piece back that could not be written whole. What stays in the newest file behind its end does not count. */
	async #takeBack(before: Before): Promise<void> {
		const { disk, stagedFiles } = this.#host;
		for (const { path } of this.#files.splice(before.files)) {
			await stagedFiles.forget(path);
			await disk.unlink(path).catch(() => {});
		}
		const newest = this.#files.at(-1);
		if (newest === undefined) return;
		newest.bytes = before.bytes;
		newest.units = before.units;
		if (newest.index !== undefined) {
			newest.index.entries.length = before.entries;
			newest.index.coveredBytes = before.bytes;
		}
		await stagedFiles
			.use(newest.path, (file) => file.truncate(before.bytes))
			.catch((error) => {
				this.#broken = error;
			});
	}
}
