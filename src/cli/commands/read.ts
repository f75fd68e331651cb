/** `streambed read`: bytes of a stream to standard output, once or for ever. */
import { fstatSync } from "node:fs";
import { fail, StreambedError } from "../../core/errors.ts";
import type { Location } from "../../core/location.ts";
import { describe } from "../../core/options.ts";
import type { ByteReader, ByteStream } from "../../index.ts";
import {
	type CommandContext,
	type CommandSpec,
	locationHelp,
	type OptionValues,
	streamArgument,
	textOption,
} from "../command.ts";
import { IdleTimer } from "../idle-timer.ts";
import { parseLocation } from "../location-text.ts";
import { withStream } from "../open-store.ts";
import { Progress } from "../progress.ts";
import { parseDuration, parseSize } from "../units.ts";

/** Bytes asked for at a time. */
const readBytes = 1024 * 1024;

/** Reads bytes. */
export const read: CommandSpec = {
	name: "read",
	section: "Data",
	summary: "Read or follow a stream",
	purpose: "Write the bytes of a stream to standard output. Works beside a running owner.",
	args: [streamArgument],
	options: [
		{ flags: "--from <loc>", help: `where to begin (default head):${locationHelp}` },
		{ flags: "--to <loc>", help: "where to end, exclusive (default: the tail)" },
		{ flags: "--limit <size>", help: "end after so many bytes" },
		{ flags: "--follow", help: "wait for more at the tail, until the stream is sealed" },
		{ flags: "--timeout <time>", help: "with --follow: end when nothing came for so long, as 5s" },
		{ flags: "--shard <n|all>", help: "0 or all: a byte stream has one shard" },
	],
	later: [
		{ flags: "--from-cut <cut>", needs: "record streams" },
		{ flags: "--to-cut <cut>", needs: "record streams" },
		{ flags: "--group <name>", needs: "groups" },
		{ flags: "--member <name>", needs: "groups" },
		{ flags: "--commit <mode>", needs: "groups" },
		{ flags: "--until-caught-up", needs: "groups" },
	],
	examples: [
		"streambed read cam/raw > film.mp4",
		"streambed read ./data/cam/raw --from last:64KiB --follow",
		"streambed read cam/raw --from -15m --follow --timeout 5s --json",
	],
	exits: {
		2: "wrong name, option or location",
		3: "no such store or stream, also with --follow",
		4: "the position is not there any more, or not yet",
		5: "stored bytes fail their checks",
		130: "interrupted",
	},
	run,
};

type Outcome = "tail" | "sealed" | "limit" | "timeout";

interface Plan {
	readonly from: Location;
	readonly to: Location | undefined;
	readonly limit: number;
	readonly follow: boolean;
	readonly timeoutMs: number | undefined;
}

async function run(context: CommandContext, [address = ""]: readonly string[], options: OptionValues): Promise<void> {
	const plan = planOf(context, options);
	const shard = textOption(options, "shard") ?? "0";
	if (shard !== "0" && shard !== "all") {
		throw fail("UNSUPPORTED", `--shard must be 0 or all, not ${describe(shard)}: a byte stream has one shard`);
	}
	await withStream(context, address, "read", async ({ stream }) => {
		const end = await readStream(context, stream, plan);
		if (!context.global.json) return;
		await context.out.json(shard === "all" ? { ...end, position: { 0: end.position } } : end);
	});
}

function planOf(context: CommandContext, options: OptionValues): Plan {
	const now = context.io.clock.now();
	const [from, to, limit, timeout] = ["from", "to", "limit", "timeout"].map((name) => textOption(options, name));
	return {
		from: from === undefined ? "head" : parseLocation(from, "--from", now),
		to: to === undefined ? undefined : parseLocation(to, "--to", now),
		limit: limit === undefined ? Number.POSITIVE_INFINITY : parseSize(limit, "--limit"),
		follow: options.follow === true,
		timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, "--timeout"),
	};
}

