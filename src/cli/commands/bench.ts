/** `streambed bench`: a few figures of this disk, each beside plain `fs` calls in the same run. */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fail } from "../../core/errors.ts";
import { describe, nearest } from "../../core/options.ts";
import { type Comparison, measure, type Scenario } from "../bench/measure.ts";
import { scenarios } from "../bench/scenarios.ts";
import { type CommandContext, type CommandSpec, type OptionValues, textOption } from "../command.ts";
import { table } from "../output.ts";
import { parseCount, parseDuration } from "../units.ts";

/** File systems in memory, by the number that Linux gives them. */
const inMemory: readonly number[] = [0x01021994, 0x858458f6];

/** Measures. */
export const bench: CommandSpec = {
	name: "bench",
	section: "Care",
	summary: "Measure on your disk",
	purpose:
		"Measure appending and reading on a disk of yours, beside plain file system calls\nin the same run. Only the ratios compare machines. Ctrl-C cleans up.",
	args: [{ term: "[scenario]", help: `${scenarios.map(({ name }) => name).join(", ")}; none: all of them` }],
	options: [
		{ flags: "--dir <dir>", help: "where to make a temporary folder (default: the system's)" },
		{ flags: "--rounds <n>", help: "rounds that count (default 5)" },
		{ flags: "--round-time <time>", help: "length of a round (default 500ms)" },
	],
	later: [],
	examples: ["streambed bench", "streambed bench append --dir /srv", "streambed bench --dir . --rounds 9 --json"],
	exits: { 2: "wrong option, or no such scenario", 3: "no such folder", 130: "interrupted" },
	run,
};

async function run(context: CommandContext, [name]: readonly string[], options: OptionValues): Promise<void> {
	const chosen = name === undefined ? scenarios : [scenarioOf(name)];
	const rounds = parseCount(textOption(options, "rounds") ?? "5", "--rounds", 1);
	const ms = parseDuration(textOption(options, "roundTime") ?? "500ms", "--round-time");
	if (ms < 1) {
		throw fail(
			"INVALID_OPTION",
			`--round-time must be at least 1ms, not ${describe(textOption(options, "roundTime"))}`,
			{
				hint: "In no time nothing can be measured; 500ms is the default.",
				details: { option: "--round-time" },
			},
		);
	}
	const above = resolve(context.io.cwd, textOption(options, "dir") ?? tmpdir());
	if (statSync(above, { throwIfNoEntry: false })?.isDirectory() !== true) {
		throw fail("NOT_FOUND", `--dir: there is no folder ${above}`, { hint: "Name a folder on the disk to measure." });
	}
	const folder = mkdtempSync(join(above, "streambed-bench-"));
	const { out, signal, global } = context;
	const progress = (text: string): void => (out.isTerminal && !global.quiet ? out.showLine(text) : out.detail(text));
	const results: Comparison[] = [];
	try {
		if (inMemory.includes(statfsSync(folder).type)) {
			out.say(`${above} is in memory, where a sync costs nothing: choose a folder on a disk with --dir`);
		}
		for (const scenario of chosen) {
			const own = join(folder, scenario.name);
			mkdirSync(own);
			const result = await measure(scenario, own, { rounds, ms, signal, progress });
			rmSync(own, { recursive: true });
			out.clearLine();
			const settings = { ...scenario.settings, rounds, roundMs: ms, dir: above, node: process.versions.node };
			if (global.json) await out.json({ ...result, durability: "sync", settings });
			results.push(result);
		}
	} finally {
		out.clearLine();
		rmSync(folder, { recursive: true, force: true });
	}
	if (!global.json) await out.line(resultTable(chosen, results));
}

function scenarioOf(name: string): Scenario {
	const found = scenarios.find((scenario) => scenario.name === name);
	if (found !== undefined) return found;
	const names = scenarios.map((scenario) => scenario.name);
	const guess = nearest(name, names);
	throw fail("INVALID_OPTION", `there is no scenario "${name}"`, {
		hint: guess === undefined ? `There are ${names.join(", ")}.` : `Did you mean ${guess}?`,
	});
}

function resultTable(chosen: readonly Scenario[], results: readonly Comparison[]): string {
	const rows = results.map(({ ours, reference, ratio }, index) => [
		chosen[index]?.what ?? "",
		`${figure(ours.median)} ${ours.unit}`,
		`${figure(reference.median)} ${reference.unit}`,
		`${ratio.median.toFixed(2)} [${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)}]`,
	]);
	return table(["WORK", "STREAMBED", "PLAIN FS", "RATIO"], rows, [1, 2, 3]);
}

/** Three digits that count. */
function figure(value: number): string {
	const digits = value >= 100 ? Math.round(value).toString() : value.toPrecision(3);
	return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
