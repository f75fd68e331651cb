/** Sizes, durations and counts as people write and read them. Only the command line uses units; code has bytes and ms. */
import { fail } from "../core/errors.ts";
import { describe } from "../core/options.ts";

const sizeUnits: Readonly<Record<string, number>> = {
	"": 1,
	b: 1,
	k: 1024,
	kib: 1024,
	kb: 1000,
	m: 1024 ** 2,
	mib: 1024 ** 2,
	mb: 1000 ** 2,
	g: 1024 ** 3,
	gib: 1024 ** 3,
	gb: 1000 ** 3,
	t: 1024 ** 4,
	tib: 1024 ** 4,
	tb: 1000 ** 4,
};

const durationUnits: Readonly<Record<string, number>> = {
	ms: 1,
	s: 1000,
	m: 60_000,
	h: 3_600_000,
	d: 86_400_000,
	w: 604_800_000,
};

/** Least and most that an option takes. */
export interface Range {
	readonly min: number;
	readonly max: number;
}

/** Bytes of a text such as `64KiB`, `1.5GiB`, `10MB` or `4096`; `option` names it in the error. */
export function parseSize(text: string, option: string, range?: Range): number {
	const [, digits = "", unit = ""] = /^(-?\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text) ?? [];
	const factor = sizeUnits[unit.toLowerCase()];
	const bytes = Math.round(Number(digits) * (factor ?? Number.NaN));
	const whole = digits !== "" && factor !== undefined && (factor !== 1 || !digits.includes("."));
	const { min = 0, max = Number.MAX_SAFE_INTEGER } = range ?? {};
	if (whole && !digits.startsWith("-") && Number.isSafeInteger(bytes) && bytes >= min && bytes <= max) return bytes;
	if (whole && range !== undefined) throw invalid(option, `a size from ${shortSize(min)} to ${shortSize(max)}`, text);
	if (whole) throw invalid(option, `a size from 0 to ${Number.MAX_SAFE_INTEGER} bytes`, text);
	throw invalid(option, "a size such as 4096, 64KiB or 1.5GiB", text);
}

/** Milliseconds of a text such as `500ms`, `5s`, `15m`, `2h`, `7d`; `option` names it in the error. */
export function parseDuration(text: string, option: string): number {
	const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d|w)$/.exec(text) ?? [];
	const ms = Math.round(Number(digits) * (durationUnits[unit] ?? Number.NaN));
	if (digits !== "" && Number.isSafeInteger(ms)) return ms;
	const most = Math.floor(Number.MAX_SAFE_INTEGER / (durationUnits.d as number));
	if (digits !== "") throw invalid(option, `a time of at most ${most}d`, text);
	throw invalid(option, "a time with its unit, such as 500ms, 5s, 15m or 7d", text);
}

/** `7d`, `90m`: a duration in the largest unit that tells it exactly. */
export function formatDuration(ms: number): string {
	const exact = Object.entries(durationUnits).findLast(([, factor]) => ms % factor === 0 && ms >= factor);
	const [unit, factor] = exact ?? ["ms", 1];
	return `${ms / factor}${unit}`;
}

/** A whole number from `min` to `max`; `option` names it in the error. */
export function parseCount(text: string, option: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
	const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
	if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
	const bounded = max < Number.MAX_SAFE_INTEGER || /^-?\d+$/.test(text);
	const range = bounded ? `from ${min} to ${max}` : `of at least ${min}`;
	throw invalid(option, `a whole number ${range}`, text);
}

/** `64KiB`: as the option takes it. */
function shortSize(bytes: number): string {
	const [unit = "", factor = 1] = Object.entries({ GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024 }).find(
		([, each]) => bytes > 0 && bytes % each === 0,
	) ?? ["", 1];
	return `${bytes / factor}${unit}`;
}

function invalid(option: string, expected: string, text: string): Error {
	return fail("INVALID_OPTION", `${option} must be ${expected}, not ${describe(text)}`, { details: { option } });
}

/** `12 B`, `1.4 GiB`: at most four digits and a binary unit. */
export function formatBytes(bytes: number): string {
	if (bytes < 1024) return `${bytes} B`;
	let value = bytes;
	let unit = "";
	for (const next of ["KiB", "MiB", "GiB", "TiB", "PiB"]) {
		if (value < 1024) break;
		value /= 1024;
		unit = next;
	}
	return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** `104,882`: thousands apart, the same in every locale. */
export function formatCount(count: number): string {
	return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** `0.4 s`, `12 s`, `3 min`: for progress and summaries. */
export function formatSeconds(ms: number): string {
	const seconds = ms / 1000;
	if (seconds < 10) return `${seconds.toFixed(1)} s`;
	if (seconds < 120) return `${Math.round(seconds)} s`;
	const minutes = seconds / 60;
	return minutes < 120 ? `${Math.round(minutes)} min` : `${Math.round(minutes / 60)} h`;
}

/** `2026-11-24 02:53:11Z`: UTC, and understood as a location when pasted back; `never` for none. */
export function formatTime(ms: number | null | undefined): string {
	if (ms === null || ms === undefined) return "never";
	return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}Z`;
}
