/**
 * The order in which test files begin: those that take long before all others, or one of them would run alone at the
 * end. One that computes and one that waits take turns, so that they run side by side.
 */
import { relative, sep } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** They compute all the time. By path below test/, the longest first. */
const computing = [
	"simulation/breaks.test.ts",
	"simulation/crashes.test.ts",
	"crash/faults.test.ts",
	"crash/power.test.ts",
	"crash/record-parts-cuts.test.ts",
	"property/repair.test.ts",
	"crash/cuts.test.ts",
	"crash/producer-cuts.test.ts",
];

/** They wait half of the time or more, or start processes that do. */
const waiting = [
	"contract/local.test.ts",
	"e2e/care.test.ts",
	"unit/log/pressure.test.ts",
	"crash/kill.test.ts",
	"e2e/cli.test.ts",
	"soak/soak.test.ts",
	"e2e/records.test.ts",
	"e2e/beside-owner.test.ts",
	"contract/memory.test.ts",
	"unit/log/repair-journal.test.ts",
	"e2e/examples.test.ts",
	"crash/full-disk-commands.test.ts",
	"e2e/txn.test.ts",
	"unit/cli/stream-ops-commands.test.ts",
	"crash/record-kill.test.ts",
	"e2e/append-producer.test.ts",
	"e2e/read-only.test.ts",
	"crash/full-disk.test.ts",
];

/** Long files, in the order in which they begin. */
export const longFiles: readonly string[] = waiting.flatMap((path, index) => [
	...computing.slice(index, index + 1),
	path,
]);

/** Sorts test files for vitest. */
export class LongFirst extends BaseSequencer {
	override async sort(specs: TestSpecification[]): Promise<TestSpecification[]> {
		const places = new Map(longFiles.map((path, index) => [path, index]));
		const placeOf = ({ moduleId }: TestSpecification): number => {
			const path = relative(this.ctx.config.root, moduleId).split(sep).slice(1).join("/");
			return places.get(path) ?? longFiles.length;
		};
		// All others stand as vitest sorts them.
		const sorted = await super.sort(specs);
		return sorted.sort((a, b) => placeOf(a) - placeOf(b));
	}
}
