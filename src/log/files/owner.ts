/**
 * The file OWNER: says which process owns the store, for people, for openers that are refused, and for the owner
 * itself, which looks from time to time whether the store is still its own.
 *
 * The lock is what protects a store; this module takes none. It catches what a lock can't see: a LOCK that was removed
 * or replaced, and a lock that the kernel dropped because code in the owner's process opened and closed LOCK.
 */
import type { Clock } from "../../core/clock.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import { newUuid, type Random } from "../../core/random.ts";
import type { Disk, ProcessIdentity } from "../../disk/disk.ts";
import { processRuns } from "../../disk/process-identity.ts";
import { hasCode } from "../../disk/system-error.ts";

/** Name of the file that carries the lock, in the store's folder. */
export const lockName = "LOCK";
/** Name of the file that names the owner, in the store's folder. */
export const ownerName = "OWNER";

/** Larger files were not written by us and are not read. */
const ownerBytesMax = 16 * 1024;

/** What OWNER holds, as JSON. */
export interface OwnerInfo extends ProcessIdentity {
	/** Drawn anew at each opening. */
	readonly nonce: string;
	/** Milliseconds since 1970. */
	readonly startedAt: number;
	/** Identity of the store's folder: in a copy of it OWNER speaks of the original. */
	readonly folder?: string;
	/** Where the owner serves the store, if it does. */
	readonly url?: string;
	/** The journal has been redone: what stands in the segments is what readers beside the owner should see. */
	readonly ready?: boolean;
}

/** What {@link claimOwner} needs besides the disk. */
export interface ClaimOptions {
	readonly random: Random;
	readonly clock: Clock;
	/** The locker's `process`. Without it the owner is never taken for alive once its lock is free. */
	readonly process?: ProcessIdentity | undefined;
	readonly url?: string | undefined;
}

/** Nonces of the stores that this process owns, shared by all copies of the package that are loaded in this thread. */
const claimed: Set<string> = sharedSet(Symbol.for("streambed.owners"));

/** Names this process as the owner; call it with the lock held. */
export async function claimOwner(disk: Disk, dir: string, options: ClaimOptions): Promise<Owner> {
	const folder = await disk.stat(dir);
	const info: OwnerInfo = {
		nonce: newUuid(options.random),
		...(options.process ?? { pid: process.pid }),
		startedAt: options.clock.now(),
		...(folder === undefined ? {} : { folder: folder.identity }),
		...(options.url === undefined ? {} : { url: options.url }),
	};
	const lock = await disk.stat(`${dir}/${lockName}`);
	await writeOwner(disk, dir, info);
	if (options.process !== undefined) claimed.add(info.nonce);
	return new Owner(disk, dir, info, lock?.identity);
}

/** A store's claim, from opening to closing. */
export class Owner {
	readonly info: OwnerInfo;
	readonly #disk: Disk;
	readonly #dir: string;
	readonly #lockIdentity: string | undefined;
	#released = false;

	constructor(disk: Disk, dir: string, info: OwnerInfo, lockIdentity: string | undefined) {
		this.info = info;
		this.#disk = disk;
		this.#dir = dir;
		this.#lockIdentity = lockIdentity;
	}

