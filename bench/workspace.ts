/** The folder that a run works in, and the processes that it starts: both are gone when it ends, however it ends. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const running = new Set<ChildProcessByStdio<Writable, Readable, null>>();

/** Makes a folder below `parent` that is removed when the process exits, also by Ctrl-C. */
export function makeWorkspace(parent: string): string {
	const folder = mkdtempSync(join(parent, "streambed-bench-"));
	process.on("exit", () => {
		for (const child of running) child.kill("SIGKILL");
		rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
	});
	process.once("SIGINT", () => process.exit(130));
	process.once("SIGTERM", () => process.exit(143));
	return folder;
}

/** A program of this benchmark in a process of its own. */
export interface Child {
	/** Its next line. @throws if it ends before */
	line(): Promise<string>;
	/** Sends it a line and waits for its next one. */
	ask(line: string): Promise<string>;
	/** Ends its standard input and waits until it is gone. @throws if it failed */
	end(): Promise<void>;
	/** SIGKILL; waits until it is gone. */
	kill(): Promise<void>;
}

/** Starts one of the programs in `children/`. */
export function startChild(program: URL, args: readonly string[]): Child {
	const path = fileURLToPath(program);
	const child = spawn(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "inherit"] });
	running.add(child);
	const gone = new Promise<number | null>((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", resolve);
	}).finally(() => running.delete(child));
	gone.catch(() => {});
	const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
	const line = async (): Promise<string> => {
		const next = await lines.next();
		if (next.done === true) throw new Error(`${path} ended with exit code ${await gone} before it had answered`);
		return next.value;
	};
	return {
		line,
		ask(text) {
			child.stdin.write(`${text}\n`);
			return line();
		},
		async end() {
			child.stdin.end();
			const code = await gone;
			if (code !== 0) throw new Error(`${path} ended with exit code ${code}`);
		},
		async kill() {
			child.kill("SIGKILL");
			await gone;
		},
	};
}
