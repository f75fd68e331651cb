/** Counts the results that vitest writes as JSON, folder by folder of test/. */
import { relative, sep } from "node:path";
import type { Suite } from "./suite.ts";

interface FileResult {
	readonly name: string;
	readonly status: string;
	readonly startTime: number;
	readonly endTime: number;
	readonly message?: string;
	readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
}

/**
 * One suite for each folder, also for one without results: a folder that ran no test has failed. Its seconds are those
 * of its files added up.
 *
 * @param report what vitest's reporter "json" wrote
 * @param testFolder the folder test/ where it ran
 */
export function suitesOf(report: unknown, testFolder: string, folders: readonly string[]): readonly Suite[] {
	const files = (report as { testResults: readonly FileResult[] }).testResults;
	return folders.map((folder) =>
		suiteOf(
			folder,
			files.filter((file) => relative(testFolder, file.name).split(sep)[0] === folder),
		),
	);
}

function suiteOf(name: string, files: readonly FileResult[]): Suite {
	const tests = files.flatMap((file) => file.assertionResults);
	const failed = tests.filter((test) => test.status === "failed");
	const passed = tests.filter((test) => test.status === "passed");
	const skipped = tests.filter((test) => test.status !== "failed" && test.status !== "passed");
	// A file that cannot be loaded has no results of its own.
	const broken = files.filter(
		(file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
	);
	const notes = [
		...failed.map((test) => `failed: ${test.fullName}`),
		...broken.map((file) => `failed: ${file.name}: ${file.message ?? ""}`),
		...skipped.map((test) => `skipped: ${test.fullName}`),
	];
	const isEmpty = passed.length + failed.length + broken.length === 0;
	if (isEmpty) notes.push(`failed: no test ran in test/${name}`);
	// Files of several folders run side by side: what a folder takes is what its files take.
	const ms = files.reduce((sum, { startTime, endTime }) => sum + endTime - startTime, 0);
	return {
		name,
		seconds: ms / 1000,
		passed: passed.length,
		failed: failed.length + broken.length + (isEmpty ? 1 : 0),
		skipped: skipped.length,
		notes,
	};
}
