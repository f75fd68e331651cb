/**
 * Walks the rounds of the journal from the checkpoint on, and tells a torn end from damage (docs/commit-protocol.md §4).
 *
 * Only the last round can be incomplete, since one is in flight at a time: a bad round with a later one of the same
 * incarnation behind it was complete once. Rounds of an incarnation that the checkpoint does not know yet mean that the
 * checkpoint itself is an old one.
 */
import { join } from "node:path/posix";
import type { Disk, DiskFile } from "../../disk/disk.ts";
import { inParallel } from "../files/in-parallel.ts";
import type { Checkpoint } from "../format/checkpoint-file.ts";
import { checksum } from "../format/checksum.ts";
import { corrupt } from "../format/corruption.ts";
import { JournalWindows } from "./journal-windows.ts";
import { listRing, readRingHeader } from "./ring.ts";
import {
	decodeRound,
	ENVELOPE_BYTES,
	type Envelope,
	ROUND_ALIGN,
	ROUND_HEADER_BYTES,
	type RoundHeader,
	readRoundHeader,
	roundBytes,
} from "./round.ts";

const WINDOW_BYTES = 1024 * 1024;

/** A whole round. */
export interface WalkedRound {
	readonly header: RoundHeader;
	readonly envelopes: readonly Envelope[];
	/** Where it stands, and its bytes with the padding: memory that the walk uses again. */
	readonly path: string;
	readonly offset: number;
	readonly bytes: Uint8Array;
}

/** A round, and whether it was durable before its owner died: nobody begins the next one earlier. */
export interface FoundRound extends WalkedRound {
	readonly proven: boolean;
}

interface OpenRing {
	readonly number: number;
	readonly path: string;
	readonly file: DiskFile;
	readonly bytes: number;
	/** The stretch that the walk has found rounds in. */
	walked: { from: number; to: number } | undefined;
}

/** A stretch of a ring file that is looked at by one read. */
interface Window {
	readonly ring: OpenRing;
	readonly from: number;
	readonly to: number;
}

/** The journal of a store, open for reading. Its owner closes it. */
export class JournalWalk {
	readonly #files: readonly OpenRing[];
	readonly #start: Checkpoint;
	readonly #storeTag: number;
	/** Bytes of the incomplete last round, known once the walk has ended. */
	tailCutBytes = 0;
	/** Number of the next round, as far as the walk has come. */
	expected: number;
	#previous: number;
	#place: { file: number; offset: number };
	readonly #windows = new JournalWindows();
	/** Behind which round nothing was found. */
	#endChecked = Number.NaN;

	private constructor(files: readonly OpenRing[], start: Checkpoint, storeTag: number) {
		this.#files = files;
		this.#start = start;
		this.#storeTag = storeTag;
		this.expected = start.round;
		this.#previous = start.previous;
		this.#place = { file: start.file, offset: start.offset };
	}

	/**
	 * Opens the ring files of the store at `root`. @throws CORRUPT if rounds are to be redone and a file has a bad header,
	 * is shorter than it was made, or is the one to begin in and missing: nothing that a crash can leave
	 */
	static async open(disk: Disk, root: string, storeId: Uint8Array, start: Checkpoint): Promise<JournalWalk> {
		const folder = join(root, "journal");
		const files: OpenRing[] = [];
		try {
			for (const { number, path } of await listRing(disk, folder)) {
				const file = await disk.open(path, "read");
				const ring: OpenRing = { number, path, file, bytes: await file.size(), walked: undefined };
				files.push(ring);
				const made = await readRingHeader(file, storeId, number);
				if (!start.clean) checkRing(ring, made);
			}
			if (!start.clean && !files.some(({ number }) => number === start.file)) {
				const what = `journal file ${start.file} is missing, and rounds in it are to be redone`;
				throw corrupt({ path: folder, offset: 0, what });
			}
		} catch (error) {
			await closeAll(files);
			throw error;
		}
		return new JournalWalk(files, start, checksum(storeId));
	}

