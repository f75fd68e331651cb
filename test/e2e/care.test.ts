/** The commands of those who look after a store, as processes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliProcess, type Ended } from "./cli-process.ts";

let cwd = "";

beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-care-"));
});

afterEach(() => rmSync(cwd, { recursive: true, force: true }));

async function run(command: string, input: Uint8Array | string = ""): Promise<Ended> {
	return await new CliProcess(command.split(" "), { cwd }).finish(input);
}

async function ok(command: string, input: Uint8Array | string = ""): Promise<string> {
	const { code, out, err } = await run(command, input);
	expect(code, `${command}: ${err}`).toBe(0);
	return out;
}

/** The only segment of a stream. */
function segmentOf(stream: string, store = "data"): string {
	const folder = join(store, "streams", `${stream}.stream`, "0");
	const [name = ""] = readdirSync(join(cwd, folder)).filter((file) => file.endsWith(".seg"));
	return join(folder, name);
}

function flip(path: string, at: number): void {
	const bytes = readFileSync(join(cwd, path));
	bytes[at] = (bytes[at] ?? 0) ^ 1;
	writeFileSync(join(cwd, path), bytes);
}

describe("dump", () => {
	it("prints what each kind of file holds, for people and as JSON, beside a running owner", async () => {
		const writer = new CliProcess(["append", "cam/raw", "--acks"], { cwd });
		writer.child.stdin.write("abc");
		await writer.outReaches(1);
		for (const file of ["store.json", "OWNER", "journal/checkpoint", "journal/ring-000000.jnl"]) {
			expect(await ok(`dump data/${file}`)).toMatch(/^ +0 {2}(store|owner|slot|journal) /);
		}
		writer.child.stdin.end();
		expect((await writer.ended).code).toBe(0);
		const lines = (await run(`dump ${segmentOf("cam/raw")} --data --json`)).lines();
		expect(lines.map(({ part, type }) => [part, type])).toEqual([
			["segment", undefined],
			["frame", "state"],
			["frame", "data"],
		]);
		expect(lines.at(-1)).toMatchObject({ offset: 160, ok: true, position: 0, units: 3, data: "616263" });
		expect(await ok(`dump ${segmentOf("cam/raw")} --data`)).toContain("616263  abc\n");
	});

	it("goes on behind damage and ends with 5, naming path and offset", async () => {
		for (const text of ["abcd", "efgh"]) await ok("append cam/raw", text);
		const path = segmentOf("cam/raw");
		flip(path, 160 + 64);
		const { code, lines, error } = await run(`dump ${path} --json`);
		expect(code).toBe(5);
		expect(lines().map(({ ok }) => ok)).toEqual([true, true, false, true]);
		expect(error()).toMatchObject({ code: "STREAMBED_CORRUPT", details: { path: join(cwd, path), offset: 160 } });
		expect((await run(`dump ${path}`)).out).toContain("BAD: the body of the frame fails its check");
	});

	it.each([
		["dump", 2, "STREAMBED_INVALID_OPTION"],
		["dump data", 2, "STREAMBED_INVALID_OPTION"],
		["dump data/LOCK", 2, "STREAMBED_INVALID_OPTION"],
		["dump notes.txt", 2, "STREAMBED_DECODE"],
		["dump none", 3, "STREAMBED_NOT_FOUND"],
	])("%s fails with %d %s", async (args, code, name) => {
		await ok("append cam/raw", "abc");
		writeFileSync(join(cwd, "notes.txt"), "notes");
		const ended = await run(`${args} --json`);
		expect(ended).toMatchObject({ code, out: "" });
		expect(ended.error()).toMatchObject({ code: name, hint: expect.any(String) });
	});
});
