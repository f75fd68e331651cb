/** RION's date-times: always UTC, as precise as they are long. The plain fields are kept, whatever calendar they mean. */
import { fail } from "../../core/errors.ts";

/** The fields of a date-time; those after the first one that is missing were not written. */
export interface RionDateTime {
	/** 0 to 65,535. */
	readonly year: number;
	/** 1 to 12. */
	readonly month?: number;
	readonly day?: number;
	readonly hour?: number;
	readonly minute?: number;
	readonly second?: number;
	readonly millisecond?: number;
}

const parts = ["year", "month", "day", "hour", "minute", "second", "millisecond"] as const;
/** Value length in bytes by number of parts; 8 is none. */
const lengths = [0, 2, 3, 4, 5, 6, 7, 9] as const;
const limits = [65_535, 12, 31, 23, 59, 59, 999] as const;
const lowest = [0, 1, 1, 0, 0, 0, 0] as const;

/** Reads the fields of a value of `length` bytes, which is 2 to 7 or 9. Values out of range are given as they stand. */
export function readDateTime(bytes: Uint8Array, at: number, length: number): RionDateTime {
	const two = (index: number): number => (bytes[index] as number) * 256 + (bytes[index + 1] as number);
	const fields: Record<string, number> = { year: two(at) };
	for (let index = 1; index < 6 && index + 2 <= length; index++) {
		fields[parts[index] as string] = bytes[at + 1 + index] as number;
	}
	if (length === 9) fields.millisecond = two(at + 7);
	return fields as unknown as RionDateTime;
}

/** Bytes of the value of a date-time; which, follows from its fields. @throws INVALID_OPTION */
export function dateTimeLength(value: RionDateTime): number {
	let count = 0;
	while (count < parts.length && value[parts[count] as "year"] !== undefined) count++;
	for (const [index, part] of parts.entries()) {
		const field = value[part];
		if (field === undefined && index > 0) continue;
		const [min, max] = [lowest[index] as number, limits[index] as number];
		if (index >= count || !Number.isInteger(field) || (field as number) < min || (field as number) > max) {
			const why = field !== undefined && index >= count ? "a part before it is missing" : `expected ${min} to ${max}`;
			throw fail("INVALID_OPTION", `cannot write the date-time: ${part} is ${String(field)}, ${why}`);
		}
	}
	return lengths[count] as number;
}

/** Writes the value; there is room for its `length` bytes. */
export function writeDateTime(value: RionDateTime, length: number, bytes: Uint8Array, at: number): void {
	bytes[at] = value.year >> 8;
	bytes[at + 1] = value.year;
	for (let index = 1; index < 6 && index + 2 <= length; index++) {
		bytes[at + 1 + index] = value[parts[index] as "year"];
	}
	if (length === 9) {
		bytes[at + 7] = (value.millisecond as number) >> 8;
		bytes[at + 8] = value.millisecond as number;
	}
}

/** The point in time that a date-time means, missing parts as 1 January, 0:00; too large ones roll over, as in Java. */
export function dateOf({ year, month, day, hour, minute, second, millisecond }: RionDateTime): Date {
	const date = new Date(0);
	// Not Date.UTC, which takes years below 100 for those of the last century.
	date.setUTCFullYear(year, (month ?? 1) - 1, day ?? 1);
	date.setUTCHours(hour ?? 0, minute ?? 0, second ?? 0, millisecond ?? 0);
	return date;
}

/** The fields of a point in time, to the millisecond. @throws INVALID_OPTION */
export function dateTimeOf(date: Date): RionDateTime {
	const year = date.getUTCFullYear();
	if (!(year >= 0 && year <= 65_535)) {
		throw fail("INVALID_OPTION", `cannot write the date-time: its year is ${year}, expected 0 to 65535`);
	}
	return {
		year,
		month: date.getUTCMonth() + 1,
		day: date.getUTCDate(),
		hour: date.getUTCHours(),
		minute: date.getUTCMinutes(),
		second: date.getUTCSeconds(),
		millisecond: date.getUTCMilliseconds(),
	};
}

/** ISO 8601, as far as the date-time goes: `2019-09`, `2019-09-16T08:30:15.250Z`. */
export function formatDateTime({ year, month, day, hour, minute, second, millisecond }: RionDateTime): string {
	const two = (value: number): string => String(value).padStart(2, "0");
	let text = String(year).padStart(4, "0");
	if (month === undefined) return text;
	text += `-${two(month)}`;
	if (day === undefined) return text;
	text += `-${two(day)}`;
	if (hour === undefined) return text;
	text += `T${two(hour)}:${two(minute ?? 0)}`;
	if (second !== undefined) text += `:${two(second)}`;
	if (millisecond !== undefined) text += `.${String(millisecond).padStart(3, "0")}`;
	return `${text}Z`;
}
