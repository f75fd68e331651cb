import { describe, expect, it } from "vitest";
import { type OpenOptions, open, StreambedError } from "../../../src/index.ts";

async function errorOf(url: string, options?: OpenOptions): Promise<StreambedError> {
	const result = await open(url, options).then(
		(store) => store.close(),
		(error: unknown) => error,
	);
	if (StreambedError.is(result)) return result;
	throw new Error(`${url} was opened, or failed otherwise: ${String(result)}`);
}

describe("open", () => {
	it("of memory: gives a new and empty store each time", async () => {
		await using one = await open("memory:");
		await using two = await open("memory:");
		await one.scope("a").create("b");
		expect([one.url, one.durability, one.manifest.engine]).toEqual(["memory:", "memory", "memory"]);
		expect(await two.list()).toEqual([]);
	});

	it("says of servers and Kafka that they come later", async () => {
		for (const url of ["http://127.0.0.1:4440", "https://example.org", "kafka://broker:9092"]) {
			expect((await errorOf(url)).code).toBe("STREAMBED_UNSUPPORTED");
		}
	});

	it("refuses what is no URL of a store, with a hint what it might be", async () => {
		for (const url of [
			"",
			"data",
			"ftp://x",
			"memory:shared",
			"file:",
			"file://host/x",
			"file:///x?y",
			"file:///x#y",
		]) {
			expect([url, (await errorOf(url)).code]).toEqual([url, "STREAMBED_INVALID_OPTION"]);
		}
		expect((await errorOf("data")).hint).toContain("file:./data");
		expect((await errorOf(new URL("file:///x") as unknown as string)).code).toBe("STREAMBED_INVALID_OPTION");
	});

	it("refuses unknown options with the name that was meant, and wrong values", async () => {
		expect((await errorOf("memory:", { durabilty: "os" } as OpenOptions)).hint).toContain("durability");
		const wrong = [
			{ mode: "append" },
			{ durability: "none" },
			{ create: 1 },
			{ limits: { appendByte: 1 } },
			{ limits: { appendBytes: 0 } },
			{ mode: "read", create: true },
		];
		for (const options of wrong) {
			expect((await errorOf("memory:", options as OpenOptions)).code).toBe("STREAMBED_INVALID_OPTION");
		}
	});

	it("refuses to promise what memory cannot keep", async () => {
		for (const options of [{ durability: "sync" }, { mode: "read" }, { create: false }] as OpenOptions[]) {
			expect((await errorOf("memory:", options)).code).toBe("STREAMBED_UNSUPPORTED");
		}
	});

	it("is ABORTED by a signal that is aborted already", async () => {
		expect((await errorOf("memory:", { signal: AbortSignal.abort() })).code).toBe("STREAMBED_ABORTED");
	});
});
