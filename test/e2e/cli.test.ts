/** The command line on a folder, each command a process. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { CliProcess, type Ended } from "./cli-process.ts";

let cwd = "";
let processes: CliProcess[] = [];

beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-cli-"));
});

afterEach(async () => {
	for (const { child } of processes) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
	await Promise.all(processes.map(({ ended }) => ended));
	processes = [];
	rmSync(cwd, { recursive: true, force: true });
});

function start(
	args: string | readonly string[],
	options: { readStdout?: boolean; env?: Record<string, string> } = {},
): CliProcess {
	const cli = new CliProcess(typeof args === "string" ? args.split(" ") : args, { cwd, ...options });
	processes.push(cli);
	return cli;
}

async function run(args: string | readonly string[], input: Uint8Array | string = ""): Promise<Ended> {
	return await start(args).finish(input);
}

/** stdout of a command that must succeed. */
async function ok(args: string | readonly string[], input: Uint8Array | string = ""): Promise<string> {
	const { code, out, err } = await run(args, input);
	expect(`${code} ${code === 0 ? "" : err}`).toBe("0 ");
	return out;
}

describe("a stream in a folder", () => {
	it("takes bytes from a pipe and gives them back, over several processes", async () => {
		const bytes = randomBytes(3_000_000);
		const appended = await run("append ./data/cam/raw", bytes);
		expect(appended).toMatchObject({ code: 0, out: "" });
		expect(appended.err).toBe("created cam/raw in data\nappended 2.9 MiB to cam/raw, tail 3,000,000\n");
		expect((await run("append cam/raw --chunk 1MiB", bytes)).code).toBe(0);
		const read = await run("read ./data/cam/raw");
		expect(read).toMatchObject({ code: 0, err: "" });
		expect(read.stdout.equals(Buffer.concat([bytes, bytes]))).toBe(true);
		expect((await run("read cam/raw --from offset:2999990 --limit 20")).stdout).toEqual(
			Buffer.concat([bytes.subarray(-10), bytes.subarray(0, 10)]),
		);
	});

	it("is found by path, by tab completion, by --store and by STREAMBED_STORE", async () => {
		await ok("append ./deep/store/cam/raw", "hello");
		expect(existsSync(join(cwd, "deep/store/store.json"))).toBe(true);
		for (const address of [
			"read ./deep/store/cam/raw",
			"read ./deep/store/streams/cam/raw.stream/",
			`read ${cwd}/deep/store/cam/raw`,
			"read --store deep/store cam/raw",
			"read cam/raw --store file:deep/store",
		]) {
			expect(await ok(address)).toBe("hello");
		}
		const env = { STREAMBED_STORE: "./deep/store" };
		expect((await start("read cam/raw", { env }).finish()).out).toBe("hello");
		expect((await run("read ./deep/store/cam/raw --store x")).code).toBe(2);
	});

	it("may have an odd name", async () => {
		for (const name of ["пять/десят букв", "a#b/50% off", "web/a.stream/b.stream", "x/.hidden", 'x/a:b*?"<>|']) {
			await ok(["append", name], name);
			expect(await ok(["read", name])).toBe(name);
		}
		const { out } = await run("list --json");
		expect(out.trimEnd().split("\n")).toHaveLength(5);
	});

	it("is created, listed, shown, truncated, sealed and deleted", async () => {
		const [made] = (await run("create cam/raw --tag site=north --json")).lines();
		expect(made).toMatchObject({ scope: "cam", stream: "raw", kind: "bytes", shards: 1 });
		await ok("append cam/raw", "0123456789");
		const [info] = (await run("info cam/raw --json")).lines();
		expect(info).toEqual({
			scope: "cam",
			stream: "raw",
			id: made?.id,
			kind: "bytes",
			sealed: false,
			durability: "sync",
			retention: {},
			segmentBytes: 64 * 1024 * 1024,
			tags: { site: "north" },
			createdAt: expect.any(Number),
			shards: [{ shard: 0, head: 0, tail: 10, bytes: 10, segments: 1, lastTime: expect.any(Number) }],
		});
		expect(await ok("list")).toContain("cam/raw");
		expect((await run("truncate cam/raw --before offset:4 --json")).lines()).toEqual([
			{ scope: "cam", stream: "raw", head: 4, tail: 10 },
		]);
		const below = await run("read cam/raw --from offset:1 --json");
		expect(below.code).toBe(4);
		expect(below.error()).toMatchObject({ code: "STREAMBED_TRUNCATED", details: { head: 4 } });
		await ok("seal cam/raw");
		const sealed = await run("append cam/raw --json", "x");
		expect(sealed.code).toBe(4);
		expect(sealed.error()).toMatchObject({ code: "STREAMBED_SEALED", details: { acknowledgedTo: null } });
		expect(await ok("read cam/raw --follow")).toBe("456789");
		expect((await run("delete cam/raw")).code).toBe(2);
		await ok("delete cam/raw --yes");
		expect((await run("info cam/raw")).code).toBe(3);
		expect(await ok("list")).toBe("");
	});
});

