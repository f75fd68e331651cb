/** `read` of a record stream: values a line each, or records as lines of JSON. */
import { StreambedError } from "../core/errors.ts";
import type { Location } from "../core/location.ts";
import { type CutPositions, formatCut, parseCut } from "../core/stream-cut.ts";
import type { RecordBatch, RecordReader, RecordStream } from "../index.ts";
import type { CommandContext } from "./command.ts";
import { IdleTimer } from "./idle-timer.ts";
import { withOptionNames } from "./option-names.ts";
import { Progress, showsProgress } from "./progress.ts";
import { interruptedAt, isInterruption } from "./read-interrupted.ts";
import { recordToJson } from "./record-json.ts";

const LF = new Uint8Array([0x0a]);

/** What to read, as the options say. */
export interface RecordReadPlan {
	readonly from: Location | undefined;
	readonly to: Location | undefined;
	readonly fromCut: string | undefined;
	readonly toCut: string | undefined;
	readonly limit: number | undefined;
	/** `undefined` as `all`, but the position of a stream with one shard is a number. */
	readonly shard: number | "all" | undefined;
	readonly follow: boolean;
	readonly timeoutMs: number | undefined;
}

/** Reads records to stdout. */
export async function readRecords(context: CommandContext, stream: RecordStream, plan: RecordReadPlan): Promise<void> {
	const shard = plan.shard === "all" ? undefined : plan.shard;
	const idle = new IdleTimer(context.io.clock, plan.timeoutMs);
	const signal = AbortSignal.any([context.signal, idle.signal]);
	const { from, to, fromCut, toCut, limit, follow } = plan;
	const range = { shard, from, to, fromCut, toCut, limit, follow, signal };
	await using reader = await withOptionNames(async () => stream.read(range));
	await withOptionNames(() => reader.open());
	const progress = showsProgress(context, follow) ? new Progress(context, "read") : undefined;
	const done: Handed = { writing: undefined };
	const ended = await pump(context, reader, idle, plan, progress, done)
		.catch((thrown: unknown) => {
			if (isInterruption(context, thrown)) return thrown;
			throw thrown;
		})
		.finally(() => progress?.stop());
	if (typeof ended === "string" && !context.global.json) return;
	const place = placeOf(reader, shard, done);
	const { positions } = place;
	const single = shard !== undefined || (plan.shard === undefined && positions.length === 1);
	const position = single ? positions[0] : { ...positions };
	if (typeof ended !== "string") {
		const cut = formatCut(place);
		throw interruptedAt(ended, { position, cut }, `--from-cut ${cut}`);
	}
	const outcome = ended === "end" ? await outcomeAt(stream, plan, shard, positions) : ended;
	await context.out.json({ outcome, position });
}

/** What stdout has taken: all that the reader has given out, but perhaps the last batch. */
interface Handed {
	writing: RecordBatch | undefined;
}

/** Where the reader is, behind what stdout has taken. */
function placeOf(reader: RecordReader, only: number | undefined, { writing }: Handed): CutPositions {
	const place = parseCut(reader.location, "the reader's location");
	if (writing === undefined) return place;
	const shard = only === undefined ? writing.shard : 0;
	const positions = place.positions.map((position, at) => (at === shard ? position - writing.length : position));
	return { ...place, positions };
}

async function pump(
	context: CommandContext,
	reader: RecordReader,
	idle: IdleTimer,
	{ limit }: RecordReadPlan,
	progress: Progress | undefined,
	done: Handed,
): Promise<"timeout" | "limit" | "end"> {
	const batches = reader.batches();
	const lines = new ValueLines();
	let count = 0;
	let bytes = 0;
	for (;;) {
		let next: IteratorResult<RecordBatch>;
		try {
			next = await idle.watch(batches.next());
		} catch (error) {
			const silent = idle.signal.aborted && !context.signal.aborted && StreambedError.is(error, "STREAMBED_ABORTED");
			if (silent) return "timeout";
			throw error;
		}
		if (next.done) {
			if (lines.cut > 0) context.out.say(cutNote(lines.cut));
			return limit !== undefined && count >= limit ? "limit" : "end";
		}
		count += next.value.length;
		const data = context.global.json ? jsonLines(next.value) : lines.of(next.value);
		done.writing = next.value;
		await context.out.data(data);
		done.writing = undefined;
		bytes += data.length;
		progress?.update(bytes);
	}
}

function jsonLines(batch: RecordBatch): string {
	let text = "";
	for (const record of batch) text += `${JSON.stringify(recordToJson(record))}\n`;
	return text;
}

function cutNote(count: number): string {
	const what = count === 1 ? "1 value is not whole" : `${count} values are not whole`;
	return `note: ${what}: the reading began or ended inside of a record in parts, each of which counts as a record`;
}

/** Values a line each; the parts of a larger one are one line. */
class ValueLines {
	/** Where the line that has no end yet goes on. */
	#open: { readonly shard: number; readonly index: number } | undefined;
	/** Lines that are not the whole value. */
	#cut = 0;

	of(batch: RecordBatch): Uint8Array {
		const pieces: Uint8Array[] = [];
		for (let at = 0; at < batch.length; at++) {
			const part = batch.part(at);
			const goesOn = part !== null && part.index === this.#open?.index && batch.shard === this.#open.shard;
			if (!goesOn) {
				if (this.#open !== undefined) pieces.push(LF);
				if (this.#open !== undefined || (part?.index ?? 0) > 0) this.#cut++;
			}
			pieces.push(batch.value(at));
			this.#open = part?.last === false ? { shard: batch.shard, index: part.index + 1 } : undefined;
			if (this.#open === undefined) pieces.push(LF);
		}
		return Buffer.concat(pieces);
	}

	/** Lines that are not the whole value, now that nothing more comes. */
	get cut(): number {
		return this.#cut + (this.#open === undefined ? 0 : 1);
	}
}

/** Why there is nothing more behind these positions: it depends on the place that was asked for, not on what came meanwhile. */
async function outcomeAt(
	stream: RecordStream,
	plan: RecordReadPlan,
	only: number | undefined,
	positions: readonly number[],
): Promise<"tail" | "sealed" | "limit"> {
	if (endReached(plan, only, positions)) return "limit";
	const { sealed, shards } = await stream.info();
	const read = only === undefined ? shards : shards.slice(only, only + 1);
	return sealed && read.every(({ tail }, index) => (positions[index] ?? 0) >= tail) ? "sealed" : "tail";
}

/** Tells whether a place to end at was asked for and is reached, in all shards. */
function endReached({ to, toCut }: RecordReadPlan, only: number | undefined, positions: readonly number[]): boolean {
	if (toCut !== undefined) {
		const cut = parseCut(toCut, "--to-cut");
		// A cut of all shards has that of the only one in its place; shards that it does not know are left out.
		const ends = only === undefined || cut.shard !== undefined ? cut.positions : cut.positions.slice(only, only + 1);
		return ends.every((end, index) => (positions[index] ?? 0) >= end);
	}
	if (to === undefined) return false;
	// Only a sequence may lie beyond the tail, and it is one of a single shard.
	return typeof to === "string" || !("sequence" in to) || (positions[0] ?? 0) >= to.sequence;
}
