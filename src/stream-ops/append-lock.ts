/**
 * One writer a stream, over all processes. A stream's lock is a small file that names its owner, and each process is such
 * an owner by one kernel lock a folder, which dies with it: any number of streams cost one descriptor. All of it lies
 * beside the streams' folders, in `.streambed-locks/`, since Java takes every file within for a block; it is there only
 * while a stream is open for append.
 *
 * Whoever takes a lock or clears up holds the kernel lock on `gate` for that moment.
 */
import { createHash } from "node:crypto";
import { basename, dirname } from "node:path/posix";
import type { Clock } from "../core/clock.ts";
import { fail } from "../core/errors.ts";
import { newUuid, type Random } from "../core/random.ts";
import type { Disk, HeldLock, StoreLocker } from "../disk/disk.ts";
import { hasCode } from "../disk/system-error.ts";

/** Beside the folders of streams. */
export const lockFolderName = ".streambed-locks";
const gateName = "gate";
const longestName = 200;
const gateAttempts = 100;
const gatePauseMs = 10;

/** A lock that is held until released. */
export interface AppendLock {
	release(): Promise<void>;
}

interface Owner {
	readonly id: string;
	readonly lock: HeldLock;
	/** Streams locked. */
	streams: number;
}

/** The locks of this process; there is one such object a disk. */
export class AppendLocks {
	readonly #disk: Disk;
	readonly #locker: StoreLocker;
	readonly #random: Random;
	readonly #clock: Clock;
	/** By folder of locks. */
	readonly #owners = new Map<string, Owner>();
	#turn: Promise<unknown> = Promise.resolve();

	constructor(disk: Disk, locker: StoreLocker, random: Random, clock: Clock) {
		this.#disk = disk;
		this.#locker = locker;
		this.#random = random;
		this.#clock = clock;
	}

	/** Locks the stream in a folder that exists. @throws LOCKED{pid}, READ_ONLY */
	acquire(streamFolder: string): Promise<AppendLock> {
		return this.#inTurn(async () => {
			const real = await this.#disk.realPath(streamFolder);
			const folder = `${dirname(real) === "/" ? "" : dirname(real)}/${lockFolderName}`;
			const path = `${folder}/${lockName(basename(real))}`;
			const gate = await this.#passGate(folder);
			try {
				await this.#take(folder, path, streamFolder);
			} finally {
				await gate.release();
				await this.#leave(folder);
			}
			let held = true;
			return {
				release: async () => {
					if (!held) return;
					held = false;
					await this.#inTurn(() => this.#release(folder, path));
				},
			};
		});
	}

	async #take(folder: string, path: string, streamFolder: string): Promise<void> {
		const owner = this.#owners.get(folder) ?? (await this.#becomeOwner(folder));
		const holder = await this.#holder(path);
		if (holder !== undefined) {
			if (holder.owner === owner.id || (await this.#lives(folder, holder.owner))) {
				const who = holder.owner === owner.id ? "by this process" : `by process ${holder.pid ?? "(unknown)"}`;
				throw fail("LOCKED", `${streamFolder} is open for append ${who}`, {
					hint: "One writer a stream: wait until it has called closeForAppend. Reading works meanwhile.",
					details: { path: streamFolder, pid: holder.pid ?? null },
				});
			}
			await this.#disk.unlink(path);
		}
		const file = await this.#disk.open(path, "create");
		try {
			const pid = this.#locker.process?.pid;
			await file.write(Buffer.from(JSON.stringify({ owner: owner.id, ...(pid === undefined ? {} : { pid }) })), 0);
		} finally {
			await file.close();
		}
		owner.streams++;
	}

	async #becomeOwner(folder: string): Promise<Owner> {
		const id = newUuid(this.#random);
		const lock = await this.#locker.tryLock(`${folder}/${id}`);
		if (lock === undefined) throw fail("INTERNAL", `the new lock ${folder}/${id} is held by somebody else`);
		const owner = { id, lock, streams: 0 };
		this.#owners.set(folder, owner);
		return owner;
	}

	/** Who is named in a lock's file; nobody if it was cut short, as only a machine that stopped leaves it. */
	async #holder(path: string): Promise<{ readonly owner: string; readonly pid?: number } | undefined> {
		try {
			const text = Buffer.from(await this.#disk.readFile(path)).toString();
			const parsed: unknown = JSON.parse(text);
			return parsed as { owner: string };
		} catch (error) {
			if (hasCode(error, "ENOENT")) return undefined;
			if (error instanceof SyntaxError) return { owner: "" };
			throw error;
		}
	}

	/** A lock that can be taken has lost its owner. */
	async #lives(folder: string, owner: string): Promise<boolean> {
		if (!/^[0-9a-f-]{36}$/.test(owner)) return false;
		const path = `${folder}/${owner}`;
		const lock = await this.#locker.tryLock(path);
		if (lock === undefined) return true;
		await lock.release();
		await this.#disk.unlink(path);
		return false;
	}

	async #release(folder: string, path: string): Promise<void> {
		const owner = this.#owners.get(folder);
		await this.#disk.unlink(path);
		if (owner !== undefined) owner.streams--;
		await this.#leave(folder);
	}

	/** Stops being an owner where no stream is locked, and removes the folder if it was the last one. */
	async #leave(folder: string): Promise<void> {
		const owner = this.#owners.get(folder);
		if (owner !== undefined && owner.streams > 0) return;
		if (owner !== undefined) {
			this.#owners.delete(folder);
			await owner.lock.release();
			await this.#disk.unlink(`${folder}/${owner.id}`);
		}
		const gate = await this.#tryGate(folder);
		if (gate === undefined) return;
		try {
			const names = (await this.#disk.list(folder)).map(({ name }) => name);
			if (names.every((name) => name === gateName)) {
				await this.#disk.unlink(`${folder}/${gateName}`);
				await this.#disk.rmdir(folder);
			}
		} finally {
			await gate.release();
		}
	}

	async #passGate(folder: string): Promise<HeldLock> {
		for (let attempt = 0; attempt < gateAttempts; attempt++) {
			await this.#disk.mkdir(folder);
			const gate = await this.#tryGate(folder);
			if (gate !== undefined) return gate;
			await new Promise<void>((resolve) => this.#clock.setTimer(gatePauseMs, resolve));
		}
		throw fail("LOCKED", `another process holds ${folder}/${gateName} for longer than a moment`);
	}

	/**
	 * The gate's lock, if it is free and its file is the one that others see: whoever clears up removes it, perhaps
	 * between our opening and our locking it.
	 */
	async #tryGate(folder: string): Promise<HeldLock | undefined> {
		const path = `${folder}/${gateName}`;
		const before = await this.#disk.stat(path);
		let lock: HeldLock | undefined;
		try {
			lock = await this.#locker.tryLock(path);
		} catch (error) {
			if ((await this.#disk.stat(folder)) === undefined) return undefined;
			throw error;
		}
		if (lock === undefined) return undefined;
		const after = await this.#disk.stat(path);
		if (before?.identity === after?.identity) return lock;
		await lock.release();
		return before === undefined ? await this.#tryGate(folder) : undefined;
	}

	#inTurn<T>(work: () => Promise<T>): Promise<T> {
		const mine = this.#turn.then(work);
		this.#turn = mine.catch(() => undefined);
		return mine;
	}
}

function lockName(stream: string): string {
	const short = Buffer.byteLength(stream) <= longestName;
	return `${short ? stream : createHash("sha256").update(stream).digest("hex")}.lock`;
}
