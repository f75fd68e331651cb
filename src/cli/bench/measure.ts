/**
 * Measures two ways to do the same work in turns, so that what disturbs one disturbs the other as well; ratios are formed
 * within a round, and told with their least and greatest.
 */
import { throwIfAborted } from "../../core/abort.ts";

/** One way to do the work. */
export interface Side {
	readonly name: string;
	/** Works for about so many milliseconds, or does a fixed amount; returns what was measured. */
	run(ms: number): Promise<number>;
}

/** Work that is measured. */
export interface Scenario {
	readonly name: string;
	/** A few words for the table. */
	readonly what: string;
	readonly unit: string;
	readonly settings: Readonly<Record<string, number | string>>;
	/** Prepares both sides in an empty folder; what `close` gives back is closed whatever happens. */
	open(folder: string, signal: AbortSignal): Promise<{ ours: Side; reference: Side; close(): Promise<void> }>;
}

/** Middle, least and greatest of some rounds. */
export interface Spread {
	readonly median: number;
	readonly min: number;
	readonly max: number;
}

/** Outcome of a scenario. */
export interface Comparison {
	readonly scenario: string;
	readonly ours: Spread & { readonly name: string; readonly unit: string };
	readonly reference: Spread & { readonly name: string; readonly unit: string };
	readonly ratio: Spread;
}

/** How to measure. */
export interface Rounds {
	readonly rounds: number;
	readonly ms: number;
	readonly signal: AbortSignal;
	/** Hears what is being done. */
	progress(text: string): void;
}

/** Measures a scenario in an empty folder. @throws ABORTED */
export async function measure(scenario: Scenario, folder: string, how: Rounds): Promise<Comparison> {
	const { rounds, ms, signal, progress } = how;
	const { name, unit } = scenario;
	progress(`${name}: preparing`);
	const { ours, reference, close } = await scenario.open(folder, signal);
	const figures = new Map<Side, number[]>([
		[ours, []],
		[reference, []],
	]);
	try {
		// One round of each that does not count: files are made, code is compiled.
		for (let round = 0; round <= rounds; round++) {
			for (const side of round % 2 === 0 ? [ours, reference] : [reference, ours]) {
				throwIfAborted(signal, "the bench");
				progress(`${name}: ${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}, ${side.name}`);
				const figure = await side.run(ms);
				throwIfAborted(signal, "the bench");
				if (round > 0) figures.get(side)?.push(figure);
			}
		}
	} finally {
		await close();
	}
	const [mine = [], theirs = []] = figures.values();
	return {
		scenario: name,
		ours: { name: ours.name, ...spreadOf(mine), unit },
		reference: { name: reference.name, ...spreadOf(theirs), unit },
		ratio: spreadOf(mine.map((value, round) => value / (theirs[round] as number))),
	};
}

/** Middle, least and greatest. */
export function spreadOf(values: readonly number[]): Spread {
	const sorted = values.toSorted((a, b) => a - b);
	const middle = sorted.length >> 1;
	const upper = sorted[middle] as number;
	const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
	return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}
