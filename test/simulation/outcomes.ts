/** What errors say about what has happened. */
import { StreambedError } from "../../src/index.ts";

const codesOfTheDisk: readonly string[] = ["STOPPED", "IO", "DISK_FULL", "CORRUPT", "CLOSED"];

/** Tells whether an error is one that a failing disk may lead to. */
export function isOfTheDisk(error: unknown): boolean {
	return StreambedError.is(error) && codesOfTheDisk.includes(error.code.replace("STREAMBED_", ""));
}

/** Tells whether an append that failed like this may have been stored all the same. */
export function mayBeStored(error: unknown): boolean {
	if (!StreambedError.is(error, "STREAMBED_STOPPED") && !StreambedError.is(error, "STREAMBED_IO")) return false;
	return error.details.outcome !== "nothing";
}
