/** A line of a dump as people read it: where, what, then name and value of all that it says. */
import type { DumpLine } from "../../index.ts";
import { printable } from "../printable.ts";

/** Members that are milliseconds since 1970. */
const times = new Set(["time", "createdAt", "startedAt", "timeFloor"]);
const ownPlace = new Set(["part", "offset", "ok", "reason", "torn", "data"]);

/** The line as text. */
export function lineText(line: DumpLine): string {
	const members = Object.entries(line).filter(([name]) => !ownPlace.has(name));
	const said = members.map(([name, value]) => `${name} ${valueText(name, value)}`);
	const wrong = line.ok ? [] : [`${line.torn ? "INCOMPLETE" : "BAD"}: ${line.reason ?? "its check fails"}`];
	const data = typeof line.data === "string" ? [`\n${" ".repeat(23)}${dataText(line.data)}`] : [];
	const place = `${String(line.offset).padStart(11)}  ${line.part.padEnd(8)}`;
	return `${place}  ${printable([...said, ...wrong].join("  "))}${data.join("")}`.trimEnd();
}

function valueText(name: string, value: unknown): string {
	if (times.has(name) && typeof value === "number") return timeText(value);
	if (value === null) return "unknown";
	return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** ISO with milliseconds; a number that no date holds as it is. */
function timeText(ms: number): string {
	return Math.abs(ms) > 8.64e15 ? String(ms) : new Date(ms).toISOString();
}

/** Hexadecimal and, where they are ASCII, characters. */
function dataText(hex: string): string {
	const bytes = Buffer.from(hex, "hex");
	const characters = Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
	return `${hex.replace(/(.{8})(?=.)/g, "$1 ")}  ${characters.join("")}`;
}
