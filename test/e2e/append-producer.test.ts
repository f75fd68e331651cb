/** `append --producer`: the same input again, after whatever happened, stores nothing twice. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliProcess, type Ended } from "./cli-process.ts";

interface Ack {
	readonly from: number | null;
	readonly to: number | null;
	readonly duplicate: boolean;
}

let cwd = "";

beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-producer-"));
});

afterEach(() => rmSync(cwd, { recursive: true, force: true }));

async function run(args: string, input: Uint8Array | string = ""): Promise<Ended> {
	return await new CliProcess(args.split(" "), { cwd }).finish(input);
}

async function stored(): Promise<Buffer> {
	return (await run("read ./data/a/b")).stdout;
}

describe("append --producer", () => {
	it("stores an input once that is given twice, and says so", async () => {
		const input = randomBytes(250_000);
		const first = await run("append ./data/a/b --chunk 100KB --producer cam:1:0", input);
		expect([first.code, first.err]).toEqual([0, "created a/b in data\nappended 244 KiB to a/b, tail 250,000\n"]);
		const again = await run("append ./data/a/b --chunk 100KB --producer cam:1:0 --json", input);
		const told = { scope: "a", stream: "b", from: 0 };
		expect(again.lines()).toEqual([{ ...told, appends: 3, duplicates: 3, bytes: 0, to: 250_000 }]);
		expect(again.err).toBe("appended nothing to a/b: 3 of 3 chunks had been stored before, tail 250,000\n");
		const more = await run("append ./data/a/b --chunk 100KB --producer cam:1:2 --json", input.subarray(200_000));
		expect(more.lines()).toMatchObject([{ appends: 1, duplicates: 1, bytes: 0 }]);
		expect((await stored()).equals(input)).toBe(true);
	});

	it("tells as appended only what it has stored itself", async () => {
		await run("append ./data/a/b --chunk 4B --producer cam:1:0", "01234567");
		const again = await run("append ./data/a/b --chunk 4B --producer cam:1:0 --json", "0123456789");
		expect(again.lines()).toMatchObject([{ appends: 3, duplicates: 2, bytes: 2, from: 0, to: 10 }]);
		expect(again.err).toBe("appended 2 B to a/b, tail 10; 2 of 3 chunks had been stored before\n");
		const failed = await run("append ./data/a/b --chunk 4B --producer cam:1:1", "456789ab");
		expect(failed.code).toBe(2);
		expect(failed.err).toMatch(
			/^appended nothing of the input to a\/b, up to 8; 1 of 1 chunks had been stored before\n/,
		);
	});

	it("goes on where a killed process was, and stores each byte once", async () => {
		const input = randomBytes(8_000_000);
		for (const acknowledged of [5000, 20_000]) {
			const feeding = new CliProcess("append ./data/a/b --chunk 2KiB --acks --producer cam:0:0".split(" "), { cwd });
			feeding.child.stdin.write(input.subarray(0, 4_000_000));
			await feeding.outReaches(acknowledged);
			feeding.child.kill("SIGKILL");
			await feeding.ended;
		}
		const last = await run("append ./data/a/b --chunk 2KiB --acks --producer cam:0:0", input);
		expect(last.code).toBe(0);
		const acks = last.lines<Ack>();
		const fresh = acks.findIndex(({ duplicate }) => !duplicate);
		expect(fresh).toBeGreaterThan(0);
		expect(acks.slice(fresh).some(({ duplicate }) => duplicate)).toBe(false);
		expect((await stored()).equals(input)).toBe(true);
	});

	it("cuts at places that only the bytes decide, however they come in", async () => {
		const input = randomBytes(10_500);
		const slow = new CliProcess("append ./data/a/b --chunk 1000B --acks --producer a:b:0:0".split(" "), { cwd });
		for (const size of [1, 1500, 3000, 2]) {
			slow.child.stdin.write(input.subarray(0, size));
			await new Promise(setImmediate);
		}
		const { lines, code } = await slow.finish(input.subarray(0, 5997));
		expect(code).toBe(0);
		const sizes = lines<Ack>().map(({ from, to }) => Number(to) - Number(from));
		expect(sizes).toEqual([...Array(10).fill(1000), 500]);
	});

	it("with a condition for the first chunk takes a retry for what it is", async () => {
		const args = "append ./data/a/b --chunk 1B --acks --expect 0 --producer cam:0:0";
		const told = (duplicate: boolean): Ack[] =>
			["a", "b"].map((_, at) => ({ shard: 0, from: at, to: at + 1, duplicate }));
		expect((await run(args, "ab")).lines()).toEqual(told(false));
		expect((await run(args, "ab")).lines()).toEqual(told(true));
		expect((await stored()).toString()).toBe("ab");
	});

	it("says with 4 what is skipped or fenced, and with 2 what is no producer or another input", async () => {
		const failure = async (args: string, input = "xy"): Promise<unknown[]> => {
			const { code, error } = await run(`append ./data/a/b --json ${args}`, input);
			const { code: name, details } = error();
			return [code, name, details.expected ?? details.epoch ?? details.option];
		};
		await run("append ./data/a/b --chunk 1B --producer cam:3:0", "ab");
		expect(await failure("--producer cam:3:5")).toEqual([4, "STREAMBED_PRODUCER_GAP", 2]);
		expect(await failure("--producer cam:2:5")).toEqual([4, "STREAMBED_FENCED", 3]);
		expect(await failure("--producer cam:3:0 --chunk 2B")).toEqual([2, "STREAMBED_INVALID_OPTION", "--producer"]);
		for (const wrong of ["cam", "cam:0", "cam:0:", ":0:0", "cam:x:0", "cam:0:-1", "cam:0:1.5"]) {
			expect((await failure(`--producer ${wrong}`)).slice(0, 2)).toEqual([2, "STREAMBED_INVALID_OPTION"]);
		}
		expect((await stored()).toString()).toBe("ab");
	});
});
