/** Descriptors are few: how many this process may have, and waiting for one where they have run out. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode } from "./system-error.ts";

/** Where the system does not tell. */
const ASSUMED = 1024;
const PAUSE_MS = 5;
/** Ten seconds: those who hold one for a moment have let it go by then. */
const TRIES = 2000;

/** Files that one store should keep open: a quarter of what the process may, others need some as well. */
export function descriptorShare(): number {
	return Math.max(8, Math.floor(descriptorLimit() / 4));
}

function descriptorLimit(): number {
	try {
		const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
		return found === undefined ? ASSUMED : Number(found);
	} catch {
		return ASSUMED;
	}
}

/** Does what needs a descriptor; where none is free, waits until somebody has let go of one. */
export async function withDescriptor<T>(work: () => Promise<T>): Promise<T> {
	for (let tries = TRIES; ; tries--) {
		try {
			return await work();
		} catch (error) {
			if (tries === 0 || !hasCode(error, "EMFILE", "ENFILE")) throw error;
			await sleep(PAUSE_MS);
		}
	}
}
