/** The error for whatever would change a store that is open for reading. */
import { fail, type StreambedError } from "../../core/errors.ts";

/** Says what cannot be done. */
export function readOnly(root: string, what: string): StreambedError {
	return fail("READ_ONLY", `cannot ${what}: the store at ${root} is open for reading`, {
		hint: 'Open it with mode "write".',
	});
}
