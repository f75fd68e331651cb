/** `streambed seal`: makes a stream read-only for ever. */
import { type CommandContext, type CommandSpec, type OptionValues, streamArgument } from "../command.ts";
import { handleOf, withStream } from "../open-store.ts";
import { formatCount } from "../units.ts";

/** Freezes the tail of a stream. */
export const seal: CommandSpec = {
	name: "seal",
	section: "Data",
	summary: "Make a stream read-only",
	purpose: "Make a stream read-only for ever; those who follow it come to an end.\nSealing twice is harmless.",
	args: [streamArgument],
	options: [{ flags: "--force", help: "abort prepared writes that hold it" }],
	later: [],
	examples: ["streambed seal cam/raw", "streambed seal ./data/cam/raw", "streambed seal cam/raw --json"],
	exits: {
		2: "wrong name or option",
		3: "no such store or stream",
		4: "a prepared write holds it",
		6: "another process owns the store, or the disk is full",
		8: "it is unknown whether it was sealed",
	},
	run,
};

async function run(context: CommandContext, [address = ""]: readonly string[], options: OptionValues): Promise<void> {
	await withStream(context, address, "write", async (open) => {
		const { place, name } = open;
		const stream = await handleOf(open);
		if (stream === open.records) await open.records.seal();
		else await open.stream.seal({ force: options.force === true });
		const { shards } = await stream.info();
		const tails = shards.map(({ shard, tail }) => ({ shard, tail }));
		const told = { scope: place.scope, stream: place.stream, sealed: true };
		if (stream !== open.records) {
			const tail = tails[0]?.tail ?? 0;
			if (context.global.json) await context.out.json({ ...told, tail });
			else await context.out.line(`sealed ${name} at ${formatCount(tail)}`);
		} else if (context.global.json) await context.out.json({ ...told, shards: tails });
		else {
			const count = tails.length === 1 ? "shard" : "shards";
			await context.out.line(`sealed ${name}: ${formatCount(tails.length)} ${count}, ended at ${endsOf(tails)}`);
		}
	});
}

/** The tails, unless they are too many for a line. */
function endsOf(tails: readonly { readonly tail: number }[]): string {
	const shown = tails.slice(0, 8).map(({ tail }) => formatCount(tail));
	return `${shown.join(" · ")}${tails.length > shown.length ? " …" : ""}`;
}
