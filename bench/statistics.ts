/** Middle and spread of a few measurements. */

/** Of several rounds. */
export interface Spread {
	readonly median: number;
	readonly min: number;
	readonly max: number;
}

/** Median, least and greatest. */
export function spreadOf(values: readonly number[]): Spread {
	const sorted = values.toSorted((a, b) => a - b);
	return { median: quantile(sorted, 0.5), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** Value below which a share `q` of ascending values lies, interpolated; NaN for none. */
export function quantile(ascending: ArrayLike<number>, q: number): number {
	const place = (ascending.length - 1) * q;
	const below = ascending[Math.floor(place)];
	const above = ascending[Math.ceil(place)];
	if (below === undefined || above === undefined) return Number.NaN;
	return below + (above - below) * (place - Math.floor(place));
}

/** Latencies gathered in a round, without allocating per sample. */
export class Latencies {
	#samples = new Float64Array(4096);
	#count = 0;

	/** Notes one, in milliseconds. */
	add(ms: number): void {
		if (this.#count === this.#samples.length) {
			const larger = new Float64Array(this.#count * 2);
			larger.set(this.#samples);
			this.#samples = larger;
		}
		this.#samples[this.#count++] = ms;
	}

	/** Mean, quantiles and the greatest, in microseconds. */
	figures(): { readonly p50: number; readonly p99: number; readonly mean: number; readonly most: number } {
		const sorted = this.#samples.slice(0, this.#count).sort();
		const mean = sorted.reduce((sum, ms) => sum + ms, 0) / this.#count;
		const at = (share: number): number => quantile(sorted, share) * 1000;
		return { p50: at(0.5), p99: at(0.99), mean: mean * 1000, most: at(1) };
	}
}
