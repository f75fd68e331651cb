/** Gathers what is submitted during one turn of the event loop and completes it in the next, in order. */
// From the module, not the global: fake timers of a test framework must not stop the store.
import { setImmediate } from "node:timers";
import type { Clock } from "../../core/clock.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";

interface Step {
	readonly bytes: number;
	readonly run: (time: number) => void;
}

/** The rounds of a memory store. */
export class MemoryRounds {
	readonly limits: Limits;
	closed = false;
	/** Counters for `stats()`. */
	rounds = 0;
	appends = 0;
	appendedBytes = 0;
	pendingBytes = 0;
	readonly clock: Clock;
	readonly #stamp: () => number;
	#steps: Step[] = [];
	#idle: (() => void)[] = [];

	/** `stamp` tells the time of a round. */
	constructor(limits: Limits, clock: Clock, stamp: () => number) {
		this.limits = limits;
		this.clock = clock;
		this.#stamp = stamp;
	}

	hasRoom(bytes: number): boolean {
		return this.pendingBytes === 0 || this.pendingBytes + bytes <= this.limits.pendingBytes;
	}

	/** Runs `run` in the next round, with the round's time. */
	add(bytes: number, run: (time: number) => void): void {
		if (this.#steps.length === 0) setImmediate(() => this.#round());
		this.#steps.push({ bytes, run });
		this.pendingBytes += bytes;
	}

	/** Resolves when nothing is under way. */
	drained(): Promise<void> {
		if (this.#steps.length === 0) return Promise.resolve();
		return new Promise((resolve) => this.#idle.push(resolve));
	}

	closedError(): StreambedError {
		return fail("CLOSED", "the memory store is closed");
	}

	#round(): void {
		const steps = this.#steps;
		this.#steps = [];
		const time = this.#stamp();
		this.rounds++;
		for (const { bytes, run } of steps) {
			this.pendingBytes -= bytes;
			if (bytes > 0) this.appends++;
			this.appendedBytes += bytes;
			run(time);
		}
		if (this.#steps.length > 0) return;
		const idle = this.#idle;
		this.#idle = [];
		for (const resolve of idle) resolve();
	}
}
