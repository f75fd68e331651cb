/** `streambed list`: streams of a store, page by page. */
import { formatAddress } from "../../core/names.ts";
import type { StreamInfo, StreamSummary } from "../../index.ts";
import { resolvePrefix, storePathOf } from "../address.ts";
import type { CommandContext, CommandSpec, OptionValues } from "../command.ts";
import { withStore } from "../open-store.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";
import { streamInfos, streamPages } from "../stream-pages.ts";
import { formatBytes, formatTime } from "../units.ts";

/** Lists streams. */
export const list: CommandSpec = {
	name: "list",
	section: "Streams",
	summary: "List streams",
	purpose: "List the streams of a store whose scope/stream begins with a prefix.\nWorks beside a running owner.",
	args: [{ term: "[prefix]", help: "beginning of scope/stream, or a path such as ./data or ./data/cam/" }],
	options: [{ flags: "--shards", help: "with --json: head, tail and size of each shard" }],
	later: [],
	examples: ["streambed list", "streambed list cam/", "streambed list ./data --json --shards"],
	exits: { 2: "wrong option", 3: "no such store" },
	run,
};

async function run(context: CommandContext, [text]: readonly string[], options: OptionValues): Promise<void> {
	const { store: place, prefix } = resolvePrefix(text, context.address);
	const detailed = options.shards === true || !context.global.json;
	await withStore(context, place, "read", async (store) => {
		let count = 0;
		for await (const page of streamPages(store, prefix)) {
			const infos = detailed ? await streamInfos(store, page) : [];
			if (context.global.json) for (const summary of page) await context.out.json(lineOf(summary, infos));
			else if (infos.length > 0) await context.out.line(tableOf(infos, count === 0));
			count += page.length;
			context.signal.throwIfAborted();
		}
		if (count > 0) return;
		const path = prefix === text ? storePathOf(prefix, context.address) : undefined;
		if (path !== undefined) {
			context.out.say(
				`no streams in ${place.shown} begin with ${prefix}; for the store of that name: streambed list ${path}`,
			);
			return;
		}
		const which = prefix === "" ? `no streams in ${place.shown}` : `no streams in ${place.shown} begin with ${prefix}`;
		context.out.say(`${which}; make one with: streambed create scope/stream --store ${place.shown}`);
	});
}

function lineOf(summary: StreamSummary, infos: readonly StreamInfo[]): object {
	const { scope, stream, id, kind, shards, createdAt, tags } = summary;
	const info = infos.find((one) => one.scope === scope && one.stream === stream);
	return { scope, stream, id, kind, shards: info?.shards ?? shards, createdAt, tags };
}

function tableOf(infos: readonly StreamInfo[], first: boolean): string {
	const rows = infos.map((info) => {
		const bytes = info.shards.reduce((sum, shard) => sum + shard.bytes, 0);
		const last = info.shards.reduce<number | null>((latest, { lastTime }) => later(latest, lastTime), null);
		return [printable(formatAddress(info)), info.sealed ? "sealed" : "open", formatBytes(bytes), formatTime(last)];
	});
	const text = table(["STREAM", "STATE", "SIZE", "LAST APPEND"], rows, [2]);
	return first ? text : text.slice(text.indexOf("\n") + 1);
}

function later(a: number | null, b: number | null): number | null {
	if (a === null || b === null) return a ?? b;
	return Math.max(a, b);
}
