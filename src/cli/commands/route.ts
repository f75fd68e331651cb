/** `streambed route`: which shard a key goes to. */
import { type CommandContext, type CommandSpec, streamArgument } from "../command.ts";
import { withStream } from "../open-store.ts";

/** Shows the shard of a key. */
export const route: CommandSpec = {
	name: "route",
	section: "Streams",
	summary: "Show the shard of a key",
	purpose: "Show which shard of a record stream a key goes to by now.\nWorks beside a running owner.",
	args: [streamArgument, { term: "<key>", help: "the key of a record" }],
	options: [],
	later: [],
	examples: [
		"streambed route shop/orders order-17",
		"streambed route ./data/shop/orders order-17",
		"streambed route shop/orders order-17 --json",
	],
	exits: { 2: "wrong name or option, or a byte stream", 3: "no such store or stream" },
	run,
};

async function run(context: CommandContext, [address = "", key = ""]: readonly string[]): Promise<void> {
	await withStream(context, address, "read", async ({ records }) => {
		const shard = await records.shardOf(key);
		if (context.global.json) await context.out.json({ shard });
		else await context.out.line(String(shard));
	});
}
