import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreambedError } from "../../../src/core/errors.ts";
import { checkLocation } from "../../../src/core/location.ts";

function codeOf(location: unknown, kind: "bytes" | "records" = "bytes"): string {
	try {
		checkLocation(location, kind);
		return "fine";
	} catch (error) {
		return StreambedError.is(error) ? error.code : String(error);
	}
}

describe("a location", () => {
	it("of each form becomes a query", () => {
		expect(checkLocation("head", "bytes")).toEqual({ at: "head" });
		expect(checkLocation("tail", "records")).toEqual({ at: "tail" });
		expect(checkLocation({ last: 3 }, "bytes")).toEqual({ at: "last", count: 3 });
		expect(checkLocation({ offset: 0 }, "bytes")).toEqual({ at: "position", position: 0 });
		expect(checkLocation({ sequence: 9 }, "records")).toEqual({ at: "position", position: 9 });
		expect(checkLocation({ time: -5 }, "bytes")).toEqual({ at: "time", time: -5 });
	});

	it("with the position of the other kind of stream is WRONG_KIND", () => {
		expect(codeOf({ sequence: 1 })).toBe("STREAMBED_WRONG_KIND");
		expect(codeOf({ offset: 1 }, "records")).toBe("STREAMBED_WRONG_KIND");
	});

	it("takes every safe position and no other number", () => {
		fc.assert(
			fc.property(fc.maxSafeNat(), (position) => {
				expect(checkLocation({ offset: position }, "bytes")).toEqual({ at: "position", position });
			}),
		);
		for (const position of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "1", null, 1n]) {
			expect([position, codeOf({ offset: position })]).toEqual([position, "STREAMBED_INVALID_OPTION"]);
		}
	});

	it("of no known form is refused and its name is told", () => {
		for (const given of [undefined, null, 7, "middle", "", [], {}, { offset: 1, time: 2 }, { ofset: 1 }, () => 1]) {
			expect([given, codeOf(given)]).toEqual([given, "STREAMBED_INVALID_OPTION"]);
		}
		expect(() => checkLocation(7, "bytes", "from")).toThrow(/^from must be/);
		expect(() => checkLocation({ offset: -1 }, "bytes", "to")).toThrow(/^to\.offset must be/);
	});
});
