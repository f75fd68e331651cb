/**
 * The head of a RION field: type, length, and where its value begins and ends. Lengths are believed only once they have
 * been compared with what is left, so that nothing is ever read, or allocated, beyond it.
 */
import { fail, type StreambedError } from "../../core/errors.ts";
import { RionType, rionTypeName, Shape, shapes, shortShapes } from "./field-types.ts";

/** The error for bytes that are no RION; `offset` counts from the beginning of the bytes that were given. */
export function malformed(offset: number, what: string, details: { readonly truncated?: true } = {}): StreambedError {
	return fail("DECODE", `not RION at byte ${offset}: ${what}`, { details: { offset, ...details } });
}

/** The error for a field that does not end where its surroundings end. */
function cut(at: number, what: string, needed: number, left: number): StreambedError {
	return malformed(at, `${what} needs ${needed} bytes and ${left} are left`, { truncated: true });
}

/** A copy of the bytes from `at` to `end`, with memory of its own: a Buffer's `slice` would be a view, or a Buffer. */
export function copyBytes(bytes: Uint8Array, at: number, end: number): Uint8Array {
	return new Uint8Array(bytes.subarray(at, end));
}

/** One field's head, filled anew by each {@link parse}. */
export class FieldHead {
	/** Where the field begins. */
	at = 0;
	/** Type code, 0 to 15. */
	type = 0;
	/** The lower four bits of the first byte; 0 is null. */
	nibble = 0;
	/** Type byte of an extended field. */
	extendedType = 0;
	/** Where the value begins. */
	valueAt = 0;
	/** Where the field ends and the next one begins. */
	end = 0;

	/** Reads the head of the field at `at`, which must end at `limit` or before. @throws DECODE */
	parse(bytes: Uint8Array, at: number, limit: number, shortTypes: ReadonlySet<number> | undefined): void {
		if (at >= limit) throw cut(at, "a field", 1, 0);
		const lead = bytes[at] as number;
		const type = lead >> 4;
		const nibble = lead & 15;
		this.at = at;
		this.type = type;
		this.nibble = nibble;
		// Most fields are short: this part is small enough to be inlined.
		if (((shortShapes >> type) & 1) === 1 && nibble < limit - at) {
			this.valueAt = at + 1;
			this.end = at + 1 + nibble;
		} else {
			this.#parseRest(bytes, at + 1, limit, shortTypes);
		}
	}

	#parseRest(bytes: Uint8Array, from: number, limit: number, shortTypes: ReadonlySet<number> | undefined): void {
		const { at, type, nibble } = this;
		const shape = shapes[type] as number;
		let valueAt = from;
		let length = shape === Shape.tiny ? 0 : nibble;
		let short = shape === Shape.tiny || shape === Shape.short;
		if (shape === Shape.extended) {
			if (valueAt >= limit) throw cut(at, "the type of an extended field", 1, 0);
			this.extendedType = bytes[valueAt++] as number;
			short = shortTypes?.has(this.extendedType) ?? false;
		}
		if (!short) {
			if (valueAt + nibble > limit) throw cut(at, "the length of a field", nibble, limit - valueAt);
			length = 0;
			for (const lengthEnd = valueAt + nibble; valueAt < lengthEnd; valueAt++) {
				length = length * 256 + (bytes[valueAt] as number);
			}
		}
		// A length beyond 2^53 has lost its last digits here, and is too large all the same.
		if (length > limit - valueAt) throw cut(at, `a value of type ${rionTypeName(type)}`, length, limit - valueAt);
		this.valueAt = valueAt;
		this.end = valueAt + length;
	}

	/** Refuses what no value can be read from, though its length is known. @throws DECODE */
	check(): void {
		checkLead((this.type << 4) | this.nibble, this.at);
	}
}

/** Refuses the first byte of a field at `at` of which no value can be read. @throws DECODE */
export function checkLead(lead: number, at: number): void {
	const nibble = lead & 15;
	if (lead >> 4 === RionType.float && nibble !== 0 && nibble !== 4 && nibble !== 8) {
		throw malformed(at, `a float of ${nibble} bytes, expected 0 (null), 4 or 8`);
	}
	if (lead >> 4 === RionType.utcDateTime && (nibble === 1 || nibble === 8 || nibble > 9)) {
		throw malformed(at, `a date-time of ${nibble} bytes, expected 0 (null), 2 to 7, or 9`);
	}
}

/**
 * Length of the field at `at` in bytes, head included, which may reach beyond `limit`; 0 if even its head does. Extended
 * fields are taken to be of the normal shape, as Stream Ops does.
 */
export function fieldLength(bytes: Uint8Array, at: number, limit: number): number {
	if (at >= limit) return 0;
	const lead = bytes[at] as number;
	const nibble = lead & 15;
	const shape = shapes[lead >> 4] as number;
	if (shape === Shape.tiny) return 1;
	if (shape === Shape.short) return 1 + nibble;
	const headLength = nibble + (shape === Shape.extended ? 2 : 1);
	if (at + headLength > limit) return 0;
	let length = 0;
	for (let index = at + headLength - nibble; index < at + headLength; index++) {
		length = length * 256 + (bytes[index] as number);
	}
	return headLength + length;
}
