/** `streambed cut`: where all shards end at this moment. */
import { type CommandContext, type CommandSpec, streamArgument } from "../command.ts";
import { withStream } from "../open-store.ts";

/** Shows a cut. */
export const cut: CommandSpec = {
	name: "cut",
	section: "Data",
	summary: "Show where shards end",
	purpose:
		"Show, as one text to be stored, where all shards of a record stream end now.\nWorks beside a running owner.",
	args: [streamArgument],
	options: [],
	later: [],
	examples: ["streambed cut shop/orders", "streambed cut ./data/shop/orders", "streambed cut shop/orders --json"],
	exits: { 2: "wrong name or option, or a byte stream", 3: "no such store or stream" },
	run,
};

async function run(context: CommandContext, [address = ""]: readonly string[]): Promise<void> {
	await withStream(context, address, "read", async ({ records }) => {
		const text = await records.cut();
		if (context.global.json) await context.out.json(text);
		else await context.out.line(text);
	});
}
