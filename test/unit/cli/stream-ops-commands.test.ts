/** `import stream-ops` and `export --format stream-ops` in this process, on what Java wrote and on records of all kinds. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { exportStream } from "../../../src/cli/commands/export.ts";
import { grow } from "../../../src/cli/commands/grow.ts";
import { importStream } from "../../../src/cli/commands/import.ts";
import { main } from "../../../src/cli/main.ts";
import { fail } from "../../../src/core/errors.ts";
import { open, type RecordInput, type Store } from "../../../src/index.ts";
import { StreamStorageFS } from "../../../src/stream-ops/index.ts";
import { encode, wrap } from "../../../src/stream-ops/rion/index.ts";
import { streamCases, streamRoot } from "../stream-ops/stream-fixtures.ts";
import { fakeIo } from "./fake-io.ts";

let cwd = "";

beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-stream-ops-"));
});

afterEach(() => rmSync(cwd, { recursive: true, force: true }));

interface Result {
	readonly code: number;
	readonly lines: readonly Record<string, unknown>[];
	readonly err: string;
	readonly error: {
		readonly code: string;
		readonly message: string;
		readonly hint: string;
		readonly details: Record<string, unknown>;
	};
}

async function cli(...args: readonly string[]): Promise<Result> {
	const fake = fakeIo(cwd);
	const code = await main([...args, "--json", "--store", "data"], fake.io);
	// What was written last arrives at the collecting ends a turn later.
	await new Promise((resolve) => setImmediate(resolve));
	const lines = fake.out().toString().trimEnd().split("\n").filter(Boolean);
	const err = fake.err();
	const last = err.trimEnd().split("\n").at(-1) ?? "";
	return {
		code,
		err,
		lines: lines.map((line) => JSON.parse(line)),
		error: last.startsWith("{") ? JSON.parse(last).error : { code: "", message: "", hint: "", details: {} },
	};
}

async function withStore<T>(use: (store: Store) => Promise<T>): Promise<T> {
	await using store = await open(`file:${join(cwd, "data")}`);
	return await use(store);
}

/** Records of a stream in the order of reading, without shard, place and time. */
function contents(stream: string, shard?: number): Promise<object[]> {
	return withStore(async (store) => {
		const found: object[] = [];
		for await (const record of store.scope("a").stream(stream, { kind: "records" }).read({ shard })) {
			const { key, headers, eventTime } = record;
			const [value, info] = [record.value, record.clientInfo].map(
				(bytes) => bytes && Buffer.from(bytes).toString("hex"),
			);
			found.push({ value, key, headers, clientInfo: info, eventTime });
		}
		return found;
	});
}

