/**
 * What Stream Ops and RION Ops for Java wrote, with what it means. `STREAM_OPS_FIXTURES` names another folder of the
 * same form.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RionField, RionMember } from "../../../src/stream-ops/rion/index.ts";

export const fixtures: string =
	process.env.STREAM_OPS_FIXTURES ?? fileURLToPath(new URL("../../fixtures/stream-ops", import.meta.url));

export function json<T>(...path: string[]): T {
	return JSON.parse(readFileSync(join(fixtures, ...path), "utf8")) as T;
}

/** A value as the fixtures write it. */
export interface ValueSpec {
	readonly type: string;
	readonly null?: true;
	readonly value?: string | boolean | null;
	readonly hex?: string | null;
	readonly pattern?: PatternSpec;
	readonly bits?: string;
	readonly elements?: readonly ValueSpec[];
	readonly elementCount?: string;
	readonly keys?: readonly string[];
	readonly cells?: readonly ValueSpec[];
	readonly rowCount?: string;
	readonly members?: readonly { readonly key: string; readonly value?: ValueSpec }[];
	readonly fields?: readonly ValueSpec[];
	readonly extendedType?: number;
	readonly form?: "normal" | "short";
	readonly fieldType?: 8 | 9;
	readonly index?: string;
	readonly offset?: string;
	readonly [part: string]: unknown;
}

interface PatternSpec {
	readonly length: number;
	readonly seed: number;
}

export interface RionCase {
	readonly id: string;
	readonly kind: "canonical" | "encodeWithOptions" | "decodeOnly" | "invalid" | "javaWriterDefect";
	readonly hex?: string;
	readonly file?: string;
	readonly value: ValueSpec | null;
	readonly shortExtendedTypes?: readonly number[];
}

/** All cases of RION. */
export function rionCases(): readonly RionCase[] {
	return json<{ cases: RionCase[] }>("rion", "cases.json").cases;
}

/** The bytes of a case. */
export function caseBytes({ hex, file }: RionCase): Uint8Array {
	return hex === undefined ? readFileSync(join(fixtures, "rion", file as string)) : unhex(hex);
}

export function unhex(hex: string): Uint8Array {
	return new Uint8Array(Buffer.from(hex, "hex"));
}

/** Bytes that the fixtures describe by a formula. */
export function pattern({ length, seed }: PatternSpec): Uint8Array {
	return Uint8Array.from({ length }, (_, i) => (seed + 7 * i + 13 * Math.floor(i / 256)) % 256);
}

/** The canonical sequence: name, position and length of each field, and the bytes. */
export function canonicalSequence(): { readonly fields: [string, number, number][]; readonly bytes: Uint8Array } {
	const { fields, file } = json<{ fields: [string, number, number][]; file: string }>("rion", "all-canonical.json");
	return { fields, bytes: readFileSync(join(fixtures, "rion", file)) };
}

/** The field that a value of the fixtures stands for. */
export function fieldOf(spec: ValueSpec): RionField {
	const isNull = spec.null === true;
	switch (spec.type) {
		case "bytes":
			if (spec.pattern !== undefined) return { type: "bytes", value: pattern(spec.pattern) };
			return { type: "bytes", value: spec.hex === null ? null : unhex(spec.hex as string) };
		case "int64":
			return { type: "int64", value: spec.value === null ? null : integerOf(spec.value as string) };
		case "float32":
		case "float64": {
			const view = new DataView(unhex(spec.bits as string).buffer);
			return { type: spec.type, value: spec.type === "float32" ? view.getFloat32(0) : view.getFloat64(0) };
		}
		case "utcDateTime": {
			const { type, valueLength, null: _, ...parts } = spec;
			return { type: "utcDateTime", value: isNull ? null : (parts as unknown as { year: number }) };
		}
		case "array": {
			if (isNull) return { type: "array", value: null };
			return { type: "array", value: (spec.elements as ValueSpec[]).map(fieldOf) };
		}
		case "table":
			if (isNull) return { type: "table", value: null };
			return {
				type: "table",
				value: {
					keys: spec.keys as string[],
					cells: (spec.cells as ValueSpec[]).map(fieldOf),
					rows: Number(spec.rowCount),
				},
			};
		case "object":
			return { type: "object", value: isNull ? null : (spec.members ?? []).map(memberOf) };
		case "reference":
			return { type: "extended", extendedType: 0, form: "short", value: magnitude(spec.index as string) };
		case "rowReference":
			return { type: "extended", extendedType: 1, form: "short", value: magnitude(spec.index as string) };
		case "streamOffset":
			return { type: "extended", extendedType: 1, form: "normal", value: magnitude(spec.offset as string) };
		case "extended":
			return {
				type: "extended",
				extendedType: spec.extendedType as number,
				form: spec.form ?? "normal",
				value: isNull ? null : unhex(spec.hex as string),
			};
		case "reserved":
			return { type: "reserved", fieldType: spec.fieldType as 8, value: unhex(spec.hex as string) };
		default:
			return { type: spec.type, value: spec.value } as RionField;
	}
}

function memberOf({ key, value }: { key: string; value?: ValueSpec }): RionMember {
	return value === undefined ? { key } : { key, value: fieldOf(value) };
}

function integerOf(text: string): number | bigint {
	return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
}

function magnitude(text: string): Uint8Array {
	const hex = BigInt(text).toString(16);
	return unhex(hex.padStart(hex.length + (hex.length % 2), "0"));
}

/** A field without the widths that were reserved and the counts that differ, which the fixtures tell elsewhere. */
export function withoutWidths(field: RionField): RionField {
	const { width, count, ...rest } = field as { width?: number; count?: number } & RionField;
	if (rest.type === "array" && rest.value !== null) return { ...rest, value: rest.value.map(withoutWidths) };
	if (rest.type === "table" && rest.value !== null) {
		return { ...rest, value: { ...rest.value, cells: rest.value.cells.map(withoutWidths) } };
	}
	if (rest.type === "object" && rest.value !== null) {
		const members = rest.value.map(({ key, value }) =>
			value === undefined ? { key } : { key, value: withoutWidths(value) },
		);
		return { ...rest, value: members };
	}
	return rest as RionField;
}
