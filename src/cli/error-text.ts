/** Errors as people read them on stderr, and as programs do. */
import { fail, StreambedError } from "../core/errors.ts";
import type { Output } from "./output.ts";
import { printable } from "./printable.ts";
import { formatCount, formatTime } from "./units.ts";

/** Details that are times, in milliseconds since 1970. */
const timeKeys = new Set(["oldest", "newest"]);

/** What commands meet at files that are no store's. */
const systemCodes: Readonly<Record<string, "DISK_FULL" | "READ_ONLY">> = {
	ENOSPC: "DISK_FULL",
	EDQUOT: "DISK_FULL",
	EACCES: "READ_ONLY",
	EPERM: "READ_ONLY",
	EROFS: "READ_ONLY",
};

/** An error of the operating system. */
export function isSystemError(thrown: unknown): thrown is NodeJS.ErrnoException {
	return thrown instanceof Error && "syscall" in thrown;
}

/** Makes an error of the table out of whatever was thrown. */
export function asStreambedError(thrown: unknown): StreambedError {
	if (StreambedError.is(thrown)) return thrown;
	if (isSystemError(thrown)) {
		const { code = "", message, syscall } = thrown;
		const short = systemCodes[code] ?? "IO";
		// The hint of the table is about stores.
		const hint = short === "DISK_FULL" ? "Free some space there, or name a place on another disk." : undefined;
		return fail(short, message, { cause: thrown, details: { syscall }, ...(hint === undefined ? {} : { hint }) });
	}
	const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
	return fail("INTERNAL", message, {
		cause: thrown,
		hint: "This is a bug; run it again with --verbose and report what it says.",
	});
}

/** The last line of stderr with --json. */
export function errorJson(error: StreambedError): string {
	const { code, category, message, hint, retryable, details } = error;
	return JSON.stringify({ error: { code, category, message, hint, retryable, details } });
}

/** Message, details, hint and code, one to a line. */
export function errorText(error: StreambedError, out: Output, verbose: boolean): string {
	const rows = Object.entries(error.details).flatMap(([key, value]) => {
		const text = detailText(key, value);
		return text === undefined ? [] : [[key, text] as const];
	});
	if (error.hint !== "") rows.push(["hint", error.hint]);
	rows.push(["code", `${error.code}   (streambed explain ${error.code})`]);
	const width = Math.max(...rows.map(([key]) => key.length));
	const lines = rows.map(([key, text]) => `  ${out.style("dim", key.padEnd(width))}   ${printable(text)}`);
	const stack = verbose ? [stackOf(error)] : [];
	return [`${out.style("red", "error:")} ${printable(error.message)}`, ...lines, ...stack].join("\n");
}

function detailText(key: string, value: unknown): string | undefined {
	if (typeof value === "number" && timeKeys.has(key)) return formatTime(value);
	if (typeof value === "number") return key === "pid" ? String(value) : formatCount(value);
	if (typeof value === "string") return value.length > 200 ? `${value.slice(0, 200)}…` : value;
	return typeof value === "boolean" ? String(value) : undefined;
}

/** Stacks of the error and of its causes. */
function stackOf(error: Error): string {
	const own = (error.stack ?? "").split("\n").map(printable).join("\n");
	return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}
