/**
 * Dumps a ring file of the journal: its header, then each round with its envelopes, also rounds of earlier laps that
 * nobody needs any more. Tells a round that a crash left incomplete from one that is damaged as an opening does: only
 * the last round of an incarnation can be incomplete.
 */
import { basename, dirname } from "node:path/posix";
import { throwIfAborted } from "../../core/abort.ts";
import { formatUuid } from "../../core/random.ts";
import { type Checkpoint, readCheckpoint } from "../format/checkpoint-file.ts";
import { checksum, viewOf } from "../format/checksum.ts";
import { FRAME_HEADER_BYTES, FrameType, readFrameHeader } from "../format/frame.ts";
import { decodeAdoption } from "../format/staged-files.ts";
import { listRing, readRingHeader } from "../journal/ring.ts";
import {
	decodeRound,
	ENVELOPE_BYTES,
	type Envelope,
	EnvelopeKind,
	ROUND_ALIGN,
	ROUND_HEADER_BYTES,
	type RoundHeader,
	readRoundHeader,
	roundBytes,
} from "../journal/round.ts";
import { bytesAt, type DumpLine, type DumpSource, preview } from "./dump-line.ts";
import { nameOf } from "./dump-segment.ts";

/** What is known of the journal around the file. */
interface Surroundings {
	/** Last proven round by nonce of its incarnation. */
	readonly last: ReadonlyMap<number, number>;
	readonly checkpoint: Checkpoint | undefined;
}

/** Dumps a ring file. */
export async function* dumpJournal(source: DumpSource): AsyncGenerator<DumpLine> {
	const bytes = await bytesAt(source, 0, 64);
	const id = bytes.slice(16, 32);
	const number = bytes.length < 64 ? 0 : viewOf(bytes).getUint32(32, true);
	const fileBytes = await readRingHeader(source.file, id, number);
	const store = id.length === 16 ? formatUuid(id) : "";
	if (fileBytes === undefined) {
		yield { part: "journal", offset: 0, ok: false, reason: "the header of this journal file fails its check" };
	} else if (fileBytes > source.size) {
		const reason = `the file is cut short: it should have ${fileBytes} bytes`;
		yield { part: "journal", offset: 0, ok: false, reason, store, number, fileBytes };
	} else yield { part: "journal", offset: 0, ok: true, store, number, fileBytes };
	yield* dumpRounds(source, await surroundings(source, id));
}

async function* dumpRounds(source: DumpSource, around: Surroundings): AsyncGenerator<DumpLine> {
	let before: RoundHeader | undefined;
	let gapAt: number | undefined;
	for (let at = ROUND_ALIGN; at < source.size; ) {
		throwIfAborted(source.signal, "dumping");
		const header = readRoundHeader(await bytesAt(source, at, ROUND_HEADER_BYTES));
		if (header === undefined || header.offset !== at) {
			gapAt ??= at;
			at += ROUND_ALIGN;
			continue;
		}
		const skipped = before?.nonce === header.nonce && header.number > before.number + 1;
		if (skipped && gapAt !== undefined && isLive(header, around) !== false) {
			const first = (before as RoundHeader).number + 1;
			const reason = `no header of a round stands here; round ${header.number} follows`;
			yield { part: "bad", offset: gapAt, ok: false, reason, round: first, bytes: at - gapAt };
		}
		gapAt = undefined;
		const length = roundBytes(header.envelopes, header.bodyBytes);
		const bytes = await bytesAt(source, at, Math.min(length, source.size - at));
		const envelopes = bytes.length < length ? undefined : decodeRound(bytes, header);
		yield roundLine(at, header, around, envelopes === undefined ? wrongWith(bytes, header, length) : undefined);
		if (envelopes === undefined) {
			// Its length may be wrong: the next round is searched for block by block.
			at += ROUND_ALIGN;
			continue;
		}
		for (const envelope of envelopes) yield await envelopeLine(source, envelope, at, bytes);
		before = header;
		at += length;
	}
}

function roundLine(at: number, header: RoundHeader, around: Surroundings, wrong: string | undefined): DumpLine {
	const { number, incarnation, time, envelopes, bodyBytes, unsynced } = header;
	const live = isLive(header, around);
	const line = { part: "round", offset: at, ok: wrong === undefined, number, incarnation, time, envelopes, bodyBytes };
	const more = { ...(unsynced ? { unsynced } : {}), ...(live === undefined ? {} : { live }) };
	if (wrong === undefined) return { ...line, ...more };
	const isLast = number >= (around.last.get(header.nonce) ?? 0) || unsynced;
	const reason = isLast ? `${wrong}: the round was never complete` : wrong;
	return { ...line, ...more, reason, ...(isLast || live === false ? { torn: true } : {}) };
}

