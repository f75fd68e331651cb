/** Runs `npm run simulate` as users do, without npm. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { garbageFlags } from "../../scripts/test/garbage-flags.ts";

const script = fileURLToPath(new URL("../../scripts/simulate.ts", import.meta.url));

/** A run that has not ended by then hangs; it must not outlive its test, whose limit is longer. */
const HANGS_MS = 800_000;

/** What a run said. */
export interface Simulated {
	readonly exitCode: number;
	readonly counts: Readonly<Record<"seeds" | "crashes" | "operations" | "historiesChecked" | "failures", number>>;
	/** What went wrong, without how to see it again. */
	readonly what: string | undefined;
	/** Arguments that repeat it. */
	readonly again: readonly string[];
	readonly stderr: string;
}

/** Runs it with `--json` and these arguments. */
export function simulate(...args: readonly string[]): Promise<Simulated> {
	return new Promise((resolve, reject) => {
		execFile(
			process.execPath,
			[...garbageFlags, script, "--json", ...args],
			{ timeout: HANGS_MS, killSignal: "SIGKILL" },
			(error, stdout, stderr) => {
				const failed = /^seed \d+: (.*); again: npm run simulate -- (.*)$/m.exec(stderr);
				try {
					resolve({
						exitCode: Number(error?.code ?? 0),
						counts: JSON.parse(stdout),
						what: failed?.[1],
						again: failed?.[2]?.split(" ") ?? [],
						stderr,
					});
				} catch (cause) {
					reject(new Error(`no JSON from simulate ${args.join(" ")}: ${stdout}${stderr}`, { cause }));
				}
			},
		);
	});
}
