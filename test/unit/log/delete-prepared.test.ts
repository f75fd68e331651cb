/** A write in parts that is prepared while its stream is being deleted. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";

it("is refused, or the stream stays", async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("a"));
	const write = stream.writer().multipart();
	await drive(clock, write.write(new Uint8Array(1000)));
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	disk.addRule({ operation: "writeDurable", path: /ring-/, before: () => held });
	const deleting = codeOf(store.scope("s").delete("a"));
	await pass(clock, 50);
	const preparing = codeOf(write.prepare());
	await pass(clock, 500);
	goOn();
	const [deleted, prepared] = await drive(clock, Promise.all([deleting, preparing]));
	await drive(clock, store.close());
	expect(prepared === "fine" && deleted === "fine").toBe(false);
});
