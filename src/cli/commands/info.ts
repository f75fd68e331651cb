/** `streambed info`: shows one stream. */
import type { Retention } from "../../core/stream-config.ts";
import type { StreamInfo } from "../../index.ts";
import { type CommandContext, type CommandSpec, streamArgument } from "../command.ts";
import { handleOf, withStream } from "../open-store.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";
import { formatBytes, formatCount, formatDuration, formatTime } from "../units.ts";

/** Shows what is known of a stream. */
export const info: CommandSpec = {
	name: "info",
	section: "Streams",
	summary: "Show one stream",
	purpose: "Show one stream: its settings, and for each shard head, tail and size.\nWorks beside a running owner.",
	args: [streamArgument],
	options: [],
	later: [],
	examples: ["streambed info cam/raw", "streambed info ./data/cam/raw", "streambed info cam/raw --json"],
	exits: { 2: "wrong name or option", 3: "no such store or stream" },
	run,
};

async function run(context: CommandContext, [address = ""]: readonly string[]): Promise<void> {
	await withStream(context, address, "read", async (open) => {
		const known = await (await handleOf(open)).info();
		const { name } = open;
		const { scope, id, kind, sealed, durability, retention, segmentBytes, tags, createdAt, shards } = known;
		if (context.global.json) {
			const base = { scope, stream: known.stream, id, kind, sealed, durability, retention };
			await context.out.json({ ...base, segmentBytes, tags, createdAt, shards });
			return;
		}
		const rows: [string, string][] = [
			["id", id],
			["created", formatTime(createdAt)],
			["durability", durability],
			["segments of", formatBytes(segmentBytes)],
		];
		const rules = retentionText(retention);
		if (rules !== "") rows.push(["retention", rules]);
		for (const [tag, value] of Object.entries(tags)) rows.push(["tag", printable(`${tag}=${value}`)]);
		const [only] = shards;
		if (only !== undefined && shards.length === 1) {
			const files = `${formatCount(only.segments)} ${only.segments === 1 ? "segment" : "segments"}`;
			rows.push(["head", formatCount(only.head)], ["tail", formatCount(only.tail)]);
			rows.push(["size", `${formatBytes(only.bytes)} in ${files}`], ["last append", formatTime(only.lastTime)]);
		}
		const width = Math.max(...rows.map(([key]) => key.length));
		const lines = rows.map(([key, value]) => `  ${key.padEnd(width)}   ${value}`);
		await context.out.line([`${name}   ${kind}${sealed ? ", sealed" : ""}`, ...lines].join("\n"));
		if (shards.length > 1) await context.out.line(`\n${shardTable(shards)}`);
	});
}

function shardTable(shards: StreamInfo["shards"]): string {
	const rows = shards.map(({ shard, head, tail, bytes, segments, lastTime }) => {
		const numbers = [head, tail].map(formatCount);
		return [String(shard), ...numbers, formatBytes(bytes), formatCount(segments), formatTime(lastTime)];
	});
	const headings = ["SHARD", "HEAD", "TAIL", "SIZE", "SEGMENTS", "LAST APPEND"];
	const text = table(headings, rows, [0, 1, 2, 3, 4]);
	return text.replace(/^/gm, "  ");
}

function retentionText({ ageMs, bytes, maxBytes }: Retention): string {
	const rules: string[] = [];
	if (ageMs !== undefined) rules.push(formatDuration(ageMs));
	if (bytes !== undefined) rules.push(formatBytes(bytes));
	if (maxBytes !== undefined) rules.push(`at most ${formatBytes(maxBytes)}`);
	return rules.join(", ");
}
