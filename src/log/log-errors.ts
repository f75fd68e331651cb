/** Errors that several places of the log tell. */
import { fail, type StreambedError } from "../core/errors.ts";

/** The error for a position below the head. */
export function truncated(name: string, position: number, head: number): StreambedError {
	return fail("TRUNCATED", `cannot read ${name} at ${position}: data before the head at ${head} was dropped`, {
		details: { position, head },
	});
}

/** The error for a position beyond the tail. */
export function outOfRange(name: string, position: number, tail: number): StreambedError {
	return fail("OUT_OF_RANGE", `position ${position} of ${name} lies beyond the tail at ${tail}`, {
		details: { position, tail },
	});
}

/** The error for a store that is closed or about to be. */
export function closedError(): StreambedError {
	return fail("CLOSED", "the store is closed");
}

/** The error for a stream that was deleted. */
export function notFound(name: string): StreambedError {
	return fail("NOT_FOUND", `the stream ${name} was deleted`);
}
