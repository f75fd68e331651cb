/** Lines of an input that comes in chunks. */
import { fail } from "../core/errors.ts";

const LF = 0x0a;
const CR = 0x0d;
/** U+FEFF in UTF-8. */
const MARK = [0xef, 0xbb, 0xbf];

/**
 * Lines without their LF or CRLF; the last one need not end with one. `firstLine` is the number of the first one.
 * @throws TOO_LARGE, naming the line
 */
export async function* splitLines(
	chunks: AsyncIterable<Uint8Array>,
	maxBytes: number,
	firstLine = 1,
): AsyncGenerator<Uint8Array> {
	let pieces: Uint8Array[] = [];
	let held = 0;
	let line = firstLine;
	for await (const chunk of chunks) {
		let from = 0;
		for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
			const end = chunk.subarray(from, at);
			yield withoutReturn(pieces.length === 0 ? end : Buffer.concat([...pieces, end]));
			pieces = [];
			held = 0;
			line++;
			from = at + 1;
		}
		if (from === chunk.length) continue;
		pieces.push(new Uint8Array(chunk.subarray(from)));
		held += chunk.length - from;
		if (held > maxBytes) {
			throw fail("TOO_LARGE", `line ${line} of the input is longer than ${maxBytes} bytes`, {
				hint: "A line is one record; split it, or append it to a byte stream.",
				details: { line, limit: maxBytes },
			});
		}
	}
	if (held > 0) yield Buffer.concat(pieces);
}

/** The chunks without a byte order mark at their beginning, however they are cut. */
export async function* withoutMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	let begin: Uint8Array | undefined = new Uint8Array(0);
	for await (const chunk of chunks) {
		if (begin === undefined) {
			yield chunk;
			continue;
		}
		begin = begin.length === 0 ? new Uint8Array(chunk) : Buffer.concat([begin, chunk]);
		if (begin.length < MARK.length && isMark(begin)) continue;
		const rest = isMark(begin) ? begin.subarray(MARK.length) : begin;
		begin = undefined;
		yield rest;
	}
	if (begin !== undefined && begin.length > 0) yield begin;
}

/** Tells whether bytes begin as the mark does, as far as they go. */
function isMark(bytes: Uint8Array): boolean {
	return MARK.every((byte, at) => at >= bytes.length || bytes[at] === byte);
}

function withoutReturn(line: Uint8Array): Uint8Array {
	return line.at(-1) === CR ? line.subarray(0, -1) : line;
}
