/** `rion` and `dump`, on good files and on broken ones. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { main } from "../../../src/cli/main.ts";
import { splitFields } from "../../../src/cli/rion-fields.ts";
import { decode, encode, encodeFields, type RionField } from "../../../src/stream-ops/rion/index.ts";
import { fakeIo } from "./fake-io.ts";

const fixtures = fileURLToPath(new URL("../../fixtures/stream-ops/", import.meta.url));

let cwd = "";
beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-rion-"));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

async function cli(
	args: readonly string[],
	input: Iterable<Uint8Array | string> = [],
): Promise<{ code: number; out: Buffer; lines: Record<string, unknown>[]; err: string }> {
	const fake = fakeIo(cwd, input);
	const code = await main(args, fake.io);
	await new Promise(setImmediate);
	const out = fake.out();
	const parse = (): Record<string, unknown>[] =>
		out
			.toString()
			.split("\n")
			.filter((line) => line !== "")
			.map((line) => JSON.parse(line) as Record<string, unknown>);
	return {
		code,
		out,
		err: fake.err(),
		get lines() {
			return parse();
		},
	};
}

function errorOf(err: string): { code: string; message: string; details: Record<string, unknown> } {
	return (JSON.parse(err.trimEnd().split("\n").at(-1) as string) as { error: never }).error;
}

const everyType: readonly RionField[] = [
	{ type: "bytes", value: Uint8Array.of(1, 2, 3) },
	{ type: "int64", value: 2n ** 60n },
	{ type: "float64", value: Number.NaN },
	{ type: "float32", value: -0 },
	{ type: "utf8", value: "é" },
	{ type: "utcDateTime", value: { year: 2019, month: 9 } },
	{ type: "key", value: "k" },
	{
		type: "array",
		value: [
			{ type: "int64", value: 1 },
			{ type: "boolean", value: null },
		],
	},
	{
		type: "table",
		value: { keys: ["a", "b"], cells: [1, 2, 3, 4].map((value) => ({ type: "int64", value })), rows: 2 },
	},
	{ type: "object", value: [{ key: "__proto__", value: { type: "boolean", value: true } }, { key: "n" }] },
	{ type: "extended", extendedType: 42, form: "normal", value: Uint8Array.of(9) },
	{ type: "reserved", fieldType: 8, value: Uint8Array.of(9) },
];

describe("rion decode", () => {
	it("shows offset, type and value of each field with --json", async () => {
		writeFileSync(join(cwd, "all.rion"), encodeFields(everyType));
		const { code, out, lines, err } = await cli(["rion", "decode", "all.rion", "--json"]);
		expect({ code, err }).toEqual({ code: 0, err: "" });
		expect(lines.map(({ type, value }) => [type, value])).toEqual([
			["bytes", "AQID"],
			["int64", "1152921504606846976"],
			["float64", "NaN"],
			["float32", "-0"],
			["utf8", "é"],
			["utcDateTime", "2019-09"],
			["key", "k"],
			["array", [1, null]],
			[
				"table",
				[
					{ a: 1, b: 2 },
					{ a: 3, b: 4 },
				],
			],
			["object", JSON.parse('{"__proto__":true,"n":null}')],
			["extended", "CQ=="],
			["reserved", "CQ=="],
		]);
		expect(lines.slice(0, 4).map(({ offset }) => offset)).toEqual([0, 5, 14, 23]);
		expect(out.toString()).toContain('"__proto__":true');
	});

	it("shows values alone without it, from standard input as well", async () => {
		const { code, out } = await cli(["rion", "decode"], [encode({ a: 1 }), encode("x")]);
		expect({ code, out: out.toString() }).toEqual({ code: 0, out: '{"a":1}\n"x"\n' });
	});

	it("shows what is whole, then names the byte at which it ends", async () => {
		writeFileSync(join(cwd, "torn.rion"), Buffer.concat([encode(1), encode("text that is cut").subarray(0, 7)]));
		const { code, lines, err } = await cli(["rion", "decode", "torn.rion", "--json"]);
		expect(code).toBe(2);
		expect(lines).toEqual([{ offset: 0, type: "int64", value: 1 }]);
		expect(errorOf(err)).toMatchObject({ code: "STREAMBED_DECODE", details: { offset: 2 } });
	});

	it("names the byte inside of a field that is no RION", async () => {
		const { code, err } = await cli(["rion", "decode", "--json"], [encode(1), Uint8Array.of(0xa1, 0x02, 0x61, 0x61)]);
		expect(code).toBe(2);
		expect(errorOf(err)).toMatchObject({ code: "STREAMBED_DECODE", details: { offset: 4, field: 2 } });
	});
});

describe("rion encode", () => {
	it("makes a field of each line, exact also beyond 2^53", async () => {
		const { code, out, err } = await cli(["rion", "encode"], ['{"a":[1,', "null]}\n\n9007199254740993\r\n", '"é"']);
		expect({ code, err }).toEqual({ code: 0, err: "encoded 3 fields, 22 bytes\n" });
		const values = [{ a: [1, null] }, 9007199254740993n, "é"];
		expect(out).toEqual(Buffer.concat(values.map((value) => encode(value))));
		expect(decode(out.subarray(-3))).toBe("é");
	});

	it.each(["{", "1e", "99999999999999999999"])("refuses the line %s, naming it", async (line) => {
		const { code, err, out } = await cli(["rion", "encode", "--json"], [`1\n${line}\n2\n`]);
		expect(code).toBe(2);
		expect(out, "what precedes the bad line").toEqual(Buffer.from(encode(1)));
		expect(err).toContain("encoded only 1 field, 2 bytes: what precedes the failure is written\n");
		expect(errorOf(err)).toMatchObject({ code: "STREAMBED_INVALID_OPTION", details: { line: 2 } });
	});

	it("says of an integer that is too large which ones there are", async () => {
		const { err, out } = await cli(["rion", "encode", "--json"], ["12345678901234567890\n"]);
		expect(errorOf(err).message).toContain("12345678901234567890 does not fit signed 64 bits");
		expect(err).toContain("encoded nothing\n");
		expect(out).toHaveLength(0);
	});

	it("is told apart from decode, and nothing else is known", async () => {
		expect((await cli(["rion", "encrypt"])).code).toBe(2);
		expect((await cli(["rion"])).code).toBe(2);
	});
});

describe("taking fields apart", () => {
	it("gives the same for every size of chunks", async () => {
		const bytes = encodeFields([...everyType, { type: "bytes", value: new Uint8Array(700) }]);
		for (const size of [1, 2, 3, 7, 64, 10_000]) {
			const chunks = (async function* () {
				for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
			})();
			const fields = await Array.fromAsync(splitFields(chunks, bytes.length));
			expect(fields).toHaveLength(everyType.length + 1);
			expect(Buffer.concat(fields.map((field) => field.bytes))).toEqual(Buffer.from(bytes));
		}
	});

	it("refuses a length beyond the file before it has read so far", async () => {
		const chunks = (async function* () {
			yield Uint8Array.of(0x08, 0, 0, 0, 0xff, 0, 0, 0, 0);
			throw new Error("read on");
		})();
		await expect(Array.fromAsync(splitFields(chunks, 1000))).rejects.toMatchObject({ code: "STREAMBED_DECODE" });
	});
});

describe("dump", () => {
	const copy = (path: string): void => cpSync(join(fixtures, "streams", path, "stream"), cwd, { recursive: true });

	it("shows the blocks and records of a stream, and of a folder of streams", async () => {
		copy("layout-0.6/flush-between");
		const stream = await cli(["dump", "flushy", "--json"]);
		expect(stream.code).toBe(0);
		expect(stream.lines.map(({ block, offset }) => block ?? offset)).toEqual([
			"flushy-0000000000000000",
			0,
			1,
			"flushy-0000000000000002",
			2,
		]);
		expect(stream.lines[1]).toMatchObject({ byteOffset: 4, bytes: 10, type: "bytes", value: "AQgPFh0kKzI=" });
		expect((await cli(["dump", ".", "--json"])).out).toEqual(stream.out);
		const one = await cli(["dump", "flushy/flushy-0000000000000002"]);
		expect(one.out.toString()).toBe(
			'flushy-0000000000000002: 36 bytes from offset 2\n  2  byte 4  32 B  bytes  "AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO"\n',
		);
	});

	it("ends with 5 at a torn end, naming block and byte, after all that is whole", async () => {
		copy("layout-0.7/torn-tail-payload");
		const { code, lines, err } = await cli(["dump", "test-stream-1", "--json"]);
		expect(code).toBe(5);
		expect(lines.filter(({ type }) => type !== undefined).map(({ offset }) => offset)).toEqual([0, 1, 2]);
		expect(errorOf(err)).toMatchObject({
			code: "STREAMBED_CORRUPT",
			details: { block: "test-stream-1-0000000000000002", offset: 6 },
		});
	});

	it("shows the blocks behind one that is damaged", async () => {
		copy("layout-0.7/exact-fit");
		truncateSync(join(cwd, "fit/fit-0000000000000000"), 25);
		const { code, lines, err } = await cli(["dump", "fit", "--json"]);
		expect(code).toBe(5);
		expect(lines.filter(({ type }) => type !== undefined).map(({ offset }) => offset)).toEqual([0, 1, 3, 4, 5, 6]);
		expect(errorOf(err)).toMatchObject({ details: { block: "fit-0000000000000000", offset: 20 } });
	});

	it("shows RION files, also without the ending, and ends with 5 where they are torn", async () => {
		writeFileSync(join(cwd, "a.rion"), encodeFields(everyType));
		writeFileSync(join(cwd, "b"), encodeFields(everyType));
		const a = await cli(["dump", "a.rion", "--json"]);
		expect([a.code, a.lines.length]).toEqual([0, everyType.length]);
		expect((await cli(["dump", "b", "--json"])).out).toEqual(a.out);
		truncateSync(join(cwd, "a.rion"), 8);
		const torn = await cli(["dump", "a.rion", "--json"]);
		expect([torn.code, torn.lines.length]).toEqual([5, 1]);
		expect(errorOf(torn.err)).toMatchObject({ code: "STREAMBED_CORRUPT", details: { offset: 5 } });
	});

	it("shows a field that is no RION inside as bytes, goes on behind it, and ends with 5", async () => {
		const around = encode("around");
		writeFileSync(join(cwd, "a.rion"), Buffer.concat([around, Uint8Array.of(0x41, 0x00), around]));
		const { code, lines, err } = await cli(["dump", "a.rion", "--json"]);
		expect(code).toBe(5);
		expect(lines.map(({ type }) => type)).toEqual(["utf8", "invalid", "utf8"]);
		expect(errorOf(err)).toMatchObject({ code: "STREAMBED_CORRUPT", details: { offset: around.length } });
	});

	it("mentions gaps, which are no damage", async () => {
		copy("layout-0.7/missing-first-block");
		const { code, err } = await cli(["dump", "fit"]);
		expect(code).toBe(0);
		expect(err).toContain("records 0 to 2 are not there");
	});

	it("knows neither other files nor folders without streams, and nothing is not there", async () => {
		writeFileSync(join(cwd, "text.md"), "# A title\n\nand some words\n");
		mkdirSync(join(cwd, "empty"));
		for (const name of ["text.md", "empty"]) {
			const { code, err } = await cli(["dump", name, "--json"]);
			expect(code).toBe(2);
			expect(errorOf(err).code).toMatch(/^STREAMBED_(INVALID_OPTION|DECODE)$/);
		}
		expect((await cli(["dump", "missing"])).code).toBe(3);
	});

	it("changes nothing", async () => {
		copy("layout-0.7/torn-tail-payload");
		const file = join(cwd, "test-stream-1/test-stream-1-0000000000000002");
		const before = readFileSync(file);
		await cli(["dump", "test-stream-1"]);
		expect(readFileSync(file)).toEqual(before);
	});
});
