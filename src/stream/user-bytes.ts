/** What counts as bytes from a user. */
import { fail } from "../core/errors.ts";
import { describe } from "../core/options.ts";

export { isBytes } from "../core/options.ts";

/** The error for something that should have been bytes. */
export function notBytes(value: unknown): Error {
	return fail("INVALID_OPTION", `bytes must be a Uint8Array, not ${describe(value)}`, {
		hint:
			typeof value === "string"
				? "Encode the text first: new TextEncoder().encode(text)."
				: "Pass a Uint8Array or a Buffer.",
	});
}
