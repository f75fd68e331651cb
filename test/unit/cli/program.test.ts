import { describe, expect, it } from "vitest";
import { commands } from "../../../src/cli/catalog.ts";
import { laterCommands, parse, type Request, scanFlags } from "../../../src/cli/program.ts";
import { StreambedError } from "../../../src/core/errors.ts";

function run(...argv: string[]): Extract<Request, { kind: "run" }> {
	const request = parse(argv, commands);
	if (request.kind !== "run") throw new Error(`${argv.join(" ")} gave ${request.kind}`);
	return request;
}

function refused(...argv: string[]): StreambedError {
	try {
		parse(argv, commands);
	} catch (error) {
		if (StreambedError.is(error)) return error;
		throw error;
	}
	throw new Error(`${argv.join(" ")} was accepted`);
}

describe("arguments of the command line", () => {
	it("takes global options before and after the command", () => {
		for (const argv of [
			["--store", "d", "--json", "--stats", "read", "cam/raw", "--from", "tail"],
			["read", "cam/raw", "--from", "tail", "--stats", "--store=d", "--json"],
		]) {
			const { spec, args, options, global } = run(...argv);
			expect(spec.name).toBe("read");
			expect(args).toEqual(["cam/raw"]);
			expect(options.from).toBe("tail");
			expect(global).toMatchObject({ store: "d", json: true, stats: true, quiet: false, color: true });
		}
	});

	it("takes values that begin with a dash", () => {
		expect(run("read", "cam/raw", "--from", "-15m", "--to=-1s").options).toMatchObject({ from: "-15m", to: "-1s" });
		expect(run("append", "cam/raw", "-").args).toEqual(["cam/raw", "-"]);
		expect(run("append", "cam/raw", "--", "--json").args).toEqual(["cam/raw", "--json"]);
		expect(run("append", "cam/raw", "--", "--json").global.json).toBe(false);
	});

	it("gathers repeated tags", () => {
		expect(run("create", "a/b", "--tag", "x=1", "--tag", "y=2").options.tag).toEqual(["x=1", "y=2"]);
	});

	it("completes a command that is begun unmistakably, and only then", () => {
		expect(run("ver").spec.name).toBe("verify");
		expect(run("--store", "d", "trunc", "a/b").spec.name).toBe("truncate");
		expect(refused("re", "a/b").message).toContain('unknown command "re"');
	});

	it("names the nearest command and option for a misspelt one", () => {
		expect(refused("apend", "a/b").hint).toContain("Did you mean append?");
		expect(refused("read", "a/b", "--folow").hint).toContain("Did you mean --follow?");
		expect(refused("help", "reed").hint).toContain("Did you mean read?");
		expect(refused("frobnicate").hint).toContain("streambed --help");
	});

	it("does the same where help is asked for", () => {
		for (const argv of [
			["raed", "--help"],
			["--store", "d", "raed", "-h"],
			["--json", "raed", "a/b", "--help"],
			["--help", "raed"],
		]) {
			const { message, hint } = refused(...argv);
			expect([message, hint], argv.join(" ")).toEqual([
				'unknown command "raed"',
				"Did you mean read? See: streambed --help",
			]);
		}
		for (const argv of [["--help"], ["--store", "raed", "--help"], ["read", "raed", "--help"], ["help"]]) {
			expect(parse(argv, commands).kind, argv.join(" ")).toBe("help");
		}
	});

	it("refuses missing and surplus arguments", () => {
		for (const argv of [["read"], ["seal", "a/b", "c/d"], ["read", "a/b", "--from"], ["info", "--json=1"], []]) {
			expect(refused(...argv).code).toBe("STREAMBED_INVALID_OPTION");
		}
	});

	it.each(Object.keys(laterCommands))("says of the later command %s that it is not supported", (name) => {
		for (const argv of [[name], [name, "--help"], [name, "list", "a/b", "--yes"], ["help", name]]) {
			expect(refused(...argv).code).toBe("STREAMBED_UNSUPPORTED");
		}
	});

	it.each(commands.flatMap((spec) => spec.later.map((option) => [spec.name, option.flags] as const)))(
		"says of the later option %s %s that it is not supported",
		(name, flags) => {
			const [flag = "", value] = flags.split(" ");
			const error = refused(name, "a/b", flag, ...(value === undefined ? [] : ["x"]));
			expect(error.code).toBe("STREAMBED_UNSUPPORTED");
			expect(error.message).toContain(`${name} ${flag}`);
		},
	);

	it("shows no later command or option in a help", () => {
		const top = parse(["--help"], commands);
		const text = top.kind === "help" ? top.text : "";
		for (const name of Object.keys(laterCommands)) expect(text).not.toMatch(new RegExp(`(^|  )${name} `, "m"));
		for (const spec of commands) {
			const help = parse([spec.name, "--help"], commands);
			for (const { flags } of spec.later) expect(help.kind === "help" && help.text.includes(`${flags} `)).toBe(false);
		}
	});

	it("answers help and version wherever they stand", () => {
		expect(parse(["--version"], commands).kind).toBe("version");
		expect(parse(["-V"], commands).kind).toBe("version");
		for (const argv of [["-h"], ["help"], ["read", "-h"], ["help", "read"], ["read", "a/b", "--help"]]) {
			expect(parse(argv, commands).kind).toBe("help");
		}
	});

	it("knows the flags that shape errors before the arguments are understood", () => {
		expect(scanFlags(["--wrong", "--json", "--stats", "--no-color"])).toEqual({
			json: true,
			stats: true,
			quiet: false,
			verbose: false,
			color: false,
		});
		expect(scanFlags(["append", "a/b", "--", "--json"]).json).toBe(false);
	});
});
