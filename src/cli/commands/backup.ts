/** `streambed backup`: a copy of a store that opens as a store of its own, taken while the store is in use or not. */
import { resolve } from "node:path";
import { fail } from "../../core/errors.ts";
import { chosenStore } from "../address.ts";
import type { CommandContext, CommandSpec } from "../command.ts";
import { requireStore } from "../open-store.ts";
import { printable } from "../printable.ts";
import { problemTable } from "../problem-table.ts";
import { Progress } from "../progress.ts";
import { formatBytes, formatCount, formatSeconds } from "../units.ts";

/** Copies a store. */
export const backup: CommandSpec = {
	name: "backup",
	section: "Care",
	summary: "Copy a whole store",
	purpose:
		"Copy a whole store to a new folder, checking every byte on the way. The store\nmay be in use: of each stream the copy holds a prefix of what is durable.",
	args: [{ term: "<dir>", help: "a folder that does not exist yet, or an empty one" }],
	options: [],
	later: [],
	examples: [
		"streambed backup /mnt/backups/data-2026-11-25",
		"streambed backup ./copy --store ./data",
		"streambed backup ./copy --store ./data --json",
	],
	exits: {
		2: "wrong option, or the folder is not empty",
		3: "no such store, or no folder to make the copy in",
		5: "damage was found: copied as it is",
		6: "not enough space",
	},
	run,
};

async function run(context: CommandContext, [dir = ""]: readonly string[]): Promise<void> {
	const store = chosenStore(context.address);
	requireStore(store);
	if (dir === "") throw fail("INVALID_OPTION", "the folder of the backup is empty: name a new folder");
	const { backupStore } = await import("../../index.ts");
	const progress = new Progress(context, "backup");
	const { streams, bytes, problems } = await backupStore(store.path, resolve(context.io.cwd, dir), {
		onProgress: (now) => progress.update(now.bytes, now.totalBytes),
		signal: context.signal,
	}).finally(() => progress.stop());
	if (context.global.json) await context.out.json({ streams, bytes, problems });
	else {
		if (problems.length > 0) await context.out.line(problemTable(problems));
		const what = `${formatCount(streams)} ${streams === 1 ? "stream" : "streams"} with ${formatBytes(bytes)}`;
		await context.out.line(`copied ${what} to ${printable(dir)}, ${formatSeconds(progress.elapsedMs)}`);
	}
	const [first] = problems;
	if (first === undefined) return;
	throw fail("CORRUPT", `${store.shown} is damaged in ${formatCount(problems.length)} places, and so is its copy`, {
		hint: "The copy is whole otherwise, and opens; `streambed repair --dry-run` tells what can be mended.",
		details: { problems: problems.length, path: first.path, offset: first.offset },
	});
}
