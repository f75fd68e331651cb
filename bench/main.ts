/** `npm run bench`: measures Streambed beside what could be had without it, and says what the ratio is. */
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Arguments, isChosen, parseArguments, usage } from "./arguments.ts";
import { type Case, measure } from "./harness.ts";
import { describeMachine } from "./machine.ts";
import { headLines, jsonLine, type ReportSettings, tableLines } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { append } from "./scenarios/append.ts";
import { catchUp } from "./scenarios/catch-up.ts";
import { followLatency } from "./scenarios/follow-latency.ts";
import { manyStreams } from "./scenarios/many-streams.ts";
import { memory } from "./scenarios/memory.ts";
import { multipart } from "./scenarios/multipart.ts";
import { openMany } from "./scenarios/open-many.ts";
import { opening } from "./scenarios/opening.ts";
import { producers } from "./scenarios/producers.ts";
import { recordsAppend } from "./scenarios/records-append.ts";
import { recordsEncode } from "./scenarios/records-encode.ts";
import { recordsPeers } from "./scenarios/records-peers.ts";
import { recordsRead } from "./scenarios/records-read.ts";
import { recordsShards } from "./scenarios/records-shards.ts";
import { redoing } from "./scenarios/redo.ts";
import { rion } from "./scenarios/rion.ts";
import { slowSync } from "./scenarios/slow-sync.ts";
import { streamOps } from "./scenarios/stream-ops.ts";
import { makeWorkspace } from "./workspace.ts";

const scenarios: readonly Scenario[] = [
	append,
	producers,
	slowSync,
	catchUp,
	manyStreams,
	multipart,
	opening,
	redoing,
	openMany,
	recordsAppend,
	recordsEncode,
	recordsRead,
	recordsShards,
	recordsPeers,
	memory,
	followLatency,
	rion,
	streamOps,
];

async function run(args: Arguments): Promise<number> {
	const cases = scenarios.flatMap((scenario) => scenario.cases(args)).filter(({ name }) => isChosen(name, args.chosen));
	const unknown = args.chosen.find((prefix) => !cases.some(({ name }) => isChosen(name, [prefix])));
	if (unknown !== undefined) {
		console.error(`there is no scenario "${unknown}" under these settings; --list names them`);
		return 2;
	}
	if (args.list) {
		list(cases);
		return 0;
	}
	const parent = args.dir ?? tmpdir();
	mkdirSync(parent, { recursive: true });
	const workspace = makeWorkspace(parent);
	const { durability, rounds, seconds, quick } = args;
	const settings: ReportSettings = { durability, rounds, seconds, quick, machine: describeMachine(workspace) };
	if (!args.json) console.log(`${headLines(settings).join("\n")}\n`);
	for (const [index, each] of cases.entries()) {
		const progress = (text: string): void => showProgress(`${index + 1}/${cases.length} ${each.name}: ${text}`);
		const missing = (side: string, why: string): void => {
			showProgress("");
			console.error(`${each.name}: left out ${side}: ${why}`);
		};
		const comparisons = await measure(each, args, join(workspace, `case-${index}`), { progress, missing });
		showProgress("");
		if (args.json) for (const comparison of comparisons) console.log(jsonLine(each, comparison, settings));
		else console.log(tableLines(each, comparisons).join("\n"));
	}
	return 0;
}

function list(cases: readonly Case[]): void {
	for (const { name, summary } of scenarios) {
		console.log(`${name}: ${summary}`);
		for (const each of cases) if (each.name.startsWith(`${name}/`)) console.log(`  ${each.name}`);
	}
}

/** One line on standard error that is written over, and only where somebody looks at it. */
function showProgress(text: string): void {
	if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
}

function parse(): Arguments | undefined {
	try {
		return parseArguments(process.argv.slice(2));
	} catch (error) {
		console.error(`${(error as Error).message}\n\n${usage}`);
		return undefined;
	}
}

const args = parse();
if (args?.help) console.log(usage);
else process.exitCode = args === undefined ? 2 : await run(args);
