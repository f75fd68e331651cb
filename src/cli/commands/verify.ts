/** `streambed verify`: reads every checksum of a store or of one stream. */
import { fail } from "../../core/errors.ts";
import { requireWhole, resolvePrefix } from "../address.ts";
import type { CommandContext, CommandSpec } from "../command.ts";
import { requireStore } from "../open-store.ts";
import { problemTable } from "../problem-table.ts";
import { Progress } from "../progress.ts";
import { formatBytes, formatCount, formatSeconds } from "../units.ts";

/** Checks stored data. */
export const verify: CommandSpec = {
	name: "verify",
	section: "Care",
	summary: "Check every checksum",
	purpose:
		"Read all that is stored and check it: a whole store, or one stream.\nChanges nothing, and works beside a running owner.",
	args: [{ term: "[stream]", help: "scope/stream or a path; none or a store's path: the whole store" }],
	options: [],
	later: [],
	examples: ["streambed verify", "streambed verify ./data/cam/raw", "streambed verify --store /srv/streams --json"],
	exits: { 2: "wrong name or option", 3: "no such store or stream", 5: "damage was found" },
	run,
};

async function run(context: CommandContext, [text]: readonly string[]): Promise<void> {
	const { store, prefix } = resolvePrefix(text, context.address);
	requireWhole(prefix, text, context.address);
	requireStore(store);
	const { verifyStore } = await import("../../index.ts");
	const progress = new Progress(context, "verify");
	const result = await verifyStore(store.path, {
		...(prefix === "" ? {} : { stream: prefix }),
		onProgress: ({ bytes, totalBytes }) => progress.update(bytes, totalBytes),
		signal: context.signal,
	}).finally(() => progress.stop());
	const { ok, streams, segments, frames, bytes, tailCutBytes, problems } = result;
	if (context.global.json) {
		await context.out.json({ ok, streams, segments, frames, bytes, tailCutBytes, problems });
	} else {
		if (problems.length > 0) await context.out.line(problemTable(problems));
		const found = problems.length === 0 ? "no errors" : counted(problems.length, "problem");
		const cut = tailCutBytes > 0 ? `, ${formatBytes(tailCutBytes)} of an unfinished append dropped` : "";
		const where = `${counted(segments, "segment")} of ${counted(streams, "stream")}`;
		const took = formatSeconds(progress.elapsedMs);
		await context.out.line(
			`verified ${formatBytes(bytes)} in ${where}, ${counted(frames, "frame")}: ${found}${cut}, ${took}`,
		);
	}
	if (ok) return;
	const [first] = problems;
	throw fail("CORRUPT", `${counted(problems.length, "problem")} found in ${store.shown}`, {
		hint: "Data before and after the damage is still readable; the list on standard output tells where it is.",
		details: { problems: problems.length, path: first?.path, offset: first?.offset },
	});
}

function counted(count: number, noun: string): string {
	return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
