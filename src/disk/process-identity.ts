/**
 * Which process is which: a process number alone is reused, and in containers it is nearly always the same, so the
 * machine's boot, the namespace of the number and the start of the process come with it. Linux only; elsewhere nothing
 * but the number is known. The files read here are the kernel's, never a disk's, hence the synchronous calls.
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { ProcessIdentity } from "./disk.ts";

let own: ProcessIdentity | undefined;

/** Tells who this process is. */
export function processIdentity(): ProcessIdentity {
	own ??= identify(process.pid);
	return own;
}

/**
 * Tells for certain that the process of an identity runs now: same number, boot, namespace and start, and not merely
 * dead and unburied. Whatever can't be read makes the answer `false`.
 */
export function processRuns(identity: ProcessIdentity): boolean {
	if (identity.boot === undefined || identity.pidNamespace === undefined || identity.startTicks === undefined) {
		return false;
	}
	const here = processIdentity();
	if (here.boot !== identity.boot || here.pidNamespace !== identity.pidNamespace) return false;
	const stat = readProcessStat(identity.pid);
	return stat?.startTicks === identity.startTicks && !/^[ZXx]$/.test(stat.state);
}

function identify(pid: number): ProcessIdentity {
	const startTicks = readProcessStat(pid)?.startTicks;
	const boot = readKernel(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
	const pidNamespace = readKernel(() => readlinkSync("/proc/self/ns/pid"));
	if (startTicks === undefined || boot === undefined || pidNamespace === undefined) return { pid };
	return { pid, boot, pidNamespace, startTicks };
}

function readProcessStat(pid: number): { state: string; startTicks: string } | undefined {
	if (!Number.isSafeInteger(pid) || pid < 1) return undefined;
	const text = readKernel(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
	// The second field is the program's name in parentheses and may hold spaces and parentheses itself.
	const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
	const state = fields?.[0];
	const startTicks = fields?.[19]; // field 22 of proc(5), counted from the third
	return state === undefined || startTicks === undefined ? undefined : { state, startTicks };
}

function readKernel(read: () => string): string | undefined {
	if (process.platform !== "linux") return undefined;
	try {
		return read();
	} catch {
		return undefined; // no such process, or hidden from us
	}
}
