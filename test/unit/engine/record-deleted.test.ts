import { expect, it } from "vitest";
import { open } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";

it("a second process that looks at a record stream while it is deleted never sees it empty", async () => {
	const disk = faultyDisk(memoryDisk());
	const lock = memoryLocker();
	await using store = await open("file:/data", { disk, lock });
	const scope = store.scope("s");
	const stream = await scope.create("r", { kind: "records", shards: 2 });
	await stream.append({ value: new Uint8Array(3) });
	await using beside = await open("file:/data", { mode: "read", disk, lock });
	const read = await beside.scope("s").stream("r", { kind: "records" }).open();
	// It has seen the descriptor; the shards are gone before it has seen those.
	const remove = disk.addRule({
		operation: "list",
		path: /r\.stream$/,
		before: async () => {
			remove();
			await scope.delete("r");
		},
	});
	await expect(read.info()).rejects.toMatchObject({ code: "STREAMBED_NOT_FOUND" });
});
