/** Writes RION fields one after another, in the canonical form unless told to reserve room. */
import { fail } from "../../core/errors.ts";
import { dateTimeLength, type RionDateTime, writeDateTime } from "./date-time.ts";
import { maxDepth, RionType } from "./field-types.ts";

/** Records of a few bytes share memory of this size, as Node's small buffers do. */
const poolBytes = 16 * 1024;
const shortest = 256;
const two32 = 2 ** 32;
const minInt64 = -(2n ** 63n);
const maxInt64 = 2n ** 63n - 1n;
const scratch: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

interface OpenComposite {
	readonly type: number;
	/** Where its length bytes begin. */
	readonly lengthAt: number;
	/** Length bytes left free. */
	readonly width: number;
	/** The width was asked for, and is kept. */
	readonly reserved: boolean;
}

/** What has no value of its own in a method, but a type. */
export type NullableType = "bytes" | "boolean" | "int64" | "float" | "utf8" | "utcDateTime" | CompositeType;
type CompositeType = "array" | "table" | "object" | "key" | "keyShort";

const nulls: Readonly<Record<NullableType, number>> = {
	bytes: 0x00,
	boolean: 0x10,
	int64: 0x20,
	float: 0x40,
	utf8: 0x50,
	utcDateTime: 0x70,
	array: 0xa0,
	table: 0xb0,
	object: 0xc0,
	key: 0xd0,
	keyShort: 0xe0,
};

/**
 * Writes fields; `finish` gives their bytes and begins anew. Composites are begun and ended; their lengths are put in
 * afterwards, in as few bytes as they need, or in as many as were reserved.
 */
export class RionWriter {
	#bytes: Buffer = Buffer.alloc(0);
	#start = 0;
	#at = 0;
	readonly #open: OpenComposite[] = [];

	/** A null of a type. */
	null(type: NullableType): void {
		this.#byte(nulls[type]);
	}

	/** Bytes. */
	bytes(value: Uint8Array): void {
		this.#normal(RionType.bytes, value);
	}

	/** A boolean. */
	boolean(value: boolean): void {
		this.#byte(value ? 0x11 : 0x12);
	}

	/** An integer of 64 bits; a number must be a safe one. @throws INVALID_OPTION */
	integer(value: number | bigint): void {
		if (typeof value === "bigint") {
			this.#bigint(value);
			return;
		}
		if (!Number.isSafeInteger(value)) throw fail("INVALID_OPTION", `${value} is no safe integer: pass a bigint`);
		if (value >= 0) this.#integer(0x20, value);
		else this.#integer(0x30, -1 - value);
	}

	/** A float of 4 bytes, to which the number is rounded. */
	float32(value: number): void {
		this.#room(5);
		this.#bytes[this.#at] = 0x44;
		if (Number.isNaN(value)) scratch.setUint32(0, 0x7fc00000);
		else scratch.setFloat32(0, value);
		this.#scratch(4);
	}

	/** A float of 8 bytes. */
	float64(value: number): void {
		this.#room(9);
		this.#bytes[this.#at] = 0x48;
		if (Number.isNaN(value)) scratch.setBigUint64(0, 0x7ff8000000000000n);
		else scratch.setFloat64(0, value);
		this.#scratch(8);
	}

