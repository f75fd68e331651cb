/** What a running soak uses, measured from outside the library wherever that is possible. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { SecondUse } from "./second-process.ts";

const MiB = 1024 * 1024;

/** One measure: its unit, and what it is judged by. */
export interface Measure {
	readonly name: string;
	readonly unit: "MiB" | "";
	/** In the unit. */
	readonly bound: number;
	/** What the bound is for: the growth from the end of the warm-up to the end, or the greatest value at any time. */
	readonly judged: "growth" | "most";
}

const growing = (name: string, unit: Measure["unit"], bound: number): Measure => ({
	name,
	unit,
	bound,
	judged: "growth",
});

/**
 * Resident memory says what the allocator keeps and not what is held. Seen from inside `malloc`, 30 MiB were in use all
 * the while that it kept first 44 and then 64; freed memory goes back only from the ends of its arenas, by tens of MiB at
 * once or not at all. What is held shows in the heap, in external memory, and in handles, each of which is judged by its
 * growth. So this is a bound for what may be there at all: 52 MiB of Node's own code, 64 for V8 with its young
 * generation, and twice the 100 MiB of buffers that were seen at once, by a fifth more. What leaks past all
 * other measures still ends here. The second process has less of everything.
 */
const most = (name: string, bound: number): Measure => ({ name, unit: "MiB", bound, judged: "most" });

/** All of them, in the order in which they are shown. Counts go up and down with the load by more than one. */
export const measures: readonly Measure[] = [
	most("rss", 384),
	growing("heap", "MiB", 5),
	growing("external", "MiB", 10),
	growing("arrayBuffers", "MiB", 10),
	growing("descriptors", "", 10),
	growing("resources", "", 10),
	growing("ring", "MiB", 5),
	growing("store", "MiB", 32),
	most("second rss", 256),
	growing("second heap", "MiB", 5),
	growing("second descriptors", "", 10),
];

/** Values of all measures at a moment, each in its unit; one that this system does not tell is not a number. */
export interface Sample {
	readonly second: number;
	readonly values: Readonly<Record<string, number>>;
}

/** Takes what can be collected off the heap, so that what is left there is held. */
function collect(): void {
	setFlagsFromString("--expose-gc");
	(runInNewContext("gc") as () => void)();
}

/** Measures this process, the store in `folder`, and what the second process says. */
export function takeSample(second: number, folder: string, other: SecondUse): Sample {
	collect();
	const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
	const bytes = {
		rss,
		heap: heapUsed,
		external,
		arrayBuffers,
		ring: bytesBelow(join(folder, "journal")),
		store: bytesBelow(folder),
		"second rss": other.rss,
		"second heap": other.heapUsed,
	};
	return {
		second,
		values: {
			...Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, value / MiB])),
			descriptors: openDescriptors(),
			resources: process.getActiveResourcesInfo().length,
			"second descriptors": other.descriptors,
		},
	};
}

function openDescriptors(): number {
	try {
		return readdirSync("/proc/self/fd").length;
	} catch {
		return Number.NaN;
	}
}

/** Bytes of all files below a folder; files come and go meanwhile. */
function bytesBelow(folder: string): number {
	let bytes = 0;
	try {
		for (const entry of readdirSync(folder, { withFileTypes: true })) {
			const path = join(folder, entry.name);
			bytes += entry.isDirectory() ? bytesBelow(path) : (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
		}
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
	}
	return bytes;
}
