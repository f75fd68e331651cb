import { describe, expect, it } from "vitest";
import { commands } from "../../src/cli/catalog.ts";
import { CliProcess } from "./cli-process.ts";

async function helpOf(...args: string[]): Promise<string> {
	const { code, out, err } = await new CliProcess(args, { cwd: import.meta.dirname }).finish();
	expect({ code, err }).toEqual({ code: 0, err: "" });
	return out;
}

describe("help", () => {
	it("of the program fits 24 lines of 80 columns", async () => {
		const text = await helpOf("--help");
		await expect(text).toMatchFileSnapshot("golden/help.txt");
		expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(24);
		expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
	});

	it.each(commands.map(({ name }) => name))("of %s fits a screen", async (name) => {
		const text = await helpOf(name, "--help");
		await expect(text).toMatchFileSnapshot(`golden/help-${name}.txt`);
		expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
		expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
		expect(text).toContain(`Usage: streambed ${name}`);
		expect(text.match(/^ {2}(streambed|cat|tail)/gm)).toHaveLength(3);
	});

	it("without a command says how to get it, and fails", async () => {
		const { code, err } = await new CliProcess([], { cwd: import.meta.dirname }).finish();
		expect(code).toBe(2);
		expect(err).toContain("streambed --help");
	});

	it("--version is the version of the package", async () => {
		const { default: manifest } = (await import("../../package.json", { with: { type: "json" } })) as {
			default: { version: string };
		};
		expect(await helpOf("--version")).toBe(`${manifest.version}\n`);
	});
});
