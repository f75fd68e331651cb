/** Options of writes in parts, of bytes and of records. */
import { rejectUnknown, requireInteger } from "../core/options.ts";

/** How a write in parts is begun. */
export interface MultipartOptions {
	/** It is aborted when nothing was written to it for so many milliseconds, unless it is prepared. Default 15 minutes. */
	readonly leaseMs?: number | undefined;
}

/** Conditions of a commit. */
export interface CommitOptions {
	/** Offset that the tail must have, or nothing is stored, the call fails with POSITION_MISMATCH, and it may be committed later. */
	readonly expect?: number | undefined;
	/** Ends the wait; the outcome is unknown then. */
	readonly signal?: AbortSignal | undefined;
}

const defaultLeaseMs: number = 15 * 60 * 1000;

/** Checks how a write in parts is to be begun; returns its lease in milliseconds. */
export function checkMultipartOptions(options: MultipartOptions): number {
	rejectUnknown(options, ["leaseMs"], "the options of multipart");
	return requireInteger(options.leaseMs ?? defaultLeaseMs, "leaseMs", 1);
}