describe("two processes at once", () => {
	it("one follows while the other appends, and each append is seen before the next", async () => {
		const writer = start("append ./data/cam/raw --acks");
		writer.child.stdin.write("first ");
		await writer.outReaches(1);
		const reader = start("read ./data/cam/raw --follow");
		await reader.outReaches(6);
		writer.child.stdin.write("second ");
		await reader.outReaches(13);
		const lines = start("read ./data/cam/raw --follow --json");
		await lines.outReaches(1);
		writer.child.stdin.end("third");
		await reader.outReaches(18);
		expect(await writer.ended).toMatchObject({ code: 0 });
		reader.child.kill("SIGINT");
		lines.child.kill("SIGTERM");
		expect(await reader.ended).toMatchObject({
			code: 130,
			out: "first second third",
			err: "interrupted: reading cam/raw was aborted. Go on with --from offset:18.\n",
		});
		const { code, error } = await lines.ended;
		expect(code).toBe(143);
		expect(error().code).toBe("STREAMBED_ABORTED");
	});

	it("a second writer is refused and told who holds the store", async () => {
		const writer = start("append ./data/cam/raw --acks");
		writer.child.stdin.write("x");
		await writer.outReaches(1);
		for (const command of ["append cam/raw", "seal cam/raw", "delete cam/raw --yes", "create cam/b"]) {
			const second = await run(`${command} --json`, "y");
			expect(second.code).toBe(6);
			expect(second.error()).toMatchObject({ code: "STREAMBED_LOCKED", details: { pid: writer.child.pid } });
		}
		expect(await ok("read cam/raw")).toBe("x");
		expect((await run("verify --json")).code).toBe(0);
		writer.child.kill("SIGKILL");
		await writer.ended;
		await ok("append cam/raw", "z");
		expect(await ok("read cam/raw")).toBe("xz");
	});

	it("a timeout ends a follower that hears nothing, with 0", async () => {
		await ok("append cam/raw", "abc");
		const { code, out } = await run("read cam/raw --follow --timeout 100ms --json");
		expect(code).toBe(0);
		expect(JSON.parse(out.trimEnd().split("\n").at(-1) ?? "")).toEqual({ outcome: "timeout", position: 3 });
	});
});

