/** `streambed truncate`: drops what precedes a position. */
import { fail } from "../../core/errors.ts";
import type { Location } from "../../core/location.ts";
import { parseCut } from "../../core/stream-cut.ts";
import type { RecordTruncation } from "../../index.ts";
import {
	type CommandContext,
	type CommandSpec,
	locationHelp,
	type OptionValues,
	streamArgument,
	textOption,
} from "../command.ts";
import { parseLocation } from "../location-text.ts";
import { handleOf, type OpenStream, withStream } from "../open-store.ts";
import { withOptionNames } from "../option-names.ts";
import { formatBytes, formatCount, parseCount } from "../units.ts";

/** Moves the head of a stream. */
export const truncate: CommandSpec = {
	name: "truncate",
	section: "Data",
	summary: "Drop data before a place",
	purpose: "Drop the data before a location. Positions stay as they are; whole files go.",
	args: [streamArgument],
	options: [
		{ flags: "--before <loc>", help: `what stays begins here:${locationHelp}` },
		{ flags: "--shard <n>", help: "of records: this shard only, instead of all" },
		{ flags: "--before-cut <cut>", help: "of records: in place of --before, a streambed cut" },
	],
	later: [],
	examples: [
		"streambed truncate cam/raw --before offset:1048576",
		"streambed truncate shop/orders --before seq:5000 --shard 2",
		"streambed truncate ./data/cam/raw --before 2026-11-01 --json",
	],
	exits: {
		2: "wrong name, option or location",
		3: "no such store or stream",
		4: "the position lies beyond the tail",
		6: "another process owns the store, or the disk is full",
		8: "it is unknown whether the head was moved",
	},
	run,
};

async function run(context: CommandContext, [address = ""]: readonly string[], options: OptionValues): Promise<void> {
	const text = textOption(options, "before");
	const cut = textOption(options, "beforeCut");
	const shard = textOption(options, "shard");
	const only = shard === undefined ? undefined : parseCount(shard, "--shard");
	if ((text === undefined) === (cut === undefined)) {
		throw fail("INVALID_OPTION", "truncate needs either --before, the location of what stays, or --before-cut", {
			hint: "For example --before offset:4096, --before seq:100 or --before -15m.",
			details: { option: "--before" },
		});
	}
	if (cut !== undefined) parseCut(cut, "--before-cut");
	const before = text === undefined ? undefined : parseLocation(text, "--before", context.io.clock.now());
	await withStream(context, address, "write", async (open) => {
		const stream = await handleOf(open);
		if (stream === open.records) return await truncateRecords(context, open, { before, cut, shard: only });
		if (before === undefined || (only ?? 0) !== 0) {
			throw fail("WRONG_KIND", `${open.name} is a byte stream: shards and cuts are for record streams`);
		}
		await truncateBytes(context, open, before);
	});
}

async function truncateBytes(context: CommandContext, open: OpenStream, before: Location): Promise<void> {
	const { stream, place, name } = open;
	const old = (await stream.info()).shards[0];
	await withOptionNames(() => stream.truncateBefore(before));
	const { head, tail } = (await stream.info()).shards[0] ?? { head: 0, tail: 0 };
	if (context.global.json) await context.out.json({ scope: place.scope, stream: place.stream, head, tail });
	else {
		const dropped = formatBytes(head - (old?.head ?? head));
		await context.out.line(
			`truncated ${name}: dropped ${dropped}, head ${formatCount(head)}, tail ${formatCount(tail)}`,
		);
	}
}

async function truncateRecords(context: CommandContext, open: OpenStream, what: RecordTruncation): Promise<void> {
	const { records, place, name } = open;
	const old = (await records.info()).shards;
	await withOptionNames(() => records.truncateBefore(what));
	const { shards } = await records.info();
	if (context.global.json) {
		const bounds = shards.map(({ shard, head, tail }) => ({ shard, head, tail }));
		await context.out.json({ scope: place.scope, stream: place.stream, shards: bounds });
		return;
	}
	const dropped = shards.reduce((sum, { shard, head }) => sum + head - (old[shard]?.head ?? 0), 0);
	const left = shards.reduce((sum, { head, tail }) => sum + tail - head, 0);
	const count = dropped === 1 ? "record" : "records";
	await context.out.line(`truncated ${name}: dropped ${formatCount(dropped)} ${count}, ${formatCount(left)} left`);
}
