import { describe, expect, it } from "vitest";
import { isAtLeast, oldNodeMessage } from "../../../bin/node-version.js";

describe("the version check of the command line", () => {
	it("accepts the needed version and later ones", () => {
		for (const found of ["24.21.0", "24.21.1", "24.22.0", "25.0.0", "100.0.0", "26.0.0-nightly"]) {
			expect(isAtLeast(found, "24.21.0"), found).toBe(true);
		}
	});

	it("refuses older versions and what is no version", () => {
		for (const found of ["24.20.9", "24.3.99", "20.20.2", "8.0.0", "24", "", "next", "24.x.0"]) {
			expect(isAtLeast(found, "24.21.0"), found).toBe(false);
		}
	});

	it("says what is needed, what was found and what to do", () => {
		const message = oldNodeMessage("20.20.2", "24.21.0");
		expect(message).toMatch(/needs Node 24\.21\.0 or later/);
		expect(message).toMatch(/this is Node 20\.20\.2/);
		expect(message).toMatch(/hint .*install/);
	});
});
