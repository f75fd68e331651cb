/** Streambed: durable streams for TypeScript. `open(url)` is the way in. */
import { fileURLToPath } from "node:url";
import { abortError, checkSignal, throwIfAborted } from "./core/abort.ts";
import { type Clock, systemClock } from "./core/clock.ts";
import { fail } from "./core/errors.ts";
import { type Limits, resolveLimits } from "./core/limits.ts";
import { describe, rejectUnknown } from "./core/options.ts";
import { type Random, systemRandom } from "./core/random.ts";
import type { Disk, StoreLocker } from "./disk/disk.ts";
import type { Engine } from "./engine/contract.ts";
import { Store } from "./stream/store.ts";

export type { Clock, Timer } from "./core/clock.ts";
export { type ErrorCategory, type ErrorCode, type ErrorDetails, StreambedError } from "./core/errors.ts";
export { defaultLimits, type Limits } from "./core/limits.ts";
export type { Location } from "./core/location.ts";
export type { LastStored } from "./core/producer-window.ts";
export type { ProducerTriple } from "./core/producers.ts";
export type { Random } from "./core/random.ts";
export type { RecordInput, RecordPart, StreamRecord } from "./core/record.ts";
export { bytes, json, pair, type Serializer, utf8 } from "./core/serializer.ts";
export type { StagedInfo, StagedState } from "./core/shard.ts";
export type { Retention, StreamConfig, StreamKind, StreamOptions, StreamUpdate } from "./core/stream-config.ts";
export type { StreamCut } from "./core/stream-cut.ts";
export type { Disk, StoreLocker } from "./disk/disk.ts";
export type {
	Appended,
	EngineStats,
	RecoveryReport,
	ShardInfo,
	StreamInfo,
	StreamSummary,
} from "./engine/contract.ts";
export type { Durability, Manifest } from "./engine/manifest.ts";
export { type BackupOptions, type BackupResult, backupStore } from "./log/care/backup.ts";
export { type DumpOptions, dumpFile } from "./log/care/dump.ts";
export type { DumpLine } from "./log/care/dump-line.ts";
export { type RepairOptions, type RepairResult, repairStore } from "./log/care/repair.ts";
export type { RepairStep } from "./log/care/repair-work.ts";
export { type VerifyOptions, verifyStore } from "./log/care/verify.ts";
export type { VerifyProblem, VerifyProgress, VerifyResult } from "./log/care/verify-report.ts";
export type { AppendPiece } from "./stream/bytes/append-reader.ts";
export type { ByteRead, ByteReader, ByteReaderOptions } from "./stream/bytes/byte-reader.ts";
export type { AppendOptions, ByteStream } from "./stream/bytes/byte-stream.ts";
export type { ByteWriter, ByteWriterOptions } from "./stream/bytes/byte-writer.ts";
export type { Multipart } from "./stream/bytes/multipart.ts";
export type { ReadableOptions, WritableOptions } from "./stream/bytes/node-streams.ts";
export type { ReadRangeOptions } from "./stream/bytes/read-range.ts";
export type { CommitOptions, MultipartOptions } from "./stream/multipart-options.ts";
export type { Producer } from "./stream/producer.ts";
export type { RecordAppended } from "./stream/records/record-append.ts";
export type { RecordBatch } from "./stream/records/record-batch.ts";
export type { PartsStored, RecordHead, RecordMultipart } from "./stream/records/record-multipart.ts";
export type { RecordReadOptions } from "./stream/records/record-range.ts";
export type { Behind, RecordReader } from "./stream/records/record-reader.ts";
export type { RecordAppendOptions, RecordStream, RecordTruncation } from "./stream/records/record-stream.ts";
export type { RecordTicket, RecordWritten } from "./stream/records/record-ticket.ts";
export type { RecordWriter, RecordWriterOptions } from "./stream/records/record-writer.ts";
export type { KindOption, ListOptions, Scope, StreamOf } from "./stream/scope.ts";
export type { Store, StoreStatus } from "./stream/store.ts";
export type { WriteTicket, Written } from "./stream/write-ticket.ts";

/** How to open a store. */
export interface OpenOptions {
	/**
	 * `write` owns the store, `read` may run beside an owner. Default "write". A reader that finds a store whose owner died recovers it
	 * as an owner would, for a moment, if the folder may be written.
	 */
	readonly mode?: "write" | "read" | undefined;
	/** Make a store that is missing. Default true for writing; reading never makes one. */
	readonly create?: boolean | undefined;
	/** `sync`: acknowledged appends survive a machine that stops; `os`: a killed process. Default "sync"; memory keeps nothing. */
	readonly durability?: "sync" | "os" | undefined;
	/** Bounds in bytes and files; what is left out has its default. */
	readonly limits?: Partial<Limits> | undefined;
	/** File system, for tests. */
	readonly disk?: Disk | undefined;
	/** Source of time, for tests. */
	readonly clock?: Clock | undefined;
	/** Source of randomness, for tests. */
	readonly random?: Random | undefined;
	/** How the store is locked, for tests. */
	readonly lock?: StoreLocker | undefined;
	/** Ends the opening. */
	readonly signal?: AbortSignal | undefined;
}

