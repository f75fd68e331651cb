/** The helps: what exists at a glance, and each command on one screen. Golden files in test/e2e/golden pin them. */
import { type CommandSpec, globalFlags } from "./command.ts";

const globalLine = `Global: ${globalFlags.join("  ")}`;

/** Help of `streambed` itself; fits 24 lines of 80 columns. */
export function topHelp(specs: readonly CommandSpec[]): string {
	return `Durable streams in a folder: append, follow and read back bytes and records.

Usage: streambed <command> [options]    Details: streambed <command> --help

${(["Data", "Streams", "Care"] as const).map((section) => sectionHelp(section, specs)).join("\n")}

Examples:
  cat film.mp4 | streambed append ./data/cam/raw
  streambed read ./data/cam/raw --from last:100 --follow
  streambed list ./data

A stream: scope/stream in --store, STREAMBED_STORE or ./data; or a path to it.
${globalLine}
Any may end with 1 (I/O error), 5 (damage), 7 (not permitted), 130, 143 (signal)
`;
}

/** Two commands to a line, under the name of their section. */
function sectionHelp(section: CommandSpec["section"], specs: readonly CommandSpec[]): string {
	const cells = specs
		.filter((spec) => spec.section === section)
		.map((spec) => `${spec.name.padEnd(10)} ${spec.summary}`);
	const lines: string[] = [];
	for (let i = 0; i < cells.length; i += 2) {
		const title = i === 0 ? section : "";
		lines.push(`${title.padEnd(9)}${(cells[i] ?? "").padEnd(37)}${cells[i + 1] ?? ""}`.trimEnd());
	}
	return lines.join("\n");
}

/** Help of one command. */
export function commandHelp(spec: CommandSpec): string {
	const usage = [spec.name, ...spec.args.map((arg) => arg.term), spec.options.length > 0 ? "[options]" : ""];
	const parts = [
		spec.purpose,
		`Usage: streambed ${usage.join(" ").trimEnd()}`,
		items(
			"Arguments",
			spec.args.map((arg) => [arg.term.replace(/[<>[\].]/g, ""), arg.help]),
		),
		items(
			"Options",
			spec.options.map((option) => [option.flags, option.help]),
		),
		`Examples:\n${spec.examples.map((example) => `  ${example}`).join("\n")}`,
		items("Exit codes", [["0", "done"], ...Object.entries(spec.exits)]),
		globalLine,
	];
	return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function items(title: string, rows: readonly (readonly [string, string])[]): string {
	if (rows.length === 0) return "";
	const width = Math.max(...rows.map(([term]) => term.length));
	const indent = `\n${" ".repeat(width + 5)}`;
	return `${title}:\n${rows.map(([term, text]) => `  ${term.padEnd(width)}   ${text.replaceAll("\n", indent)}`).join("\n")}`;
}
