/**
 * All rounds that the files of a journal still hold, also those that no checkpoint asks for any more, and also where
 * headers of files, checkpoints or other rounds are damaged: what a repair can take from the journal.
 */
import { join } from "node:path/posix";
import { throwIfAborted } from "../../core/abort.ts";
import { formatUuid } from "../../core/random.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import type { Disk, DiskFile } from "../../disk/disk.ts";
import { checksum, viewOf } from "../format/checksum.ts";
import { FRAME_HEADER_BYTES, FrameType, frameBytes, readFrameHeader } from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import type { WalkedRound } from "./journal-walk.ts";
import { listRing } from "./ring.ts";
import {
	decodeDamagedRound,
	decodeRound,
	ENVELOPE_BYTES,
	type Envelope,
	EnvelopeKind,
	ROUND_ALIGN,
	ROUND_HEADER_BYTES,
	type RoundHeader,
	readRoundHeader,
	roundBytes,
} from "./round.ts";

/** A round in a ring file. */
export interface RingRound {
	readonly header: RoundHeader;
	readonly path: string;
	readonly offset: number;
	/** Every check holds. If not, header and envelopes do, and some bodies do not. */
	readonly whole: boolean;
}

/** A frame that a round holds. */
interface HeldFrame {
	readonly path: string;
	readonly offset: number;
	readonly bytes: number;
	readonly round: number;
	/** The round was written without sync: it may have been dropped by an opening. */
	readonly unsynced: boolean;
}

/** Rounds and frames in the files of a journal. */
export class RingRounds {
	readonly #disk: Disk;
	/** In no particular order. */
	readonly rounds: RingRound[] = [];
	/** The last id that a stream's folder had, as rounds name it. */
	readonly ids: Map<string, string> = new Map();
	/** What kind a stream's frames show it to be: entries of byte streams count no units. */
	readonly kinds: Map<string, StreamKind> = new Map();
	readonly #frames = new Map<string, HeldFrame>();
	readonly #bases = new Map<string, Set<number>>();
	readonly #named = new Map<string, number>();

	private constructor(disk: Disk) {
		this.#disk = disk;
	}

	/** Reads the ring files of the store at `root`. */
	static async read(disk: Disk, root: string, storeId: Uint8Array, signal?: AbortSignal): Promise<RingRounds> {
		const found = new RingRounds(disk);
		const files = await listRing(disk, join(root, "journal")).catch(() => []);
		for (const { number, path } of files) {
			const file = await disk.open(path, "read");
			try {
				await found.#scan({ file, path, number, storeTag: checksum(storeId) }, signal);
			} finally {
				await file.close();
			}
		}
		return found;
	}

