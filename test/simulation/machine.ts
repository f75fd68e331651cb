/**
 * A machine with a disk, a clock and processes, all of it simulated: nothing happens but what this chooses, one step
 * after the other, from its seed. Between any two steps the machine may stop or a process may die.
 */
import { crc32 } from "node:zlib";
import type { Disk } from "../../src/disk/disk.ts";
import { type CrashDisk, crashDisk } from "../../src/testing/crash-disk.ts";
import type { DiskOperation } from "../../src/testing/faulty-disk.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { memoryLocker } from "../../src/testing/memory-locker.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import { SimulationFailure } from "./simulation-failure.ts";

/** Steps without an end before it is said that something hangs, time that passes included. */
const STEPS_MAX = 50_000;
/** Operations of disks without an end before that is said: ten times what the longest work of thousands of lives takes. */
const OPERATIONS_MAX = 10_000;
/** Lines of the trace that are kept for the report of a failure. */
const TRACE_LINES = 60;

/** Makes the disk of each process lie; for showing that the simulation notices. */
export type DiskBreaker = (disk: Disk) => Disk;

/** A machine. */
export class Machine {
	readonly random: SeededRandom;
	readonly clock: ManualClock;
	readonly #break: DiskBreaker;
	readonly #locker = memoryLocker();
	readonly #processes = new Set<SimulatedProcess>();
	#sleepers: { readonly process: SimulatedProcess; readonly due: number; readonly wake: () => void }[] = [];
	readonly #watched = new Set<Promise<unknown>>();
	#disk: CrashDisk;
	#failure: unknown;
	#steps = 0;
	#operations = 0;
	#ticks = 0;
	#trace = 0;
	readonly #lines: string[] = [];
	/** Operations of disks until something ends; counts down. */
	operationsLeft: number = Number.POSITIVE_INFINITY;
	/** Steps of the wall clock that no owner may have seen yet. */
	stepsUnseen = 0;

	constructor(seed: number, breaker: DiskBreaker = (disk) => disk) {
		this.random = new SeededRandom(seed);
		this.clock = new ManualClock(Date.UTC(2025, 0, 1));
		this.#break = breaker;
		this.#disk = crashDisk({ seed: this.random.below(2 ** 32), now: () => this.clock.now() });
	}

	/** The disk as it is, for those who look at it from outside. */
	get disk(): CrashDisk {
		return this.#disk;
	}

	/** A number that depends on everything that happened so far. */
	get trace(): number {
		return this.#trace;
	}

	/** The last things that happened. */
	get lines(): readonly string[] {
		return this.#lines;
	}

	/** A moment; each is later than the one before. */
	tick(): number {
		this.#ticks++;
		return this.#ticks;
	}

	/** Makes something part of the trace. */
	note(line: string): void {
		this.#trace = crc32(line, this.#trace);
		this.#lines.push(line);
		if (this.#lines.length > TRACE_LINES) this.#lines.shift();
	}

	/** Begins a process. */
	start(): SimulatedProcess {
		const witness = (operation: DiskOperation, path: string, bytes: number): void => this.#seen(operation, path, bytes);
		const disk = this.#break(this.#disk);
		const process = new SimulatedProcess({ disk, clock: this.clock, locker: this.#locker, witness });
		this.#processes.add(process);
		return process;
	}

	/** A process is killed; the machine goes on. */
	async kill(process: SimulatedProcess): Promise<void> {
		this.note("kill");
		this.ended(process);
		await process.die(this.random);
	}

	/** Whatever still runs is killed. */
	async killAll(): Promise<void> {
		for (const process of this.#processes) await this.kill(process);
	}

	/** The machine stops, and all processes with it. */
	async crash(): Promise<void> {
		this.note("crash");
		for (const process of this.#processes) await process.die(this.random);
		this.#processes.clear();
		this.#sleepers = [];
		this.#disk = this.#disk.crash();
	}

	/** A process has ended by itself. */
	ended(process: SimulatedProcess): void {
		this.#processes.delete(process);
		this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.process !== process);
	}

	/** Lets so many steps pass for a process; never ends if the process does so first. */
	pause(process: SimulatedProcess, steps: number): Promise<void> {
		return new Promise((wake) => this.#sleepers.push({ process, due: this.#steps + steps, wake }));
	}

	/** Work whose failure is the failure of the whole run. */
	watch(work: Promise<unknown>): void {
		this.#watched.add(work);
		work.then(
			() => this.#watched.delete(work),
			(error: unknown) => {
				this.#failure ??= error;
			},
		);
	}

	/** Waits for the first operation of a process that is just loading its program: until then nothing else goes on. */
	async loaded(process: SimulatedProcess, opening: Promise<unknown>): Promise<void> {
		let settled = false;
		const settle = (): void => {
			settled = true;
		};
		opening.then(settle, settle);
		while (process.disk.asked === 0 && !settled) await turn();
		for (let turns = 0; turns < 5; turns++) await turn();
	}

	/** Takes steps until the work has ended or the countdown has; `undefined` for the latter. */
	async until<T>(work: Promise<T>): Promise<{ readonly value: T } | undefined> {
		let outcome: { readonly value: T } | undefined;
		let failure: { readonly error: unknown } | undefined;
		work.then(
			(value) => {
				outcome = { value };
			},
			(error: unknown) => {
				failure = { error };
			},
		);
		const steps = this.#steps;
		const operations = this.#operations;
		while (this.operationsLeft > 0) {
			await this.#step();
			if (failure !== undefined) throw failure.error;
			if (outcome !== undefined) return outcome;
			if (this.#steps - steps > STEPS_MAX || this.#operations - operations > OPERATIONS_MAX)
				throw new SimulationFailure("it does not end, however much time passes");
		}
		return undefined;
	}

	async #step(): Promise<void> {
		await turn();
		if (this.#failure !== undefined) throw this.#failure;
		this.#steps++;
		const due = this.#sleepers.findIndex((sleeper) => sleeper.due <= this.#steps);
		if (due >= 0) {
			this.#sleepers.splice(due, 1)[0]?.wake();
			return;
		}
		const busy = [...this.#processes].filter(({ disk }) => disk.waiting > 0);
		if (busy.length > 0) {
			this.random.pick(busy).disk.step(this.random);
			this.#operations++;
			this.operationsLeft--;
			if (this.random.chance(0.03)) this.clock.advance(this.random.between(1, 3));
		} else {
			const ms = { "1": 10, "5": 5, "40": 2, "300": 0.5, "1100": 0.3, "6000": 0.1 };
			this.clock.advance(Number(this.random.weighted(ms)));
		}
	}

	#seen(operation: DiskOperation, path: string, bytes: number): void {
		// OWNER holds the number of this very process.
		this.note(`${operation} ${path} ${path.includes("OWNER") ? 0 : bytes}`);
	}
}

/** One turn of the event loop: everything that can go on by itself does. */
function turn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}
