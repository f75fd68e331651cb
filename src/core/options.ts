/** Checks of what users pass: unknown names get the nearest known one, wrong values say what was expected. */
import { types } from "node:util";
import { fail } from "./errors.ts";

/** Throws STREAMBED_INVALID_OPTION if `given` is no object, or has a key that is not in `known`, naming the nearest known one. */
export function rejectUnknown(given: object, known: readonly string[], where: string): void {
	if (typeof given !== "object" || given === null) {
		throw fail("INVALID_OPTION", `${where} must be an object, not ${describe(given)}`, {
			hint: `It may have ${known.join(", ")}.`,
		});
	}
	for (const key of Object.keys(given)) {
		if (known.includes(key)) continue;
		const guess = nearest(key, known);
		throw fail("INVALID_OPTION", `unknown option "${key}" in ${where}; known are ${known.join(", ")}`, {
			hint: guess === undefined ? "Remove it." : `Did you mean "${guess}"?`,
			details: { option: key },
		});
	}
}

/** Throws STREAMBED_INVALID_OPTION unless `value` is a safe integer of at least `min`. */
export function requireInteger(
	value: unknown,
	name: string,
	min: number,
	max: number = Number.MAX_SAFE_INTEGER,
): number {
	if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
	// The bound that nobody has set is named where it is the one in the way.
	const beyond = typeof value === "number" && Number.isInteger(value) && value > max;
	const isOpen = max === Number.MAX_SAFE_INTEGER && min !== Number.MIN_SAFE_INTEGER && !beyond;
	const range = isOpen ? `of at least ${min}` : `from ${min} to ${max}`;
	throw fail("INVALID_OPTION", `${name} must be an integer ${range}, not ${describe(value)}`, {
		details: { option: name },
	});
}

/** The candidate that differs from `word` by the fewest edits, if it is near enough to be meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
	let best: string | undefined;
	let bestDistance = Math.max(1, Math.ceil(word.length / 3)) + 1;
	for (const candidate of candidates) {
		const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance);
		if (distance < bestDistance) {
			best = candidate;
			bestDistance = distance;
		}
	}
	return best;
}

/** Insertions, removals, changes and swaps of neighbours that lead from `a` to `b`, given up with `bound` once they cannot be fewer. */
export function editDistance(a: string, b: string, bound: number): number {
	if (Math.abs(a.length - b.length) >= bound) return bound;
	let before: number[] = [];
	let row = Array.from({ length: b.length + 1 }, (_, index) => index);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			const same = a[i - 1] === b[j - 1] ? 0 : 1;
			const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
			const swap = swapped ? (before[j - 2] ?? 0) + 1 : bound;
			next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + same, swap));
		}
		before = row;
		row = next;
	}
	return row[b.length] ?? bound;
}

/** A short text for any value in a message: strings quoted, objects by type. */
export function describe(value: unknown): string {
	if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
	if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
	return String(value);
}

/** Tells whether a value is a Uint8Array (a Buffer is one), also one of another realm, as test frameworks have them. */
export function isBytes(value: unknown): value is Uint8Array {
	return value instanceof Uint8Array || types.isUint8Array(value);
}
