/**
 * Reads records from an entry's payload (docs/format.md §8). Lengths first: where each record stands is found without
 * looking at what it holds, which is decoded for those who ask. No bytes make any of this throw.
 */
import type { RecordPart } from "./record.ts";
import { RESERVED_FLAGS, RecordFlag } from "./record-encoding.ts";

const decoder = new TextDecoder();
const noHeaders: Readonly<Record<string, string>> = Object.freeze({});

/** What a record holds beside its value, and where that begins. */
export interface DecodedMeta {
	readonly key: string | null;
	readonly headers: Readonly<Record<string, string>>;
	readonly clientInfo: Uint8Array | null;
	readonly eventTime: number | null;
	readonly part: RecordPart | null;
	readonly valueAt: number;
}

/** Where records begin in `bytes` from `at` on. */
export interface RecordPlaces {
	/** Where the length of each record stands, and the first record behind them. */
	readonly starts: Int32Array;
	/** How many were found: fewer than asked for where the bytes are no records. */
	readonly count: number;
}

/** Skips `count` records from `at` on; returns where the next one begins, or −1 where the bytes are no records. */
export function skipRecords(bytes: Uint8Array, start: number, count: number): number {
	let at = start;
	for (let left = count; left > 0; left--) {
		const first = bytes[at] as number;
		if (first < 0x80 && first > 0) {
			at += first + 1;
			if (at > bytes.length) return -1;
			continue;
		}
		const body = readVarint(bytes, at);
		if (body <= 0) return -1;
		at += varintLength(bytes, at) + body;
		if (at > bytes.length) return -1;
	}
	return at;
}

/** Finds `count` records from `at` on. */
export function placeRecords(bytes: Uint8Array, start: number, count: number): RecordPlaces {
	const starts = new Int32Array(count + 1);
	const end = bytes.length;
	let at = start;
	for (let index = 0; index < count; index++) {
		starts[index] = at;
		const first = bytes[at] as number;
		if (first > 0 && first < 0x80) at += first + 1;
		else {
			const body = readVarint(bytes, at);
			if (body <= 0) return { starts, count: index };
			at += varintLength(bytes, at) + body;
		}
		if (at > end) return { starts, count: index };
	}
	starts[count] = at;
	return { starts, count };
}

/** Where the body of the record begins whose length stands at `at`: its flags. */
export function bodyStart(bytes: Uint8Array, at: number): number {
	return (bytes[at] as number) < 0x80 ? at + 1 : at + varintLength(bytes, at);
}

/** Tells whether `bytes` from `from` to `to` are exactly `count` records, parts included. */
export function areRecords(bytes: Uint8Array, from: number, to: number, count: number): boolean {
	const view = bytes.subarray(0, to);
	let at = from;
	for (let left = count; left > 0; left--) {
		const next = skipRecords(view, at, 1);
		if (next < 0 || decodeMeta(view, bodyStart(view, at), next) === undefined) return false;
		at = next;
	}
	return at === to;
}

/** Where the value of the record between `from` and `to` begins; −1 if its parts do not fit into it. */
export function valueStart(bytes: Uint8Array, from: number, to: number): number {
	if (bytes[from] === 0) return from + 1;
	return decodeMeta(bytes, from, to)?.valueAt ?? -1;
}

