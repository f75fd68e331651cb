/**
 * Opens a folder as a store. The same folder opened twice for writing in one process is one store with a count of
 * references: the kernel's lock would refuse the second one, and both want to see each other's appends at once.
 */
import { basename, dirname, join, resolve } from "node:path";
import { abortable } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { fail } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { Random } from "../../core/random.ts";
import type { Disk, StoreLocker } from "../../disk/disk.ts";
import { nodeDisk } from "../../disk/node-disk.ts";
import { sqliteLocker } from "../../disk/sqlite-lock.ts";
import { LogStore } from "../../log/log-store.ts";
import type { Engine } from "../contract.ts";
import { LocalEngine } from "./local-engine.ts";
import { SharedEngine } from "./shared-engine.ts";

/** How to open a folder. */
export interface LocalOptions {
	readonly mode: "write" | "read";
	/** Make the store if there is none. */
	readonly create: boolean;
	readonly durability: "sync" | "os";
	readonly limits: Limits;
	readonly disk?: Disk;
	readonly clock: Clock;
	readonly random: Random;
	readonly locker?: StoreLocker;
	readonly signal?: AbortSignal;
}

interface Shared {
	readonly engine: Promise<LocalEngine>;
	readonly settings: string;
	holders: number;
	/** Set when the last holder has let go; who comes then waits, and opens anew. */
	closing: Promise<void> | undefined;
}

/** Stores open for writing in this process: by disk, then by the folder's one name. */
const open = new WeakMap<object, Map<string, Shared>>();
const ownDisk = {};

/** Opens the store in the folder `path`. */
export async function openLocal(path: string, options: LocalOptions): Promise<Engine> {
	refusePlatform();
	if (options.mode === "read") {
		const { openForReading } = await import("./read-engine.ts");
		return await openForReading(resolve(path), options);
	}
	const opening = openShared(resolve(path), options);
	try {
		return await abortable(opening, options.signal, `opening ${path}`);
	} catch (error) {
		// Nobody waits for it any more: once open, it would hold the folder for ever.
		opening.then((engine) => engine.close()).catch(() => {});
		throw error;
	}
}

/** The folder's one name, also of one that does not exist yet: it will have that name once it does. */
async function realRoot(disk: Disk, path: string): Promise<string> {
	const known = await disk.realPath(path).catch(() => undefined);
	if (known !== undefined || dirname(path) === path) return known ?? path;
	return join(await realRoot(disk, dirname(path)), basename(path));
}

async function openShared(path: string, options: LocalOptions): Promise<Engine> {
	const disk = options.disk ?? nodeDisk();
	const root = await realRoot(disk, path);
	const stores = open.get(options.disk ?? ownDisk) ?? new Map<string, Shared>();
	open.set(options.disk ?? ownDisk, stores);
	const settings = JSON.stringify({ durability: options.durability, limits: options.limits });
	let shared = stores.get(root);
	while (shared?.closing !== undefined) {
		await shared.closing.catch(() => {});
		shared = stores.get(root);
	}
	if (shared !== undefined && shared.settings !== settings) {
		throw fail("INVALID_OPTION", `the store at ${root} is open in this process with other options`, {
			hint: "Open it with the same durability and limits, or close it first.",
			details: { open: shared.settings, asked: settings },
		});
	}
	if (shared === undefined) {
		shared = { engine: start(root, disk, options), settings, holders: 0, closing: undefined };
		stores.set(root, shared);
	}
	const mine = shared;
	mine.holders++;
	const release = async (): Promise<void> => {
		mine.holders--;
		// Others go on with it: this one waits for what it has handed over.
		if (mine.holders > 0) return await (await mine.engine).settled();
		mine.closing = mine.engine
			.then((engine) => engine.close())
			.finally(() => {
				if (stores.get(root) === mine) stores.delete(root);
			});
		await mine.closing;
	};
	try {
		return new SharedEngine(await mine.engine, release);
	} catch (error) {
		mine.holders--;
		if (stores.get(root) === mine) stores.delete(root);
		throw error;
	}
}

async function start(root: string, disk: Disk, options: LocalOptions): Promise<LocalEngine> {
	const { clock, random, limits, create, durability } = options;
	const locker = options.locker ?? sqliteLocker();
	return new LocalEngine(
		await LogStore.open({ root, disk, clock, random, locker, limits, create, durability }),
		random,
	);
}

function refusePlatform(): void {
	if (process.platform !== "win32") return;
	throw fail("UNSUPPORTED", "stores in folders are not supported on Windows", { hint: "Use WSL, Linux or macOS." });
}
