/** One opener of a store that several openers of this process may share. */
import { fail, type StreambedError } from "../../core/errors.ts";

/** Whether an opener of the store still has it open: others may go on using it. */
export interface Opener {
	/** Looked at by each append: an AbortSignal's own property costs more than the look. */
	closed: boolean;
	/** Aborted when `closed` becomes true. */
	readonly signal: AbortSignal;
}

/** The error for a store that its opener has closed. */
export function closedError(): StreambedError {
	return fail("CLOSED", "the store is closed");
}
