import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreambedError } from "../../../src/core/errors.ts";
import {
	addressOfFolder,
	checkAddress,
	checkScopeName,
	checkStreamName,
	decodePart,
	encodePart,
	formatAddress,
	parseAddress,
	streamFolder,
} from "../../../src/core/names.ts";

function codeOf(action: () => unknown): string {
	try {
		action();
		return "fine";
	} catch (error) {
		return StreambedError.is(error) ? error.code : String(error);
	}
}

/** Parts that keep the rules, rich in characters that are encoded. */
const part = fc
	.oneof(
		fc.string({ unit: "binary", minLength: 1, maxLength: 30 }),
		fc.string({ unit: fc.constantFrom(...'%\\:*?"<>|. #a/é41'.replace("/", "")), minLength: 1, maxLength: 20 }),
		fc.string({ minLength: 0, maxLength: 10 }).map((text) => `${text}.stream`),
	)
	.filter((text) => codeOf(() => checkScopeName(text, true)) === "fine");

describe("names", () => {
	it("encoded as folders decode to what they were", () => {
		fc.assert(
			fc.property(part, (text) => {
				const folder = encodePart(text);
				expect(decodePart(folder)).toBe(text);
				expect(folder).not.toMatch(/[\\:*?"<>|/]|^\.|[. ]$|\.stream$/);
			}),
			{ numRuns: 2000 },
		);
	});

	it("of different parts never become the same folder", () => {
		fc.assert(
			fc.property(part, part, (a, b) => {
				expect(encodePart(a) === encodePart(b)).toBe(a === b);
			}),
			{ numRuns: 2000 },
		);
	});

	it("of a stream come back from its folder", () => {
		fc.assert(
			fc.property(part, fc.array(part, { minLength: 1, maxLength: 5 }), (scope, parts) => {
				const address = { scope, stream: parts.join("/") };
				expect(addressOfFolder(streamFolder(address))).toEqual(address);
			}),
			{ numRuns: 1000 },
		);
	});

	it("become folders that people can read", () => {
		expect(streamFolder({ scope: "web", stream: "clicks" })).toBe("web/clicks.stream");
		expect(streamFolder({ scope: "a b", stream: "x/y/ю" })).toBe("a b/x/y/ю.stream");
		expect(encodePart("100%")).toBe("100%25");
		expect(encodePart(".hidden")).toBe("%2Ehidden");
		expect(encodePart("dot.")).toBe("dot%2E");
		expect(encodePart("space ")).toBe("space%20");
		expect(encodePart("a.stream")).toBe("a%2Estream");
		expect(encodePart(".")).toBe("%2E");
	});

	it("are not read from folders that no name is stored as", () => {
		for (const folder of [
			"web/clicks",
			"clicks.stream",
			"web/%zz.stream",
			"web/%41.stream",
			"web/.stream",
			"/x.stream",
		]) {
			expect([folder, addressOfFolder(folder)]).toEqual([folder, undefined]);
		}
		expect(decodePart("a:b")).toBe(undefined);
		expect(decodePart("")).toBe(undefined);
	});

	it("may have 240 bytes as stored, and not one more", () => {
		expect(checkScopeName("x".repeat(240))).toBe("x".repeat(240));
		expect(codeOf(() => checkScopeName("x".repeat(241)))).toBe("STREAMBED_INVALID_NAME");
		expect(checkStreamName("щ".repeat(120))).toBe("щ".repeat(120));
		expect(codeOf(() => checkStreamName("щ".repeat(121)))).toBe("STREAMBED_INVALID_NAME");
		expect(checkStreamName("%".repeat(80))).toBe("%".repeat(80));
		expect(codeOf(() => checkStreamName("%".repeat(81)))).toBe("STREAMBED_INVALID_NAME");
	});

	it("of streams may have 1,000 bytes, and not one more", () => {
		const long = `${"x".repeat(200)}/`.repeat(4);
		expect(checkStreamName(long + "y".repeat(196)).length).toBe(1000);
		expect(codeOf(() => checkStreamName(long + "y".repeat(197)))).toBe("STREAMBED_INVALID_NAME");
	});

	it("that break a rule are refused, and the message says which", () => {
		const bad: [unknown, RegExp][] = [
			["", /empty/],
			["..", /"\.\."/],
			["a\0b", /U\+0000/],
			["a\u0085", /U\+0085/],
			["\udc00", /surrogate/],
			[7, /string/],
		];
		for (const [name, message] of bad) expect(() => checkStreamName(name)).toThrow(message);
		expect(() => checkScopeName("a/b")).toThrow(/one part/);
		expect(() => checkScopeName("_x")).toThrow(/reserved/);
		expect(checkScopeName("_x", true)).toBe("_x");
	});

	it("make an address of scope and stream, and come back from it", () => {
		expect(parseAddress("web/a/b")).toEqual({ scope: "web", stream: "a/b" });
		expect(formatAddress(checkAddress("web", "a/b"))).toBe("web/a/b");
		expect(() => parseAddress("web")).toThrow(/no stream/);
		for (const text of ["/a", "a/", "a//b", ""]) {
			expect([text, codeOf(() => parseAddress(text))]).toEqual([text, "STREAMBED_INVALID_NAME"]);
		}
	});
});
