import { describe, expect, it } from "vitest";
import {
	formatBytes,
	formatCount,
	formatSeconds,
	formatTime,
	parseCount,
	parseDuration,
	parseSize,
} from "../../../src/cli/units.ts";

describe("units of the command line", () => {
	it.each([
		["0", 0],
		["4096", 4096],
		["64KiB", 65_536],
		["64kib", 65_536],
		["64K", 65_536],
		["64KB", 64_000],
		["1.5MiB", 1_572_864],
		["10GiB", 10_737_418_240],
		["1 B", 1],
	])("reads the size %s as %d bytes", (text, bytes) => {
		expect(parseSize(text, "--chunk")).toBe(bytes);
	});

	it.each(["", "KiB", "-1", "1e3", "64 KiB x", "1.5.1M", "1.5", "0.5B", "64XB", "99999999TiB", "0x10"])(
		"refuses the size %j",
		(text) => {
			expect(() => parseSize(text, "--chunk")).toThrow(expect.objectContaining({ code: "STREAMBED_INVALID_OPTION" }));
			expect(() => parseSize(text, "--chunk")).toThrow(/--chunk must be a size/);
		},
	);

	it.each([
		["500ms", 500],
		["5s", 5000],
		["1.5h", 5_400_000],
		["7d", 604_800_000],
		["2w", 1_209_600_000],
	])("reads the duration %s as %d ms", (text, ms) => {
		expect(parseDuration(text, "--timeout")).toBe(ms);
	});

	it.each(["5", "s", "-5s", "5 years", "5M", ""])("refuses the duration %j, also one without a unit", (text) => {
		expect(() => parseDuration(text, "--timeout")).toThrow(/--timeout must be a time with its unit/);
	});

	it("reads counts exactly and refuses what is not a safe whole number", () => {
		expect(parseCount("9007199254740991", "--expect")).toBe(Number.MAX_SAFE_INTEGER);
		for (const text of ["9007199254740992", "-1", "1.0", "1e3", " 1", "", "0x1"]) {
			expect(() => parseCount(text, "--expect")).toThrow(
				/--expect must be a whole number (of at least 0|from 0 to 9007199254740991), not/,
			);
		}
	});

	it("writes sizes in binary units", () => {
		expect([0, 12, 1023, 1024, 65_536, 1_503_238_553].map(formatBytes)).toEqual([
			"0 B",
			"12 B",
			"1023 B",
			"1.0 KiB",
			"64 KiB",
			"1.4 GiB",
		]);
		expect(formatBytes(Number.MAX_SAFE_INTEGER)).toBe("8.0 PiB");
	});

	it("writes counts with thousands apart", () => {
		expect([0, 999, 1000, 104_882, 1_234_567].map(formatCount)).toEqual(["0", "999", "1,000", "104,882", "1,234,567"]);
	});

	it("writes durations short and times in UTC", () => {
		expect([0, 400, 5200, 12_000, 300_000, 9_000_000].map(formatSeconds)).toEqual([
			"0.0 s",
			"0.4 s",
			"5.2 s",
			"12 s",
			"5 min",
			"3 h",
		]);
		expect(formatTime(Date.UTC(2026, 10, 24, 2, 53, 11))).toBe("2026-11-24 02:53:11Z");
		expect(formatTime(null)).toBe("never");
	});
});
