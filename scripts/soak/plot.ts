/** Curves as lines of text. */
import type { Sample } from "./measures.ts";
import type { Trend } from "./verdict.ts";

const WIDTH = 60;
const steps = "▁▂▃▄▅▆▇█";

/** A line for each measure: its curve from 0 or its least value up to its greatest, and the verdict. */
export function plot(samples: readonly Sample[], trends: readonly Trend[]): string {
	return trends
		.map((trend) => {
			const { name, unit, min, max, perHour, growth, judged, bound, ok } = trend;
			const curve = curveOf(samples.map(({ values }) => values[name] ?? Number.NaN));
			const of = (value: number): string => `${value.toFixed(1)}${unit === "" ? "" : ` ${unit}`}`;
			const verdict = ok ? "ok" : judged === "growth" ? "GROWS" : "TOO MUCH";
			const allowed = judged === "growth" ? `${of(growth)} of ${of(bound)}` : `at most ${of(bound)}`;
			return `${name.padEnd(19)}${curve} ${of(min)} to ${of(max)}, ${of(perHour)} an hour, ${allowed}: ${verdict}`;
		})
		.join("\n");
}

/** The means of as many stretches as there is room for, as bars; the whole run, warm-up included. */
function curveOf(values: readonly number[]): string {
	const width = Math.min(WIDTH, values.length);
	const means = Array.from({ length: width }, (_, index) => {
		const part = values.slice(
			Math.floor((index * values.length) / width),
			Math.floor(((index + 1) * values.length) / width),
		);
		return part.reduce((sum, value) => sum + value, 0) / part.length;
	});
	const [min, max] = [Math.min(...means), Math.max(...means)];
	return means
		.map((mean) => steps[max === min ? 0 : Math.min(steps.length - 1, Math.floor(((mean - min) / (max - min)) * 8))])
		.join("");
}
