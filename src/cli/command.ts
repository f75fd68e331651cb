/** What a command of the command line is: its words in the help, its options, and the function that runs it. */
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import type { AddressContext } from "./address.ts";
import type { Output } from "./output.ts";

/** The process as seen by the command line; tests pass their own streams. */
export interface CliIo {
	readonly stdin: Readable & { readonly isTTY?: boolean; readonly fd?: number };
	readonly stdout: Writable & { readonly isTTY?: boolean; readonly fd?: number };
	readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly cwd: string;
	readonly clock: Clock;
}

/** Options that every command understands, before or after its name. */
export interface GlobalOptions {
	readonly store?: string;
	readonly json: boolean;
	readonly stats: boolean;
	readonly quiet: boolean;
	readonly verbose: boolean;
	readonly color: boolean;
}

/** What a command works with. */
export interface CommandContext {
	readonly io: CliIo;
	readonly global: GlobalOptions;
	readonly address: AddressContext;
	readonly out: Output;
	/** Aborted by SIGINT, SIGTERM, or a reader of stdout that is gone. */
	readonly signal: AbortSignal;
}

/** An option of a command; `flags` as commander reads them, such as `--chunk <size>`. */
export interface OptionSpec {
	readonly flags: string;
	readonly help: string;
	/** May be given several times. */
	readonly repeated?: true;
}

/** An option that is part of the command line's contract and not of this version: refused in clear words. */
export interface LaterOption {
	readonly flags: string;
	/** What it needs: "record streams". */
	readonly needs: string;
}

/** One command. */
export interface CommandSpec {
	readonly name: string;
	/** Section in the top help. */
	readonly section: "Data" | "Streams" | "Care";
	/** A few words for the top help. */
	readonly summary: string;
	/** One to three lines for its own help. */
	readonly purpose: string;
	/** Arguments as commander reads them, such as `<stream>` or `[file...]`. */
	readonly args: readonly { readonly term: string; readonly help: string }[];
	readonly options: readonly OptionSpec[];
	readonly later: readonly LaterOption[];
	/** From easy to real. */
	readonly examples: readonly string[];
	/** Exit codes worth naming, beside 0. */
	readonly exits: Readonly<Record<number, string>>;
	/** Runs the command; what fails throws. */
	run(context: CommandContext, args: readonly string[], options: OptionValues): Promise<void>;
}

/** Values of a command's own options by camel-case name, as commander gives them. */
export type OptionValues = Readonly<Record<string, unknown>>;

/** Value of an option that takes one, or `undefined`. */
export function textOption(options: OptionValues, name: string): string | undefined {
	const value = options[name];
	return typeof value === "string" ? value : undefined;
}

/** The argument that names a stream, in the words of every command's help. */
export const streamArgument: CommandSpec["args"][number] = {
	term: "<stream>",
	help: "scope/stream, or a path such as ./data/cam/raw",
};

/** What a location may be, in the words of the helps; begins on a line of its own. */
export const locationHelp: string = `
head, tail, last:N, offset:N, seq:N, -15m, or a time
such as 2026-11-01T09:00Z (without a zone: UTC)`;

/** Options that every command understands, as commander reads them. */
export const globalFlags: readonly string[] = [
	"--store <dir>",
	"--json",
	"--stats",
	"--quiet",
	"--verbose",
	"--no-color",
];
