import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AddressContext, chosenStore, isPath, resolvePrefix, resolveStream } from "../../../src/cli/address.ts";

let cwd = "";

beforeAll(() => {
	cwd = mkdtempSync(join(tmpdir(), "streambed-address-"));
	for (const store of ["data", "data/cam", "outer/inner", "streams"]) {
		mkdirSync(join(cwd, store), { recursive: true });
		writeFileSync(join(cwd, store, "store.json"), "{}");
	}
	rmSync(join(cwd, "data/cam/store.json"));
	mkdirSync(join(cwd, "data/streams/cam/raw.stream"), { recursive: true });
	mkdirSync(join(cwd, "elsewhere/deep"), { recursive: true });
});

afterAll(() => rmSync(cwd, { recursive: true, force: true }));

function context(more: Partial<AddressContext> = {}): AddressContext {
	return { store: undefined, environment: undefined, cwd, ...more };
}

function resolved(text: string, more: Partial<AddressContext> = {}, create = false): string {
	const { scope, stream, store } = resolveStream(text, context(more), create);
	return `${store.path.slice(cwd.length)} ${scope} ${stream}`;
}

function code(text: string, more: Partial<AddressContext> = {}, create = false): string {
	try {
		return resolved(text, more, create);
	} catch (error) {
		return (error as { code: string }).code;
	}
}

describe("addresses of streams", () => {
	it("takes scope/stream in ./data unless told otherwise", () => {
		expect(resolved("cam/raw")).toBe("/data cam raw");
		expect(resolved("cam/a/b c/#")).toBe("/data cam a/b c/#");
	});

	it("prefers --store to STREAMBED_STORE, and an empty variable counts as unset", () => {
		expect(resolved("cam/raw", { environment: "from-env" })).toBe("/from-env cam raw");
		expect(resolved("cam/raw", { environment: "from-env", store: "./from-option" })).toBe("/from-option cam raw");
		expect(resolved("cam/raw", { environment: "" })).toBe("/data cam raw");
		expect(chosenStore(context({ store: "file:x y%20z" })).path).toBe(join(cwd, "x y%20z"));
		expect(chosenStore(context({ store: "file:///a%20b" })).path).toBe("/a b");
	});

	it("finds the store at the longest prefix of a path that holds store.json", () => {
		expect(resolved("./data/cam/raw")).toBe("/data cam raw");
		expect(resolved("./data//cam/./raw/")).toBe("/data cam raw");
		expect(resolved("./outer/inner/a/b/c")).toBe("/outer/inner a b/c");
		expect(resolved(join(cwd, "data/cam/raw"))).toBe("/data cam raw");
		expect(resolved("../data/cam/raw", { cwd: join(cwd, "elsewhere") }).replace(/^\/\.\./, "")).toBe("/data cam raw");
		expect(resolved("file:./data/cam/raw")).toBe("/data cam raw");
		expect(resolved(`file://${cwd}/data/cam/raw`)).toBe("/data cam raw");
	});

	it("understands a stream's own folder as tab completion gives it, from outside and inside the store", () => {
		expect(resolved("./data/streams/cam/raw.stream/")).toBe("/data cam raw");
		expect(resolved("./data/streams/web%3Aprod/a%2Estream.stream/")).toBe("/data web:prod a.stream");
		expect(resolved("./raw.stream/", { cwd: join(cwd, "data/streams/cam") })).toBe("/data cam raw");
		expect(resolved("./streams/cam/raw.stream", { cwd: join(cwd, "data") })).toBe("/data cam raw");
	});

	it("keeps a scope called streams apart from the folder of streams", () => {
		expect(resolved("./data/streams/raw")).toBe("/data streams raw");
		expect(resolved("./streams/cam/raw")).toBe("/streams cam raw");
	});

	it("makes a store for create and append from what precedes the last two parts", () => {
		expect(resolved("./new/cam/raw", {}, true)).toBe("/new cam raw");
		expect(resolved("./a/b/c/cam/raw", {}, true)).toBe("/a/b/c cam raw");
		expect(resolved("./cam/raw", { cwd: join(cwd, "elsewhere/deep") }, true)).toBe("/elsewhere/deep cam raw");
		expect(code("./raw", {}, true)).toBe("STREAMBED_INVALID_NAME");
		expect(code("../raw", {}, true)).toBe("STREAMBED_INVALID_NAME");
	});

	it("says NOT_FOUND for a path without a store to commands that make none", () => {
		expect(code("./new/cam/raw")).toBe("STREAMBED_NOT_FOUND");
		expect(code("/nowhere/cam/raw")).toBe("STREAMBED_NOT_FOUND");
	});

	it("refuses a path together with --store, and lets it win over STREAMBED_STORE", () => {
		expect(code("./data/cam/raw", { store: "x" })).toBe("STREAMBED_INVALID_OPTION");
		expect(resolved("./data/cam/raw", { environment: "from-env" })).toBe("/data cam raw");
	});

	it("refuses a store or a scope where a stream is meant", () => {
		expect(code("./data")).toBe("STREAMBED_INVALID_NAME");
		expect(code("./data/cam")).toBe("STREAMBED_INVALID_NAME");
		expect(code("cam")).toBe("STREAMBED_INVALID_NAME");
		expect(code(".")).toBe("STREAMBED_NOT_FOUND");
	});

	it.each([
		"../x",
		"cam/..",
		"cam/a\u0000b",
		`cam/${"x".repeat(300)}`,
		"",
		"/",
		"cam//raw",
		"_streambed/x",
		"cam/",
		"cam/\ufffd",
	])("never resolves the name %j to a stream", (text) => {
		expect(code(text)).toMatch(/^STREAMBED_(INVALID_NAME|NOT_FOUND)$/);
	});

	it("says of schemes that are not files that they are not supported", () => {
		for (const text of ["http://localhost:4440/cam/raw", "kafka://broker/cam/raw", "s3://bucket/cam/raw"]) {
			expect(code(text)).toBe("STREAMBED_UNSUPPORTED");
			expect(code("cam/raw", { store: text })).toBe("STREAMBED_UNSUPPORTED");
		}
		expect(code("cam/raw", { store: "memory:" })).toBe("STREAMBED_INVALID_OPTION");
		expect(code("cam/raw", { store: "" })).toBe("STREAMBED_INVALID_OPTION");
	});

	it("takes a colon in a scope for a part of its name", () => {
		expect(isPath("web:prod/clicks")).toBe(false);
		expect(resolved("web:prod/clicks")).toBe("/data web:prod clicks");
	});
});

describe("prefixes for list and verify", () => {
	it("takes a path to a store, and what follows as a prefix", () => {
		const prefix = (text: string | undefined): [string, string] => {
			const { store, prefix } = resolvePrefix(text, context());
			return [store.path.slice(cwd.length), prefix];
		};
		expect(prefix(undefined)).toEqual(["/data", ""]);
		expect(prefix("cam/r")).toEqual(["/data", "cam/r"]);
		expect(prefix("./data")).toEqual(["/data", ""]);
		expect(prefix("./data/")).toEqual(["/data", ""]);
		expect(prefix("./data/cam/")).toEqual(["/data", "cam/"]);
		expect(prefix("./data/ca")).toEqual(["/data", "ca"]);
		expect(prefix("./data/streams/cam/raw.stream/")).toEqual(["/data", "cam/raw"]);
		expect(() => prefix("./none")).toThrow(expect.objectContaining({ code: "STREAMBED_NOT_FOUND" }));
	});
});
