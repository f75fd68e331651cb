/** What a stream's storage does, case by case; the bytes are those of Stream Ops for Java. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { StreamStorageFSRoot, StreamStorageRootFS } from "../../../src/stream-ops/index.ts";
import { encode } from "../../../src/stream-ops/rion/index.ts";
import { unhex } from "./fixtures.ts";
import { block, fill, offsetsOf, record, storageKit } from "./storage-kit.ts";

const kit = storageKit();
const code = (name: string, details: object = {}): object => ({
	code: `STREAMBED_${name}`,
	details: expect.objectContaining(details),
});

describe("a new stream", () => {
	it("has its folder, no file, next offset 0, and one block of length 0 in its list", async () => {
		const storage = await new StreamStorageRootFS(kit.root).createStreamStorage("s");
		expect(kit.files()).toEqual({});
		expect(storage.nextRecordOffset).toBe(0);
		expect(await storage.getStorageBlocks()).toMatchObject([{ fileName: block(0), firstOffset: 0, fileLength: 0 }]);
	});

	it("has one empty file once it was opened for append and closed", async () => {
		await fill(kit.stream(), []);
		expect(kit.files()).toEqual({ [block(0)]: 0 });
	});

	it("has no record to read where it was never opened, and no error", async () => {
		const storage = kit.stream();
		expect(await offsetsOf(storage)).toEqual([]);
		const buffer = new Uint8Array(4);
		const [first] = await storage.getStorageBlocks();
		await expect(storage.readBytes(first as { fileName: string }, 0, buffer)).rejects.toMatchObject(code("NOT_FOUND"));
	});

	it("is not made with create: false", async () => {
		await expect(kit.stream(20, { create: false }).open()).rejects.toMatchObject(code("NOT_FOUND"));
		expect(readdirSync(kit.root)).toEqual([]);
	});

	it.each(["", ".", "..", ".streambed-locks", "a/b", "a\\b", "a\0b", "x".repeat(239), "\ud800"])(
		"refuses the id %j",
		async (id) => {
			const root = new StreamStorageFSRoot(kit.root);
			await expect(root.createStreamStorage(id)).rejects.toMatchObject({ code: "STREAMBED_INVALID_NAME" });
			expect(readdirSync(kit.root)).toEqual([]);
		},
	);

	it("is listed by its root once it has a file; what else lies there is not", async () => {
		const root = new StreamStorageRootFS(`${kit.root}/`);
		for (const id of ["b", "a-1"]) await fill(await root.createStreamStorage(id), [10]);
		await root.createStreamStorage("empty");
		mkdirSync(join(kit.root, "other"));
		expect(root.rootDir).toBe(kit.root);
		expect(await root.listStreams()).toEqual(["a-1", "b"]);
	});
});

describe("blocks", () => {
	it("hold the seed's three records and nothing else", async () => {
		const records = ["01080001020304050607", "01080706050403020100", "01080001020303020100"].map(unhex);
		const storage = kit.stream();
		await storage.openForAppend();
		for (const each of records) await storage.appendRecord(each, 0, each.length);
		await storage.closeForAppend();
		expect(kit.read(block(0))).toEqual(Buffer.concat(records));
	});

	it.each<[string, number, number[], Record<number, number>]>([
		["of 20 bytes take 10, 10, 6 and 6 as 20 and 12", 20, [10, 10, 6, 6], { 0: 20, 2: 12 }],
		["of 30 bytes are filled to exactly that", 30, [10, 10, 10, 10, 10, 10, 10], { 0: 30, 3: 30, 6: 10 }],
		["of 29 bytes take two records of 10", 29, [10, 10, 10], { 0: 20, 2: 10 }],
		["take a first record that is larger than they may be, alone", 20, [32], { 0: 32 }],
		["take a larger record alone in the middle", 20, [10, 10, 32, 10], { 0: 20, 2: 32, 3: 10 }],
		["of 0 bytes hold one record each", 0, [10, 2, 3], { 0: 10, 1: 2, 2: 3 }],
		["of less than 0 bytes hold one record each", -5, [10, 2], { 0: 10, 1: 2 }],
	])("%s", async (_, max, lengths, expected) => {
		const storage = kit.stream(max);
		await fill(storage, lengths);
		const files = Object.fromEntries(Object.entries(expected).map(([at, bytes]) => [block(Number(at)), bytes]));
		expect(kit.files()).toEqual(files);
		expect(await storage.getStorageBlocks()).toHaveLength(Object.keys(files).length);
		expect(await offsetsOf(storage)).toEqual(lengths.map((_, i) => i));
	});

	it("are the same whether records are appended one by one, all at once, or together", async () => {
		const lengths = Array.from({ length: 200 }, (_, i) => 2 + ((i * 7) % 40));
		const records = lengths.map((length, i) => record(length, i));
		for (const [id, how] of Object.entries({
			one: async (append: (bytes: Uint8Array) => Promise<number>) => {
				for (const each of records) await append(each);
			},
			all: async (append: (bytes: Uint8Array) => Promise<number>) => {
				expect(await Promise.all(records.map((each) => append(each)))).toEqual(records.map((_, i) => i));
			},
		})) {
			const storage = kit.stream(100, {}, id);
			await storage.openForAppend();
			await how((bytes) => storage.append(bytes));
			await storage.closeForAppend();
		}
		const together = kit.stream(100, {}, "two");
		await together.openForAppend();
		expect(await together.appendRecords(records.slice(0, 150))).toBe(0);
		expect(await together.appendRecords(records.slice(150))).toBe(150);
		await together.closeForAppend();
		const contents = (id: string): unknown[] =>
			Object.keys(kit.files(id)).map((name) => [name.slice(id.length), kit.read(name, id).toString("hex")]);
		expect(contents("all")).toEqual(contents("one"));
		expect(contents("two")).toEqual(contents("one"));
	});

	it("are named in steps of five from 0000 to 00FF, in upper case, when 260 records stand five in a block", async () => {
		await fill(kit.stream(50), new Array(260).fill(10));
		expect(Object.keys(kit.files())).toEqual(Array.from({ length: 52 }, (_, i) => block(i * 5)));
	});

	it("read with any number of bytes at once give all records in order", async () => {
		await fill(kit.stream(30), [10, 10, 10, 2, 15, 40, 10, 10]);
		for (let readBytes = 1; readBytes < 50; readBytes++) {
			expect(await offsetsOf(kit.stream(30, { readBytes }))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
		}
	});
});

describe("a stream that is reopened", () => {
	it("goes on in the same block", async () => {
		const storage = kit.stream();
		await fill(storage, [10]);
		await fill(storage, [10]);
		expect(kit.files()).toEqual({ [block(0)]: 20 });
		expect(storage.nextRecordOffset).toBe(2);
	});

	it("counts on in its one block", async () => {
		await fill(kit.stream(), [10, 10]);
		expect((await kit.stream().open()).nextRecordOffset).toBe(2);
	});

	it("counts on behind several blocks, and not from their last one as Java does", async () => {
		await fill(kit.stream(20), [10, 10, 10, 10, 10]);
		const again = kit.stream(20);
		expect((await again.open()).nextRecordOffset).toBe(5);
		const before = [block(0), block(2)].map((name) => kit.read(name));
		await fill(again, [10, 10, 10]);
		expect(kit.files()).toEqual({ [block(0)]: 20, [block(2)]: 20, [block(4)]: 20, [block(6)]: 20 });
		expect([block(0), block(2)].map((name) => kit.read(name))).toEqual(before);
	});

	it("may have dashes in its id", async () => {
		await fill(kit.stream(20, {}, "a-0000000000000007-b"), [10, 10, 10]);
		const again = await kit.stream(20, {}, "a-0000000000000007-b").open();
		expect(again.nextRecordOffset).toBe(3);
		expect((await again.getStorageBlocks()).map(({ firstOffset }) => firstOffset)).toEqual([0, 2]);
	});

	it("ignores other files and folders", async () => {
		await fill(kit.stream(), [10, 10]);
		for (const name of ["notes.txt", ".hidden", `${block(9)}.part`, "s-000000000000000a", "t-000000000000000A"]) {
			kit.write(name, record(10));
		}
		mkdirSync(join(kit.root, "s", block(0x10)));
		const storage = await kit.stream().open();
		expect(storage.nextRecordOffset).toBe(2);
		expect(await offsetsOf(storage)).toEqual([0, 1]);
	});

	it("goes on in an empty last block, at the offset that its name tells", async () => {
		await fill(kit.stream(30), new Array(7).fill(10));
		kit.write(block(7), new Uint8Array());
		const storage = await kit.stream(30).open();
		expect(storage.nextRecordOffset).toBe(7);
		await fill(storage, [10]);
		expect(kit.files()[block(7)]).toBe(10);
	});

	it("refuses names beyond 2^53 - 1, and appends there", async () => {
		kit.write(block(0), record(10));
		kit.write("s-0020000000000000", record(10));
		await expect(kit.stream().open()).rejects.toMatchObject(code("UNSUPPORTED"));
		kit.write("t-001FFFFFFFFFFFFE", record(10), "t");
		const last = kit.stream(0, {}, "t");
		await last.openForAppend();
		await expect(last.append(record(10))).rejects.toMatchObject(code("LIMIT_EXCEEDED"));
		expect(last.nextRecordOffset).toBe(Number.MAX_SAFE_INTEGER);
	});

	it("is another one where its folder was removed and made again", async () => {
		const storage = kit.stream(20);
		await fill(storage, [10, 10, 10]);
		expect(await offsetsOf(storage)).toEqual([0, 1, 2]);
		rmSync(join(kit.root, "s"), { recursive: true });
		await fill(kit.stream(20), [10, 7]);
		const bytes = (await Array.fromAsync(storage.records())).map((each) => each.bytes.length);
		expect(bytes).toEqual([10, 7]);
		expect(storage.nextRecordOffset).toBe(2);
	});

	it("shows what others added since, when it is read again", async () => {
		const writer = kit.stream(20);
		const reader = await kit.stream(20).open();
		await fill(writer, [10, 10, 10]);
		expect(await offsetsOf(reader)).toEqual([0, 1, 2]);
		await fill(writer, [10, 10, 10]);
		expect(await offsetsOf(reader)).toEqual([0, 1, 2, 3, 4, 5]);
		await fill(writer, [10]);
		await reader.refresh();
		expect(reader.nextRecordOffset).toBe(7);
	});
});

describe("appending", () => {
	it("is refused while the stream is not open for it, whether or not a new block would be needed", async () => {
		const storage = await kit.stream(10).open();
		await expect(storage.append(record(10))).rejects.toMatchObject(code("CLOSED"));
		await expect(storage.appendRecords([record(10)])).rejects.toMatchObject(code("CLOSED"));
		await expect(storage.flush()).rejects.toMatchObject(code("CLOSED"));
		await storage.closeForAppend();
		await fill(storage, [10]);
		for (const length of [2, 10]) await expect(storage.append(record(length))).rejects.toMatchObject(code("CLOSED"));
		await storage.closeForAppend();
		expect(kit.files()).toEqual({ [block(0)]: 10 });
	});

	it("takes a part of the source, and refuses a part that is not in it, with no change and no empty block", async () => {
		const storage = kit.stream(10);
		await storage.openForAppend();
		const source = unhex("ffff01020a0b2107ffff");
		expect(await storage.append(source, 2, 4)).toBe(0);
		for (const [start, length] of [
			[2, 15],
			[-1, 4],
			[11, 0],
			[2, -1],
			[0.5, 2],
		]) {
			await expect(storage.append(source, start, length)).rejects.toMatchObject(code("INVALID_OPTION"));
		}
		expect(storage.nextRecordOffset).toBe(1);
		expect(kit.files()).toEqual({ [block(0)]: 4 });
	});

	it.each([
		["nothing", ""],
		["two fields", "21012102"],
		["a field that is cut in its value", "010501"],
		["a field that is cut in its length", "02"],
		["a field that is cut behind its type", "f1"],
		["a length of 8 bytes ff", "08ffffffffffffffff"],
	])("refuses %s, with no change", async (_, hex) => {
		const storage = kit.stream(4);
		await storage.openForAppend();
		await storage.append(record(4));
		await expect(storage.append(unhex(hex))).rejects.toMatchObject(code("DECODE"));
		await expect(storage.appendRecords([record(4), unhex(hex)])).rejects.toMatchObject(code("DECODE"));
		expect(storage.nextRecordOffset).toBe(1);
		expect(kit.files()).toEqual({ [block(0)]: 4 });
	});

	it("refuses what is no record at all", async () => {
		const storage = kit.stream();
		await storage.openForAppend();
		await expect(storage.append("text" as unknown as Uint8Array)).rejects.toMatchObject(code("INVALID_OPTION"));
		await expect(storage.appendRecords([])).rejects.toMatchObject(code("INVALID_OPTION"));
		await expect(storage.appendRecords(undefined as unknown as [])).rejects.toMatchObject(code("INVALID_OPTION"));
	});

	it("is for one instance at a time, in this process", async () => {
		const first = kit.stream();
		await first.openForAppend();
		expect(await first.openForAppend()).toBeNull();
		await expect(kit.stream().openForAppend()).rejects.toMatchObject(code("LOCKED"));
		await expect(kit.stream(20, { lock: false }).openForAppend()).rejects.toMatchObject(code("LOCKED"));
		await first.append(record(10));
		await first.closeForAppend();
		const second = kit.stream();
		await second.openForAppend();
		expect(second.nextRecordOffset).toBe(1);
	});

	it("has a bound of bytes that wait", async () => {
		const storage = kit.stream();
		await storage.openForAppend();
		const large = record(40 * 1024 * 1024);
		const first = storage.append(large);
		await expect(storage.append(large)).rejects.toMatchObject(code("LIMIT_EXCEEDED"));
		expect(await first).toBe(0);
		expect(await storage.append(record(10))).toBe(1);
	});

	it("closes with `await using`", async () => {
		{
			await using storage = kit.stream();
			await storage.openForAppend();
			await storage.append(record(10));
		}
		expect(readdirSync(kit.root)).toEqual(["s"]);
	});
});

describe("reading", () => {
	it("bytes of a block ends at its end: 5 of 100 from byte 25 of 30, and -1 from byte 30", async () => {
		const storage = kit.stream(30);
		await fill(storage, [10, 10, 10, 10]);
		const [first] = await storage.getStorageBlocks();
		const dest = new Uint8Array(100);
		expect(await storage.readBytes(first as { fileName: string }, 25, dest, 0, 100)).toBe(5);
		expect(await storage.readFromBlock(first as { fileName: string }, 30, dest)).toBe(-1);
		expect(await storage.readFromBlockContainingOffset(3, 0, dest)).toBe(10);
		expect(await storage.readFromBlockContainingOffset(4, 0, dest)).toBe(0);
		expect(await storage.readBytes(first as { fileName: string }, Number.MAX_SAFE_INTEGER, dest)).toBe(-1);
		await expect(storage.readBytes(first as { fileName: string }, 2 ** 53, dest)).rejects.toMatchObject(
			code("INVALID_OPTION"),
		);
	});

	it("ends when the processor says so, and goes on after one that threw", async () => {
		const storage = kit.stream(20);
		await fill(storage, [10, 10, 10]);
		const seen: number[] = [];
		await storage.iterate((offset) => {
			seen.push(offset);
			return seen.length < 2;
		});
		expect(seen).toEqual([0, 1]);
		const broken = storage.iterate(() => {
			throw new Error("mine");
		});
		await expect(broken).rejects.toThrow("mine");
		await fill(storage, [10]);
		expect(await offsetsOf(storage)).toEqual([0, 1, 2, 3]);
	});

	it("from an offset begins there, without reading the blocks before it", async () => {
		const storage = kit.stream(30);
		await fill(storage, new Array(6).fill(10));
		kit.write(block(0), unhex("05"));
		const seen: number[] = [];
		await storage.iterateFromOffset(4, (offset) => {
			seen.push(offset);
			return undefined;
		});
		expect(seen).toEqual([4, 5]);
	});

	it("from the end on gives nothing, from before the beginning everything, and up to an offset what is before it", async () => {
		const storage = kit.stream(30);
		await fill(storage, new Array(7).fill(10));
		const read = async (options: { from?: number; to?: number }): Promise<number[]> =>
			(await Array.fromAsync(storage.records(options))).map(({ offset }) => offset);
		expect(await read({ from: 7 })).toEqual([]);
		expect(await read({ from: 1e15 })).toEqual([]);
		expect(await read({ from: -5 })).toEqual([0, 1, 2, 3, 4, 5, 6]);
		expect(await read({ from: 2, to: 5 })).toEqual([2, 3, 4]);
		expect(await read({ to: 3 })).toEqual([0, 1, 2]);
		expect(await read({ to: 0 })).toEqual([]);
	});

	it("gives records that stay as they are while more is read", async () => {
		const storage = kit.stream(1000, { readBytes: 64 });
		const lengths = Array.from({ length: 300 }, (_, i) => 2 + (i % 30));
		await fill(storage, lengths);
		const records = await Array.fromAsync(storage.records());
		records.forEach(({ bytes }, i) => {
			expect(bytes).toEqual(record(lengths[i] as number, i));
		});
	});

	it("can be ended by a signal, and refuses options that it does not know", async () => {
		const storage = kit.stream(20);
		await fill(storage, [10, 10, 10]);
		const controller = new AbortController();
		const seen: number[] = [];
		const reading = (async () => {
			for await (const { offset } of storage.records({ signal: controller.signal })) {
				seen.push(offset);
				controller.abort();
			}
		})();
		await expect(reading).rejects.toMatchObject({ code: "STREAMBED_ABORTED" });
		expect(seen).toEqual([0, 1]);
		expect(() => storage.records({ start: 1 } as object)).toThrow(expect.objectContaining(code("INVALID_OPTION")));
		expect(() => storage.records({ from: 0.5 })).toThrow(expect.objectContaining(code("INVALID_OPTION")));
	});

	it("finds records in the middle of large blocks again, by the marks of the reading before", async () => {
		const storage = kit.stream();
		await storage.openForAppend();
		await storage.appendRecords(Array.from({ length: 5000 }, (_, i) => encode({ i, text: "x".repeat(i % 300) })));
		for (const from of [4999, 0, 2500, 17, 4000, 2499]) {
			let next = from;
			for await (const { offset, byteOffset, block } of storage.records({ from, to: from + 100 })) {
				expect(offset).toBe(next++);
				const lead = new Uint8Array(1);
				await storage.readBytes({ fileName: block }, byteOffset, lead);
				expect((lead[0] as number) >> 4).toBe(12);
			}
			expect(next).toBe(Math.min(from + 100, 5000));
		}
	});
});
