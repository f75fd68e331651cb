/** `append --lines --atomic` and `append --records FILE --atomic`: all records of the input at one stroke, or none. */
import { fail } from "../core/errors.ts";
import { defaultLimits, recordLimits } from "../core/limits.ts";
import { checkMeta } from "../core/record.ts";
import { recordContent } from "../core/record-encoding.ts";
import type { RecordInput } from "../index.ts";
import { numberedLines, ofLine, type RecordPlan, recordCount, recordOfLine } from "./append-records.ts";
import type { CommandContext } from "./command.ts";
import type { Input } from "./input.ts";
import type { OpenStream } from "./open-store.ts";
import type { TargetStream } from "./target-stream.ts";
import { formatBytes } from "./units.ts";

/** Appends all of the input as one append over all shards. Nothing is stored unless every line of it is right. */
export async function appendRecordsAtomic(
	{ out, global, signal }: CommandContext,
	{ records: stream, place, name }: OpenStream,
	target: TargetStream,
	input: Input,
	plan: RecordPlan,
): Promise<void> {
	const shards = await target.shards();
	const records: RecordInput[] = [];
	let content = 0;
	let bytes = 0;
	for await (const { line, number } of numberedLines(input, plan, signal)) {
		const record = recordOfLine(line, number, plan, shards);
		if (record === undefined) continue;
		if (record.part !== undefined) throw ofLine(inParts(), number, plan);
		records.push(record);
		bytes += record.value.length;
		content += recordContent(record.value, checkMeta(record, -1));
		checkTotal(records.length, content, number);
	}
	await target.make();
	const answers = await stream.append(records, { atomic: true, signal });
	const told = { scope: place.scope, stream: place.stream };
	if (global.json) await out.json({ ...told, records: answers.length, bytes });
	out.say(`appended ${recordCount(answers.length)} with ${formatBytes(bytes)} to ${name} at one stroke`);
}

function inParts(): Error {
	return fail("INVALID_OPTION", "a record in parts is a write of its own, and no piece of an atomic append", {
		hint: "Append without --atomic: a record in parts is stored as a whole or not at all there as well.",
	});
}

/** What is held until the end of the input has a bound. */
function checkTotal(records: number, bytes: number, line: number): void {
	const hint = "Split the input, or append it without --atomic.";
	const limit = defaultLimits.appendBytes;
	if (bytes > limit) {
		throw fail("TOO_LARGE", `up to line ${line} the input has more than the ${limit} bytes of one atomic append`, {
			hint,
			details: { line, limit },
		});
	}
	const { perAppend } = recordLimits;
	if (records <= perAppend) return;
	throw fail("LIMIT_EXCEEDED", `the input has more than the ${perAppend} records of one atomic append`, {
		hint,
		details: { line, limit: perAppend },
	});
}
