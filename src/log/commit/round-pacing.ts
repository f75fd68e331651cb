/**
 * When to begin a round: with all that arrives in one turn of the event loop, or with half of it, so that the disk works
 * on one half while the processor gathers the other.
 *
 * Two halves cost two syncs instead of one. That pays where gathering takes as long as the disk does (thousands of small
 * appends, a fast disk), and would halve the rate where the sync is all that matters. So both are measured.
 */
import type { Clock } from "../../core/clock.ts";

/** How much longer than the gathering of all of it a write may take. */
const PATIENCE = 1.25;
/** Share of the newest sample in the mean. */
const WEIGHT = 0.25;

/** Measures rounds and tells whether the next one should overlap. */
export class RoundPacing {
	readonly #clock: Clock;
	/** How long the last round took to become durable. */
	#writeMs = Number.POSITIVE_INFINITY;
	/** Time that it takes to gather a byte: those who were told append again. */
	#msPerByte = 0;
	#since = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** A round begins to be written; returns what {@link wrote} wants. */
	begin(): number {
		return this.#clock.monotonic();
	}

	/** The round begun at `began` is durable. */
	wrote(began: number): void {
		this.#writeMs = this.#clock.monotonic() - began;
	}

	/** Gathering begins: those whose round is durable are being told. */
	tell(): void {
		this.#since = this.#clock.monotonic();
	}

	/** Since `tell`, so many bytes have been appended. */
	gathered(bytes: number): void {
		if (bytes > 0) this.#msPerByte += WEIGHT * (this.#sample(bytes) - this.#msPerByte);
	}

	/** Half a round has been gathered (`bytes` since `tell`): tells whether it should begin, to be `all` bytes with its other half. */
	halfPays(bytes: number, all: number): boolean {
		return this.#writeMs <= PATIENCE * this.#sample(bytes) * all;
	}

	/** A round of `durable` bytes is done and `waiting` more are there: tells whether these should begin before anybody is told. */
	overlapPays(durable: number, waiting: number): boolean {
		return waiting * 2 >= durable && this.#writeMs <= PATIENCE * this.#msPerByte * (durable + waiting);
	}

	#sample(bytes: number): number {
		return (this.#clock.monotonic() - this.#since) / bytes;
	}
}
