/**
 * A round: what one group commit makes durable, over all shards (docs/format.md §5).
 *
 *   +--------------+------------------+----------------------------------+---------+
 *   | header, 64 B | envelopes, 48 B  | bodies: frames and folder names  | padding |     to a multiple of 4 KiB
 *   +--------------+------------------+----------------------------------+---------+
 *
 * The round's CRC covers header and envelopes; each envelope holds the CRC of its body.
 */
import { checksum, readU64, viewOf, writeU64 } from "../format/checksum.ts";
import { FRAME_HEADER_BYTES, frameBodyHolds, frameBytes, frameHeaderCrc, readFrameHeader } from "../format/frame.ts";
import { placedBodyHolds } from "./placed-body.ts";

/** Rounds begin at multiples of this and are padded to one. */
export const ROUND_ALIGN = 4096;
export const ROUND_HEADER_BYTES = 64;
export const ENVELOPE_BYTES = 48;
/** Where an envelope tells the length of its body. */
const BODY_BYTES_AT = 36;

const MAGIC = 0x44_52_42_53; // "SBRD"
const VERSION = 1;

/** Kinds of envelope; stored, never renumbered. */
export const EnvelopeKind = { frame: 1, name: 2, create: 3, delete: 4, adopt: 5, placed: 7, epoch: 8 } as const;
export type EnvelopeKind = (typeof EnvelopeKind)[keyof typeof EnvelopeKind];

/** Who a body belongs to and where it goes. */
export interface Envelope {
	readonly kind: EnvelopeKind;
	readonly shard: number;
	/** 16 bytes. */
	readonly streamId: Uint8Array;
	readonly base: number;
	readonly fileOffset: number;
	/** A frame; the header of one whose payload is placed, perhaps with its table; the folder of the stream below `streams/` in UTF-8; an adoption; or an epoch. */
	readonly body: Uint8Array;
	/** Header CRC of a frame, else the CRC of the body. */
	readonly crc: number;
}

/** An envelope to be written, with its body where it stands: bytes `from` to `to` of `source`. */
export interface RoundPart extends Omit<Envelope, "body" | "crc"> {
	/** As in {@link Envelope}; NaN until the frame is stamped. */
	crc: number;
	readonly source: Buffer;
	readonly from: number;
	readonly to: number;
}

/** Header of a round. */
export interface RoundHeader {
	readonly unsynced: boolean;
	/** CRC of the store's id. */
	readonly storeTag: number;
	readonly incarnation: number;
	readonly number: number;
	readonly file: number;
	readonly offset: number;
	/** CRC field of the round before. */
	readonly previous: number;
	/** Random number of the incarnation, below 2^48: no payload can pass for a round. */
	readonly nonce: number;
	readonly time: number;
	readonly envelopes: number;
	readonly bodyBytes: number;
	/** CRC field of this round. */
	readonly crc: number;
}

/** Bytes of a round on disk, padding included. */
export function roundBytes(envelopes: number, bodyBytes: number): number {
	const bytes = ROUND_HEADER_BYTES + envelopes * ENVELOPE_BYTES + bodyBytes;
	return Math.ceil(bytes / ROUND_ALIGN) * ROUND_ALIGN;
}

/** What the encoder fills in beside the envelopes. */
export type RoundPlace = Omit<RoundHeader, "envelopes" | "bodyBytes" | "crc">;

/** An envelope as a part of a round. */
export function roundPart(envelope: Envelope): RoundPart {
	const { body, ...rest } = envelope;
	return { ...rest, source: Buffer.from(body.buffer, body.byteOffset, body.length), from: 0, to: body.length };
}

/**
 * Encodes a round into `target`, which must be large enough; returns the round's CRC. Without `copyBodies` only header and
 * envelopes are written: the caller writes bodies and padding from elsewhere.
 */
export function encodeRound(
	target: Uint8Array,
	view: DataView,
	place: RoundPlace,
	parts: readonly RoundPart[],
	copyBodies = true,
): number {
	let at = ROUND_HEADER_BYTES;
	let body = ROUND_HEADER_BYTES + parts.length * ENVELOPE_BYTES;
	const bodiesAt = body;
	for (const part of parts) {
		const length = part.to - part.from;
		view.setUint32(at, part.kind, true);
		view.setUint32(at + 4, part.shard, true);
		target.set(part.streamId, at + 8);
		writeU64(view, at + 24, part.base);
		view.setUint32(at + 32, part.fileOffset, true);
		view.setUint32(at + BODY_BYTES_AT, length, true);
		view.setUint32(at + 40, part.crc, true);
		view.setUint32(at + 44, 0, true);
		if (copyBodies) part.source.copy(target, body, part.from, part.to);
		body += length;
		at += ENVELOPE_BYTES;
	}
	if (copyBodies) target.fill(0, body, roundBytes(parts.length, body - bodiesAt));
	view.setUint32(0, MAGIC, true);
	view.setUint16(8, VERSION, true);
	view.setUint16(10, place.unsynced ? 1 : 0, true);
	view.setUint32(12, place.incarnation, true);
	writeU64(view, 16, place.number);
	view.setUint32(24, place.file, true);
	view.setUint32(28, place.offset, true);
	view.setUint32(32, place.previous, true);
	view.setUint32(36, parts.length, true);
	view.setUint32(40, body - bodiesAt, true);
	view.setUint32(44, place.storeTag, true);
	writeU64(view, 48, place.time);
	writeU64(view, 56, place.nonce);
	const crc = checksum(target.subarray(8, bodiesAt));
	view.setUint32(4, crc, true);
	return crc;
}

