import { describe, expect, it } from "vitest";
import { parseLocation } from "../../../src/cli/location-text.ts";
import { formatTime } from "../../../src/cli/units.ts";
import { StreambedError } from "../../../src/core/errors.ts";

const now = Date.UTC(2026, 10, 24, 12, 0, 0);

function errorOf(text: string): StreambedError {
	try {
		parseLocation(text, "--from", now);
	} catch (error) {
		if (StreambedError.is(error)) return error;
		throw error;
	}
	throw new Error(`${text} was accepted`);
}

describe("locations on the command line", () => {
	it.each([
		["head", "head"],
		["tail", "tail"],
		["last:10", { last: 10 }],
		["last:64KiB", { last: 65_536 }],
		["offset:0", { offset: 0 }],
		["offset:9007199254740991", { offset: Number.MAX_SAFE_INTEGER }],
		["seq:42", { sequence: 42 }],
		["-15m", { time: now - 900_000 }],
		["-500ms", { time: now - 500 }],
		["2026-11-01", { time: Date.UTC(2026, 10, 1) }],
		["2026-11-01T09:00", { time: Date.UTC(2026, 10, 1, 9) }],
		["2026-11-01T09:00Z", { time: Date.UTC(2026, 10, 1, 9) }],
		["2026-11-01 09:00:30.25", { time: Date.UTC(2026, 10, 1, 9, 0, 30, 250) }],
		["2026-11-01T09:00:00+02:00", { time: Date.UTC(2026, 10, 1, 7) }],
		["2026-11-01T09:00:00-0530", { time: Date.UTC(2026, 10, 1, 14, 30) }],
	])("understands %s", (text, location) => {
		expect(parseLocation(text, "--from", now)).toEqual(location);
	});

	it("takes a time without a zone as UTC whatever the machine's zone is", () => {
		const zone = process.env.TZ;
		process.env.TZ = "America/New_York";
		try {
			expect(parseLocation("2026-07-01T09:00", "--from", now)).toEqual({ time: Date.UTC(2026, 6, 1, 9) });
		} finally {
			if (zone === undefined) delete process.env.TZ;
			else process.env.TZ = zone;
		}
	});

	it("understands the times that the command line prints", () => {
		expect(parseLocation(formatTime(now), "--from", 0)).toEqual({ time: now });
	});

	it("refuses a bare number and says how to write a position", () => {
		const error = errorOf("4096");
		expect(error.code).toBe("STREAMBED_INVALID_OPTION");
		expect(error.message).toContain("--from 4096 is a bare number");
		expect(error.hint).toContain("offset:4096");
	});

	it.each([
		["offset:-5", '--from offset:N must be a size from 0 to 9007199254740991 bytes, not "-5"'],
		["offset:-1.5KiB", '--from offset:N must be a size from 0 to 9007199254740991 bytes, not "-1.5KiB"'],
		[
			"offset:9007199254740993",
			'--from offset:N must be a size from 0 to 9007199254740991 bytes, not "9007199254740993"',
		],
		["last:9000000TiB", '--from last:N must be a size from 0 to 9007199254740991 bytes, not "9000000TiB"'],
		["seq:9007199254740993", '--from seq:N must be a whole number from 0 to 9007199254740991, not "9007199254740993"'],
		["seq:-1", '--from seq:N must be a whole number from 0 to 9007199254740991, not "-1"'],
		["offset:x", '--from offset:N must be a size such as 4096, 64KiB or 1.5GiB, not "x"'],
	])("refuses %j with the range, and what came", (text, message) => {
		expect(errorOf(text).message).toBe(message);
	});

	it.each([
		"",
		"start",
		"HEAD",
		"last:",
		"last:-1",
		"offset:x",
		"offset:9007199254740992",
		"seq:1.5",
		"-15",
		"-m",
		"2026-02-30",
		"2026-11-01T25:00",
		"2026-13-01",
		"26-11-01",
		"2026-11-01T09:00Zz",
		"now",
	])("refuses %j", (text) => {
		expect(errorOf(text).code).toBe("STREAMBED_INVALID_OPTION");
	});
});
