/** `streambed append`: files or standard input, chunk by chunk into a byte stream, or line by line as records. */
import { fail, StreambedError } from "../../core/errors.ts";
import { defaultLimits } from "../../core/limits.ts";
import type { Appended, ByteStream, ByteWriter, ProducerTriple, RecordAppended } from "../../index.ts";
import { Acknowledgements } from "../acknowledgements.ts";
import { appendRecords, recordPlanOf } from "../append-records.ts";
import { appendAtomic, refuseBeside } from "../atomic-append.ts";
import { appendRecordsAtomic } from "../atomic-records.ts";
import { type CommandContext, type CommandSpec, type OptionValues, streamArgument, textOption } from "../command.ts";
import { asStreambedError } from "../error-text.ts";
import { exactChunks } from "../exact-chunks.ts";
import { type Input, openInput } from "../input.ts";
import { type OpenStream, withStream } from "../open-store.ts";
import { ClosedPipe } from "../output.ts";
import { parseProducer } from "../producer-text.ts";
import { Progress } from "../progress.ts";
import { requireBeginning, TargetStream } from "../target-stream.ts";
import { formatBytes, formatCount, formatSeconds, parseCount, parseSize } from "../units.ts";

const defaultChunkBytes = 64 * 1024;
/** Bytes on their way to the disk; input waits beyond that. At least two chunks. */
const inFlightBytes = 8 * 1024 * 1024;

/** Appends bytes. */
export const append: CommandSpec = {
	name: "append",
	section: "Data",
	summary: "Append files or stdin",
	purpose:
		"Append files, or standard input, to a stream; a missing one is made.\nInput is stored while it is read, in chunks, each as a whole or not at all.\nBytes with --producer can be given again after a failure: a chunk whose number\nwas stored before is not stored again. What it holds is not compared.",
	args: [streamArgument, { term: "[file...]", help: "appended in order; - or none: standard input" }],
	options: [
		{ flags: "--chunk <size>", help: "of bytes: largest append, to 8MiB (default 64KiB)" },
		{ flags: "--expect <n>", help: "of bytes: offset of the tail at the first chunk" },
		{
			flags: "--producer <id:epoch:seq>",
			help: "of bytes: number of the first chunk; exact chunks",
		},
		{ flags: "--acks", help: "print a line of JSON for each durable append" },
		{ flags: "--atomic", help: "all of the input at one stroke, or nothing" },
		{ flags: "--prepare", help: "of bytes: the same, seen after: txn commit" },
		{ flags: "--no-create", help: "fail if the stream is missing" },
		{ flags: "--lines", help: "each line is a record; a file's end ends its line" },
		{ flags: "--key <key>", help: "with --lines: the key of all of them" },
		{ flags: "--key-field <field>", help: "with --lines: the key is this field of their JSON" },
		{ flags: "--shard <n>", help: "with --lines: the shard of all of them" },
		{ flags: "--records <file>", help: "records as lines of JSON, as read --json has them" },
	],
	later: [],
	examples: [
		"cat film.mp4 | streambed append ./data/cam/raw --chunk 1MiB",
		"streambed append shop/orders orders.jsonl --lines --key-field id",
		"tail -f app.log | streambed append web/log --expect 0 --acks",
	],
	exits: {
		2: "wrong name or option",
		3: "no such stream, with --no-create",
		4: "sealed, not the tail that --expect says, or the producer is fenced",
		6: "another process owns the store, or the disk is full",
		8: "it is unknown whether a chunk was stored",
	},
	run,
};

