/** What a stream's storage can be told, checked and completed. */
import { type Clock, systemClock } from "../core/clock.ts";
import { fail } from "../core/errors.ts";
import { describe, rejectUnknown, requireInteger } from "../core/options.ts";
import { systemRandom } from "../core/random.ts";
import type { Disk, StoreLocker } from "../disk/disk.ts";
import { nodeDisk } from "../disk/node-disk.ts";
import { sqliteLocker } from "../disk/sqlite-lock.ts";
import { AppendLocks } from "./append-lock.ts";
import { type BlockLayout, blockLayouts } from "./block-layout.ts";
import type { StreamDurability } from "./block-writer.ts";
import { OpenFiles } from "./open-files.ts";

/** Largest block by default, in bytes. */
export const defaultBlockMaxSize: number = 8 * 1024 * 1024;

const defaultOpenFiles = 128;

/** How a stream is stored. None of it changes the bytes of its blocks, but `layout`. */
export interface StreamStorageOptions {
	/**
	 * When records are made durable, in the sense of surviving a machine that stops. `append`: before an append resolves,
	 * `flush`: by `flush` and `closeForAppend`, `os`: never by Streambed, as in Java. Default "flush".
	 */
	readonly durability?: StreamDurability | undefined;
	/** Layout of new blocks. Default that of the stream's last block, in a new stream "0.7". */
	readonly layout?: BlockLayout | undefined;
	/** Layout that all blocks are taken to have when read. Default told block by block, by their first bytes. */
	readonly readLayout?: BlockLayout | undefined;
	/** Make the stream's folder if it is missing. Default true. */
	readonly create?: boolean | undefined;
	/**
	 * What is looked at before the first append: every block, or the last one only, which is all that Java looks at.
	 * Default "all": damage further back is found, at the price of reading the stream once.
	 */
	readonly check?: "all" | "last" | undefined;
	/**
	 * Keep other processes from appending to the same stream. Default true; false where the folder above the stream's
	 * cannot be written. Within this process there is one writer in any case.
	 */
	readonly lock?: boolean | undefined;
	/** Bytes read at once. Default 256 KiB. */
	readonly readBytes?: number | undefined;
	/** Files held open at once by all streams on this disk, at least 4. The first stream decides. Default 128. */
	readonly openFiles?: number | undefined;
	/** File system, for tests. */
	readonly disk?: Disk | undefined;
	/** How processes are locked out, for tests. */
	readonly locker?: StoreLocker | undefined;
	/** Source of time, for tests. */
	readonly clock?: Clock | undefined;
}

const names: readonly (keyof StreamStorageOptions)[] = [
	"durability",
	"layout",
	"readLayout",
	"create",
	"check",
	"lock",
	"readBytes",
	"openFiles",
	"disk",
	"locker",
	"clock",
];

/** What all streams on one disk share. */
export interface SharedByDisk {
	readonly disk: Disk;
	readonly files: OpenFiles;
	/** Streams open for append by this process. */
	readonly appending: Set<string>;
	readonly locks: AppendLocks | undefined;
}

/** Options with their defaults. */
export interface StorageSettings {
	readonly durability: StreamDurability;
	readonly layout: BlockLayout | undefined;
	readonly readLayout: BlockLayout | undefined;
	readonly create: boolean;
	readonly check: "all" | "last";
	readonly lock: boolean;
	readonly readBytes: number | undefined;
	readonly shared: SharedByDisk;
}

/** Completes and checks options. @throws INVALID_OPTION */
export function resolveStorageOptions(given: StreamStorageOptions): StorageSettings {
	if (typeof given !== "object" || given === null) {
		throw fail("INVALID_OPTION", `the options of a stream must be an object, not ${describe(given)}`);
	}
	rejectUnknown(given, names, "the options of a stream");
	const oneOf = <T extends string>(value: T | undefined, allowed: readonly T[], name: string): T | undefined => {
		if (value === undefined || allowed.includes(value)) return value;
		const list = allowed.map((each) => `"${each}"`).join(" or ");
		throw fail("INVALID_OPTION", `${name} must be ${list}, not ${describe(value)}`, { details: { option: name } });
	};
	const flag = (value: boolean | undefined, name: string): boolean => {
		if (value === undefined || typeof value === "boolean") return value ?? true;
		throw fail("INVALID_OPTION", `${name} must be true or false, not ${describe(value)}`, {
			details: { option: name },
		});
	};
	const durabilities = ["append", "flush", "os"] as const;
	return {
		durability: oneOf(given.durability, durabilities, "durability") ?? "flush",
		layout: oneOf(given.layout, blockLayouts, "layout"),
		readLayout: oneOf(given.readLayout, blockLayouts, "readLayout"),
		create: flag(given.create, "create"),
		check: oneOf(given.check, ["all", "last"] as const, "check") ?? "all",
		lock: flag(given.lock, "lock"),
		readBytes: given.readBytes === undefined ? undefined : requireInteger(given.readBytes, "readBytes", 1),
		shared: sharedBy(given),
	};
}

let machine: Disk | undefined;
const shared = new WeakMap<Disk, SharedByDisk>();

function sharedBy({ disk, locker, openFiles, clock = systemClock }: StreamStorageOptions): SharedByDisk {
	const limit = openFiles === undefined ? defaultOpenFiles : requireInteger(openFiles, "openFiles", 4);
	machine ??= nodeDisk();
	const used = disk ?? machine;
	const known = shared.get(used);
	if (known !== undefined) return known;
	// A disk of a test has no kernel behind it that could lock.
	const byKernel = locker ?? (disk === undefined ? sqliteLocker() : undefined);
	const made: SharedByDisk = {
		disk: used,
		files: new OpenFiles(used, limit),
		appending: new Set(),
		locks: byKernel === undefined ? undefined : new AppendLocks(used, byKernel, systemRandom, clock),
	};
	shared.set(used, made);
	return made;
}
