/** Sealing record streams whose shards have nothing, some of them or all: what is said of them is durable. */
import { describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { open, type Store } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { copyTree } from "../log/store-kit.ts";

const value = new Uint8Array(3);

const openOn = (disk: Disk): Promise<Store> => open("file:/data", { disk, lock: memoryLocker() });

/** A stream of three shards while it is being sealed: the descriptor that says so waits for `go`. */
async function sealing(used: readonly number[]) {
	const { promise: gone, resolve: go } = Promise.withResolvers<void>();
	const { promise: there, resolve: reached } = Promise.withResolvers<void>();
	const disk = faultyDisk(memoryDisk());
	const store = await openOn(disk);
	const stream = await store.scope("s").create("r", { kind: "records", shards: 3 });
	for (const shard of used) await stream.append({ value, shard });
	const before = async (): Promise<void> => {
		reached();
		await gone;
	};
	disk.addRule({ operation: "rename", path: /r\.stream\/stream\.json/, before });
	const sealed = stream.seal();
	await there;
	return { disk, store, stream, sealed, go };
}

describe("a record stream that is being sealed", () => {
	it.each([[[]], [[1]]])("tells nobody so before that is durable, with records in shards %j", async (used) => {
		const { store, stream, sealed, go } = await sealing(used);
		let told: unknown;
		const late = stream.append({ value, shard: 0 }).catch((error) => {
			told = error;
		});
		for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
		expect([told, (await stream.info()).sealed]).toEqual([undefined, false]);
		go();
		await sealed;
		await late;
		expect(told).toMatchObject({ code: "STREAMBED_SEALED" });
		expect((await stream.info()).sealed).toBe(true);
		await store.close();
	});

	it("is sealed in all of its shards after a crash that left it sealed in some, and does not grow", async () => {
		const { disk, store, sealed, go } = await sealing([1]);
		const left = await copyTree(disk);
		go();
		await sealed;
		await store.close();
		await using copy = await openOn(left);
		const stream = await copy.scope("s").stream("r", { kind: "records" }).open();
		expect((await stream.info()).sealed).toBe(true);
		await expect(stream.update({ shards: 4 })).rejects.toMatchObject({ code: "STREAMBED_SEALED" });
		for (const shard of [0, 1, 2]) {
			await expect(stream.append({ value, shard })).rejects.toMatchObject({ code: "STREAMBED_SEALED" });
		}
	});
});
