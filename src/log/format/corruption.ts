/** Errors of stored bytes, worded in one place. */
import { fail, type StreambedError } from "../../core/errors.ts";
import { isFull } from "../../disk/system-error.ts";

/** What is wrong where. */
export interface Damage {
	readonly path: string;
	/** File offset of the first bad byte's frame or header. */
	readonly offset: number;
	/** Position at which good data begins again; `undefined` if none follows. */
	readonly validAfter?: number | undefined;
	readonly what: string;
	/** What to do, if the damage itself does not tell. */
	readonly hint?: string;
}

/** What is wrong where the system says EISDIR of a file of ours. */
export const FOLDER_IN_PLACE = "a folder stands in its place";

/** The error for damaged bytes. */
export function corrupt(damage: Damage): StreambedError {
	const { path, offset, what } = damage;
	const validAfter = damage.validAfter ?? null;
	return fail("CORRUPT", damagedAt(path, offset) + what, {
		details: { path, offset, validAfter },
		hint: damage.hint ?? hintFor(path, validAfter),
	});
}

/** How the message of such an error begins. */
export function damagedAt(path: string, offset: number): string {
	return `${path} is damaged at byte ${offset}: `;
}

function hintFor(path: string, validAfter: number | null): string {
	if (path.endsWith(".json")) {
		return "The data beside it is untouched; `streambed repair` writes this small file anew from what is known.";
	}
	if (/\/journal(\/|$)/.test(path)) {
		return "`streambed repair --dry-run` tells what can be saved; streams can be read meanwhile (`streambed read`).";
	}
	if (validAfter === null) return "Data before it is readable; `streambed repair --dry-run` tells what can be done.";
	return `Data before it is readable, and so is data from position ${validAfter} on.`;
}

/** Turns an error of the operating system into ours; ours pass unchanged. */
export function ioError(error: unknown, what: string): StreambedError {
	if (error instanceof Error && "streambedError" in error) return error as StreambedError;
	const code = (error as { code?: unknown } | null)?.code;
	const words = error instanceof Error ? error.message : String(error);
	if (isFull(error)) {
		return fail("DISK_FULL", `${what} failed: no space is left (${words})`, { cause: error });
	}
	if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
		return fail("READ_ONLY", `${what} failed: ${words}`, { cause: error });
	}
	return fail("IO", `${what} failed: ${words}`, { cause: error, details: { systemCode: code ?? null } });
}
