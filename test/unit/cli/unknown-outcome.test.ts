/** Commands on a disk that fails under them, so that what they did may be stored or not; in this process, on a folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.ts";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { open } from "../../../src/index.ts";
import { type FaultRule, faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { fakeIo } from "./fake-io.ts";

const fault = vi.hoisted((): { rule: FaultRule | undefined } => ({ rule: undefined }));

vi.mock(import("../../../src/index.ts"), async (original) => {
	const real = await original();
	const failing: typeof real.open = async (url, options) => {
		const disk = faultyDisk(nodeDisk());
		const store = await real.open(url, { ...options, disk });
		if (fault.rule !== undefined) disk.addRule(fault.rule);
		return store;
	};
	return { ...real, open: failing };
});

let cwd = "";
beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-unknown-outcome-"));
});
afterEach(() => {
	fault.rule = undefined;
	rmSync(cwd, { recursive: true, force: true });
});

interface Result {
	readonly code: number;
	readonly lines: readonly Record<string, unknown>[];
	readonly error: { readonly code: string; readonly retryable: boolean; readonly details: Record<string, unknown> };
}

async function cli(args: string, input = ""): Promise<Result> {
	const fake = fakeIo(cwd, [input]);
	const code = await main([...args.split(" "), "--json", "--store", "data"], fake.io);
	// What was written last arrives at the collecting ends a turn later.
	await new Promise((resolve) => setImmediate(resolve));
	const lines = fake.out().toString().split("\n").filter(Boolean);
	const last = fake.err().trimEnd().split("\n").at(-1) ?? "";
	return {
		code,
		lines: lines.map((line) => JSON.parse(line)),
		error: last.startsWith("{") ? JSON.parse(last).error : undefined,
	};
}

/** A store with a bit of everything; returns the id of a write that is prepared. */
async function prepare(): Promise<string> {
	await cli("append s/a", "abc");
	await cli("append s/r --lines", "abc");
	await cli("export s/r java --format stream-ops");
	return String((await cli("append s/t --prepare", "abc")).lines[0]?.id);
}

const journal: FaultRule = { operation: "writeDurable", code: "EIO", times: Number.POSITIVE_INFINITY };

describe("a command whose outcome is unknown", () => {
	it.each<[string, FaultRule]>([
		["append s/a", journal],
		["append s/new", journal],
		["append s/a --producer p:0:0", journal],
		["append s/a --atomic", journal],
		["append s/a --prepare", { ...journal, operation: "sync" }],
		["append s/r --lines", journal],
		["append s/r --lines --atomic", journal],
		["import stream-ops java s/r", journal],
		["txn commit s/t ID", journal],
		["create s/b", journal],
		["truncate s/a --before offset:1", journal],
		["seal s/a", journal],
		["delete s/a --yes", journal],
		["delete s/a --yes", { ...journal, operation: "rename" }],
		["checkpoint", journal],
	])("ends with 8, and is not to be tried again at once: %s", async (command, rule) => {
		const id = await prepare();
		fault.rule = rule;
		const failed = await cli(command.replace("ID", id), "more\n");
		expect([failed.code, failed.error.code, failed.error.retryable]).toEqual([8, "STREAMBED_STOPPED", false]);
	});

	it("tells up to where all is well", async () => {
		await prepare();
		fault.rule = { ...journal, nth: 2 };
		const failed = await cli("append s/a --expect 3 --chunk 2", "0123456789");
		expect([failed.code, failed.error.details]).toMatchObject([8, { acknowledgedTo: 5, acknowledgedBytes: 2 }]);
		fault.rule = undefined;
		await using store = await open(`file:${join(cwd, "data")}`);
		const { tail = 0 } = (await store.scope("s").stream("a").info()).shards[0] ?? {};
		expect(tail).toBeGreaterThanOrEqual(5);
	});

	it("says so also where closing the store fails after that", async () => {
		await prepare();
		fault.rule = { ...journal, operation: ["writeDurable", "close"] };
		expect(await cli("append s/a", "more")).toMatchObject({ code: 8, error: { code: "STREAMBED_STOPPED" } });
		fault.rule = { ...journal, operation: "close" };
		expect(await cli("seal s/a")).toMatchObject({ code: 1, error: { code: "STREAMBED_IO" } });
	});
});
