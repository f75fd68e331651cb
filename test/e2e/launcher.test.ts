/**
 * bin/streambed.js on a Node that is too old. The real launcher stands in a folder of its own beside a stand-in for
 * the command line; package.json there asks for a Node that does not exist, or a stand-in for the npm package `node`
 * claims to be it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Prints its process and arguments, then does what the first argument says. */
const commandLine = `
import { writeFileSync } from "node:fs";
export async function main(argv) {
	// Before the greeting, after which the signal may come at once.
	const ended = argv[0] === "wait" && new Promise((resolve) => process.once("SIGTERM", resolve));
	const timer = ended && setInterval(() => {}, 1000);
	process.stdout.write(JSON.stringify({ pid: process.pid, argv, env: process.env.STREAMBED_LAUNCHED ?? null }) + "\\n");
	if (argv[0] === "exit") return Number(argv[1]);
	if (argv[0] === "echo") for await (const chunk of process.stdin) process.stdout.write(chunk);
	if (ended) await ended.then(() => clearInterval(timer));
	if (argv[0] === "hang") await new Promise(() => setInterval(() => {}, 1000));
	return argv[0] === "wait" ? 143 : 0;
}
`;

interface Run {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly stdout: string;
	readonly stderr: string;
}

describe("bin/streambed.js", () => {
	let folder: string;
	const children: ChildProcess[] = [];

	beforeEach(() => {
		folder = mkdtempSync(join(tmpdir(), "streambed-launcher-"));
		cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true });
		mkdirSync(join(folder, "dist", "cli"), { recursive: true });
		writeFileSync(join(folder, "dist", "cli", "main.js"), commandLine);
		needNode(">=24.21.0");
	});

	afterEach(() => {
		for (const child of children.splice(0)) child.kill("SIGKILL");
		rmSync(folder, { recursive: true, force: true });
	});

	function needNode(range: string): void {
		writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", engines: { node: range } }));
	}

	/** A package `node` of this version, whose binary is this Node with that version in `process.versions`. */
	function installNode(version: string, claimed: string): void {
		const bin = join(folder, "node_modules", "node", "bin");
		mkdirSync(bin, { recursive: true });
		writeFileSync(join(bin, "..", "package.json"), JSON.stringify({ name: "node", version }));
		const pretend = `Object.defineProperty(process.versions, "node", { value: ${JSON.stringify(claimed)} });`;
		const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
		writeFileSync(join(bin, "node"), `#!/bin/sh\nexec '${process.execPath}' --import '${preload}' "$@"\n`, {
			mode: 0o755,
		});
	}

	function start(args: readonly string[]): ChildProcess & { readonly result: Promise<Run> } {
		const child = spawn(process.execPath, [join(folder, "bin", "streambed.js"), ...args], { cwd: folder });
		children.push(child);
		let stdout = "";
		let stderr = "";
		child.stdout.setEncoding("utf8").on("data", (text: string) => {
			stdout += text;
		});
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
		});
		const result = once(child, "close").then(([code, signal]) => ({ code, signal, stdout, stderr }) as Run);
		return Object.assign(child, { result });
	}

	/** What the stand-in prints first. */
	async function greeting(child: ChildProcess): Promise<{ readonly pid: number }> {
		let text = "";
		child.stdout?.on("data", (chunk: string) => {
			text += chunk;
		});
		await vi.waitUntil(() => text.includes("\n"), { timeout: 10_000, interval: 10 });
		return JSON.parse(text) as { pid: number };
	}

	it("runs the command line in its own process on a Node that is new enough", async () => {
		const child = start(["exit", "5", "--x"]);
		const run = await child.result;
		expect(run).toMatchObject({ code: 5, stderr: "" });
		expect(JSON.parse(run.stdout)).toEqual({ pid: child.pid, argv: ["exit", "5", "--x"], env: null });
	});

	it("says on an old Node what is needed, what was found and what to do", async () => {
		needNode(">=99.0.0");
		const run = await start(["exit", "0"]).result;
		expect(run).toMatchObject({ code: 1, stdout: "" });
		expect(run.stderr).toContain("needs Node 99.0.0 or later");
		expect(run.stderr).toContain(`this is Node ${process.versions.node}`);
		expect(run.stderr).toContain("hint");
	});

	it("starts the project's own newer Node, with arguments, input and exit code passed on", async () => {
		needNode(">=99.0.0");
		installNode("99.1.0", "99.1.0");
		const child = start(["echo", "a b"]);
		child.stdin?.end("through\n");
		const run = await child.result;
		const [first = "", second] = run.stdout.split("\n");
		expect(JSON.parse(first)).toMatchObject({ argv: ["echo", "a b"], env: null });
		expect(JSON.parse(first).pid).not.toBe(child.pid);
		expect(second).toBe("through");
		expect(run).toMatchObject({ code: 0, stderr: "" });
		expect(await start(["exit", "6"]).result).toMatchObject({ code: 6 });
	});

	it("does not start another Node that is too old as well, nor itself for ever", async () => {
		needNode(">=99.0.0");
		installNode("98.0.0", "99.0.0");
		expect(await start(["exit", "0"]).result).toMatchObject({ code: 1, stdout: "" });
		installNode("99.0.0", "24.21.0");
		const run = await start(["exit", "0"]).result;
		expect(run).toMatchObject({ code: 1, stdout: "" });
		expect(run.stderr.match(/needs Node/g)).toHaveLength(1);
	});

	it("passes signals on to the newer Node, and ends as that ends", async () => {
		needNode(">=99.0.0");
		installNode("99.0.0", "99.0.0");
		const polite = start(["wait"]);
		await greeting(polite);
		polite.kill("SIGTERM");
		expect(await polite.result).toMatchObject({ code: 143, signal: null });
		const rude = start(["hang"]);
		const { pid } = await greeting(rude);
		process.kill(pid, "SIGKILL");
		expect(await rude.result).toMatchObject({ code: null, signal: "SIGKILL" });
	});

	it.skipIf(!existsSync("/proc/self/stat"))("takes the newer Node with it when it is killed", async () => {
		needNode(">=99.0.0");
		installNode("99.0.0", "99.0.0");
		const child = start(["hang"]);
		const { pid } = await greeting(child);
		child.kill("SIGKILL");
		// A process that nobody waits for yet is a zombie, state Z: gone, and holding nothing.
		const lives = (): boolean => {
			try {
				return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
			} catch {
				return false;
			}
		};
		await vi.waitUntil(() => !lives(), { timeout: 10_000, interval: 10 });
	});

	it("says so when it was not built", async () => {
		rmSync(join(folder, "dist"), { recursive: true });
		const run = await start([]).result;
		expect(run.code).toBe(1);
		expect(run.stderr).toMatch(/not built.*\n.*npm run build/s);
	});
});
