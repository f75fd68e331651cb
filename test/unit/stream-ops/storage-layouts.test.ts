import { describe, expect, it } from "vitest";
import { StreamStorageRootFS } from "../../../src/stream-ops/index.ts";
import { RionWriter } from "../../../src/stream-ops/rion/index.ts";
import { unhex } from "./fixtures.ts";
import { block, fill, offsetsOf, record, storageKit } from "./storage-kit.ts";

const kit = storageKit();
const code = (name: string, details: object = {}): object => ({
	code: `STREAMBED_${name}`,
	details: expect.objectContaining(details),
});

describe("layout 0.6", () => {
	const six = { layout: "0.6" } as const;

	it("has its first offset field from the beginning on, and reopens", async () => {
		await kit.stream(30, six).open();
		expect(kit.read(block(0)).toString("hex")).toBe("f1010100");
		const again = await kit.stream(30, six).open();
		expect([again.nextRecordOffset, await offsetsOf(again)]).toEqual([0, []]);
	});

	it("of 30 bytes takes 24, 24, 24 and 14 of seven records", async () => {
		await fill(kit.stream(30, six), new Array(7).fill(10));
		expect(kit.files()).toEqual({ [block(0)]: 24, [block(2)]: 24, [block(4)]: 24, [block(6)]: 14 });
		expect(await offsetsOf(kit.stream())).toEqual([0, 1, 2, 3, 4, 5, 6]);
	});

	it("begins the block of offset 256 with f1 01 02 01 00", async () => {
		await fill(kit.stream(0, six), new Array(257).fill(2));
		expect(kit.read(block(256)).subarray(0, 5).toString("hex")).toBe("f101020100");
		expect(kit.read(block(255)).subarray(0, 4).toString("hex")).toBe("f10101ff");
	});

	it("skips offsets in the middle of a block, by a field or by the next block's name", async () => {
		const storage = kit.stream(1000, six);
		await storage.openForAppend();
		await storage.append(record(3));
		await storage.incNextRecordOffset();
		await storage.incNextRecordOffset();
		await storage.appendOffset();
		expect(await storage.append(record(3))).toBe(3);
		await storage.incNextRecordOffset();
		expect(await storage.append(record(3))).toBe(5);
		await storage.closeForAppend();
		expect(kit.read(block(0)).toString("hex")).toBe(
			"f1010100" + "010100" + "f1010103" + "010100" + "f1010105" + "010100",
		);
		expect(await offsetsOf(kit.stream())).toEqual([0, 3, 5]);
		expect((await kit.stream().open()).nextRecordOffset).toBe(6);
	});

	it("lets the last of several offset fields count, and ends with one", async () => {
		kit.write(block(0), unhex("f1010100" + "f1010104" + "f1010109" + "2101" + "f1010120"));
		const storage = await kit.stream().open();
		expect(await offsetsOf(storage)).toEqual([9]);
		expect(storage.nextRecordOffset).toBe(0x20);
	});

	it("may be followed by 0.7, and goes on as it is unless told otherwise", async () => {
		await fill(kit.stream(30, six), [10, 10, 10]);
		await fill(kit.stream(30), [10, 10]);
		expect(kit.files()).toEqual({ [block(0)]: 24, [block(2)]: 24, [block(4)]: 14 });
		await fill(kit.stream(30, { layout: "0.7" }), [10, 10, 10, 10]);
		expect(kit.files()).toMatchObject({ [block(4)]: 24, [block(6)]: 30 });
		expect(await offsetsOf(kit.stream())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
		const all = await kit.stream().verify();
		expect(all).toMatchObject({ ok: true, records: 9, nextRecordOffset: 9, problems: [] });
	});

	it("gets its offset field also in an empty block that a crash left", async () => {
		await fill(kit.stream(30, six), [10, 10]);
		kit.write(block(2), new Uint8Array());
		await fill(kit.stream(30), [10]);
		expect(kit.read(block(2)).subarray(0, 4).toString("hex")).toBe("f1010102");
		expect(await offsetsOf(kit.stream())).toEqual([0, 1, 2]);
	});

	it("is refused where an offset field goes back", async () => {
		kit.write(block(0), unhex("f1010100" + "2101" + "2102" + "f1010101" + "2103"));
		kit.write(block(9), unhex("2103"));
		const storage = kit.stream();
		const seen: number[] = [];
		const reading = storage.iterate((offset) => {
			seen.push(offset);
			return undefined;
		});
		await expect(reading).rejects.toMatchObject(code("CORRUPT", { offset: 8 }));
		expect(seen).toEqual([0, 1]);
		await expect(storage.openForAppend()).rejects.toMatchObject(code("CORRUPT", { offset: 8 }));
	});

	it("can be forced, either way", async () => {
		kit.write(block(0), unhex("f1010107" + "2101"));
		expect(await offsetsOf(kit.stream())).toEqual([0, 1]);
		expect(await offsetsOf(kit.stream(30, { readLayout: "0.6" }))).toEqual([7]);
		kit.write(block(0), unhex("f1010100" + "2101"));
		expect(await offsetsOf(kit.stream())).toEqual([0]);
		expect(await offsetsOf(kit.stream(30, { readLayout: "0.7" }))).toEqual([0, 1]);
	});
});

describe("a record that is an extended field of type 1", () => {
	const field = (value: number): Uint8Array => {
		const writer = new RionWriter();
		writer.extended(1, Uint8Array.of(value));
		return writer.finish();
	};

	it("is a record in layout 0.7 where it does not begin a block", async () => {
		const storage = kit.stream();
		await storage.openForAppend();
		await storage.append(record(10));
		await storage.append(field(1));
		await storage.closeForAppend();
		expect(await offsetsOf(kit.stream())).toEqual([0, 1]);
	});

	it("is refused, and it alone, where it would be taken for an offset field", async () => {
		const storage = kit.stream(100);
		await storage.openForAppend();
		const given = [field(0), record(4), field(7), field(0)];
		const results = await Promise.allSettled(given.map((each) => storage.append(each)));
		expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled", "fulfilled"]);
		await storage.closeForAppend();
		expect(await offsetsOf(kit.stream())).toEqual([0, 1, 2]);
		const small = kit.stream(0);
		await small.openForAppend();
		await expect(small.append(field(3))).rejects.toMatchObject(code("INVALID_OPTION"));
		expect(small.nextRecordOffset).toBe(3);
		const six = kit.stream(100, { layout: "0.6" }, "six");
		await six.openForAppend();
		await six.append(record(4));
		await expect(six.append(field(9))).rejects.toMatchObject(code("INVALID_OPTION"));
	});

	it("does not skip offsets in layout 0.7", async () => {
		const storage = kit.stream();
		await storage.openForAppend();
		await expect(storage.incNextRecordOffset()).rejects.toMatchObject(code("UNSUPPORTED"));
		await expect(storage.appendOffset()).rejects.toMatchObject(code("UNSUPPORTED"));
	});
});

describe("options", () => {
	it.each([
		[{ durability: "sync" }],
		[{ layout: "0.5" }],
		[{ check: "none" }],
		[{ lock: 1 }],
		[{ create: "yes" }],
		[{ readBytes: 0 }],
		[{ openFiles: 1 }],
		[{ blockSize: 1 }],
		[null],
	])("%j is refused", (options) => {
		expect(() => kit.stream(1, options as object)).toThrow(expect.objectContaining(code("INVALID_OPTION")));
		expect(() => new StreamStorageRootFS(kit.root, options as object)).toThrow(
			expect.objectContaining(code("INVALID_OPTION")),
		);
	});

	it("are told apart from other arguments", () => {
		expect(() => kit.stream(0.5)).toThrow(expect.objectContaining(code("INVALID_OPTION")));
		expect(() => new StreamStorageRootFS("")).toThrow(expect.objectContaining(code("INVALID_OPTION")));
		expect(() => kit.stream().nextRecordOffset).toThrow(expect.objectContaining(code("CLOSED")));
	});
});
