/** The commands of those who look after a store, as processes. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { open } from "../../src/index.ts";
import { CliProcess, type Ended } from "./cli-process.ts";
import { floodByte, startOwner } from "./owner-process.ts";

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
	const names = existsSync(join(cwd, folder)) ? readdirSync(join(cwd, folder)) : [];
	const [name = "none"] = names.filter((file) => file.endsWith(".seg"));
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

describe("backup", () => {
	it("copies a closed store; the copy is one of its own", async () => {
		await ok("append cam/raw", "hello");
		await ok("append cam/other", "sealed");
		await ok("seal cam/other");
		expect((await run("backup copy --json")).lines()).toEqual([
			{ streams: 2, bytes: expect.any(Number), problems: [] },
		]);
		await ok("append cam/raw", " original");
		await ok("append cam/raw --store copy", " copy");
		expect(await ok("read cam/raw")).toBe("hello original");
		expect(await ok("read ./copy/cam/raw")).toBe("hello copy");
		expect((await run("append ./copy/cam/other", "x")).code).toBe(4);
		const ids = await Promise.all(
			["data", "copy"].map(async (store) => (await run(`info cam/raw --store ${store} --json`)).lines()[0]?.id),
		);
		expect(ids[0]).toBe(ids[1]);
	});

	it("taken again and again beside an owner that appends and truncates is a whole store each time", async () => {
		const owner = await startOwner(join(cwd, "data"));
		try {
			await owner.tell({ do: "create", stream: "log", segmentBytes: 65_536 });
			await owner.tell({ do: "flood", stream: "log" });
			let seen = 0;
			for (let round = 0; round < 3; round++) {
				await owner.tell({ do: "truncate", stream: "log", before: Math.floor(seen / 2) });
				const { code, err, lines } = await run(`backup copy-${round} --json`);
				// How far it has come is told where it takes long, which is no failure.
				expect({ code, err: err.replaceAll(/^backup {2}.* left\n/gm, "") }).toEqual({ code: 0, err: "" });
				expect(lines()).toMatchObject([{ streams: 1, problems: [] }]);
				expect((await run(`verify --store copy-${round} --json`)).code).toBe(0);
				const copy = await open(`file:${join(cwd, `copy-${round}`)}`);
				const stream = copy.scope("a").stream("log");
				const [shard] = (await stream.info()).shards;
				expect(shard?.tail).toBeGreaterThanOrEqual(seen);
				let at = shard?.head ?? 0;
				for await (const bytes of stream.reader({ from: "head" })) {
					const first = at;
					// A sample: each byte of it all takes longer than the rest of the test.
					for (let index = 0; index < bytes.length; index += 101) {
						if (bytes[index] !== floodByte(first + index)) throw new Error(`wrong byte at ${first + index}`);
					}
					at += bytes.length;
				}
				expect(at).toBe(shard?.tail);
				seen = at;
				await copy.close();
			}
			expect(seen).toBeGreaterThan(0);
		} finally {
			await owner.dispose();
		}
		expect(readdirSync(cwd).filter((name) => name.includes("partial"))).toEqual([]);
	});

	it("of a damaged store ends with 5 and is made all the same", async () => {
		for (const text of ["abcd", "efgh"]) await ok("append cam/raw", text);
		flip(segmentOf("cam/raw"), 160 + 64);
		const { code, lines, error } = await run("backup copy --json");
		expect(code).toBe(5);
		expect(lines()).toMatchObject([{ streams: 1, problems: [{ offset: 160 }] }]);
		expect(error().code).toBe("STREAMBED_CORRUPT");
		expect((await run("backup copy2")).out).toContain("cannot be read");
		expect(await ok("read ./copy/cam/raw --from offset:4")).toBe("efgh");
	});

	it("leaves nothing when it is interrupted", async () => {
		await ok("append cam/raw --chunk 1MiB", Buffer.alloc(300_000_000));
		const backup = new CliProcess(["backup", "copy"], { cwd });
		await vi.waitFor(() => expect(readdirSync(cwd).join()).toContain("partial"), { timeout: 15_000, interval: 2 });
		backup.child.kill("SIGINT");
		expect((await backup.ended).code).toBe(130);
		expect(readdirSync(cwd)).toEqual(["data"]);
	});

	it.each([
		["backup", 2, "STREAMBED_INVALID_OPTION"],
		["backup full", 2, "STREAMBED_INVALID_OPTION"],
		["backup data/copy", 2, "STREAMBED_INVALID_OPTION"],
		["backup none/copy", 3, "STREAMBED_NOT_FOUND"],
		["backup copy --store none", 3, "STREAMBED_NOT_FOUND"],
	])("%s fails with %d %s", async (args, code, name) => {
		await ok("append cam/raw", "abc");
		mkdirSync(join(cwd, "full"));
		writeFileSync(join(cwd, "full/notes.txt"), "notes");
		const ended = await run(`${args} --json`);
		expect(ended).toMatchObject({ code, out: "" });
		expect(ended.error()).toMatchObject({ code: name, hint: expect.any(String) });
	});
});

describe("repair", () => {
	it("shows its plan, does it with --yes, and has nothing to do afterwards", async () => {
		for (const text of ["abcd", "efgh"]) await ok("append cam/raw", text);
		const path = segmentOf("cam/raw");
		const whole = readFileSync(join(cwd, path));
		writeFileSync(join(cwd, path), whole.subarray(0, whole.length - 10));
		rmSync(join(cwd, "data/streams/cam/raw.stream/stream.json"));
		expect((await run("append cam/raw", "x")).code).toBe(5);
		const planned = await run("repair --dry-run --json");
		expect(planned.code).toBe(5);
		const [plan] = planned.lines();
		expect(plan).toMatchObject({ ok: true, dryRun: true, aside: null, problems: [] });
		const refused = await run("repair");
		expect(refused).toMatchObject({ code: 2, out: expect.stringContaining("stream.json") });
		expect(refused.err).toContain("nothing was done to ./data");
		expect(readdirSync(join(cwd, "data")).filter((name) => name.startsWith("repaired"))).toEqual([]);
		const done = await run("repair --yes --json");
		expect(done.code).toBe(0);
		expect(done.lines()).toMatchObject([{ ok: true, dryRun: false, steps: plan?.steps, problems: [] }]);
		expect(String(done.lines()[0]?.aside)).toContain(join(cwd, "data", "repaired-"));
		expect(await ok("read cam/raw")).toBe("abcdefgh");
		expect((await run("verify")).code).toBe(0);
		expect(await ok("repair")).toBe("nothing is wrong with ./data\n");
		expect(await ok("repair ./data --dry-run")).toBe("nothing is wrong with ./data\n");
		await ok("append cam/raw", "ijkl");
		expect(await ok("read cam/raw")).toBe("abcdefghijkl");
	});

	it("says what is lost, with 5, and reading goes on behind it", async () => {
		for (const text of ["abcd", "efgh", "ijkl"]) await ok("append cam/raw", text);
		const path = segmentOf("cam/raw");
		flip(path, 160 + 76 + 64);
		writeFileSync(join(cwd, "data/journal/ring-000000.jnl"), Buffer.alloc(4 * 1024 * 1024));
		const { code, lines, error } = await run("repair --yes --json");
		expect(code).toBe(5);
		expect(lines()[0]?.problems).toMatchObject([{ message: expect.stringContaining("positions 4 to 8") }]);
		expect(error()).toMatchObject({
			code: "STREAMBED_CORRUPT",
			hint: expect.stringContaining("with --from offset:N."),
		});
		expect((await run("read cam/raw --json")).error().details).toMatchObject({ validAfter: 8 });
		expect(await ok("read cam/raw --from offset:8")).toBe("ijkl");
		expect((await run("repair")).out).toContain("nothing can be put right in ./data\n");
	});

	it("says how to read on behind what a shard of records has lost", async () => {
		await ok("create shop/orders --kind records --shards 2");
		for (const text of ["aaaa", "bbbb", "cccc"]) await ok("append shop/orders --lines --shard 1", text);
		const folder = join("data/streams/shop/orders.stream", "1");
		const path = join(folder, readdirSync(join(cwd, folder)).find((name) => name.endsWith(".seg")) as string);
		flip(path, readFileSync(join(cwd, path)).indexOf("bbbb"));
		writeFileSync(join(cwd, "data/journal/ring-000000.jnl"), Buffer.alloc(4 * 1024 * 1024));
		for (const flag of ["--yes", "--dry-run"]) {
			const { code, error } = await run(`repair ${flag} --json`);
			expect(code, flag).toBe(5);
			expect(error().hint, flag).toContain("with --shard S --from seq:N.");
		}
		expect(await ok("read shop/orders --shard 1 --from seq:2")).toBe("cccc\n");
	});

	it("saves what a killed owner left in a damaged journal", async () => {
		const owner = await startOwner(join(cwd, "data"));
		await owner.tell({ do: "create", stream: "log" });
		for (const text of ["abcd", "efgh", "ijkl"]) await owner.tell({ do: "append", stream: "log", text });
		await owner.kill();
		const dumped = (await run("dump data/journal/ring-000000.jnl --json")).lines();
		const rounds = dumped.filter(({ part }) => part === "round").map(({ offset }) => Number(offset));
		flip("data/journal/ring-000000.jnl", (rounds.at(-2) ?? 0) + 20);
		rmSync(join(cwd, segmentOf("a/log")), { force: true });
		expect((await run("append a/log", "x")).code).toBe(5);
		expect((await run("repair --yes")).code).toBe(5);
		expect((await run("read a/log --json")).error().details).toMatchObject({ validAfter: 8 });
		expect(await ok("read a/log --from offset:8")).toBe("ijkl");
		expect(JSON.parse(await ok("append a/log --acks", "x"))).toMatchObject({ from: 12 });
	});

	it("finds a store whose store.json is lost", async () => {
		await ok("append cam/raw", "abcd");
		rmSync(join(cwd, "data/store.json"));
		expect((await run("read cam/raw")).code).toBe(3);
		expect((await run("repair ./data --yes")).code).toBe(0);
		expect(await ok("read cam/raw")).toBe("abcd");
	});

	it("is refused beside an owner, with 6, and changes nothing of its", async () => {
		const owner = await startOwner(join(cwd, "data"));
		try {
			await owner.tell({ do: "create", stream: "log" });
			for (const flag of ["--yes", "--dry-run"]) {
				const refused = await run(`repair ${flag} --json`);
				expect(refused.code).toBe(6);
				expect(refused.error()).toMatchObject({ code: "STREAMBED_LOCKED" });
			}
			expect(await owner.tell({ do: "append", stream: "log", text: "abc" })).toBe(3);
		} finally {
			await owner.dispose();
		}
	});

	it.each([
		["repair --yes --dry-run", 2, "STREAMBED_INVALID_OPTION"],
		["repair cam --yes", 2, "STREAMBED_INVALID_NAME"],
		["repair cam/none --yes", 3, "STREAMBED_NOT_FOUND"],
		["repair --store none --yes", 3, "STREAMBED_NOT_FOUND"],
		["repair ./none/cam/raw", 3, "STREAMBED_NOT_FOUND"],
	])("%s fails with %d %s", async (args, code, name) => {
		await ok("append cam/raw", "abc");
		const ended = await run(`${args} --json`);
		expect(ended).toMatchObject({ code, out: "" });
		expect(ended.error()).toMatchObject({ code: name, hint: expect.any(String) });
	});
});

describe("bench", () => {
	it("measures each scenario beside plain calls, in a folder that it removes", async () => {
		const { code, lines } = await run("bench --dir . --rounds 1 --round-time 20ms --json");
		expect(code).toBe(0);
		expect(lines().map(({ scenario }) => scenario)).toEqual(["append", "batch", "read"]);
		for (const line of lines()) {
			const side = { median: expect.any(Number), min: expect.any(Number), max: expect.any(Number) };
			expect(line).toMatchObject({ ours: side, reference: side, ratio: side, durability: "sync" });
		}
		const text = await ok("bench append --dir . --rounds 1 --round-time 20ms");
		expect(text).toMatch(/^WORK +STREAMBED +PLAIN FS +RATIO\n.* µs .*\]\n$/);
		expect(readdirSync(cwd)).toEqual([]);
	});

	it("cleans up when it is interrupted", async () => {
		const bench = new CliProcess(["bench", "append", "--dir", ".", "--rounds", "1000"], { cwd });
		await vi.waitFor(() => expect(readdirSync(cwd)).toHaveLength(1), { timeout: 15_000, interval: 5 });
		bench.child.kill("SIGINT");
		expect((await bench.ended).code).toBe(130);
		expect(readdirSync(cwd)).toEqual([]);
	});

	it.each([
		["bench apend", 2, "STREAMBED_INVALID_OPTION"],
		["bench --rounds 0", 2, "STREAMBED_INVALID_OPTION"],
		["bench --round-time 0ms", 2, "STREAMBED_INVALID_OPTION"],
		["bench --round-time 0.4ms", 2, "STREAMBED_INVALID_OPTION"],
		["bench --dir none", 3, "STREAMBED_NOT_FOUND"],
	])("%s fails with %d %s", async (args, code, name) => {
		const ended = await run(`${args} --json`);
		expect(ended).toMatchObject({ code, out: "" });
		expect(ended.error()).toMatchObject({ code: name, hint: expect.any(String) });
	});
});
