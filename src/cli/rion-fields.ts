/** RION fields out of a stream of chunks, one after another; no more is held than the field that is being gathered. */
import { fail } from "../core/errors.ts";
import { fieldLength } from "../stream-ops/rion/index.ts";

/** Heads of fields have at most so many bytes. */
const headBytes = 17;

/** A field and where it begins. */
export interface PlacedField {
	readonly offset: number;
	readonly bytes: Uint8Array;
}

/** Takes fields apart. With `totalBytes` a length beyond it is refused at once. @throws DECODE{offset} at a torn end */
export async function* splitFields(
	chunks: AsyncIterable<Uint8Array>,
	totalBytes: number | undefined,
): AsyncGenerator<PlacedField> {
	let offset = 0;
	let held: Uint8Array[] = [];
	let heldBytes = 0;
	let needed = 0;
	for await (const chunk of chunks) {
		held.push(chunk);
		heldBytes += chunk.length;
		if (heldBytes < needed) continue;
		const bytes = held.length === 1 ? chunk : Buffer.concat(held);
		let at = 0;
		for (;;) {
			const length = fieldLength(bytes, at, bytes.length);
			if (length === 0 || at + length > bytes.length) {
				needed = length === 0 ? Math.min(bytes.length - at + 1, headBytes) : length;
				break;
			}
			yield { offset: offset + at, bytes: bytes.subarray(at, at + length) };
			at += length;
		}
		offset += at;
		held = at === bytes.length ? [] : [bytes.subarray(at)];
		heldBytes = bytes.length - at;
		if (heldBytes === 0) needed = 0;
		if (totalBytes !== undefined && offset + needed > totalBytes && heldBytes > 0) throw torn(offset, totalBytes);
	}
	if (heldBytes > 0) throw torn(offset, offset + heldBytes);
}

function torn(offset: number, end: number): Error {
	return fail("DECODE", `the field at byte ${offset} is not whole: ${end - offset} bytes are left of it`, {
		hint: "What stands before it was shown.",
		details: { offset, validBytes: offset },
	});
}
