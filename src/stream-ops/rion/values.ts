/** JavaScript values to RION and back. What must keep RION's own types goes through {@link RionField}s instead. */
import { types } from "node:util";
import { fail } from "../../core/errors.ts";
import { dateOf, dateTimeOf, readDateTime } from "./date-time.ts";
import { copyBytes, FieldHead, malformed } from "./field-head.ts";
import { maxDepth, RionType, rionTypeName } from "./field-types.ts";
import { readFloat, readInteger } from "./number-reading.ts";
import { notBytes } from "./rion-reader.ts";
import { RionWriter } from "./rion-writer.ts";
import { readKey, readText } from "./text-reading.ts";

/** What {@link encode} takes and {@link decode} gives. */
export type RionValue =
	| null
	| boolean
	| number
	| bigint
	| string
	| Uint8Array
	| Date
	| readonly RionValue[]
	| { readonly [key: string]: RionValue | undefined };

const shared = new RionWriter();
let busy = false;

/**
 * Encodes a value as one RION field: safe integers and bigints of 64 bits as integers, other numbers (-0 too) as floats
 * of 8 bytes, dates to the millisecond, arrays, objects of own members. Members that are `undefined` are left out, as
 * in JSON. The bytes are yours.
 *
 * @throws INVALID_OPTION for what RION has no type for
 */
export function encode(value: RionValue): Uint8Array {
	// A getter of the value could call this function again.
	const writer = busy ? new RionWriter() : shared;
	const outermost = !busy;
	busy = true;
	try {
		writeValue(writer, value);
		return writer.finish();
	} catch (error) {
		writer.discard();
		throw error;
	} finally {
		if (outermost) busy = false;
	}
}

function writeValue(writer: RionWriter, value: RionValue): void {
	switch (typeof value) {
		case "string":
			writer.text(value);
			return;
		case "number":
			if (Number.isSafeInteger(value) && !Object.is(value, -0)) writer.integer(value);
			else writer.float64(value);
			return;
		case "boolean":
			writer.boolean(value);
			return;
		case "bigint":
			writer.integer(value);
			return;
		case "object":
			if (value === null) writer.null("bytes");
			else writeObject(writer, value);
			return;
		default:
			throw fail("INVALID_OPTION", `RION has no type for ${typeof value}`);
	}
}

function writeObject(writer: RionWriter, value: Exclude<RionValue, null | boolean | number | bigint | string>): void {
	const prototype: unknown = Object.getPrototypeOf(value);
	if (prototype === Object.prototype || prototype === null) {
		writeMembers(writer, value as Readonly<Record<string, RionValue>>);
	} else if (Array.isArray(value)) {
		writer.beginArray(value.length);
		for (let index = 0; index < value.length; index++) writeValue(writer, value[index] ?? null);
		writer.end();
	} else if (types.isUint8Array(value)) {
		writer.bytes(value);
	} else if (types.isDate(value)) {
		writer.dateTime(dateTimeOf(value));
	} else if (isPlain(prototype)) {
		writeMembers(writer, value as Readonly<Record<string, RionValue>>);
	} else {
		const { name } = (value as { constructor: { name?: string } }).constructor;
		throw fail("INVALID_OPTION", `RION has no type for an object of the class ${name ?? "without a name"}`, {
			hint: "Pass a plain object, an array, a Uint8Array or a Date.",
		});
	}
}

/** The prototype of plain objects of another realm, as test frameworks have them. */
function isPlain(prototype: unknown): boolean {
	return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "isPrototypeOf");
}

function writeMembers(writer: RionWriter, value: Readonly<Record<string, RionValue | undefined>>): void {
	writer.beginObject();
	const keys = Object.keys(value);
	for (let index = 0; index < keys.length; index++) {
		const key = keys[index] as string;
		const member = value[key];
		if (member === undefined) continue;
		writer.key(key);
		writeValue(writer, member);
	}
	writer.end();
}

/**
 * Decodes exactly one field. Integers beyond ±(2^53 - 1) become bigints, date-times dates, tables arrays of objects;
 * bytes are copied. Of a key that comes twice the last value counts; one without a value is null.
 *
 * @throws DECODE with `details.offset` for anything but one whole field; and for extended fields, which have no value
 */
export function decode(bytes: Uint8Array): RionValue {
	if (!(bytes instanceof Uint8Array) && !types.isUint8Array(bytes)) throw notBytes(bytes);
	return decoder.decode(bytes);
}

const nothing = new Uint8Array();

class ValueDecoder {
	/** Where the field read last ended. */
	end = 0;
	#bytes: Uint8Array = nothing;
	readonly #head = new FieldHead();

