/** What a suite gave, and how it is shown. */
export interface Suite {
	readonly name: string;
	readonly seconds: number;
	readonly passed: number;
	readonly failed: number;
	readonly skipped: number;
	/** What needs a look: failed and skipped tests by name. */
	readonly notes?: readonly string[];
}

/** A line for each suite, with its notes below it. */
export function allLines(suites: readonly Suite[]): readonly string[] {
	const width = Math.max(...suites.map(({ name }) => name.length));
	return suites.flatMap(({ name, seconds, passed, failed, skipped, notes = [] }) => [
		`${name.padEnd(width)}  ${seconds.toFixed(1).padStart(7)} s  ${passed} passed, ${failed} failed, ${skipped} skipped`,
		...notes.map((note) => `    ${note}`),
	]);
}

/** The sum over all suites. */
export function totalLine(suites: readonly Suite[]): string {
	const sum = (key: "passed" | "failed" | "skipped"): number => suites.reduce((total, suite) => total + suite[key], 0);
	return `${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`;
}
