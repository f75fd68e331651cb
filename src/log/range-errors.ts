/** The errors for positions that a shard does not hold. */
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
