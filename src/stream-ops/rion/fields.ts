/** Fields with RION's own types: what is read is written again to the same bytes where these were canonical. */
import { types } from "node:util";
import { fail } from "../../core/errors.ts";
import { type RionDateTime, readDateTime } from "./date-time.ts";
import { copyBytes, FieldHead, malformed } from "./field-head.ts";
import { maxDepth, RionType, rionTypeName } from "./field-types.ts";
import { readFloat, readInteger } from "./number-reading.ts";
import { notBytes, type RionReadOptions } from "./rion-reader.ts";
import { RionWriter } from "./rion-writer.ts";
import { readText } from "./text-reading.ts";

/** Room reserved for the length of an array, table or object: so many length bytes although fewer would do. */
interface Reserved {
	readonly width?: number;
}

/** One member of an object. A key without a value field is not the same as one with a null. */
export interface RionMember {
	readonly key: string | null;
	readonly value?: RionField;
}

/** What a table holds: cells row by row, in the order of the keys. */
export interface RionTable {
	readonly keys: readonly string[];
	readonly cells: readonly RionField[];
	/** As written, which readers do not rely on. */
	readonly rows: number;
}

/** A field with its type. `null` is a value of every type. */
export type RionField =
	| { readonly type: "bytes"; readonly value: Uint8Array | null }
	| { readonly type: "boolean"; readonly value: boolean | null }
	| { readonly type: "int64"; readonly value: number | bigint | null }
	/** Only null has no width. */
	| { readonly type: "float"; readonly value: null }
	| { readonly type: "float32" | "float64"; readonly value: number }
	| { readonly type: "utf8"; readonly value: string | null }
	| { readonly type: "utcDateTime"; readonly value: RionDateTime | null }
	| { readonly type: "key" | "keyShort"; readonly value: string | null }
	| ({ readonly type: "array"; readonly value: readonly RionField[] | null; readonly count?: number } & Reserved)
	| ({ readonly type: "table"; readonly value: RionTable | null } & Reserved)
	| ({ readonly type: "object"; readonly value: readonly RionMember[] | null } & Reserved)
	| {
			readonly type: "extended";
			readonly extendedType: number;
			readonly form: "normal" | "short";
			readonly value: Uint8Array | null;
	  }
	| { readonly type: "reserved"; readonly fieldType: 8 | 9; readonly value: Uint8Array | null };

/** Decodes exactly one field. @throws DECODE */
export function decodeField(bytes: Uint8Array, options: RionReadOptions = {}): RionField {
	const fields = decodeFields(bytes, options);
	if (fields.length !== 1) throw malformed(0, `expected one field, found ${fields.length}`);
	return fields[0] as RionField;
}

/** Decodes fields that follow one another. @throws DECODE */
export function decodeFields(bytes: Uint8Array, options: RionReadOptions = {}): RionField[] {
	if (!types.isUint8Array(bytes)) throw notBytes(bytes);
	return new FieldDecoder(bytes, options).fields(0, bytes.length, 0);
}

class FieldDecoder {
	readonly #bytes: Uint8Array;
	readonly #head = new FieldHead();
	readonly #shortTypes: ReadonlySet<number>;

	constructor(bytes: Uint8Array, options: RionReadOptions) {
		this.#bytes = bytes;
		this.#shortTypes = new Set(options.shortExtendedTypes);
	}

	fields(from: number, to: number, depth: number): RionField[] {
		const fields: RionField[] = [];
		for (let at = from; at < to; ) {
			const head = this.#parse(at, to);
			at = head.end;
			fields.push(this.#field(head, depth));
		}
		return fields;
	}

	#parse(at: number, limit: number): FieldHead {
		this.#head.parse(this.#bytes, at, limit, this.#shortTypes);
		return this.#head;
	}