	/** A text; a surrogate without its partner becomes `?`, as in Java. */
	text(value: string): void {
		const { length } = value;
		if (length === 0) {
			this.#empty(0x51);
			return;
		}
		const room = length * 3 + 6;
		this.#room(room);
		const bytes = this.#bytes;
		// Most texts are ASCII, of which the length in bytes is known.
		const headBytes = length < 16 ? 1 : length < 256 ? 2 : 0;
		if (headBytes > 0 && length <= 64) {
			const at = this.#at + headBytes;
			let index = 0;
			for (; index < length; index++) {
				const code = value.charCodeAt(index);
				if (code >= 0x80) break;
				bytes[at + index] = code;
			}
			if (index === length) {
				if (headBytes === 1) {
					bytes[this.#at] = 0x60 | length;
				} else {
					bytes[this.#at] = 0x51;
					bytes[this.#at + 1] = length;
				}
				this.#at = at + length;
				return;
			}
		}
		this.#longText(value, 0x50, 0x60);
	}

	/** A date-time, as precise as its fields are complete. @throws INVALID_OPTION */
	dateTime(value: RionDateTime): void {
		const length = dateTimeLength(value);
		this.#room(1 + length);
		this.#bytes[this.#at] = 0x70 | length;
		writeDateTime(value, length, this.#bytes, this.#at + 1);
		this.#at += 1 + length;
	}

	/** A key, in the short form where it fits. An empty one is not null. */
	key(value: string): void {
		const { length } = value;
		if (length === 0) {
			this.#empty(0xd1);
			return;
		}
		if (length < 16) {
			this.#room(16);
			const bytes = this.#bytes;
			const at = this.#at + 1;
			let index = 0;
			for (; index < length; index++) {
				const code = value.charCodeAt(index);
				if (code >= 0x80) break;
				bytes[at + index] = code;
			}
			if (index === length) {
				bytes[at - 1] = 0xe0 | length;
				this.#at = at + length;
				return;
			}
		}
		this.#longText(value, 0xd0, 0xe0);
	}

	/** A key in the normal form whatever its length, as Java's writeKey makes it. */
	longKey(value: string): void {
		this.#normal(RionType.key, Buffer.from(wellFormed(value)));
	}

	/** A key of 1 to 15 bytes in the short form. @throws INVALID_OPTION */
	shortKey(value: string): void {
		const length = Buffer.byteLength(wellFormed(value));
		if (length === 0 || length > 15) {
			throw fail("INVALID_OPTION", `a short key has 1 to 15 bytes, this one has ${length}`, {
				hint: "Use key(), which takes the form that fits.",
			});
		}
		this.key(value);
	}

	/** A field of an extended type; `null` is no value. `short` puts its length, at most 15, in the first byte. */
	extended(type: number, value: Uint8Array | null, form: "normal" | "short" = "normal"): void {
		if (!Number.isInteger(type) || type < 0 || type > 255) {
			throw fail("INVALID_OPTION", `an extended type is 0 to 255, not ${type}`);
		}
		if (value === null || form === "short") {
			const length = value?.length ?? 0;
			if (length > 15 || (length === 0 && value !== null)) {
				throw fail("INVALID_OPTION", `a short extended field has 1 to 15 bytes, this one has ${length}`);
			}
			this.#room(2 + length);
			this.#bytes[this.#at] = 0xf0 | length;
			this.#bytes[this.#at + 1] = type;
			if (value !== null) this.#bytes.set(value, this.#at + 2);
			this.#at += 2 + length;
		} else {
			this.#normal(RionType.extended, value, type);
		}
	}

	/** A field of type 8 or 9, which nothing is known about but its length. */
	reserved(type: 8 | 9, value: Uint8Array | null): void {
		if (value === null) this.#byte(type << 4);
		else this.#normal(type, value);
	}

	/** A field that is encoded already. */
	encoded(field: Uint8Array): void {
		this.#room(field.length);
		this.#bytes.set(field, this.#at);
		this.#at += field.length;
	}

	/** Begins an array of `count` elements. `width` reserves length bytes for it, and for the count. */
	beginArray(count: number, width?: number): void {
		this.#begin(RionType.array, width);
		this.#count(count, width);
	}

	/** Begins a table: its keys, then the cells row by row. `width` as for arrays. */
	beginTable(rows: number, keys: readonly string[], width?: number): void {
		this.#begin(RionType.table, width);
		this.#count(rows, width);
		for (const key of keys) this.key(key);
	}

	/** Begins an object: keys and values in turn. `width` reserves length bytes. */
	beginObject(width?: number): void {
		this.#begin(RionType.object, width);
	}

	/** Ends the array, table or object begun last. @throws INVALID_OPTION if it is too long for the width reserved */
	end(): void {
		const open = this.#open.pop();
		if (open === undefined) throw fail("INVALID_OPTION", "no array, table or object was begun");
		const { lengthAt, width, reserved } = open;
		const length = this.#at - lengthAt - width;
		const needed = bytesOf(length);
		if (needed > width) {
			if (reserved) {
				this.#open.push(open);
				throw fail("INVALID_OPTION", `${length} bytes do not fit the ${width} length bytes that were reserved`);
			}
			this.#room(needed - width);
			this.#bytes.copyWithin(lengthAt + needed, lengthAt + width, this.#at);
			this.#at += needed - width;
		}
		const used = Math.max(needed, width);
		this.#bytes[lengthAt - 1] = (open.type << 4) | used;
		writeLength(this.#bytes, lengthAt, used, length);
	}

	/** Bytes written since the last `finish`. */
	get length(): number {
		return this.#at - this.#start;
	}

	/** What was written, and begins anew; the bytes are yours. @throws INVALID_OPTION within a composite */
	finish(): Uint8Array {
		if (this.#open.length > 0) throw fail("INVALID_OPTION", `${this.#open.length} composites were not ended`);
		// Not a Buffer: that is an accident of how it was written.
		const { buffer, byteOffset } = this.#bytes;
		const result = new Uint8Array(buffer, byteOffset + this.#start, this.#at - this.#start);
		this.#start = this.#at;
		return result;
	}

	/** Forgets what was written since the last `finish`. */
	discard(): void {
		this.#at = this.#start;
		this.#open.length = 0;
	}

	#begin(type: number, width: number | undefined): void {
		if (width !== undefined && !(Number.isInteger(width) && width >= 1 && width <= 6)) {
			throw fail("INVALID_OPTION", `length bytes to reserve must be 1 to 6, not ${width}`);
		}
		if (this.#open.length >= maxDepth) throw fail("INVALID_OPTION", `nested more than ${maxDepth} deep`);
		const free = width ?? 1;
		this.#room(1 + free);
		this.#open.push({ type, lengthAt: this.#at + 1, width: free, reserved: width !== undefined });
		this.#at += 1 + free;
	}

	#count(count: number, width: number | undefined): void {
		if (!Number.isSafeInteger(count) || count < 0) throw fail("INVALID_OPTION", `${count} is no number of elements`);
		if (width === undefined) {
			this.#integer(0x20, count);
			return;
		}
		if (bytesOf(count) > width) throw fail("INVALID_OPTION", `the count ${count} does not fit ${width} bytes`);
		this.#room(1 + width);
		this.#bytes[this.#at] = 0x20 | width;
		writeLength(this.#bytes, this.#at + 1, width, count);
		this.#at += 1 + width;
	}

	#byte(value: number): void {
		this.#room(1);
		this.#bytes[this.#at++] = value;
	}

	#empty(lead: number): void {
		this.#room(2);
		this.#bytes[this.#at++] = lead;
		this.#bytes[this.#at++] = 0;
	}

	#integer(lead: number, magnitude: number): void {
		this.#room(9);
		const bytes = this.#bytes;
		const at = this.#at;
		if (magnitude < 0x100) {
			bytes[at] = lead | 1;
			bytes[at + 1] = magnitude;
			this.#at = at + 2;
			return;
		}
		const length = bytesOf(magnitude);
		bytes[at] = lead | length;
		writeLength(bytes, at + 1, length, magnitude);
		this.#at = at + 1 + length;
	}

	#bigint(value: bigint): void {
		if (value < minInt64 || value > maxInt64) throw fail("INVALID_OPTION", `${value} does not fit signed 64 bits`);
		const magnitude = value >= 0n ? value : -1n - value;
		const lead = value >= 0n ? 0x20 : 0x30;
		if (magnitude <= BigInt(Number.MAX_SAFE_INTEGER)) {
			this.#integer(lead, Number(magnitude));
			return;
		}
		const length = magnitude < 1n << 56n ? 7 : 8;
		this.#room(9);
		this.#bytes[this.#at] = lead | length;
		scratch.setBigUint64(0, magnitude);
		this.#bytes.set(scratchBytes.subarray(8 - length), this.#at + 1);
		this.#at += 1 + length;
	}

	/** Puts the first bytes of the scratch memory behind a lead byte that is there already. */
	#scratch(length: number): void {
		for (let index = 0; index < length; index++) this.#bytes[this.#at + 1 + index] = scratchBytes[index] as number;
		this.#at += 1 + length;
	}

	#longText(value: string, normal: number, short: number): void {
		const text = wellFormed(value);
		this.#room(text.length * 3 + 8);
		// As many length bytes as ASCII would need; the text is moved if it needs others.
		const guess = text.length < 16 ? 0 : bytesOf(text.length);
		const length = this.#bytes.write(text, this.#at + 1 + guess, "utf8");
		const needed = length < 16 ? 0 : bytesOf(length);
		if (needed !== guess) {
			const from = this.#at + 1 + guess;
			this.#bytes.copyWithin(this.#at + 1 + needed, from, from + length);
		}
		this.#bytes[this.#at] = needed === 0 ? short | length : normal | needed;
		writeLength(this.#bytes, this.#at + 1, needed, length);
		this.#at += 1 + needed + length;
	}

	#normal(type: number, value: Uint8Array, extendedType?: number): void {
		const { length } = value;
		const width = bytesOf(length);
		this.#room(2 + width + length);
		this.#bytes[this.#at++] = (type << 4) | width;
		if (extendedType !== undefined) this.#bytes[this.#at++] = extendedType;
		writeLength(this.#bytes, this.#at, width, length);
		this.#bytes.set(value, this.#at + width);
		this.#at += width + length;
	}

	/** Makes room for `bytes` more; what was finished keeps the memory that it has. */
	#room(bytes: number): void {
		if (this.#at + bytes <= this.#bytes.length) return;
		const written = this.#at - this.#start;
		const size = Math.max(poolBytes, written === 0 ? bytes + shortest : 2 * (written + bytes));
		const larger = Buffer.allocUnsafeSlow(size);
		this.#bytes.copy(larger, 0, this.#start, this.#at);
		for (let index = 0; index < this.#open.length; index++) {
			const open = this.#open[index] as OpenComposite;
			this.#open[index] = { ...open, lengthAt: open.lengthAt - this.#start };
		}
		this.#bytes = larger;
		this.#start = 0;
		this.#at = written;
	}
}

/** The fewest bytes that hold a length or a magnitude, at least one. */
function bytesOf(value: number): number {
	if (value < 0x100) return 1;
	if (value < 0x10000) return 2;
	if (value < 0x1000000) return 3;
	if (value < two32) return 4;
	let high = Math.floor(value / two32);
	let count = 4;
	for (; high > 0; high = Math.floor(high / 256)) count++;
	return count;
}

function writeLength(bytes: Uint8Array, at: number, width: number, value: number): void {
	let rest = value;
	for (let index = at + width - 1; index >= at; index--) {
		bytes[index] = rest % 256;
		rest = Math.floor(rest / 256);
	}
}

function wellFormed(text: string): string {
	return text.isWellFormed() ? text : text.replaceAll(/\p{Surrogate}/gu, "?");
}
