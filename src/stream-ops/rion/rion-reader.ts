/** Walking through RION field by field, without making values of what is not asked for. */
import { types } from "node:util";
import { fail } from "../../core/errors.ts";
import { describe } from "../../core/options.ts";
import { dateOf, type RionDateTime, readDateTime } from "./date-time.ts";
import { checkLead, FieldHead, malformed } from "./field-head.ts";
import { maxDepth, RionType, type RionTypeName, rionTypeName, shortShapes } from "./field-types.ts";
import { readFloat, readInteger } from "./number-reading.ts";
import { readKey, readText } from "./text-reading.ts";

/** How to read RION. */
export interface RionReadOptions {
	/**
	 * Extended types whose length stands in their first byte; the bytes do not tell. The others are taken to have
	 * length bytes, as Java does. Default none.
	 */
	readonly shortExtendedTypes?: readonly number[] | undefined;
}

/**
 * Reads fields one after another: `next` steps to a field, `enter` and `leave` go into an array, table or object and
 * out of it again, and the methods named after types give its value, or null if the field
 * is null, of whatever type. Nothing is read beyond the bytes given, and all
 * errors name the byte at which they were met.
 */
export class RionReader {
	readonly #head = new FieldHead();
	readonly #shortTypes: ReadonlySet<number> | undefined;
	#bytes: Uint8Array;
	#next: number;
	#limit: number;
	/** The field: where it begins, its first byte, where its value begins and ends. */
	#at = 0;
	#lead = 0;
	#valueAt = 0;
	#end = 0;
	/** Of each composite entered: where it ends, and where what surrounds it ends. */
	readonly #limits = new Float64Array(2 * maxDepth);
	#depth = 0;

	/** Stands before the first field of `bytes`, or of its part from `from` to `to`. */
	constructor(bytes: Uint8Array, from = 0, to: number = bytes.length, options: RionReadOptions = {}) {
		this.#shortTypes = options.shortExtendedTypes === undefined ? undefined : new Set(options.shortExtendedTypes);
		this.#bytes = bytes;
		this.#next = from;
		this.#limit = to;
		this.reset(bytes, from, to);
	}

	/** Begins anew with other bytes: one reader serves for any number of records. */
	reset(bytes: Uint8Array, from = 0, to: number = bytes.length): void {
		const { length } = bytes;
		if (!isBytes(bytes)) throw notBytes(bytes);
		if (from !== 0 || to !== length) checkRange(from, to, length);
		this.#bytes = bytes;
		this.#next = from;
		this.#limit = to;
		this.#depth = 0;
	}

