/** From where to where a reader goes, and whether it waits at the tail. */
import { fail } from "../../core/errors.ts";
import { checkLocation, checkOrder, endsBefore, type Location, type PositionQuery } from "../../core/location.ts";
import { describe, rejectUnknown } from "../../core/options.ts";
import type { EngineShard } from "../../engine/contract.ts";

/** What every way of reading takes. */
export interface ReadRangeOptions {
	/** Where to begin; resolved when the reader is made. Default "head". */
	readonly from?: Location | undefined;
	/**
	 * Where to end, exclusive; an offset may lie beyond the tail, everything else is resolved when the reader is made. Before
	 * the beginning it is INVALID_OPTION: at once where that is known, else at the first read.
	 */
	readonly to?: Location | undefined;
	/** Wait at the tail for more instead of stopping there. Default false. */
	readonly follow?: boolean | undefined;
	/** Ends every wait with STREAMBED_ABORTED. */
	readonly signal?: AbortSignal | undefined;
}

/** The names of {@link ReadRangeOptions}. */
export const readRangeNames: readonly string[] = ["from", "to", "follow", "signal"];

/** A checked range, its ends still to be resolved. */
export interface ReadRange {
	readonly from: PositionQuery;
	readonly to: PositionQuery | undefined;
	readonly follow: boolean;
	readonly signal: AbortSignal | undefined;
}

/** Checks what a user gave; `more` are the names that the caller takes beside these. */
export function checkReadRange(given: ReadRangeOptions, what: string, more: readonly string[] = []): ReadRange {
	rejectUnknown(given, [...readRangeNames, ...more], what);
	const follow = given.follow ?? false;
	if (typeof follow !== "boolean") {
		throw fail("INVALID_OPTION", `follow must be true or false, not ${describe(follow)}`, {
			details: { option: "follow" },
		});
	}
	if (given.signal !== undefined && !(given.signal instanceof AbortSignal)) {
		throw fail("INVALID_OPTION", `signal must be an AbortSignal, not ${describe(given.signal)}`);
	}
	const from = checkLocation(given.from ?? "head", "bytes", "from");
	const to = given.to === undefined ? undefined : checkLocation(given.to, "bytes", "to");
	if (to !== undefined) checkOrder(from, to);
	return { from, to, follow, signal: given.signal };
}

/** A range in positions; `end` is Infinity where nothing bounds it. */
export interface ResolvedRange {
	readonly shard: EngineShard;
	readonly start: number;
	readonly end: number;
}

/** Finds the positions of a range. @throws INVALID_OPTION if it ends before it begins; TRUNCATED, OUT_OF_RANGE for its start */
export async function resolveRange(shard: EngineShard, range: ReadRange): Promise<ResolvedRange> {
	const [start, end] = await Promise.all([shard.locate(range.from), resolveEnd(shard, range.to)]);
	if (end >= start) return { shard, start, end };
	// From the head is from what is still there: if all before the end was dropped, that is nothing.
	if (range.from.at === "head") return { shard, start, end: start };
	throw endsBefore(`from ${start} to ${end}`, { from: start, to: end });
}

/** Finds where a range ends; Infinity if nowhere. */
export async function resolveEnd(shard: EngineShard, to: PositionQuery | undefined): Promise<number> {
	if (to === undefined) return Number.POSITIVE_INFINITY;
	// An end may lie beyond the tail, or below the head, where the start is the one to complain.
	return to.at === "position" ? to.position : await shard.locate(to);
}

/** Where a reader stops that does not follow: at the tail of now. Damage there must not look like the end: it reads on into it. */
export async function stopOf(shard: EngineShard): Promise<number> {
	const { tail, damaged } = await shard.bounds();
	return damaged === true ? Number.POSITIVE_INFINITY : tail;
}
