/** Whether a measure is beyond its bound: the line of least squares through its samples after the warm-up, or its greatest. */
import { type Measure, measures, type Sample } from "./measures.ts";

/** The first part of a run, which is warm-up. */
const WARM_UP = 0.5;
/** Below this length caches and the compiler are still at work all the time: the bounds are wider. */
const SHORT_SECONDS = 600;
const SHORT_FACTOR = 4;
const FEWEST_SAMPLES = 5;

/** What became of a measure. */
export interface Trend {
	readonly name: string;
	readonly unit: Measure["unit"];
	readonly first: number;
	readonly last: number;
	readonly min: number;
	readonly max: number;
	readonly perHour: number;
	/** By how much the line rises between the warm-up and the end. */
	readonly growth: number;
	readonly judged: Measure["judged"];
	readonly bound: number;
	readonly ok: boolean;
}

/** Judges every measure that was taken. Too few samples show nothing, which is no success. */
export function trendsOf(samples: readonly Sample[]): readonly Trend[] {
	const end = samples.at(-1)?.second ?? 0;
	const warm = samples.filter(({ second }) => second >= end * WARM_UP);
	return measures.flatMap(({ name, unit, judged, bound: given }) => {
		const bound = given * (judged === "growth" && end < SHORT_SECONDS ? SHORT_FACTOR : 1);
		const points = warm.map(({ second, values }) => [second, values[name] ?? Number.NaN] as const);
		const numbers = points.map(([, value]) => value);
		if (numbers.length > 0 && numbers.every(Number.isNaN)) return [];
		const greatest = Math.max(...samples.map(({ values }) => values[name] ?? Number.NaN));
		const perSecond = slope(points);
		const growth = perSecond * (end - (points[0]?.[0] ?? end));
		return {
			name,
			unit,
			first: numbers[0] ?? Number.NaN,
			last: numbers.at(-1) ?? Number.NaN,
			min: Math.min(...numbers),
			max: Math.max(...numbers),
			perHour: perSecond * 3600,
			growth,
			judged,
			bound,
			ok: points.length >= FEWEST_SAMPLES && (judged === "growth" ? growth : greatest) <= bound,
		};
	});
}

/** Slope of the line through the points that leaves the least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
	const mean = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / points.length;
	const [x, y] = [mean(0), mean(1)];
	const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
	return points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread;
}
