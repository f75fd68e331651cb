/**
 * A store in a folder that may really not be written. For an ordinary user modes see to that; root has to give up what
 * lets it past them. Where it cannot, these tests fail.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { CliProcess, type Ended } from "./cli-process.ts";
import { startOwner } from "./owner-process.ts";

const through = process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] : [];

let folder: string;
let data: string;

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "streambed-read-only-"));
	data = join(folder, "data");
});

afterEach(async () => {
	allow(true);
	await rm(folder, { recursive: true, force: true });
});

describe("a store that may not be written", () => {
	it.each(["that was closed", "whose owner was killed"])(
		"%s is read, and each change is READ_ONLY",
		async (how) => {
			await (how === "that was closed" ? leaveClosed() : leaveKilled());
			allow(false);
			const before = everything();
			expect((await streambed("read", "a/raw")).out).toBe("abcdef");
			expect((await streambed("info", "a/raw", "--json")).lines()).toMatchObject([{ shards: [{ head: 0, tail: 6 }] }]);
			expect((await streambed("verify")).code).toBe(0);
			const changes = [
				["append", "a/raw"],
				["append", "a/new"],
				["create", "a/new"],
				["truncate", "a/raw", "--before", "offset:1"],
				["seal", "a/raw"],
				["delete", "a/raw", "--yes"],
				["repair", "--yes"],
				["checkpoint"],
			];
			for (const change of changes) {
				const ended = await streambed(...change, "--json");
				expect([ended.code, ended.out], change.join(" ")).toEqual([7, ""]);
				expect(ended.error()).toMatchObject({ code: "STREAMBED_READ_ONLY", category: "denied" });
				expect(ended.error().hint).not.toBe("");
			}
			expect(everything()).toEqual(before);
			expect((await streambed("read", "a/raw")).out).toBe("abcdef");
		},
		60_000,
	);

	it("is a folder in which nobody can make a file", async () => {
		await leaveClosed();
		allow(false);
		const script = `require("node:fs").writeFileSync(${JSON.stringify(join(data, "x"))}, "")`;
		const [program = "", ...args] = [...through, process.execPath, "-e", script];
		const { status, stderr } = spawnSync(program, args);
		expect(status).toBe(1);
		expect(stderr.toString()).toContain("EACCES");
	});
});

async function leaveClosed(): Promise<void> {
	await using store = await open(`file:${data}`);
	const stream = await store.scope("a").create("raw");
	await stream.append(Buffer.from("abc"));
	await stream.append(Buffer.from("def"));
}

/** What it had acknowledged stands in the journal, and perhaps nowhere else. */
async function leaveKilled(): Promise<void> {
	const owner = await startOwner(data);
	await owner.tell({ do: "create", stream: "raw" });
	await owner.tell({ do: "append", stream: "raw", text: "abc" });
	await owner.tell({ do: "append", stream: "raw", text: "def" });
	await owner.kill();
}

/** Lets everything below the store's folder be written, or nothing. */
function allow(writing: boolean): void {
	const inside = readdirSync(folder, { recursive: true, withFileTypes: true });
	for (const entry of inside) {
		const mode = entry.isDirectory() ? 0o555 : 0o444;
		chmodSync(join(entry.parentPath, entry.name), writing ? mode | 0o200 : mode);
	}
}

/** Names and bytes of all that is there. */
function everything(): [string, string][] {
	return readdirSync(data, { recursive: true, withFileTypes: true })
		.map((entry): [string, string] => {
			const path = join(entry.parentPath, entry.name);
			return [path, entry.isDirectory() ? "" : readFileSync(path).toString("base64")];
		})
		.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

async function streambed(...args: string[]): Promise<Ended> {
	return await new CliProcess([...args, "--store", data], { cwd: folder, through }).finish("more");
}
