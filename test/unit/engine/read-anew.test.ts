/** A stream made anew beside a reader that is just opening the one before. */
import { expect, it } from "vitest";
import { open } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, ROOT, surroundings } from "../log/memory-store.ts";

it("a handle to the new one goes on when that opening ends", async () => {
	const inner = memoryDisk();
	const around = surroundings({ disk: inner });
	const { clock, random, locker } = around;
	const store = await openStore(around);
	await drive(clock, store.scope("s").create("a"));
	let goOn = (): void => {};
	let held: Promise<void> | undefined = new Promise<void>((resolve) => {
		goOn = resolve;
	});
	const readFile = async (path: string): Promise<Uint8Array> => {
		const found = await inner.readFile(path);
		const wait = path.endsWith("a.stream/stream.json") ? held : undefined;
		if (wait !== undefined) held = undefined;
		await wait;
		return found;
	};
	const disk = { ...faultyDisk(inner), readFile };
	const beside = await drive(clock, open(`file:${ROOT}`, { mode: "read", disk, clock, random, lock: locker }));
	const slow = codeOf(beside.scope("s").stream("a").open());
	await pass(clock, 50);
	await drive(clock, store.scope("s").delete("a"));
	const made = await drive(clock, store.scope("s").create("a"));
	await drive(clock, made.append(new Uint8Array(20)));
	await pass(clock, 200);
	const anew = await drive(clock, beside.scope("s").stream("a").open());
	expect((await drive(clock, anew.info())).shards[0]?.tail).toBe(20);
	goOn();
	await drive(clock, slow);
	const told = await codeOf(drive(clock, anew.info()));
	await drive(clock, beside.close());
	await drive(clock, store.close());
	expect(told).toBe("fine");
});
