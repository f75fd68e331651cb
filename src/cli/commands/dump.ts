/** `streambed dump`: what a file of a store holds. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { fail, StreambedError } from "../../core/errors.ts";
import type { DumpLine } from "../../index.ts";
import type { CommandContext, CommandSpec, OptionValues } from "../command.ts";
import { type DumpIo, dumpFormats } from "../dump/formats.ts";
import { lineText } from "../dump/line-text.ts";
import { dumpStreamOps } from "../dump/stream-ops.ts";
import { formatCount } from "../units.ts";

/** Prints what stands in a file. */
export const dump: CommandSpec = {
	name: "dump",
	section: "Care",
	summary: "Show what a file holds",
	purpose:
		"Print what stands in one file of a store, with the outcome of every check, and\ngo on behind damage. Changes nothing, and works beside a running owner. RION\nfiles, and blocks and streams of Stream Ops, are shown record by record.",
	args: [
		{
			term: "<file>",
			help: "a segment (.seg), index (.idx), journal file (.jnl), checkpoint,\nstore.json, stream.json or OWNER (LOCK is never opened); a RION file; a\nblock or folder of Stream Ops",
		},
	],
	options: [{ flags: "--data", help: "show the first bytes of each frame's data" }],
	later: [],
	examples: [
		"streambed dump ./data/streams/cam/raw.stream/0/00000000000000000000.seg",
		"streambed dump ./streams/stream-1",
		"streambed dump ./data/journal/ring-000000.jnl --json | grep '\"ok\":false'",
	],
	exits: { 2: "wrong option, or not a file of Streambed's", 3: "no such file", 5: "damage was found" },
	run,
};

async function run(context: CommandContext, [file = ""]: readonly string[], options: OptionValues): Promise<void> {
	const path = resolve(context.io.cwd, file);
	if (isFolder(path) && (await dumpStreamOps(path, context))) return;
	try {
		await dumpStore(context, file, path, options);
	} catch (error) {
		// No file of ours: whoever takes any file that reads like his is asked last.
		if (!StreambedError.is(error, "STREAMBED_DECODE") || !(await dumpStreamOps(path, context))) throw error;
	}
}

function isFolder(path: string): boolean {
	return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Dumps a file of a store. */
async function dumpStore(context: CommandContext, file: string, path: string, options: OptionValues): Promise<void> {
	const io = { data: options.data === true, signal: context.signal };
	let first: DumpLine | undefined;
	let count = 0;
	let bad = 0;
	for await (const line of linesOf(path, io)) {
		if (context.global.json) await context.out.json(line);
		else await context.out.line(lineText(line));
		count++;
		if (line.ok || line.torn) continue;
		bad++;
		first ??= line;
	}
	if (first === undefined) return;
	throw fail("CORRUPT", `${formatCount(bad)} of ${formatCount(count)} lines tell of damage in ${file}`, {
		hint: "`streambed verify` checks the whole store, `streambed repair --dry-run` tells what can be done.",
		details: { path, offset: first.offset, problems: bad },
	});
}

/** The lines of the first format that knows the file. */
async function* linesOf(path: string, io: DumpIo): AsyncGenerator<DumpLine> {
	for (const format of dumpFormats) {
		const lines = format.dump(path, io)[Symbol.asyncIterator]();
		try {
			const first = await lines.next().catch((error: unknown) => {
				const isLast = format === dumpFormats.at(-1);
				if (StreambedError.is(error, "STREAMBED_DECODE") && !isLast) return undefined;
				throw error;
			});
			if (first === undefined) continue;
			if (!first.done) yield first.value;
			for (let next = await lines.next(); !next.done; next = await lines.next()) yield next.value;
			return;
		} finally {
			await lines.return?.();
		}
	}
}
