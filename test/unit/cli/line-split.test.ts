import { describe, expect, it } from "vitest";
import { splitLines, withoutMark } from "../../../src/cli/line-split.ts";

async function* inChunks(text: string, size: number): AsyncGenerator<Uint8Array> {
	const bytes = Buffer.from(text);
	for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function linesOf(text: string, size: number, maxBytes = 100): Promise<string[]> {
	const lines: string[] = [];
	for await (const line of splitLines(inChunks(text, size), maxBytes)) lines.push(Buffer.from(line).toString());
	return lines;
}

describe("lines", () => {
	it.each([1, 2, 3, 100])("end with LF or CRLF, however the input is cut into chunks of %i", async (size) => {
		expect(await linesOf("one\r\n\ntwo\rx\n\r\nlast\r", size)).toEqual(["one", "", "two\rx", "", "last\r"]);
		expect(await linesOf("a\n", size)).toEqual(["a"]);
		expect(await linesOf("", size)).toEqual([]);
	});

	it("that are too long are refused with their number, before all of them has come", async () => {
		let taken = 0;
		async function* endless(): AsyncGenerator<Uint8Array> {
			yield Buffer.from("short\n");
			for (;;) {
				taken++;
				yield Buffer.alloc(10, 0x61);
			}
		}
		const lines = splitLines(endless(), 25);
		expect(Buffer.from((await lines.next()).value as Uint8Array).toString()).toBe("short");
		await expect(lines.next()).rejects.toMatchObject({ code: "STREAMBED_TOO_LARGE", details: { line: 2, limit: 25 } });
		expect(taken).toBe(3);
	});
});

describe("a byte order mark", () => {
	const rest = async (...chunks: number[][]): Promise<number[]> => {
		async function* given(): AsyncGenerator<Uint8Array> {
			for (const chunk of chunks) yield Uint8Array.from(chunk);
		}
		return (await Array.fromAsync(withoutMark(given()))).flatMap((chunk) => [...chunk]);
	};

	it.each([
		[
			[[0xef, 0xbb, 0xbf, 1], [2]],
			[1, 2],
		],
		[
			[[0xef], [0xbb], [], [0xbf, 1], [0xef, 0xbb, 0xbf]],
			[1, 0xef, 0xbb, 0xbf],
		],
		[[[0xef, 0xbb, 0xbf]], []],
		[
			[[0xef, 0xbb], [1]],
			[0xef, 0xbb, 1],
		],
		[[[0xef, 0xbb]], [0xef, 0xbb]],
		[
			[[1], [0xef, 0xbb, 0xbf]],
			[1, 0xef, 0xbb, 0xbf],
		],
		[[], []],
	])("is left out at the beginning only: %j", async (chunks, expected) => {
		expect(await rest(...chunks)).toEqual(expected);
	});
});