/** Tells whether a round is still to be redone, if the checkpoint is known. */
function isLive({ incarnation, number }: RoundHeader, { checkpoint }: Surroundings): boolean | undefined {
	if (checkpoint === undefined) return undefined;
	return !checkpoint.clean && incarnation === checkpoint.incarnation && number >= checkpoint.round;
}

function wrongWith(bytes: Uint8Array, header: RoundHeader, length: number): string {
	if (bytes.length < length) return "it reaches beyond the end of the file";
	const table = ROUND_HEADER_BYTES + header.envelopes * ENVELOPE_BYTES;
	if (checksum(bytes.subarray(8, table)) !== header.crc) return "its header and envelopes fail their check";
	return "a body in it fails its check, or is of a kind that this version does not know";
}

async function envelopeLine(
	source: DumpSource,
	{ kind, streamId, shard, base, fileOffset, body }: Envelope,
	roundAt: number,
	round: Uint8Array,
): Promise<DumpLine> {
	const offset = roundAt + (body.byteOffset - round.byteOffset);
	const line = { part: "envelope", offset, ok: true, kind: nameOf(EnvelopeKind, kind), stream: formatUuid(streamId) };
	if (kind === EnvelopeKind.name || kind === EnvelopeKind.create || kind === EnvelopeKind.delete) {
		return { ...line, folder: new TextDecoder().decode(body) };
	}
	if (kind === EnvelopeKind.adopt) {
		const adoption = decodeAdoption(body);
		const { id, time, folder } = adoption ?? {};
		return {
			...line,
			shard,
			write: id,
			time,
			folder,
			files: adoption?.files.map(({ base, bytes }) => ({ base, bytes })),
		};
	}
	const place = { shard, base, frameAt: fileOffset, bytes: body.length };
	const header = readFrameHeader(body, viewOf(body), 0);
	if (header === undefined) return { ...line, ...place };
	const { units, entries, time } = header;
	const frame = { type: nameOf(FrameType, header.type), position: base + header.relative, units, entries, time };
	const data = header.type === FrameType.data && body.length > FRAME_HEADER_BYTES ? header.payloadBytes : 0;
	return { ...line, ...place, ...frame, ...(await preview(source, offset + FRAME_HEADER_BYTES, data)) };
}

/** Looks at the ring files beside this one, and at the checkpoint, as far as they can be read. */
async function surroundings(source: DumpSource, storeId: Uint8Array): Promise<Surroundings> {
	const { disk, path } = source;
	const folder = dirname(path);
	const last = new Map<number, number>();
	const root = basename(folder) === "journal" ? dirname(folder) : undefined;
	const checkpoint = root === undefined ? undefined : await readCheckpoint(disk, root, storeId).catch(() => undefined);
	const beside = root === undefined ? [] : await listRing(disk, folder).catch(() => []);
	const others = beside.filter((other) => basename(other.path) !== basename(path));
	await noteRounds(source, last);
	for (const other of others) {
		const file = await disk.open(other.path, "read").catch(() => undefined);
		if (file === undefined) continue;
		try {
			await noteRounds({ ...source, path: other.path, file, size: await file.size() }, last);
		} finally {
			await file.close();
		}
	}
	return { last, checkpoint };
}

/** Notes the last round of each incarnation whose header and envelopes hold. */
async function noteRounds(source: DumpSource, last: Map<number, number>): Promise<void> {
	for (let at = ROUND_ALIGN; at < source.size; at += ROUND_ALIGN) {
		throwIfAborted(source.signal, "dumping");
		const header = readRoundHeader(await bytesAt(source, at, ROUND_HEADER_BYTES));
		if (header === undefined || header.offset !== at) continue;
		const table = await bytesAt(source, at, Math.min(tableBytes(header), source.size - at));
		if (checksum(table.subarray(8)) !== header.crc || table.length < tableBytes(header)) continue;
		last.set(header.nonce, Math.max(header.number, last.get(header.nonce) ?? 0));
	}
}

function tableBytes(header: RoundHeader): number {
	return ROUND_HEADER_BYTES + header.envelopes * ENVELOPE_BYTES;
}
