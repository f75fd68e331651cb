/** Every bound in one place: name, unit, default, range. */
import { fail } from "./errors.ts";
import { rejectUnknown } from "./options.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bounds of a store; all sizes in bytes. */
export interface Limits {
	/** Largest append that is atomic, 1 B to 256 MiB. Default 8 MiB. */
	readonly appendBytes: number;
	/** Appends accepted and not yet durable, over the whole store. Default 64 MiB. */
	readonly pendingBytes: number;
	/** Frames kept in memory for readers at the tail, over the whole store. Default 32 MiB. */
	readonly tailCacheBytes: number;
	/** Blocks of segments kept in memory for readers behind the tail, over the whole store, and up to 8 MiB beside that waits to be used again. Default 32 MiB. */
	readonly readCacheBytes: number;
	/** Bound of the journal's ring of files. Default 64 MiB, at least 16 MiB; it starts at 4 MiB. */
	readonly journalBytes: number;
	/** Payload of a frame, in bytes, from which it is not written to the journal and again to its segment, but placed there at once. Default 512 KiB. */
	readonly directBytes: number;
	/** Segment files held open at the same time, at least 8. Default 1,024. */
	readonly openFiles: number;
}

/** The defaults of {@link Limits}. */
export const defaultLimits: Limits = Object.freeze({
	appendBytes: 8 * MiB,
	pendingBytes: 64 * MiB,
	tailCacheBytes: 32 * MiB,
	readCacheBytes: 32 * MiB,
	journalBytes: 64 * MiB,
	directBytes: 512 * KiB,
	openFiles: 1024,
});

const ranges: Readonly<Record<keyof Limits, readonly [min: number, max: number]>> = {
	appendBytes: [1, 256 * MiB],
	pendingBytes: [64 * KiB, Number.MAX_SAFE_INTEGER],
	tailCacheBytes: [0, Number.MAX_SAFE_INTEGER],
	readCacheBytes: [0, Number.MAX_SAFE_INTEGER],
	journalBytes: [16 * MiB, 1024 * MiB],
	directBytes: [1, Number.MAX_SAFE_INTEGER],
	openFiles: [8, 1_000_000],
};

/** Completes and checks limits given by a user; unknown names and values out of range are refused. */
export function resolveLimits(given: Partial<Limits> = {}): Limits {
	rejectUnknown(given, Object.keys(ranges), "limits");
	const limits: Record<string, number> = { ...defaultLimits };
	for (const [name, [min, max]] of Object.entries(ranges)) {
		const value = given[name as keyof Limits];
		if (value === undefined) continue;
		if (!Number.isSafeInteger(value) || value < min || value > max) {
			throw fail("INVALID_OPTION", `limits.${name} must be an integer from ${min} to ${max}, not ${String(value)}`);
		}
		limits[name] = value;
	}
	return Object.freeze(limits as unknown as Limits);
}

/** Bytes that one append of so many records may have as stored; of a byte stream without a number. */
export function appendLimit({ appendBytes }: Limits, records: number = 0): number {
	return appendBytes + records * recordLimits.framingBytes;
}

/** Segment files: smallest, default and largest size in bytes. */
export const segmentBytes: Readonly<{ min: number; default: number; max: number }> = Object.freeze({
	min: 64 * KiB,
	default: 64 * MiB,
	max: 1024 * MiB,
});

/** Most shards of a record stream. */
export const shardsMax: number = 4096;

/** Bounds of what a record holds beside its value, and of the records in one append to one shard. */
export const recordLimits: Readonly<{
	/** Bytes of a key in UTF-8. */
	keyBytes: number;
	/** Headers of a record, and bytes of their names and texts. */
	headers: number;
	headerBytes: number;
	clientInfoBytes: number;
	/** Records that one append may bring to one shard. */
	perAppend: number;
	/** What a record may take beyond its value, key, headers (as stored) and client info. Engines allow it on top of `appendBytes`. */
	framingBytes: number;
}> = Object.freeze({
	keyBytes: 4 * KiB,
	headers: 128,
	headerBytes: 64 * KiB,
	clientInfoBytes: 64 * KiB,
	perAppend: 1_000_000,
	framingBytes: 32,
});
