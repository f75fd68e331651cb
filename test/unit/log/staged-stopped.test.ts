/** Writes in parts in a store that has stopped. */
import { expect, it } from "vitest";
import { open } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";

it("a commit is refused where a round of its stream was lost with the store, and closing waits for nothing", async () => {
	const disk = faultyDisk(memoryDisk());
	const store = await open("file:/data", { disk, lock: memoryLocker() });
	const stream = await store.scope("s").create("b");
	await stream.append(new Uint8Array(10));
	await using writer = stream.writer();
	const parts = writer.multipart();
	await parts.write(new Uint8Array(2_000_000));
	await parts.prepare();
	disk.addRule({ operation: "writeDurable", path: /ring/, code: "EIO", times: Number.POSITIVE_INFINITY });
	await expect(stream.append(new Uint8Array(10))).rejects.toMatchObject({ code: "STREAMBED_STOPPED" });
	await expect(parts.commit()).rejects.toMatchObject({ code: "STREAMBED_STOPPED" });
	await store.close().catch(() => {});
});