/** Reads the fields of a round header without its CRC check; `undefined` if it is none of this version. */
export function readRoundHeader(bytes: Uint8Array, at = 0): RoundHeader | undefined {
	if (at + ROUND_HEADER_BYTES > bytes.length) return undefined;
	const view = viewOf(bytes);
	if (view.getUint32(at, true) !== MAGIC || view.getUint16(at + 8, true) !== VERSION) return undefined;
	const header: RoundHeader = {
		crc: view.getUint32(at + 4, true),
		unsynced: (view.getUint16(at + 10, true) & 1) === 1,
		incarnation: view.getUint32(at + 12, true),
		number: readU64(view, at + 16),
		file: view.getUint32(at + 24, true),
		offset: view.getUint32(at + 28, true),
		previous: view.getUint32(at + 32, true),
		envelopes: view.getUint32(at + 36, true),
		bodyBytes: view.getUint32(at + 40, true),
		storeTag: view.getUint32(at + 44, true),
		time: readU64(view, at + 48),
		nonce: readU64(view, at + 56),
	};
	return Number.isNaN(header.number + header.time + header.nonce) ? undefined : header;
}

/** Decodes the envelopes of a round whose bytes begin at 0, or `undefined` if any check fails. */
export function decodeRound(bytes: Uint8Array, header: RoundHeader): Envelope[] | undefined {
	const bodiesAt = ROUND_HEADER_BYTES + header.envelopes * ENVELOPE_BYTES;
	if (bodiesAt + header.bodyBytes > bytes.length) return undefined;
	if (checksum(bytes.subarray(8, bodiesAt)) !== header.crc) return undefined;
	const view = viewOf(bytes);
	const envelopes: Envelope[] = [];
	let body = bodiesAt;
	for (let at = ROUND_HEADER_BYTES; at < bodiesAt; at += ENVELOPE_BYTES) {
		const envelope = envelopeAt(bytes, view, at, body);
		body += view.getUint32(at + BODY_BYTES_AT, true);
		if (body > bodiesAt + header.bodyBytes || !bodyHolds(envelope)) return undefined;
		envelopes.push(envelope);
	}
	return body === bodiesAt + header.bodyBytes ? envelopes : undefined;
}

/** Envelopes of a round whose table holds and some of whose bodies do not: those that are whole, and the others. */
export function decodeDamagedRound(bytes: Uint8Array, header: RoundHeader): { good: Envelope[]; lost: Envelope[] } {
	const view = viewOf(bytes);
	const good: Envelope[] = [];
	const lost: Envelope[] = [];
	const bodiesAt = ROUND_HEADER_BYTES + header.envelopes * ENVELOPE_BYTES;
	let body = bodiesAt;
	for (let at = ROUND_HEADER_BYTES; at < bodiesAt; at += ENVELOPE_BYTES) {
		const envelope = envelopeAt(bytes, view, at, body);
		body += view.getUint32(at + BODY_BYTES_AT, true);
		if (bodyHolds(envelope)) good.push(envelope);
		else lost.push(envelope);
	}
	return { good, lost };
}

/** The envelope whose line in the table begins at `at`, with its body. */
function envelopeAt(bytes: Uint8Array, view: DataView, at: number, body: number): Envelope {
	return {
		kind: view.getUint8(at) as EnvelopeKind,
		shard: view.getUint32(at + 4, true),
		streamId: bytes.subarray(at + 8, at + 24),
		base: readU64(view, at + 24),
		fileOffset: view.getUint32(at + 32, true),
		body: bytes.subarray(body, body + view.getUint32(at + BODY_BYTES_AT, true)),
		crc: view.getUint32(at + 40, true),
	};
}

const kinds: ReadonlySet<number> = new Set(Object.values(EnvelopeKind));

function bodyHolds(envelope: Envelope): boolean {
	const { body, kind, crc } = envelope;
	if (!kinds.has(kind) || Number.isNaN(envelope.base)) return false;
	if (kind !== EnvelopeKind.frame && kind !== EnvelopeKind.placed) return checksum(body) === crc;
	if (body.length < FRAME_HEADER_BYTES) return false;
	const view = viewOf(body);
	const header = readFrameHeader(body, view, 0);
	if (header === undefined || frameHeaderCrc(view, 0) !== crc) return false;
	// A placed payload is looked at by redo, and in the last round only: all others were durable before the next began.
	if (kind === EnvelopeKind.placed) return placedBodyHolds(body, header);
	return frameBytes(header) === body.length && frameBodyHolds(body, 0, header);
}
