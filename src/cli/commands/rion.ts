/** `streambed rion`: RION to JSON and back. */
import { fail, StreambedError } from "../../core/errors.ts";
import { describe } from "../../core/options.ts";
import { decodeField, encode, type RionValue } from "../../stream-ops/rion/index.ts";
import type { CommandContext, CommandSpec } from "../command.ts";
import { type Input, openInput } from "../input.ts";
import { splitFields } from "../rion-fields.ts";
import { shownField } from "../rion-json.ts";
import { formatCount } from "../units.ts";

const chunkBytes = 64 * 1024;
const longestLine = 64 * 1024 * 1024;
const flushBytes = 64 * 1024;

/** Converts RION. */
export const rion: CommandSpec = {
	name: "rion",
	section: "Data",
	summary: "Show or make RION",
	purpose:
		"decode: show RION fields as JSON, one value a line.\nencode: make RION of JSON, one value a line; a line is a field.\nBoth end at the first that is wrong; what precedes it is written.",
	args: [
		{ term: "<decode|encode>", help: "what to do" },
		{ term: "[file]", help: "where to read; none or -: standard input" },
	],
	options: [],
	later: [],
	examples: [
		"streambed rion decode records.rion",
		"streambed rion decode records.rion --json",
		"cat values.ndjson | streambed rion encode > records.rion",
	],
	exits: { 2: "no RION, or no JSON: the message names the byte or the line" },
	run,
};

async function run(context: CommandContext, [action, file]: readonly string[]): Promise<void> {
	if (action !== "decode" && action !== "encode") {
		throw fail("INVALID_OPTION", `rion can decode or encode, not ${describe(action)}`);
	}
	const input = openInput(file === undefined ? [] : [file], context.io);
	if (action === "decode") await decodeAll(context, input);
	else await encodeAll(context, input);
}

async function decodeAll({ out, global, signal }: CommandContext, input: Input): Promise<void> {
	for await (const { offset, bytes } of splitFields(input.chunks(chunkBytes, signal), input.totalBytes)) {
		const shown = shownField(decodeAt(bytes, offset));
		await out.json(global.json ? { offset, ...shown } : shown.value);
	}
}

/** Errors name the byte in the file and not in the field. */
function decodeAt(bytes: Uint8Array, offset: number): ReturnType<typeof decodeField> {
	try {
		return decodeField(bytes);
	} catch (error) {
		const { message, details } = error as { message: string; details?: { offset?: number } };
		const at = offset + (details?.offset ?? 0);
		// The words of the error count from the field's beginning.
		const why = message.replace(/^not RION at byte \d+: /, "");
		throw fail("DECODE", `not RION at byte ${at}, in the field at byte ${offset}: ${why}`, {
			details: { offset: at, field: offset },
		});
	}
}

async function encodeAll({ out, signal }: CommandContext, input: Input): Promise<void> {
	let fields: Uint8Array[] = [];
	let waiting = 0;
	let count = 0;
	let total = 0;
	let writing = false;
	const flush = async (): Promise<void> => {
		writing = true;
		await out.data(Buffer.concat(fields));
		writing = false;
		fields = [];
		waiting = 0;
	};
	try {
		for await (const { line, number } of linesOf(input, signal)) {
			const field = encodeLine(line, number);
			fields.push(field);
			waiting += field.length;
			total += field.length;
			count++;
			if (waiting >= flushBytes) await flush();
		}
	} catch (error) {
		if (writing) throw error;
		// What precedes a bad line goes out all the same, as with decode.
		if (fields.length > 0) await flush();
		const fieldsSaid = `only ${formatCount(count)} ${count === 1 ? "field" : "fields"}, ${formatCount(total)} bytes`;
		out.say(`encoded ${count === 0 ? "nothing" : `${fieldsSaid}: what precedes the failure is written`}`);
		throw error;
	}
	await flush();
	out.say(`encoded ${formatCount(count)} ${count === 1 ? "field" : "fields"}, ${formatCount(total)} bytes`);
}

function encodeLine(line: string, number: number): Uint8Array {
	try {
		return encode(parsed(line));
	} catch (error) {
		const isJson = StreambedError.is(error);
		throw fail("INVALID_OPTION", `line ${number} cannot become RION: ${(error as Error).message}`, {
			hint: isJson
				? `The value in line ${number} is JSON, and RION has no form for it.`
				: "One JSON value a line; `jq -c .` makes such lines.",
			details: { line: number },
		});
	}
}

/** What is nested too deep for the exact way, RION refuses as well, and says so. */
function parsed(line: string): RionValue {
	try {
		return JSON.parse(line, exactly) as RionValue;
	} catch (error) {
		if (!(error instanceof RangeError)) throw error;
		return JSON.parse(line) as RionValue;
	}
}

/** Integers that a number would not hold exactly become bigints. */
function exactly(_: string, value: unknown, { source }: { source?: string } = {}): unknown {
	if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined) return value;
	return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** Lines that are not empty. */
async function* linesOf(input: Input, signal: AbortSignal): AsyncGenerator<{ line: string; number: number }> {
	let number = 0;
	let held: Uint8Array[] = [];
	let heldBytes = 0;
	const take = (end: Uint8Array): string => {
		const line = Buffer.concat([...held, end])
			.toString("utf8")
			.trim();
		held = [];
		heldBytes = 0;
		number++;
		return line;
	};
	for await (const chunk of input.chunks(chunkBytes, signal)) {
		let from = 0;
		for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
			const line = take(chunk.subarray(from, end));
			from = end + 1;
			if (line !== "") yield { line, number };
		}
		held.push(chunk.subarray(from));
		heldBytes += chunk.length - from;
		if (heldBytes > longestLine) throw fail("TOO_LARGE", `line ${number + 1} has more than ${longestLine} bytes`);
	}
	const last = take(new Uint8Array());
	if (last !== "") yield { line: last, number };
}