	async #scan(
		ring: { file: DiskFile; path: string; number: number; storeTag: number },
		signal: AbortSignal | undefined,
	): Promise<void> {
		const { file, path, number, storeTag } = ring;
		const size = await file.size();
		const head = new Uint8Array(ROUND_HEADER_BYTES);
		for (let at = ROUND_ALIGN; at + ROUND_ALIGN <= size; ) {
			throwIfAborted(signal, "repairing");
			const got = await file.read(head, at);
			const header = readRoundHeader(head.subarray(0, got));
			const length = header === undefined ? 0 : roundBytes(header.envelopes, header.bodyBytes);
			const placed = header?.storeTag === storeTag && header.file === number && header.offset === at;
			const bytes = placed && at + length <= size ? await readBytes(file, at, length) : undefined;
			if (header === undefined || bytes === undefined || !tableHolds(bytes, header)) {
				at += ROUND_ALIGN;
				continue;
			}
			const envelopes = decodeRound(bytes, header);
			this.rounds.push({ header, path, offset: at, whole: envelopes !== undefined });
			for (const envelope of envelopes ?? []) this.#note(envelope, header, path, at, bytes);
			at += envelopes === undefined ? ROUND_ALIGN : length;
		}
	}

	#note(envelope: Envelope, header: RoundHeader, path: string, roundAt: number, bytes: Uint8Array): void {
		const { kind, streamId, body } = envelope;
		if (kind === EnvelopeKind.name || kind === EnvelopeKind.create) {
			const folder = new TextDecoder().decode(body);
			if ((this.#named.get(folder) ?? -1) > header.number) return;
			this.#named.set(folder, header.number);
			this.ids.set(folder, formatUuid(streamId));
			return;
		}
		if (kind === EnvelopeKind.adopt) return;
		const frame = readFrameHeader(body, viewOf(body), 0);
		// Whatever else an envelope holds, only whole frames can be given back.
		if (frame === undefined || frameBytes(frame) !== body.length) return;
		if (frame.type === FrameType.data) {
			const table = FRAME_HEADER_BYTES + frame.payloadBytes;
			const counts = body.subarray(table + 4, table + 7).some((byte) => byte !== 0);
			this.kinds.set(formatUuid(streamId), counts ? "records" : "bytes");
		}
		const key = frameKey(envelope.streamId, envelope.shard, envelope.base, envelope.fileOffset);
		if ((this.#frames.get(key)?.round ?? -1) > header.number) return;
		const offset = roundAt + (body.byteOffset - bytes.byteOffset);
		if (envelope.fileOffset === SEGMENT_HEADER_BYTES && !header.unsynced) {
			const shard = `${formatUuid(envelope.streamId)}/${envelope.shard}`;
			const bases = this.#bases.get(shard) ?? new Set();
			this.#bases.set(shard, bases.add(envelope.base));
		}
		this.#frames.set(key, { path, offset, bytes: body.length, round: header.number, unsynced: header.unsynced });
	}

	/** The frame that belongs to a place in a segment, if a whole round holds it. */
	async frame(
		streamId: Uint8Array,
		shard: number,
		base: number,
		fileOffset: number,
	): Promise<{ readonly bytes: Uint8Array; readonly unsynced: boolean } | undefined> {
		const held = this.#frames.get(frameKey(streamId, shard, base, fileOffset));
		if (held === undefined) return undefined;
		const file = await this.#disk.open(held.path, "read");
		try {
			return { bytes: await readBytes(file, held.offset, held.bytes), unsynced: held.unsynced };
		} finally {
			await file.close();
		}
	}

	/** Bases of segments whose first frame a synced round holds, ascending. */
	bases(streamId: Uint8Array, shard: number): number[] {
		return [...(this.#bases.get(`${formatUuid(streamId)}/${shard}`) ?? [])].sort((a, b) => a - b);
	}

	/** A round as redo takes it: of one that is not whole the envelopes whose bodies hold, with the others beside them. */
	async load(round: RingRound): Promise<{ round: WalkedRound; lost: readonly Envelope[] }> {
		const { header, path, offset } = round;
		const file = await this.#disk.open(path, "read");
		try {
			const bytes = await readBytes(file, offset, roundBytes(header.envelopes, header.bodyBytes));
			const { good, lost } = decodeDamagedRound(bytes, header);
			return { round: { header, path, offset, bytes, envelopes: decodeRound(bytes, header) ?? good }, lost };
		} finally {
			await file.close();
		}
	}
}

function frameKey(streamId: Uint8Array, shard: number, base: number, fileOffset: number): string {
	return `${formatUuid(streamId)}/${shard}/${base}/${fileOffset}`;
}

async function readBytes(file: DiskFile, at: number, length: number): Promise<Uint8Array> {
	const bytes = Buffer.allocUnsafeSlow(length);
	return bytes.subarray(0, await file.read(bytes, at));
}

function tableHolds(bytes: Uint8Array, header: RoundHeader): boolean {
	const end = ROUND_HEADER_BYTES + header.envelopes * ENVELOPE_BYTES;
	return end <= bytes.length && checksum(bytes.subarray(8, end)) === header.crc;
}
