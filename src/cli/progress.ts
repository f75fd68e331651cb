/** Progress of long work on stderr: one line on a terminal, a plain line each ten seconds elsewhere. */
import { fstatSync } from "node:fs";
import type { Clock, Timer } from "../core/clock.ts";
import type { CommandContext } from "./command.ts";
import type { Output } from "./output.ts";
import { formatBytes, formatSeconds } from "./units.ts";

const showAfterMs = 500;
const terminalEveryMs = 100;
const plainEveryMs = 10_000;
const barWidth = 10;

/** A counter of bytes that shows itself while work goes on. Always end it with `stop()`. */
export class Progress {
	readonly #out: Output;
	readonly #clock: Clock;
	readonly #label: string;
	readonly #startedMs: number;
	#total: number | undefined;
	#bytes = 0;
	#timer: Timer | undefined;

	/** With `quiet` it only keeps the time. */
	constructor(context: CommandContext, label: string, total?: number, quiet: boolean = context.global.quiet) {
		this.#out = context.out;
		this.#clock = context.io.clock;
		this.#label = label;
		this.#total = total;
		this.#startedMs = this.#clock.monotonic();
		if (!quiet) this.#schedule(this.#out.isTerminal ? showAfterMs : plainEveryMs);
	}

	/** Says how many bytes are done, and how many there are if that has become known. */
	update(bytes: number, total?: number): void {
		this.#bytes = bytes;
		this.#total = total ?? this.#total;
	}

	/** Milliseconds since it was made. */
	get elapsedMs(): number {
		return this.#clock.monotonic() - this.#startedMs;
	}

	/** Removes the line; nothing is shown any more. */
	stop(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
		this.#out.clearLine();
	}

	#schedule(ms: number): void {
		this.#timer = this.#clock.setTimer(ms, () => this.#show(), { keepAlive: false });
	}

	#show(): void {
		this.#schedule(this.#out.isTerminal ? terminalEveryMs : plainEveryMs);
		if (this.#bytes === 0 && this.#total === undefined) return;
		const text = progressLine(this.#label, this.#bytes, this.#total, this.elapsedMs);
		if (this.#out.isTerminal) this.#out.showLine(text);
		else this.#out.say(text);
	}
}

/** Whether what a command writes may be counted aloud: only where it goes to a file, elsewhere it would mix with the output of others. */
export function showsProgress({ io }: CommandContext, follow: boolean): boolean {
	return !follow && io.stdout === process.stdout && fstatSync(1).isFile();
}

/** `verify  ███████░░░  68%  1.4 GiB of 2.1 GiB  412 MiB/s  2 s left`, or without a total a counter and a rate. */
export function progressLine(label: string, bytes: number, total: number | undefined, elapsedMs: number): string {
	const rate = elapsedMs > 0 ? (bytes * 1000) / elapsedMs : 0;
	const speed = `${formatBytes(Math.round(rate))}/s`;
	if (total === undefined || total === 0) return `${label}  ${formatBytes(bytes)}  ${speed}`;
	const share = Math.min(1, bytes / total);
	const full = Math.round(share * barWidth);
	const bar = "█".repeat(full) + "░".repeat(barWidth - full);
	const left = rate > 0 ? `  ${formatSeconds(Math.max(0, total - bytes) / (rate / 1000))} left` : "";
	const percent = `${Math.floor(share * 100)}%`.padStart(4);
	return `${label}  ${bar} ${percent}  ${formatBytes(bytes)} of ${formatBytes(total)}  ${speed}${left}`;
}
