/** Stores on disks in memory with time that stands still, for tests of what happens between two operations. */
import type { Limits } from "../../../src/core/limits.ts";
import type { Random } from "../../../src/core/random.ts";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import { open, type Store, StreambedError } from "../../../src/index.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { type MemoryLocker, memoryLocker } from "../../../src/testing/memory-locker.ts";
import { numbers } from "./pattern.ts";
// Loaded before time is driven: turns of the event loop go by while modules are read.
import "../../../src/engine/local/open-local.ts";

/** Where stores stand on disks in memory. */
export const ROOT = "/store";

/** A store's surroundings. */
export interface Surroundings {
	readonly disk: Disk;
	readonly clock: ManualClock;
	readonly random: Random;
	readonly locker: MemoryLocker;
	readonly limits?: Partial<Limits>;
	readonly durability?: "sync" | "os";
}

/** Surroundings with everything new but what is given. */
export function surroundings(given: Partial<Surroundings> = {}): Surroundings {
	return { disk: memoryDisk(), clock: new ManualClock(), random: seededRandom(1), locker: memoryLocker(), ...given };
}

/** Opens a store through the public interface. */
export function openStore(around: Surroundings, create = true): Promise<Store> {
	const { disk, clock, random, locker, limits, durability } = around;
	return drive(clock, open(ROOT, { disk, clock, random, lock: locker, limits, durability, create }));
}

/** A copy-on-write copy of a disk that nobody changes any more. */
export function copyOf(disk: Disk): Disk {
	return overlayDisk(disk);
}

/** Turns of the event loop, and milliseconds of real time, which loading a module takes; far more than any single step needs. */
const TURNS = 60_000;
const REAL_MS = 20_000;

/** Lets time pass, a millisecond a turn of the event loop, until `work` has settled; fails if it never does. */
export async function drive<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
	let settled = false;
	const end = (): void => {
		settled = true;
	};
	work.then(end, end);
	const began = performance.now();
	for (let turn = 0; !settled; turn++) {
		if (turn > TURNS && performance.now() - began > REAL_MS)
			throw new Error("it does not end, however much time passes");
		await new Promise((resolve) => setImmediate(resolve));
		if (!settled) clock.advance(1);
	}
	return await work;
}

/** Turns of the event loop after which what a timer has set off on a disk in memory has come to rest. */
const RESTING_TURNS = 50;

/**
 * Lets so many milliseconds pass, each with a turn of the event loop for what it sets off. Where nothing has happened for a
 * while, and nothing can before the next timer, that one comes at once.
 */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
	let dueAt = Number.NaN;
	let resting = 0;
	for (let left = ms; left > 0; ) {
		const nextMs = clock.nextTimerMs;
		// Whoever moves the clock: a timer has fired, or was set or cancelled.
		resting = clock.monotonic() + nextMs === dueAt ? resting + 1 : 0;
		dueAt = clock.monotonic() + nextMs;
		const step = resting < RESTING_TURNS ? 1 : Math.min(left, Math.max(1, nextMs));
		clock.advance(step);
		left -= step;
		await new Promise((resolve) => setImmediate(resolve));
	}
}

/** Random bytes that are the same in every run. */
function seededRandom(seed: number): Random {
	const next = numbers(seed);
	return { bytes: (length) => Uint8Array.from({ length }, () => next(256)) };
}

/** The code of the error that a promise rejects with, or `"fine"`; what is no error of ours is thrown on. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
	return await work.then(
		() => "fine",
		(error: unknown) => {
			if (StreambedError.is(error)) return error.code;
			throw error;
		},
	);
}
