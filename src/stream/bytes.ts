/** What counts as bytes from a user. */
import { types } from "node:util";
import { fail } from "../core/errors.ts";
import { describe } from "../core/options.ts";

/** Tells whether a value is a Uint8Array (a Buffer is one), also one of another realm, as test frameworks have them. */
export function isBytes(value: unknown): value is Uint8Array {
	return value instanceof Uint8Array || types.isUint8Array(value);
}

/** The error for something that should have been bytes. */
export function notBytes(value: unknown): Error {
	return fail("INVALID_OPTION", `bytes must be a Uint8Array, not ${describe(value)}`, {
		hint:
			typeof value === "string"
				? "Encode the text first: new TextEncoder().encode(text)."
				: "Pass a Uint8Array or a Buffer.",
	});
}
