/** A process on a simulated machine: its view of the disk, its timers, its locks; all of them end with it. */
import type { Clock, Timer } from "../../src/core/clock.ts";
import type { Disk, HeldLock, StoreLocker } from "../../src/disk/disk.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import { type DiskWitness, ScheduledDisk } from "./scheduled-disk.ts";

/** What the processes of a machine share. */
export interface MachineParts {
	readonly disk: Disk;
	readonly clock: Clock;
	readonly locker: StoreLocker;
	readonly witness: DiskWitness;
}

/** One process. */
export class SimulatedProcess {
	readonly disk: ScheduledDisk;
	readonly clock: Clock;
	readonly lock: StoreLocker;
	readonly #timers = new Set<Timer>();
	readonly #locks = new Set<HeldLock>();
	#dead = false;

	constructor({ disk, clock, locker, witness }: MachineParts) {
		this.disk = new ScheduledDisk(disk, witness);
		this.clock = {
			now: () => clock.now(),
			monotonic: () => clock.monotonic(),
			setTimer: (ms, fn) => this.#setTimer(clock, ms, fn),
		};
		this.lock = { tryLock: (path) => this.#tryLock(locker, path) };
	}

	/** Ends it at once: of what it has under way some is done and some not, nothing of it runs any more. */
	async die(random: SeededRandom): Promise<void> {
		this.#dead = true;
		for (const timer of this.#timers) timer.cancel();
		await this.disk.die(random);
		for (const lock of this.#locks) await lock.release();
	}

	#setTimer(clock: Clock, ms: number, fn: () => void): Timer {
		const timer = clock.setTimer(ms, () => {
			this.#timers.delete(timer);
			fn();
		});
		this.#timers.add(timer);
		if (this.#dead) timer.cancel();
		return {
			cancel: () => {
				this.#timers.delete(timer);
				timer.cancel();
			},
		};
	}

	async #tryLock(locker: StoreLocker, path: string): Promise<HeldLock | undefined> {
		const lock = await locker.tryLock(path);
		if (lock === undefined) return undefined;
		const held: HeldLock = {
			release: async () => {
				this.#locks.delete(held);
				await lock.release();
			},
		};
		this.#locks.add(held);
		return held;
	}
}
