/** Verifies the segments of one shard: headers, every frame with its body, contiguity from the head up. */
import { join } from "node:path/posix";
import { setTimeout as sleep } from "node:timers/promises";
import type { StreamKind } from "../../core/stream-config.ts";
import { isGone } from "../../disk/system-error.ts";
import { FilePool } from "../files/file-pool.ts";
import { decodeState, FrameType } from "../format/frame.ts";
import { recordsHold } from "../format/record-run.ts";
import { baseOfName, SEGMENT_HEADER_BYTES, segmentName } from "../format/segment-header.ts";
import { baseOfIndex, indexedEnd } from "../segments/indexed-end.ts";
import { existingSegment, type Segment } from "../segments/segment.ts";
import { SegmentReader, type StreamIds } from "../segments/segment-reader.ts";
import { type BadFrame, type GoodStretch, walkSegment } from "../segments/segment-walk.ts";
import { ShardFiles } from "../segments/shard-files.ts";
import type { SegmentView } from "./verify-journal.ts";
import type { VerifyReport } from "./verify-report.ts";

/** A bad end beside a living owner is looked at so often, so long apart. */
const LOOKS = 5;
const PAUSE_MS = 20;

/** Whose segments they are. */
export interface VerifiedStream {
	readonly path: string;
	readonly ids: StreamIds;
	readonly kind: StreamKind;
}

/** Takes over what a verification has read, in the order of the files. */
export interface SegmentSink {
	/** Good frames; of one too large to be held `bytes` has only the header. */
	good(segment: Segment, piece: GoodStretch): Promise<void>;
	/** A header, or bytes that are no good frame: as they are, up to `to` or the end of the file. */
	raw(segment: Segment, from: number, to: number | undefined): Promise<void>;
}

/** A failure of the sink itself: it ends the verification, and is no damage of what is verified. */
export class SinkError extends Error {}

/** The bases of the segments of a shard, ascending. */
export async function segmentBases(view: SegmentView, folder: string): Promise<number[]> {
	try {
		const names = await view.disk.list(folder);
		const bases = names.map(({ name }) => baseOfName(name)).filter((base) => base !== undefined);
		return bases.sort((a, b) => a - b);
	} catch (error) {
		if (isGone(error)) return [];
		throw error;
	}
}

/** Verifies one shard of a stream; `false` if files of it went away meanwhile. What is read is given to `sink`. */
export async function verifyShard(
	view: SegmentView,
	stream: VerifiedStream,
	shard: number,
	report: VerifyReport,
	sink?: SegmentSink,
): Promise<boolean> {
	const verification = new ShardVerification(view, stream, shard, report, sink);
	try {
		return await verification.run();
	} finally {
		await verification.close();
	}
}

/** A listing that is made while files are renamed may miss some: two that are equal have not. */
async function listInPeace(files: ShardFiles): Promise<number[]> {
	let before: number[] = [];
	for (let looks = 0; ; looks++) {
		await files.list();
		const bases = files.segments.map(({ base }) => base);
		const same = bases.length === before.length && bases.every((base, index) => base === before[index]);
		if (looks > 0 && (same || looks >= LOOKS)) return bases;
		before = bases;
	}
}

class ShardVerification {
	readonly #view: SegmentView;
	readonly #stream: VerifiedStream;
	readonly #shard: number;
	readonly #report: VerifyReport;
	readonly #sink: SegmentSink | undefined;
	readonly #folder: string;
	readonly #files: FilePool;
	readonly #reader: SegmentReader;
	#head = 0;
	#sealed = false;
	/** Files went away meanwhile: their shard was truncated beside us, or its stream deleted. */
	#vanished = false;

	constructor(
		view: SegmentView,
		stream: VerifiedStream,
		shard: number,
		report: VerifyReport,
		sink: SegmentSink | undefined,
	) {
		this.#sink = sink;
		this.#view = view;
		this.#stream = stream;
		this.#shard = shard;
		this.#report = report;
		this.#folder = join(stream.path, String(shard));
		this.#files = new FilePool(view.disk, 2, "read", () => {});
		this.#reader = new SegmentReader(view.disk, this.#files, 0);
	}

