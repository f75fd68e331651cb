import { describe, expect, it } from "vitest";
import { isChosen, parseArguments } from "../../../bench/arguments.ts";
import type { Case, Comparison } from "../../../bench/harness.ts";
import { fileSystemAmong, type Machine } from "../../../bench/machine.ts";
import { figure, jsonLine, type ReportSettings, tableLines } from "../../../bench/report.ts";
import { Latencies, quantile, spreadOf } from "../../../bench/statistics.ts";

const machine: Machine = {
	cpu: "a processor",
	cores: 2,
	memoryGiB: 8,
	system: "Linux",
	node: "v24",
	streambed: "0.1.0",
	fileSystem: "ext4",
};
const settings: ReportSettings = { durability: "sync", rounds: 5, seconds: 1, quick: false, machine };
const what: Case = { name: "append/100B/256", sides: [], pairs: [], settings: { bytes: 100 } };
const comparison: Comparison = {
	pair: { ours: "ours", reference: "theirs", metric: "rate", unit: "appends/s", bar: { atLeast: 0.8 } },
	ours: { median: 81234.567, min: 80000, max: 90000 },
	reference: { median: 100000, min: 95000, max: 110000 },
	ratio: { median: 0.81234, min: 0.8, max: 0.9 },
	met: true,
};

describe("a comparison as JSON", () => {
	it("has the fields that scripts rely on", () => {
		expect(JSON.parse(jsonLine(what, comparison, settings))).toEqual({
			scenario: "append/100B/256",
			ours: { name: "ours", median: 81235, min: 80000, max: 90000, unit: "appends/s" },
			reference: { name: "theirs", median: 100000, min: 95000, max: 110000, unit: "appends/s" },
			ratio: { median: 0.81234, min: 0.8, max: 0.9 },
			durability: "sync",
			settings: { bytes: 100, bar: "≥ 0.8", met: true, rounds: 5, seconds: 1, quick: false, ...machine },
		});
	});

	it("is one line", () => {
		expect(jsonLine(what, comparison, settings)).not.toContain("\n");
	});
});

describe("a comparison for people", () => {
	it("says what was measured, the ratio with its spread, and whether the bar was kept", () => {
		const missed = { ...comparison, ratio: { median: 0.5, min: 0.4, max: 0.6 }, met: false };
		expect(tableLines(what, [comparison, missed])).toEqual([
			"append/100B/256",
			"  ours ÷ theirs  81,200 ÷ 100,000 appends/s  0.812 [0.8–0.9]  ≥ 0.8: met",
			"  ours ÷ theirs  81,200 ÷ 100,000 appends/s  0.5 [0.4–0.6]    ≥ 0.8: MISSED",
		]);
	});

	it.each([
		[0.81234, "0.812"],
		[5, "5"],
		[123.45, "123"],
		[81234.567, "81,200"],
	])("writes %d as %s", (value, text) => {
		expect(figure(value)).toBe(text);
	});
});

describe("statistics", () => {
	it("take the middle of an odd number of rounds and the mean of the two middle ones of an even number", () => {
		expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
		expect(spreadOf([4, 1, 2, 3]).median).toBe(2.5);
	});

	it("interpolate quantiles", () => {
		expect(quantile([0, 10, 20, 30, 40], 0.99)).toBeCloseTo(39.6);
		expect(quantile([], 0.5)).toBeNaN();
	});

	it("give latencies in microseconds, however many there are", () => {
		const latencies = new Latencies();
		for (let index = 1; index <= 10_001; index++) latencies.add(index / 1000);
		expect(latencies.figures().p50).toBeCloseTo(5001);
		expect(latencies.figures().mean).toBeCloseTo(5001);
		expect(latencies.figures().p99).toBeCloseTo(9901);
		expect(latencies.figures().most).toBe(10_001);
	});
});

describe("the command line", () => {
	it("measures five rounds of a second unless told otherwise, and one short round to be quick", () => {
		expect(parseArguments([])).toMatchObject({ chosen: [], rounds: 5, seconds: 1, quick: false, durability: "sync" });
		expect(parseArguments(["--quick"])).toMatchObject({ rounds: 1, seconds: 0.05 });
		expect(parseArguments(["append", "--quick", "--rounds", "3"])).toMatchObject({ chosen: ["append"], rounds: 3 });
	});

	it.each([
		[["--durability", "none"], "--durability is sync or os"],
		[["--rounds", "0"], "--rounds is a number above 0"],
		[["--rounds", "1.5"], "--rounds is a whole number"],
		[["--seconds", "x"], "--seconds is a number above 0"],
		[["--fast"], "--fast"],
	])("refuses %j", (args, message) => {
		expect(() => parseArguments(args)).toThrow(message);
	});

	it("chooses cases by whole parts of their names", () => {
		expect(isChosen("append/100B/1", [])).toBe(true);
		expect(isChosen("append/100B/1", ["slow-sync", "append"])).toBe(true);
		expect(isChosen("append/100B/16", ["append/100B/1"])).toBe(false);
		expect(isChosen("append/100B/1", ["append/100B/"])).toBe(true);
	});
});

describe("the file system of a folder", () => {
	it("is that of the deepest mount above it", () => {
		const mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw,size=1g 0 0\n/dev/b /tmpfiles xfs rw 0 0\n";
		expect(fileSystemAmong(mounts, "/tmp/x")).toBe("tmpfs (rw,size=1g)");
		expect(fileSystemAmong(mounts, "/tmpother")).toBe("ext4 (rw)");
		expect(fileSystemAmong(mounts, "/tmpfiles")).toBe("xfs (rw)");
		expect(fileSystemAmong("", "/tmp")).toBeUndefined();
	});
});
