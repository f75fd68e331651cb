/** What a stream is made with: kind, shards, retention, segment size, tags. */
import { fail } from "./errors.ts";
import { segmentBytes as segmentRange, shardsMax } from "./limits.ts";
import { describe, rejectUnknown, requireInteger } from "./options.ts";

/** `bytes`: raw bytes; `records`: keyed records. Fixed at creation. */
export type StreamKind = "bytes" | "records";

/**
 * Rules that move the head by themselves, segment by segment. `ageMs` alone: what is older goes. `bytes` alone: what is
 * beyond that size goes. Both: what is older and beyond the size goes. `maxBytes` stands over both.
 */
export interface Retention {
	/** A promise: data younger than this stays, in milliseconds. Older data goes within an eighth of it, or with `bytes` once it is beyond that size. */
	readonly ageMs?: number;
	/** A promise as well: at least so many bytes of payload stay. */
	readonly bytes?: number;
	/** The hard bound: data beyond it goes, however young, except the newest segment; in bytes of payload. */
	readonly maxBytes?: number;
}

/** Configuration of a stream as it is stored; complete. */
export interface StreamConfig {
	readonly kind: StreamKind;
	/** Number of shards, 1 to 4,096; 1 for byte streams. */
	readonly shards: number;
	readonly retention: Retention;
	/** Size at which a segment file is closed and the next one begun, 64 KiB to 1 GiB. Default 64 MiB. */
	readonly segmentBytes: number;
	/** Free labels. */
	readonly tags: Readonly<Record<string, string>>;
}

/** Configuration as given to `create` and `ensure`; all of it is optional. */
export type StreamOptions = Partial<StreamConfig>;

/** What `update` can change: `tags` replaces all tags, `shards` of a record stream may grow and never shrink. */
export type StreamUpdate = Partial<Pick<StreamConfig, "shards" | "retention" | "segmentBytes" | "tags">>;

/** Completes and checks a configuration given by a user. */
export function resolveStreamConfig(given: StreamOptions = {}): StreamConfig {
	rejectUnknown(given, ["kind", "shards", "retention", "segmentBytes", "tags"], "the stream's configuration");
	const kind = given.kind ?? "bytes";
	if (kind !== "bytes" && kind !== "records") {
		throw fail("INVALID_OPTION", `kind must be "bytes" or "records", not ${describe(kind)}`);
	}
	const shards = requireInteger(given.shards ?? 1, "shards", 1, shardsMax);
	if (kind === "bytes" && shards !== 1) {
		throw fail("INVALID_OPTION", `a byte stream has exactly one shard, not ${shards}`, {
			hint: 'Shards are for streams of kind "records".',
		});
	}
	return {
		kind,
		shards,
		retention: checkRetention(given.retention ?? {}),
		segmentBytes: checkSegmentBytes(given.segmentBytes ?? segmentRange.default),
		tags: checkTags(given.tags ?? {}),
	};
}

/** Checks an update and returns the configuration that follows from it. */
export function applyUpdate(config: StreamConfig, change: StreamUpdate): StreamConfig {
	rejectUnknown(change, ["shards", "retention", "segmentBytes", "tags"], "the update (the kind is fixed)");
	return {
		...config,
		...(change.shards === undefined ? {} : { shards: checkGrowth(config, change.shards) }),
		...(change.retention === undefined ? {} : { retention: checkRetention(change.retention) }),
		...(change.segmentBytes === undefined ? {} : { segmentBytes: checkSegmentBytes(change.segmentBytes) }),
		...(change.tags === undefined ? {} : { tags: checkTags(change.tags) }),
	};
}

function checkGrowth({ kind, shards }: StreamConfig, given: unknown): number {
	const wanted = requireInteger(given, "shards", 1, shardsMax);
	if (wanted === shards) return shards;
	if (kind === "bytes") {
		throw fail("INVALID_OPTION", `a byte stream has exactly one shard, not ${wanted}`, {
			hint: 'Shards are for streams of kind "records".',
		});
	}
	if (wanted > shards) return wanted;
	throw fail("INVALID_OPTION", `a stream of ${shards} shards never shrinks: it cannot have ${wanted}`, {
		details: { option: "shards", shards },
	});
}

/** Tells whether two configurations are equal, tags in any order. */
export function sameConfig(a: StreamConfig, b: StreamConfig): boolean {
	return canonical(a) === canonical(b);
}

function canonical(config: StreamConfig): string {
	const sorted = (object: object): [string, unknown][] => Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
	return JSON.stringify(sorted({ ...config, retention: sorted(config.retention), tags: sorted(config.tags) }));
}

function checkSegmentBytes(value: unknown): number {
	return requireInteger(value, "segmentBytes", segmentRange.min, segmentRange.max);
}

function checkRetention(given: Retention): Retention {
	if (typeof given !== "object" || given === null) {
		throw fail("INVALID_OPTION", `retention must be an object, not ${describe(given)}`);
	}
	rejectUnknown(given, ["ageMs", "bytes", "maxBytes"], "retention");
	for (const [name, value] of Object.entries(given)) requireInteger(value, `retention.${name}`, 1);
	return { ...given };
}

function checkTags(given: unknown): Readonly<Record<string, string>> {
	if (typeof given !== "object" || given === null || Array.isArray(given)) {
		throw fail("INVALID_OPTION", `tags must be an object of strings, not ${describe(given)}`);
	}
	const entries = Object.entries(given);
	if (entries.length > 128) throw fail("LIMIT_EXCEEDED", `a stream has at most 128 tags, not ${entries.length}`);
	for (const [name, value] of entries) {
		if (typeof value !== "string" || name === "" || name.length > 256 || value.length > 256) {
			throw fail(
				"INVALID_OPTION",
				`tag ${describe(name)} must be a string of at most 256 characters, not ${describe(value)}`,
			);
		}
	}
	return { ...given };
}
