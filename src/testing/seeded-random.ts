/** Random choices that are the same in every run with the same seed (mulberry32). */
import type { Random } from "../core/random.ts";

/** A generator; not for secrets. */
export class SeededRandom implements Random {
	#state: number;

	/** The same seed, a 32-bit integer, gives the same choices. */
	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	/** A number from 0 up to, and not including, 1. */
	fraction(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
	}

	/** An integer from 0 up to, and not including, `bound`. */
	below(bound: number): number {
		return Math.floor(this.fraction() * bound);
	}

	/** An integer from `min` up to and including `max`. */
	between(min: number, max: number): number {
		return min + this.below(max - min + 1);
	}

	/** True with this probability. */
	chance(probability: number): boolean {
		return this.fraction() < probability;
	}

	/** One of these. */
	pick<T>(choices: readonly T[]): T {
		return choices[this.below(choices.length)] as T;
	}

	/** One of these names, each as often as its weight says. */
	weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
		const entries = Object.entries(weights) as [T, number][];
		let left = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
		for (const [name, weight] of entries) {
			left -= weight;
			if (left < 0) return name;
		}
		return (entries.at(-1) as [T, number])[0];
	}

	/** New random bytes. */
	bytes(length: number): Uint8Array {
		return Uint8Array.from({ length }, () => this.below(256));
	}

	/** A generator of its own, so that what one part draws does not change what another gets. */
	fork(): SeededRandom {
		return new SeededRandom(this.below(2 ** 32));
	}
}