	async close(): Promise<void> {
		await this.#files.close();
	}

	async run(): Promise<boolean> {
		const bases = await this.#bases();
		let expected: number | undefined;
		for (const base of bases) {
			const segment = existingSegment(this.#folder, base);
			if (expected !== undefined && base > expected) this.#missing(expected, base);
			if (expected !== undefined && base < expected) {
				this.#report.damage(
					segment.path,
					0,
					`it begins at ${base}, inside the segment before, which ends at ${expected}`,
				);
			}
			const end = await this.#segment(segment, base === bases.at(-1));
			expected = end === undefined ? undefined : base + end;
			await this.#files.forget(segment.path);
		}
		await this.#indexes(bases.at(-1));
		const [first] = bases;
		if (first !== undefined && first > this.#head && !this.#vanished) this.#missing(this.#head, first);
		return !this.#vanished;
	}

	/** The bases of what is there; a write in parts whose files are still coming is left out. */
	async #bases(): Promise<number[]> {
		const { disk } = this.#view;
		const files = new ShardFiles(disk, this.#reader, this.#folder, this.#stream.ids, this.#shard);
		const all = await listInPeace(files);
		if ((await files.leaveOutIncomplete()) === 0) return all;
		if (!(await this.#view.nobodyWrites())) return files.segments.map(({ base }) => base);
		const path = join(this.#folder, segmentName(all.at(-1) as number));
		this.#report.damage(path, 0, "files of a write in parts that should follow it are missing");
		return all;
	}

	/** Where nobody writes, indexes tell whether the newest segment is gone, or was longer. */
	async #indexes(newest: number | undefined): Promise<void> {
		const names = await this.#view.disk.list(this.#folder).catch(() => []);
		const shard = { folder: this.#folder, ids: this.#stream.ids, shard: this.#shard };
		for (const base of names
			.map(({ name }) => baseOfIndex(name) ?? -1)
			.filter((one) => one >= Math.max(0, newest ?? 0))) {
			const end = await indexedEnd(this.#view.disk, shard, base);
			const path = join(this.#folder, segmentName(base));
			const size = (await this.#view.disk.stat(path))?.size;
			if (end === undefined || (size ?? 0) >= end || !(await this.#view.nobodyWrites())) continue;
			const wrong = size === undefined ? "the segment is missing" : "the file is cut short";
			const what = `${wrong}: its index tells of ${end} bytes`;
			if (!this.#report.problems.some((problem) => problem.path === path)) this.#report.damage(path, size ?? 0, what);
		}
	}

	#missing(from: number, to: number): void {
		const path = join(this.#folder, segmentName(from));
		this.#report.damage(path, 0, `the segment is missing: positions ${from} to ${to} cannot be read`);
	}

	/** Verifies one segment; returns the relative position behind it, or `undefined` if it cannot be told. */
	async #segment(segment: Segment, newest: boolean): Promise<number | undefined> {
		const { path } = segment;
		try {
			const size = await this.#reader.fileBytes(segment);
			if (size < SEGMENT_HEADER_BYTES && newest && !(await this.#view.nobodyWrites())) return undefined;
			this.#report.segments++;
			this.#report.read(Math.min(size, SEGMENT_HEADER_BYTES));
			await this.#reader.readHeader(segment, this.#stream.ids, this.#shard);
		} catch (error) {
			if (await this.#failed(error, path, 0)) await this.#raw(segment, 0, undefined);
			return undefined;
		}
		await this.#raw(segment, 0, SEGMENT_HEADER_BYTES);
		return this.#vanished ? undefined : await this.#frames(segment, newest);
	}

	async #frames(segment: Segment, newest: boolean): Promise<number | undefined> {
		const { path } = segment;
		const read = (target: Uint8Array, position: number): Promise<number> => this.#reader.read(path, target, position);
		const place = { from: SEGMENT_HEADER_BYTES, relative: 0 };
		let looks = 0;
		let still = false;
		try {
			for (let again = true; again; ) {
				again = false;
				const size = await this.#reader.fileBytes(segment);
				if (
					size === place.from &&
					place.from === SEGMENT_HEADER_BYTES &&
					(!newest || (await this.#view.nobodyWrites()))
				) {
					this.#report.damage(path, SEGMENT_HEADER_BYTES, "the segment holds no frame");
					return undefined;
				}
				for await (const piece of walkSegment({
					read,
					tag: segment.tag as number,
					stamp: segment.stamp,
					...place,
					size,
				})) {
					if (piece.kind === "frames") {
						this.#good(segment, piece);
						await this.#sink?.good(segment, piece);
						place.from = piece.end;
						place.relative = piece.relative;
						continue;
					}
					// It may be a frame that its owner is just writing, until it was bad while nobody wrote.
					if (!piece.followed && !still && looks < LOOKS) {
						if (looks > 0) await sleep(PAUSE_MS);
						looks++;
						still = await this.#view.nobodyWrites();
						again = true;
						break;
					}
					if (!still && newest && (piece.what === "cut" || piece.what === "blank")) return undefined;
					this.#bad(segment, piece);
					await this.#raw(segment, piece.at, piece.end);
					if (piece.end === undefined) return undefined;
					this.#report.read(piece.end - piece.at);
					place.from = piece.end;
					place.relative = piece.next;
				}
			}
		} catch (error) {
			if (await this.#failed(error, path, place.from)) await this.#raw(segment, place.from, undefined);
			return undefined;
		}
		return place.relative;
	}

	#good(segment: Segment, piece: GoodStretch): void {
		const { path, base } = segment;
		this.#report.frames += piece.frames.length;
		this.#report.read(piece.end - piece.fileOffset);
		for (const { at, header } of piece.frames) {
			const offset = piece.fileOffset + at;
			if (offset === SEGMENT_HEADER_BYTES && header.type !== FrameType.state) {
				this.#report.damage(path, offset, "the segment does not begin with the state of the shard");
			}
			if (header.type === FrameType.data) {
				if (this.#sealed) this.#report.damage(path, offset, "data follows the seal of the shard");
				if (this.#stream.kind === "bytes" && header.units !== header.payloadBytes) {
					this.#report.damage(path, offset, `the frame counts ${header.units} units for ${header.payloadBytes} bytes`);
				}
				if (this.#stream.kind === "records" && !recordsHold(piece.bytes, at, header)) {
					this.#report.damage(path, offset, "the frame does not hold the records that it counts");
				}
				continue;
			}
			const state = decodeState(piece.bytes, at, header);
			if (state === undefined || state.head > base + header.relative) {
				this.#report.damage(path, offset, "the state in this frame makes no sense");
				continue;
			}
			this.#head = Math.max(this.#head, state.head);
			this.#sealed ||= state.sealed;
		}
	}

	#bad({ path, base }: Segment, { at, what, relative, end, next }: BadFrame): void {
		const from = base + relative;
		const lost = end === undefined ? `positions from ${from} on` : `positions ${from} to ${base + next}`;
		const wrong = badText[what];
		this.#report.damage(path, at, `${wrong}: ${lost} cannot be read`);
	}

	/** Gives a stretch to the sink as it is. */
	async #raw(segment: Segment, from: number, to: number | undefined): Promise<void> {
		try {
			await this.#sink?.raw(segment, from, to);
		} catch (error) {
			await this.#failed(error, segment.path, from);
		}
	}

	/** Reports an error met at a file; `false` if the file is gone because somebody else removed it. */
	async #failed(error: unknown, path: string, offset: number): Promise<boolean> {
		if (error instanceof SinkError) throw error;
		const there = await this.#view.disk.stat(path).catch(() => undefined);
		if (there === undefined && !(await this.#view.nobodyWrites())) {
			this.#vanished = true;
			return false;
		}
		this.#report.error(error, path, offset);
		return true;
	}
}

const badText: Readonly<Record<BadFrame["what"], string>> = {
	cut: "the last frame is not whole",
	blank: "zeros stand where a frame should begin",
	header: "the header of a frame fails its check",
	body: "the body of a frame fails its check",
};
