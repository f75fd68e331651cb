/** What the command line tells people to do next: in its own words, never in those of the library. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commands } from "../../../src/cli/catalog.ts";
import { asStreambedError } from "../../../src/cli/error-text.ts";
import { main } from "../../../src/cli/main.ts";
import { atTerminal } from "../../../src/cli/terminal-hints.ts";
import { type ErrorCode, errorTable, StreambedError } from "../../../src/core/errors.ts";
import { fakeIo } from "./fake-io.ts";

const ofTheLibrary = /mode "|limits\.|`ensure`|update\(|AbortSignal|manifest|[Cc]ompare the call|segmentBytes|ageMs/;

let cwd = "";

beforeEach(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-hints-"));
});

afterEach(() => {
	rmSync(cwd, { recursive: true, force: true });
});

async function failure(...argv: string[]): Promise<{ status: number; code: string; message: string; hint: string }> {
	const io = fakeIo(cwd, ["x"]);
	const status = await main([...argv, "--json"], io.io);
	const last = io.err().trimEnd().split("\n").at(-1) ?? "";
	const { error } = JSON.parse(last) as { error: { code: string; message: string; hint: string } };
	return { status, ...error };
}

const valued = commands.flatMap(({ name, args, options }) =>
	options
		.filter(({ flags }) => flags.includes("<"))
		.map(({ flags }) => ({ name, args, flag: flags.split(" ")[0] ?? "" })),
);

describe("a hint of the command line", () => {
	it.each(Object.keys(errorTable))("of %s is one for a terminal, and says something", (short) => {
		const error = atTerminal(new StreambedError(`STREAMBED_${short}` as ErrorCode, "x"), "append");
		expect(error).toMatchObject({ hint: expect.not.stringMatching(ofTheLibrary) as unknown, message: "x" });
		expect((error as StreambedError).hint.length).toBeGreaterThan(10);
	});

	it.each(valued)(
		"for a wrong value of $name $flag names the option and where to look",
		async ({ name, args, flag }) => {
			const words = args.filter(({ term }) => term.startsWith("<")).map(() => "./data/a/b");
			const { status, message, hint } = await failure(name, ...words, flag, "\u0001");
			expect([2, 3]).toContain(status);
			expect(message).toContain(flag);
			expect(message).not.toMatch(ofTheLibrary);
			expect(hint).not.toMatch(ofTheLibrary);
		},
	);

	it.each([
		["create ./data/a/b --segment-bytes 1", "--segment-bytes"],
		["create ./data/a/b --segment-bytes 2GiB", "--segment-bytes"],
		["create ./data/a/b --retention 0s", "--retention"],
		["create ./data/a/b --retention-bytes 0", "--retention-bytes"],
		["create ./data/a/b --retention-max-bytes 0", "--retention-max-bytes"],
		["append ./data/a/b --producer a:-1:0", "EPOCH of --producer"],
		["append ./data/a/b --producer a:0:x", "SEQ of --producer"],
		["append ./data/a/b --producer :0:0", "--producer"],
	])("for %s names %s", async (argv, option) => {
		const { status, message, hint } = await failure(...argv.split(" "));
		expect(status).toBe(2);
		expect(message).toContain(option);
		expect(`${message} ${hint}`).not.toMatch(ofTheLibrary);
	});

	it("for a folder that may not be written speaks of permissions", () => {
		for (const hint of [undefined, 'Open it with mode "read", or change the permissions of the folder.']) {
			const error = new StreambedError("STREAMBED_READ_ONLY", "x", hint === undefined ? {} : { hint });
			expect(atTerminal(error, "append")).toMatchObject({ hint: expect.stringMatching(/permissions/) as unknown });
		}
	});

	it.each([
		["ENOSPC", "DISK_FULL", /space/],
		["EROFS", "READ_ONLY", /permissions/],
		["EMFILE", "IO", /words/],
	])("for the %s of a file that is no store's is that of %s", (code, short, words) => {
		const error = asStreambedError(Object.assign(new Error(`${code}: words, mkdir`), { code, syscall: "mkdir" }));
		expect(error.code).toBe(`STREAMBED_${short}`);
		const { hint } = atTerminal(error, "export") as StreambedError;
		expect(hint).toMatch(words);
		expect(hint).not.toContain("streams/");
	});

	it("after an interruption speaks of the tail only where something was appended", () => {
		const hint = (command: string): string => {
			return (atTerminal(new StreambedError("STREAMBED_ABORTED", "x"), command) as StreambedError).hint;
		};
		for (const command of ["append", "import"]) expect(hint(command), command).toContain("tail");
		for (const command of ["read", "list", "seal", "verify"]) expect(hint(command), command).not.toMatch(/tail|append/);
	});

	it("that a command gives itself stays", () => {
		const error = new StreambedError("STREAMBED_INVALID_OPTION", "x", { hint: "Answer y." });
		expect(atTerminal(error, "delete")).toBe(error);
		expect(atTerminal("thrown", "delete")).toBe("thrown");
	});

	it.each(["rion decode none.rion", "rion decode .", "append ./data/a/b none.bin", "append ./data/a/b ."])(
		"for the missing input of %s fits every command",
		async (argv) => {
			const { status, hint } = await failure(...argv.split(" "));
			expect(status).toBe(2);
			expect(hint).toMatch(/^Nothing was .* - for standard input/);
		},
	);

	it("for the folder of a store that was given as a name says how to write it", async () => {
		const io = fakeIo(cwd, ["x"]);
		expect(await main(["create", "./data/a/b"], io.io)).toBe(0);
		for (const command of ["verify", "checkpoint", "info", "repair"]) {
			expect((await failure(command, "data")).hint, command).toContain("./data");
		}
		const listing = fakeIo(cwd);
		expect(await main(["list", "data"], listing.io)).toBe(0);
		expect(listing.err()).toContain("./data");
	});

	it("for a stream in the folder of a store that was given as a name says how to write it", async () => {
		for (const stream of ["./other/cam/raw", "./data/a/b"]) {
			expect(await main(["create", stream], fakeIo(cwd).io)).toBe(0);
		}
		for (const command of ["read", "info", "seal"]) {
			expect((await failure(command, "other/cam/raw")).hint, command).toContain("./other/cam/raw");
		}
	});

	it("guesses at another stream only where none of that name was there", async () => {
		expect(await main(["create", "./data/a/b"], fakeIo(cwd).io)).toBe(0);
		expect((await failure("info", "a/bb")).hint).toBe("Did you mean a/b?");
		const missing = await failure("txn", "commit", "a/b", "0b9f5e0a-1c52-4b36-9d3c-3f6f0f6b6c11");
		expect(missing).toMatchObject({ code: "STREAMBED_NOT_FOUND" });
		expect(missing.hint).toContain("txn list");
	});

	it("for a scope where a stream is wanted says what to add", async () => {
		expect(await main(["create", "./data/a/b"], fakeIo(cwd).io)).toBe(0);
		for (const command of ["verify", "repair", "info"]) {
			expect(await failure(command, "./data/a"), command).toMatchObject({
				message: "./data/a names a scope, not a stream",
				hint: "Add to it: ./data/a/stream.",
			});
		}
	});

	it("for a file that is none of a store does not speak of streams", async () => {
		writeFileSync(join(cwd, "other"), "x");
		for (const argv of [
			["dump", "none"],
			["verify", "./other"],
		]) {
			expect((await failure(...argv)).hint).not.toBe(errorTable.NOT_FOUND.hint);
		}
	});
});
