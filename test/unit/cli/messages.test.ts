/** Messages of refusals: what was expected, what came, and what to do. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { main } from "../../../src/cli/main.ts";
import { fakeIo } from "./fake-io.ts";

let cwd = "";

beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-messages-"));
});

afterEach(() => {
	rmSync(cwd, { recursive: true, force: true });
});

async function failure(argv: string, input = ""): Promise<{ status: number; message: string; hint: string }> {
	const io = fakeIo(cwd, [input]);
	const status = await main([...argv.split(" "), "--json"], io.io);
	const last = io.err().trimEnd().split("\n").at(-1) ?? "";
	const { error } = JSON.parse(last) as { error: { message: string; hint: string } };
	return { status, message: error.message, hint: error.hint };
}

describe("a refusal says what the option takes, what came, and what to do", () => {
	const records = "create ./data/a/r --kind records";
	it.each([
		[`${records} --shards -1`, '--shards must be a whole number from 1 to 4096, not "-1"'],
		[`${records} --shards 5000`, '--shards must be a whole number from 1 to 4096, not "5000"'],
		["grow ./data/a/r --shards 5000", '--shards must be a whole number from 1 to 4096, not "5000"'],
		[
			"create ./data/a/b --retention 99999999999d",
			'--retention must be a time of at most 104249991d, not "99999999999d"',
		],
		["create ./data/a/b --segment-bytes -1", '--segment-bytes must be a size from 64KiB to 1GiB, not "-1"'],
		["create ./data/a/b --segment-bytes 2GiB", '--segment-bytes must be a size from 64KiB to 1GiB, not "2GiB"'],
		["read ./data/a/b --from -1", '--from is not a location: "-1" has no unit'],
	])("%s", async (argv, text) => {
		const { status, message, hint } = await failure(argv);
		expect([status, message]).toEqual([2, expect.stringContaining(text)]);
		expect(hint).not.toBe("");
	});

	it("for a place that counts back without a unit names the two that were perhaps meant", async () => {
		expect((await failure("read ./data/a/b --from -1")).hint).toContain("Write last:1 ");
		expect((await failure("read ./data/a/b --from -15x")).message).toContain('"-15x"');
	});

	it.each([
		["{}", "neither"],
		['{"value":"a","valueBase64":"AA=="}', "both"],
	])("for the record %s says what is missing, and how to write it", async (line, found) => {
		const { status, message, hint } = await failure("append ./data/a/r --records -", `${line}\n`);
		expect([status, message]).toEqual([
			2,
			`line 1 of standard input: a record has either value or valueBase64, and this one has ${found}`,
		]);
		expect(hint).toContain('{"value":"a text"}');
	});

	it.each([65, 5000, 100_000])("for JSON that is nested %d deep names the limit of RION", async (depth) => {
		const { status, message } = await failure("rion encode", `${"[".repeat(depth)}${"]".repeat(depth)}\n`);
		expect([status, message]).toEqual([2, "line 1 cannot become RION: nested more than 64 deep"]);
	});

	it("for an export to where no folder can be made names the place, and what to do", async () => {
		await main("create ./data/a/r --kind records".split(" "), fakeIo(cwd).io);
		writeFileSync(join(cwd, "file"), "");
		const { status, message, hint } = await failure("export ./data/a/r file/below/out --format stream-ops");
		expect([status, message]).toEqual([
			1,
			expect.stringMatching(/^no folder can be made where file\/below\/out is to be: E/),
		]);
		expect(hint).toContain("Name a new folder");
	});
});

it("a rehearsed repair that leaves nothing wrong says so, and how to do it", async () => {
	await main("append ./data/a/b".split(" "), fakeIo(cwd, ["x"]).io);
	rmSync(join(cwd, "data/store.json"));
	const { status, message, hint } = await failure("repair ./data --dry-run");
	expect([status, message]).toEqual([5, "./data is damaged: 1 step would put all of it right"]);
	expect(hint).toContain("--yes");
});