describe("interruptions", () => {
	it("Ctrl-C ends a following reader with an error that tells where it was, and no last line", async () => {
		await ok("append cam/raw", "abc");
		const reader = start("read cam/raw --follow --json");
		await reader.outReaches(1);
		reader.child.kill("SIGINT");
		const ended = await reader.ended;
		expect([ended.code, ended.lines()]).toEqual([130, [expect.objectContaining({ offset: 0, length: 3 })]]);
		expect(ended.error()).toMatchObject({ details: { position: 3 }, hint: "Go on with --from offset:3." });
	});

	it("Ctrl-C ends a following reader of records with an error that tells where it was, and its cut", async () => {
		await ok("create cam/r --kind records --shards 2");
		await ok("append cam/r --lines --shard 1", "a\nb\n");
		const reader = start("read cam/r --follow --json");
		await reader.outReaches(1);
		await vi.waitFor(() => expect(reader.out.toString().split("\n")).toHaveLength(3));
		reader.child.kill("SIGINT");
		const ended = await reader.ended;
		expect([ended.code, ended.lines().map(({ value }) => value)]).toEqual([130, ["a", "b"]]);
		const { details, hint } = ended.error();
		expect(details.position).toEqual({ 0: 0, 1: 2 });
		expect(hint).toBe(`Go on with --from-cut ${details.cut}.`);
		await ok("append cam/r --lines --shard 1", "c\n");
		expect(await ok(`read cam/r --from-cut ${details.cut}`)).toBe("c\n");
	});

	it("SIGTERM during an append keeps what was acknowledged and says up to where, with 143", async () => {
		const writer = start("append cam/raw --acks --json");
		writer.child.stdin.write("abc");
		await writer.outReaches(1);
		writer.child.kill("SIGTERM");
		const ended = await writer.ended;
		expect(ended.code).toBe(143);
		expect(ended.error()).toMatchObject({ code: "STREAMBED_ABORTED", details: { acknowledgedTo: 3 } });
		expect(await ok("read cam/raw")).toBe("abc");
	});

	it("a reader of stdout that is gone ends a read with 0", async () => {
		await ok("append cam/raw", Buffer.alloc(4_000_000));
		const reader = start("read cam/raw", { readStdout: false });
		await once(reader.child.stdout, "readable");
		reader.child.stdout.destroy();
		expect(await reader.ended).toMatchObject({ code: 0, err: "" });
	});

	it("a reader of stdout that does not read holds no interrupted process", async () => {
		await ok("append cam/raw", Buffer.alloc(4_000_000));
		const reader = start("read cam/raw", { readStdout: false });
		await once(reader.child.stdout, "readable");
		reader.child.kill("SIGINT");
		await once(reader.child, "exit");
		expect(reader.child.exitCode).toBe(130);
		reader.child.stdout.resume();
	});

	it("a folder as standard input is refused, and nothing is made", async () => {
		const through = ["bash", "-c", 'exec "$@" < /', "bash"];
		const { code, err } = await new CliProcess(["append", "cam/folder"], { cwd, through }).ended;
		expect([code, err]).toEqual([2, expect.stringContaining("standard input is a folder")]);
		expect((await run("info cam/folder")).code).toBe(3);
	});

	it("a failed append does not wait for the rest of its input", async () => {
		await ok("create cam/raw");
		await ok("seal cam/raw");
		const writer = start("append cam/raw");
		writer.child.stdin.write("x");
		expect((await writer.ended).code).toBe(4);
	});
});

