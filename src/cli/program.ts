/** From arguments to a command: commander reads them, this file says what it may find and turns its errors into ours. */
import { Command, CommanderError, Option } from "commander";
import { fail } from "../core/errors.ts";
import { nearest } from "../core/options.ts";
import { type CommandSpec, type GlobalOptions, globalFlags, type OptionValues } from "./command.ts";
import { commandHelp, topHelp } from "./help.ts";

/** What the arguments ask for. */
export type Request =
	| {
			readonly kind: "run";
			readonly spec: CommandSpec;
			readonly args: readonly string[];
			readonly options: OptionValues;
			readonly global: GlobalOptions;
	  }
	| { readonly kind: "help"; readonly text: string }
	| { readonly kind: "version" };

/** Commands of the contract that this version does not have yet, and what they need. */
export const laterCommands: Readonly<Record<string, string>> = {
	groups: "consumer groups",
	run: "flows",
	flow: "flows",
	serve: "the server",
	token: "the server",
	copy: "copying",
	top: "the server",
	kafka: "Kafka",
};

/** Flags that must be known before the arguments are understood, because they shape how an error is shown. */
export function scanFlags(argv: readonly string[]): GlobalOptions {
	const end = argv.indexOf("--");
	const own = end < 0 ? argv : argv.slice(0, end);
	const has = (flag: string): boolean => own.includes(flag);
	return {
		json: has("--json"),
		stats: has("--stats"),
		quiet: has("--quiet"),
		verbose: has("--verbose"),
		color: !has("--no-color"),
	};
}

/** Understands the arguments. @throws INVALID_OPTION, UNSUPPORTED */
export function parse(argv: readonly string[], specs: readonly CommandSpec[]): Request {
	const help: string[] = [];
	let chosen: { readonly spec: CommandSpec; readonly command: Command } | undefined;
	const program = newCommand("streambed", topHelp(specs), help);
	for (const flags of globalFlags) program.option(flags);
	program.version("", "-V, --version");
	for (const spec of specs) {
		const command = declare(spec, help);
		command.action(() => {
			chosen = { spec, command };
		});
		program.addCommand(command);
	}
	for (const [name, needs] of Object.entries(laterCommands))
		program.addCommand(declareLater(name, needs), { hidden: true });
	const words = completed(argv, specs);
	try {
		program.parse(words, { from: "user" });
	} catch (error) {
		if (!(error instanceof CommanderError)) throw error;
		return explainFailure(error, help, specs, words);
	}
	if (chosen === undefined) throw fail("INTERNAL", `no command was chosen for: ${words.join(" ")}`);
	const options = chosen.command.opts();
	refuseLater(chosen.spec, options);
	const given = program.opts<{ store?: string }>();
	const global = { ...scanFlags(words), ...(given.store === undefined ? {} : { store: given.store }) };
	return { kind: "run", spec: chosen.spec, args: chosen.command.args, options, global };
}

function newCommand(name: string, text: string, help: string[]): Command {
	return new Command(name)
		.exitOverride()
		.configureOutput({ writeOut: () => {}, writeErr: () => {} })
		.configureHelp({
			formatHelp: () => {
				help.push(text);
				return text;
			},
		});
}

function declare(spec: CommandSpec, help: string[]): Command {
	const command = newCommand(spec.name, commandHelp(spec), help);
	for (const { term } of spec.args) command.argument(term);
	for (const { flags, repeated } of spec.options) {
		const option = new Option(flags);
		if (repeated) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
		command.addOption(option);
	}
	for (const { flags } of spec.later) command.addOption(new Option(flags).hideHelp());
	return command;
}

function declareLater(name: string, needs: string): Command {
	return newCommand(name, "", [])
		.argument("[args...]")
		.allowUnknownOption()
		.helpOption(false)
		.action(() => {
			throw unsupported(`the command ${name}`, needs);
		});
}

function refuseLater(spec: CommandSpec, options: OptionValues): void {
	for (const { flags, needs } of spec.later) {
		if (options[new Option(flags).attributeName()] !== undefined) {
			throw unsupported(`${spec.name} ${flags.split(" ")[0]}`, needs);
		}
	}
}

/** The error for what the command line is to have, and this version has not. */
function unsupported(what: string, needs: string): Error {
	return fail("UNSUPPORTED", `${what} is not supported: this version does not have ${needs} yet`, {
		hint: "See what there is with: streambed --help",
	});
}

/** Completes a command that is begun unmistakably: `ver` is `verify`. */
function completed(argv: readonly string[], specs: readonly CommandSpec[]): string[] {
	const words = [...argv];
	const at = commandAt(words);
	const word = at === undefined ? undefined : words[at];
	if (at === undefined || word === undefined) return words;
	const names = namesOf(specs);
	const [only, ...others] = names.filter((name) => name.startsWith(word));
	if (!names.includes(word) && only !== undefined && others.length === 0) words[at] = only;
	return words;
}

/** Where the command stands in the arguments, if there is one. */
function commandAt(words: readonly string[]): number | undefined {
	let at = 0;
	while (words[at]?.startsWith("-")) at += words[at] === "--store" ? 2 : 1;
	return at >= words.length || words.slice(0, at).includes("--") ? undefined : at;
}

function namesOf(specs: readonly CommandSpec[]): string[] {
	return [...specs.map((spec) => spec.name), ...Object.keys(laterCommands), "help"];
}

function explainFailure(
	error: CommanderError,
	help: readonly string[],
	specs: readonly CommandSpec[],
	words: readonly string[],
): Request {
	if (error.code === "commander.version") return { kind: "version" };
	if (error.code === "commander.helpDisplayed") {
		const word = words[commandAt(words) ?? words.length];
		if (word !== undefined && !namesOf(specs).includes(word)) throw unknownCommand(word, specs);
		return { kind: "help", text: help.at(-1) ?? topHelp(specs) };
	}
	const command = specs.find((spec) => words.includes(spec.name));
	const more = command === undefined ? "streambed --help" : `streambed ${command.name} --help`;
	if (error.code === "commander.help") return helpOrNothing(words, help, specs);
	const [first = "", ...rest] = error.message.split("\n");
	const message = first
		.replace(/^error: /, "")
		.replaceAll("'", '"')
		.replace(/\.$/, "");
	const guess = /Did you mean (?:one of )?([^?]+)\?/.exec(rest.join(" "))?.[1];
	throw fail("INVALID_OPTION", message, {
		hint: guess === undefined ? `See: ${more}` : `Did you mean ${guess}? See: ${more}`,
	});
}

/** No command at all, or `help` for something that is none. */
function helpOrNothing(words: readonly string[], help: readonly string[], specs: readonly CommandSpec[]): Request {
	const text = help.at(-1) ?? topHelp(specs);
	const topic = words[words.indexOf("help") + 1];
	if (words.includes("help") && topic !== undefined && !specs.some((spec) => spec.name === topic)) {
		const needs = laterCommands[topic];
		if (needs !== undefined) throw unsupported(`the command ${topic}`, needs);
		throw unknownCommand(topic, specs);
	}
	if (words.includes("help")) return { kind: "help", text };
	throw fail("INVALID_OPTION", "no command given", { hint: "See what there is with: streambed --help" });
}

function unknownCommand(word: string, specs: readonly CommandSpec[]): Error {
	const guess = nearest(
		word,
		specs.map((spec) => spec.name),
	);
	return fail("INVALID_OPTION", `unknown command "${word}"`, {
		hint: guess === undefined ? "See: streambed --help" : `Did you mean ${guess}? See: streambed --help`,
	});
}
