/** The lease of a write in parts whose commit takes longer than the lease. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, pass, surroundings } from "./memory-store.ts";

class CountingClock extends ManualClock {
	set = 0;
	override setTimer(ms: number, fn: () => void): ReturnType<ManualClock["setTimer"]> {
		this.set++;
		return super.setTimer(ms, fn);
	}
}

it("is not looked at a thousand times a second", async () => {
	const disk = faultyDisk(memoryDisk());
	const clock = new CountingClock();
	const around = surroundings({ disk, clock });
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("a"));
	const write = stream.writer().multipart({ leaseMs: 1000 });
	for (let piece = 0; piece < 3; piece++) await drive(clock, write.write(new Uint8Array(1_000_000)));
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	disk.addRule({ operation: "rename", path: /staged/, before: () => held });
	const commit = write.commit();
	await pass(clock, 2000);
	const before = clock.set;
	await pass(clock, 3000);
	const timers = clock.set - before;
	goOn();
	await drive(clock, commit);
	await drive(clock, store.close());
	expect(timers).toBeLessThan(100);
});
