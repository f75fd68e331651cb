/** A stream that is missing is made by what stores into it, and not for input that is refused; in this process, on a folder. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { main } from "../../../src/cli/main.ts";
import { open } from "../../../src/index.ts";
import { fakeIo } from "./fake-io.ts";

let cwd = "";
beforeEach(async () => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-missing-stream-"));
	await using _store = await open(`file:${join(cwd, "data")}`);
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

interface Result {
	readonly code: number;
	readonly err: string;
	readonly error: { readonly code: string; readonly details: Record<string, unknown> };
}

async function cli(args: string, input: string | Readable): Promise<Result> {
	const fake = fakeIo(cwd, typeof input === "string" ? (input === "" ? [] : [input]) : input);
	const code = await main([...args.split(" "), "--json", "--store", "data"], fake.io);
	// What was written last arrives at the collecting ends a turn later.
	await new Promise((resolve) => setImmediate(resolve));
	const last = fake.err().trimEnd().split("\n").at(-1) ?? "";
	return { code, err: fake.err(), error: last.startsWith("{") ? JSON.parse(last).error : undefined };
}

/** Tails of the streams that there are, shard by shard. */
async function tails(): Promise<Record<string, number[]>> {
	await using store = await open(`file:${join(cwd, "data")}`, { mode: "read" });
	const found: Record<string, number[]> = {};
	for (const { scope, stream, kind } of await store.list()) {
		const { shards } = await store.scope(scope).stream(stream, { kind }).info();
		found[`${scope}/${stream}`] = shards.map(({ tail }) => tail);
	}
	return found;
}

const good = '{"value":"v"}\n';
const later = '{"value":"v","part":{"index":1,"last":true}}\n';

describe("a missing stream", () => {
	it.each([
		["a line that is no JSON", "append a/b --records -", "{\n"],
		["a record for a shard that it would not have", "append a/b --records -", '{"value":"v","shard":1}\n'],
		["a record without its first part", "append a/b --records -", later],
		["a line without the field of the key", "append a/b --lines --key-field id", '{"no":1}\n'],
		["a shard that it would not have", "append a/b --lines --shard 3", "x\n"],
		["a wrong line among those of one stroke", "append a/b --records - --atomic", `${good}{\n`],
		["a part among those of one stroke", "append a/b --records - --atomic", `${good}${later}`],
	])("is not made for %s", async (_, args, input) => {
		const failed = await cli(args, input);
		expect([failed.code, failed.error]).toMatchObject([2, { code: "STREAMBED_INVALID_OPTION" }]);
		expect(failed.err).not.toContain("created");
		expect(await tails()).toEqual({});
	});

	it.each([
		["of a chunk", "append a/b --expect 5", "x", "POSITION_MISMATCH", { expected: 5, tail: 0 }],
		["of nothing", "append a/b --expect 5", "", "POSITION_MISMATCH", { expected: 5, tail: 0 }],
		["of one stroke", "append a/b --expect 5 --atomic", "x", "POSITION_MISMATCH", { expected: 5, tail: 0 }],
		["of one stroke of nothing", "append a/b --expect 5 --atomic", "", "POSITION_MISMATCH", { expected: 5, tail: 0 }],
		["of a producer", "append a/b --producer p:0:3", "x", "PRODUCER_GAP", { epoch: 0, expected: 0, got: 3 }],
	])("is not made for a condition that it cannot meet: %s", async (_, args, input, code, details) => {
		const failed = await cli(args, input);
		expect([failed.code, failed.error]).toMatchObject([4, { code: `STREAMBED_${code}`, details }]);
		expect(await tails()).toEqual({});
	});

	it.each(["", " --lines", " --lines --atomic", " --atomic", " --prepare"])(
		"is not made by append%s for input that cannot be read",
		async (options) => {
			const broken = new Readable({ read: () => broken.destroy(new Error("no more of it")) });
			expect((await cli(`append a/b${options}`, broken)).error.code).toBe("STREAMBED_IO");
			expect(await tails()).toEqual({});
		},
	);

	it("is not made by an import into a shard that it would not have", async () => {
		mkdirSync(join(cwd, "empty"));
		expect((await cli("import stream-ops empty a/b --shard 1", "")).code).toBe(2);
		expect(await tails()).toEqual({});
		expect((await cli("import stream-ops empty a/b", "")).err).toContain("created a/b");
		expect(await tails()).toEqual({ "a/b": [0] });
	});

	it.each([
		"",
		" --expect 0",
		" --producer p:0:3",
		" --acks",
		" --lines",
		" --lines --atomic",
		" --atomic",
		" --records r",
	])("is made by append%s for an empty input, which says so", async (options) => {
		writeFileSync(join(cwd, "r"), "");
		const done = await cli(`append a/b${options}`, "");
		expect([done.code, done.err]).toEqual([0, expect.stringContaining("created a/b in data\n")]);
		expect(await tails()).toEqual({ "a/b": [0] });
	});

	it.each([
		["", "x", 1],
		[" --expect 0", "x", 1],
		[" --producer p:0:0", "x", 1],
		[" --producer p:7:0", "x", 1],
		[" --atomic --expect 0", "x", 1],
		[" --prepare", "x", 0],
		[" --lines --atomic", "x\ny\n", 2],
		[
			" --records -",
			'{"value":"a","part":{"index":0,"last":false}}\n{"value":"b","part":{"index":1,"last":true}}\n',
			1,
		],
	])("is made by append%s for what it stores, which says so", async (options, input, tail) => {
		const done = await cli(`append a/b${options}`, input);
		expect([done.code, done.err]).toEqual([0, expect.stringContaining("created a/b in data\n")]);
		expect(await tails()).toEqual({ "a/b": [tail] });
	});

	it("is made by the right lines before a wrong one", async () => {
		const failed = await cli("append a/b --records -", `${good}{\n`);
		expect([failed.code, failed.error.details]).toMatchObject([2, { line: 2, acknowledgedRecords: 1 }]);
		expect(await tails()).toEqual({ "a/b": [1] });
	});
});
