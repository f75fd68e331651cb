import { describe, expect, it } from "vitest";
import { outsideEnv } from "../../../scripts/ci/fresh-copy.ts";
import { readmeCommands } from "../../../scripts/ci/readme-commands.ts";
import { allLines, totalLine } from "../../../scripts/ci/suite.ts";
import { suitesOf } from "../../../scripts/ci/test-report.ts";

function file(name: string, statuses: readonly string[], status = "passed") {
	const assertionResults = statuses.map((each, index) => ({ status: each, fullName: `${name} ${index}` }));
	return { name: `/copy/test/${name}`, status, startTime: 1000, endTime: 3500, message: "broken", assertionResults };
}

function count(files: readonly ReturnType<typeof file>[], folder = "unit") {
	return suitesOf({ testResults: files }, "/copy/test", [folder])[0];
}

describe("the count of CI", () => {
	it("adds up the tests of each folder", () => {
		const files = [
			file("unit/a.test.ts", ["passed", "failed"]),
			file("unit/b/c.test.ts", ["passed", "pending", "todo"]),
		];
		const other = file("e2e/d.test.ts", ["passed"]);
		expect(count([...files, other])).toMatchObject({ name: "unit", passed: 2, failed: 1, skipped: 2, seconds: 5 });
		expect(count([...files, other], "e2e")).toMatchObject({ name: "e2e", passed: 1, failed: 0, skipped: 0 });
	});

	it("takes a folder without tests, or with skipped ones only, for a failure", () => {
		expect(count([])).toMatchObject({ passed: 0, failed: 1 });
		expect(count([file("units/a.test.ts", ["passed"])])).toMatchObject({ passed: 0, failed: 1 });
		expect(count([file("unit/a.test.ts", ["skipped"])])).toMatchObject({ failed: 1, skipped: 1 });
	});

	it("takes a file that cannot be loaded for a failure", () => {
		const suite = count([file("unit/a.test.ts", ["passed"]), file("unit/b.test.ts", [], "failed")]);
		expect(suite).toMatchObject({ passed: 1, failed: 1 });
		expect(suite?.notes).toEqual(["failed: /copy/test/unit/b.test.ts: broken"]);
	});

	it("ends with the sum over all suites", () => {
		const suites = [
			{ name: "check", seconds: 1, passed: 1, failed: 0, skipped: 0 },
			{ name: "unit", seconds: 61.25, passed: 20, failed: 1, skipped: 3, notes: ["failed: x"] },
		];
		expect(allLines(suites)).toEqual([
			"check      1.0 s  1 passed, 0 failed, 0 skipped",
			"unit      61.3 s  20 passed, 1 failed, 3 skipped",
			"    failed: x",
		]);
		expect(totalLine(suites)).toBe("21 passed, 1 failed, 3 skipped");
	});
});

describe("the README's commands", () => {
	it("are the sh blocks below its heading, and no others", () => {
		const readme = [
			"# X\n\n```sh\nnot this\n```\n\n## Start here\n\n```sh\nnpm ci && npm run demo\n```\n",
			"text\n\n```sh\nnpm ci\nnpm test\n```\n\n```ts\nnot this\n```\n\n## Next\n\n```sh\nnor this\n```\n",
		].join("");
		expect(readmeCommands(readme)).toEqual(["npm ci && npm run demo", "npm ci\nnpm test"]);
	});

	it("are missed when they are not there", () => {
		expect(() => readmeCommands("# X\n")).toThrow(/Start here/);
		expect(() => readmeCommands("# X\n\n## Start here\n\ntext\n")).toThrow(/sh block/);
	});

	it("run outside of the environment that npm makes", () => {
		const env = { PATH: "/p/node_modules/.bin:/usr/bin:/x/npm/node-gyp-bin", npm_config_x: "1", NODE: "n", HOME: "/h" };
		expect(outsideEnv(env)).toEqual({ PATH: "/usr/bin", HOME: "/h" });
	});
});
