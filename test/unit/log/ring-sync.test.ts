/** Durability "os": what waits for a sync of the journal that another has begun. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, pass, surroundings } from "./memory-store.ts";

it("no frame is written to a segment before the sync of its round has ended, whoever began that", async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk, durability: "os" });
	const { clock } = around;
	const store = await openStore(around);
	const [a, b] = [await drive(clock, store.scope("s").create("a")), await drive(clock, store.scope("s").create("b"))];
	const write = a.writer().multipart();
	for (let piece = 0; piece < 3; piece++) await drive(clock, write.write(new Uint8Array(1_000_000)));
	await pass(clock, 500);
	let began = false;
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	const hold = (): Promise<void> => {
		began = true;
		return held;
	};
	disk.addRule({ operation: "sync", path: /ring-/, times: Number.POSITIVE_INFINITY, before: hold });
	const commit = write.commit();
	const appends: Promise<unknown>[] = [];
	for (let turn = 0; turn < 10_000 && !began; turn++) {
		if (turn % 5 === 0) appends.push(b.append(new Uint8Array(100)));
		await new Promise((resolve) => setImmediate(resolve));
	}
	expect(began).toBe(true);
	const from = disk.events.length;
	await pass(clock, 300);
	const early = disk.events
		.slice(from)
		.filter(({ operation, path }) => operation === "write" && /\/streams\//.test(path));
	goOn();
	await drive(clock, Promise.all([commit, ...appends]));
	await drive(clock, store.close());
	expect(early).toEqual([]);
});
