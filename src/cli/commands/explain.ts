/** `streambed explain`: what an error code means and what to do about it. */
import { type ErrorCategory, errorTable, exitCodes, fail } from "../../core/errors.ts";
import { describe, nearest } from "../../core/options.ts";
import type { CommandContext, CommandSpec } from "../command.ts";
import { table } from "../output.ts";

const prefix = "STREAMBED_";

interface Explanation {
	readonly category: ErrorCategory;
	readonly retryable: boolean;
	readonly explain: string;
	readonly hint: string;
}

/** Describes error codes. */
export const explain: CommandSpec = {
	name: "explain",
	section: "Care",
	summary: "Describe an error code",
	purpose: "Describe an error code: what happened, and what to do.\nWithout a code: all codes.",
	args: [{ term: "[code]", help: "with or without STREAMBED_, in any case" }],
	options: [],
	later: [],
	examples: ["streambed explain", "streambed explain STREAMBED_LOCKED", "streambed explain sealed --json"],
	exits: { 2: "no such code" },
	run,
};

async function run(context: CommandContext, [text]: readonly string[]): Promise<void> {
	const entries: Readonly<Record<string, Explanation>> = errorTable;
	const { json } = context.global;
	if (text === undefined) {
		if (json) for (const [code, entry] of Object.entries(entries)) await context.out.json(objectOf(code, entry));
		else await context.out.line(overview(entries));
		return;
	}
	const code = text.trim().toUpperCase().replaceAll("-", "_").replace(prefix, "");
	const entry = Object.hasOwn(entries, code) ? entries[code] : undefined;
	if (entry === undefined) {
		const guess = nearest(code, Object.keys(entries));
		throw fail("INVALID_OPTION", `no error code ${describe(text)}`, {
			hint: guess === undefined ? "All codes: streambed explain" : `Did you mean ${prefix}${guess}?`,
		});
	}
	if (json) await context.out.json(objectOf(code, entry));
	else await context.out.line(page(code, entry));
}

function objectOf(code: string, { category, retryable, explain, hint }: Explanation): object {
	return { code: prefix + code, category, exit: exitCodes[category], retryable, explain, hint };
}

function page(code: string, { category, retryable, explain, hint }: Explanation): string {
	return `${prefix}${code}

  ${explain}

  to do       ${hint}
  category    ${category}, exit code ${exitCodes[category]}
  retryable   ${retryable ? "yes: the same call may succeed later" : "no"}`;
}

function overview(entries: Readonly<Record<string, Explanation>>): string {
	const rows = Object.entries(entries).map(([code, entry]) => [
		prefix + code,
		entry.category,
		String(exitCodes[entry.category]),
	]);
	return table(["CODE", "CATEGORY", "EXIT"], rows, [2]);
}
