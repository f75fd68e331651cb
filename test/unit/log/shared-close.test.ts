/** Closing a store that somebody else in the process has open as well. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, pass, surroundings } from "./memory-store.ts";

it.each([false, true])("waits for the appends that it has accepted, shared: %s", async (shared) => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const store = await openStore(around);
	const other = shared ? await openStore(around) : undefined;
	const stream = await drive(clock, store.scope("s").create("a"));
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	disk.addRule({ operation: "writeDurable", path: /ring/, before: () => held });
	const order: string[] = [];
	const append = stream.append(new Uint8Array(10)).then(() => order.push("append"));
	const closing = store.close().then(() => order.push("close"));
	await pass(clock, 100);
	goOn();
	await drive(clock, Promise.all([append, closing]));
	if (other !== undefined) await drive(clock, other.close());
	expect(order).toEqual(["append", "close"]);
});