	/** Decodes one field. Nothing that is called in between could begin to decode another one. */
	decode(bytes: Uint8Array): RionValue {
		this.#bytes = bytes;
		try {
			const value = this.read(0, bytes.length, 0);
			const { end } = this;
			if (end !== bytes.length) throw malformed(end, `${bytes.length - end} bytes behind the field`);
			return value;
		} finally {
			this.#bytes = nothing;
		}
	}

	read(at: number, limit: number, depth: number): RionValue {
		const head = this.#head;
		head.parse(this.#bytes, at, limit, undefined);
		return this.#value(head, depth);
	}

	#value(head: FieldHead, depth: number): RionValue {
		const { type, nibble, valueAt, end } = head;
		const bytes = this.#bytes;
		this.end = end;
		if (type === RionType.extended || type === RionType.reserved8 || type === RionType.reserved9) {
			throw malformed(head.at, `no value for a field of type ${rionTypeName(type)}: use RionReader or decodeField`);
		}
		if (nibble === 0) return null;
		switch (type) {
			case RionType.utf8Short:
			case RionType.utf8:
				return readText(bytes, valueAt, end);
			case RionType.intPositive:
				return nibble === 1 ? (bytes[valueAt] as number) : readInteger(bytes, valueAt, end, false);
			case RionType.intNegative:
				return readInteger(bytes, valueAt, end, true);
			case RionType.boolean:
				return nibble === 1;
			case RionType.object:
				return this.#object(valueAt, end, depth);
			case RionType.float:
				head.check();
				return readFloat(bytes, valueAt, nibble);
			case RionType.bytes:
				return copyBytes(bytes, valueAt, end);
			case RionType.utcDateTime:
				head.check();
				return dateOf(readDateTime(bytes, valueAt, nibble));
			case RionType.array:
				return this.#array(valueAt, end, depth);
			case RionType.table:
				return this.#table(valueAt, end, depth);
			default:
				return readKey(bytes, valueAt, end);
		}
	}

	#object(from: number, to: number, depth: number): RionValue {
		deeper(depth, from);
		const bytes = this.#bytes;
		const head = this.#head;
		const result: Record<string, RionValue> = {};
		let at = from;
		while (at < to) {
			head.parse(bytes, at, to, undefined);
			if (head.type !== RionType.keyShort && head.type !== RionType.key) {
				throw malformed(at, `expected a key, found ${rionTypeName(head.type)}`);
			}
			const key = readKey(bytes, head.valueAt, head.end);
			at = head.end;
			let value: RionValue = null;
			if (at < to) {
				head.parse(bytes, at, to, undefined);
				if (head.type !== RionType.keyShort && head.type !== RionType.key) {
					value = this.#value(head, depth + 1);
					at = this.end;
				}
			}
			if (key === "__proto__") define(result, key, value);
			else result[key] = value;
		}
		this.end = to;
		return result;
	}

	#array(from: number, to: number, depth: number): RionValue {
		deeper(depth, from);
		let at = this.#count(from, to);
		const result: RionValue[] = [];
		while (at < to) {
			result.push(this.read(at, to, depth + 1));
			at = this.end;
		}
		this.end = to;
		return result;
	}

	#table(from: number, to: number, depth: number): RionValue {
		deeper(depth, from);
		const head = this.#head;
		let at = this.#count(from, to);
		const keys: string[] = [];
		while (at < to) {
			head.parse(this.#bytes, at, to, undefined);
			if (head.type !== RionType.keyShort && head.type !== RionType.key) break;
			keys.push(readKey(this.#bytes, head.valueAt, head.end));
			at = head.end;
		}
		const rows: Record<string, RionValue>[] = [];
		while (at < to) {
			if (keys.length === 0) throw malformed(at, "a table with cells and without keys");
			const row: Record<string, RionValue> = {};
			for (const key of keys) {
				const value = this.read(at, to, depth + 1);
				at = this.end;
				if (key === "__proto__") define(row, key, value);
				else row[key] = value;
			}
			rows.push(row);
		}
		this.end = to;
		return rows;
	}

	/** Steps over the count that arrays and tables begin with. Their lengths, and not it, say how much there is. */
	#count(from: number, to: number): number {
		const head = this.#head;
		if (from >= to) throw malformed(from, "an array or table without its count");
		head.parse(this.#bytes, from, to, undefined);
		if (head.type !== RionType.intPositive || head.nibble === 0) {
			throw malformed(from, `expected the count of an array or table, found ${rionTypeName(head.type)}`);
		}
		return head.end;
	}
}

const decoder = new ValueDecoder();

function deeper(depth: number, at: number): void {
	if (depth >= maxDepth) throw malformed(at, `nested more than ${maxDepth} deep`);
}

/** `__proto__` as a member like any other. */
function define(object: object, key: string, value: RionValue): void {
	Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}
