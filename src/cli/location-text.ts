/** Locations as written on the command line: `head`, `tail`, `last:N`, `offset:N`, `seq:N`, a time, or `-15m`. */
import { fail } from "../core/errors.ts";
import type { Location } from "../core/location.ts";
import { describe } from "../core/options.ts";
import { parseCount, parseDuration, parseSize } from "./units.ts";

const forms = "head, tail, last:N, offset:N, seq:N, a time such as 2026-11-01T09:00Z, or -15m";

/** Reads a location; `option` names it in errors and `now` (ms since 1970) is what `-15m` counts from. */
export function parseLocation(text: string, option: string, now: number): Location {
	if (text === "head" || text === "tail") return text;
	const [, word, digits] = /^(last|offset|seq):(.*)$/s.exec(text) ?? [];
	if (word !== undefined && digits !== undefined) return counted(word, digits, option);
	if (/^\d+$/.test(text)) {
		throw fail("INVALID_OPTION", `${option} ${text} is a bare number: a position, a count and a time look alike`, {
			hint: `Write offset:${text} for a position in a byte stream, seq:${text} for one in a shard of records, or last:${text} for the last ${text}.`,
			details: { option },
		});
	}
	if (/^-\d+(\.\d+)? ?(ms|s|m|h|d|w)$/.test(text)) return { time: now - parseDuration(text.slice(1), option) };
	if (/^-\d/.test(text)) {
		throw fail(
			"INVALID_OPTION",
			`${option} is not a location: ${describe(text)} has no unit that a time back from now has`,
			{
				hint: `Write last:${text.replace(/\D/g, "")} to count back from the end, or a time such as -15m; locations are ${forms}.`,
				details: { option },
			},
		);
	}
	const time = parseTime(text);
	if (time !== undefined) return { time };
	throw fail("INVALID_OPTION", `${option} is not a location: ${describe(text)}`, {
		hint: `Locations are ${forms}.`,
		details: { option },
	});
}

function counted(word: string, digits: string, option: string): Location {
	// The size is in bytes also with a unit: last:64KiB.
	const name = `${option} ${word}:N`;
	const value = word === "seq" ? parseCount(digits, name) : parseSize(digits, name);
	if (word === "last") return { last: value };
	return word === "offset" ? { offset: value } : { sequence: value };
}

/**
 * ISO 8601 date, with an optional time and zone; no zone means UTC. Milliseconds since 1970, or `undefined` if it is
 * not one. `Date.parse` is not used alone: it takes a date-time without zone as local, and much else besides.
 */
function parseTime(text: string): number | undefined {
	const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?(Z|[+-]\d{2}:?\d{2})?$/i.exec(
		text,
	);
	if (match === null) return undefined;
	const [, date = "", clock = "00:00", seconds = "00", fraction = "", zone = "Z"] = match;
	const millis = fraction.padEnd(3, "0").slice(0, 3);
	const local = Date.parse(`${date}T${clock}:${seconds}.${millis}Z`);
	// A day or hour that does not exist is refused, where Date.parse would move 30 February into March.
	if (Number.isNaN(local) || !new Date(local).toISOString().startsWith(`${date}T${clock}:${seconds}`)) return undefined;
	return local - zoneOffsetMs(zone);
}

function zoneOffsetMs(zone: string): number {
	if (/^z$/i.test(zone)) return 0;
	const sign = zone.startsWith("-") ? -1 : 1;
	const digits = zone.slice(1).replace(":", "");
	return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000;
}