	/** Steps to the next field; false at the end of the bytes, or of the composite entered. @throws DECODE */
	next(): boolean {
		const at = this.#next;
		if (at >= this.#limit) return false;
		const lead = this.#bytes[at] as number;
		const end = at + 1 + (lead & 15);
		// Most fields are short: what is done for them is small enough to be inlined.
		if (((shortShapes >> (lead >> 4)) & 1) === 0 || end > this.#limit) return this.#parse(at);
		this.#at = at;
		this.#lead = lead;
		this.#valueAt = at + 1;
		this.#end = end;
		this.#next = end;
		return true;
	}

	#parse(at: number): boolean {
		const head = this.#head;
		head.parse(this.#bytes, at, this.#limit, this.#shortTypes);
		this.#at = at;
		this.#lead = (head.type << 4) | head.nibble;
		this.#valueAt = head.valueAt;
		this.#end = head.end;
		this.#next = head.end;
		return true;
	}

	/** Type code of the field, see {@link RionType}. */
	get type(): number {
		return this.#lead >> 4;
	}

	/** Name of its type. */
	get typeName(): RionTypeName {
		return rionTypeName(this.#lead >> 4);
	}

	/** Type byte of an extended field. */
	get extendedType(): number {
		return this.#head.extendedType;
	}

	/** No value, which is not the same as an empty one. */
	get isNull(): boolean {
		return (this.#lead & 15) === 0;
	}

	/** Where the field begins. */
	get offset(): number {
		return this.#at;
	}

	/** Where its value begins. */
	get valueOffset(): number {
		return this.#valueAt;
	}

	/** Where the field ends. */
	get end(): number {
		return this.#end;
	}

	/** Composites entered and not left. */
	get depth(): number {
		return this.#depth;
	}

	/** Goes into the array, table or object; into one that is null as into an empty one. @throws DECODE */
	enter(): void {
		const { type } = this;
		if (type < RionType.array || type > RionType.object) throw this.#wrong("an array, a table or an object");
		if (this.#depth >= maxDepth) throw malformed(this.#at, `nested more than ${maxDepth} deep`);
		this.#limits[2 * this.#depth] = this.#end;
		this.#limits[2 * this.#depth + 1] = this.#limit;
		this.#depth++;
		this.#next = this.#valueAt;
		this.#limit = this.#end;
	}

	/** Goes out of the composite; the next field is the one behind it. */
	leave(): void {
		if (this.#depth === 0) throw fail("INVALID_OPTION", "leave without enter");
		this.#depth--;
		this.#next = this.#limits[2 * this.#depth] as number;
		this.#limit = this.#limits[2 * this.#depth + 1] as number;
	}

	/** A boolean, or null. Codes without a meaning are false, as in Java. @throws DECODE if it is of another type */
	boolean(): boolean | null {
		const lead = this.#lead;
		if ((lead & 15) === 0) return null;
		if (lead >> 4 !== RionType.boolean) throw this.#wrong("a boolean");
		return lead === 0x11;
	}

	/** An integer, or null; a bigint beyond ±(2^53 - 1). @throws DECODE */
	integer(): number | bigint | null {
		const lead = this.#lead;
		if ((lead & 15) === 0) return null;
		const type = lead >> 4;
		if (type !== RionType.intPositive && type !== RionType.intNegative) throw this.#wrong("an integer");
		return readInteger(this.#bytes, this.#valueAt, this.#end, type === RionType.intNegative);
	}

	/** A float of 4 or 8 bytes, or null. @throws DECODE */
	float(): number | null {
		const lead = this.#lead;
		if ((lead & 15) === 0) return null;
		if (lead >> 4 !== RionType.float) throw this.#wrong("a float");
		checkLead(lead, this.#at);
		return readFloat(this.#bytes, this.#valueAt, lead & 15);
	}

	/** An integer or a float, or null: whole numbers are written as integers. @throws DECODE */
	number(): number | bigint | null {
		return this.#lead >> 4 === RionType.float ? this.float() : this.integer();
	}

	/** A text, or null. @throws DECODE */
	text(): string | null {
		const lead = this.#lead;
		if ((lead & 15) === 0) return null;
		const type = lead >> 4;
		if (type !== RionType.utf8Short && type !== RionType.utf8) throw this.#wrong("a text");
		return readText(this.#bytes, this.#valueAt, this.#end);
	}

	/** Tells whether the field is this key, without making a text of it. */
	isKey(name: string): boolean {
		const type = this.#lead >> 4;
		if (type !== RionType.keyShort && type !== RionType.key) return false;
		return this.#isText(name, this.#valueAt, this.#end);
	}

	/**
	 * Steps over the key `name` to its value, if that key comes next; else stays where it is and gives false. A key without
	 * a value has null. For objects whose members come in a known order. @throws DECODE
	 */
	member(name: string): boolean {
		const at = this.#next;
		const lead = at < this.#limit ? (this.#bytes[at] as number) : 0;
		const end = at + 1 + (lead & 15);
		if (lead >> 4 !== RionType.keyShort || end > this.#limit) return this.#longMember(name);
		if (!this.#isText(name, at + 1, end)) return false;
		this.#next = end;
		return this.#value(end);
	}

	/** A key in the normal form, or none. */
	#longMember(name: string): boolean {
		const at = this.#next;
		if (!this.next()) return false;
		if (this.isKey(name)) return this.#value(this.#end);
		this.#next = at;
		return false;
	}

	/** Steps to the value behind a key that ends at `at`. */
	#value(at: number): boolean {
		const type = at < this.#limit ? (this.#bytes[at] as number) >> 4 : RionType.key;
		if (type !== RionType.keyShort && type !== RionType.key) return this.next();
		this.#lead = 0;
		this.#at = at;
		this.#valueAt = at;
		this.#end = at;
		return true;
	}

	#isText(name: string, at: number, end: number): boolean {
		const bytes = this.#bytes;
		const { length } = name;
		for (let index = 0; index < length; index++) {
			const code = name.charCodeAt(index);
			// Of other characters there are several bytes.
			if (code >= 0x80) return readText(bytes, at, end) === name;
			if (code !== bytes[at + index]) return false;
		}
		return at + length === end;
	}

	/** A key. @throws DECODE */
	key(): string | null {
		const { type } = this;
		if (type !== RionType.keyShort && type !== RionType.key) throw this.#wrong("a key");
		return this.isNull ? null : readKey(this.#bytes, this.#valueAt, this.#end);
	}

	/** The fields of a date-time, or null. @throws DECODE */
	dateTime(): RionDateTime | null {
		const lead = this.#lead;
		if ((lead & 15) === 0) return null;
		if (lead >> 4 !== RionType.utcDateTime) throw this.#wrong("a date-time");
		checkLead(lead, this.#at);
		return readDateTime(this.#bytes, this.#valueAt, lead & 15);
	}

	/** A date-time as a point in time. @throws DECODE */
	date(): Date | null {
		const fields = this.dateTime();
		return fields === null ? null : dateOf(fields);
	}

	/** The value's bytes, whatever its type: a view, not a copy. `null` if the field is. */
	bytes(): Uint8Array | null {
		return this.isNull || this.type === RionType.boolean ? null : viewOf(this.#bytes, this.#valueAt, this.#end);
	}

	/** The whole field, head included: a view. */
	field(): Uint8Array {
		return viewOf(this.#bytes, this.#at, this.#end);
	}

	#wrong(expected: string): Error {
		return malformed(this.#at, `expected ${expected}, found ${this.typeName}`);
	}
}

/** Arrays of another realm are bytes as well. */
function isBytes(value: unknown): boolean {
	return value instanceof Uint8Array || types.isUint8Array(value);
}

function checkRange(from: number, to: number, length: number): void {
	if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to && to <= length) return;
	throw fail("INVALID_OPTION", `no bytes from ${from} to ${to}: there are ${length}`);
}

function viewOf(bytes: Uint8Array, at: number, end: number): Uint8Array {
	return new Uint8Array(bytes.buffer, bytes.byteOffset + at, end - at);
}

/** The error for something that should have been bytes. */
export function notBytes(value: unknown): Error {
	return fail("INVALID_OPTION", `RION is read from a Uint8Array, not from ${describe(value)}`);
}
