import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { longFiles } from "../../../scripts/test/long-first.ts";

describe("the files that begin first", () => {
	it("are there, each once", () => {
		const missing = longFiles.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)));
		expect(missing).toEqual([]);
		expect(new Set(longFiles).size).toBe(longFiles.length);
		expect(longFiles).toContain("simulation/breaks.test.ts");
	});
});
