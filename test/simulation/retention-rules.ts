/** Rules that take data away, as streams of the simulation have them. */
import type { Retention } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";

/** Rules of a new stream, or none. */
export function retentionOf(random: SeededRandom): Retention | undefined {
	const ageMs = random.pick([20, 200, 2000, 20_000, 1_000_000]);
	const bytes = random.pick([1000, 100_000]);
	switch (random.weighted({ none: 4, age: 4, size: 1, both: 1, bound: 1 })) {
		case "age":
			return { ageMs };
		case "size":
			return { bytes };
		case "both":
			return { ageMs, bytes };
		case "bound":
			return { ageMs, maxBytes: bytes * 3 };
		case "none":
			return undefined;
	}
}