function values(stream: string): Promise<unknown[]> {
	return contents(stream).then((records) => records.map((record) => (record as { value: unknown }).value));
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** Those with a block that can be read. */
const cases = streamCases().filter((each) => {
	const root = streamRoot(each);
	return each.conformance !== "legacy" && root !== undefined && readdirSync(join(root, each.streamId)).length > 0;
});

describe("streams of Stream Ops for Java", () => {
	it.each(cases.map((each) => [each.path, each] as const))("are imported and exported again: %s", async (_, spec) => {
		const folder = join(streamRoot(spec) as string, spec.streamId);
		const { records, tornTail, files, problems } = spec.expected;
		const done = await cli("import", "stream-ops", folder, "a/in");
		const bytes = records.reduce((sum, { length }) => sum + length, 0);
		expect(done.lines).toMatchObject([{ records: records.length, blocks: readBlocks(folder, spec.streamId), bytes }]);
		expect(done.lines[0]?.tornTail ?? null).toEqual(tornTail);
		expect(done.err.includes("not whole")).toBe(tornTail !== null);
		const stored = (await values("in")) as string[];
		expect(stored.map((hex) => digest(Buffer.from(hex, "hex")))).toEqual(
			records.map(({ hex, sha256 }) => sha256 ?? digest(Buffer.from(hex as string, "hex"))),
		);

		const options = [
			"--layout",
			spec.layout,
			...(spec.blockMaxSize ? ["--block-bytes", String(spec.blockMaxSize)] : []),
		];
		const target = join("out", spec.streamId);
		const given = await cli("export", "a/in", target, "--format", "stream-ops", ...options);
		expect(given.lines).toMatchObject([{ records: records.length, bytes }]);
		if (spec.conformance === "exact" && problems.length === 0 && !spec.path.includes("reopen-empty")) {
			const made = files.map(({ name }) => ({ name, sha256: digest(readFileSync(join(cwd, target, name))) }));
			expect(made).toEqual(files.map(({ name, sha256 }) => ({ name, sha256 })));
			expect(readdirSync(join(cwd, target))).toHaveLength(files.length);
		}
		expect((await cli("import", "stream-ops", target, "a/again")).code).toBe(0);
		expect(await values("again")).toEqual(stored);
	});

	it("are most of those that Java wrote", () => {
		expect(cases.length).toBeGreaterThan(30);
	});

	it("go on where an import ended, at a record that is too large", async () => {
		await using storage = new StreamStorageFS("s", join(cwd, "s"));
		await storage.openForAppend();
		for (const value of [1, 2]) await storage.append(encode(value));
		await storage.append(wrap(new Uint8Array(9 * 1024 * 1024)));
		await storage.append(encode(4));
		await storage.closeForAppend();
		const failed = await cli("import", "stream-ops", "s", "a/in");
		const details = { acknowledgedRecords: 2, nextOffset: 2 };
		expect([failed.code, failed.error]).toMatchObject([2, { code: "STREAMBED_TOO_LARGE", details }]);
		expect(failed.error.message).toMatch(/^the record of offset 2: /);
		expect((await cli("import", "stream-ops", "s", "a/in", "--from", "3")).lines).toMatchObject([{ records: 1 }]);
		expect(await values("in")).toEqual(["2101", "2102", "2104"]);
	});

	it("are not there beyond their end: nothing is made, and the end is told", async () => {
		await using storage = new StreamStorageFS("s", join(cwd, "s"));
		await storage.openForAppend();
		for (const value of [1, 2]) await storage.append(encode(value));
		await storage.closeForAppend();
		const failed = await cli("import", "stream-ops", "s", "a/in", "--from", "3");
		expect([failed.code, failed.error]).toMatchObject([4, { code: "STREAMBED_OUT_OF_RANGE", details: { tail: 2 } }]);
		expect(failed.error.message).toBe("offset 3 lies beyond the end of s at 2");
		expect(existsSync(join(cwd, "data"))).toBe(false);
		expect(await cli("import", "stream-ops", "s", "a/in", "--from", "2")).toMatchObject({
			code: 0,
			lines: [{ records: 0 }],
		});
	});

	it("are not imported to a sealed stream: 4, as the help says", async () => {
		await using storage = new StreamStorageFS("s", join(cwd, "s"));
		await storage.openForAppend();
		await storage.append(encode(1));
		await storage.closeForAppend();
		await withStore(async (store) => (await store.scope("a").create("in", { kind: "records" })).seal());
		const failed = await cli("import", "stream-ops", "s", "a/in");
		expect([failed.code, failed.error.code]).toEqual([4, "STREAMBED_SEALED"]);
		expect(importStream.exits).toHaveProperty("4", expect.stringContaining("sealed"));
		expect((await cli("grow", "a/in", "--shards", "2")).code).toBe(4);
		expect(grow.exits).toHaveProperty("4", expect.stringContaining("sealed"));
	});

	it("are imported up to a block that is damaged, which is told", async () => {
		await using storage = new StreamStorageFS("s", join(cwd, "s"), 10);
		await storage.openForAppend();
		for (let value = 0; value < 3; value++) await storage.append(wrap(new Uint8Array(8)));
		await storage.closeForAppend();
		writeFileSync(join(cwd, "s", "s-0000000000000001"), Uint8Array.of(1, 8, 0));
		const failed = await cli("import", "stream-ops", "s", "a/in");
		expect([failed.code, failed.error]).toMatchObject([5, { code: "STREAMBED_CORRUPT", details: { nextOffset: 1 } }]);
		expect(await values("in")).toEqual([`0108${"00".repeat(8)}`]);
	});
});

/** Blocks that lie in a folder. */
function readBlocks(folder: string, id: string): number {
	return readdirSync(folder).filter((name) => /^[0-9A-F]{16}$/.test(name.slice(id.length + 1)) && name.startsWith(id))
		.length;
}

/** A number in [0, below), by a linear congruence. */
function seeded(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}

function randomRecord(next: (below: number) => number): RecordInput {
	const bytes = Uint8Array.from({ length: next(40) }, () => next(256));
	const value = [bytes, wrap(bytes), encode(next(1000)), encode({ streambed: 1, value: bytes })][next(4)] as Uint8Array;
	return {
		value,
		key: next(2) === 0 ? undefined : `key-${next(20)}`,
		headers: next(3) === 0 ? { h: `é${next(9)}`, "1": "" } : undefined,
		clientInfo: next(4) === 0 ? bytes : undefined,
		eventTime: next(3) === 0 ? next(1e9) - 5e8 : undefined,
	};
}

describe("records of all kinds", () => {
	/** What an order over several shards promises: records of a key in theirs. Of those without one only that they are there. */
	const byKey = (records: readonly object[]): [string, string[]][] => {
		const found = new Map<string, string[]>();
		for (const record of records) {
			const key = (record as { key: string | null }).key ?? "";
			const others = found.get(key) ?? [];
			others.push(JSON.stringify(record));
			found.set(key, others);
		}
		found.get("")?.sort();
		return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
	};

	it.each(["0.7", "0.6"])(
		"are the same after export with layout %s and import, each key in its order",
		async (layout) => {
			const next = seeded(7);
			await withStore(async (store) => {
				const stream = await store.scope("a").create("from", { kind: "records", shards: 3 });
				for (let round = 0; round < 5; round++) {
					await stream.append(Array.from({ length: 300 }, () => randomRecord(next)));
				}
			});
			const options = ["--format", "stream-ops", "--layout", layout, "--block-bytes", "4KiB"];
			const given = await cli("export", "a/from", "out/all", ...options);
			expect(given.lines).toMatchObject([{ records: 1500 }]);
			expect(await cli("import", "stream-ops", "out/all", "a/to")).toMatchObject({ code: 0 });
			expect(byKey(await contents("to"))).toEqual(byKey(await contents("from")));

			await cli("export", "a/from", "out/one", ...options, "--shard", "1");
			await withStore((store) => store.scope("a").create("three", { kind: "records", shards: 3 }));
			await cli("import", "stream-ops", "out/one", "a/three", "--shard", "2");
			expect(await contents("three", 2)).toEqual(await contents("from", 1));
			expect(await contents("three")).toHaveLength((await contents("from", 1)).length);
			await withStore((store) => store.scope("a").create("routed", { kind: "records", shards: 5 }));
			await cli("import", "stream-ops", "out/all", "a/routed");
			expect(byKey(await contents("routed"))).toEqual(byKey(await contents("from")));
			expect(await contents("routed", 4)).not.toEqual([]);
		},
	);

	it.each(["appendRecords", "openForAppend"] as const)(
		"leave nothing behind on a disk that is full at %s",
		async (step) => {
			await withStore(async (store) => {
				const stream = await store.scope("a").create("from", { kind: "records" });
				await stream.append({ value: encode(1) });
			});
			const full = vi.spyOn(StreamStorageFS.prototype, step).mockRejectedValue(fail("DISK_FULL", "no space is left"));
			const failed = await cli("export", "a/from", "out/s", "--format", "stream-ops").finally(() => full.mockRestore());
			expect([failed.code, failed.error.code]).toEqual([6, "STREAMBED_DISK_FULL"]);
			expect(failed.error.hint).toContain("out/s");
			expect(failed.error.hint).not.toContain("streams/");
			expect(exportStream.exits).toHaveProperty("6");
			expect(readdirSync(join(cwd, "out"))).toEqual([]);
		},
	);

	it("leave nothing behind if they cannot all be read", async () => {
		await withStore(async (store) => {
			const stream = await store.scope("a").create("from", { kind: "records" });
			await stream.append(Array.from({ length: 300 }, (_, index) => ({ value: encode(index) })));
		});
		const folder = join(cwd, "data", "streams", "a", "from.stream", "0");
		const segment = join(folder, readdirSync(folder).find((name) => name.endsWith(".seg")) as string);
		const bytes = readFileSync(segment);
		const at = bytes.indexOf(encode(299));
		expect(at).toBeGreaterThan(0);
		bytes[at] = 0;
		writeFileSync(segment, bytes);
		const failed = await cli("export", "a/from", "out/s", "--format", "stream-ops");
		expect([failed.code, failed.error.code]).toEqual([5, "STREAMBED_CORRUPT"]);
		expect(readdirSync(join(cwd, "out"))).toEqual([]);
	});

	it.each<[string[], string, RegExp]>([
		[["export", "a/s", "new"], "INVALID_OPTION", /needs --format/],
		[["export", "a/s", "new", "--format", "csv"], "INVALID_OPTION", /must be stream-ops/],
		[["export", "a/s", "new", "--format", "stream-ops", "--layout", "0.5"], "INVALID_OPTION", /0\.7 or 0\.6/],
		[["export", "a/s", "new", "--format", "stream-ops", "--shard", "1"], "INVALID_OPTION", /no shard 1/],
		[["export", "a/s", "data", "--format", "stream-ops"], "EXISTS", /not an empty folder/],
		[["export", "a/bytes", "new", "--format", "stream-ops"], "WRONG_KIND", /./],
		[["export", "a/none", "new", "--format", "stream-ops"], "NOT_FOUND", /no stream a\/none/],
		[["export", "a/s", ".streambed-locks", "--format", "stream-ops"], "INVALID_NAME", /./],
		[["import", "csv", "s", "a/s"], "INVALID_OPTION", /knows stream-ops/],
		[["import", "stream-ops", "none", "a/s"], "NOT_FOUND", /no folder none/],
		[["import", "stream-ops", "data", "a/s"], "INVALID_OPTION", /not the folder of one stream/],
		[["import", "stream-ops", "root", "a/s"], "INVALID_OPTION", /not the folder of one stream/],
		[["import", "stream-ops", "root/s", "a/s", "--shard", "1"], "INVALID_OPTION", /^there is no shard 1/],
		[["import", "stream-ops", "root/s", "a/s", "--from", "-1"], "INVALID_OPTION", /--from/],
		[["import", "stream-ops", "root/s", "a/bytes"], "WRONG_KIND", /./],
	])("are not moved by %j", async (args, code, message) => {
		await withStore(async (store) => {
			await store.scope("a").create("s", { kind: "records" });
			await store.scope("a").create("bytes");
		});
		await using storage = new StreamStorageFS("s", join(cwd, "root", "s"));
		await storage.openForAppend();
		await storage.append(encode(1));
		await storage.closeForAppend();
		const before = readdirSync(cwd).toSorted();
		const failed = await cli(...args);
		expect(failed.error.code).toBe(`STREAMBED_${code}`);
		expect(failed.error.message).toMatch(message);
		expect(readdirSync(cwd).toSorted()).toEqual(before);
		expect(await contents("s")).toEqual([]);
	});
});