	/** Tells readers beside this process that the journal has been redone. */
	async ready(): Promise<void> {
		await writeOwner(this.#disk, this.#dir, { ...this.info, ready: true });
	}

	/** Looks whether OWNER and LOCK are still those of the opening; throws STOPPED, naming the file, if not. */
	async check(): Promise<void> {
		const lock = await this.#disk.stat(`${this.#dir}/${lockName}`);
		if (lock?.identity !== this.#lockIdentity) {
			throw this.#lost(lockName, lock === undefined ? "is gone" : "is another file");
		}
		let found: OwnerInfo | undefined;
		try {
			found = await loadOwner(this.#disk, this.#dir);
		} catch (error) {
			// Too many open files say nothing about the owner; the next check will tell.
			if (hasCode(error, "EMFILE", "ENFILE")) return;
			throw this.#lost(ownerName, "cannot be read", error);
		}
		if (found?.nonce === this.info.nonce) return;
		throw this.#lost(ownerName, found === undefined ? "is gone or damaged" : `names process ${found.pid}`);
	}

	/** Removes OWNER, unless it names somebody else by now. Call it before the lock is released; twice is harmless. */
	async release(): Promise<void> {
		if (this.#released) return;
		this.#released = true;
		claimed.delete(this.info.nonce);
		const found = await readOwner(this.#disk, this.#dir);
		if (found?.nonce === this.info.nonce) await this.#disk.unlink(`${this.#dir}/${ownerName}`);
	}

	#lost(file: string, what: string, cause?: unknown): StreambedError {
		const path = `${this.#dir}/${file}`;
		return fail("STOPPED", `the store in ${this.#dir} is no longer owned by this process: ${file} ${what}`, {
			hint: `Find out what changed ${path}, then open the store again.`,
			details: { path, file },
			cause,
		});
	}
}

/** Reads who owns the store in a folder, or did last; `undefined` if the file is missing or makes no sense. */
export async function readOwner(disk: Disk, dir: string): Promise<OwnerInfo | undefined> {
	try {
		return await loadOwner(disk, dir);
	} catch {
		return undefined;
	}
}

/**
 * Tells for certain that the owner lives although its lock could be taken. `false` wherever this can't be known: a
 * number used again by another process, a process of another container, any system but Linux.
 */
export function ownerAlive(info: OwnerInfo | undefined): boolean {
	if (info === undefined) return false;
	// In this very process the claim counts: a store that failed to remove OWNER when it closed may be opened again.
	if (claimed.has(info.nonce)) return true;
	return info.pid !== process.pid && processRuns(info);
}

async function loadOwner(disk: Disk, dir: string): Promise<OwnerInfo | undefined> {
	const path = `${dir}/${ownerName}`;
	const stat = await disk.stat(path);
	if (stat === undefined || stat.kind !== "file" || stat.size > ownerBytesMax) return undefined;
	try {
		return parseOwner(await disk.readFile(path));
	} catch (error) {
		if (hasCode(error, "ENOENT")) return undefined; // removed between the two calls
		throw error;
	}
}

function parseOwner(bytes: Uint8Array): OwnerInfo | undefined {
	let value: unknown;
	try {
		value = JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		return undefined; // an owner that lost power before the file was durable
	}
	if (typeof value !== "object" || value === null) return undefined;
	const { nonce, pid, startedAt, folder, url, ready, boot, pidNamespace, startTicks } = value as Record<
		string,
		unknown
	>;
	if (typeof nonce !== "string" || !Number.isSafeInteger(pid) || typeof startedAt !== "number") return undefined;
	return {
		nonce,
		pid: pid as number,
		startedAt,
		...(typeof folder === "string" ? { folder } : {}),
		...(typeof url === "string" ? { url } : {}),
		...(ready === true ? { ready } : {}),
		...(typeof boot === "string" ? { boot } : {}),
		...(typeof pidNamespace === "string" ? { pidNamespace } : {}),
		...(typeof startTicks === "string" ? { startTicks } : {}),
	};
}

/** Writes OWNER at one stroke. Not synced: after a loss of power there is no owner to be named. */
async function writeOwner(disk: Disk, dir: string, info: OwnerInfo): Promise<void> {
	const temp = `${dir}/${ownerName}.tmp`;
	await disk.unlink(temp);
	const file = await disk.open(temp, "create");
	try {
		await file.write(new TextEncoder().encode(`${JSON.stringify(info)}\n`), 0);
	} finally {
		await file.close();
	}
	await disk.rename(temp, `${dir}/${ownerName}`);
}

function sharedSet(key: symbol): Set<string> {
	const shared = globalThis as unknown as Record<symbol, Set<string> | undefined>;
	shared[key] ??= new Set();
	return shared[key];
}
