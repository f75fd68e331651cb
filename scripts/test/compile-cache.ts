/**
 * Set-up of the tests: the processes that they start share what Node compiled, types stripped from the sources
 * included, in a folder that lives as long as the run. Two thirds of the time that a command took went into that. Node
 * compares the text of each file, so a changed source is compiled anew.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let folder: string | undefined;

/** Called by vitest for each project, before its first test. */
export function setup(): void {
	if (process.env.NODE_COMPILE_CACHE !== undefined) return;
	folder = mkdtempSync(join(tmpdir(), "streambed-compiled-"));
	process.env.NODE_COMPILE_CACHE = folder;
}

/** Called by vitest after the last test of all. */
export function teardown(): void {
	if (folder === undefined) return;
	delete process.env.NODE_COMPILE_CACHE;
	rmSync(folder, { recursive: true, force: true });
}
