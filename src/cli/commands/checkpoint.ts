/** `streambed checkpoint`: makes the files of streams complete, so that they can be copied. */
import type { Store, StreamInfo } from "../../index.ts";
import { resolvePrefix } from "../address.ts";
import type { CommandContext, CommandSpec } from "../command.ts";
import { handleOf, type OpenStream, withStore, withStream } from "../open-store.ts";
import { streamInfos, streamPages } from "../stream-pages.ts";
import { formatBytes, formatCount } from "../units.ts";

/** Completes segment files from the journal. */
export const checkpoint: CommandSpec = {
	name: "checkpoint",
	section: "Care",
	summary: "Complete files on disk",
	purpose: "Bring the files of one stream, or of all, up to date with the journal, and\nsync them.",
	args: [{ term: "[stream]", help: "scope/stream or a path; none or a store's path: all streams" }],
	options: [],
	later: [],
	examples: ["streambed checkpoint", "streambed checkpoint cam/raw", "streambed checkpoint ./data --json"],
	exits: {
		2: "wrong name or option",
		3: "no such store or stream",
		6: "another process owns the store, or the disk is full",
		8: "it is unknown how far it came; what was stored stays",
	},
	run,
};

async function run(context: CommandContext, [text]: readonly string[]): Promise<void> {
	const { store: place, prefix } = resolvePrefix(text, context.address);
	const done =
		prefix === "" || text === undefined
			? await withStore(context, place, "write", (store) => complete(store))
			: await withStream(context, text, "write", (open) => complete(open.store, open));
	if (context.global.json) await context.out.json(done);
	else
		await context.out.line(
			`checkpoint of ${formatCount(done.streams)} ${done.streams === 1 ? "stream" : "streams"} with ${formatBytes(done.bytes)}`,
		);
}

/** Counts what is complete afterwards. */
async function complete(store: Store, open?: OpenStream): Promise<{ streams: number; bytes: number }> {
	const total = { streams: 0, bytes: 0 };
	const add = ({ shards }: StreamInfo): void => {
		total.streams++;
		for (const { bytes } of shards) total.bytes += bytes;
	};
	if (open !== undefined) {
		const stream = await handleOf(open);
		await store.checkpoint(stream.address);
		add(await stream.info());
	} else {
		await store.checkpoint();
		for await (const page of streamPages(store, "")) for (const info of await streamInfos(store, page)) add(info);
	}
	return total;
}
