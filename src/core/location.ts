/** Locations: places in a shard still to be resolved, such as the head, the last 10, or a time. */
import { type ErrorDetails, fail, type StreambedError } from "./errors.ts";
import { describe } from "./options.ts";

/** A place to be resolved; `offset` is for byte streams, `sequence` for record streams, `time` in ms since 1970. */
export type Location =
	| "head"
	| "tail"
	| { readonly last: number }
	| { readonly offset: number }
	| { readonly sequence: number }
	| { readonly time: number };

/** What a location comes down to in a shard: the `offset` or `sequence` is a position by now. */
export type PositionQuery =
	| { readonly at: "head" }
	| { readonly at: "tail" }
	| { readonly at: "last"; readonly count: number }
	| { readonly at: "position"; readonly position: number }
	| { readonly at: "time"; readonly time: number };

/**
 * Sees to it that a range does not end before it begins, as far as that is known before anything is looked up.
 * @throws INVALID_OPTION
 */
export function checkOrder(from: PositionQuery, to: PositionQuery): void {
	if (from.at === "position" && to.at === "position" && from.position > to.position) {
		throw endsBefore(`from ${from.position} to ${to.position}`, { from: from.position, to: to.position });
	}
	if (from.at === "time" && to.at === "time" && from.time > to.time) {
		throw endsBefore(`from the time ${from.time} to ${to.time}`, { from: from.time, to: to.time });
	}
}

/** The error for a range that ends before it begins. */
export function endsBefore(what: string, details: ErrorDetails = {}): StreambedError {
	return fail("INVALID_OPTION", `the range ends before it begins: ${what}`, {
		hint: "Nothing can lie between them: change one of them.",
		details,
	});
}

/** Checks a location given by a user for a stream of `kind`; the wrong one of offset and sequence is WRONG_KIND. */
export function checkLocation(given: unknown, kind: "bytes" | "records", name = "location"): PositionQuery {
	if (given === "head" || given === "tail") return { at: given };
	if (typeof given === "object" && given !== null && !Array.isArray(given)) {
		const entries = Object.entries(given);
		const [key, value] = entries[0] ?? [];
		if (entries.length === 1 && typeof key === "string") return checkPair(key, value, kind, name);
	}
	throw fail(
		"INVALID_OPTION",
		`${name} must be "head", "tail", {last}, {${kind === "bytes" ? "offset" : "sequence"}} or {time}, not ${describe(given)}`,
		{ details: { option: name } },
	);
}

function checkPair(key: string, value: unknown, kind: "bytes" | "records", name: string): PositionQuery {
	if (!["last", "offset", "sequence", "time"].includes(key)) {
		throw fail("INVALID_OPTION", `${name} has the unknown form {${key}}`, {
			hint: 'Use "head", "tail", {last}, {offset}, {sequence} or {time}.',
		});
	}
	if (typeof value !== "number" || !Number.isSafeInteger(value) || (value < 0 && key !== "time")) {
		throw fail("INVALID_OPTION", `${name}.${key} must be a whole number of at least 0, not ${describe(value)}`);
	}
	if (key === "last") return { at: "last", count: value };
	if (key === "time") return { at: "time", time: value };
	const own = kind === "bytes" ? "offset" : "sequence";
	if (key !== own) {
		throw fail(
			"WRONG_KIND",
			`${name} {${key}} does not fit: positions of a stream of kind ${kind} are given as {${own}}`,
		);
	}
	return { at: "position", position: value };
}
