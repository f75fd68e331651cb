/** What is wrong with stored bytes, as a table. */
import type { VerifyProblem } from "../index.ts";
import { table } from "./output.ts";
import { printable } from "./printable.ts";
import { formatCount } from "./units.ts";

/** A row per problem: code, file, offset, and what it is. */
export function problemTable(problems: readonly VerifyProblem[]): string {
	const rows = problems.map(({ code, path, offset, message }) => [
		code,
		printable(path),
		formatCount(offset),
		printable(message),
	]);
	return table(["CODE", "FILE", "OFFSET", "PROBLEM"], rows, [2]);
}
