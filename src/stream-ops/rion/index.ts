/** RION, the binary format of Stream Ops records: `encode` and `decode` for values, readers and writers for fields. */
import type { Serializer } from "../../core/serializer.ts";
import { decode, encode, type RionValue } from "./values.ts";

export { dateOf, dateTimeOf, formatDateTime, type RionDateTime } from "./date-time.ts";
export { fieldLength } from "./field-head.ts";
export { RionType, type RionTypeName } from "./field-types.ts";
export {
	decodeField,
	decodeFields,
	encodeField,
	encodeFields,
	type RionField,
	type RionMember,
	type RionTable,
	writeField,
} from "./fields.ts";
export { RionReader, type RionReadOptions } from "./rion-reader.ts";
export { type NullableType, RionWriter } from "./rion-writer.ts";
export { decode, encode, type RionValue } from "./values.ts";
export { unwrap, unwrapText, wrap } from "./wrapping.ts";

/** RION as a serializer of values. */
export const rion: Serializer<RionValue> = Object.freeze({ name: "rion", encode, decode });
