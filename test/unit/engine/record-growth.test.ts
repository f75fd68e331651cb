/** A growth of which it is not known whether it is written down. */
import { describe, expect, it } from "vitest";
import { shardOfKey } from "../../../src/core/routing.ts";
import { open } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const moved = Array.from({ length: 99 }, (_, index) => `k${index}`).filter((key) => shardOfKey(key, 2) === 1);

describe("a growth whose description may stand or not", () => {
	it.each(["rename", "syncDir"] as const)(
		"stops the store where %s fails: nothing is routed by a number that may be old",
		async (operation) => {
			const disk = faultyDisk(memoryDisk());
			const store = await open("file:/data", { disk, lock: memoryLocker() });
			const stream = await store.scope("s").create("r", { kind: "records" });
			for (const key of moved) await stream.append({ key, value: bytes("before") });
			disk.addRule({ operation, path: /r\.stream/, code: "EIO", times: 1 });
			await expect(stream.update({ shards: 2 })).rejects.toMatchObject({ code: "STREAMBED_STOPPED" });
			for (const key of moved) {
				await expect(stream.append({ key, value: bytes("after") })).rejects.toMatchObject({
					code: "STREAMBED_STOPPED",
				});
			}
			await store.close().catch(() => {});
			await using again = await open("file:/data", { disk, lock: memoryLocker() });
			const reopened = again.scope("s").stream("r", { kind: "records" });
			await reopened.append(moved.map((key) => ({ key, value: bytes("after") })));
			const seen = new Map<string, string[]>();
			for await (const { key, value } of reopened.read()) {
				const name = String(key);
				seen.set(name, [...(seen.get(name) ?? []), new TextDecoder().decode(value)]);
			}
			for (const key of moved) expect(seen.get(key)).toEqual(["before", "after"]);
		},
	);

	it("changes nothing where the description could not be written", async () => {
		const disk = faultyDisk(memoryDisk());
		await using store = await open("file:/data", { disk, lock: memoryLocker() });
		const stream = await store.scope("s").create("r", { kind: "records" });
		disk.addRule({ operation: "write", path: /stream\.json/, code: "ENOSPC", times: 1 });
		await expect(stream.update({ shards: 2 })).rejects.toMatchObject({ code: "STREAMBED_DISK_FULL" });
		expect((await stream.info()).shards.length).toBe(1);
		expect((await stream.update({ shards: 3 })).shards.length).toBe(3);
	});
});
