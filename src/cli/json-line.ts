/** A line of an input as a JSON object, and its members as they were written, for messages. */
import { fail, type StreambedError } from "../core/errors.ts";
import { describe, nearest } from "../core/options.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const byteOrderMark = "\ufeff";

/** The object that a line is. @throws INVALID_OPTION */
export function objectOfLine(line: Uint8Array): Record<string, unknown> {
	let text: string;
	try {
		text = strict.decode(line);
	} catch (error) {
		throw fail("INVALID_OPTION", "not JSON in UTF-8: it has bytes that are no UTF-8", { cause: error });
	}
	let given: unknown;
	try {
		given = JSON.parse(text);
	} catch (error) {
		throw notJson(text, error as Error);
	}
	if (typeof given === "object" && given !== null && !Array.isArray(given)) return given as Record<string, unknown>;
	throw fail("INVALID_OPTION", `must be a JSON object, not ${described(given)}`);
}

/** The parser counts places from 0, and lines as well, of which it knows only this one. */
function notJson(text: string, error: Error): StreambedError {
	if (text.startsWith(byteOrderMark)) {
		return fail("INVALID_OPTION", "not JSON: it begins with a byte order mark, U+FEFF", {
			hint: "Leave out its three bytes. At the beginning of a file of --records it is skipped.",
			cause: error,
		});
	}
	const [, what = error.message, at] =
		/^(.*?)(?: in JSON)? at position (\d+)(?: \(line \d+ column \d+\))?$/s.exec(error.message) ?? [];
	const place = at === undefined ? "" : ` at column ${Number(at) + 1}`;
	return fail("INVALID_OPTION", `not JSON: ${what}${place}`, { cause: error });
}

/** Sees to it that a member is an integer, in bounds. @throws INVALID_OPTION */
export function requireIntegerMember(
	line: Uint8Array,
	path: readonly string[],
	value: unknown,
	min: number = Number.MIN_SAFE_INTEGER,
): asserts value is number {
	if (Number.isSafeInteger(value) && (value as number) >= min) return;
	const name = path.join(".");
	// No safe integer is as large as this one, nor as small.
	const beyond = typeof value === "number" && (Number.isInteger(value) || !Number.isFinite(value));
	const range = beyond ? boundOf(value as number, min) : "an integer number";
	throw fail("INVALID_OPTION", `${name} must be ${range}, not ${asWritten(line, path, value)}`, {
		details: { option: name },
	});
}

function boundOf(value: number, min: number): string {
	return value < min ? `at least ${min}` : `at most ${Number.MAX_SAFE_INTEGER}`;
}

/** A member in a message: a number as it stands in the line, where `value` is a rounded one. */
export function asWritten(line: Uint8Array, path: readonly string[], value: unknown): string {
	if (typeof value !== "number") return described(value);
	return sourceOf(line, path) ?? String(value);
}

/** A value of JSON in a message, told apart from others that look like it. */
function described(value: unknown): string {
	if (value === undefined) return "missing";
	return typeof value === "string" ? `the text ${describe(value)}` : describe(value);
}

/** The digits of a number, from a second parse that keeps them. */
function sourceOf(line: Uint8Array, path: readonly string[]): string | undefined {
	const keep = (_: string, value: unknown, context?: { readonly source?: string }): unknown =>
		typeof value === "number" ? (context?.source ?? String(value)) : value;
	let found: unknown = JSON.parse(strict.decode(line), keep);
	for (const name of path) found = (found as Record<string, unknown> | undefined)?.[name];
	if (typeof found !== "string") return undefined;
	return found.length > 60 ? `${found.slice(0, 60)}…` : found;
}

/** The error for a field that an object has not. */
export function noField(given: Record<string, unknown>, field: string): StreambedError {
	const guess = nearest(field, Object.keys(given));
	return fail("INVALID_OPTION", `it has no field ${describe(field)}`, {
		hint: guess === undefined ? "Every line must have it: the key of its record." : `Did you mean ${describe(guess)}?`,
		details: { field },
	});
}
