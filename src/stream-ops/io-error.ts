/** Errors of the operating system, in Streambed's words. */
import { fail, StreambedError } from "../core/errors.ts";
import { hasCode, isFull } from "../disk/system-error.ts";

/** Turns an error of the operating system into ours; ours pass unchanged. */
export function ioError(error: unknown, what: string): StreambedError {
	if (StreambedError.is(error)) return error;
	const words = error instanceof Error ? error.message : String(error);
	const message = `${what} failed: ${words}`;
	if (isFull(error)) return fail("DISK_FULL", message, { cause: error });
	if (hasCode(error, "EACCES", "EPERM", "EROFS")) return fail("READ_ONLY", message, { cause: error });
	if (hasCode(error, "ENOENT")) return fail("NOT_FOUND", message, { cause: error });
	return fail("IO", message, { cause: error });
}

/** Runs `work`, and turns what the operating system reports into our errors. */
export async function withIoErrors<T>(what: string, work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		throw ioError(error, what);
	}
}

/** The error for a block that holds what no writer leaves there. */
export function damaged(path: string, offset: number, what: string, details: object = {}): StreambedError {
	return fail("CORRUPT", `${path} is damaged at byte ${offset}: ${what}`, {
		details: { path, offset, validAfter: null, ...details },
		hint: "What stands before it can be read; `streambed dump` shows the whole stream.",
	});
}
