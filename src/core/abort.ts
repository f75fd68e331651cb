/** Waiting that can be called off by an AbortSignal. */
import { fail, type StreambedError } from "./errors.ts";
import { describe } from "./options.ts";

/** The error for a wait that `signal` ended. */
export function abortError(signal: AbortSignal, what: string): StreambedError {
	return fail("ABORTED", `${what} was aborted`, { cause: signal.reason });
}

/** Throws STREAMBED_INVALID_OPTION unless `signal` is an AbortSignal or left out. */
export function checkSignal(signal: unknown, where: string): void {
	if (signal === undefined || signal instanceof AbortSignal) return;
	throw fail("INVALID_OPTION", `signal in ${where} must be an AbortSignal, not ${describe(signal)}`, {
		details: { option: "signal" },
	});
}

/** Throws STREAMBED_ABORTED if `signal` is aborted already. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
	if (signal?.aborted) throw abortError(signal, what);
}

/**
 * Settles as `promise` does, or rejects with STREAMBED_ABORTED once `signal` is aborted, whichever comes first.
 * The work behind `promise` goes on; its late result is dropped, its late failure watched.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined, what: string): Promise<T> {
	if (signal === undefined) return promise;
	if (signal.aborted) {
		promise.catch(() => {});
		return Promise.reject(abortError(signal, what));
	}
	return new Promise((resolve, reject) => {
		const onAbort = (): void => reject(abortError(signal, what));
		signal.addEventListener("abort", onAbort, { once: true });
		promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
	});
}