	/**
	 * Yields the whole rounds in order. Whether the end is torn or damaged is decided before a round is given that nothing proves
	 * to have been durable, and after the last one. A round's memory is used again some time after the next one was asked for,
	 * and not before the promise is resolved that `release` gives then. @throws CORRUPT
	 */
	async *rounds(release: () => Promise<void> = () => Promise.resolve()): AsyncGenerator<FoundRound> {
		await this.#checkNewer();
		if (this.#start.clean) return;
		this.#windows.reuse = release;
		try {
			for (let round = await this.#next(); round !== undefined; round = await this.#next()) {
				this.tailCutBytes = 0;
				this.expected = round.header.number + 1;
				this.#previous = round.header.crc;
				this.#place = { file: round.header.file, offset: round.header.offset + round.bytes.length };
				const proven = await this.#goesOn();
				if (!proven) {
					// What is known of the rounds before is written while the end is looked at.
					release().catch(() => {});
					await this.#checkEnd();
				}
				yield { ...round, proven };
			}
		} finally {
			await this.#windows.end();
		}
		await this.#checkEnd();
	}

	/** Goes back to the beginning: the rounds can be walked once more. */
	restart(): void {
		const { round, previous, file, offset } = this.#start;
		this.expected = round;
		this.#previous = previous;
		this.#place = { file, offset };
		for (const ring of this.#files) ring.walked = undefined;
	}

	/** Where the next round is expected. */
	get place(): { readonly path: string; readonly offset: number } {
		const { file, offset } = this.#place;
		return { path: this.#files.find(({ number }) => number === file)?.path ?? "journal", offset };
	}

	async close(): Promise<void> {
		await closeAll(this.#files);
	}

	async #next(): Promise<WalkedRound | undefined> {
		for (const [ring, offset] of this.#candidates()) {
			const found = await this.#roundAt(ring, offset);
			if (found !== undefined) return found;
		}
		return undefined;
	}

	/** Tells whether the next round was begun. */
	async #goesOn(): Promise<boolean> {
		for (const [ring, offset] of this.#candidates()) {
			if ((await this.#headerAt(ring, offset)) !== undefined) return true;
		}
		return false;
	}

	/** Where the next round may stand: behind the last one, or at the beginning of a file. */
	*#candidates(): Generator<readonly [OpenRing, number]> {
		const { file, offset } = this.#place;
		for (const ring of this.#files) if (ring.number === file) yield [ring, offset];
		for (const ring of this.#files) if (ring.number !== file || offset !== ROUND_ALIGN) yield [ring, ROUND_ALIGN];
	}

	/** The header of the next round, if it stands there. */
	async #headerAt(ring: OpenRing, offset: number): Promise<RoundHeader | undefined> {
		if (offset + ROUND_ALIGN > ring.bytes) return undefined;
		const header = readRoundHeader(await this.#windows.head(ring, offset));
		if (header === undefined || !this.#belongs(header, ring.number, offset)) return undefined;
		if (header.incarnation !== this.#start.incarnation || header.nonce !== this.#start.nonce) return undefined;
		if (header.number !== this.expected || header.previous !== this.#previous) return undefined;
		return offset + roundBytes(header.envelopes, header.bodyBytes) > ring.bytes ? undefined : header;
	}

	async #roundAt(ring: OpenRing, offset: number): Promise<WalkedRound | undefined> {
		const header = await this.#headerAt(ring, offset);
		if (header === undefined) return undefined;
		const length = roundBytes(header.envelopes, header.bodyBytes);
		const bytes = await this.#windows.round(ring, offset, length);
		const envelopes = bytes.length < length ? undefined : decodeRound(bytes, header);
		if (envelopes === undefined) {
			this.tailCutBytes = length;
			return undefined;
		}
		ring.walked = { from: ring.walked?.from ?? offset, to: offset + length };
		return { header, envelopes, path: ring.path, offset, bytes };
	}

	#belongs(header: RoundHeader, file: number, offset: number): boolean {
		return header.storeTag === this.#storeTag && header.file === file && header.offset === offset;
	}

	/** A round of an incarnation that the checkpoint does not know: the newer checkpoint was lost. */
	async #checkNewer(): Promise<void> {
		for (const ring of this.#files) {
			const header = await this.#provenHeader(ring, ROUND_ALIGN);
			if (header === undefined) continue;
			const newer = header.incarnation > this.#start.incarnation;
			const afterClean =
				this.#start.clean && header.incarnation === this.#start.incarnation && header.number >= this.#start.round;
			if (newer || afterClean) {
				const what = `round ${header.number} is newer than the checkpoint: the last checkpoint was damaged`;
				throw corrupt({ path: ring.path, offset: ROUND_ALIGN, what });
			}
		}
	}

	/** A round behind the end of the walk: the one in between was complete once and is damaged now. */
	async #checkEnd(): Promise<void> {
		if (this.#start.unsynced || this.#endChecked === this.expected) return;
		this.#endChecked = this.expected;
		const windows: Window[] = [];
		for (const ring of this.#files) {
			const { from, to } = ring.walked ?? { from: ring.bytes, to: ring.bytes };
			windows.push(...split(ring, ROUND_ALIGN, from), ...split(ring, to, ring.bytes));
		}
		const free: Buffer[] = [];
		await inParallel(windows, async (window) => {
			const memory = free.pop() ?? Buffer.allocUnsafeSlow(WINDOW_BYTES);
			await this.#checkWindow(window, memory);
			free.push(memory);
		});
	}

	async #checkWindow({ ring, from, to }: Window, memory: Buffer): Promise<void> {
		const got = await ring.file.read(memory.subarray(0, to - from), from);
		for (let offset = 0; offset + ROUND_HEADER_BYTES <= got; offset += ROUND_ALIGN) {
			const header = readRoundHeader(memory, offset);
			if (header === undefined || !this.#isLater(header)) continue;
			if ((await this.#provenHeader(ring, from + offset)) === undefined) continue;
			const what = `round ${this.expected} of the journal is damaged, round ${header.number} follows it`;
			throw corrupt({ ...this.place, what });
		}
	}

	#isLater(header: RoundHeader): boolean {
		const same = header.incarnation === this.#start.incarnation && header.nonce === this.#start.nonce;
		return same && header.number > this.expected;
	}

	/** The header of a round whose header and envelopes pass their check; bodies need not be whole. */
	async #provenHeader(ring: OpenRing, offset: number): Promise<RoundHeader | undefined> {
		const head = new Uint8Array(ROUND_HEADER_BYTES);
		if ((await ring.file.read(head, offset)) < head.length) return undefined;
		const header = readRoundHeader(head);
		if (header === undefined || !this.#belongs(header, ring.number, offset)) return undefined;
		const length = ROUND_HEADER_BYTES + header.envelopes * ENVELOPE_BYTES;
		if (offset + length > ring.bytes) return undefined;
		const bytes = new Uint8Array(length);
		await ring.file.read(bytes, offset);
		return checksum(bytes.subarray(8)) === header.crc ? header : undefined;
	}
}

function* split(ring: OpenRing, from: number, to: number): Generator<Window> {
	for (let at = from; at < to; at += WINDOW_BYTES) yield { ring, from: at, to: Math.min(at + WINDOW_BYTES, to) };
}

/** Refuses a file whose header is bad, or which is shorter than the size that the header tells. */
function checkRing({ path, bytes }: OpenRing, made: number | undefined): void {
	if (made === undefined) {
		throw corrupt({ path, offset: 0, what: "the header of this journal file fails its check" });
	}
	if (bytes < made) throw corrupt({ path, offset: bytes, what: "this journal file is cut short" });
}

async function closeAll(files: readonly OpenRing[]): Promise<void> {
	await Promise.all(files.map(({ file }) => file.close()));
}
