/** From where to where a reader of records goes, in which shards. */
import { checkSignal } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { checkLocation, checkOrder, endsBefore, type Location, type PositionQuery } from "../../core/location.ts";
import { describe, rejectUnknown, requireInteger } from "../../core/options.ts";
import { type CutPositions, parseCut, type StreamCut } from "../../core/stream-cut.ts";
import type { EngineStream, ShardBounds } from "../../engine/contract.ts";
import { requireShard } from "./record-append.ts";

/** What reading records takes. */
export interface RecordReadOptions {
	/** The only shard to read. Default: all of them, merged. */
	readonly shard?: number | undefined;
	/** Where to begin, in each shard; `{ sequence }` with a shard only. Resolved when the reader is made. Default "head". */
	readonly from?: Location | undefined;
	/**
	 * Where to end, exclusive; a sequence may lie beyond the tail, everything else is resolved when the reader is made. Before
	 * the beginning, in every shard, it is INVALID_OPTION: at once where that is known, else at the first step.
	 */
	readonly to?: Location | undefined;
	/**
	 * Begin at a cut, or at the `location` of another reader; in place of `from`. Shards that it does not know begin at their
	 * head. What has been dropped behind it is told as TRUNCATED{shard,head} by a step; the next one goes on at the head.
	 */
	readonly fromCut?: StreamCut | undefined;
	/** End at a cut; in place of `to`. Shards that it does not know are left out. */
	readonly toCut?: StreamCut | undefined;
	/** At most so many records. */
	readonly limit?: number | undefined;
	/** Wait at the tail for more, and for more shards, instead of stopping there. Default false. */
	readonly follow?: boolean | undefined;
	/** Values are copies that are yours. Default false: views, valid until the next step. */
	readonly copy?: boolean | undefined;
	/** Ends every wait with STREAMBED_ABORTED. */
	readonly signal?: AbortSignal | undefined;
}

/** A checked range, its ends still to be resolved. */
export interface RecordRange {
	readonly shard: number | undefined;
	readonly from: PositionQuery | CutPositions;
	readonly to: PositionQuery | CutPositions | undefined;
	readonly limit: number;
	readonly follow: boolean;
	readonly copy: boolean;
	readonly signal: AbortSignal | undefined;
}

const names = ["shard", "from", "to", "fromCut", "toCut", "limit", "follow", "copy", "signal"];

/** Checks what a user gave. */
export function checkRecordRange(given: RecordReadOptions): RecordRange {
	rejectUnknown(given, names, "the options of read");
	checkSignal(given.signal, "the options of read");
	const { shard, from, to, fromCut, toCut, limit } = given;
	if (from !== undefined && fromCut !== undefined) throw both("from", "fromCut");
	if (to !== undefined && toCut !== undefined) throw both("to", "toCut");
	const start = fromCut === undefined ? checkLocation(from ?? "head", "records", "from") : parseCut(fromCut, "fromCut");
	const location = to === undefined ? undefined : checkLocation(to, "records", "to");
	const end = toCut === undefined ? location : parseCut(toCut, "toCut");
	if (end !== undefined) checkEnds(start, end, shard);
	return {
		shard: shard === undefined ? undefined : requireInteger(shard, "shard", 0),
		from: start,
		to: end,
		limit: limit === undefined ? Number.POSITIVE_INFINITY : requireInteger(limit, "limit", 0),
		follow: flag(given.follow, "follow"),
		copy: flag(given.copy, "copy"),
		signal: given.signal,
	};
}

/** Refuses a range that ends before it begins, if that is known without looking: in all shards, where it is one of cuts. */
function checkEnds(from: RecordRange["from"], to: PositionQuery | CutPositions, shard: unknown): void {
	if ("at" in from && "at" in to) return checkOrder(from, to);
	if ("at" in from || "at" in to || from.stream !== to.stream) return;
	const only = typeof shard === "number" ? shard : from.shard;
	const shards = Math.max(from.positions.length, to.positions.length);
	const all = only === undefined ? Array.from({ length: shards }, (_, index) => index) : [only];
	const ends = all.map((index) => [positionIn(from, index) ?? 0, positionIn(to, index) ?? 0] as const);
	if (!isBehind(ends)) return;
	throw endsBefore("the cut to begin at is the later one");
}

