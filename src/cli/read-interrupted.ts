/** What an interrupted `read` tells: where it was, and how to go on from there. */
import { type ErrorDetails, StreambedError } from "../core/errors.ts";
import type { CommandContext } from "./command.ts";

/** Tells whether an error is that of a signal to this process, not that of a wait which ended by itself. */
export function isInterruption({ signal }: CommandContext, thrown: unknown): thrown is StreambedError {
	return signal.aborted && StreambedError.is(thrown, "STREAMBED_ABORTED");
}

/** The error with the place behind all that was handed over, and the option that begins there. */
export function interruptedAt(thrown: StreambedError, details: ErrorDetails, option: string): StreambedError {
	return new StreambedError(thrown.code, thrown.message, {
		hint: `Go on with ${option}.`,
		details: { ...thrown.details, ...details },
		cause: thrown,
	});
}
