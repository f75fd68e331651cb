/** `append --atomic`, `append --prepare` and `txn`: an input that is seen as a whole, now or later. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliProcess, type Ended } from "./cli-process.ts";

let cwd = "";

beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-txn-"));
});

afterEach(() => rmSync(cwd, { recursive: true, force: true }));

async function run(args: string, input: Uint8Array | string = ""): Promise<Ended> {
	return await new CliProcess(args.split(" "), { cwd }).finish(input);
}

describe("append --atomic", () => {
	it("stores an input beyond the limit of one append at one stroke", async () => {
		const input = randomBytes(20_000_000);
		const done = await run("append ./data/a/b --atomic --json", input);
		expect([done.code, done.lines()]).toEqual([0, [{ scope: "a", stream: "b", appends: 1, from: 0, to: 20_000_000 }]]);
		expect(done.err).toContain("appended 19 MiB to a/b at one stroke");
		expect((await run("read ./data/a/b")).stdout.equals(input)).toBe(true);
		expect((await run("verify --store ./data --json")).lines()).toMatchObject([{ ok: true, problems: [] }]);
	});

	it("stores nothing of an input that ends badly, and the next command finds no trace of it", async () => {
		await run("append ./data/a/b", "before");
		const feeding = new CliProcess("append ./data/a/b --atomic".split(" "), { cwd });
		feeding.child.stdin.write(randomBytes(5_000_000));
		// A second process sees that it is there, and nothing of its bytes.
		let open: unknown[] = [];
		while (open.length === 0) open = (await run("txn list ./data/a/b --json")).lines();
		expect(open).toMatchObject([{ state: "open" }]);
		feeding.child.kill("SIGKILL");
		await feeding.ended;
		expect((await run("read ./data/a/b")).stdout.toString()).toBe("before");
		expect((await run("append ./data/a/b", "after")).code).toBe(0);
		expect((await run("txn list ./data/a/b --json")).lines()).toEqual([]);
		expect((await run("read ./data/a/b")).stdout.toString()).toBe("beforeafter");
	});

	it("takes a condition, and refuses options that cut the input", async () => {
		await run("append ./data/a/b", "abc");
		const refused = await run("append ./data/a/b --atomic --expect 0", "x");
		expect([refused.code, refused.err]).toEqual([4, expect.stringContaining("expected the tail at 0, it is 3")]);
		expect((await run("append ./data/a/b --atomic --expect 3", "x")).code).toBe(0);
		for (const option of ["--acks", "--producer p:0:0", "--chunk 1KiB"]) {
			const { code, err } = await run(`append ./data/a/b --atomic ${option}`, "x");
			expect([code, err]).toEqual([
				2,
				expect.stringContaining(`${option.split(" ")[0]} cannot be given with --atomic`),
			]);
		}
		expect((await run("append ./data/a/b --prepare --expect 4", "x")).code).toBe(2);
	});
});

describe("txn", () => {
	it("shows what was prepared, and commits it by its id", async () => {
		const input = randomBytes(3_000_000);
		await run("append ./data/a/b", "first;");
		const prepared = await run("append ./data/a/b --prepare", input);
		const id = prepared.out.trim();
		expect(prepared.err).toContain(`streambed txn commit a/b ${id}`);
		await run("append ./data/a/b", "second;");
		expect((await run("txn list ./data/a/b --json")).lines()).toEqual([
			{ id, state: "prepared", bytes: 3_000_000, ageMs: expect.any(Number) },
		]);
		expect((await run("txn list ./data/a/b")).out).toMatch(
			/ID +STATE +SIZE +AGE\n.* prepared +2\.9 MiB +\d.*\d (s|min)\n/,
		);
		const committed = await run(`txn commit ./data/a/b ${id} --json`);
		const told = { scope: "a", stream: "b", id, state: "committed", bytes: 3_000_000, from: 13, to: 3_000_013 };
		expect(committed.lines()).toEqual([told]);
		expect((await run("read ./data/a/b --from offset:13")).stdout.equals(input)).toBe(true);
		expect((await run(`txn commit ./data/a/b ${id}`)).code).toBe(3);
		expect((await run("txn list ./data/a/b")).err).toContain("no write in parts of a/b waits for a decision");
	});

	it("aborts by id; a prepared write stands against sealing and deleting", async () => {
		const id = (await run("append ./data/a/b --prepare", "held back")).out.trim();
		const seal = await run("seal ./data/a/b");
		expect([seal.code, seal.err]).toEqual([4, expect.stringContaining(`the prepared write ${id} holds it`)]);
		expect((await run("delete ./data/a/b --yes")).code).toBe(4);
		expect((await run(`txn abort ./data/a/b ${id}`)).out).toBe(`aborted ${id} of a/b with 9 B\n`);
		expect((await run("seal ./data/a/b")).code).toBe(0);
		expect((await run("append ./data/c/d --prepare", "x")).code).toBe(0);
		expect((await run("delete ./data/c/d --yes --force")).code).toBe(0);
	});

	it("shows a prepared write whose description is damaged as such, and drops it", async () => {
		const id = (await run("append ./data/a/b --prepare", "held back")).out.trim();
		const path = join(cwd, "data/streams/a/b.stream/0/staged", `${id}.json`);
		writeFileSync(path, readFileSync(path, "utf8").replace("createdAt", "created"));
		const told = { id, state: "prepared", bytes: expect.any(Number), ageMs: null, damaged: true };
		expect((await run("txn list ./data/a/b --json")).lines()).toEqual([told]);
		const shown = await run("txn list ./data/a/b");
		expect(shown.out).toMatch(/ damaged +\d+ B +\?\n$/);
		expect(shown.err).toContain(`streambed txn abort a/b ${id} drops it`);
		const committed = await run(`txn commit ./data/a/b ${id}`);
		expect([committed.code, committed.err]).toEqual([5, expect.stringContaining("streambed txn abort")]);
		expect((await run(`txn abort ./data/a/b ${id}`)).code).toBe(0);
		expect((await run("txn list ./data/a/b --json")).lines()).toEqual([]);
		expect((await run("verify ./data")).code).toBe(0);
	});

	it("says what it needs, and which stream or write is not there", async () => {
		await run("create ./data/a/b");
		const cases: [string, number, string][] = [
			["txn list ./data/a/x", 3, "no stream a/x"],
			["txn commit ./data/a/b", 2, "txn commit needs the id of a write"],
			["txn undo ./data/a/b", 2, 'txn can list, commit or abort, not "undo"'],
			["txn abort ./data/a/b 123", 3, "has no undecided write in parts 123"],
			["txn list ./data/a/b 123", 2, "takes a stream and no id"],
		];
		for (const [args, exit, text] of cases) {
			const { code, err } = await run(args);
			expect([args, code, err]).toEqual([args, exit, expect.stringContaining(text)]);
		}
	});
});
