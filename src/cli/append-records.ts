/** `append --lines` and `append --records`: each line of the input is a record. */
import { fail, StreambedError } from "../core/errors.ts";
import { defaultLimits } from "../core/limits.ts";
import { describe } from "../core/options.ts";
import { checkKey, checkMeta, checkRecord } from "../core/record.ts";
import { recordContent } from "../core/record-encoding.ts";
import type { RecordAppended, RecordInput, RecordStream, RecordWriter } from "../index.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { type CommandContext, type OptionValues, textOption } from "./command.ts";
import { asStreambedError } from "./error-text.ts";
import type { Input } from "./input.ts";
import { splitLines, withoutMark } from "./line-split.ts";
import type { OpenStream } from "./open-store.ts";
import { type CopiedRecord, PartsCopy } from "./parts-copy.ts";
import { Progress } from "./progress.ts";
import { keyOfJson, recordOfJson } from "./record-json.ts";
import type { TargetStream } from "./target-stream.ts";
import { formatBytes, formatCount, formatSeconds, parseCount } from "./units.ts";

const readBytes = 64 * 1024;
/** A line of JSON is longer than its record: base64, escapes. */
const jsonFactor = 8;

/** What the lines of an input are. */
export interface RecordPlan {
	/** The file of `--records`, whose lines are JSON; `undefined`: lines are values. */
	readonly file: string | undefined;
	readonly key: string | undefined;
	readonly keyField: string | undefined;
	readonly shard: number | undefined;
}

/** Reads the options that make records of an input; `undefined` if it is bytes. @throws INVALID_OPTION */
export function recordPlanOf(options: OptionValues, files: readonly string[]): RecordPlan | undefined {
	const file = textOption(options, "records");
	const lines = options.lines === true;
	const [key, keyField, shard] = ["key", "keyField", "shard"].map((name) => textOption(options, name));
	const forLines: [string, unknown][] = [
		["--key", key],
		["--key-field", keyField],
		["--shard", shard],
	];
	if (!lines) refuse(forLines, "is for --lines");
	if (file === undefined && !lines) return undefined;
	if (file !== undefined && lines) throw fail("INVALID_OPTION", "--lines and --records cannot be given together");
	if (file !== undefined && files.length > 0) {
		throw fail("INVALID_OPTION", "--records names the input: no other file can be given");
	}
	const forBytes = ["chunk", "expect", "producer", "prepare"];
	refuse(
		forBytes.map((name) => [`--${name}`, options[name]]),
		"is for byte streams: it cannot be given with --lines or --records",
	);
	if (key !== undefined && keyField !== undefined) {
		throw fail("INVALID_OPTION", "--key and --key-field cannot be given together");
	}
	if (key !== undefined) checkKey(key, -1);
	return { file, key, keyField, shard: shard === undefined ? undefined : parseCount(shard, "--shard") };
}

function refuse(options: readonly (readonly [string, unknown])[], why: string): void {
	for (const [option, value] of options) {
		if (value !== undefined) throw fail("INVALID_OPTION", `${option} ${why}`, { details: { option } });
	}
}

