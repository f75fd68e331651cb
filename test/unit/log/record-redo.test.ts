import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { open, type RecordInput, verifyStore } from "../../../src/index.ts";

let folder: string;
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "streambed-redo-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a store of records whose owner died", () => {
	it("has all that was acknowledged, and knows every retry, over all shards and in any order of them", async () => {
		await using store = await open(`file:${folder}/data`);
		const stream = await store.scope("s").create("r", { kind: "records", shards: 6 });
		const producer = await stream.producer("p");
		const calls = Array.from({ length: 300 }, (_, index) => {
			const records: RecordInput[] = Array.from({ length: 1 + (index % 4) }, (_, each) => {
				return { value: bytes(`${index}.${each}`), key: `k${(index * 7 + each) % 31}`, clientInfo: bytes("c") };
			});
			return { records, options: { producer: producer.next(), atomic: true } };
		});
		const answers = await Promise.all(calls.map(({ records, options }) => stream.append(records, options)));
		await cp(`${folder}/data`, `${folder}/copy`, { recursive: true });
		await using copy = await open(`file:${folder}/copy`);
		expect(copy.stats().recovery.rounds).toBeGreaterThan(0);
		const again = await copy.scope("s").stream("r", { kind: "records" }).open();
		for (const [index, { records, options }] of calls.entries()) {
			const retried = await again.append(records, options);
			const places = retried.map(({ shard, from, duplicate }) => [shard, from, duplicate]);
			expect(places).toEqual(answers[index]?.map(({ shard, from }) => [shard, from, true]));
		}
		const values = await Array.fromAsync(again.read(), ({ value }) => new TextDecoder().decode(value));
		expect(values.sort()).toEqual(
			calls.flatMap(({ records }, index) => records.map((_, each) => `${index}.${each}`)).sort(),
		);
		expect((await verifyStore(`${folder}/copy`)).ok).toBe(true);
	});

	it("has made neither file nor folder for shards without a record, opened, sealed and read", async () => {
		await using store = await open(`file:${folder}/data`);
		const stream = await store.scope("s").create("r", { kind: "records", shards: 4096 });
		await stream.append({ value: bytes("x"), shard: 77 });
		await Array.fromAsync(stream.read());
		await stream.cut();
		await stream.update({ tags: { a: "b" } });
		await stream.seal();
		await store.checkpoint();
		const names = await readdir(`${folder}/data/streams/s/r.stream`);
		expect(names.sort()).toEqual(["77", "stream.json"]);
	});

	it("reads as its owner does, beside it and without it", async () => {
		await using store = await open(`file:${folder}/data`);
		const stream = await store.scope("s").create("r", { kind: "records", shards: 3 });
		await stream.append(Array.from({ length: 90 }, (_, index) => ({ value: bytes(`${index}`), key: `k${index}` })));
		await using beside = await open(`file:${folder}/data`, { mode: "read" });
		const read = beside.scope("s").stream("r", { kind: "records" });
		const reader = await read.read({ follow: true }).open();
		const steps = reader[Symbol.asyncIterator]();
		const seen = new Set<string>();
		while (seen.size < 90) seen.add(new TextDecoder().decode((await steps.next()).value.value));
		const next = steps.next();
		await stream.update({ shards: 5 });
		await stream.append({ value: bytes("new"), shard: 4 });
		expect((await next).value.shard).toBe(4);
		expect((await read.info()).shards.map(({ tail }) => tail)).toEqual(
			(await stream.info()).shards.map(({ tail }) => tail),
		);
		await expect(read.append({ value: bytes("x") })).rejects.toMatchObject({ code: "STREAMBED_READ_ONLY" });
		await expect(
			read.append(
				[0, 1].map((shard) => ({ value: bytes("x"), shard })),
				{ atomic: true },
			),
		).rejects.toMatchObject({
			code: "STREAMBED_READ_ONLY",
		});
		await expect(read.seal()).rejects.toMatchObject({ code: "STREAMBED_READ_ONLY" });
		await reader.close();
	});

	it("ends in a second process once the stream is sealed, also where a shard never had a record", async () => {
		const disk = nodeDisk();
		const opens = disk.open.bind(disk);
		disk.open = async (path, mode, options) => {
			if (path.includes("/r.stream/1/")) await sleep(400);
			return await opens(path, mode, options);
		};
		await using store = await open(`file:${folder}/data`, { disk });
		const stream = await store.scope("s").create("r", { kind: "records", shards: 3 });
		await using beside = await open(`file:${folder}/data`, { mode: "read" });
		const read = beside.scope("s").stream("r", { kind: "records" });
		const follow = async (shard?: number): Promise<number> =>
			(await Array.fromAsync(read.read({ ...(shard === undefined ? {} : { shard }), follow: true }))).length;
		const counts = Promise.all([follow(), follow(0), follow(1), follow(2)]);
		const records = Array.from({ length: 20 }, () => ({ value: bytes("x"), shard: 1 }));
		// Acknowledged long before the file of their shard is there.
		await stream.append(records);
		await stream.seal();
		expect(await counts).toEqual([20, 0, 20, 0]);
	});
});