async function run(context: CommandContext, args: readonly string[], options: OptionValues): Promise<void> {
	const [address = "", ...files] = args;
	const chunk = textOption(options, "chunk");
	const chunkBytes = chunk === undefined ? defaultChunkBytes : parseSize(chunk, "--chunk");
	if (chunkBytes < 1 || chunkBytes > defaultLimits.appendBytes) {
		throw fail("INVALID_OPTION", `--chunk must be from 1B to ${formatBytes(defaultLimits.appendBytes)}, not ${chunk}`);
	}
	const expect = textOption(options, "expect");
	const producer = textOption(options, "producer");
	const plan: Plan = {
		chunkBytes,
		expect: expect === undefined ? undefined : parseCount(expect, "--expect"),
		producer: producer === undefined ? undefined : parseProducer(producer, "--producer"),
		acks: options.acks === true,
	};
	const prepare = options.prepare === true;
	const atomic = prepare || options.atomic === true;
	if (atomic) {
		const beside = { "--chunk": chunk, "--producer": producer, "--acks": options.acks };
		refuseBeside(prepare ? "--prepare" : "--atomic", prepare ? { ...beside, "--expect": expect } : beside);
	}
	const lines = recordPlanOf(options, files);
	const input = lines?.file === undefined ? openInput(files, context.io) : openRecords(lines.file, context);
	const create = options.create !== false;
	await withStream(context, address, create ? "create" : "write", async (open) => {
		const target = await TargetStream.find(context, open, lines === undefined ? "bytes" : "records", { create });
		if (lines !== undefined && atomic) return await appendRecordsAtomic(context, open, target, input, lines);
		if (lines !== undefined)
			return await appendRecords(context, open, target, input, lines, plan.acks ? printer(context) : undefined);
		if (atomic) return await appendAtomic(context, open, target, input, { expect: plan.expect, prepare });
		const done = await appendAll(context, open, target, input, plan);
		await summarize(context, open, done, plan);
	});
}

interface Plan {
	readonly chunkBytes: number;
	readonly expect: number | undefined;
	readonly producer: ProducerTriple | undefined;
	readonly acks: boolean;
}

interface Done {
	readonly appends: number;
	/** Appends among them that had been stored before. */
	readonly duplicates: number;
	/** Bytes of the others. */
	readonly bytes: number;
	readonly from: number | undefined;
	readonly to: number | undefined;
	readonly elapsedMs: number;
}

/** The input of `--records`; an error names the option. */
function openRecords(file: string, { io }: CommandContext): Input {
	try {
		return openInput([file], io);
	} catch (thrown) {
		const { code, message, hint, details } = asStreambedError(thrown);
		throw new StreambedError(code, `--records: ${message}`, { hint, details, cause: thrown });
	}
}

/** Appends all of the input; an error tells in its details up to where it is durable. */
async function appendAll(
	context: CommandContext,
	open: OpenStream,
	target: TargetStream,
	input: Input,
	plan: Plan,
): Promise<Done> {
	const stop = new AbortController();
	const signal = AbortSignal.any([context.signal, stop.signal]);
	// Not among lines that somebody types, nor among acknowledgements on the same terminal.
	const quiet = context.global.quiet || input.isTyped || (plan.acks && context.out.showsData);
	const progress = new Progress(context, "append", input.totalBytes, quiet);
	const print = plan.acks ? printer(context) : () => {};
	const acknowledged = new Acknowledgements(
		(result) => {
			progress.update(acknowledged.bytes);
			return print(result);
		},
		() => stop.abort(),
	);
	try {
		const chunks = input.chunks(plan.chunkBytes, signal);
		const exact = plan.producer === undefined ? chunks : exactChunks(chunks, plan.chunkBytes);
		await pump(open.stream, target, exact, plan, acknowledged);
		// That stdout failed may show only now.
		if (plan.acks) await context.out.flush();
	} catch (error) {
		progress.stop();
		const { freshBytes, to } = acknowledged;
		if (to !== undefined && !plan.acks) {
			const what = freshBytes === 0 ? "nothing" : `only ${formatBytes(freshBytes)}`;
			const before = storedBefore(acknowledged, "; ");
			context.out.say(`appended ${what} of the input to ${open.name}, up to ${formatCount(to)}${before}`);
		}
		throw withPosition(error, acknowledged);
	}
	progress.stop();
	const { appends, duplicates, freshBytes, from, to } = acknowledged;
	return { appends, duplicates, bytes: freshBytes, from, to, elapsedMs: progress.elapsedMs };
}

/**
 * Hands over chunks as they come, many at a time. The writer is conditional, or has the producer: after a failure it
 * takes nothing more, so that what is stored is always a beginning of the input.
 */
