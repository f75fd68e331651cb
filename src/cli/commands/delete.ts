/** `streambed delete`: removes a stream with all its data; says what goes, and asks or wants --yes. */
import { createInterface } from "node:readline";
import { throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import type { StreamInfo, StreamKind } from "../../index.ts";
import { type CommandContext, type CommandSpec, type OptionValues, streamArgument } from "../command.ts";
import { handleOf, type OpenStream, withStream } from "../open-store.ts";
import { formatBytes, formatCount, formatTime } from "../units.ts";

/** Deletes a stream. */
export const deleteStream: CommandSpec = {
	name: "delete",
	section: "Streams",
	summary: "Delete a stream",
	purpose: "Delete a stream with all its data. There is no way back.",
	args: [streamArgument],
	options: [
		{ flags: "--yes", help: "do not ask; needed where nobody can answer" },
		{ flags: "--force", help: "even if a prepared write holds it" },
	],
	later: [],
	examples: [
		"streambed delete cam/raw",
		"streambed delete ./data/cam/raw --yes",
		"streambed delete cam/raw --yes --json",
	],
	exits: {
		2: "wrong name or option, or not confirmed",
		3: "no such store or stream",
		4: "a prepared write holds it",
		6: "another process owns the store, or the disk is full",
		8: "it is unknown whether it was deleted",
	},
	run,
};

async function run(context: CommandContext, [address = ""]: readonly string[], options: OptionValues): Promise<void> {
	if (options.yes !== true) await confirm(context, address);
	await withStream(context, address, "write", async (open) => {
		const { store, place, name } = open;
		const info = await (await handleOf(open)).info();
		await store.scope(place.scope).delete(place.stream, { force: options.force === true });
		const bytes = bytesOf(info);
		if (context.global.json) {
			await context.out.json({ scope: place.scope, stream: place.stream, id: info.id, deleted: true, bytes });
		} else await context.out.line(`deleted ${name} with ${formatBytes(bytes)}`);
	});
}

/** Says what would be lost; refuses where nobody can answer. Looks with read mode: nothing is held while it waits. */
async function confirm(context: CommandContext, address: string): Promise<void> {
	const { loss, details } = await withStream(context, address, "read", async (open) => {
		const { name } = open;
		const info = await (await handleOf(open)).info();
		const oldest = await oldestTime(open, info.kind, context.signal);
		const newest = info.shards.reduce<number | null>((latest, { lastTime }) => {
			return lastTime === null ? latest : Math.max(latest ?? lastTime, lastTime);
		}, null);
		const times = oldest === null ? "" : `, appended between ${formatTime(oldest)} and ${formatTime(newest)}`;
		const bytes = bytesOf(info);
		const held = info.kind === "bytes" ? "" : `${recordsOf(info)}, `;
		return { loss: `${name} with ${held}${formatBytes(bytes)}${times}`, details: { bytes, oldest, newest } };
	});
	const { stdin, stderr } = context.io;
	if (stdin.isTTY !== true || stderr.isTTY !== true || context.global.json) {
		throw fail("INVALID_OPTION", `not deleted without --yes: ${loss}`, { hint: "Add --yes to delete it.", details });
	}
	const question = `${context.out.style("bold", "delete")} ${loss}?\nThere is no way back. [y/N] `;
	if (/^y(es)?$/i.test(await ask(context, question))) return;
	throw fail("INVALID_OPTION", `not deleted: ${address}`, { hint: "Answer y to delete it." });
}

/** The line that is typed; empty at the end of the input. Without an output readline leaves Ctrl-C to be a signal. */
async function ask({ io, signal }: CommandContext, question: string): Promise<string> {
	io.stderr.write(question);
	const lines = createInterface({ input: io.stdin });
	const close = (): void => lines.close();
	signal.addEventListener("abort", close);
	const answer = await new Promise<string | undefined>((resolve) => {
		lines.once("line", resolve);
		lines.once("close", () => resolve(undefined));
	});
	lines.close();
	signal.removeEventListener("abort", close);
	if (answer === undefined) io.stderr.write("\n");
	throwIfAborted(signal, "the question");
	return answer?.trim() ?? "";
}

async function oldestTime(
	{ stream, records }: OpenStream,
	kind: StreamKind,
	signal: AbortSignal,
): Promise<number | null> {
	if (kind === "records") {
		let oldest: number | null = null;
		for (const { shard } of (await records.info()).shards) {
			for await (const { time } of records.read({ shard, limit: 1, signal })) oldest = Math.min(oldest ?? time, time);
		}
		return oldest;
	}
	for await (const piece of stream.appends({ from: "head", signal })) return piece.time;
	return null;
}

function recordsOf({ shards }: StreamInfo): string {
	const count = shards.reduce((sum, { head, tail }) => sum + tail - head, 0);
	return `${formatCount(count)} ${count === 1 ? "record" : "records"}`;
}

function bytesOf(info: StreamInfo): number {
	return info.shards.reduce((sum, shard) => sum + shard.bytes, 0);
}
