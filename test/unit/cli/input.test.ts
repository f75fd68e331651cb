import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openInput } from "../../../src/cli/input.ts";
import { fakeIo } from "./fake-io.ts";

const forever = new AbortController().signal;
let cwd = "";

beforeAll(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-input-"));
	writeFileSync(join(cwd, "large"), Buffer.alloc(300_000, 1));
	writeFileSync(join(cwd, "small"), "small");
	writeFileSync(join(cwd, "empty"), "");
});

afterAll(() => rmSync(cwd, { recursive: true, force: true }));

async function sizes(files: string[], chunkBytes: number): Promise<number[]> {
	const found: number[] = [];
	for await (const chunk of openInput(files, fakeIo(cwd, ["stdin"]).io).chunks(chunkBytes, forever)) {
		found.push(chunk.length);
	}
	return found;
}

describe("input", () => {
	it("comes in full chunks from a file, and no chunk crosses from one file to the next", async () => {
		expect(await sizes(["large", "small"], 100_000)).toEqual([100_000, 100_000, 100_000, 5]);
		expect(await sizes(["large"], 1_000_000)).toEqual([300_000]);
		expect(await sizes(["small"], 2)).toEqual([2, 2, 1]);
		expect(await sizes(["large"], 30_000)).toEqual(Array.from({ length: 10 }, () => 30_000));
	});

	it("of an empty file is no chunk at all", async () => {
		expect(await sizes(["empty"], 10)).toEqual([]);
	});

	it("is standard input without files and for -", async () => {
		expect(await sizes([], 100)).toEqual([5]);
		expect(await sizes(["small", "-"], 100)).toEqual([5, 5]);
	});

	it("has a known length if all of it is files", () => {
		const { io } = fakeIo(cwd);
		expect(openInput(["large", "small", "empty"], io).totalBytes).toBe(300_005);
		expect(openInput(["large", "-"], io).totalBytes).toBeUndefined();
		expect(openInput([], io).totalBytes).toBeUndefined();
	});

	it("is typed only where it is read from a terminal, not where files are named at one", () => {
		const stdin = Object.assign(new PassThrough(), { isTTY: true });
		const { io } = fakeIo(cwd, stdin);
		expect(openInput(["large"], io).isTyped).toBe(false);
		for (const files of [[], ["-"], ["large", "-"]]) expect(openInput(files, io).isTyped).toBe(true);
		expect(openInput([], fakeIo(cwd).io).isTyped).toBe(false);
	});

	it("ends with ABORTED while it waits for more, and gives stdin back", async () => {
		const stdin = new PassThrough();
		const stop = new AbortController();
		const chunks = openInput([], fakeIo(cwd, stdin).io).chunks(100, stop.signal);
		stdin.write("x");
		expect((await chunks.next()).value).toHaveLength(1);
		const next = chunks.next();
		stop.abort();
		await expect(next).rejects.toMatchObject({ code: "STREAMBED_ABORTED" });
		expect(stdin.destroyed).toBe(true);
	});

	it("from a named pipe ends with ABORTED both before and after somebody writes to it", async () => {
		const pipe = join(cwd, "pipe");
		execFileSync("sh", ["-c", `mkfifo "$0"`, pipe]);
		const before = new AbortController();
		const waiting = openInput(["pipe"], fakeIo(cwd).io).chunks(100, before.signal).next();
		before.abort();
		await expect(waiting).rejects.toMatchObject({ code: "STREAMBED_ABORTED" });
		const after = new AbortController();
		const chunks = openInput(["pipe"], fakeIo(cwd).io).chunks(100, after.signal);
		const first = chunks.next();
		const writer = await open(pipe, "w");
		await writer.write("hello");
		expect((await first).value).toHaveLength(5);
		const next = chunks.next();
		after.abort();
		await expect(next).rejects.toMatchObject({ code: "STREAMBED_ABORTED" });
		await writer.close();
	});

	it("that fails names its source", async () => {
		const stdin = new PassThrough();
		const chunks = openInput(["-"], fakeIo(cwd, stdin).io).chunks(100, forever);
		stdin.destroy(new Error("broken"));
		await expect(chunks.next()).rejects.toMatchObject({
			code: "STREAMBED_IO",
			message: "cannot read standard input: broken",
		});
	});
});