async function pump(
	stream: ByteStream,
	target: TargetStream,
	chunks: AsyncGenerator<Uint8Array>,
	plan: Plan,
	acknowledged: Acknowledgements,
): Promise<void> {
	const maxInFlightBytes = Math.max(inFlightBytes, 2 * plan.chunkBytes);
	let writer: ByteWriter | undefined;
	let { expect, producer } = plan;
	const answer = producer === undefined ? (durable: Promise<Appended>) => durable : sameChunk;
	const [ended] = await Promise.allSettled([
		(async () => {
			for await (const chunk of chunks) {
				if (target.missing) {
					requireBeginning(stream.address, { expect, producer });
					await target.make();
				}
				if (expect !== undefined) {
					await acknowledged.add(answer(stream.append(chunk, { expect, producer }), chunk), chunk.length);
					await acknowledged.settled();
					expect = undefined;
					producer = producer && { ...producer, sequence: producer.sequence + 1 };
					continue;
				}
				writer ??= stream.writer({ maxInFlightBytes, ...(producer ? { producer } : { conditional: true }) });
				const ticket = writer.write(chunk);
				await acknowledged.add(answer(ticket.durable, chunk), chunk.length);
				await ticket;
			}
			// No input at all: the condition is checked all the same.
			if (target.missing) requireBeginning(stream.address, { expect, producer: undefined });
			await target.make();
			if (expect !== undefined) await stream.append(new Uint8Array(0), { expect });
		})(),
	]);
	// When the input ends badly, what was taken of it is still stored, and its answers are told.
	try {
		await acknowledged.settled();
		if (ended.status === "rejected") throw ended.reason;
	} finally {
		// Its failures have been told by the acknowledgements.
		await writer?.close().catch(() => {});
	}
}

/** The answer to a chunk; a duplicate of another length shows that this is not the input of before. */
async function sameChunk(durable: Promise<Appended>, { length }: Uint8Array): Promise<Appended> {
	const result = await durable;
	const { from, to, duplicate } = result;
	if (!duplicate || Number.isNaN(to) || to - from === length) return result;
	throw fail("INVALID_OPTION", `a chunk of ${length} bytes was stored before with ${to - from} bytes, at ${from}`, {
		hint: "Give the same input with the same --chunk; what goes on behind an input that ended early has a number of its own.",
		details: { option: "--producer", from, to },
	});
}

/** Prints answers; once nobody reads them the input is still stored. */
function printer(context: CommandContext): (result: Appended | RecordAppended) => Promise<void> {
	return async (result) => {
		const { from, to, duplicate } = result;
		const shard = "shard" in result ? result.shard : 0;
		if (context.out.closed) return;
		try {
			await context.out.json({ shard, from, to, duplicate });
		} catch (error) {
			if (!(error instanceof ClosedPipe)) throw error;
			context.out.say("nobody reads the acknowledgements any more; appending goes on");
		}
	};
}

/** The error, with the end of what is stored: `acknowledgedTo`, and in bytes of the input. */
function withPosition(thrown: unknown, { to, bytes }: Acknowledgements): StreambedError {
	const error = asStreambedError(thrown);
	const details = { ...error.details, acknowledgedTo: to ?? null, acknowledgedBytes: bytes };
	return new StreambedError(error.code, error.message, { hint: error.hint, details, cause: error });
}

async function summarize(
	context: CommandContext,
	{ stream, place, name }: OpenStream,
	done: Done,
	plan: Plan,
): Promise<void> {
	if (plan.acks) return;
	const { tail } = (await stream.info()).shards[0] ?? { tail: 0 };
	const { appends, duplicates, from = tail, to = tail } = done;
	if (context.global.json) {
		const counted = plan.producer === undefined ? {} : { duplicates, bytes: done.bytes };
		await context.out.json({ scope: place.scope, stream: place.stream, appends, ...counted, from, to });
	}
	const time = done.elapsedMs >= 500 ? ` in ${formatSeconds(done.elapsedMs)}` : "";
	if (duplicates > 0 && duplicates === appends) {
		context.out.say(`appended nothing to ${name}${storedBefore(done, ": ")}, tail ${formatCount(tail)}`);
		return;
	}
	const what = `appended ${formatBytes(done.bytes)} to ${name}${time}`;
	context.out.say(`${what}, tail ${formatCount(to)}${storedBefore(done, "; ")}`);
}

/** `; 2 of 3 chunks had been stored before`; nothing if none was. */
function storedBefore({ appends, duplicates }: Pick<Done, "appends" | "duplicates">, separator: string): string {
	if (duplicates === 0) return "";
	return `${separator}${formatCount(duplicates)} of ${formatCount(appends)} chunks had been stored before`;
}
