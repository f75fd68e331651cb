import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ProcessIdentity } from "../../../src/disk/disk.ts";
import { processIdentity, processRuns } from "../../../src/disk/process-identity.ts";

describe.runIf(process.platform === "linux")("a process's identity", () => {
	it("says of this process that it runs", () => {
		expect(processIdentity().pid).toBe(process.pid);
		expect(processRuns(processIdentity())).toBe(true);
	});

	it("says of a process that is dead but not yet waited for that it does not run", async () => {
		// A shell that never waits for its child leaves a zombie, as containers without an init process do.
		const shell = spawn("sh", ["-c", "sleep 100 & echo $!; exec sleep 100 </dev/null"], {
			stdio: ["ignore", "pipe", "ignore"],
		});
		try {
			const pid = Number(await firstLine(shell));
			const identity = { ...processIdentity(), pid, startTicks: startTicks(pid) } satisfies ProcessIdentity;
			expect(processRuns(identity)).toBe(true);
			process.kill(pid, "SIGKILL");
			const deadline = Date.now() + 10_000;
			while (!/\) Z /.test(statOf(pid)) && Date.now() < deadline) await new Promise((done) => setImmediate(done));
			expect(startTicks(pid)).toBe(identity.startTicks);
			expect(processRuns(identity)).toBe(false);
		} finally {
			shell.kill("SIGKILL");
		}
	});
});

async function firstLine(child: ChildProcess): Promise<string> {
	let text = "";
	for await (const chunk of child.stdout ?? []) {
		text += String(chunk);
		if (text.includes("\n")) break;
	}
	return text.trim();
}

function statOf(pid: number): string {
	return readFileSync(`/proc/${pid}/stat`, "utf8");
}

function startTicks(pid: number): string {
	return statOf(pid).split(") ")[1]?.split(" ")[19] ?? "";
}
