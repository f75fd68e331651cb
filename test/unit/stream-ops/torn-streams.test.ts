/** Streams that a crash, a disk or somebody's hand has damaged: what is whole is read, and nothing more. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { decode, encode } from "../../../src/stream-ops/rion/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { unhex } from "./fixtures.ts";
import { block, fill, offsetsOf, record, storageKit } from "./storage-kit.ts";

const kit = storageKit();
const code = (name: string, details: object = {}): object => ({
	code: `STREAMBED_${name}`,
	details: expect.objectContaining(details),
});

describe("a torn last block", () => {
	const whole = Buffer.concat([record(10, 1), record(10, 2)]);
	const last = record(300, 3);

	it.each([
		["in its value", 10],
		["behind its head", 3],
		["inside its length", 2],
		["behind its first byte", 1],
	])("cut %s gives all whole records, and tells block and byte", async (_, kept) => {
		kit.write(block(0), record(10, 0));
		kit.write(block(1), Buffer.concat([whole, last.subarray(0, kept)]));
		const tornTail = { block: block(1), validLength: 20, tornBytes: kept };
		const storage = await kit.stream().open();
		expect(storage.tornTail).toEqual(tornTail);
		expect(storage.nextRecordOffset).toBe(3);
		expect(await storage.verify()).toMatchObject({ ok: true, records: 3, tornTail, problems: [] });
		const records = storage.records();
		expect((await Array.fromAsync(records)).map(({ offset }) => offset)).toEqual([0, 1, 2]);
		expect(records.tornTail).toEqual(tornTail);
		expect(kit.files()).toEqual({ [block(0)]: 10, [block(1)]: 20 + kept });
	});

	it("is cut off by openForAppend, kept beside the stream, and hides nothing that comes after it", async () => {
		for (let round = 1; round <= 3; round++) {
			const stump = last.subarray(0, 7 * round);
			kit.write(block(0), Buffer.concat([whole, stump]));
			const storage = kit.stream();
			const cut = await storage.openForAppend();
			expect(cut).toMatchObject({ block: block(0), validLength: 20, tornBytes: stump.length });
			expect(readFileSync(cut?.savedTo as string)).toEqual(Buffer.from(stump));
			expect(storage.tornTail).toBeNull();
			expect(await storage.append(record(10, 9))).toBe(2);
			await storage.closeForAppend();
			expect(kit.read(block(0))).toEqual(Buffer.concat([whole, record(10, 9)]));
			expect(await offsetsOf(kit.stream())).toEqual([0, 1, 2]);
			expect(readdirSync(join(kit.root, "s.torn"))).toHaveLength(round);
		}
	});

	it("that is torn at its very beginning keeps its name", async () => {
		await fill(kit.stream(10), [10]);
		kit.write(block(1), last.subarray(0, 5));
		const storage = kit.stream(10);
		expect(await storage.openForAppend()).toMatchObject({ block: block(1), validLength: 0 });
		expect(storage.nextRecordOffset).toBe(1);
		await storage.append(record(10));
		expect(kit.files()).toEqual({ [block(0)]: 10, [block(1)]: 10 });
	});

	it("of layout 0.6 that is torn in its offset field gets a new one", async () => {
		const six = { layout: "0.6" } as const;
		await fill(kit.stream(14, six), [10]);
		kit.write(block(1), unhex("f101"));
		const storage = kit.stream(14, six);
		expect(await storage.openForAppend()).toMatchObject({ validLength: 0, tornBytes: 2 });
		await storage.append(record(10));
		expect(kit.read(block(1)).subarray(0, 4).toString("hex")).toBe("f1010101");
		expect(await offsetsOf(kit.stream())).toEqual([0, 1]);
	});

	it("may be torn by a length that is damaged: what lies behind it is kept", async () => {
		const bytes = Buffer.concat([record(10), record(10), record(10)]);
		bytes[11] = 0xff;
		kit.write(block(0), bytes);
		const cut = await kit.stream().openForAppend();
		expect(cut).toMatchObject({ validLength: 10, tornBytes: 20 });
		expect(readFileSync(cut?.savedTo as string)).toEqual(bytes.subarray(10));
	});
});

describe("damage further back", () => {
	it("of a middle block that is cut short: appending is refused, reading gives what is before it and an error", async () => {
		await fill(kit.stream(30), new Array(7).fill(10));
		kit.write(block(3), kit.read(block(3)).subarray(0, 25));
		const storage = kit.stream(30);
		await expect(storage.openForAppend()).rejects.toMatchObject(code("CORRUPT", { offset: 20, block: block(3) }));
		const seen: number[] = [];
		const reading = storage.iterate((offset) => {
			seen.push(offset);
			return undefined;
		});
		await expect(reading).rejects.toMatchObject(code("CORRUPT", { offset: 20 }));
		expect(seen).toEqual([0, 1, 2, 3, 4]);
		expect((await storage.verify()).problems).toMatchObject([
			{ kind: "tornMiddleBlock", block: block(3), offset: 20 },
			{ kind: "gap", from: 5, to: 5 },
		]);
		expect(readdirSync(kit.root)).toEqual(["s"]);
		const trusting = kit.stream(30, { check: "last" });
		await trusting.openForAppend();
		expect(trusting.nextRecordOffset).toBe(7);
	});

	it("of two blocks that overlap", async () => {
		await fill(kit.stream(30), [10, 10, 10]);
		kit.write(block(2), record(10));
		const storage = kit.stream(30);
		await expect(storage.openForAppend()).rejects.toMatchObject(code("CORRUPT", { kind: "overlap", offset: 20 }));
		const seen: number[] = [];
		const reading = storage.iterate((offset) => {
			seen.push(offset);
			return undefined;
		});
		await expect(reading).rejects.toMatchObject(code("CORRUPT"));
		expect(seen).toEqual([0, 1]);
		expect(await storage.verify()).toMatchObject({ ok: false, problems: [{ kind: "overlap", block: block(0) }] });
	});

	it("of a missing block is a gap: offsets stay, and appending goes on", async () => {
		await fill(kit.stream(30), new Array(7).fill(10));
		const disk = nodeDisk();
		await disk.unlink(join(kit.root, "s", block(3)));
		const storage = kit.stream(30);
		expect(await offsetsOf(storage)).toEqual([0, 1, 2, 6]);
		expect((await storage.verify()).problems).toMatchObject([{ kind: "gap", block: block(6), from: 3, to: 5 }]);
		await disk.unlink(join(kit.root, "s", block(0)));
		await fill(storage, [10]);
		expect(await offsetsOf(storage)).toEqual([6, 7]);
		expect((await kit.stream().verify()).problems).toMatchObject([{ kind: "leadingGap", from: 0, to: 5 }]);
		expect(await (await kit.stream().open()).getStorageBlockContainingOffset(0)).toBeNull();
	});
});

describe("an append that fails", () => {
	const records = [record(10, 1), record(10, 2), record(10, 3)];

	it("leaves offsets, blocks and files as they were, and the stream goes on", async () => {
		const disk = faultyDisk(nodeDisk());
		const storage = kit.stream(20, { disk });
		await storage.openForAppend();
		await storage.append(record(10, 0));
		const state = kit.files();
		for (const [operation, nth, doneBytes] of [
			["write", 1, 5],
			["write", 2, 3],
			["open", 1, undefined],
		] as const) {
			const remove = disk.addRule({ operation, path: /s-/, nth, code: "ENOSPC", ...(doneBytes && { doneBytes }) });
			await expect(storage.appendRecords(records)).rejects.toMatchObject(code("DISK_FULL"));
			remove();
			expect(kit.files(), `${operation} ${nth}`).toEqual(state);
			expect(storage.nextRecordOffset).toBe(1);
			expect(await storage.getStorageBlocks()).toHaveLength(1);
		}
		expect(await storage.appendRecords(records)).toBe(1);
		await storage.closeForAppend();
		expect(await offsetsOf(kit.stream())).toEqual([0, 1, 2, 3]);
	});

	it("and cannot be undone, stops the stream until it is opened again", async () => {
		const disk = faultyDisk(nodeDisk());
		const storage = kit.stream(100, { disk });
		await storage.openForAppend();
		await storage.append(record(10, 0));
		disk.addRule({ operation: "write", path: /s-/, code: "EIO", doneBytes: 5 });
		disk.addRule({ operation: "truncate", code: "EIO" });
		await expect(storage.append(record(10, 1))).rejects.toMatchObject(code("IO"));
		await expect(storage.append(record(10, 1))).rejects.toMatchObject(code("STOPPED"));
		await expect(storage.closeForAppend()).rejects.toMatchObject(code("STOPPED"));
		expect(await storage.openForAppend()).toMatchObject({ validLength: 10, tornBytes: 5 });
		expect(await storage.append(record(10, 2))).toBe(1);
	});

	it.each(["append", "flush"] as const)("in its sync stops the stream (durability %s)", async (durability) => {
		const disk = faultyDisk(nodeDisk());
		const storage = kit.stream(100, { disk, durability });
		await storage.openForAppend();
		disk.addRule({ operation: "sync", path: /s-/, code: "EIO" });
		const stored = storage.append(record(10, 1)).then(() => storage.flush());
		await expect(stored).rejects.toMatchObject(code("STOPPED"));
		await expect(storage.append(record(10))).rejects.toMatchObject(code("STOPPED"));
		await expect(storage.closeForAppend()).rejects.toMatchObject(code("STOPPED"));
	});

	it("because the next block is there already says so, and touches nothing of it", async () => {
		const storage = kit.stream(10);
		await storage.openForAppend();
		await storage.append(record(10));
		kit.write(block(1), record(5));
		await expect(storage.append(record(10))).rejects.toMatchObject(code("EXISTS"));
		expect(kit.files()).toEqual({ [block(0)]: 10, [block(1)]: 5 });
	});
});

describe("durability", () => {
	it.each([
		["os", 0, 0],
		["flush", 0, 1],
		["append", 1, 1],
	] as const)("%s syncs when it says so, and the bytes are the same", async (durability, afterAppend, afterClose) => {
		const disk = faultyDisk(nodeDisk());
		const storage = kit.stream(20, { disk, durability });
		await storage.openForAppend();
		const syncs = (operation: string): number => disk.events.filter((event) => event.operation === operation).length;
		await storage.append(record(10));
		expect(Math.sign(syncs("sync"))).toBe(afterAppend);
		await storage.appendRecords([record(10), record(10)]);
		const before = syncs("syncDir");
		await storage.closeForAppend();
		expect(Math.sign(syncs("sync"))).toBe(afterClose);
		expect(Math.sign(syncs("syncDir"))).toBe(afterClose);
		if (durability === "flush") expect(syncs("syncDir")).toBe(before + 1);
		expect(kit.files()).toEqual({ [block(0)]: 20, [block(2)]: 10 });
	});

	it("flush covers every block that was written, also those closed to make room", async () => {
		const disk = faultyDisk(nodeDisk());
		const storage = kit.stream(10, { disk, openFiles: 4 });
		await storage.openForAppend();
		for (let i = 0; i < 20; i++) await storage.append(encode(i));
		await storage.appendRecords(Array.from({ length: 20 }, (_, i) => record(10, i)));
		await storage.flush();
		const written = new Set(disk.events.filter(({ operation }) => operation === "write").map(({ path }) => path));
		const blocks = [...written].filter((path) => /s-[0-9A-F]{16}$/.test(path));
		expect(blocks.length).toBeGreaterThan(20);
		for (const path of blocks) {
			const writes = disk.events.findLastIndex((event) => event.operation === "write" && event.path === path);
			const sync = disk.events.findLastIndex((event) => event.operation === "sync" && event.path === path);
			expect(sync, path).toBeGreaterThan(writes);
		}
		let next = 0;
		for await (const { bytes } of storage.records({ to: 20 })) expect(decode(bytes)).toBe(next++);
	});
});
