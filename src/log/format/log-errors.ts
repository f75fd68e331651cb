/** Errors that several places of the log tell. */
import { fail, type StreambedError } from "../../core/errors.ts";
import type { StreamKind } from "../../core/stream-config.ts";

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

/** The error for an append beyond the limit. */
export function tooLarge(name: string, bytes: number, limit: number): StreambedError {
	return fail("TOO_LARGE", `one append to ${name} holds ${bytes} bytes, the limit is ${limit}`, {
		details: { bytes, limit },
	});
}

/** A stream, as far as messages tell of it. */
interface Named {
	readonly name: string;
	readonly kind: StreamKind;
}

/** The error for an append to a sealed stream; of a record stream it names the shard that the tail is of. */
export function sealedError({ name, kind }: Named, tail: number, shard: number): StreambedError {
	if (kind === "bytes") {
		return fail("SEALED", `cannot append to ${name}: the stream is sealed at ${tail}`, { details: { tail } });
	}
	return fail("SEALED", `cannot append to ${name}: the stream is sealed, shard ${shard} at ${tail}`, {
		details: { shard, tail },
	});
}

/** The error for an append that would pass the last position. */
export function exhausted(name: string, bytes: number, tail: number): StreambedError {
	const limit = Number.MAX_SAFE_INTEGER;
	return fail("LIMIT_EXCEEDED", `cannot append ${bytes} bytes to ${name}: positions end at ${limit}`, {
		details: { tail, limit },
	});
}

/** Tells the tail that the append met; by now it is durable, and the tail may be further on. */
export function mismatch(name: string, expected: number, tail: number): StreambedError {
	return fail("POSITION_MISMATCH", `cannot append to ${name}: expected the tail at ${expected}, it is ${tail}`, {
		details: { expected, tail },
	});
}
