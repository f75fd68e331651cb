/** What redo leaves of a stream that was deleted in the rounds that it carries out. */
import { expect, it, vi } from "vitest";
import { open } from "../../../src/index.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { copyTree, segmentFiles, writeFile } from "./store-kit.ts";

const RING = "/data/journal/ring-000000.jnl";

it("of a stream that was deleted nothing is made anew, also where segments of a write in parts were truncated away", async () => {
	const disk = memoryDisk();
	const store = await open("file:/data", { disk, lock: memoryLocker() });
	const stream = await store.scope("s").create("b", { segmentBytes: 65_536 });
	await using writer = stream.writer();
	const parts = writer.multipart();
	for (let part = 0; part < 20; part++) await parts.write(new Uint8Array(100_000).fill(part));
	await parts.commit();
	await stream.append(new Uint8Array(100));
	await stream.truncateBefore(2_000_100);
	await vi.waitFor(async () => expect((await segmentFiles(disk, "s/b")).length).toBe(1));
	const before = await copyTree(disk);
	await store.scope("s").delete("b");
	// The owner died before it did what it had committed, and before the checkpoint: all of it is redone.
	const left = await copyTree(before);
	await writeFile(left, RING, await disk.readFile(RING));
	await store.close();
	await using again = await open("file:/data", { disk: left, lock: memoryLocker() });
	expect(await again.scope("s").list()).toEqual([]);
	expect(await left.list("/data/streams")).toEqual([]);
});
