/** The file that keeps a step of the wall clock for the next opening (docs/format.md §1). */
import { join } from "node:path/posix";
import type { ClockStep } from "../../core/clock-watch.ts";
import type { Disk } from "../../disk/disk.ts";
import { replaceFile } from "./stream-folder.ts";

function pathOf(root: string): string {
	return join(root, "journal", "clock-step");
}

/** The step that an earlier owner has seen; `undefined` if there was none, or the file makes no sense. */
export async function readClockStep(disk: Disk, root: string): Promise<ClockStep | undefined> {
	try {
		const { at, by } = JSON.parse(new TextDecoder().decode(await disk.readFile(pathOf(root)))) as ClockStep;
		return Number.isFinite(at) && Number.isFinite(by) ? { at, by } : undefined;
	} catch {
		return undefined;
	}
}

/** Keeps a step, or forgets the one that is kept. What cannot be kept now is known to this process all the same. */
export async function keepClockStep(disk: Disk, root: string, step: ClockStep | null): Promise<void> {
	const whole = step === null ? undefined : { format: 1, at: Math.round(step.at), by: Math.round(step.by) };
	const kept = whole === undefined ? disk.unlink(pathOf(root)) : replaceFile(disk, pathOf(root), encode(whole));
	await kept.catch(() => {});
}

function encode(value: object): Uint8Array {
	return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}
