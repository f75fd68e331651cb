/** Commands in this process, on one memory store that stands for the folder; test/e2e has them as processes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.ts";
import type { Store } from "../../../src/index.ts";
import { type FakeIo, fakeIo } from "./fake-io.ts";

const shared = vi.hoisted((): { store: Store | undefined } => ({ store: undefined }));

vi.mock(import("../../../src/index.ts"), async (original) => {
	const real = await original();
	// The store outlives the commands: closing it is left to the test.
	const open: typeof real.open = () => {
		const { store } = shared;
		if (store === undefined) throw new Error("no store");
		const kept = new Proxy(
			{},
			{
				get: (_, name) => {
					if (name === "close") return () => Promise.resolve();
					const value: unknown = Reflect.get(store, name, store);
					return typeof value === "function" ? value.bind(store) : value;
				},
			},
		);
		return Promise.resolve(kept as Store);
	};
	return { ...real, open };
});

let cwd = "";
let store: Store;

beforeEach(async () => {
	const { open } = await vi.importActual<typeof import("../../../src/index.ts")>("../../../src/index.ts");
	store = await open("memory:");
	shared.store = store;
	cwd = mkdtempSync(join(tmpdir(), "streambed-commands-"));
	writeFileSync(join(cwd, "store.json"), "{}");
});

afterEach(async () => {
	await store.close();
	rmSync(cwd, { recursive: true, force: true });
});

interface Result {
	readonly code: number;
	readonly out: string;
	readonly err: string;
	readonly lines: Record<string, unknown>[];
	readonly error: { code: string; message: string; hint: string; details: Record<string, unknown> } | undefined;
}

async function cli(args: string, input: Iterable<Uint8Array | string> | PassThrough = []): Promise<Result> {
	return await finish(fakeIo(cwd, input), args);
}

async function finish(fake: FakeIo, args: string): Promise<Result> {
	const code = await main([...args.split(" "), "--store", "."], fake.io);
	// What was written last arrives at the collecting ends a turn later.
	await new Promise((resolve) => setImmediate(resolve));
	const [out, err] = [fake.out().toString(), fake.err()];
	const json = args.includes("--json") || args.includes("--acks");
	const lines = json
		? (out
				.trimEnd()
				.split("\n")
				.filter(Boolean)
				.map((line) => JSON.parse(line)) as Result["lines"])
		: [];
	const last = err.trimEnd().split("\n").at(-1) ?? "";
	const error = last.startsWith('{"error"') ? (JSON.parse(last).error as Result["error"]) : undefined;
	return { code, out, err, lines, error };
}

describe("append", () => {
	it("makes a missing stream, says so on stderr, and stores each read of the input as one append", async () => {
		const result = await cli("append cam/raw", ["hello ", "world"]);
		expect(result).toMatchObject({ code: 0, out: "" });
		expect(result.err).toBe("created cam/raw in .\nappended 11 B to cam/raw, tail 11\n");
		const { lines } = await cli("read cam/raw --json");
		expect(lines.map(({ offset, length }) => [offset, length])).toEqual([
			[0, 6],
			[6, 5],
			[undefined, undefined],
		]);
	});

	it("splits reads at --chunk", async () => {
		const { lines } = await cli("append cam/raw --chunk 4 --acks", ["0123456789"]);
		expect(lines).toEqual([
			{ shard: 0, from: 0, to: 4, duplicate: false },
			{ shard: 0, from: 4, to: 8, duplicate: false },
			{ shard: 0, from: 8, to: 10, duplicate: false },
		]);
	});

	it("prints an acknowledgement at once, before the next input comes", async () => {
		const input = new PassThrough();
		const fake = fakeIo(cwd, input);
		const running = finish(fake, "append cam/raw --acks");
		input.write("one");
		await vi.waitFor(() => expect(fake.out().toString()).toBe('{"shard":0,"from":0,"to":3,"duplicate":false}\n'));
		input.end("two!");
		expect((await running).lines.at(-1)).toMatchObject({ from: 3, to: 7 });
	});

	it("tells what it stored with --json", async () => {
		await cli("append cam/raw", ["abc"]);
		const { lines } = await cli("append cam/raw --json", ["de", "f"]);
		expect(lines).toEqual([{ scope: "cam", stream: "raw", appends: 2, from: 3, to: 6 }]);
		expect((await cli("append cam/raw --json", [])).lines).toEqual([
			{ scope: "cam", stream: "raw", appends: 0, from: 6, to: 6 },
		]);
	});

	it("holds --expect for the first chunk only, and stores nothing if it fails, also for no input", async () => {
		expect((await cli("append cam/raw --expect 0", ["abc", "def"])).code).toBe(0);
		const failed = await cli("append cam/raw --expect 5 --json", ["x"]);
		expect(failed.code).toBe(4);
		expect(failed.error).toMatchObject({
			code: "STREAMBED_POSITION_MISMATCH",
			details: { expected: 5, tail: 6, acknowledgedTo: null, acknowledgedBytes: 0 },
		});
		expect((await cli("append cam/raw --expect 5", [])).code).toBe(4);
		expect((await cli("append cam/raw --expect 6", [])).code).toBe(0);
		expect((await cli("read cam/raw")).out).toBe("abcdef");
	});

	it("tells up to where the input is durable when the stream is sealed in the middle", async () => {
		const input = new PassThrough();
		const fake = fakeIo(cwd, input);
		const running = finish(fake, "append cam/raw --json");
		input.write("abc");
		await vi.waitFor(async () => expect(await tail()).toBe(3));
		await store.scope("cam").stream("raw").seal();
		input.write("def");
		const result = await running;
		expect(result.code).toBe(4);
		expect(result.error).toMatchObject({
			code: "STREAMBED_SEALED",
			details: { acknowledgedTo: 3, acknowledgedBytes: 3 },
		});
		expect(input.destroyed).toBe(true);
	});

	it("refuses a missing stream with --no-create and names the nearest one", async () => {
		await cli("create cam/raw");
		const result = await cli("append cam/rwa --no-create --json", ["x"]);
		expect(result.code).toBe(3);
		expect(result.error?.hint).toBe("Did you mean cam/raw?");
	});

	it("stores nothing when an input file is missing, a folder, or stdin given twice", async () => {
		for (const files of ["none.bin", ".", "- -"]) {
			const result = await cli(`append cam/raw ${files} --json`, ["x"]);
			expect(result.code).toBe(2);
			expect(result.error?.code).toBe("STREAMBED_INVALID_OPTION");
		}
		expect((await cli("info cam/raw")).code).toBe(3);
	});

	it("appends files and stdin in the order given", async () => {
		writeFileSync(join(cwd, "a"), "A");
		writeFileSync(join(cwd, "b"), "B");
		await cli("append cam/raw b - a", ["-"]);
		expect((await cli("read cam/raw")).out).toBe("B-A");
	});

	it.each(["0", "9MiB", "x"])("refuses --chunk %s", async (chunk) => {
		expect((await cli(`append cam/raw --chunk ${chunk}`, ["x"])).code).toBe(2);
	});

	it("goes on appending when nobody reads the acknowledgements any more", async () => {
		const fake = fakeIo(cwd, ["a", "b", "c"]);
		fake.io.stdout.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
		expect((await finish(fake, "append cam/raw --acks")).code).toBe(0);
		expect(await tail()).toBe(3);
	});

	it("tells how much is stored when stdout fails, whenever that shows", async () => {
		const fake = fakeIo(cwd, ["ab", "c"]);
		fake.io.stdout.destroy(Object.assign(new Error("no space"), { code: "ENOSPC" }));
		expect(await finish(fake, "append cam/raw --acks --json")).toMatchObject({
			code: 1,
			error: { code: "STREAMBED_IO", details: { acknowledgedTo: await tail() } },
		});
		const late = fakeIo(cwd, ["de"]);
		const stdout = new Writable({
			write: (_chunk, _encoding, done) => setImmediate(done, Object.assign(new Error("no space"), { code: "ENOSPC" })),
		});
		expect(await finish({ ...late, io: { ...late.io, stdout } }, "append cam/raw --acks --json")).toMatchObject({
			code: 1,
			error: { code: "STREAMBED_IO", details: { acknowledgedTo: 5, acknowledgedBytes: 2 } },
		});
	});

	async function tail(): Promise<number | undefined> {
		return (await store.scope("cam").stream("raw").info()).shards[0]?.tail;
	}
});

describe("read", () => {
	beforeEach(async () => {
		await cli("append cam/raw", ["0123", "4567", "89"]);
	});

	it.each([
		["", "0123456789"],
		[" --from offset:3 --to offset:7", "3456"],
		[" --from last:4", "6789"],
		[" --limit 5", "01234"],
		[" --limit 0", ""],
		[" --from tail", ""],
		[" --from -1h", "0123456789"],
		[" --to -1h", ""],
		[" --shard all --from offset:8", "89"],
	])("writes the bytes of read cam/raw%s", async (options, bytes) => {
		expect(await cli(`read cam/raw${options}`)).toMatchObject({ code: 0, out: bytes, err: "" });
	});

	it.each([
		["", "tail", 10],
		[" --to offset:6", "limit", 6],
		[" --limit 7", "limit", 7],
		[" --from offset:2 --limit 0", "limit", 2],
		[" --from tail", "tail", 10],
		[" --follow --timeout 20ms", "timeout", 10],
		[" --follow --to offset:10", "limit", 10],
	])("ends read cam/raw%s with outcome %s at %d", async (options, outcome, position) => {
		expect((await cli(`read cam/raw${options} --json`)).lines.at(-1)).toEqual({ outcome, position });
	});

	it("says sealed at the end of a sealed stream, also when following", async () => {
		await cli("seal cam/raw");
		for (const options of ["", " --follow", " --from tail --follow"]) {
			expect((await cli(`read cam/raw --json${options}`)).lines.at(-1)).toEqual({ outcome: "sealed", position: 10 });
		}
	});

	it("gives positions by shard with --shard all", async () => {
		expect((await cli("read cam/raw --json --shard all")).lines.at(-1)).toEqual({
			outcome: "tail",
			position: { 0: 10 },
		});
	});

	it("writes lines that never cross an append border, in pieces of 64 KiB, with data that can be decoded", async () => {
		const long = Buffer.alloc(150_000, "x");
		await store.scope("cam").stream("raw").append(long);
		const { lines } = await cli("read cam/raw --json --from offset:2");
		expect(lines.map(({ offset, length }) => [offset, length])).toEqual([
			[2, 2],
			[4, 4],
			[8, 2],
			[10, 65_536],
			[65_546, 65_536],
			[131_082, 18_928],
			[undefined, undefined],
		]);
		const bytes = Buffer.concat(lines.slice(0, -1).map(({ data }) => Buffer.from(String(data), "base64")));
		expect(bytes.equals(Buffer.concat([Buffer.from("23456789"), long]))).toBe(true);
		for (const { time } of lines.slice(0, -1)) expect(Number.isSafeInteger(time)).toBe(true);
	});

	it("follows: what is appended later comes, until the stream is sealed", async () => {
		const fake = fakeIo(cwd);
		const running = finish(fake, "read cam/raw --from tail --follow");
		const stream = store.scope("cam").stream("raw");
		await vi.waitFor(() => expect(fake.io.stdout.listenerCount("drain")).toBeGreaterThan(0));
		await new Promise((resolve) => setImmediate(resolve));
		await stream.append(Buffer.from("late"));
		await vi.waitFor(() => expect(fake.out().toString()).toBe("late"));
		await stream.seal();
		expect(await running).toMatchObject({ code: 0, out: "late" });
	});

	it("waits for a slow reader of stdout instead of holding all in memory", async () => {
		for (let i = 0; i < 8; i++) await store.scope("cam").stream("raw").append(Buffer.alloc(1_000_000, i));
		const fake = fakeIo(cwd);
		const stdout = new PassThrough({ highWaterMark: 1000 });
		const running = main(["read", "cam/raw", "--store", "."], { ...fake.io, stdout });
		await vi.waitFor(() => expect(stdout.writableNeedDrain).toBe(true));
		for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
		expect(stdout.writableLength + stdout.readableLength).toBeLessThan(2_500_000);
		let received = 0;
		stdout.on("data", (data: Buffer) => {
			received += data.length;
		});
		expect(await running).toBe(0);
		expect(received).toBe(8_000_010);
	});

	it("ends with 0 when the reader of stdout goes away", async () => {
		const fake = fakeIo(cwd);
		const running = finish(fake, "read cam/raw --follow");
		await vi.waitFor(() => expect(fake.out().length).toBe(10));
		fake.io.stdout.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
		await store.scope("cam").stream("raw").append(Buffer.from("more"));
		expect(await running).toMatchObject({ code: 0, err: "" });
	});

	it("fails with IO when stdout does", async () => {
		const fake = fakeIo(cwd);
		fake.io.stdout.destroy(Object.assign(new Error("no space"), { code: "ENOSPC" }));
		const result = await finish(fake, "read cam/raw --json");
		expect(result).toMatchObject({ code: 1, error: { code: "STREAMBED_IO" } });
	});

	it.each([
		["--from offset:11", 4, "STREAMBED_OUT_OF_RANGE"],
		["--from seq:1", 2, "STREAMBED_WRONG_KIND"],
		["--from 5", 2, "STREAMBED_INVALID_OPTION"],
		["--from offset:5 --to offset:3", 2, "STREAMBED_INVALID_OPTION"],
		["--shard 1", 2, "STREAMBED_UNSUPPORTED"],
		["--timeout 5", 2, "STREAMBED_INVALID_OPTION"],
		["--limit -1", 2, "STREAMBED_INVALID_OPTION"],
	])("refuses %s", async (options, code, name) => {
		const result = await cli(`read cam/raw ${options} --json`);
		expect(result.code).toBe(code);
		expect(result.error?.code).toBe(name);
	});

	it("tells the head to who reads below it", async () => {
		await cli("truncate cam/raw --before offset:4");
		const result = await cli("read cam/raw --from offset:2 --json");
		expect(result.code).toBe(4);
		expect(result.error).toMatchObject({ code: "STREAMBED_TRUNCATED", details: { head: 4 } });
	});

	it("does not wait for a missing stream, also with --follow", async () => {
		expect((await cli("read cam/other --follow --json")).error).toMatchObject({ code: "STREAMBED_NOT_FOUND" });
	});
});

describe("streams", () => {
	it("create prints what it made, refuses a second, and is content with --if-missing", async () => {
		const made = await cli("create cam/raw --tag site=north --segment-bytes 1MiB --json");
		expect(made.lines).toEqual([{ scope: "cam", stream: "raw", id: expect.any(String), kind: "bytes", shards: 1 }]);
		expect((await cli("create cam/raw --json")).error).toMatchObject({ code: "STREAMBED_EXISTS" });
		expect((await cli("create cam/raw --if-missing --json")).lines).toEqual(made.lines);
		expect((await cli("create cam/raw --if-missing --segment-bytes 2MiB")).code).toBe(4);
		expect((await cli("create cam/new")).out).toBe("created cam/new (bytes) in .\n");
	});

	it.each([
		["--kind lines", "STREAMBED_INVALID_OPTION"],
		["--shards 2", "STREAMBED_INVALID_OPTION"],
		["--tag nothing", "STREAMBED_INVALID_OPTION"],
		["--segment-bytes 1", "STREAMBED_INVALID_OPTION"],
	])("create refuses %s", async (options, code) => {
		const result = await cli(`create cam/raw ${options} --json`);
		expect(result.code).toBe(2);
		expect(result.error?.code).toBe(code);
	});

	it("info tells all that is known", async () => {
		await cli("append cam/raw", ["abc"]);
		const [line] = (await cli("info cam/raw --json")).lines;
		expect(line).toMatchObject({
			scope: "cam",
			stream: "raw",
			kind: "bytes",
			sealed: false,
			retention: {},
			tags: {},
			shards: [{ shard: 0, head: 0, tail: 3, bytes: 3, lastTime: expect.any(Number) }],
		});
		expect((await cli("info cam/raw")).out).toMatch(/^cam\/raw {3}bytes\n {2}id {12}\S+\n/);
	});

	it("list shows a table, or a line of JSON for each stream, and says it when there is none", async () => {
		expect(await cli("list")).toMatchObject({ code: 0, out: "" });
		expect((await cli("list")).err).toContain("no streams in .");
		await cli("append cam/raw", ["x".repeat(2048)]);
		await cli("create web/log");
		expect((await cli("list")).out).toMatch(
			/^STREAM {4}STATE {6}SIZE {3}LAST APPEND\ncam\/raw {3}open {4}2\.0 KiB {3}\S+ \S+Z\nweb\/log {3}open {8}0 B {3}never\n$/,
		);
		expect((await cli("list w --json")).lines).toMatchObject([
			{ scope: "web", stream: "log", kind: "bytes", shards: 1 },
		]);
		expect((await cli("list w --json --shards")).lines).toMatchObject([{ shards: [{ shard: 0, head: 0, tail: 0 }] }]);
	});

	it("list pages through more streams than fit a page", async () => {
		for (let i = 0; i < 1203; i++) await store.scope("s").create(`n${i}`);
		const { lines } = await cli("list s/ --json");
		expect(new Set(lines.map(({ stream }) => stream)).size).toBe(1203);
		expect((await cli("list")).out.match(/^STREAM/gm)).toHaveLength(1);
	});

	it("truncate, seal and delete answer in words and in JSON", async () => {
		await cli("append cam/raw", ["0123456789"]);
		expect((await cli("truncate cam/raw --before last:4 --json")).lines).toEqual([
			{ scope: "cam", stream: "raw", head: 6, tail: 10 },
		]);
		expect((await cli("truncate cam/raw --before offset:8")).out).toBe(
			"truncated cam/raw: dropped 2 B, head 8, tail 10\n",
		);
		expect((await cli("truncate cam/raw --before offset:11")).code).toBe(4);
		expect((await cli("truncate cam/raw")).code).toBe(2);
		expect((await cli("seal cam/raw --json")).lines).toEqual([{ scope: "cam", stream: "raw", sealed: true, tail: 10 }]);
		expect((await cli("seal cam/raw")).out).toBe("sealed cam/raw at 10\n");
		expect((await cli("delete cam/raw --yes --json")).lines).toMatchObject([{ deleted: true, bytes: 2 }]);
		expect((await cli("delete cam/raw --yes")).code).toBe(3);
	});

	it("delete without --yes shows times as times", async () => {
		await cli("append cam/raw", ["0123456789"]);
		const { err } = await cli("delete cam/raw");
		expect(err).toMatch(/^ {2}oldest +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/m);
		expect(err).toMatch(/^ {2}newest +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/m);
	});

	it("delete without --yes tells what would be lost and keeps it", async () => {
		await cli("append cam/raw", ["0123456789"]);
		const result = await cli("delete cam/raw --json");
		expect(result.code).toBe(2);
		expect(result.error?.message).toMatch(
			/not deleted without --yes: cam\/raw with 10 B, appended between .*Z and .*Z/,
		);
		expect(result.error?.details).toMatchObject({ bytes: 10, oldest: expect.any(Number), newest: expect.any(Number) });
		expect((await cli("info cam/raw")).code).toBe(0);
	});

	it("checkpoint counts what is complete", async () => {
		await cli("append cam/raw", ["0123456789"]);
		await cli("create web/log");
		expect((await cli("checkpoint --json")).lines).toEqual([{ streams: 2, bytes: 10 }]);
		expect((await cli("checkpoint cam/raw --json")).lines).toEqual([{ streams: 1, bytes: 10 }]);
		expect((await cli("checkpoint cam/none")).code).toBe(3);
	});
});

describe("manners", () => {
	it("--stats prints a line before the error's, which is last", async () => {
		const { err } = await cli("info cam/none --stats --json");
		const [stats = "", error = ""] = err.trimEnd().split("\n");
		expect(JSON.parse(stats)).toEqual({
			peakRssBytes: expect.any(Number),
			wallMs: expect.any(Number),
			cpuMs: expect.any(Number),
		});
		expect(JSON.parse(error)).toMatchObject({
			error: { code: "STREAMBED_NOT_FOUND", category: "not-found", retryable: false },
		});
	});

	it("--quiet leaves errors only", async () => {
		expect(await cli("append cam/raw --quiet", ["x"])).toMatchObject({ code: 0, err: "" });
		expect((await cli("info cam/none --quiet")).err).toContain("error: ");
	});

	it("lets no control character of a name, a path or a tag through to the terminal", async () => {
		const evil = "\u001b[31mred\u0007";
		for (const args of [`info cam/${evil}`, `list ./${evil}`, `read cam/raw --from ${evil}`, `explain ${evil}`, evil]) {
			const { code, err } = await cli(args);
			expect(code).toBeGreaterThan(1);
			expect(err).toContain("\\u001b[31mred");
			expect(err).not.toContain("\u001b[31mred");
		}
		await cli(`create cam/raw --tag x=${evil}`);
		expect((await cli("info cam/raw")).out).toContain("x=\\u001b[31mred\\u0007");
	});

	it("shows no stack without --verbose, and details, hint and code in their places", async () => {
		const { err } = await cli("read cam/none");
		expect(err).toMatch(
			/^error: .*cam\/none.*\n( {2}\S+ +\S.*\n)* {2}hint {2,}.*\n {2}code {2,}STREAMBED_NOT_FOUND {3}\(streambed explain STREAMBED_NOT_FOUND\)\n$/,
		);
		expect((await cli("read cam/none --verbose")).err).toMatch(/\n {4}at /);
	});
});
