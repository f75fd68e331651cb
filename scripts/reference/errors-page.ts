/** docs/reference/errors.md: the table of src/core/errors.ts for people. */
import { type ErrorCategory, errorTable, exitCodes } from "../../src/core/errors.ts";

/** What a caller can do about the errors of a category. */
const meanings: Readonly<Record<ErrorCategory, string>> = {
	invalid: "the call is wrong; change it",
	limit: "a stated bound was reached; ask for less, or raise the bound",
	"not-found": "what was named is not there",
	conflict: "the present state does not allow it; look, then decide",
	gone: "the position is not, or no longer, in the stream",
	corrupt: "stored bytes fail their checks",
	busy: "somebody else holds it; nothing happened, try again",
	unavailable: "it cannot be done now; nothing happened, try again",
	unknown: "it may have happened; look before you repeat it",
	denied: "the caller may not do this",
	internal: "a bug, the operating system, or a handle that was closed",
	aborted: "the caller ended the wait",
};

/** Makes the page. */
export function errorsPage(): string {
	const entries = Object.entries(errorTable);
	const lines = [
		"# Errors",
		"",
		"<!-- Generated from src/core/errors.ts by `npm run docs`. -->",
		"",
		"Every error that Streambed raises on purpose is a `StreambedError` with a stable `code`, a `category`, a `message`,",
		"a `hint` and `details`. Programs look at the code or the category; messages may change. `streambed explain CODE`",
		"prints the same text. *Retryable* means: the same call may succeed later, unchanged.",
		"",
		"| category | exit code | meaning |",
		"|---|---|---|",
		...Object.entries(exitCodes).map(
			([category, exit]) =>
				`| ${category} | ${category === "aborted" ? `${exit}, after SIGTERM 143` : exit} | ${meanings[category as ErrorCategory]} |`,
		),
	];
	for (const category of Object.keys(exitCodes) as ErrorCategory[]) {
		for (const [short, entry] of entries.filter(([, candidate]) => candidate.category === category)) {
			lines.push(
				"",
				`## STREAMBED_${short}`,
				"",
				`Category \`${entry.category}\`, exit code ${exitCodes[category]}, ${entry.retryable ? "" : "not "}retryable.`,
				"",
				entry.explain,
				"",
				`**What to do:** ${entry.hint}`,
			);
		}
	}
	return `${lines.join("\n")}\n`;
}
