/** The command line as a process of its own, run from the sources. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, vi } from "vitest";

/** The script that `node` runs. */
const mainPath: string = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** How a process ended. */
export interface Ended {
	readonly code: number | null;
	readonly stdout: Buffer;
	/** stdout as text. */
	readonly out: string;
	readonly err: string;
	/** stdout as lines of JSON. */
	lines<T = Record<string, unknown>>(): T[];
	/** The object behind `{"error": …}` in the last line of stderr. */
	error(): { code: string; category: string; message: string; hint: string; details: Record<string, unknown> };
}

/** Where and how to run it. */
export interface CliOptions {
	readonly cwd: string;
	readonly env?: Record<string, string>;
	readonly readStdout?: boolean;
	readonly through?: readonly string[];
}

/** A process under way. */
export class CliProcess {
	readonly child: ChildProcessWithoutNullStreams;
	readonly ended: Promise<Ended>;
	readonly #out: Buffer[] = [];
	readonly #err: Buffer[] = [];

	/** `through` is a command that runs the rest of its arguments as a command. */
	constructor(args: readonly string[], options: CliOptions) {
		const env = { ...process.env, STREAMBED_STORE: "", NO_COLOR: "1", ...options.env };
		const [program = "", ...rest] = [...(options.through ?? []), process.execPath, mainPath, ...args];
		this.child = spawn(program, rest, { cwd: options.cwd, env });
		if (options.readStdout !== false) this.child.stdout.on("data", (data: Buffer) => this.#out.push(data));
		this.child.stderr.on("data", (data: Buffer) => this.#err.push(data));
		// A command that ends early closes its input while the test still writes.
		this.child.stdin.on("error", () => {});
		this.ended = this.#end();
	}

	/** All of stdout so far. */
	get out(): Buffer {
		return Buffer.concat(this.#out);
	}

	/** All of stderr so far. */
	get err(): string {
		return Buffer.concat(this.#err).toString();
	}

	/** Waits until stdout is at least so many bytes long. */
	async outReaches(bytes: number): Promise<void> {
		await vi.waitFor(() => expect(this.out.length).toBeGreaterThanOrEqual(bytes), { timeout: 15_000, interval: 10 });
	}

	/** Ends stdin with `input` and waits for the end of the process. */
	async finish(input: Uint8Array | string = ""): Promise<Ended> {
		this.child.stdin.end(input);
		return await this.ended;
	}

	async #end(): Promise<Ended> {
		const [code] = (await once(this.child, "close")) as [number | null];
		const { out: stdout, err } = this;
		const out = stdout.toString();
		return {
			code,
			stdout,
			out,
			err,
			lines: <T>() =>
				out
					.split("\n")
					.filter((line) => line !== "")
					.map((line) => JSON.parse(line) as T),
			error: () => (JSON.parse(err.trimEnd().split("\n").at(-1) ?? "") as { error: ReturnType<Ended["error"]> }).error,
		};
	}
}