/** Where reading a shard begins and ends, resolved. */
export interface ResolvedShard {
	readonly shard: number;
	readonly position: number;
	readonly end: number;
	/** The end is one of the range, not the tail. */
	readonly endsInside: boolean;
}

/** Refuses a range that turns out to end before it begins, in all shards. @throws INVALID_OPTION */
export function checkResolved({ from, to }: RecordRange, shards: readonly ResolvedShard[]): void {
	// From the head is from what is still there: if all before the end was dropped, that is nothing. Cuts were compared.
	if (to === undefined || ("at" in from ? from.at === "head" : !("at" in to))) return;
	const asked = shards.filter(({ shard }) => "at" in from || positionIn(from, shard) !== undefined);
	if (!isBehind(asked.map(({ position, end, endsInside }) => [position, endsInside ? end : position]))) return;
	const some = asked.slice(0, 3).map(({ shard, position, end }) => `${position} to ${end} in shard ${shard}`);
	throw endsBefore(`from ${some.join(", ")}${asked.length > 3 ? ", …" : ""}`);
}

/** Tells whether nothing lies between the begins and ends of shards, and somewhere less than nothing. */
function isBehind(ends: readonly (readonly [start: number, end: number])[]): boolean {
	return ends.every(([start, end]) => start >= end) && ends.some(([start, end]) => start > end);
}

function positionIn({ shard, positions }: CutPositions, index: number): number | undefined {
	return shard === undefined ? positions[index] : positions[0];
}

/** Checks what only the stream can tell. @throws INVALID_OPTION */
export function checkAgainst(range: RecordRange, { id, layout }: EngineStream, label: string): void {
	const { shard, from, to } = range;
	if (shard !== undefined) requireShard(shard, layout, label);
	for (const [name, end] of [
		["from", from],
		["to", to],
	] as const) {
		if (end === undefined) continue;
		if ("at" in end) {
			if (end.at !== "position" || shard !== undefined || layout.shards === 1) continue;
			throw fail("INVALID_OPTION", `${name} is a sequence, which is one of a shard: name the shard as well`, {
				hint: "For all shards at once give a time, or a cut.",
				details: { option: "shard" },
			});
		}
		if (end.stream !== id) {
			throw fail("INVALID_OPTION", `${name}Cut is of another stream than ${label} is now`, {
				hint: "A stream that was deleted and made again has none of the old positions.",
				details: { option: `${name}Cut` },
			});
		}
		if (end.shard === shard || end.shard === undefined) continue;
		throw fail("INVALID_OPTION", `${name}Cut is of shard ${end.shard} only`, { details: { option: `${name}Cut` } });
	}
}

/**
 * Where reading a shard begins. A cut may lie below a head by now: then the first step in that shard tells what was
 * dropped, as it does to a reader that a truncation has overtaken, and the next one goes on. @throws TRUNCATED, OUT_OF_RANGE
 */
export async function startOf(
	{ from }: RecordRange,
	stream: EngineStream,
	shard: number,
	{ head, tail }: ShardBounds,
): Promise<number> {
	if (!("at" in from)) {
		const position = positionIn(from, shard);
		if (position === undefined || position <= tail) return position ?? head;
		return await stream.shard(shard).locate({ at: "position", position });
	}
	if (from.at === "head") return head;
	if (from.at === "tail") return tail;
	// A shard without records is not touched for this.
	return tail === 0 && from.at !== "position" ? 0 : await stream.shard(shard).locate(from);
}

/** Where reading a shard ends at the latest; Infinity if nowhere. */
export async function endOf(
	{ to }: RecordRange,
	stream: EngineStream,
	shard: number,
	{ tail }: ShardBounds,
): Promise<number> {
	if (to === undefined) return Number.POSITIVE_INFINITY;
	if (!("at" in to)) return positionIn(to, shard) ?? 0;
	if (to.at === "position") return to.position;
	return tail === 0 ? 0 : await stream.shard(shard).locate(to);
}

function flag(given: unknown, name: string): boolean {
	if (given === undefined || typeof given === "boolean") return given ?? false;
	throw fail("INVALID_OPTION", `${name} must be true or false, not ${describe(given)}`, { details: { option: name } });
}

function both(one: string, other: string): Error {
	return fail("INVALID_OPTION", `${one} and ${other} are both given, and say the same thing`, {
		details: { option: other },
	});
}
