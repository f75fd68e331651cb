/** How the last line of `read --json` tells why a reading ended; in this process, on a folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.ts";
import { open } from "../../../src/index.ts";
import { fakeIo } from "./fake-io.ts";

let cwd = "";

beforeAll(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-read-ends-"));
});

afterAll(() => rmSync(cwd, { recursive: true, force: true }));

interface Result {
	readonly code: number;
	/** The last line of stdout. */
	readonly end: unknown;
	readonly message: string;
}

async function cli(...args: readonly string[]): Promise<Result> {
	const fake = fakeIo(cwd, []);
	const code = await main([...args, "--json", "--store", "data"], fake.io);
	// What was written last arrives at the collecting ends a turn later.
	await new Promise((resolve) => setImmediate(resolve));
	const last = fake.out().toString().trimEnd().split("\n").at(-1) ?? "";
	const error = fake.err().trimEnd().split("\n").at(-1) ?? "";
	return {
		code,
		end: last === "" ? undefined : JSON.parse(last),
		message: error.startsWith("{") ? JSON.parse(error).error.message : "",
	};
}

describe("the end of a reading of bytes", () => {
	let count = 0;
	let name = "";
	beforeEach(async () => {
		await using store = await open(`file:${join(cwd, "data")}`);
		name = `bytes/${count++}`;
		const stream = await store.scope("bytes").create(name.slice("bytes/".length));
		for (const text of ["0123", "4567", "89"]) await stream.append(Buffer.from(text));
	});

	it.each([
		["--to offset:6", "limit", 6],
		["--to offset:10", "limit", 10],
		["--to offset:11", "tail", 10],
		["--to offset:11 --follow --timeout 20ms", "timeout", 10],
		["--to tail", "limit", 10],
		["--from tail --to tail", "limit", 10],
		["--to 2200-01-01", "limit", 10],
		["--to last:0", "limit", 10],
	])("with %s is told as %s at %d", async (options, outcome, position) => {
		expect((await cli("read", name, ...options.split(" "))).end).toEqual({ outcome, position });
	});

	it.each([
		["--to offset:10", "limit"],
		["--to tail", "limit"],
		["--to offset:11", "sealed"],
		["--to offset:11 --follow", "sealed"],
	])("of a sealed stream with %s is told as %s", async (options, outcome) => {
		await cli("seal", name);
		expect((await cli("read", name, ...options.split(" "))).end).toEqual({ outcome, position: 10 });
	});

	it("is the tail where it did not get to --to, also if more has come meanwhile", async () => {
		const fake = fakeIo(cwd);
		const stdout = new PassThrough({ highWaterMark: 1 });
		const args = ["read", name, "--json", "--to", "offset:50", "--store", "data"];
		const running = main(args, { ...fake.io, stdout });
		await vi.waitFor(() => expect(stdout.writableNeedDrain).toBe(true));
		await using store = await open(`file:${join(cwd, "data")}`);
		await store.scope("bytes").stream(name.slice("bytes/".length)).append(Buffer.from("more"));
		let out = "";
		stdout.on("data", (data: Buffer) => {
			out += data.toString();
		});
		expect(await running).toBe(0);
		expect(out.trimEnd().split("\n").at(-1)).toBe('{"outcome":"tail","position":10}');
	});

	it("comes after no --timeout where nothing is waited for", async () => {
		const { code, message } = await cli("read", name, "--timeout", "1s");
		expect([code, message]).toEqual([2, expect.stringMatching(/^--timeout is for --follow/)]);
	});
});

describe("the end of a reading of records", () => {
	let cut = "";
	let cutOfOne = "";
	beforeAll(async () => {
		await using store = await open(`file:${join(cwd, "data")}`);
		const stream = await store.scope("ends").create("r", { kind: "records", shards: 2 });
		for (const shard of [0, 0, 1]) await stream.append({ value: Buffer.from("v"), shard });
		cut = await stream.cut();
		const one = stream.read({ shard: 1, from: "tail" });
		cutOfOne = (await one.open()).location as string;
		await one.close();
		await (await store.scope("ends").create("later", { kind: "records" })).append({ value: Buffer.from("v") });
	});

	it.each<[string[], string, unknown]>([
		[[], "tail", { 0: 2, 1: 1 }],
		[["--to", "tail"], "limit", { 0: 2, 1: 1 }],
		[["--to", "2200-01-01"], "limit", { 0: 2, 1: 1 }],
		[["--to-cut", "CUT"], "limit", { 0: 2, 1: 1 }],
		[["--to-cut", "CUT", "--shard", "1"], "limit", 1],
		[["--to-cut", "ONE", "--shard", "1"], "limit", 1],
		[["--to-cut", "CUT", "--shard", "0", "--follow"], "limit", 2],
		[["--shard", "0", "--to", "seq:1"], "limit", 1],
		[["--shard", "0", "--to", "seq:2"], "limit", 2],
		[["--shard", "0", "--to", "seq:3"], "tail", 2],
		[["--shard", "1", "--to", "seq:2"], "tail", 1],
	])("with %j is told as %s", async (options, outcome, position) => {
		const given = options.map((option) => (option === "CUT" ? cut : option === "ONE" ? cutOfOne : option));
		expect((await cli("read", "ends/r", ...given)).end).toEqual({ outcome, position });
	});

	it("is that of the stream where a sealed one ends before", async () => {
		await cli("seal", "ends/later");
		for (const [to, outcome] of [
			["seq:2", "sealed"],
			["seq:1", "limit"],
			["tail", "limit"],
		] as const) {
			expect((await cli("read", "ends/later", "--to", to)).end).toEqual({ outcome, position: 1 });
		}
	});
});

describe("an interruption while nobody takes the lines", () => {
	beforeAll(async () => {
		await using store = await open(`file:${join(cwd, "data")}`);
		await (await store.scope("stalled").create("bytes")).append(Buffer.from("0123"));
		const records = await store.scope("stalled").create("records", { kind: "records", shards: 2 });
		for (const shard of [0, 1, 1]) await records.append({ value: Buffer.from("v"), shard });
	});

	it.each<[string, string, unknown]>([
		["bytes", "all", 0],
		["records", "1", 0],
		["records", "0", 0],
	])("of %s, shard %s, names the place before them, and adds no line", async (name, shard, position) => {
		const fake = fakeIo(cwd);
		const stdout = new PassThrough({ highWaterMark: 1 });
		const args = ["read", `stalled/${name}`, "--json", "--follow", "--shard", shard, "--store", "data"];
		const running = main(args, { ...fake.io, stdout });
		await vi.waitFor(() => expect(stdout.writableNeedDrain).toBe(true));
		process.emit("SIGINT");
		expect(await running).toBe(130);
		expect(stdout.setEncoding("utf8").read()).not.toContain("outcome");
		await vi.waitFor(() => expect(fake.err()).toContain("ABORTED"));
		const { error } = JSON.parse(fake.err().trimEnd().split("\n").at(-1) as string);
		expect(error.details.position).toEqual(position);
	});
});
