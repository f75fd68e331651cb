/** Processes that are killed while they work on a store. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";

/** How a killed process ended, and what it had said. */
export interface Killed {
	readonly lines: readonly string[];
	readonly stderr: string;
	/** It was still running when the signal came. */
	readonly byUs: boolean;
}

/** When to kill. */
export interface Moment {
	/** Begin to count at this line on standard output, or at the start. */
	readonly after: string | undefined;
	readonly ms: number;
	/** However slow the machine is, kill after this. */
	readonly atLatestMs: number;
}

/** Starts a process, feeds it, and kills it with SIGKILL at a moment. */
export async function runAndKill(
	args: readonly string[],
	moment: Moment,
	feed: (child: ChildProcessWithoutNullStreams) => void = () => {},
): Promise<Killed> {
	const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
		env: { ...process.env, STREAMBED_STORE: "", NO_COLOR: "1" },
	});
	const out: Buffer[] = [];
	const err: Buffer[] = [];
	child.stderr.on("data", (data: Buffer) => err.push(data));
	child.stdin.on("error", () => {});
	const kill = (): void => void child.kill("SIGKILL");
	const latest = setTimeout(kill, moment.atLatestMs);
	let timer = moment.after === undefined ? setTimeout(kill, moment.ms) : undefined;
	child.stdout.on("data", (data: Buffer) => {
		out.push(data);
		if (timer === undefined && data.includes(moment.after ?? "")) timer = setTimeout(kill, moment.ms);
	});
	feed(child);
	const [, signal] = (await once(child, "close")) as [number | null, string | null];
	clearTimeout(latest);
	clearTimeout(timer);
	// The last line may have been cut by the signal.
	const lines = Buffer.concat(out).toString().split("\n").slice(0, -1);
	return { lines, stderr: Buffer.concat(err).toString(), byUs: signal === "SIGKILL" };
}
