/** `streambed truncate`: drops what precedes a position. */
import { fail } from "../../core/errors.ts";
import {
	type CommandContext,
	type CommandSpec,
	locationHelp,
	type OptionValues,
	streamArgument,
	textOption,
} from "../command.ts";
import { parseLocation } from "../location-text.ts";
import { withStream } from "../open-store.ts";
import { formatBytes, formatCount } from "../units.ts";

/** Moves the head of a stream. */
export const truncate: CommandSpec = {
	name: "truncate",
	section: "Data",
	summary: "Drop data before a place",
	purpose: "Drop the data before a location. Positions stay as they are; whole files go.",
	args: [streamArgument],
	options: [{ flags: "--before <loc>", help: `first byte that stays, required:${locationHelp}` }],
	later: [],
	examples: [
		"streambed truncate cam/raw --before offset:1048576",
		"streambed truncate cam/raw --before -15m",
		"streambed truncate ./data/cam/raw --before 2026-11-01 --json",
	],
	exits: {
		2: "wrong name, option or location",
		3: "no such store or stream",
		4: "the position lies beyond the tail",
		6: "another process owns the store",
	},
	run,
};

async function run(context: CommandContext, [address = ""]: readonly string[], options: OptionValues): Promise<void> {
	const text = textOption(options, "before");
	if (text === undefined) {
		throw fail("INVALID_OPTION", "truncate needs --before: the location of the first byte that stays", {
			hint: "For example --before offset:4096 or --before -15m.",
			details: { option: "--before" },
		});
	}
	const before = parseLocation(text, "--before", context.io.clock.now());
	await withStream(context, address, "write", async ({ stream, place, name }) => {
		const old = (await stream.info()).shards[0];
		await stream.truncateBefore(before);
		const { head, tail } = (await stream.info()).shards[0] ?? { head: 0, tail: 0 };
		if (context.global.json) await context.out.json({ scope: place.scope, stream: place.stream, head, tail });
		else {
			const dropped = formatBytes(head - (old?.head ?? head));
			await context.out.line(
				`truncated ${name}: dropped ${dropped}, head ${formatCount(head)}, tail ${formatCount(tail)}`,
			);
		}
	});
}
