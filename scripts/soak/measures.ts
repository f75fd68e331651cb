/** What a running soak uses, measured from outside the library wherever that is possible. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { SecondUse } from "./second-process.ts";

const MiB = 1024 * 1024;

/** One measure: its unit, and how far it may grow from the end of the warm-up to the end. */
export interface Measure {
	readonly name: string;
	readonly unit: "MiB" | "";
	/** In the unit. */
	readonly bound: number;
}

/** All of them, in the order in which they are shown. Counts go up and down with the load by more than one. */
export const measures: readonly Measure[] = [
	{ name: "rss", unit: "MiB", bound: 16 },
	{ name: "heap", unit: "MiB", bound: 5 },
	{ name: "external", unit: "MiB", bound: 10 },
	{ name: "arrayBuffers", unit: "MiB", bound: 10 },
	{ name: "descriptors", unit: "", bound: 10 },
	{ name: "resources", unit: "", bound: 10 },
	{ name: "ring", unit: "MiB", bound: 5 },
	{ name: "store", unit: "MiB", bound: 32 },
	{ name: "second rss", unit: "MiB", bound: 16 },
	{ name: "second heap", unit: "MiB", bound: 5 },
	{ name: "second descriptors", unit: "", bound: 10 },
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
