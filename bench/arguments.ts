/** The command line of the benchmark. */
import { parseArgs } from "node:util";

/** What was asked for. */
export interface Arguments {
	/** Scenarios, or beginnings of names of cases such as `append/100B`; all if there is none. */
	readonly chosen: readonly string[];
	readonly rounds: number;
	readonly seconds: number;
	readonly json: boolean;
	readonly quick: boolean;
	readonly list: boolean;
	readonly help: boolean;
	readonly durability: "sync" | "os";
	/** Where the benchmark's folder is made; the system's folder for temporary files if left out. */
	readonly dir: string | undefined;
}

export const usage = `npm run bench -- [SCENARIO…] [options]

  SCENARIO          a scenario, or the beginning of a case's name as in append/100B; default: all
  --rounds N        measured rounds, after one to warm up (default 5; 1 with --quick)
  --seconds S       length of a round where the work is not fixed (default 1; 0.05 with --quick)
  --durability D    sync (default) or os
  --dir FOLDER      where to work: the file system that is measured (default: the system's temporary folder)
  --json            a line of JSON per comparison
  --quick           each scenario once, small: to see that it works
  --list            names of scenarios and cases`;

/** Reads the command line. @throws an Error for people */
export function parseArguments(args: readonly string[]): Arguments {
	const { values, positionals } = parseArgs({
		args: [...args],
		allowPositionals: true,
		options: {
			rounds: { type: "string" },
			seconds: { type: "string" },
			durability: { type: "string", default: "sync" },
			dir: { type: "string" },
			json: { type: "boolean", default: false },
			quick: { type: "boolean", default: false },
			list: { type: "boolean", default: false },
			help: { type: "boolean", short: "h", default: false },
		},
	});
	const { durability, json, quick, list, help, dir } = values;
	if (durability !== "sync" && durability !== "os") throw new Error(`--durability is sync or os, not "${durability}"`);
	const rounds = positive(values.rounds ?? (quick ? "1" : "5"), "--rounds");
	if (!Number.isInteger(rounds)) throw new Error(`--rounds is a whole number, not ${rounds}`);
	const seconds = positive(values.seconds ?? (quick ? "0.05" : "1"), "--seconds");
	return { chosen: positionals, rounds, seconds, json, quick, list, help, durability, dir };
}

function positive(text: string, name: string): number {
	const value = Number(text);
	if (!(value > 0) || !Number.isFinite(value)) throw new Error(`${name} is a number above 0, not "${text}"`);
	return value;
}

/** Tells whether a case was chosen: by nothing, by its scenario, or by the beginning of its name. */
export function isChosen(caseName: string, chosen: readonly string[]): boolean {
	return chosen.length === 0 || chosen.some((prefix) => `${caseName}/`.startsWith(`${prefix.replace(/\/$/, "")}/`));
}