/** Appends each line of the input as a record. What precedes a line that is wrong is stored, and nothing behind it. */
export async function appendRecords(
	context: CommandContext,
	open: OpenStream,
	target: TargetStream,
	input: Input,
	plan: RecordPlan,
	print: ((result: RecordAppended) => Promise<void>) | undefined,
): Promise<void> {
	const { out, global } = context;
	const stop = new AbortController();
	const signal = AbortSignal.any([context.signal, stop.signal]);
	const quiet = global.quiet || input.isTyped || (print !== undefined && out.showsData);
	const progress = new Progress(context, "append", input.totalBytes, quiet);
	const acknowledged = new Acknowledgements<RecordAppended>(
		(result) => {
			progress.update(acknowledged.bytes);
			return print?.(result);
		},
		() => stop.abort(),
	);
	let bytes = 0;
	try {
		bytes = await pump(open, target, numberedLines(input, plan, signal), plan, acknowledged);
		// That stdout failed may show only now.
		if (print !== undefined) await out.flush();
	} catch (thrown) {
		progress.stop();
		const { appends } = acknowledged;
		const only = appends === 0 ? "nothing" : `only ${recordCount(appends)}`;
		if (print === undefined) out.say(`appended ${only} of the input to ${open.name}`);
		const error = asStreambedError(thrown);
		const details = { ...error.details, acknowledgedRecords: appends };
		throw new StreambedError(error.code, error.message, { hint: error.hint, details, cause: error });
	}
	progress.stop();
	if (print !== undefined) return;
	const { appends } = acknowledged;
	const { scope, stream } = open.place;
	if (global.json) await out.json({ scope, stream, records: appends, bytes });
	const time = progress.elapsedMs >= 500 ? ` in ${formatSeconds(progress.elapsedMs)}` : "";
	out.say(`appended ${recordCount(appends)} with ${formatBytes(bytes)} to ${open.name}${time}`);
}

/** `1 record`, `2,000 records`. */
export function recordCount(count: number): string {
	return `${formatCount(count)} ${count === 1 ? "record" : "records"}`;
}

/** Writes a record for each line; resolves with the bytes of their values. */
async function pump(
	{ records }: OpenStream,
	target: TargetStream,
	lines: AsyncGenerator<NumberedLine>,
	plan: RecordPlan,
	acknowledged: Acknowledgements<RecordAppended>,
): Promise<number> {
	const shards = await target.shards();
	const writer = records.writer();
	const larger = new LargerRecords(records, writer, plan, acknowledged);
	let bytes = 0;
	const [ended] = await Promise.allSettled([
		(async () => {
			for await (const { line, number } of lines) {
				const record = recordOfLine(line, number, plan, shards);
				if (record === undefined) continue;
				// A later part is refused where nothing precedes it.
				if (target.missing && (record.part?.index ?? 0) === 0) await target.make();
				bytes += record.value.length;
				if ((record.part !== undefined || larger.open) && (await larger.take(record, line, number))) continue;
				const ticket = writer.write(record);
				// In bytes of the input, as its size is known in: the line and its end.
				await acknowledged.add(ticket.durable, line.length + 1);
				await ticket;
			}
			larger.end();
			await target.make();
		})(),
	]);
	// When the input ends badly, what was taken of it is still stored, and its answers are told.
	try {
		await larger.abort();
		await acknowledged.settled();
		if (ended.status === "rejected") throw ended.reason;
	} finally {
		// Its failures have been told by the acknowledgements.
		await writer.close().catch(() => {});
	}
	return bytes;
}

/** Lines that are parts of larger records: each is answered with where the whole stands, once it is stored. */
class LargerRecords {
	readonly #copy: PartsCopy;
	readonly #writer: RecordWriter;
	readonly #plan: RecordPlan;
	readonly #acknowledged: Acknowledgements<RecordAppended>;
	/** Bytes of the lines of the record that is under way. */
	#lines: number[] = [];

	constructor(
		stream: RecordStream,
		writer: RecordWriter,
		plan: RecordPlan,
		acknowledged: Acknowledgements<RecordAppended>,
	) {
		this.#copy = new PartsCopy(stream);
		this.#writer = writer;
		this.#plan = plan;
		this.#acknowledged = acknowledged;
	}

	/** A part is to come. */
	get open(): boolean {
		return this.#lines.length > 0;
	}

