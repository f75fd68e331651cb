/** RION as JSON, for people and programs that know nothing else: exact where JSON has a word for it, texts elsewhere. */
import { formatDateTime, type RionField } from "../stream-ops/rion/index.ts";

/** A field as a line of JSON shows it. */
export interface ShownField {
	readonly type: string;
	readonly value: unknown;
	/** Type byte of an extended field. */
	readonly extendedType?: number;
}

/** Type and value of a field. */
export function shownField(field: RionField): ShownField {
	const { type } = field;
	if (type !== "extended") return { type, value: shownValue(field) };
	return { type, value: shownValue(field), extendedType: field.extendedType };
}

/** Bytes in base64, integers beyond ±(2^53 - 1) and floats that JSON has no word for as texts, dates in ISO 8601. */
function shownValue(field: RionField): unknown {
	if (field.value === null) return null;
	switch (field.type) {
		case "bytes":
		case "extended":
		case "reserved":
			return Buffer.from(field.value).toString("base64");
		case "int64":
			return typeof field.value === "bigint" ? String(field.value) : field.value;
		case "float32":
		case "float64":
			return Number.isFinite(field.value) && !Object.is(field.value, -0) ? field.value : floatText(field.value);
		case "utcDateTime":
			return formatDateTime(field.value);
		case "array":
			return field.value.map(shownValue);
		case "table":
			return shownTable(field.value);
		case "object":
			return membersOf(
				field.value.map(({ key, value }) => [key ?? "", value === undefined ? null : shownValue(value)]),
			);
		default:
			return field.value;
	}
}

function floatText(value: number): string {
	return Object.is(value, -0) ? "-0" : String(value);
}

function shownTable({ keys, cells }: { keys: readonly string[]; cells: readonly RionField[] }): unknown[] {
	const rows: unknown[] = [];
	for (let at = 0; at < cells.length; at += Math.max(1, keys.length)) {
		const row = cells.slice(at, at + Math.max(1, keys.length));
		rows.push(membersOf(row.map((cell, index) => [keys[index] ?? "", shownValue(cell)])));
	}
	return rows;
}

/** `Object.fromEntries` makes `__proto__` a member like any other. */
function membersOf(entries: readonly (readonly [string, unknown])[]): object {
	return Object.fromEntries(entries);
}
