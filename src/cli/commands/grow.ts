/** `streambed grow`: more shards for a record stream. */
import { fail } from "../../core/errors.ts";
import { shardsMax } from "../../core/limits.ts";
import { type CommandContext, type CommandSpec, type OptionValues, streamArgument, textOption } from "../command.ts";
import { withStream } from "../open-store.ts";
import { parseCount } from "../units.ts";

/** Adds shards. */
export const grow: CommandSpec = {
	name: "grow",
	section: "Streams",
	summary: "Add shards",
	purpose:
		"Give a record stream more shards. A key stays in its shard or moves to a new\none; who reads all shards still gets the records of a key in their order.",
	args: [streamArgument],
	options: [{ flags: "--shards <n>", help: "how many it is to have, required; never fewer" }],
	later: [],
	examples: [
		"streambed grow shop/orders --shards 8",
		"streambed grow ./data/shop/orders --shards 8",
		"streambed grow shop/orders --shards 16 --json",
	],
	exits: {
		2: "wrong name or option, or a byte stream",
		3: "no such store or stream",
		4: "the stream is sealed",
		6: "another process owns the store, or the disk is full",
	},
	run,
};

async function run(context: CommandContext, [address = ""]: readonly string[], options: OptionValues): Promise<void> {
	const text = textOption(options, "shards");
	if (text === undefined) {
		throw fail("INVALID_OPTION", "grow needs --shards: how many the stream is to have", {
			details: { option: "--shards" },
		});
	}
	const wanted = parseCount(text, "--shards", 1, shardsMax);
	await withStream(context, address, "write", async ({ records, place, name }) => {
		const { shards } = await (await records.open()).update({ shards: wanted });
		const { scope, stream } = place;
		if (context.global.json) await context.out.json({ scope, stream, shards: shards.length });
		else await context.out.line(`${name} has ${shards.length} shards`);
	});
}
