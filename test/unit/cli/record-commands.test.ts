/** What commands refuse about record streams, and that nothing is stored of what they refuse; in this process, on a folder. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../../src/cli/main.ts";
import { open, type RecordStream, type Store } from "../../../src/index.ts";
import { fakeIo } from "./fake-io.ts";

let cwd = "";

beforeAll(async () => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-record-commands-"));
	await using store = await open(`file:${join(cwd, "data")}`);
	await store.scope("a").create("r", { kind: "records", shards: 3 });
	await records(store).append([{ value: Buffer.from("old"), key: "k", shard: 1 }]);
	await store.scope("a").create("bytes");
});

afterAll(() => rmSync(cwd, { recursive: true, force: true }));

function records(store: Store): RecordStream {
	return store.scope("a").stream("r", { kind: "records" });
}

interface Result {
	readonly code: number;
	readonly lines: readonly Record<string, unknown>[];
	readonly error: { readonly code: string; readonly message: string; readonly details: Record<string, unknown> };
}

async function cli(args: readonly string[], input: string | Uint8Array = ""): Promise<Result> {
	const fake = fakeIo(cwd, [input]);
	const code = await main([...args, "--json", "--store", "data"], fake.io);
	// What was written last arrives at the collecting ends a turn later.
	await new Promise((resolve) => setImmediate(resolve));
	const lines = fake.out().toString().trimEnd().split("\n").filter(Boolean);
	const last = fake.err().trimEnd().split("\n").at(-1) ?? "";
	return {
		code,
		lines: lines.map((line) => JSON.parse(line)),
		error: last.startsWith("{") ? JSON.parse(last).error : { code: "", message: "", details: {} },
	};
}

async function tails(): Promise<number[]> {
	await using store = await open(`file:${join(cwd, "data")}`, { mode: "read" });
	return (await records(store).info()).shards.map(({ tail }) => tail);
}

const good = '{"value":"v"}';
const huge = "k".repeat(10_000_000);

describe("records of a file, all at one stroke", () => {
	it.each([
		["an unknown field", '{"value":"v","keys":"k"}', "INVALID_OPTION", /line 2 of r\.ndjson: unknown option "keys"/],
		["a key that is no text", '{"value":"v","key":5}', "INVALID_OPTION", /line 2 of r\.ndjson: key .* not 5/],
		["a value that is no text", '{"value":{}}', "INVALID_OPTION", /line 2 of r\.ndjson: value must be/],
		[
			"a header that is no text",
			'{"value":"v","headers":{"h":1}}',
			"INVALID_OPTION",
			/line 2 of r\.ndjson: header "h"/,
		],
		["headers that are a list", '{"value":"v","headers":[]}', "INVALID_OPTION", /line 2 of r\.ndjson: headers/],
		["an event time that is a text", '{"value":"v","eventTime":"now"}', "INVALID_OPTION", /line 2 .*eventTime/],
		["client info that is no base64", '{"value":"v","clientInfo":"#"}', "INVALID_OPTION", /line 2 .*clientInfo/],
		["a shard that is not there", '{"value":"v","shard":3}', "INVALID_OPTION", /line 2 .*no shard 3: .* from 0 to 2/],
		["a shard before the first", '{"value":"v","shard":-1}', "INVALID_OPTION", /line 2 .*no shard -1/],
		["a shard that is a text", '{"value":"v","shard":"1"}', "INVALID_OPTION", /line 2 .*no shard "1"/],
		["no JSON", '{"value":"v"', "INVALID_OPTION", /line 2 of r\.ndjson: not JSON/],
		["an empty line", "", "INVALID_OPTION", /line 2 of r\.ndjson: not JSON/],
		["a key of 10 MB", `{"value":"v","key":"${huge}"}`, "LIMIT_EXCEEDED", /line 2 .*key .*10000000 bytes.*4096/],
		["half a character in a key", '{"value":"v","key":"\\ud800"}', "INVALID_OPTION", /line 2 .*surrogate/],
		["a value of 10 MB", `{"value":"${huge}"}`, "TOO_LARGE", /line 2 of r\.ndjson: a record of 10000000 bytes/],
	])("are not stored in part: %s", async (_, line, code, message) => {
		writeFileSync(join(cwd, "r.ndjson"), `${good}\n${line}\n${good}\n`);
		const before = await tails();
		const failed = await cli(["append", "a/r", "--records", "r.ndjson", "--atomic"]);
		expect([failed.code, failed.error.code]).toEqual([2, `STREAMBED_${code}`]);
		expect(failed.error.message).toMatch(message);
		expect(failed.error.message.length).toBeLessThan(300);
		expect(failed.error.details).toMatchObject({ line: 2 });
		expect(await tails()).toEqual(before);
	});

	it("are not stored in part if together they are too much", async () => {
		const before = await tails();
		const half = `${"x".repeat(5_000_000)}\n`;
		const failed = await cli(["append", "a/r", "--lines", "--atomic"], `${half}${half}`);
		expect([failed.error.code, failed.error.details]).toMatchObject(["STREAMBED_TOO_LARGE", { line: 2 }]);
		expect(await tails()).toEqual(before);
	});

	it("are stored in all their shards if every line is right", async () => {
		const before = await tails();
		const lines = [0, 1, 2, 2].map((shard) => `{"value":"v","shard":${shard}}\n`).join("");
		const done = await cli(["append", "a/r", "--records", "-", "--atomic"], lines);
		expect([done.code, done.lines]).toEqual([0, [{ scope: "a", stream: "r", records: 4, bytes: 4 }]]);
		expect(await tails()).toEqual([1, 1, 2].map((count, shard) => count + (before[shard] ?? 0)));
		expect((await cli(["append", "a/r", "--lines", "--atomic"], "")).lines).toMatchObject([{ records: 0 }]);
	});
});

describe("of record streams", () => {
	it.each<[string[], string, RegExp]>([
		[["append", "a/r", "--lines", "--records", "x"], "INVALID_OPTION", /cannot be given together/],
		[["append", "a/r", "file", "--records", "x"], "INVALID_OPTION", /no other file/],
		[["append", "a/r", "--records", "none"], "INVALID_OPTION", /cannot read the input file none/],
		[["append", "a/r", "--key", "k"], "INVALID_OPTION", /--key is for --lines/],
		[["append", "a/r", "--shard", "1"], "INVALID_OPTION", /--shard is for --lines/],
		[["append", "a/r", "--lines", "--key", "k", "--key-field", "f"], "INVALID_OPTION", /cannot be given together/],
		[["append", "a/r", "--lines", "--key", "HUGE"], "LIMIT_EXCEEDED", /10000000 bytes/],
		[["append", "a/r", "--lines", "--shard", "x"], "INVALID_OPTION", /--shard must be a whole number/],
		[["append", "a/r", "--lines", "--expect", "0"], "INVALID_OPTION", /--expect is for byte streams/],
		[["append", "a/r", "--lines", "--producer", "p:0:0"], "INVALID_OPTION", /--producer is for byte streams/],
		[["append", "a/r", "--lines", "--prepare"], "INVALID_OPTION", /--prepare is for byte streams/],
		[["append", "a/r", "--lines", "--chunk", "1KiB"], "INVALID_OPTION", /--chunk is for byte streams/],
		[["append", "a/r", "--lines", "--atomic", "--acks"], "INVALID_OPTION", /--acks cannot be given with --atomic/],
		[["append", "a/r"], "WRONG_KIND", /record/],
		[["append", "a/bytes", "--lines"], "WRONG_KIND", /byte/],
		[["append", "a/bytes", "--lines", "--atomic"], "WRONG_KIND", /byte/],
		[["append", "a/none", "--lines", "--no-create"], "NOT_FOUND", /no stream a\/none/],
		[["read", "a/r", "--shard", "3"], "INVALID_OPTION", /no shard 3/],
		[["read", "a/r", "--shard", "-1"], "INVALID_OPTION", /--shard must be/],
		[["read", "a/r", "--from", "offset:1", "--shard", "1"], "WRONG_KIND", /./],
		[["read", "a/r", "--from", "seq:1"], "INVALID_OPTION", /name the shard/],
		[["read", "a/r", "--from", "seq:9", "--shard", "0"], "OUT_OF_RANGE", /beyond the tail/],
		[["read", "a/r", "--from-cut", "x"], "INVALID_OPTION", /--from-cut is no cut/],
		[["read", "a/r", "--from", "head", "--from-cut", "x"], "INVALID_OPTION", /./],
		[["read", "a/r", "--limit", "1KiB"], "INVALID_OPTION", /--limit/],
		[["read", "a/bytes", "--from", "seq:0"], "WRONG_KIND", /./],
		[["read", "a/bytes", "--shard", "1"], "UNSUPPORTED", /byte stream has one shard/],
		[["grow", "a/r"], "INVALID_OPTION", /needs --shards/],
		[["grow", "a/r", "--shards", "2"], "INVALID_OPTION", /never shrinks/],
		[["grow", "a/r", "--shards", "4097"], "INVALID_OPTION", /1 to 4096/],
		[["grow", "a/r", "--shards", "1.5"], "INVALID_OPTION", /--shards must be/],
		[["grow", "a/bytes", "--shards", "2"], "WRONG_KIND", /./],
		[["grow", "a/none", "--shards", "2"], "NOT_FOUND", /no stream a\/none/],
		[["route", "a/r"], "INVALID_OPTION", /missing required argument/],
		[["route", "a/r", "HUGE"], "LIMIT_EXCEEDED", /10000000 bytes/],
		[["route", "a/bytes", "k"], "WRONG_KIND", /./],
		[["cut", "a/bytes"], "WRONG_KIND", /./],
		[["cut", "a/none"], "NOT_FOUND", /no stream a\/none/],
		[["truncate", "a/r", "--before", "seq:1"], "INVALID_OPTION", /shard/],
		[["truncate", "a/r", "--before", "offset:1", "--shard", "1"], "WRONG_KIND", /./],
		[["truncate", "a/bytes", "--before", "head", "--shard", "1"], "WRONG_KIND", /shards and cuts/],
		[["create", "a/new", "--kind", "records", "--shards", "0"], "INVALID_OPTION", /--shards must be/],
		[["create", "a/new", "--kind", "records", "--shards", "4097"], "INVALID_OPTION", /1 to 4096/],
		[["create", "a/new", "--kind", "lines"], "INVALID_OPTION", /--kind must be/],
		[["create", "a/new", "--shards", "2"], "INVALID_OPTION", /shard/],
	])("%j is refused", async (args, code, message) => {
		const before = await tails();
		const failed = await cli(
			args.map((arg) => (arg === "HUGE" ? huge : arg)),
			"x\n",
		);
		expect(failed.error.code).toBe(`STREAMBED_${code}`);
		expect(failed.error.message).toMatch(message);
		expect(failed.error.message.length).toBeLessThan(300);
		expect(await tails()).toEqual(before);
		expect((await cli(["list"])).lines).toHaveLength(2);
	});
});

describe("a record in parts", () => {
	it("is one line as text, and with --json a line for each part, which cannot be appended as it is", async () => {
		const value = Buffer.alloc(600_000, "part ");
		{
			await using store = await open(`file:${join(cwd, "parts")}`);
			const stream = await store.scope("a").create("r", { kind: "records" });
			const record = stream.multipart({ key: "k" });
			await record.write(value);
			await record.commit();
			await stream.append({ value: Buffer.from("next") });
		}
		const read = async (...more: string[]): Promise<string> => {
			const fake = fakeIo(cwd, []);
			expect(await main(["read", "a/r", "--store", "parts", ...more], fake.io)).toBe(0);
			await new Promise((resolve) => setImmediate(resolve));
			return fake.out().toString();
		};
		expect(await read()).toBe(`${value.toString()}\nnext\n`);
		const lines = (await read("--json")).trimEnd().split("\n");
		expect(lines.map((line) => JSON.parse(line).part)).toEqual([
			{ index: 0, last: false },
			{ index: 1, last: true },
			undefined,
			undefined,
		]);
		const failed = await cli(["append", "a/r", "--records", "-"], `${lines[1]}\n`);
		expect(failed.error.message).toMatch(/unknown option "part"/);
	});
});