describe("bad input", () => {
	let folder = "";

	beforeAll(async () => {
		folder = mkdtempSync(join(tmpdir(), "streambed-cli-"));
		await new CliProcess(["append", "cam/raw"], { cwd: folder }).finish("abc");
	});

	afterAll(() => rmSync(folder, { recursive: true, force: true }));

	it.each([
		["read cam/none", 3, "STREAMBED_NOT_FOUND"],
		["read cam/none --follow", 3, "STREAMBED_NOT_FOUND"],
		["read ./none/cam/raw", 3, "STREAMBED_NOT_FOUND"],
		["list --store none", 3, "STREAMBED_NOT_FOUND"],
		["verify --store none", 3, "STREAMBED_NOT_FOUND"],
		["verify cam/none", 3, "STREAMBED_NOT_FOUND"],
		["append cam/../raw", 2, "STREAMBED_INVALID_NAME"],
		[`create cam/${"x".repeat(300)}`, 2, "STREAMBED_INVALID_NAME"],
		["create _streambed/x", 2, "STREAMBED_INVALID_NAME"],
		["create cam", 2, "STREAMBED_INVALID_NAME"],
		["read cam/raw --from 5", 2, "STREAMBED_INVALID_OPTION"],
		["read cam/raw --from seq:0", 2, "STREAMBED_WRONG_KIND"],
		["read cam/raw --from offset:99", 4, "STREAMBED_OUT_OF_RANGE"],
		["append cam/raw --expect 1", 4, "STREAMBED_POSITION_MISMATCH"],
		["append cam/raw --lines", 2, "STREAMBED_WRONG_KIND"],
		["create cam/raw", 4, "STREAMBED_EXISTS"],
		["create cam/r --store http://127.0.0.1:1", 2, "STREAMBED_UNSUPPORTED"],
		["frobnicate", 2, "STREAMBED_INVALID_OPTION"],
	])("%s fails with %d %s", async (args, code, name) => {
		const ended = await new CliProcess(`${args} --json`.split(" "), { cwd: folder }).finish("y");
		expect(ended).toMatchObject({ code, out: "" });
		expect(ended.error()).toMatchObject({ code: name, message: expect.any(String), hint: expect.any(String) });
	});

	it("has changed nothing", async () => {
		const { lines } = await new CliProcess(["list", "--json", "--shards"], { cwd: folder }).finish();
		expect(lines()).toEqual([
			expect.objectContaining({ scope: "cam", stream: "raw", shards: [expect.objectContaining({ head: 0, tail: 3 })] }),
		]);
	});

	it("names the nearest stream when one is misspelt", async () => {
		await ok("append cam/garden", "abc");
		const { err } = await run("read cam/gadren");
		expect(err).toMatch(/^ {2}hint +Did you mean cam\/garden\?$/m);
	});
});

describe("verify", () => {
	it("is content with a sound store, and tells a flipped bit by file and offset, with 5", async () => {
		await ok("append cam/raw", randomBytes(200_000));
		await ok("append cam/other", "sound");
		expect((await run("verify --json")).lines()).toEqual([
			expect.objectContaining({ ok: true, streams: 2, tailCutBytes: 0, problems: [] }),
		]);
		expect(await ok("verify")).toMatch(/^verified .* in \d segments? of 2 streams, .*: no errors, .* s\n$/);
		const folder = join(cwd, "data/streams/cam/raw.stream/0");
		const [name = ""] = readdirSync(folder).filter((file) => file.endsWith(".seg"));
		const segment = readFileSync(join(folder, name));
		segment[100_000] = (segment[100_000] ?? 0) ^ 1;
		writeFileSync(join(folder, name), segment);
		const damaged = await run("verify --json");
		expect(damaged.code).toBe(5);
		expect(damaged.lines()).toEqual([
			expect.objectContaining({
				ok: false,
				problems: [expect.objectContaining({ code: "STREAMBED_CORRUPT", path: expect.stringContaining(name) })],
			}),
		]);
		expect(damaged.error().code).toBe("STREAMBED_CORRUPT");
		expect((await run("verify cam/raw")).code).toBe(5);
		expect((await run("verify cam/other")).code).toBe(0);
		const read = await run("read cam/raw --json");
		expect(read.code).toBe(5);
		expect(read.error().details).toMatchObject({ path: expect.stringContaining(name), offset: expect.any(Number) });
	});
});

describe("memory", () => {
	it("does not grow with the length of the input", async () => {
		const peak = async (bytes: number): Promise<number> => {
			const writer = start("append cam/raw --stats --quiet");
			const piece = Buffer.alloc(1024 * 1024, 7);
			for (let sent = 0; sent < bytes; sent += piece.length) {
				if (!writer.child.stdin.write(piece)) await once(writer.child.stdin, "drain");
			}
			const { code, err } = await writer.finish();
			expect(code).toBe(0);
			return (JSON.parse(err) as { peakRssBytes: number }).peakRssBytes;
		};
		const small = await peak(32 * 1024 * 1024);
		const large = await peak(256 * 1024 * 1024);
		expect(large - small).toBeLessThan(80 * 1024 * 1024);
	});
});
