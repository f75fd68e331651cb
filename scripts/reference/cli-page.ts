/** docs/reference/cli.md: the help texts of the command line, as it prints them. */
import { commands } from "../../src/cli/catalog.ts";
import { commandHelp, topHelp } from "../../src/cli/help.ts";

/** Makes the page. */
export function cliPage(): string {
	const lines = [
		"# Command line",
		"",
		"<!-- Generated from the help texts of src/cli by `npm run docs`. -->",
		"",
		"In a clone after `npm ci`, and in every project that has the package: `npx streambed COMMAND`. Data goes to stdout,",
		"talk to stderr. What an exit code means stands in [errors](errors.md); beside those that a command lists, each may end",
		"with 1 (the system reports an error), 5 (damage), 7 (not permitted), 130 or 143 (interrupted). Shapes of `--json` are in",
		"[json](json.md).",
		"",
		...block(topHelp(commands)),
	];
	for (const spec of commands) lines.push("", `## ${spec.name}`, "", ...block(commandHelp(spec)));
	return `${lines.join("\n")}\n`;
}

function block(text: string): readonly string[] {
	return ["```text", ...text.trimEnd().split("\n"), "```"];
}
