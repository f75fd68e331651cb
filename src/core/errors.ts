/**
 * Every error that Streambed raises on purpose, in one table: class, HTTP status, exit code and the reference page
 * (docs/reference/errors.md) follow from it. Codes are stable and never reused; messages are not.
 */

/** What a caller can do about an error; exit codes and HTTP statuses derive from it. */
export type ErrorCategory =
	| "invalid"
	| "limit"
	| "not-found"
	| "conflict"
	| "gone"
	| "corrupt"
	| "busy"
	| "unavailable"
	| "unknown"
	| "denied"
	| "internal"
	| "aborted";

interface ErrorSpec {
	readonly category: ErrorCategory;
	/** May the same call succeed later, unchanged. */
	readonly retryable: boolean;
	/** One or two sentences for `streambed explain` and docs/reference/errors.md. */
	readonly explain: string;
	/** What to do next when the place that raises the error has nothing better to say. */
	readonly hint: string;
}

function spec(category: ErrorCategory, retryable: boolean, explain: string, hint: string): ErrorSpec {
	return { category, retryable, explain, hint };
}

type ShortCode =
	| "INVALID_NAME"
	| "INVALID_OPTION"
	| "WRONG_KIND"
	| "UNSUPPORTED"
	| "DECODE"
	| "TOO_LARGE"
	| "LIMIT_EXCEEDED"
	| "NOT_FOUND"
	| "EXISTS"
	| "SEALED"
	| "POSITION_MISMATCH"
	| "FENCED"
	| "PRODUCER_GAP"
	| "TXN_STATE"
	| "TRUNCATED"
	| "OUT_OF_RANGE"
	| "CORRUPT"
	| "FORMAT_VERSION"
	| "LOCKED"
	| "DISK_FULL"
	| "STOPPED"
	| "OUTCOME_UNKNOWN"
	| "DENIED"
	| "READ_ONLY"
	| "INTERNAL"
	| "IO"
	| "CLOSED"
	| "ABORTED";

/** The table: code (without the prefix `STREAMBED_`) → meaning. */
export const errorTable: Readonly<Record<ShortCode, ErrorSpec>> = {
	INVALID_NAME: spec(
		"invalid",
		false,
		"A scope, a stream or an address breaks the naming rules: parts of 1 to 240 bytes (as stored), valid UTF-8, no control characters, not `.` or `..`; a stream name is at most 1,000 bytes.",
		"Use a name that keeps the rules; spaces, `#`, `%` and letters of any alphabet are fine.",
	),
	INVALID_OPTION: spec(
		"invalid",
		false,
		"An option or argument is unknown, of the wrong type, or out of its range.",
		"Compare the call with the reference; the message says what was expected and what came.",
	),
	WRONG_KIND: spec(
		"invalid",
		false,
		"The operation belongs to the other kind of stream: bytes and records are not mixed.",
		"Look at the stream's kind with `streambed info`.",
	),
	UNSUPPORTED: spec(
		"invalid",
		false,
		"This engine, platform or version cannot do what was asked.",
		"The engine's manifest says what it can do.",
	),
	DECODE: spec("invalid", false, "Bytes could not be decoded into a value.", "Check which encoding wrote them."),
	TOO_LARGE: spec(
		"limit",
		false,
		"One append is larger than the limit for atomic appends (8 MiB by default).",
		"Split it into several appends, or raise `limits.appendBytes` when opening the store.",
	),
	LIMIT_EXCEEDED: spec("limit", false, "A stated limit was reached.", "The message names the limit."),
	NOT_FOUND: spec(
		"not-found",
		false,
		"The store, scope or stream does not exist, or was deleted while in use.",
		"List what is there with `streambed list`.",
	),
	EXISTS: spec(
		"conflict",
		false,
		"A stream of this name exists already, or exists with other settings.",
		"Use `ensure` (or --if-missing), or another name.",
	),
	SEALED: spec(
		"conflict",
		false,
		"The stream is sealed: it can be read for ever and never be appended to again.",
		"Append to another stream.",
	),
	POSITION_MISMATCH: spec(
		"conflict",
		false,
		"A conditional append expected the tail at a position where it is not; nothing was stored.",
		"Read on from the position you know to the tail, then decide again.",
	),
	FENCED: spec(
		"conflict",
		false,
		"A newer life of this producer has taken over; this one may not append any more.",
		"Stop this producer; take a new epoch only if it is the one that should go on.",
	),
	PRODUCER_GAP: spec(
		"conflict",
		false,
		"A producer's sequence skipped a number: an earlier append is missing.",
		"Send the missing append first.",
	),
	TXN_STATE: spec("conflict", false, "The transaction is not in a state that allows this.", "Look at its state first."),
	TRUNCATED: spec(
		"gone",
		false,
		"The position lies below the head: its data was dropped by truncation or retention.",
		"Continue at the head, which the message names.",
	),
	OUT_OF_RANGE: spec(
		"gone",
		false,
		"The position lies beyond the tail.",
		"Use a position up to the tail, which the message names; to wait for what comes, follow from the tail.",
	),
	CORRUPT: spec(
		"corrupt",
		false,
		"Stored bytes fail their checks. Nothing that fails a check is ever delivered.",
		"Run `streambed verify`; data before `details.offset` and from `details.validAfter` on is still readable.",
	),
	FORMAT_VERSION: spec(
		"corrupt",
		false,
		"The store was written in a format that this version does not read.",
		"Open it with the version that wrote it.",
	),
	LOCKED: spec(
		"busy",
		true,
		"Another process owns the store; one process writes, any number may read.",
		'Wait until its owner has closed it. Reading works meanwhile: `streambed read`, or mode "read".',
	),
	DISK_FULL: spec(
		"unavailable",
		true,
		"There is not enough free space: the append was refused, nothing happened.",
		"Free some space and try again; removing a stream's folder below streams/ with rm -r deletes that stream.",
	),
	STOPPED: spec(
		"unknown",
		false,
		"The store stopped after a failed write or sync, or because its lock was taken away; appends in flight may be stored or not.",
		"Open the store again and look at the tail before repeating an append; one that names a producer may be repeated as it was.",
	),
	OUTCOME_UNKNOWN: spec(
		"unknown",
		false,
		"It cannot be told any more whether this append was stored.",
		"Look at the stream before repeating it.",
	),
	DENIED: spec("denied", false, "The caller may not do this.", "Check the credentials."),
	READ_ONLY: spec(
		"denied",
		false,
		"The store is open for reading only, or its folder cannot be written.",
		'Check the permissions of the folder; if it was opened with mode "read", open it with mode "write".',
	),
	INTERNAL: spec("internal", false, "Something that should never happen happened: a bug.", "Please report it."),
	IO: spec(
		"internal",
		false,
		"The operating system reported an error on a file.",
		"The message holds the system's own words: mend what they name, then try again.",
	),
	CLOSED: spec("internal", false, "The store, reader or writer was closed.", "Open it again."),
	ABORTED: spec(
		"aborted",
		false,
		"The wait was ended by an AbortSignal. An append that was already accepted may still be stored.",
		"After an append look at the tail before you repeat it.",
	),
};