	/** Takes a line if it is a part. @throws INVALID_OPTION where another part has to come */
	async take(record: CopiedRecord, line: Uint8Array, number: number): Promise<boolean> {
		const { part } = record;
		try {
			if (part === undefined) this.#copy.requireWhole();
			else {
				this.#lines.push(line.length + 1);
				// It comes behind all that stands before it.
				if (part.last) await this.#writer.flush();
				const stored = await this.#copy.take({ ...record, part });
				if (stored !== undefined) await this.#stored({ ...stored, time: Number.NaN, duplicate: false });
			}
		} catch (thrown) {
			throw ofLine(thrown, number, this.#plan);
		}
		return part !== undefined;
	}

	/** The input has ended. @throws INVALID_OPTION where another part has to come */
	end(): void {
		this.#copy.requireWhole();
	}

	async abort(): Promise<void> {
		await this.#copy.abort();
	}

	async #stored(place: RecordAppended): Promise<void> {
		const lines = this.#lines;
		this.#lines = [];
		for (const bytes of lines) await this.#acknowledged.add(Promise.resolve(place), bytes);
	}
}

/** A line of an input, counted from 1. */
export interface NumberedLine {
	readonly line: Uint8Array;
	readonly number: number;
}

/** The lines of an input, counted over all of its files; the end of a file ends its last line. @throws TOO_LARGE, naming the line */
export async function* numberedLines(
	input: Input,
	plan: RecordPlan,
	signal: AbortSignal,
): AsyncGenerator<NumberedLine> {
	const longest = defaultLimits.appendBytes * (plan.file === undefined ? 1 : jsonFactor);
	let number = 0;
	for (const file of input.files) {
		const chunks = file.chunks(readBytes, signal);
		// Bytes of a value are bytes, but JSON has no mark.
		const text = plan.file === undefined ? chunks : withoutMark(chunks);
		for await (const line of splitLines(text, longest, number + 1)) {
			number++;
			yield { line, number };
		}
	}
}

/**
 * The record of a line, checked before it is handed over: behind one that is wrong nothing must be stored. `undefined`
 * for a line that is no record, where reading ended. An error names the line.
 */
export function recordOfLine(
	line: Uint8Array,
	number: number,
	plan: RecordPlan,
	shards: number,
): CopiedRecord | undefined {
	try {
		const record = plan.file === undefined ? recordOfText(line, plan) : recordOfJson(line);
		if (record !== undefined) check(record, shards);
		return record;
	} catch (thrown) {
		throw ofLine(thrown, number, plan);
	}
}

/** Names the line in an error. */
export function ofLine(thrown: unknown, number: number, plan: RecordPlan): StreambedError {
	const error = asStreambedError(thrown);
	const { code, message, hint, details } = error;
	const place = `line ${number} of ${inputName(plan)}`;
	return new StreambedError(code, `${place}: ${message}`, {
		hint,
		details: { ...details, line: number },
		cause: error,
	});
}

function inputName({ file }: RecordPlan): string {
	if (file === undefined) return "the input";
	return file === "-" ? "standard input" : file;
}

function check({ part: _part, ...record }: CopiedRecord, shards: number): void {
	checkRecord(record, -1);
	const bytes = recordContent(record.value, checkMeta(record, -1));
	const limit = defaultLimits.appendBytes;
	if (bytes > limit) {
		throw fail("TOO_LARGE", `a record of ${bytes} bytes is larger than the limit of ${limit}`, {
			hint: "The library writes larger ones in parts: stream.multipart(). Or append it to a byte stream.",
			details: { bytes, limit },
		});
	}
	requireShard(record.shard ?? 0, shards);
}

/** @throws INVALID_OPTION */
export function requireShard(shard: number, shards: number): void {
	if (Number.isSafeInteger(shard) && shard >= 0 && shard < shards) return;
	const known = shards === 1 ? "one, shard 0" : `${shards}, from 0 to ${shards - 1}`;
	throw fail("INVALID_OPTION", `there is no shard ${describe(shard)}: the stream has ${known}`, {
		hint: "`streambed grow` adds shards; without a shard a record goes where its key belongs.",
	});
}

function recordOfText(value: Uint8Array, { key, keyField, shard }: RecordPlan): RecordInput {
	return { value, key: keyField === undefined ? key : keyOfJson(value, keyField), shard };
}
