import { describe, expect, it } from "vitest";
import { nearestStream } from "../../../src/cli/near-stream.ts";
import { parseAddress } from "../../../src/core/names.ts";

describe("the nearest stream", () => {
	const guess = (meant: string, ...known: string[]): string | undefined =>
		nearestStream(parseAddress(meant), known.map(parseAddress));

	it.each([
		["bytes/nope", "bytes/empty"],
		["cam/raw", "cam/log"],
		["shop/q", "shop/r"],
		["a-long-scope/one", "a-long-scope/two"],
		["cam/raw", "web/rwa"],
	])("of %s is not %s, which has another name", (meant, known) => {
		expect(guess(meant, known)).toBeUndefined();
	});

	it.each([
		["cam/rwa", "cam/raw"],
		["cam/gardn", "cam/garden"],
		["cma/garden", "cam/garden"],
		["a/bb", "a/b"],
		["web/raw", "cam/raw"],
		["cam/RAW", "cam/raw"],
	])("of %s is %s", (meant, known) => {
		expect(guess(meant, "other/thing", known)).toBe(known);
	});

	it("lies in the same scope where there are several", () => {
		expect(guess("cam/garten", "web/garten", "cam/garden", "cam/barden")).toBe("cam/garden");
	});
});
