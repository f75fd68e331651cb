/** Hints for somebody at a terminal, where those of the error table speak to somebody who writes a program. */
import { type ErrorCode, errorTable, StreambedError } from "../core/errors.ts";

const help = (command: string): string => `See: streambed ${command} --help`;
const permissions =
	"Look at the permissions of the folder, and how its disk is mounted. What is there can be read: `streambed read`.";

/** Commands besides that change streams. */
const changing = new Set(["create", "truncate", "seal", "delete", "grow", "txn", "repair"]);

const hints: Partial<Record<ErrorCode, (command: string) => string>> = {
	STREAMBED_INVALID_OPTION: help,
	STREAMBED_UNSUPPORTED: help,
	STREAMBED_TOO_LARGE: () => "Take a smaller --chunk.",
	STREAMBED_WRONG_KIND: () =>
		"`streambed info` tells the kind. Bytes have offset:N; records have seq:N and are appended with --lines or --records.",
	STREAMBED_EXISTS: () => "Add --if-missing to take what is there, or use another name.",
	STREAMBED_LOCKED: () =>
		"Wait until its owner has closed it. Meanwhile read, info, list, verify and backup work beside it.",
	STREAMBED_READ_ONLY: () => permissions,
	STREAMBED_CLOSED: () => "Run the command again.",
	STREAMBED_ABORTED: (command) => {
		if (command === "append" || command === "import")
			return "Look at the tail (`streambed info`) before you repeat it.";
		return changing.has(command) ? "Look at what is there before you repeat it." : "Run the command again.";
	},
};

/** The same error with a hint for the terminal, unless the command gave one of its own. */
export function atTerminal(thrown: unknown, command: string): unknown {
	if (!StreambedError.is(thrown)) return thrown;
	const { code, message, details, hint } = thrown;
	const better = hints[code]?.(command);
	// No command says anything itself about folders that may not be written; what the library says there is about modes.
	const general = code === "STREAMBED_READ_ONLY" || hint === generalHint(code);
	if (better === undefined || !general) return thrown;
	return new StreambedError(code, message, { hint: better, details, cause: thrown });
}

function generalHint(code: ErrorCode): string | undefined {
	return Object.entries(errorTable).find(([short]) => code === `STREAMBED_${short}`)?.[1].hint;
}
