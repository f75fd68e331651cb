/** Where the recorded life of a store is cut: between two changes of its disk, or in the middle of a write. */
import type { DiskChange } from "../../src/testing/recording-disk.ts";

/** A place. */
export interface Cut {
	/** Changes before it. */
	readonly count: number;
	/** Bytes of the change after these that were done, if it is a write. */
	readonly part: number;
}

/** What was known after so many changes. */
interface Known {
	readonly at: number;
}

/**
 * All places that differ: in what stands on the disk, or in what was known by then. `parts` says where in a write of
 * so many bytes it is cut.
 */
export function cutsOf(
	changes: readonly DiskChange[],
	known: readonly Known[],
	parts: (bytes: number) => readonly number[] = (bytes) => [bytes >> 1],
): Cut[] {
	const news = new Set(known.map(({ at }) => at));
	const cuts: Cut[] = [];
	for (let count = 0; count <= changes.length; count++) {
		const last = changes[count - 1];
		if (last === undefined || leavesTrace(last) || news.has(count)) cuts.push({ count, part: 0 });
		const next = changes[count];
		if (next?.kind !== "write" || next.bytes.length < 2) continue;
		for (const part of parts(next.bytes.length)) cuts.push({ count, part });
	}
	return cuts;
}

/** What has been opened or closed cannot be told from the disk. */
function leavesTrace(change: DiskChange): boolean {
	return change.kind !== "close" && !(change.kind === "open" && change.mode === "write");
}
