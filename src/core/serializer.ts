/** Turning values into bytes and back, at the edge: streams hold bytes. */
import { fail } from "./errors.ts";
import { describe, isBytes } from "./options.ts";
import { nameOf } from "./record.ts";

/** How values of a type are stored. Both functions are called for each record, and must not wait for anything. */
export interface Serializer<T> {
	/** For messages. */
	readonly name?: string;
	/** An array of its own for each value: those of one call are stored together. What it throws refuses the record. */
	encode(value: T): Uint8Array;
	/** `bytes` is a view: what is kept of it has to be copied. Whatever it throws becomes STREAMBED_DECODE. */
	decode(bytes: Uint8Array): T;
}

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as they are. */
export const bytes: Serializer<Uint8Array> = Object.freeze({
	name: "bytes",
	encode: (value: Uint8Array) => value,
	decode: (stored: Uint8Array) => stored,
});

/** Texts in UTF-8. */
export const utf8: Serializer<string> = Object.freeze({
	name: "utf8",
	encode: (value: string) => {
		if (typeof value === "string" && value.isWellFormed()) return encoder.encode(value);
		throw fail("INVALID_OPTION", `a value must be a well-formed text, not ${describe(value)}`);
	},
	decode: (stored: Uint8Array) => strict.decode(stored),
});

/** Values as JSON in UTF-8. */
export function json<T = unknown>(): Serializer<T> {
	return {
		name: "json",
		encode: (value) => {
			const text = JSON.stringify(value);
			if (typeof text === "string") return encoder.encode(text);
			throw fail("INVALID_OPTION", `a value cannot be written as JSON: ${describe(value)}`);
		},
		decode: (stored) => JSON.parse(strict.decode(stored)) as T,
	};
}

/** A serializer made of two functions. */
export function pair<T>(encode: (value: T) => Uint8Array, decode: (stored: Uint8Array) => T): Serializer<T> {
	return checkSerializer({ name: "pair", encode, decode });
}

/** Checks a serializer given by a user. */
export function checkSerializer<T>(given: Serializer<T>): Serializer<T> {
	const whole =
		typeof given === "object" &&
		given !== null &&
		typeof given.encode === "function" &&
		typeof given.decode === "function";
	if (whole) return given;
	throw fail("INVALID_OPTION", `a serializer must have the functions encode and decode, not ${describe(given)}`, {
		hint: "Use bytes, utf8, json(), or pair(encode, decode).",
	});
}

/** Encodes the value of a record. @throws INVALID_OPTION */
export function encodeValue<T>(serializer: Serializer<T>, value: T, which: number): Uint8Array {
	let encoded: unknown;
	try {
		encoded = serializer.encode(value);
	} catch (error) {
		throw unencodable(serializer, which, error);
	}
	if (isBytes(encoded)) return encoded;
	throw fail("INVALID_OPTION", `value of ${nameOf(which)} must become a Uint8Array, not ${describe(encoded)}`, {
		hint:
			typeof encoded === "string"
				? "Encode the text, or use the stream with a serializer: stream.as(utf8)."
				: "Pass a Uint8Array, or use the stream with a serializer: stream.as(json()).",
	});
}

/** Says which record it is; what the serializer threw is the cause. */
function unencodable({ name = "such value" }: { readonly name?: string }, which: number, cause: unknown): Error {
	const why = cause instanceof Error ? cause.message : String(cause);
	return fail("INVALID_OPTION", `value of ${nameOf(which)} cannot be encoded as ${name}: ${why}`, {
		cause,
		hint: "Nothing of the call is stored.",
		details: { option: "value" },
	});
}
