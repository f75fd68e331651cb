/** stdout is data, stderr is talk. Data waits for room; talk is dropped by --quiet. */
import { styleText } from "node:util";
import { throwIfAborted } from "../core/abort.ts";
import type { Timer } from "../core/clock.ts";
import { fail, type StreambedError } from "../core/errors.ts";
import type { CliIo, GlobalOptions } from "./command.ts";

/** How long an interrupted command waits for a reader of stdout that does not read. */
const graceMs = 500;

/** Thrown by writes once the reader of stdout is gone; ends the command with exit code 0. */
export class ClosedPipe extends Error {}

/** Colours and weights in use. */
export type Style = "red" | "bold" | "dim" | "green";

/** The two output streams of a command. */
export class Output {
	readonly #io: CliIo;
	readonly #flags: GlobalOptions;
	readonly #signal: AbortSignal;
	readonly #waiting = new Set<() => void>();
	#closed = false;
	#failure: StreambedError | undefined;
	/** A progress line stands on the terminal, without a line feed. */
	#lineShown = false;

	constructor(io: CliIo, flags: GlobalOptions, signal: AbortSignal) {
		this.#io = io;
		this.#flags = flags;
		this.#signal = signal;
		io.stdout.on("error", this.#onError);
		io.stdout.on("drain", this.#wake);
		io.stdout.on("close", this.#onClose);
		io.stderr.on("error", ignore);
		signal.addEventListener("abort", this.#wake);
	}

	/** The reader of stdout is gone. */
	get closed(): boolean {
		return this.#closed;
	}

	/** stderr is a terminal. */
	get isTerminal(): boolean {
		return this.#io.stderr.isTTY === true;
	}

	/** stdout is a terminal. */
	get showsData(): boolean {
		return this.#io.stdout.isTTY === true;
	}

	/** Columns of the terminal behind stderr. */
	get columns(): number {
		return this.#io.stderr.columns ?? 80;
	}

	/** Writes data and resolves once there is room for more. @throws ClosedPipe, ABORTED, IO */
	async data(chunk: Uint8Array | string): Promise<void> {
		this.#check();
		if (this.#io.stdout.write(chunk)) return;
		while (this.#io.stdout.writableNeedDrain) {
			throwIfAborted(this.#signal, "writing to standard output");
			await this.#event();
			this.#check();
		}
	}

	/** Writes a line of text. */
	async line(text: string): Promise<void> {
		await this.data(`${text}\n`);
	}

	/** Writes an object as one line of JSON. */
	async json(value: unknown): Promise<void> {
		await this.data(`${JSON.stringify(value)}\n`);
	}

	/** Says something to people, unless --quiet. */
	say(text: string): void {
		if (!this.#flags.quiet) this.complain(text);
	}

	/** Says something only with --verbose. */
	detail(text: string): void {
		if (this.#flags.verbose) this.complain(this.style("dim", text));
	}

	/** Writes to stderr whatever the flags: errors and what was asked for. */
	complain(text: string): void {
		this.clearLine();
		this.#io.stderr.write(`${text}\n`);
	}

	/** Replaces the progress line on the terminal. */
	showLine(text: string): void {
		this.#lineShown = true;
		this.#io.stderr.write(`\r\u001b[K${text.slice(0, this.columns - 1)}`);
	}

	/** Removes the progress line, if one is shown. */
	clearLine(): void {
		if (this.#lineShown) this.#io.stderr.write("\r\u001b[K");
		this.#lineShown = false;
	}

	/** Colours text for stderr, where colours are wanted. */
	style(style: Style, text: string): string {
		return this.#flags.color ? styleText(style, text, { stream: this.#io.stderr }) : text;
	}

	/**
	 * Waits until all data has left. After an interruption a stalled reader is waited for no longer than half a second.
	 * Returns false if it was given up. @throws IO
	 */
	async flush(): Promise<boolean> {
		let flushed = false;
		let patient = true;
		let timer: Timer | undefined;
		// Its callback comes after those of all writes before, and after their errors.
		this.#io.stdout.write("", () => {
			flushed = true;
			this.#wake();
		});
		while (!flushed && !this.#closed && patient) {
			if (this.#signal.aborted) {
				timer ??= this.#io.clock.setTimer(graceMs, () => {
					patient = false;
					this.#wake();
				});
			}
			await this.#event();
		}
		timer?.cancel();
		this.clearLine();
		if (this.#failure !== undefined) throw this.#failure;
		return flushed || this.#closed;
	}

	/** Takes its listeners away. */
	dispose(): void {
		this.#io.stdout.off("drain", this.#wake);
		this.#io.stdout.off("close", this.#onClose);
		this.#signal.removeEventListener("abort", this.#wake);
		// The error listeners stay: a late EPIPE must not become an uncaught exception.
	}

	#check(): void {
		if (this.#failure !== undefined) throw this.#failure;
		if (this.#closed) throw new ClosedPipe("the reader of standard output is gone");
	}

	/** Resolves when stdout drains, fails or closes, or the command is interrupted. */
	#event(): Promise<void> {
		return new Promise((resolve) => this.#waiting.add(resolve));
	}

	readonly #wake = (): void => {
		for (const resolve of this.#waiting) resolve();
		this.#waiting.clear();
	};

	readonly #onClose = (): void => {
		this.#closed = true;
		this.#wake();
	};

	readonly #onError = (error: NodeJS.ErrnoException): void => {
		if (error.code === "EPIPE" || error.code === "ECONNRESET") this.#closed = true;
		else {
			this.#failure ??= fail("IO", `cannot write to standard output: ${error.message}`, {
				hint: "Make room where the output goes, or send it elsewhere; the store is not to blame.",
				cause: error,
			});
		}
		this.#wake();
	};
}

function ignore(): void {}

/** Rows under headings in capitals; columns of numbers are right-aligned. */
export function table(
	headings: readonly string[],
	rows: readonly (readonly string[])[],
	right: readonly number[] = [],
): string {
	const widths = headings.map((heading, column) =>
		Math.max(heading.length, ...rows.map((row) => (row[column] ?? "").length)),
	);
	const lines = [headings, ...rows].map((row) =>
		row
			.map((cell, column) =>
				right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
			)
			.join("   ")
			.trimEnd(),
	);
	return lines.join("\n");
}