interface End {
	readonly outcome: Outcome;
	/** Position after the last byte that was written. */
	readonly position: number;
}

/** A reading under way: where it began, and what ends its waits. */
interface Session {
	readonly context: CommandContext;
	readonly stream: ByteStream;
	readonly plan: Plan;
	readonly reader: ByteReader;
	readonly begin: number;
	readonly idle: IdleTimer;
	readonly signal: AbortSignal;
}

async function readStream(context: CommandContext, stream: ByteStream, plan: Plan): Promise<End> {
	const idle = new IdleTimer(context.io.clock, plan.timeoutMs);
	const signal = AbortSignal.any([context.signal, idle.signal]);
	const { from, to, follow } = plan;
	await using reader = stream.reader({ from, to, follow, signal });
	await reader.open();
	const session = { context, stream, plan, reader, begin: reader.offset, idle, signal };
	return context.global.json ? await readLines(session) : await readRaw(session);
}

async function readRaw({ context, stream, plan, reader, begin, idle }: Session): Promise<End> {
	// Without --follow it ends at the tail of the beginning, however fast others append.
	const stop = plan.follow ? Number.POSITIVE_INFINITY : await reader.tail();
	const progress = showsProgress(context, plan) ? new Progress(context, "read", stop - begin) : undefined;
	try {
		for (;;) {
			const position = reader.offset;
			if (position - begin >= plan.limit) return { outcome: "limit", position };
			if (position >= stop) {
				// Damage at the tail must not look like the end.
				if (plan.to === undefined) await reader.read(1);
				return { outcome: await outcomeAt(stream, plan, position), position };
			}
			const most = Math.min(readBytes, plan.limit - (position - begin), stop - position);
			const result = await unlessIdle(idle, context, reader.read(most));
			if (result === undefined) return { outcome: "timeout", position };
			if (result.kind !== "data") return { outcome: await outcomeAt(stream, plan, position), position };
			await context.out.data(result.bytes);
			progress?.update(reader.offset - begin);
		}
	} finally {
		progress?.stop();
	}
}

async function readLines({ context, stream, plan, begin, idle, signal }: Session): Promise<End> {
	const range = { from: { offset: begin }, to: plan.to, follow: plan.follow, signal };
	const pieces = stream.appends(range)[Symbol.asyncIterator]();
	let position = begin;
	try {
		while (position - begin < plan.limit) {
			const next = await unlessIdle(idle, context, pieces.next());
			if (next === undefined) return { outcome: "timeout", position };
			if (next.done) return { outcome: await outcomeAt(stream, plan, position), position };
			const { offset, time, bytes } = next.value;
			const part = bytes.subarray(0, plan.limit - (offset - begin));
			const data = Buffer.from(part.buffer, part.byteOffset, part.length).toString("base64");
			await context.out.json({ offset, length: part.length, time, data });
			position = offset + part.length;
		}
		return { outcome: "limit", position };
	} finally {
		await pieces.return?.();
	}
}

/** The data, or `undefined` if none came in time. */
async function unlessIdle<T>(idle: IdleTimer, context: CommandContext, data: Promise<T>): Promise<T | undefined> {
	try {
		return await idle.watch(data);
	} catch (error) {
		if (idle.signal.aborted && !context.signal.aborted && StreambedError.is(error, "STREAMBED_ABORTED"))
			return undefined;
		throw error;
	}
}

/** Why there is nothing more at `position`. */
async function outcomeAt(stream: ByteStream, plan: Plan, position: number): Promise<Outcome> {
	const { sealed, shards } = await stream.info();
	if (position < (shards[0]?.tail ?? 0)) return plan.to === undefined ? "tail" : "limit";
	if (sealed) return "sealed";
	return plan.follow ? "limit" : "tail";
}

/** Only where the data goes to a file: elsewhere it would mix with the output of others. */
function showsProgress({ io }: CommandContext, { follow }: Plan): boolean {
	return !follow && io.stdout === process.stdout && fstatSync(1).isFile();
}
