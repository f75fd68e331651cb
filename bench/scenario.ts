/** What a scenario is: a name, and the cases that it consists of under the settings of a run. */
import type { Case } from "./harness.ts";

/** Settings of a run that scenarios depend on. */
export interface RunSettings {
	readonly durability: "sync" | "os";
	/** Few cases and small sizes: to see that a scenario works, not what it measures. */
	readonly quick: boolean;
}

/** A group of cases. */
export interface Scenario {
	readonly name: string;
	/** What it measures, in a line. */
	readonly summary: string;
	/** Empty where the scenario makes no sense under these settings. */
	cases(settings: RunSettings): readonly Case[];
}

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** `100 B`, `64 KiB`, … for names and tables. */
export function sizeText(bytes: number): string {
	if (bytes >= GiB && bytes % GiB === 0) return `${bytes / GiB} GiB`;
	if (bytes >= MiB && bytes % MiB === 0) return `${bytes / MiB} MiB`;
	if (bytes >= KiB && bytes % KiB === 0) return `${bytes / KiB} KiB`;
	return `${bytes} B`;
}

/** The same without the space, for names of cases. */
export function sizeName(bytes: number): string {
	return sizeText(bytes).replace(" ", "");
}

export const kib: number = KiB;
export const mib: number = MiB;
export const gib: number = GiB;
