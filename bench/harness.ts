/**
 * Runs the sides of a case round by round, in rotating order and in one process, so that what disturbs one disturbs
 * the others as well; ratios are formed within a round.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Spread, spreadOf } from "./statistics.ts";

/** What one side measured in one round, by the name of the metric. */
export type Figures = Readonly<Record<string, number>>;

/** A side that is ready to be measured. */
export interface Runner {
	/** One round; sides with a fixed amount of work ignore `seconds`. */
	run(seconds: number): Promise<Figures>;
	close?(): Promise<void>;
}

/** One way to do the work of a case. */
export interface Side {
	readonly name: string;
	/** Prepares it; `folder` is empty and its own. @throws SideMissing where it is not to be had on this machine */
	open(folder: string): Promise<Runner>;
}

/** A side that is not to be had on this machine: it is left out, and said to be. */
export class SideMissing extends Error {}

/** Two sides to be set beside one another. */
export interface Pair {
	/** Names of sides. */
	readonly ours: string;
	readonly reference: string;
	/** Which of the figures. */
	readonly metric: string;
	readonly unit: string;
	/** What the ratio of ours to the reference should be; a pair without one is there for information. */
	readonly bar?: Bar;
}

/** Bound of a ratio. */
export type Bar = { readonly atLeast: number } | { readonly atMost: number };

/** Sides that do the same work, and what to compare of them. */
export interface Case {
	/** `scenario/what/how`. */
	readonly name: string;
	readonly sides: readonly Side[];
	readonly pairs: readonly Pair[];
	/** Sizes and such, for the report. */
	readonly settings: Readonly<Record<string, string | number | boolean>>;
	/** Made once before the sides are opened, for what they share; `folder` is empty. */
	prepare?(folder: string): Promise<void>;
	/** Pays for one round of each side that is not counted. Default true; false where a round is a new process. */
	readonly warmUp?: boolean;
}

/** How to measure. */
export interface Rounds {
	readonly rounds: number;
	/** Length of a round where the work is not fixed. */
	readonly seconds: number;
}

/** Outcome of a pair. */
export interface Comparison {
	readonly pair: Pair;
	readonly ours: Spread;
	readonly reference: Spread;
	readonly ratio: Spread;
	/** `undefined` without a bar. */
	readonly met: boolean | undefined;
}

/** Who hears of a measurement. */
export interface Listener {
	/** What is being done. */
	progress?(text: string): void;
	/** A side is left out. */
	missing?(side: string, why: string): void;
}

/** Measures a case in `folder`, which is removed afterwards. */
export async function measure(
	what: Case,
	{ rounds, seconds }: Rounds,
	folder: string,
	listener: Listener = {},
): Promise<Comparison[]> {
	const runners = new Map<Side, Runner>();
	const figures = new Map<string, Figures[]>(what.sides.map((side) => [side.name, []]));
	try {
		mkdirSync(folder, { recursive: true });
		if (what.prepare !== undefined) {
			listener.progress?.("preparing");
			const shared = join(folder, "shared");
			mkdirSync(shared);
			await what.prepare(shared);
		}
		for (const [index, side] of what.sides.entries()) {
			const own = join(folder, `side-${index}`);
			mkdirSync(own);
			try {
				runners.set(side, await side.open(own));
			} catch (error) {
				if (!(error instanceof SideMissing)) throw error;
				listener.missing?.(side.name, error.message);
			}
		}
		const sides = what.sides.filter((side) => runners.has(side));
		for (let round = what.warmUp === false ? 1 : 0; round <= rounds; round++) {
			for (const side of rotated(sides, round)) {
				listener.progress?.(`${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}: ${side.name}`);
				const result = await (runners.get(side) as Runner).run(seconds);
				if (round > 0) figures.get(side.name)?.push(result);
			}
		}
	} finally {
		for (const runner of runners.values()) await runner.close?.();
		rmSync(folder, { recursive: true, force: true });
	}
	const left = new Set([...runners.keys()].map(({ name }) => name));
	return what.pairs
		.filter(({ ours, reference }) => left.has(ours) && left.has(reference))
		.map((pair) => compare(pair, figures));
}

/** The sides, beginning with another one in each round. */
export function rotated<T>(items: readonly T[], by: number): T[] {
	const start = by % items.length;
	return [...items.slice(start), ...items.slice(0, start)];
}

/** Sets two sides beside one another, round by round. */
export function compare(pair: Pair, figures: ReadonlyMap<string, readonly Figures[]>): Comparison {
	const ours = column(pair.ours, pair.metric, figures);
	const reference = column(pair.reference, pair.metric, figures);
	const ratio = spreadOf(ours.map((value, round) => value / (reference[round] as number)));
	const met = pair.bar === undefined ? undefined : meets(ratio.median, pair.bar);
	return { pair, ours: spreadOf(ours), reference: spreadOf(reference), ratio, met };
}

function meets(ratio: number, bar: Bar): boolean {
	return "atLeast" in bar ? ratio >= bar.atLeast : ratio <= bar.atMost;
}

function column(side: string, metric: string, figures: ReadonlyMap<string, readonly Figures[]>): number[] {
	const rounds = figures.get(side);
	if (rounds === undefined) throw new Error(`no side is named "${side}"`);
	return rounds.map((round) => {
		const value = round[metric];
		if (value === undefined || !Number.isFinite(value)) throw new Error(`"${side}" measured no "${metric}"`);
		return value;
	});
}
