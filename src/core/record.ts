/** Records as users give and get them, and the checks of what they give. */
import { fail, type StreambedError } from "./errors.ts";
import { recordLimits } from "./limits.ts";
import { describe, isBytes, rejectUnknown, requireInteger } from "./options.ts";

/** A record to be appended. */
export interface RecordInput<T = Uint8Array> {
	readonly value: T;
	/** Records of equal keys go to one shard and keep their order. At most 4,096 bytes of UTF-8; the empty text is a key. */
	readonly key?: string | null | undefined;
	/** At most 128 names with texts, together 64 KiB. */
	readonly headers?: Readonly<Record<string, string>> | null | undefined;
	/** Bytes that come back as they are, at most 64 KiB. */
	readonly clientInfo?: Uint8Array | null | undefined;
	/** A time of the producer's own, in milliseconds since 1970. */
	readonly eventTime?: number | null | undefined;
	/** The shard that it goes to, whatever its key. */
	readonly shard?: number | null | undefined;
}

/** Which piece of a record in parts something is. */
export interface RecordPart {
	/** From 0. */
	readonly index: number;
	/** Nothing follows. */
	readonly last: boolean;
}

/** A record as it is read. */
export interface StreamRecord<T = Uint8Array> {
	readonly shard: number;
	/** Its position in its shard, from 0. */
	readonly sequence: number;
	/** Ingestion time, milliseconds since 1970; it never goes back within a shard. */
	readonly time: number;
	/** `null` if it has none; an empty key is a key. */
	readonly key: string | null;
	readonly value: T;
	readonly headers: Readonly<Record<string, string>>;
	readonly clientInfo: Uint8Array | null;
	/** The producer's own time, if it gave one. */
	readonly eventTime: number | null;
	/** There if the value is a part of a larger one, written by `multipart()`; key, headers and so on stand in the first part. */
	readonly part?: RecordPart;
}

/** What a record holds beside its value, checked and measured; kept only where there is something. */
export interface RecordMeta {
	readonly key: string | null;
	readonly keyBytes: number;
	/** Names and texts by turns, in UTF-8. */
	readonly headers: readonly Uint8Array[] | null;
	readonly clientInfo: Uint8Array | null;
	readonly eventTime: number | null;
	/** Left out of whole records. */
	readonly part?: RecordPart;
}

const names = ["value", "key", "headers", "clientInfo", "eventTime", "shard"];
const encoder = new TextEncoder();

/** Which record of a call, for messages; −1 is the only one. A text for each would cost more than its check. */
export function nameOf(which: number): string {
	return which < 0 ? "the record" : `record ${which}`;
}

/** Checks that something is a record and has no members that are unknown; `which` says which one of its call it is. */
export function checkRecord(given: unknown, which: number): asserts given is RecordInput<unknown> {
	if (typeof given !== "object" || given === null || Array.isArray(given) || isBytes(given)) {
		throw fail("INVALID_OPTION", `${nameOf(which)} must be { value, key?, … }, not ${describe(given)}`, {
			hint: isBytes(given) ? "Wrap the bytes: { value: bytes }." : "A record is an object with at least a value.",
		});
	}
	for (const name in given) {
		// The names are few, and most records have one or two of them.
		if (name === "value" || name === "key") continue;
		if (!names.includes(name)) rejectUnknown(given, names, nameOf(which));
	}
}

/** Checks what a record holds beside its value; `undefined` if there is nothing. */
export function checkMeta(record: RecordInput<unknown>, which: number): RecordMeta | undefined {
	const key = record.key ?? null;
	const headers = record.headers ?? null;
	const clientInfo = record.clientInfo ?? null;
	const eventTime = record.eventTime ?? null;
	if (key === null && headers === null && clientInfo === null && eventTime === null) return undefined;
	if (clientInfo !== null) checkClientInfo(clientInfo, which);
	return {
		key,
		keyBytes: key === null ? 0 : checkKey(key, which),
		headers: headers === null ? null : checkHeaders(headers, which),
		clientInfo,
		eventTime:
			eventTime === null
				? null
				: requireInteger(eventTime, `eventTime of ${nameOf(which)}`, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
	};
}

/** Checks a key; returns its bytes in UTF-8. */
export function checkKey(key: unknown, which: number): number {
	if (typeof key !== "string")
		throw fail("INVALID_OPTION", `key of ${nameOf(which)} must be a text, not ${describe(key)}`);
	const limit = recordLimits.keyBytes;
	let length = key.length;
	if (length > limit) throw tooLong("key", which, limit, length);
	for (let index = 0; index < key.length; index++) {
		if (key.charCodeAt(index) <= 0x7f) continue;
		if (!key.isWellFormed()) throw fail("INVALID_OPTION", `key of ${nameOf(which)} has half a surrogate pair in it`);
		length = encoder.encode(key).length;
		if (length > limit) throw tooLong("key", which, limit, length);
		break;
	}
	return length;
}

function checkClientInfo(clientInfo: unknown, which: number): void {
	if (!isBytes(clientInfo)) {
		throw fail("INVALID_OPTION", `clientInfo of ${nameOf(which)} must be a Uint8Array, not ${describe(clientInfo)}`);
	}
	const limit = recordLimits.clientInfoBytes;
	if (clientInfo.length > limit) throw tooLong("clientInfo", which, limit, clientInfo.length);
}

function checkHeaders(headers: unknown, which: number): Uint8Array[] | null {
	if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
		throw fail("INVALID_OPTION", `headers of ${nameOf(which)} must be an object of texts, not ${describe(headers)}`);
	}
	const entries = Object.entries(headers);
	if (entries.length === 0) return null;
	const { headers: count, headerBytes } = recordLimits;
	if (entries.length > count) {
		throw fail("LIMIT_EXCEEDED", `${nameOf(which)} has ${entries.length} headers, the limit is ${count}`, {
			details: { limit: count },
		});
	}
	const parts: Uint8Array[] = [];
	let bytes = 0;
	for (const [name, text] of entries) {
		if (typeof text !== "string" || !text.isWellFormed() || !name.isWellFormed()) {
			throw fail(
				"INVALID_OPTION",
				`header ${describe(name)} of ${nameOf(which)} must be a text, not ${describe(text)}`,
			);
		}
		if (name.length + text.length > headerBytes) throw tooLong("headers", which, headerBytes, text.length);
		for (const part of [encoder.encode(name), encoder.encode(text)]) {
			bytes += part.length;
			parts.push(part);
		}
	}
	if (bytes > headerBytes) throw tooLong("headers", which, headerBytes, bytes);
	return parts;
}

function tooLong(what: string, which: number, limit: number, bytes: number): StreambedError {
	return fail("LIMIT_EXCEEDED", `${what} of ${nameOf(which)}: ${bytes} bytes, the limit is ${limit}`, {
		hint: "What is large belongs into the value.",
		details: { bytes, limit },
	});
}