/** Decodes the parts of the record between `from` and `to`; `undefined` if they do not fit into it, or are unknown. */
export function decodeMeta(bytes: Uint8Array, from: number, to: number): DecodedMeta | undefined {
	if (from >= to || to > bytes.length) return undefined;
	const flags = bytes[from] as number;
	if ((flags & RESERVED_FLAGS) !== 0) return undefined;
	const place: Place = { from: 0, to: from + 1 };
	let key: string | null = null;
	let headers = noHeaders;
	let clientInfo: Uint8Array | null = null;
	let eventTime: number | null = null;
	let part: RecordPart | null = null;
	if ((flags & RecordFlag.key) !== 0) {
		if (!nextStretch(bytes, to, place)) return undefined;
		key = textOf(bytes, place.from, place.to);
	}
	if ((flags & RecordFlag.headers) !== 0) {
		const found = readHeaders(bytes, to, place);
		if (found === undefined) return undefined;
		headers = found;
	}
	if ((flags & RecordFlag.clientInfo) !== 0) {
		if (!nextStretch(bytes, to, place)) return undefined;
		// Of a Buffer subarray() would be a Buffer as well.
		clientInfo = new Uint8Array(bytes.buffer, bytes.byteOffset + place.from, place.to - place.from);
	}
	if ((flags & RecordFlag.eventTime) !== 0) {
		if (place.to + 8 > to) return undefined;
		eventTime = readI64(bytes, place.to);
		if (!Number.isSafeInteger(eventTime)) return undefined;
		place.to += 8;
	}
	if ((flags & RecordFlag.part) !== 0) {
		const number = place.to < to ? readVarint(bytes, place.to) : -1;
		if (number < 0) return undefined;
		place.to += varintLength(bytes, place.to);
		if (place.to > to) return undefined;
		part = { index: number >>> 1, last: (number & 1) === 1 };
	}
	return { key, headers, clientInfo, eventTime, part, valueAt: place.to };
}

/** A stretch with its length in front; the next one begins where it ends. */
interface Place {
	from: number;
	to: number;
}

function nextStretch(bytes: Uint8Array, end: number, place: Place): boolean {
	if (place.to >= end) return false;
	const length = readVarint(bytes, place.to);
	if (length < 0) return false;
	place.from = place.to + varintLength(bytes, place.to);
	place.to = place.from + length;
	return place.to <= end;
}

function readHeaders(bytes: Uint8Array, end: number, place: Place): Readonly<Record<string, string>> | undefined {
	if (place.to >= end) return undefined;
	const count = readVarint(bytes, place.to);
	if (count < 0) return undefined;
	place.to += varintLength(bytes, place.to);
	const headers: Record<string, string> = {};
	for (let left = count; left > 0; left--) {
		if (!nextStretch(bytes, end, place)) return undefined;
		const name = textOf(bytes, place.from, place.to);
		if (!nextStretch(bytes, end, place)) return undefined;
		const value = textOf(bytes, place.from, place.to);
		// Assigning to a name like __proto__ would not make a member of it.
		if (name === "__proto__") Object.defineProperty(headers, name, { value, enumerable: true });
		else headers[name] = value;
	}
	return headers;
}

/** Short texts of plain letters are put together faster than a decoder is called. */
function textOf(bytes: Uint8Array, from: number, to: number): string {
	if (to - from > 24) return decoder.decode(bytes.subarray(from, to));
	let text = "";
	for (let at = from; at < to; at++) {
		const code = bytes[at] as number;
		if (code > 0x7f) return decoder.decode(bytes.subarray(from, to));
		text += String.fromCharCode(code);
	}
	return text;
}

/** The varint at `at`, at most 2^31 − 1; −1 if there is none. */
function readVarint(bytes: Uint8Array, at: number): number {
	let value = 0;
	for (let index = 0; index < 5; index++) {
		const byte = bytes[at + index];
		if (byte === undefined) return -1;
		if (index === 4 && byte > 7) return -1;
		value |= (byte & 0x7f) << (7 * index);
		if (byte < 0x80) return value;
	}
	return -1;
}

/** Bytes of the varint at `at`, which must be one. */
function varintLength(bytes: Uint8Array, at: number): number {
	let length = 1;
	while ((bytes[at + length - 1] as number) >= 0x80) length++;
	return length;
}

function readI64(bytes: Uint8Array, at: number): number {
	const byte = (index: number): number => bytes[at + index] as number;
	const low = (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
	const high = byte(4) | (byte(5) << 8) | (byte(6) << 16) | (byte(7) << 24);
	return high * 2 ** 32 + low;
}
