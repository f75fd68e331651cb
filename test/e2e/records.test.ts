/** Record streams on the command line. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { CliProcess, type Ended } from "./cli-process.ts";

let cwd = "";

beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-records-"));
});

afterEach(() => rmSync(cwd, { recursive: true, force: true }));

async function run(args: string, input: Uint8Array | string = ""): Promise<Ended> {
	return await new CliProcess(args.split(" "), { cwd }).finish(input);
}

/** What is stored in `data/a/b`, as `key=value` in the order of each shard. */
async function stored(): Promise<string[]> {
	await using store = await open(`file:${join(cwd, "data")}`, { mode: "read" });
	const found: string[] = [];
	for await (const { shard, key, value } of store.scope("a").stream("b", { kind: "records" }).read()) {
		found.push(`${shard}:${key}=${Buffer.from(value).toString("latin1")}`);
	}
	return found.sort();
}

describe("record streams", () => {
	it("are made with shards, which info and list show", async () => {
		const made = await run("create ./data/a/b --kind records --shards 3 --json");
		expect([made.code, made.lines()]).toMatchObject([0, [{ kind: "records", shards: 3 }]]);
		await run("append ./data/a/b --lines --shard 2", "x\ny\n");
		const shards = [
			{ shard: 0, tail: 0 },
			{ shard: 1, tail: 0 },
			{ shard: 2, tail: 2 },
		];
		expect((await run("info ./data/a/b --json")).lines()).toMatchObject([{ kind: "records", shards }]);
		expect((await run("list ./data --json --shards")).lines()).toMatchObject([{ kind: "records", shards }]);
		expect((await run("list ./data")).out).toContain("a/b");
		expect((await run("create ./data/a/c --shards 2")).code).toBe(2);
	});

	it("take a line as a record, without its LF or CRLF, and answer each in order", async () => {
		const done = await run("append ./data/a/b --lines --acks", "one\r\n\ntwo\rx\nlast");
		const answer = (from: number): object => ({ shard: 0, from, to: from + 1, duplicate: false });
		expect([done.code, done.lines()]).toEqual([0, [answer(0), answer(1), answer(2), answer(3)]]);
		expect(done.err).toContain("created a/b");
		expect(await stored()).toEqual(["0:null=", "0:null=last", "0:null=one", "0:null=two\rx"]);
	});

	it("give lines a key, or one from a field of their JSON, and name the line that has none", async () => {
		await run("append ./data/a/b --lines --key k", "1\n2\n");
		expect(await stored()).toEqual(["0:k=1", "0:k=2"]);
		const failed = await run("append ./data/a/b --lines --key-field id --json", '{"id":7}\n{"no":1}\n{"id":8}\n');
		expect([failed.code, failed.error()]).toMatchObject([2, { details: { line: 2, acknowledgedRecords: 1 } }]);
		expect(await stored()).toEqual(['0:7={"id":7}', "0:k=1", "0:k=2"]);
	});

	it("take records as JSON, and store nothing behind a line that is wrong", async () => {
		await run("create ./data/a/b --kind records --shards 2");
		const lines = [
			'{"key":"k","value":"text","headers":{"h":"1"},"clientInfo":"AQI=","shard":1,"eventTime":5}',
			'{"valueBase64":"/w==","shard":0}',
		];
		writeFileSync(join(cwd, "good.ndjson"), lines.join("\n"));
		expect((await run("append ./data/a/b --records good.ndjson")).code).toBe(0);
		expect(await stored()).toEqual(["0:null=ÿ", "1:k=text"]);
		for (const bad of ["{", "[]", '{"key":"k"}', '{"value":1}', '{"value":"x","shard":2}', '{"value":"x","other":1}']) {
			writeFileSync(join(cwd, "bad.ndjson"), `${bad}\n${lines[1]}\n`);
			const failed = await run("append ./data/a/b --records bad.ndjson --json");
			expect([failed.code, failed.error()]).toMatchObject([2, { details: { line: 1, acknowledgedRecords: 0 } }]);
		}
		expect(await stored()).toHaveLength(2);
	});

	it("and byte streams are told apart", async () => {
		await run("append ./data/a/bytes", "x");
		await run("append ./data/a/b --lines", "x");
		for (const args of ["append ./data/a/bytes --lines", "append ./data/a/b", "txn list ./data/a/b"]) {
			const failed = await run(`${args} --json`, "x");
			expect([failed.code, failed.error().code]).toEqual([2, "STREAMBED_WRONG_KIND"]);
		}
		for (const args of ["seal ./data/a/b", "checkpoint ./data/a/b", "delete ./data/a/b --yes"]) {
			expect((await run(args)).code).toBe(0);
		}
	});

	it("grow, tell the shard of a key, and where their shards end", async () => {
		await run("create ./data/a/b --kind records --shards 2");
		expect((await run("grow ./data/a/b --shards 5 --json")).lines()).toEqual([{ scope: "a", stream: "b", shards: 5 }]);
		expect((await run("grow ./data/a/b --shards 3")).code).toBe(2);
		await run("append ./data/a/b --lines --key order-17", "x");
		const [{ shard } = { shard: -1 }] = (await run("route ./data/a/b order-17 --json")).lines<{ shard: number }>();
		expect(await stored()).toEqual([`${shard}:order-17=x`]);
		expect((await run("cut ./data/a/b")).out).toMatch(/^sbcut1\.[\w-]+\n$/);
		await run("append ./data/a/bytes", "x");
		for (const args of ["grow ./data/a/bytes --shards 2", "route ./data/a/bytes k", "cut ./data/a/bytes"]) {
			expect((await run(`${args} --json`)).error().code).toBe("STREAMBED_WRONG_KIND");
		}
	});

	it("are read a value a line, or with --json whole, from a sequence or between cuts", async () => {
		await run("append ./data/a/b --lines --key k", "x\n\nz\n");
		expect((await run("read ./data/a/b")).out).toBe("x\n\nz\n");
		const cut = (await run("cut ./data/a/b")).out.trim();
		await run("append ./data/a/b --lines", new Uint8Array([0xff, 0x0a]));
		const record = { shard: 0, headers: {}, clientInfo: null, eventTime: null, time: expect.any(Number) };
		expect((await run(`read ./data/a/b --from seq:2 --json`)).lines()).toEqual([
			{ ...record, sequence: 2, key: "k", value: "z" },
			{ ...record, sequence: 3, key: null, valueBase64: "/w==" },
			{ outcome: "tail", position: 4 },
		]);
		expect((await run(`read ./data/a/b --to-cut ${cut}`)).out).toBe("x\n\nz\n");
		expect((await run(`read ./data/a/b --from-cut ${cut} --json`)).lines()).toHaveLength(2);
		expect((await run("read ./data/a/b --limit 1 --shard all --json")).lines().at(-1)).toEqual({
			outcome: "limit",
			position: { 0: 1 },
		});
		const idle = await run("read ./data/a/b --from tail --follow --timeout 50ms --json");
		expect(idle.lines()).toEqual([{ outcome: "timeout", position: 4 }]);
		expect((await run("read ./data/a/b --from offset:0 --json")).error().code).toBe("STREAMBED_WRONG_KIND");
	});

	it("go back from `read --json` to `append --records`, into the same shards", async () => {
		await run("create ./data/a/b --kind records --shards 3");
		await run("create ./data/a/copy --kind records --shards 3");
		await run("append ./data/a/b --lines --key k", "x\n\u00e9\n");
		await run("append ./data/a/b --lines --shard 1", new Uint8Array([0xff, 0x0a]));
		const read = await run("read ./data/a/b --json");
		const copied = await run("append ./data/a/copy --records - --json", read.out);
		expect([copied.code, copied.lines()]).toMatchObject([0, [{ records: 3, bytes: 4 }]]);
		const withoutTimes = ({ lines }: Ended): object[] => lines().map(({ time: _, ...rest }) => rest);
		expect(withoutTimes(await run("read ./data/a/copy --json"))).toEqual(withoutTimes(read));
		const single = await run("append ./data/a/single --records - --json", read.out);
		expect([single.code, single.error().hint]).toEqual([2, expect.stringContaining("without a shard")]);
	});

	it("are truncated in all shards, in one, and before a cut", async () => {
		await run("create ./data/a/b --kind records --shards 2");
		for (const shard of [0, 1]) await run(`append ./data/a/b --lines --shard ${shard}`, "1\n2\n3\n4\n");
		const heads = async (args: string): Promise<unknown[]> => {
			const { code, lines } = await run(`truncate ./data/a/b ${args} --json`);
			const [{ shards }] = lines() as [{ shards: { head: number; tail: number }[] }];
			return [code, shards.map(({ head, tail }) => [head, tail])];
		};
		expect(await heads("--before seq:1 --shard 1")).toEqual([0, [[0, 4], [1, 4]]]); // biome-ignore format: a row
		expect(await heads("--before last:2")).toEqual([0, [[2, 4], [2, 4]]]); // biome-ignore format: a row
		const cut = (await run("cut ./data/a/b")).out.trim();
		await run("append ./data/a/b --lines --shard 0", "5\n");
		expect(await heads(`--before-cut ${cut}`)).toEqual([0, [[4, 5], [4, 4]]]); // biome-ignore format: a row
		for (const wrong of [
			"--before seq:1",
			"--before seq:9 --shard 0",
			"--before head --shard 7",
			"",
			"--before-cut x",
		]) {
			expect((await run(`truncate ./data/a/b ${wrong}`.trim())).code, wrong).toBeGreaterThan(1);
		}
		expect((await run("seal ./data/a/b --json")).lines()).toMatchObject([{ shards: [{ tail: 5 }, { tail: 4 }] }]);
		expect((await run("info ./data/a/b")).out).toMatch(/SHARD +HEAD +TAIL.*\n +0 +4 +5 .*\n +1 +4 +4 /);
	});

	it("end quietly when nobody reads them any more", async () => {
		const many = Array.from({ length: 20_000 }, (_, index) => `line ${index} ${"x".repeat(50)}`).join("\n");
		await run("append ./data/a/b --lines", many);
		for (const json of [[], ["--json"]]) {
			const reading = new CliProcess(["read", "./data/a/b", ...json], { cwd, readStdout: false });
			reading.child.stdout.once("data", () => reading.child.stdout.destroy());
			expect(await reading.ended).toMatchObject({ code: 0, err: "" });
		}
	});

	it("name the line that is too large, with what to do, and leave a stream that follows it alone", async () => {
		const failed = await run("append ./data/a/b --lines --json", `x\n${"y".repeat(9_000_000)}\nz\n`);
		const details = { line: 2, acknowledgedRecords: 1 };
		expect([failed.code, failed.error()]).toMatchObject([2, { code: "STREAMBED_TOO_LARGE", details }]);
		expect(failed.error().hint).not.toContain("--chunk");
		expect(await stored()).toEqual(["0:null=x"]);
	});
});
