/** `streambed read`: bytes of a stream, or its records, to standard output, once or for ever. */
import { fail, StreambedError } from "../../core/errors.ts";
import type { Location } from "../../core/location.ts";
import { parseCut } from "../../core/stream-cut.ts";
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
import { handleOf, withStream } from "../open-store.ts";
import { withOptionNames } from "../option-names.ts";
import { Progress, showsProgress } from "../progress.ts";
import { interruptedAt, isInterruption } from "../read-interrupted.ts";
import { readRecords } from "../read-records.ts";
import { parseCount, parseDuration, parseSize } from "../units.ts";

/** Bytes asked for at a time. */
const readBytes = 1024 * 1024;

/** Reads bytes, or records. */
export const read: CommandSpec = {
	name: "read",
	section: "Data",
	summary: "Read or follow a stream",
	purpose:
		"Write the bytes of a stream, or the values of its records a line each, to\nstandard output. Works beside a running owner.",
	args: [streamArgument],
	options: [
		{ flags: "--from <loc>", help: `where to begin (default head):${locationHelp}` },
		{ flags: "--to <loc>", help: "where to end, exclusive (default: the tail)" },
		{ flags: "--limit <size>", help: "end after so many bytes, or records" },
		{ flags: "--follow", help: "wait for more at the tail, until the stream is sealed" },
		{ flags: "--timeout <time>", help: "with --follow: end when nothing came for so long, as 5s" },
		{ flags: "--shard <n|all>", help: "of records: one shard, or all (default)" },
		{ flags: "--from-cut <cut>", help: "of records: where to begin, as streambed cut shows it" },
		{ flags: "--to-cut <cut>", help: "of records: where to end" },
	],
	later: [
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
	// Checked before anything is opened: a wrong option is a wrong option whatever the address leads to.
	const plan = planOf(context, options);
	const shard = shardOf(options);
	const cuts = { fromCut: cutOf(options, "fromCut", "--from-cut"), toCut: cutOf(options, "toCut", "--to-cut") };
	if (options.from !== undefined && cuts.fromCut !== undefined) throw both("--from", "--from-cut");
	if (options.to !== undefined && cuts.toCut !== undefined) throw both("--to", "--to-cut");
	await withStream(context, address, "read", async (open) => {
		if ((await handleOf(open)) === open.records) {
			const given = textOption(options, "limit");
			const limit = given === undefined ? undefined : parseCount(given, "--limit of records");
			const from = cuts.fromCut === undefined ? plan.from : undefined;
			return await readRecords(context, open.records, { ...plan, ...cuts, from, shard, limit });
		}
		if (cuts.fromCut !== undefined || cuts.toCut !== undefined) {
			throw fail("WRONG_KIND", `${open.name} is a byte stream: cuts are for record streams`);
		}
		if (shard !== undefined && shard !== 0 && shard !== "all") {
			throw fail("UNSUPPORTED", `--shard must be 0 or all, not ${shard}: a byte stream has one shard`);
		}
		await readStream(context, open.stream, plan, async ({ outcome, position }) => {
			if (!context.global.json) return;
			await context.out.json({ outcome, position: shard === "all" ? { 0: position } : position });
		});
	});
}

function planOf(context: CommandContext, options: OptionValues): Plan {
	const now = context.io.clock.now();
	const [from, to, limit, timeout] = ["from", "to", "limit", "timeout"].map((name) => textOption(options, name));
	if (timeout !== undefined && options.follow !== true) {
		throw fail("INVALID_OPTION", "--timeout is for --follow: without it nothing is waited for", {
			details: { option: "--timeout" },
		});
	}
	return {
		from: from === undefined ? "head" : parseLocation(from, "--from", now),
		to: to === undefined ? undefined : parseLocation(to, "--to", now),
		limit: limit === undefined ? Number.POSITIVE_INFINITY : parseSize(limit, "--limit"),
		follow: options.follow === true,
		timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, "--timeout"),
	};
}

function shardOf(options: OptionValues): number | "all" | undefined {
	const text = textOption(options, "shard");
	return text === undefined || text === "all" ? text : parseCount(text, "--shard");
}

function cutOf(options: OptionValues, name: string, flag: string): string | undefined {
	const text = textOption(options, name);
	if (text !== undefined) parseCut(text, flag);
	return text;
}

function both(one: string, other: string): Error {
	return fail("INVALID_OPTION", `${one} and ${other} cannot be given together`, { details: { option: other } });
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
	readonly done: Handed;
}

/** What stdout has taken: up to which position. */
interface Handed {
	position: number;
}

async function readStream(
	context: CommandContext,
	stream: ByteStream,
	plan: Plan,
	tell: (end: End) => Promise<void>,
): Promise<void> {
	const idle = new IdleTimer(context.io.clock, plan.timeoutMs);
	const signal = AbortSignal.any([context.signal, idle.signal]);
	const { from, to, follow } = plan;
	await using reader = await withOptionNames(async () => stream.reader({ from, to, follow, signal }));
	await withOptionNames(() => reader.open());
	const done: Handed = { position: reader.offset };
	const session = { context, stream, plan, reader, begin: reader.offset, idle, signal, done };
	try {
		await tell(context.global.json ? await readLines(session) : await readRaw(session));
	} catch (thrown) {
		if (!isInterruption(context, thrown)) throw thrown;
		const { position } = done;
		throw interruptedAt(thrown, { position }, `--from offset:${position}`);
	}
}

/** Writes what ends at `position`. */
async function hand({ context, done }: Session, data: Uint8Array | string, position: number): Promise<void> {
	await context.out.data(data);
	done.position = position;
}

async function readRaw(session: Session): Promise<End> {
	const { context, stream, plan, reader, begin, idle } = session;
	// Without --follow it ends at the tail of the beginning, however fast others append.
	const stop = plan.follow ? Number.POSITIVE_INFINITY : await reader.tail();
	const progress = showsProgress(context, plan.follow) ? new Progress(context, "read", stop - begin) : undefined;
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
			await hand(session, result.bytes, reader.offset);
			progress?.update(reader.offset - begin);
		}
	} finally {
		progress?.stop();
	}
}

async function readLines(session: Session): Promise<End> {
	const { context, stream, plan, begin, idle, signal } = session;
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
			position = offset + part.length;
			await hand(session, `${JSON.stringify({ offset, length: part.length, time, data })}\n`, position);
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

/** Why there is nothing more at `position`: it depends on the place that was asked for, not on what came meanwhile. */
async function outcomeAt(stream: ByteStream, { to }: Plan, position: number): Promise<Outcome> {
	// Only an offset may lie beyond the tail; any other place was there when the reading began.
	if (to !== undefined && (typeof to === "string" || !("offset" in to) || position >= to.offset)) return "limit";
	const { sealed, shards } = await stream.info();
	return sealed && position >= (shards[0]?.tail ?? 0) ? "sealed" : "tail";
}
