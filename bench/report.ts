/** Comparisons for people and for programs. */
import type { Bar, Case, Comparison } from "./harness.ts";
import type { Machine } from "./machine.ts";
import type { Spread } from "./statistics.ts";

/** Settings of a run, for the report. */
export interface ReportSettings {
	readonly durability: "sync" | "os";
	readonly rounds: number;
	readonly seconds: number;
	readonly quick: boolean;
	readonly machine: Machine;
}

/** One comparison as a line of JSON. */
export function jsonLine(what: Case, comparison: Comparison, settings: ReportSettings): string {
	const { pair, ours, reference, ratio, met } = comparison;
	const { durability, machine, ...run } = settings;
	const { unit } = pair;
	return JSON.stringify({
		scenario: what.name,
		ours: { name: pair.ours, ...rounded(ours), unit },
		reference: { name: pair.reference, ...rounded(reference), unit },
		ratio: rounded(ratio),
		durability,
		settings: {
			...what.settings,
			...(pair.bar === undefined ? {} : { bar: barText(pair.bar), met }),
			...run,
			...machine,
		},
	});
}

/** The head of a report for people. */
export function headLines({ machine, durability, rounds, seconds, quick }: ReportSettings): string[] {
	return [
		`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}`,
		`file system ${machine.fileSystem}`,
		`streambed ${machine.streambed}, durability ${durability}, ${rounds} rounds of ${seconds} s, median [min–max]`,
		...(quick ? ["quick: small sizes and short rounds, these figures say nothing about speed"] : []),
	];
}

/** The comparisons of a case for people. */
export function tableLines(what: Case, comparisons: readonly Comparison[]): string[] {
	const rows = comparisons.map(({ pair, ours, reference, ratio, met }) => [
		`${pair.ours} ÷ ${pair.reference}`,
		`${figure(ours.median)} ÷ ${figure(reference.median)} ${pair.unit}`,
		`${figure(ratio.median)} [${figure(ratio.min)}–${figure(ratio.max)}]`,
		pair.bar === undefined ? "" : `${barText(pair.bar)}: ${met ? "met" : "MISSED"}`,
	]);
	const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)));
	const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
	return [what.name, ...lines.map((line) => `  ${line}`.trimEnd())];
}

/** `≥ 0.8` */
function barText(bar: Bar): string {
	return "atLeast" in bar ? `≥ ${bar.atLeast}` : `≤ ${bar.atMost}`;
}

/** Three significant digits, thousands apart. */
export function figure(value: number): string {
	if (!Number.isFinite(value)) return String(value);
	if (Math.abs(value) >= 1000) return Math.round(Number(value.toPrecision(3))).toLocaleString("en-US");
	return String(Number(value.toPrecision(3)));
}

function rounded(spread: Spread): Spread {
	const round = (value: number): number => Number(value.toPrecision(5));
	return { median: round(spread.median), min: round(spread.min), max: round(spread.max) };
}
