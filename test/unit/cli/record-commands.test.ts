/** What commands refuse about record streams, and that nothing is stored of what they refuse; in this process, on a folder. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../../src/cli/main.ts";
import { open, type RecordInput, type RecordStream, type Store } from "../../../src/index.ts";
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
		[
			"a shard that is a text",
			'{"value":"v","shard":"1"}',
			"INVALID_OPTION",
			/line 2 .*shard must be an integer number, not the text "1"/,
		],
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
		[["read", "a/r", "--from", "offset:1", "--shard", "1"], "WRONG_KIND", /^--from offset:N does not fit: .* seq:N$/],
		[["read", "a/r", "--to", "seq:1"], "INVALID_OPTION", /^--to is a sequence/],
		[["read", "a/bytes", "--to", "seq:1"], "WRONG_KIND", /^--to seq:N does not fit/],
		[["truncate", "a/bytes", "--before", "seq:1"], "WRONG_KIND", /^--before seq:N does not fit/],
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
		expect((await cli(["list", "a"])).lines).toHaveLength(2);
	});
});

describe("a cut that does not fit", () => {
	async function cutOf(stream: string, ...options: string[]): Promise<string> {
		await cli(["create", stream, "--kind", "records", "--shards", "3", "--if-missing"]);
		return (await cli(["cut", stream, ...options])).lines[0] as unknown as string;
	}

	it.each([
		["read", "--from-cut"],
		["read", "--to-cut"],
		["truncate", "--before-cut"],
	])("is refused by the name of the option: %s %s", async (command, option) => {
		const failed = await cli([command, "a/r", option, await cutOf("cuts/other")]);
		expect([failed.code, failed.error.details]).toEqual([2, { option }]);
		expect(failed.error.message).toMatch(new RegExp(`^${option} is of another stream`));
	});

	it("also where it is of one shard only", async () => {
		await using store = await open(`file:${join(cwd, "data")}`, { mode: "read" });
		await using reader = await records(store).read({ shard: 1 }).open();
		for (const option of ["--from-cut", "--to-cut"]) {
			const failed = await cli(["read", "a/r", option, reader.location as string]);
			expect([failed.code, failed.error]).toMatchObject([
				2,
				{ message: `${option} is of shard 1 only`, details: { option } },
			]);
		}
	});
});

describe("a byte order mark at the beginning", () => {
	const mark = Buffer.from([0xef, 0xbb, 0xbf]);

	async function values(name: string): Promise<string[]> {
		await using store = await open(`file:${join(cwd, "data")}`, { mode: "read" });
		const all = store.scope("marks").stream(name, { kind: "records" }).read();
		return await Array.fromAsync(all, ({ value }) => Buffer.from(value).toString("latin1"));
	}

	it.each([
		["records", ["--records", "-"], `${good}\n${good}`, ["v", "v"]],
		["atomic", ["--records", "-", "--atomic"], `${good}\r\n`, ["v"]],
		["empty", ["--records", "-"], "", []],
		["lines", ["--lines"], "x", ["\u00ef\u00bb\u00bfx"]],
	])("is no part of JSON, and of bytes it is: %s", async (name, options, text, stored) => {
		const done = await cli(["append", `marks/${name}`, ...options], Buffer.concat([mark, Buffer.from(text)]));
		expect(done.code).toBe(0);
		expect(await values(name)).toEqual(stored);
	});

	it("belongs to the first line only", async () => {
		const input = Buffer.concat([Buffer.from(`${good}\n`), mark, Buffer.from(good)]);
		expect((await cli(["append", "marks/second", "--records", "-"], input)).error.message).toMatch(
			/^line 2 .*byte order/,
		);
	});
});

describe("lines of several files", () => {
	beforeAll(() => {
		for (const [name, text] of [
			["1.txt", "one"],
			["2.txt", "two\r\nthree"],
			["empty.txt", ""],
			["4.txt", "four\n"],
			["5.txt", `five\n${"x".repeat(9_000_000)}`],
		] as const) {
			writeFileSync(join(cwd, name), text);
		}
	});

	async function values(name: string): Promise<string[]> {
		await using store = await open(`file:${join(cwd, "data")}`, { mode: "read" });
		const found: string[] = [];
		for await (const { value } of store.scope("lines").stream(name, { kind: "records" }).read()) {
			found.push(Buffer.from(value).toString());
		}
		return found;
	}

	it.each(["--acks", "--atomic"])("end with their file, also without an end of their own: %s", async (option) => {
		const name = `of-files${option}`;
		const files = ["1.txt", "2.txt", "empty.txt", "-", "4.txt"];
		await cli(["create", `lines/${name}`, "--kind", "records"]);
		expect((await cli(["append", `lines/${name}`, ...files, "--lines", option], "typed")).code).toBe(0);
		expect(await values(name)).toEqual(["one", "two", "three", "typed", "four"]);
	});

	it("are counted over all of them", async () => {
		await cli(["create", "lines/counted", "--kind", "records"]);
		const failed = await cli(["append", "lines/counted", "1.txt", "2.txt", "5.txt", "--lines"]);
		expect([failed.code, failed.error]).toMatchObject([2, { details: { line: 5, acknowledgedRecords: 4 } }]);
		expect(failed.error.message).toMatch(/^line 5 of the input/);
	});
});

describe("records in parts", () => {
	const small = (text: string): RecordInput => ({ value: Buffer.from(text) });
	const large = (bytes: number, seed: number): Buffer => Buffer.alloc(bytes, `${seed}-part `);
	const values = [large(600_000, 1), large(9_000_000, 2), large(2_000_000, 3)];

	/** Two shards, each with large records between small ones. */
	beforeAll(async () => {
		await using store = await open(`file:${join(cwd, "parts")}`);
		const stream = await store.scope("a").create("from", { kind: "records", shards: 2 });
		for (const [index, value] of values.entries()) {
			for (const shard of [0, 1]) await stream.append({ ...small(`before ${index}`), shard });
			const meta = { key: `k${index}`, headers: { h: "1" }, clientInfo: Buffer.from("info"), eventTime: index };
			const record = stream.multipart({ ...meta, shard: index % 2 });
			await record.write(value);
			await record.commit();
		}
		await stream.append(small("last"), { shard: 0 });
	});

	async function run(args: readonly string[], input = ""): Promise<{ code: number; out: string; err: string }> {
		const fake = fakeIo(cwd, [input]);
		const code = await main([...args, "--store", "parts"], fake.io);
		await new Promise((resolve) => setImmediate(resolve));
		return { code, out: fake.out().toString(), err: fake.err() };
	}

	/** All that a record has, large ones put together again. */
	async function contents(name: string): Promise<object[]> {
		await using store = await open(`file:${join(cwd, "parts")}`, { mode: "read" });
		const found: { shard: number; value: Buffer; [name: string]: unknown }[] = [];
		for await (const record of store.scope("a").stream(name, { kind: "records" }).read({ copy: true })) {
			const { sequence: _sequence, time: _time, part, value, clientInfo, ...rest } = record;
			const last = found.at(-1);
			if (part !== undefined && part.index > 0)
				(last as { value: Buffer }).value = Buffer.concat([last?.value ?? value, value]);
			else found.push({ ...rest, clientInfo: clientInfo && [...clientInfo], value: Buffer.from(value) });
		}
		return found.toSorted((one, other) => one.shard - other.shard);
	}

	it("are a line each in the output of read, and a line for each part with --json", async () => {
		const { out } = await run(["read", "a/from"]);
		const lines = out.split("\n");
		expect(lines).toHaveLength(3 + 2 * 3 + 1 + 1);
		for (const value of values) expect(lines.includes(value.toString())).toBe(true);
		const parts = (await run(["read", "a/from", "--shard", "0", "--limit", "4", "--json"])).out.trimEnd().split("\n");
		expect(parts.map((line) => JSON.parse(line).part)).toEqual([
			undefined,
			{ index: 0, last: false },
			{ index: 1, last: true },
			undefined,
			undefined,
		]);
	});

	it("are told of where a reading begins or ends inside of one", async () => {
		const ends = await run(["read", "a/from", "--shard", "0", "--limit", "2"]);
		expect([ends.code, ends.err]).toEqual([0, expect.stringContaining("note: 1 value is not whole")]);
		const begins = await run(["read", "a/from", "--shard", "0", "--from", "seq:2", "--limit", "1"]);
		expect(begins.err).toContain("note: 1 value is not whole");
		expect((await run(["read", "a/from", "--shard", "0", "--limit", "3"])).err).toBe("");
	});

	it("are copied from read --json to append --records, with all that they have", async () => {
		const shown = (await run(["read", "a/from", "--json"])).out;
		await run(["create", "a/to", "--kind", "records", "--shards", "2"]);
		const done = await run(["append", "a/to", "--records", "-", "--acks"], shown);
		expect(done.code).toBe(0);
		expect(done.out.trimEnd().split("\n")).toHaveLength(shown.trimEnd().split("\n").length - 1);
		expect(await contents("to")).toEqual(await contents("from"));
	});

	it("are exported to Stream Ops and imported again, with all that they have", async () => {
		const given = await run(["export", "a/from", "out/s", "--format", "stream-ops", "--json"]);
		const done = await run(["import", "stream-ops", "out/s", "a/in", "--json"]);
		for (const { code, out, err } of [given, done]) {
			expect([code, JSON.parse(out)]).toMatchObject([
				0,
				{ records: (await contents("from")).length, parts: 2 + 18 + 4 },
			]);
			expect(err).toContain(`ed ${(await contents("from")).length} records (large ones in 24 parts) `);
		}
		const plain = (found: object[]): string[] => found.map((each) => JSON.stringify({ ...each, shard: 0 })).toSorted();
		expect(plain(await contents("in"))).toEqual(plain(await contents("from")));
	});

	it("are imported from their first part on, or named with where that is", async () => {
		await run(["export", "a/from", "out/again", "--format", "stream-ops", "--shard", "0"]);
		const failed = await run(["import", "stream-ops", "out/again", "a/rest", "--from", "2", "--json"]);
		const { error } = JSON.parse(failed.err.trimEnd().split("\n").at(-1) as string);
		expect([failed.code, error.message]).toEqual([2, expect.stringMatching(/^the record of offset 2: part 1 /)]);
		expect(error.hint).toContain("1 record before it");
		expect(await contents("rest")).toEqual([]);
	});

	it("are left out of an export where their beginning was dropped, which is told", async () => {
		await run(["create", "a/cut", "--kind", "records"]);
		{
			await using store = await open(`file:${join(cwd, "parts")}`);
			const stream = store.scope("a").stream("cut", { kind: "records" });
			const record = stream.multipart();
			await record.write(large(2_000_000, 4));
			await record.commit();
			await stream.append(small("whole"));
			await stream.truncateBefore({ before: { sequence: 1 } });
		}
		const done = await run(["export", "a/cut", "out/cut", "--format", "stream-ops", "--json"]);
		expect(JSON.parse(done.out)).toMatchObject({ records: 1, incompleteParts: 3 });
		expect(done.err).toContain("3 parts");
		await run(["import", "stream-ops", "out/cut", "a/cut2"]);
		expect(await contents("cut2")).toMatchObject([{ value: Buffer.from("whole") }]);
	});

	const part = (index: number, last: boolean, more: object = {}): string => {
		return `${JSON.stringify({ value: `part ${index}`, part: { index, last }, ...more })}\n`;
	};
	it.each<[string, string, RegExp]>([
		["without a beginning", part(1, true), /^line 2 of standard input: part 1 .* its beginning is missing/],
		["with a part left out", part(0, false) + part(2, true), /^line 3 .*: part 2 .* part 1 has to come before/],
		[
			"with another record inside",
			`${part(0, false)}{"value":"v"}\n`,
			/^line 3 .* not whole: nothing follows its part 0/,
		],
		["that another begins inside", part(0, false) + part(0, false), /^line 3 .* not whole: nothing follows its part 0/],
		["without an end", part(0, false) + part(1, false), /^a record in parts is not whole: nothing follows its part 1/],
		[
			"with a key in the middle",
			part(0, false) + part(1, true, { key: "k" }),
			/^line 3 .* only the first part has a key/,
		],
		["in two shards", part(0, false) + part(1, true, { shard: 1 }), /^line 3 .* another shard/],
		["with a part that makes no sense", part(-1, false), /^line 2 .* part\.index must be at least 0, not -1/],
	])("%s are refused, and what is before them is stored", async (_, lines, message) => {
		const before = await tails();
		const failed = await cli(["append", "a/r", "--records", "-"], `{"value":"v","shard":0}\n${lines}`);
		expect([failed.code, failed.error]).toMatchObject([
			2,
			{ code: "STREAMBED_INVALID_OPTION", details: { acknowledgedRecords: 1 } },
		]);
		expect(failed.error.message).toMatch(message);
		expect(await tails()).toEqual([(before[0] as number) + 1, ...before.slice(1)]);
	});

	it("are no piece of an atomic append", async () => {
		const before = await tails();
		const failed = await cli(
			["append", "a/r", "--records", "-", "--atomic"],
			`${good}\n${part(0, false)}${part(1, true)}`,
		);
		expect([failed.code, failed.error.message]).toEqual([
			2,
			expect.stringMatching(/^line 2 .* no piece of an atomic append/),
		]);
		expect(await tails()).toEqual(before);
	});
});
