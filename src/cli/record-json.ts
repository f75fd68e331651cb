/** Records as lines of JSON: what `append --records` takes and `read --json` gives. */
import { fail } from "../core/errors.ts";
import { describe, rejectUnknown } from "../core/options.ts";
import type { RecordPart, StreamRecord } from "../index.ts";
import { asWritten, noField, objectOfLine, requireIntegerMember } from "./json-line.ts";
import type { CopiedRecord } from "./parts-copy.ts";

/** What `append --records` takes. `read --json` gives `sequence` and `time` as well, which are left out on the way back. */
const members = ["key", "value", "valueBase64", "headers", "clientInfo", "shard", "eventTime", "part"];
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * The record that a line of JSON describes; the library checks the rest of it. `undefined` for the last line of `read --json`,
 * which tells how the reading ended. @throws INVALID_OPTION
 */
export function recordOfJson(line: Uint8Array): CopiedRecord | undefined {
	const all = objectOfLine(line);
	if (isEnd(all)) return undefined;
	const given = isRead(all) ? withoutPlace(all) : all;
	if ("sequence" in given || "time" in given) {
		throw fail(
			"INVALID_OPTION",
			"sequence and time are given by the store, and come together where a record was read",
			{
				hint: "A time of your own is eventTime, in milliseconds since 1970.",
			},
		);
	}
	rejectUnknown(given, members, "the record");
	const { value, valueBase64, clientInfo, part, ...rest } = given;
	if ((value === undefined) === (valueBase64 === undefined)) {
		const found = value === undefined ? "neither" : "both";
		throw fail("INVALID_OPTION", `a record has either value or valueBase64, and this one has ${found}`, {
			hint: 'Write {"value":"a text"} or, for bytes, {"valueBase64":"AAEC"}; key, headers, clientInfo, shard and eventTime may stand beside it.',
		});
	}
	if (value !== undefined && (typeof value !== "string" || !value.isWellFormed())) {
		throw fail("INVALID_OPTION", `value must be a well-formed text, not ${asWritten(line, ["value"], value)}`, {
			hint: "Write JSON into the text, or bytes as valueBase64.",
		});
	}
	if ((rest.shard ?? null) !== null) requireIntegerMember(line, ["shard"], rest.shard);
	if ((rest.eventTime ?? null) !== null) requireIntegerMember(line, ["eventTime"], rest.eventTime);
	const bytes = value === undefined ? bytesOf(valueBase64, "valueBase64") : encoder.encode(value);
	const info = clientInfo === undefined || clientInfo === null ? null : bytesOf(clientInfo, "clientInfo");
	const record = { ...rest, value: bytes, clientInfo: info };
	return part === undefined ? record : { ...record, part: partOf(part, line) };
}

function partOf(given: unknown, line: Uint8Array): RecordPart {
	if (typeof given !== "object" || given === null || Array.isArray(given)) {
		throw fail(
			"INVALID_OPTION",
			`part must be an object, as {"index":0,"last":false}, not ${asWritten(line, ["part"], given)}`,
			{
				details: { option: "part" },
			},
		);
	}
	rejectUnknown(given, ["index", "last"], "part");
	const { index, last } = given as { readonly index?: unknown; readonly last?: unknown };
	requireIntegerMember(line, ["part", "index"], index, 0);
	if (typeof last === "boolean") return { index, last };
	throw fail("INVALID_OPTION", `part.last must be true or false, not ${asWritten(line, ["part", "last"], last)}`, {
		details: { option: "part.last" },
	});
}

/** Where `read --json` ended, and why. */
function isEnd(given: Record<string, unknown>): boolean {
	return typeof given.outcome === "string" && "position" in given && Object.keys(given).length === 2;
}

/** A line of `read --json`: it says where the record stood, and when it came. It stands somewhere else now. */
function isRead({ sequence, time }: Record<string, unknown>): boolean {
	return Number.isSafeInteger(sequence) && Number.isSafeInteger(time);
}

function withoutPlace({ sequence: _sequence, time: _time, ...rest }: Record<string, unknown>): Record<string, unknown> {
	return rest;
}

/** The key that a line of JSON has in a field of its own; a number is a key as JavaScript writes it. @throws INVALID_OPTION */
export function keyOfJson(line: Uint8Array, field: string): string {
	const given = objectOfLine(line);
	if (!Object.hasOwn(given, field)) throw noField(given, field);
	const value = given[field];
	if (typeof value === "string") return value;
	const written = asWritten(line, [field], value);
	if (typeof value !== "number") {
		throw fail("INVALID_OPTION", `the field ${describe(field)} must be a text or a number, not ${written}`);
	}
	// Two numbers that JSON tells apart must not become one key.
	if (!Number.isInteger(value) || Number.isSafeInteger(value)) return String(value);
	throw fail("INVALID_OPTION", `the field ${describe(field)} is too large for a number that is a key: ${written}`, {
		hint: "Write it as a text, in quotes.",
	});
}

/** A record as an object for JSON: its value as text, or in base64 where it is none. */
export function recordToJson({ shard, sequence, time, key, value, ...rest }: StreamRecord): object {
	const { headers, clientInfo, eventTime, part } = rest;
	const info = clientInfo === null ? null : base64(clientInfo);
	const record = { shard, sequence, time, key, ...valueMembers(value), headers, clientInfo: info, eventTime };
	return part === undefined ? record : { ...record, part };
}

function valueMembers(value: Uint8Array): object {
	try {
		return { value: strict.decode(value) };
	} catch {
		return { valueBase64: base64(value) };
	}
}

function bytesOf(text: unknown, name: string): Uint8Array {
	const bytes = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
	if (bytes !== undefined && bytes.toString("base64") === text) return bytes;
	throw fail("INVALID_OPTION", `${name} must be base64, not ${describe(text)}`);
}

function base64(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
