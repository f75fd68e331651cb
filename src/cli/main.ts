/** Entry of the command line: reads the arguments, runs a command, and turns its outcome into an exit code. */
import { readFileSync } from "node:fs";
import { systemClock } from "../core/clock.ts";
import { exitCodes } from "../core/errors.ts";
import { commands } from "./catalog.ts";
import type { CliIo } from "./command.ts";
import { asStreambedError, errorJson, errorText, isSystemError } from "./error-text.ts";
import { Interruption } from "./interrupt.ts";
import { ClosedPipe, Output } from "./output.ts";
import { printable } from "./printable.ts";
import { parse, scanFlags } from "./program.ts";
import { atTerminal } from "./terminal-hints.ts";

/**
 * Runs the command line with arguments as after `node script`, and resolves with the exit code.
 * All output has been handed over by then.
 */
export async function main(argv: readonly string[], io: CliIo = processIo()): Promise<number> {
	const flags = scanFlags(argv);
	const interruption = new Interruption();
	const out = new Output(io, flags, interruption.signal);
	let stalled = false;
	const work = await settle(() => dispatch(argv, io, out, interruption.signal));
	const flushing = await settle(async () => {
		stalled = !(await out.flush());
	});
	if (flags.stats) out.complain(stats(io));
	const code = report(work ?? flushing, flags, out, interruption);
	out.dispose();
	interruption.dispose();
	// What a stalled reader of stdout has not taken would keep the interrupted process.
	if (stalled && io.stdout === process.stdout) process.exit(code);
	return code;
}

type Outcome = { readonly thrown: unknown } | undefined;

async function settle(work: () => Promise<void>): Promise<Outcome> {
	try {
		await work();
		return undefined;
	} catch (thrown) {
		return { thrown };
	}
}

async function dispatch(argv: readonly string[], io: CliIo, out: Output, signal: AbortSignal): Promise<void> {
	const request = parse(argv, commands);
	if (request.kind === "help") return await out.data(request.text);
	if (request.kind === "version") {
		if (scanFlags(argv).json) await out.json({ version: version(), node: process.versions.node });
		else await out.line(version());
		return;
	}
	const { spec, args, options, global } = request;
	const address = { store: global.store, environment: io.env.STREAMBED_STORE, cwd: io.cwd };
	try {
		await spec.run({ io, global, address, out, signal }, args, options);
	} catch (error) {
		throw atTerminal(isSystemError(error) ? asStreambedError(error) : error, spec.name);
	}
}

function report(
	outcome: Outcome,
	flags: { json: boolean; verbose: boolean },
	out: Output,
	interruption: Interruption,
): number {
	if (outcome === undefined || outcome.thrown instanceof ClosedPipe) return 0;
	const error = asStreambedError(outcome.thrown);
	const aborted = error.code === "STREAMBED_ABORTED";
	if (flags.json) out.complain(errorJson(error));
	else if (aborted && !flags.verbose) {
		// Who reads is told where he was, and how to go on.
		const goOn = error.details.position === undefined ? "" : `. ${error.hint}`;
		out.complain(`interrupted: ${printable(error.message)}${printable(goOn)}`);
	} else out.complain(errorText(error, out, flags.verbose));
	return aborted ? (interruption.exitCode ?? exitCodes.aborted) : exitCodes[error.category];
}

/** What --stats prints: peak memory, time since the process began, time of the processor. */
function stats(io: CliIo): string {
	const { user, system } = process.cpuUsage();
	return JSON.stringify({
		peakRssBytes: process.resourceUsage().maxRSS * 1024,
		wallMs: Math.round(io.clock.monotonic()),
		cpuMs: Math.round((user + system) / 1000),
	});
}

function version(): string {
	const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
	return String((manifest as { version: string }).version);
}

function processIo(): CliIo {
	return {
		get stdin() {
			return process.stdin;
		},
		stdout: process.stdout,
		stderr: process.stderr,
		env: process.env,
		cwd: process.cwd(),
		clock: systemClock,
	};
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
