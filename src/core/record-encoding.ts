/**
 * Writes records into an entry's payload (docs/format.md §8): one behind the other, each with its length in front.
 *
 *   | length, varint | flags | key | headers | client info | event time | part | value: the rest |
 */
import type { RecordMeta, RecordPart } from "./record.ts";
import type { PayloadSource } from "./shard.ts";

/** Flags of a record: which parts it has, in this order. */
export const RecordFlag = { key: 1, headers: 2, clientInfo: 4, eventTime: 8, part: 16 } as const;
/** Bits that no record has yet. */
export const RESERVED_FLAGS = 0xe0;

const EVENT_TIME_BYTES = 8;
const encoder = new TextEncoder();

/** Bytes of a number of at most 2^31 − 1 as a varint. */
function varintBytes(value: number): number {
	if (value < 0x80) return 1;
	if (value < 0x4000) return 2;
	if (value < 0x20_0000) return 3;
	return value < 0x1000_0000 ? 4 : 5;
}

/** Writes a varint at `at`; returns where it ends. */
function writeVarint(target: Uint8Array, start: number, number: number): number {
	let at = start;
	let value = number;
	while (value >= 0x80) {
		target[at++] = (value & 0x7f) | 0x80;
		value >>>= 7;
	}
	target[at++] = value;
	return at;
}

/** Bytes of a record as stored. */
export function recordBytes(value: Uint8Array, meta: RecordMeta | undefined): number {
	const body = 1 + (meta === undefined ? 0 : metaBytes(meta)) + value.length;
	return varintBytes(body) + body;
}

/** Bytes of a record that count against the limit of an append: value, key, headers as stored, client info. */
export function recordContent(value: Uint8Array, meta: RecordMeta | undefined): number {
	return value.length + (meta === undefined ? 0 : contentBytes(meta));
}

/** Writes a record at `start`; returns where it ends. */
export function writeRecord(
	target: Uint8Array,
	start: number,
	value: Uint8Array,
	meta: RecordMeta | undefined,
): number {
	const { length } = value;
	let at = start;
	if (meta === undefined) {
		at = writeVarint(target, at, length + 1);
		target[at++] = 0;
	} else {
		at = writeVarint(target, at, 1 + metaBytes(meta) + length);
		at = writeMeta(target, at, meta);
	}
	target.set(value, at);
	return at + length;
}

/** Records of one append to one shard, measured and ready to be written where they belong. */
export class RecordPayload implements PayloadSource {
	readonly #values: Uint8Array[];
	#metas: (RecordMeta | undefined)[] | undefined;
	/** How many records there are. */
	units = 0;
	/** Bytes as stored. */
	bytes = 0;
	/** Bytes that count against the limit of an append: of values, keys, headers as stored, and client info. */
	content = 0;

	/** Of so many records, if that is known. */
	constructor(count: number = 0) {
		this.#values = new Array(count);
	}

	add(value: Uint8Array, meta: RecordMeta | undefined): void {
		if (meta !== undefined && this.#metas === undefined) {
			this.#metas = new Array(this.#values.length).fill(undefined);
		}
		if (this.#metas !== undefined) this.#metas[this.units] = meta;
		const { length } = value;
		this.bytes += meta === undefined ? varintBytes(length + 1) + length + 1 : recordBytes(value, meta);
		this.content += meta === undefined ? length : recordContent(value, meta);
		this.#values[this.units++] = value;
	}

	/** Writes them at `start`; they take {@link bytes} there. */
	copyTo(target: Uint8Array, start: number): void {
		const values = this.#values;
		const metas = this.#metas;
		let at = start;
		const count = this.units;
		for (let index = 0; index < count; index++) {
			at = writeRecord(target, at, values[index] as Uint8Array, metas === undefined ? undefined : metas[index]);
		}
	}
}

/** Bytes of everything between the flags and the value. */
function metaBytes(meta: RecordMeta): number {
	const { key, keyBytes, headers, clientInfo, eventTime, part } = meta;
	let bytes = eventTime === null ? 0 : EVENT_TIME_BYTES;
	if (part !== undefined) bytes += varintBytes(partNumber(part));
	if (key !== null) bytes += varintBytes(keyBytes) + keyBytes;
	if (clientInfo !== null) bytes += varintBytes(clientInfo.length) + clientInfo.length;
	return headers === null ? bytes : bytes + headerBytes(headers);
}

function headerBytes(headers: readonly Uint8Array[]): number {
	let bytes = varintBytes(headers.length >> 1);
	for (const part of headers) bytes += varintBytes(part.length) + part.length;
	return bytes;
}

function contentBytes({ keyBytes, headers, clientInfo }: RecordMeta): number {
	return keyBytes + (clientInfo?.length ?? 0) + (headers === null ? 0 : headerBytes(headers));
}

function writeMeta(target: Uint8Array, start: number, meta: RecordMeta): number {
	const { key, keyBytes, headers, clientInfo, eventTime, part } = meta;
	let at = start;
	target[at++] =
		(key === null ? 0 : RecordFlag.key) |
		(headers === null ? 0 : RecordFlag.headers) |
		(clientInfo === null ? 0 : RecordFlag.clientInfo) |
		(eventTime === null ? 0 : RecordFlag.eventTime) |
		(part === undefined ? 0 : RecordFlag.part);
	if (key !== null) {
		at = writeVarint(target, at, keyBytes);
		writeText(target, at, key, keyBytes);
		at += keyBytes;
	}
	if (headers !== null) {
		at = writeVarint(target, at, headers.length >> 1);
		for (const part of headers) at = writePart(target, at, part);
	}
	if (clientInfo !== null) at = writePart(target, at, clientInfo);
	if (eventTime !== null) at = writeI64(target, at, eventTime);
	return part === undefined ? at : writeVarint(target, at, partNumber(part));
}

/** A part's number as stored: twice its index, and one more of the last. */
function partNumber({ index, last }: RecordPart): number {
	return 2 * index + (last ? 1 : 0);
}

function writePart(target: Uint8Array, start: number, part: Uint8Array): number {
	const at = writeVarint(target, start, part.length);
	target.set(part, at);
	return at + part.length;
}

/** Texts of plain letters, which most keys are, are written faster by hand. */
function writeText(target: Uint8Array, at: number, text: string, bytes: number): void {
	if (bytes !== text.length) {
		encoder.encodeInto(text, target.subarray(at, at + bytes));
		return;
	}
	for (let index = 0; index < bytes; index++) target[at + index] = text.charCodeAt(index);
}

function writeI64(target: Uint8Array, at: number, value: number): number {
	const high = Math.floor(value / 2 ** 32);
	const low = (value - high * 2 ** 32) >>> 0;
	for (let index = 0; index < 4; index++) {
		target[at + index] = low >>> (8 * index);
		target[at + 4 + index] = high >> (8 * index);
	}
	return at + EVENT_TIME_BYTES;
}