const optionNames = ["mode", "create", "durability", "limits", "disk", "clock", "random", "lock", "signal"];

/**
 * Opens a store: `memory:` is empty and gone with the process; `file:./data`, `file:///var/data` and paths that begin
 * with `/`, `./` or `../` are folders.
 *
 * @throws NOT_FOUND, LOCKED{pid,url}, READ_ONLY, CORRUPT, FORMAT_VERSION, INVALID_OPTION, UNSUPPORTED, ABORTED
 */
export async function open(url: string, options: OpenOptions = {}): Promise<Store> {
	const target = parseUrl(url);
	const settings = checkOptions(options);
	throwIfAborted(options.signal, `opening ${url}`);
	const engine = target.memory ? await openMemory(settings) : await openFolder(target.path, settings);
	if (options.signal?.aborted) {
		await engine.close();
		throw abortError(options.signal, `opening ${url}`);
	}
	return new Store(url, engine, { clock: settings.clock, random: settings.random });
}

type Target = { readonly memory: true } | { readonly memory: false; readonly path: string };

type Settings = OpenOptions & {
	readonly mode: "write" | "read";
	readonly create: boolean;
	readonly limits: Limits;
	readonly clock: Clock;
	readonly random: Random;
};

async function openMemory(settings: Settings): Promise<Engine> {
	if (settings.mode === "read" || !settings.create) {
		throw fail("UNSUPPORTED", "a memory store is always new and belongs to one process: it is opened for writing");
	}
	if (settings.durability !== undefined) {
		throw fail("UNSUPPORTED", `a memory store keeps nothing: durability "${settings.durability}" cannot be promised`, {
			hint: "Leave durability out.",
		});
	}
	const { createMemoryEngine } = await import("./engine/memory/memory-engine.ts");
	return createMemoryEngine({ limits: settings.limits, clock: settings.clock, random: settings.random });
}

async function openFolder(path: string, settings: Settings): Promise<Engine> {
	const { openLocal } = await import("./engine/local/open-local.ts");
	const { mode, create, durability = "sync", limits, clock, random, disk, lock, signal } = settings;
	return await openLocal(path, {
		mode,
		create,
		durability,
		limits,
		clock,
		random,
		...(disk === undefined ? {} : { disk }),
		...(lock === undefined ? {} : { locker: lock }),
		...(signal === undefined ? {} : { signal }),
	});
}

function checkOptions(options: OpenOptions): Settings {
	if (typeof options !== "object" || options === null) {
		throw fail("INVALID_OPTION", `the options of open must be an object, not ${describe(options)}`);
	}
	rejectUnknown(options, optionNames, "the options of open");
	checkSignal(options.signal, "the options of open");
	const mode = oneOf(options.mode ?? "write", ["write", "read"], "mode");
	const create = options.create ?? mode === "write";
	if (typeof create !== "boolean") {
		throw fail("INVALID_OPTION", `create must be true or false, not ${describe(create)}`);
	}
	if (create && mode === "read") {
		throw fail("INVALID_OPTION", 'a store opened with mode "read" is never made: create must not be true');
	}
	if (options.durability !== undefined) oneOf(options.durability, ["sync", "os"], "durability");
	return {
		...options,
		mode,
		create,
		limits: resolveLimits(options.limits),
		clock: options.clock ?? systemClock,
		random: options.random ?? systemRandom,
	};
}

function oneOf<T extends string>(value: T, allowed: readonly T[], name: string): T {
	if (allowed.includes(value)) return value;
	const list = allowed.map((each) => `"${each}"`).join(" or ");
	throw fail("INVALID_OPTION", `${name} must be ${list}, not ${describe(value)}`, { details: { option: name } });
}

function parseUrl(url: string): Target {
	if (typeof url !== "string") {
		throw fail("INVALID_OPTION", `the store's URL must be a string, not ${describe(url)}`, {
			hint: 'For example "file:./data" or "memory:".',
		});
	}
	if (url === "memory:") return { memory: true };
	if (/^file:\/\//i.test(url)) return { memory: false, path: pathOfUrl(url) };
	if (/^file:./i.test(url)) return { memory: false, path: url.slice("file:".length) };
	if (/^\.{0,2}\//.test(url) || url === "." || url === "..") return { memory: false, path: url };
	const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
	if (scheme === "http" || scheme === "https" || scheme === "kafka") {
		throw fail("UNSUPPORTED", `stores at ${scheme}: come later; this version opens file: and memory:`);
	}
	throw fail("INVALID_OPTION", `${describe(url)} is no URL of a store`, {
		hint: scheme === undefined && url !== "" ? `For a folder: "file:./${url}".` : 'Use "file:./data" or "memory:".',
	});
}

/** The path of `file://…`, which is a URL: percent-encoded, without host, query or fragment. */
function pathOfUrl(url: string): string {
	try {
		const parsed = new URL(url);
		if (parsed.search === "" && parsed.hash === "") return fileURLToPath(parsed);
	} catch {}
	throw fail("INVALID_OPTION", `${describe(url)} is not the URL of a folder on this machine`, {
		hint: "In file:// URLs encode ? as %3F and # as %23, and name no host; or give the path after file: as it is.",
	});
}
