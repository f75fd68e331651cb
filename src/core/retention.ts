/**
 * The rule by which retention moves a head, the same for every engine.
 *
 * Data goes in pieces (segments; in memory, appends). Age alone: what is older goes. Size alone: the oldest goes, and at
 * least so many bytes stay. Both: only what is older than the age goes, and only beyond the size, so each of them is a
 * promise. The hard bound stands over both. The newest piece goes by age only: no rule empties a stream that is written.
 */
import type { Retention } from "./stream-config.ts";

/** Why retention moved a head. */
export type RetentionReason = "age" | "size" | "bound";

/** What a shard holds, as the rule sees it. A border is where one piece ends and the next begins. */
export interface RetainedPieces {
	readonly head: number;
	/** The highest border up to which all data is older than `time`; the head if there is none. */
	borderBefore(time: number): number;
	/** The highest border that leaves at least `bytes` behind it; the head if there is none. */
	borderLeaving(bytes: number): number;
	/** The lowest border that leaves at most `bytes`, or the beginning of the newest piece if none does. */
	borderWithin(bytes: number): number;
}

/**
 * Where the head belongs, or `undefined` if it is there. `ageNow` is the time from which ages are counted; without it
 * nothing is old, because the clock is not to be trusted.
 */
export function retainedHead(
	retention: Retention,
	pieces: RetainedPieces,
	ageNow: number | undefined,
): { readonly head: number; readonly reason: RetentionReason } | undefined {
	const { ageMs, bytes, maxBytes } = retention;
	let { head } = pieces;
	let reason: RetentionReason | undefined;
	if (ageMs !== undefined || bytes !== undefined) {
		const old = ageMs === undefined ? Number.POSITIVE_INFINITY : older(pieces, ageNow, ageMs);
		const beyond = bytes === undefined ? Number.POSITIVE_INFINITY : pieces.borderLeaving(bytes);
		const border = Math.min(old, beyond);
		if (border > head) {
			head = border;
			reason = bytes === undefined ? "age" : "size";
		}
	}
	if (maxBytes !== undefined) {
		const border = pieces.borderWithin(maxBytes);
		if (border > head) {
			head = border;
			reason = "bound";
		}
	}
	return reason === undefined ? undefined : { head, reason };
}

/** Times are whole milliseconds, rounded down: what was taken in within the first of them is not older yet. */
function older(pieces: RetainedPieces, ageNow: number | undefined, ageMs: number): number {
	return ageNow === undefined ? pieces.head : pieces.borderBefore(ageNow - ageMs);
}

/** A segment is closed so long after its first append, so that slow streams expire too; `undefined` without an age. */
export function rollAfterMs(retention: Retention): number | undefined {
	return retention.ageMs === undefined ? undefined : Math.max(1, Math.floor(retention.ageMs / 8));
}

/** Size at which segments are closed: small enough that a bound by size is kept to an eighth, but not tiny. */
export function rollBytes(segmentBytes: number, retention: Retention, min: number): number {
	const { bytes = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = retention;
	return Math.min(segmentBytes, Math.max(min, Math.floor(Math.min(bytes, maxBytes) / 8)));
}
