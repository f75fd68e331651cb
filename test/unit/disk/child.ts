/** Starts the processes that the tests of lock and owner need. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./lock-child.ts", import.meta.url));

export interface LockChild {
	readonly pid: number;
	/** The first line that it said. */
	readonly said: string;
	/** Kills it and waits until it is gone. */
	kill(): Promise<void>;
	/** Lets it release its lock and end by itself. */
	end(): Promise<void>;
}

/** Runs lock-child.ts until it has said its first line. */
export async function startLockChild(command: "hold" | "claim" | "drop", path: string): Promise<LockChild> {
	const child = spawn(process.execPath, [script, command, path], { stdio: ["pipe", "pipe", "inherit"] });
	const gone = once(child, "exit");
	const said = await firstLine(child);
	return {
		pid: child.pid ?? 0,
		said,
		async kill() {
			child.kill("SIGKILL");
			await gone;
		},
		async end() {
			child.stdin?.end();
			await gone;
		},
	};
}

async function firstLine(child: ChildProcess): Promise<string> {
	let text = "";
	for await (const chunk of child.stdout ?? []) {
		text += String(chunk);
		if (text.includes("\n")) break;
	}
	return text.trim();
}