/** A stable error code. */
export type ErrorCode = `STREAMBED_${ShortCode}`;

/** Data for programs: positions, paths, expected and found. JSON-safe. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

interface ErrorExtras {
	readonly details?: ErrorDetails;
	readonly hint?: string;
	readonly cause?: unknown;
}

const brand = "streambedError";

/** The one error class of Streambed: look at `code`, `category` and `details`. */
export class StreambedError extends Error {
	readonly code: ErrorCode;
	readonly category: ErrorCategory;
	readonly retryable: boolean;
	readonly hint: string;
	readonly details: ErrorDetails;
	/** Marks errors of every installed copy of the package. */
	readonly streambedError: true = true;

	constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
		super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
		const entry = errorTable[code.slice("STREAMBED_".length) as ShortCode];
		this.name = code === "STREAMBED_ABORTED" ? "AbortError" : "StreambedError";
		this.code = code;
		this.category = entry.category;
		this.retryable = entry.retryable;
		this.hint = extras.hint ?? entry.hint;
		this.details = extras.details ?? {};
	}

	/** Tells whether a value is an error of Streambed, also one of another installed copy; optionally with this code. */
	static is(value: unknown, code?: ErrorCode): value is StreambedError {
		if (typeof value !== "object" || value === null || !(brand in value)) return false;
		return code === undefined || (value as StreambedError).code === code;
	}
}

/** Makes an error of the table: `fail("NOT_FOUND", "no stream web/clicks")`. */
export function fail(code: ShortCode, message: string, extras?: ErrorExtras): StreambedError {
	return new StreambedError(`STREAMBED_${code}`, message, extras);
}

/** Exit codes of the command line by category. */
export const exitCodes: Readonly<Record<ErrorCategory, number>> = {
	invalid: 2,
	limit: 2,
	"not-found": 3,
	conflict: 4,
	gone: 4,
	corrupt: 5,
	busy: 6,
	unavailable: 6,
	denied: 7,
	unknown: 8,
	internal: 1,
	aborted: 130,
};
