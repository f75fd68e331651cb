/** What errors say about what has happened. */
import { StreambedError } from "../../src/index.ts";
import { SimulationFailure } from "./simulation-failure.ts";

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

/** What no operation took for an answer: right only if the store is being closed, the stream is being deleted, or the disk fails. */
export function judge(
	around: { readonly closing: boolean; readonly faulty: boolean },
	error: unknown,
	model: { readonly name: string; readonly deleteAsked: boolean } | undefined,
	what: string,
): void {
	if (around.closing && StreambedError.is(error, "STREAMBED_CLOSED")) return;
	if (model?.deleteAsked === true && StreambedError.is(error, "STREAMBED_NOT_FOUND")) return;
	if (error instanceof SimulationFailure) throw error;
	if (around.faulty && isOfTheDisk(error)) return;
	throw new SimulationFailure(`${what} on ${model?.name ?? "the store"} failed: ${String(error)}`, { cause: error });
}
