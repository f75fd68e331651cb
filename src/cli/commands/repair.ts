/** `streambed repair`: puts right what can be put right in a damaged store, and tells what is lost. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fail } from "../../core/errors.ts";
import { addressOfFolder, formatAddress } from "../../core/names.ts";
import type { RepairResult, RepairStep } from "../../index.ts";
import { isPath, requireWhole, resolvePrefix, type StorePlace } from "../address.ts";
import type { CommandContext, CommandSpec, OptionValues } from "../command.ts";
import { requireStore, withStore } from "../open-store.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";
import { problemTable } from "../problem-table.ts";
import { formatCount } from "../units.ts";

/** Repairs a store. */
export const repair: CommandSpec = {
	name: "repair",
	section: "Care",
	summary: "Mend a damaged store",
	purpose:
		"Put right what other files prove, make appends possible again, and say what\nis lost. Originals are kept in the store, which must not be in use.",
	args: [{ term: "[stream]", help: "scope/stream or a path; none or a store's path: the whole store" }],
	options: [
		{ flags: "--dry-run", help: "change nothing, and tell what would be done" },
		{ flags: "--yes", help: "do it; without it the plan is shown, and nothing is done" },
	],
	later: [],
	examples: [
		"streambed repair ./data --dry-run",
		"streambed repair ./data --yes",
		"streambed repair cam/raw --store /srv/streams --yes --json",
	],
	exits: {
		2: "wrong name or option, or not confirmed",
		3: "no such store or stream",
		5: "data is lost, or (with --dry-run) damage was found",
		6: "another process owns the store, or not enough space",
	},
	run,
};

async function run(context: CommandContext, [text]: readonly string[], options: OptionValues): Promise<void> {
	const dryRun = options.dryRun === true;
	if (dryRun && options.yes === true) {
		throw fail("INVALID_OPTION", "--dry-run changes nothing, --yes does it: give one of them");
	}
	const { store, prefix } = placeOf(text, context);
	requireWhole(prefix, text, context.address);
	const { repairStore } = await import("../../index.ts");
	const result = await repairStore(store.path, {
		dryRun: options.yes !== true,
		...(prefix === "" ? {} : { stream: prefix }),
		onStep: ({ path, what }) => context.out.detail(`${path}: ${what}`),
		signal: context.signal,
	});
	await show(context, store, result);
	if (options.yes !== true && !dryRun && result.steps.length > 0) {
		throw fail(
			"INVALID_OPTION",
			`nothing was done to ${store.shown}: ${counted(result.steps.length, "step")} planned`,
			{
				hint: "Add --yes to do it; originals of all that is changed are kept in the store.",
				details: { steps: result.steps.length },
			},
		);
	}
	const damaged = result.problems[0] ?? (dryRun ? (result.found[0] ?? result.steps[0]) : undefined);
	if (damaged === undefined) return;
	const { length } = result.problems;
	const goOn = await behindLoss(context, store, [...result.problems, ...result.found]);
	const what =
		length > 0 ? `${counted(length, "problem")} of ${store.shown} cannot be put right` : `${store.shown} is damaged`;
	if (length === 0) {
		throw fail("CORRUPT", `${what}: ${counted(result.steps.length, "step")} would put all of it right`, {
			hint: "`streambed repair` with --yes instead of --dry-run does it; originals are kept.",
			details: { steps: result.steps.length, path: damaged.path },
		});
	}
	throw fail("CORRUPT", what, {
		hint: `All else is readable; where data is lost, \`streambed read\` goes on behind it with ${goOn}.`,
		details: { problems: length, path: damaged.path },
	});
}

/** How to read behind what is lost: byte streams have offsets, record streams shards with sequence numbers. */
async function behindLoss(
	context: CommandContext,
	store: StorePlace,
	problems: RepairResult["found"],
): Promise<string> {
	const folders = problems.map(({ path }) => /(?:^|\/)streams\/(.+?\.stream)(?:\/|$)/.exec(path)?.[1]);
	const named = new Set(
		folders.map((folder) => folder && addressOfFolder(folder)).map((each) => each && formatAddress(each)),
	);
	const kinds = await kindsOf(context, store, named).catch(() => new Set<string>());
	const ofBytes = "--from offset:N";
	const ofRecords = "--shard S --from seq:N";
	if (kinds.size !== 1) return `${ofBytes}, in record streams with ${ofRecords}`;
	return kinds.has("records") ? ofRecords : ofBytes;
}

/** Kinds of the streams of these names. */
async function kindsOf(
	context: CommandContext,
	store: StorePlace,
	named: ReadonlySet<string | undefined>,
): Promise<Set<string>> {
	return await withStore(context, store, "read", async (open) => {
		const kinds = new Set<string>();
		for (const name of named) {
			if (name === undefined) continue;
			const found = (await open.list({ prefix: name })).find((each) => formatAddress(each) === name);
			if (found !== undefined) kinds.add(found.kind);
		}
		return kinds;
	});
}

/** As other commands find a store; one whose store.json is lost is known by its folders. */
function placeOf(text: string | undefined, context: CommandContext): { store: StorePlace; prefix: string } {
	if (text !== undefined && isPath(text) && context.address.store === undefined) {
		const path = resolve(context.io.cwd, text.replace(/^file:(\/\/)?/, ""));
		if (holdsStreams(path)) return { store: { shown: text, path }, prefix: "" };
	}
	const place = resolvePrefix(text, context.address);
	if (!holdsStreams(place.store.path)) requireStore(place.store);
	return place;
}

function holdsStreams(path: string): boolean {
	return existsSync(join(path, "streams")) && existsSync(join(path, "journal"));
}

async function show({ out, global }: CommandContext, store: StorePlace, result: RepairResult): Promise<void> {
	const { ok, dryRun, steps, aside, found, problems } = result;
	if (global.json) return await out.json({ ok, dryRun, steps, aside, found, problems });
	if (steps.length > 0) await out.line(stepTable(steps, dryRun));
	if (aside !== null) await out.line(`originals are kept in ${printable(aside)}`);
	if (problems.length > 0) {
		await out.line(dryRun && steps.length > 0 ? "what would remain:" : "what remains:");
		await out.line(problemTable(problems));
	}
	const nothing = found.length === 0 ? "nothing is wrong with" : "nothing can be put right in";
	if (steps.length === 0) await out.line(`${nothing} ${store.shown}`);
	else if (!dryRun)
		await out.line(`${counted(steps.length, "step")} done${ok ? ", and nothing is wrong any more" : ""}`);
}

function stepTable(steps: readonly RepairStep[], dryRun: boolean): string {
	const rows = steps.map(({ path, what }) => [printable(path), printable(what)]);
	return table(["FILE", dryRun ? "WOULD BE" : "WAS"], rows);
}

function counted(count: number, noun: string): string {
	return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