	#field({ type, nibble, valueAt, end, extendedType, at }: FieldHead, depth: number): RionField {
		const bytes = this.#bytes;
		const isNull = nibble === 0;
		this.#head.check();
		const raw = (): Uint8Array | null => (isNull ? null : copyBytes(bytes, valueAt, end));
		const text = (): string | null => (isNull ? null : readText(bytes, valueAt, end));
		switch (type) {
			case RionType.bytes:
				return { type: "bytes", value: raw() };
			case RionType.boolean:
				return { type: "boolean", value: isNull ? null : nibble === 1 };
			case RionType.intPositive:
			case RionType.intNegative:
				return {
					type: "int64",
					value: isNull ? null : readInteger(bytes, valueAt, end, type === RionType.intNegative),
				};
			case RionType.float:
				if (isNull) return { type: "float", value: null };
				return { type: nibble === 4 ? "float32" : "float64", value: readFloat(bytes, valueAt, nibble) };
			case RionType.utf8:
			case RionType.utf8Short:
				return { type: "utf8", value: text() };
			case RionType.utcDateTime:
				return { type: "utcDateTime", value: isNull ? null : readDateTime(bytes, valueAt, nibble) };
			case RionType.key:
				return { type: "key", value: text() };
			case RionType.keyShort:
				return { type: "keyShort", value: text() };
			case RionType.extended: {
				const form = this.#shortTypes.has(extendedType) ? "short" : "normal";
				return { type: "extended", extendedType, form, value: raw() };
			}
			case RionType.reserved8:
			case RionType.reserved9:
				return { type: "reserved", fieldType: type, value: raw() };
			default:
				return this.#composite(type, isNull, at, valueAt, end, depth);
		}
	}

	#composite(type: number, isNull: boolean, at: number, from: number, to: number, depth: number): RionField {
		if (depth >= maxDepth) throw malformed(at, `nested more than ${maxDepth} deep`);
		// The width is told only where it is not what the content needs.
		const written = (this.#bytes[at] as number) & 15;
		const reserved = written > neededWidth(to - from) ? { width: written } : {};
		if (type === RionType.object) {
			return { type: "object", value: isNull ? null : this.#members(from, to, depth + 1), ...reserved };
		}
		if (isNull) return { type: type === RionType.array ? "array" : "table", value: null };
		const { count, end } = this.#count(from, to);
		if (type === RionType.table) {
			return { type: "table", value: this.#table(count, end, to, depth + 1), ...reserved };
		}
		const value = this.fields(end, to, depth + 1);
		return { type: "array", value, ...(count === value.length ? {} : { count }), ...reserved };
	}

	#members(from: number, to: number, depth: number): RionMember[] {
		const members: RionMember[] = [];
		let key: string | null | undefined;
		for (let at = from; at < to; ) {
			const head = this.#parse(at, to);
			at = head.end;
			if (head.type === RionType.key || head.type === RionType.keyShort) {
				if (key !== undefined) members.push({ key });
				key = head.nibble === 0 ? null : readText(this.#bytes, head.valueAt, head.end);
			} else {
				if (key === undefined) throw malformed(head.at, `expected a key, found ${rionTypeName(head.type)}`);
				members.push({ key, value: this.#field(head, depth) });
				key = undefined;
			}
		}
		if (key !== undefined) members.push({ key });
		return members;
	}

	#table(rows: number, from: number, to: number, depth: number): RionTable {
		const keys: string[] = [];
		let at = from;
		while (at < to) {
			const head = this.#parse(at, to);
			if (head.type !== RionType.key && head.type !== RionType.keyShort) break;
			keys.push(readText(this.#bytes, head.valueAt, head.end));
			at = head.end;
		}
		return { keys, cells: this.fields(at, to, depth), rows };
	}

	#count(from: number, to: number): { readonly count: number; readonly end: number } {
		if (from >= to) throw malformed(from, "an array or table without its count");
		const { type, nibble, valueAt, end } = this.#parse(from, to);
		if (type !== RionType.intPositive || nibble === 0) {
			throw malformed(from, `expected the count of an array or table, found ${rionTypeName(type)}`);
		}
		return { count: Number(readInteger(this.#bytes, valueAt, end, false)), end };
	}
}

function neededWidth(length: number): number {
	let width = 1;
	for (let rest = Math.floor(length / 256); rest > 0; rest = Math.floor(rest / 256)) width++;
	return width;
}

/** Encodes one field. @throws INVALID_OPTION */
export function encodeField(field: RionField): Uint8Array {
	return encodeFields([field]);
}

/** Encodes fields one after another. @throws INVALID_OPTION */
export function encodeFields(fields: readonly RionField[]): Uint8Array {
	const writer = new RionWriter();
	for (const field of fields) writeField(writer, field);
	return writer.finish();
}

/** Writes one field. @throws INVALID_OPTION */
export function writeField(writer: RionWriter, field: RionField): void {
	switch (field.type) {
		case "extended":
			writer.extended(field.extendedType, field.value, field.form);
			return;
		case "reserved":
			writer.reserved(field.fieldType, field.value);
			return;
		case "float32":
			writer.float32(field.value);
			return;
		case "float64":
			writer.float64(field.value);
			return;
	}
	if (field.value === null) writer.null(field.type);
	else writeNonNull(writer, field as NonNullField);
}

type NonNullField = Exclude<RionField, { type: "extended" | "reserved" | "float" | "float32" | "float64" }> & {
	readonly value: NonNullable<unknown>;
};

function writeNonNull(writer: RionWriter, field: NonNullField): void {
	switch (field.type) {
		case "bytes":
			writer.bytes(field.value);
			return;
		case "boolean":
			writer.boolean(field.value);
			return;
		case "int64":
			writer.integer(field.value);
			return;
		case "utf8":
			writer.text(field.value);
			return;
		case "utcDateTime":
			writer.dateTime(field.value);
			return;
		case "key":
			writer.longKey(field.value);
			return;
		case "keyShort":
			writer.shortKey(field.value);
			return;
		case "array":
			writer.beginArray(field.count ?? field.value.length, field.width);
			for (const element of field.value) writeField(writer, element);
			break;
		case "table":
			writer.beginTable(field.value.rows, field.value.keys, field.width);
			for (const cell of field.value.cells) writeField(writer, cell);
			break;
		case "object":
			writer.beginObject(field.width);
			for (const { key, value } of field.value) {
				if (key === null) writer.null("keyShort");
				else writer.key(key);
				if (value !== undefined) writeField(writer, value);
			}
			break;
		default:
			throw fail("INVALID_OPTION", `RION has no field type ${String((field as { type: unknown }).type)}`);
	}
	writer.end();
}
