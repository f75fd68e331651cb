/** Many shards: write-behind of busy ones, whose pieces are written in the thread of the store; following idle ones. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Disk, DiskFile } from "../../../src/disk/disk.ts";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { open, verifyStore } from "../../../src/index.ts";
import { patterned } from "./pattern.ts";

let root = "";
beforeEach(async () => {
	root = await mkdtemp(join(tmpdir(), "streambed-many-"));
});
afterEach(async () => await rm(root, { recursive: true, force: true }));

/** A disk that counts writes in the calling thread; with `code` the last of them fail. */
function counting(fail: { code?: string; from?: number } = {}): { readonly disk: Disk; readonly calls: () => number } {
	const inner = nodeDisk();
	let calls = 0;
	const watch = (file: DiskFile): DiskFile =>
		new Proxy(file, {
			get(target, key) {
				const value: unknown = Reflect.get(target, key);
				if (key === "writeNow") {
					return (data: Uint8Array, position: number) => {
						calls++;
						if (fail.code !== undefined && calls >= (fail.from ?? 0))
							throw Object.assign(new Error(fail.code), { code: fail.code });
						target.writeNow?.(data, position);
					};
				}
				return typeof value === "function" ? value.bind(target) : value;
			},
		});
	const disk: Disk = new Proxy(inner, {
		get(target, key) {
			if (key === "open") return async (...args: Parameters<Disk["open"]>) => watch(await target.open(...args));
			const value: unknown = Reflect.get(target, key);
			return typeof value === "function" ? value.bind(target) : value;
		},
	});
	return { disk, calls: () => calls };
}

describe("write-behind of many shards", () => {
	it("puts every frame in its place", async () => {
		const { disk, calls } = counting();
		const store = await open(`file:${root}`, { disk });
		const names = Array.from({ length: 50 }, (_, index) => `s${index}`);
		const streams = await Promise.all(names.map((name) => store.scope("many").create(name)));
		for (let turn = 0; turn < 3; turn++) {
			await Promise.all(streams.map((stream, index) => stream.append(patterned(index, turn * 100, 100))));
			await store.checkpoint();
		}
		await store.close();
		expect(calls()).toBeGreaterThanOrEqual(100);
		expect(await verifyStore(root)).toMatchObject({ ok: true, streams: 50 });
		const again = await open(`file:${root}`, { mode: "read" });
		for (const [index, name] of names.entries()) {
			const read: Uint8Array[] = [];
			for await (const bytes of again.scope("many").stream(name).reader()) read.push(bytes);
			expect(Buffer.compare(Buffer.concat(read), Buffer.from(patterned(index, 0, 300)))).toBe(0);
		}
		await again.close();
	});

	it("stops the store when such a write fails, and opening again brings everything", async () => {
		const { disk } = counting({ code: "EIO", from: 60 });
		const store = await open(`file:${root}`, { disk });
		const names = Array.from({ length: 50 }, (_, index) => `s${index}`);
		const streams = await Promise.all(names.map((name) => store.scope("many").create(name)));
		for (let turn = 0; turn < 3; turn++) {
			const appended = await Promise.allSettled(streams.map((stream) => stream.append(new Uint8Array(100))));
			if (turn < 2) expect(appended.every(({ status }) => status === "fulfilled")).toBe(true);
			await store.checkpoint().catch(() => {});
		}
		await expect(streams[0]?.append(new Uint8Array(1))).rejects.toMatchObject({ code: "STREAMBED_STOPPED" });
		await store.close().catch(() => {});
		const again = await open(`file:${root}`);
		const tails = await Promise.all(
			names.map(async (name) => (await again.scope("many").stream(name).info()).shards[0]?.tail),
		);
		expect(tails.every((tail) => tail !== undefined && tail >= 200)).toBe(true);
		await again.close();
	});
});

describe("a follower in another process", () => {
	it("of a thousand shards asks the disk for those alone that have a folder", async () => {
		await using store = await open(`file:${root}`);
		const stream = await store.scope("s").create("r", { kind: "records", shards: 1000 });
		const append = (shard: number): Promise<unknown> => stream.append({ value: new Uint8Array(1), shard });
		await append(1);
		const disk = nodeDisk();
		let [looks, others] = [0, 0];
		const list = disk.list.bind(disk);
		disk.list = (path) => {
			if (path.endsWith("/r.stream")) looks++;
			else others++;
			return list(path);
		};
		await using beside = await open(`file:${root}`, { mode: "read", disk });
		const reader = await beside.scope("s").stream("r", { kind: "records" }).read({ follow: true }).open();
		const records = reader[Symbol.asyncIterator]();
		expect((await records.next()).value.shard).toBe(1);
		const next = records.next();
		await until(() => looks > 5);
		[looks, others] = [0, 0];
		await until(() => looks > 10);
		expect(others).toBeLessThan(looks);
		await append(999);
		expect((await next).value.shard).toBe(999);
		await reader.close();
	});
});

async function until(holds: () => boolean): Promise<void> {
	while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
