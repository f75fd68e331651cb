/** JSON, images and other bytes as records: one field around them, of two to five bytes. */

import { malformed } from "./field-head.ts";
import { RionType, rionTypeName } from "./field-types.ts";
import { RionReader } from "./rion-reader.ts";
import { RionWriter } from "./rion-writer.ts";

/** Puts bytes into a Bytes field, a text (as of JSON) into a UTF-8 field. */
export function wrap(payload: Uint8Array | string): Uint8Array {
	const writer = new RionWriter();
	if (typeof payload === "string") writer.text(payload);
	else writer.bytes(payload);
	return writer.finish();
}

/**
 * The bytes inside a record made by {@link wrap}: a view.
 *
 * @throws DECODE unless the record is exactly one Bytes or UTF-8 field that is not null
 */
export function unwrap(record: Uint8Array): Uint8Array {
	const reader = only(record);
	const { type } = reader;
	const bytes = reader.bytes();
	if (bytes === null || (type !== RionType.bytes && type !== RionType.utf8 && type !== RionType.utf8Short)) {
		throw malformed(0, `expected wrapped bytes or a text, found ${reader.isNull ? "null" : rionTypeName(type)}`);
	}
	return bytes;
}

/** The text inside a record made by {@link wrap}. @throws DECODE unless the record is exactly one UTF-8 field */
export function unwrapText(record: Uint8Array): string {
	const text = only(record).text();
	if (text === null) throw malformed(0, "expected a wrapped text, found null");
	return text;
}

function only(record: Uint8Array): RionReader {
	const reader = new RionReader(record);
	if (!reader.next()) throw malformed(0, "no field in no bytes");
	if (reader.end !== record.length) throw malformed(reader.end, `${record.length - reader.end} bytes behind the field`);
	return reader;
}
