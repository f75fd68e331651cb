/**
 * Runs everything and counts it; the last line is "N passed, N failed, N skipped", added up over the suites.
 *
 * The tests run once, in a fresh copy of the work tree, by the commands that README.md gives: so those are tried as
 * they stand there, on the Node that the machine has.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withFreshCopy } from "./ci/fresh-copy.ts";
import { readmeCommands } from "./ci/readme-commands.ts";
import { allLines, type Suite, totalLine } from "./ci/suite.ts";
import { suitesOf } from "./ci/test-report.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const TWENTY_MINUTES_MS = 20 * 60 * 1000;
const suites: Suite[] = [];

/** Runs a command to its end, shows what it says, and counts it as one test. */
function run(name: string, command: readonly string[], cwd: string, env: NodeJS.ProcessEnv): void {
	console.log(`\n── ${name}: ${command.join(" ")}`);
	const startedMs = performance.now();
	const [program = "", ...args] = command;
	const child = spawnSync(program, args, {
		cwd,
		env,
		stdio: ["ignore", "inherit", "inherit"],
		timeout: TWENTY_MINUTES_MS,
	});
	const ok = child.status === 0;
	if (!ok) console.log(`${name} failed: ${child.error?.message ?? child.signal ?? `exit code ${child.status}`}`);
	const seconds = (performance.now() - startedMs) / 1000;
	suites.push({ name, seconds, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });
}

const env: NodeJS.ProcessEnv = { ...process.env, CI: "true" };
run("check", ["npm", "run", "check"], root, env);
run("build", ["npm", "run", "build"], root, env);
run("docs", ["npm", "run", "docs", "--", "--check"], root, env);
run("bench", ["npm", "run", "bench", "--", "--quick"], root, env);

withFreshCopy(root, (copy, outsideEnv) => {
	const report = join(copy, "node_modules", "test-report.json");
	for (const script of readmeCommands(readFileSync(join(copy, "README.md"), "utf8"))) {
		const readmeEnv = { ...outsideEnv, CI: "true", STREAMBED_TEST_REPORT: report };
		run(`readme: ${script}`, ["bash", "-euo", "pipefail", "-c", script], copy, readmeEnv);
	}
	const folders = readdirSync(join(root, "test")).filter((name) => name !== "fixtures");
	const results: unknown = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : { testResults: [] };
	suites.push(...suitesOf(results, join(copy, "test"), folders));
});

console.log(`\n${allLines(suites).join("\n")}\n`);
console.log(totalLine(suites));
process.exitCode = suites.some((suite) => suite.failed > 0) ? 1 : 0;
