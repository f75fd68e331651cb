import { describe, expect, it } from "vitest";
import { StreambedError } from "../../../src/core/errors.ts";
import { defaultLimits, resolveLimits } from "../../../src/core/limits.ts";
import { describe as describeValue, nearest, rejectUnknown, requireInteger } from "../../../src/core/options.ts";
import { applyUpdate, resolveStreamConfig, sameConfig } from "../../../src/core/stream-config.ts";

function errorOf(action: () => unknown): StreambedError {
	try {
		action();
	} catch (error) {
		if (StreambedError.is(error, "STREAMBED_INVALID_OPTION")) return error;
		throw error;
	}
	throw new Error("nothing was thrown");
}

describe("options", () => {
	it("that are unknown are refused, with the name that was meant", () => {
		const error = errorOf(() => rejectUnknown({ durabilty: "os" }, ["mode", "durability"], "the options of open"));
		expect(error.message).toContain('"durabilty"');
		expect(error.hint).toBe('Did you mean "durability"?');
		expect(error.details).toEqual({ option: "durabilty" });
		expect(errorOf(() => rejectUnknown({ zzzzzz: 1 }, ["mode"], "open")).hint).toBe("Remove it.");
		expect(() => rejectUnknown({ mode: 1 }, ["mode"], "open")).not.toThrow();
	});

	it("are guessed by the fewest edits, regardless of case, or not at all", () => {
		expect(nearest("Follow", ["from", "follow"])).toBe("follow");
		expect(nearest("form", ["follow", "from", "to"])).toBe("from");
		expect(nearest("completely", ["follow", "from"])).toBe(undefined);
		expect(nearest("x", [])).toBe(undefined);
	});

	it("that are integers keep their range", () => {
		expect(requireInteger(5, "limit", 1, 5)).toBe(5);
		for (const value of [0, 6, 1.5, Number.NaN, "5", undefined]) errorOf(() => requireInteger(value, "limit", 1, 5));
		expect(errorOf(() => requireInteger(0, "limit", 1, 5)).message).toContain("from 1 to 5");
		expect(errorOf(() => requireInteger(0, "limit", 1)).message).toContain("at least 1");
		expect(errorOf(() => requireInteger(2 ** 53, "limit", 1)).message).toContain("from 1 to 9007199254740991");
		const all = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;
		expect(errorOf(() => requireInteger(2 ** 53, "time", ...all)).message).toContain("to 9007199254740991");
		expect(errorOf(() => requireInteger(0.5, "time", ...all)).message).toContain("from -9007199254740991");
	});

	it("are shown shortly in messages", () => {
		expect(describeValue("a")).toBe('"a"');
		expect(describeValue("x".repeat(100)).length).toBeLessThan(70);
		expect([describeValue([]), describeValue({}), describeValue(null)]).toEqual(["an array", "an object", "null"]);
	});
});

describe("limits", () => {
	it("have their defaults where nothing is given", () => {
		expect(resolveLimits()).toEqual(defaultLimits);
		expect(resolveLimits({ appendBytes: 100 })).toEqual({ ...defaultLimits, appendBytes: 100 });
	});

	it("are refused out of range and under unknown names", () => {
		errorOf(() => resolveLimits({ appendBytes: 0 }));
		errorOf(() => resolveLimits({ appendBytes: 2 ** 30 }));
		errorOf(() => resolveLimits({ openFiles: 1 }));
		expect(errorOf(() => resolveLimits({ appendByte: 1 } as object)).hint).toContain("appendBytes");
	});
});

describe("a stream's configuration", () => {
	it("is complete with nothing given", () => {
		expect(resolveStreamConfig()).toEqual({
			kind: "bytes",
			shards: 1,
			retention: {},
			segmentBytes: 64 * 1024 * 1024,
			tags: {},
		});
	});

	it("equals another with the same tags and retention in another order", () => {
		const one = resolveStreamConfig({ tags: { a: "1", b: "2" }, retention: { ageMs: 1, bytes: 2 } });
		const two = resolveStreamConfig({ tags: { b: "2", a: "1" }, retention: { bytes: 2, ageMs: 1 } });
		expect(sameConfig(one, two)).toBe(true);
		expect(sameConfig(one, applyUpdate(two, { tags: { a: "1" } }))).toBe(false);
	});

	it("changes in what an update gives only", () => {
		const config = resolveStreamConfig({ tags: { a: "1" } });
		expect(applyUpdate(config, { segmentBytes: 65_536 })).toEqual({ ...config, segmentBytes: 65_536 });
		errorOf(() => applyUpdate(config, { kind: "records" } as object));
	});

	it("has at most 128 tags", () => {
		const tags = (count: number): Record<string, string> =>
			Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, "x"]));
		expect(Object.keys(resolveStreamConfig({ tags: tags(128) }).tags).length).toBe(128);
		expect(() => resolveStreamConfig({ tags: tags(129) })).toThrow(/at most 128/);
	});
});
