/**
 * Lets stores live on simulated machines that crash, and compares what they hold with what they promised.
 *
 *     npm run simulate -- --seeds 200 --crashes 2000 [--seed 1] [--break NAME] [--keep-going] [--json]
 *
 * The crashes are shared out over the seeds. The same seed gives the same run. Exit 1, and a line on stderr that
 * repeats the run, when a store did what it must not do.
 */
import { parseArgs } from "node:util";
import { breaks, loadBroken } from "./simulate/breaks.ts";

const PROGRESS_MS = 2000;

interface Settings {
	readonly seeds: number;
	readonly crashes: number;
	readonly seed: number;
	readonly break: string | undefined;
	readonly keepGoing: boolean;
	readonly json: boolean;
}

function settingsOf(args: readonly string[]): Settings {
	const { values } = parseArgs({
		args: [...args],
		options: {
			seeds: { type: "string", default: "200" },
			crashes: { type: "string", default: "2000" },
			seed: { type: "string", default: "1" },
			break: { type: "string" },
			"keep-going": { type: "boolean", default: false },
			json: { type: "boolean", default: false },
		},
	});
	const name = values.break;
	if (name !== undefined && breaks[name] === undefined) {
		throw new Error(`there is no break ${name}; there are ${Object.keys(breaks).join(", ")}`);
	}
	return {
		seeds: integer(values.seeds, "seeds", 1),
		crashes: integer(values.crashes, "crashes", 0),
		seed: integer(values.seed, "seed", 0),
		break: name,
		keepGoing: values["keep-going"],
		json: values.json,
	};
}

function integer(text: string, name: string, min: number): number {
	const value = Number(text);
	if (text !== "" && Number.isSafeInteger(value) && value >= min) return value;
	throw new Error(`--${name} must be an integer from ${min} on, not "${text}"`);
}

async function main(settings: Settings): Promise<boolean> {
	if (settings.break !== undefined) loadBroken(settings.break);
	// Only now: what is imported from here on is what is tried.
	const { Simulation } = await import("../test/simulation/simulation.ts");
	const total = { seeds: 0, crashes: 0, operations: 0, historiesChecked: 0, failures: 0 };
	let strayed: unknown;
	process.on("unhandledRejection", (error) => {
		strayed ??= error;
	});
	let shown = performance.now();
	for (let index = 0; index < settings.seeds; index++) {
		const seed = settings.seed + index;
		const crashes =
			Math.round((settings.crashes * (index + 1)) / settings.seeds) -
			Math.round((settings.crashes * index) / settings.seeds);
		const simulation = new Simulation(seed, breaks[settings.break ?? ""]?.disk);
		let failure: unknown;
		try {
			await simulation.run(crashes);
		} catch (error) {
			failure = error;
		}
		failure ??= strayed;
		strayed = undefined;
		total.seeds++;
		for (const name of ["crashes", "operations", "historiesChecked"] as const) total[name] += simulation.counts[name];
		if (failure !== undefined) {
			total.failures++;
			tell(settings, seed, crashes, failure, simulation.machine.lines);
			if (!settings.keepGoing) break;
		}
		if (!settings.json && performance.now() - shown > PROGRESS_MS) {
			shown = performance.now();
			console.log(
				`${total.seeds} of ${settings.seeds} seeds, ${total.crashes} crashes, ${total.operations} operations`,
			);
		}
	}
	console.log(settings.json ? JSON.stringify(total) : summary(total));
	return total.failures === 0;
}

function tell(settings: Settings, seed: number, crashes: number, failure: unknown, lines: readonly string[]): void {
	const broken = settings.break === undefined ? "" : ` --break ${settings.break}`;
	if (!settings.json) {
		console.error(lines.map((line) => `  ${line}`).join("\n"));
		if (failure instanceof Error) console.error(failure.stack);
	}
	const what = failure instanceof Error ? failure.message : String(failure);
	console.error(
		`seed ${seed}: ${what}; again: npm run simulate -- --seed ${seed} --seeds 1 --crashes ${crashes}${broken}`,
	);
}

function summary(total: Readonly<Record<string, number>>): string {
	const { seeds, crashes, operations, historiesChecked, failures } = total;
	return `${seeds} seeds, ${crashes} crashes, ${operations} operations, ${historiesChecked} histories checked, ${failures} failures`;
}

try {
	process.exitCode = (await main(settingsOf(process.argv.slice(2)))) ? 0 : 1;
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	process.exitCode = 2;
}
