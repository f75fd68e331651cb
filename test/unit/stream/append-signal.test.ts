/** Signals of appends that wait for a growth. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "../log/memory-store.ts";

it("an append that waits for a growth ends with its signal, and is not stored", async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("r", { kind: "records" }));
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	disk.addRule({ operation: "rename", path: /stream\.json/, before: () => held });
	const growth = stream.update({ shards: 4 });
	await pass(clock, 20);
	const controller = new AbortController();
	let told = "nothing";
	const append = codeOf(stream.append({ value: Uint8Array.of(1) }, { signal: controller.signal })).then((code) => {
		told = code;
	});
	await pass(clock, 20);
	controller.abort();
	await pass(clock, 20);
	const before = told;
	goOn();
	await drive(clock, Promise.all([growth, append]));
	await drive(clock, store.close());
	expect(before).toBe("STREAMBED_ABORTED");
});
