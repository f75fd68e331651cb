/** Writes what a verification reads of a shard to a folder elsewhere: good frames as they were checked, the rest as it is. */
import { basename, join } from "node:path/posix";
import type { Disk, DiskFile } from "../../disk/disk.ts";
import { checksum } from "../format/checksum.ts";
import { FRAME_HEADER_BYTES, type FrameHeader } from "../format/frame.ts";
import type { Segment } from "../segments/segment.ts";
import type { GoodStretch } from "../segments/segment-walk.ts";
import type { ShardProducers } from "./backup-producers.ts";
import { type SegmentSink, SinkError } from "./verify-shard.ts";

const WINDOW_BYTES = 1024 * 1024;
/** Where a read fails, what cannot be read is left out in steps of this. */
const STEP_BYTES = 4096;

/** Where a shard is copied from and to. */
export interface ShardCopyPlaces {
	readonly from: Disk;
	readonly to: Disk;
	/** Folder of the copy; it exists. */
	readonly folder: string;
}

/** The copy of one shard in the making. */
export class ShardCopy implements SegmentSink {
	readonly #places: ShardCopyPlaces;
	#path: string | undefined;
	#source: DiskFile | undefined;
	#target: DiskFile | undefined;
	readonly #producers: ShardProducers | undefined;
	/** The highest round of any frame. */
	lastRound = 0;
	bytes = 0;

	/** `producers` hears of what is copied. */
	constructor(places: ShardCopyPlaces, producers?: ShardProducers) {
		this.#places = places;
		this.#producers = producers;
	}

	async good(segment: Segment, piece: GoodStretch): Promise<void> {
		for (const { header } of piece.frames) this.lastRound = Math.max(this.lastRound, header.round);
		await this.#turnTo(segment);
		await this.#write(piece.bytes, piece.fileOffset);
		const end = piece.fileOffset + piece.bytes.length;
		if (end === piece.end) {
			for (const { at, header } of piece.frames) this.#producers?.frame(segment.base, piece.bytes, at, header);
			return;
		}
		const crc = await this.#copy(end, piece.end);
		const [first] = piece.frames;
		if (first !== undefined && crc === first.header.bodyCrc && piece.bytes.length === FRAME_HEADER_BYTES) {
			return await this.#noteLarge(segment, piece.end, first.header);
		}
		throw new SinkError("a frame was copied wrongly", {
			cause: new Error(`${segment.path} was read twice at byte ${piece.fileOffset} with different outcomes`),
		});
	}

	/** A frame that is not held in memory as a whole: of its table alone. */
	async #noteLarge({ base }: Segment, end: number, header: FrameHeader): Promise<void> {
		const bytes = new Uint8Array(FRAME_HEADER_BYTES + header.tableBytes);
		await (this.#source as DiskFile).read(bytes.subarray(FRAME_HEADER_BYTES), end - header.tableBytes);
		this.#producers?.frame(base, bytes, 0, { ...header, payloadBytes: 0 });
	}

	async raw(segment: Segment, from: number, to: number | undefined): Promise<void> {
		await this.#turnTo(segment);
		const end = to ?? (await this.#source?.size().catch(() => 0)) ?? 0;
		for (let at = from; at < end; at += WINDOW_BYTES) {
			const upTo = Math.min(end, at + WINDOW_BYTES);
			await this.#copy(at, upTo).catch(async (error) => {
				if (error instanceof SinkError) throw error;
				for (let step = at; step < upTo; step += STEP_BYTES) {
					await this.#copy(step, Math.min(upTo, step + STEP_BYTES)).catch((failed) => {
						if (failed instanceof SinkError) throw failed;
					});
				}
			});
		}
	}

	/** Makes the last file durable and closes it. */
	async finish(): Promise<void> {
		const [source, target] = [this.#source, this.#target];
		this.#source = this.#target = this.#path = undefined;
		await source?.close().catch(() => {});
		if (target === undefined) return;
		try {
			await target.sync();
		} catch (error) {
			throw new SinkError("a file of the copy could not be synced", { cause: error });
		} finally {
			await target.close();
		}
	}

	async #turnTo({ path }: Segment): Promise<void> {
		if (this.#path === path) return;
		await this.finish();
		const { from, to, folder } = this.#places;
		const target = join(folder, basename(path));
		this.#source = await from.open(path, "read");
		try {
			this.#target = await to.open(target, "create");
		} catch (error) {
			throw new SinkError("a file of the copy could not be made", { cause: error });
		}
		this.#path = path;
	}

	/** Copies a stretch; returns its checksum. */
	async #copy(from: number, to: number): Promise<number> {
		let crc = 0;
		const window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, to - from));
		for (let at = from; at < to; ) {
			const target = window.subarray(0, Math.min(window.length, to - at));
			const got = await (this.#source as DiskFile).read(target, at);
			if (got === 0) break;
			const bytes = target.subarray(0, got);
			crc = checksum(bytes, crc);
			await this.#write(bytes, at);
			at += got;
		}
		return crc;
	}

	async #write(bytes: Uint8Array, at: number): Promise<void> {
		try {
			await (this.#target as DiskFile).write(bytes, at);
		} catch (error) {
			throw new SinkError("writing the copy failed", { cause: error });
		}
		this.bytes += bytes.length;
	}
}
