/**
 * Gives segments that stand under a wrong name the one that their header tells, also where they stand in one another's
 * place. It is done before anything is redone, so that no round is written into the wrong file.
 */
import { join } from "node:path/posix";
import { segmentName } from "../format/segment-header.ts";
import type { ShardToRepair } from "./repair-end.ts";
import type { RepairWork } from "./repair-work.ts";
import { judgePath } from "./segment-survey.ts";
import { segmentBases } from "./verify-shard.ts";

/** Whose segments they are. */
export type NamedShard = Pick<ShardToRepair, "folder" | "ids" | "shard" | "ring">;

/** Which base each file should have that stands under the name of a base; `undefined` if it is none of this shard's. */
type Places = Map<number, number | undefined>;

/**
 * Renames misplaced segments of a shard whose place is free or can be made so. Left as they are: a second file that says the
 * same of itself, and what is nobody's in a place that no file claims.
 */
export async function restoreNames(work: RepairWork, shard: NamedShard): Promise<void> {
	const { folder } = shard;
	const path = (base: number): string => join(folder, segmentName(base));
	const held = shard.ids.flatMap((id) => shard.ring.bases(id, shard.shard));
	const places: Places = new Map();
	for (const base of await segmentBases({ disk: work.disk, nobodyWrites: async () => true }, folder)) {
		const verdict = await judgePath(work.disk, path(base), { ...shard, base });
		if (verdict.kind === "foreign" && held.includes(base)) {
			await work.setAside(path(base), "set aside: it stands in the place of a segment that the journal holds");
			continue;
		}
		const home = verdict.kind === "misplaced" ? verdict.base : base;
		places.set(base, verdict.kind === "foreign" ? undefined : home);
	}
	for (let move = nextMove(places); move !== undefined; move = nextMove(places)) {
		const { from, to, what } = move;
		if (to === undefined) await work.setAside(path(from), what);
		else {
			await work.rename(path(from), path(to), what);
			places.set(to, places.get(from));
		}
		places.delete(from);
	}
}

interface Move {
	readonly from: number;
	/** Its new name; `undefined` if it goes aside. */
	readonly to: number | undefined;
	readonly what: string;
}

function nextMove(places: Places): Move | undefined {
	const misplaced = [...places].flatMap(([from, to]) => (to === undefined || to === from ? [] : [{ from, to }]));
	const free = misplaced.find(({ to }) => !places.has(to));
	if (free !== undefined) return { ...free, what: `renamed to ${segmentName(free.to)}, as its header says` };
	// Whatever stands in the place of one of these makes room, unless it is there by right.
	for (const { to: from } of misplaced) {
		const home = places.get(from);
		if (home === from) continue;
		if (home === undefined || places.get(home) === home) {
			return { from, to: undefined, what: "set aside: it stands in the place of another segment" };
		}
	}
	const inTheWay = misplaced.find(({ to }) => places.get(to) !== to)?.to;
	if (inTheWay === undefined) return undefined;
	// If this is the last thing that is done, the next repair finds one more segment under a wrong name, and goes on.
	const spare = Math.max(...places.keys()) + 1;
	return { from: inTheWay, to: spare, what: "renamed for the moment: another segment has its name" };
}
