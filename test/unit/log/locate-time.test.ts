/** Seeking by time while segments come and go. */
import { describe, expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, pass, surroundings } from "./memory-store.ts";

/** Something that a disk waits for, and what ends that. */
function gate() {
	const { promise: opened, resolve: goOn } = Promise.withResolvers<void>();
	return { before: () => opened, goOn };
}

/** A store with a stream of appends of 20,000 bytes, one a second, in segments of three; and the moments behind them. */
async function written(appends: number) {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk, limits: { tailCacheBytes: 0 } });
	const { clock } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("a", { segmentBytes: 65_536 }));
	const times: number[] = [];
	for (let count = 0; count < appends; count++) {
		await drive(clock, stream.append(new Uint8Array(20_000)));
		await pass(clock, 1000);
		times.push(clock.now());
	}
	return { around, disk, clock, store, stream, times };
}

describe("a time", () => {
	it.each([false, true])("is found in an older segment, the newest one not written yet: %s", async (waits) => {
		const { disk, clock, store, stream, times } = await written(3);
		const { before, goOn } = gate();
		if (waits) disk.addRule({ operation: "open", path: /\.seg\.tmp$/, before });
		await drive(clock, stream.append(new Uint8Array(20_000)));
		await pass(clock, 1000);
		const [behindFirst] = times as [number];
		const reader = await drive(clock, stream.reader({ from: { time: behindFirst } }).open());
		const found = reader.offset;
		await reader.close();
		// A truncation goes by the same place.
		const truncating = stream.truncateBefore({ time: behindFirst });
		await pass(clock, 1000);
		goOn();
		const head = await drive(clock, truncating);
		await drive(clock, store.close());
		expect({ found, head }).toEqual({ found: 20_000, head: 20_000 });
	});

	it("is found in what memory lets go of meanwhile", async () => {
		const { disk, clock, store, stream } = await written(2);
		const [writing, reading] = [gate(), gate()];
		disk.addRule({ operation: "write", path: /\.seg/, before: writing.before });
		disk.addRule({ operation: "read", path: /\.seg/, before: reading.before });
		await drive(clock, stream.append(new Uint8Array(20_000)));
		const { shards } = await drive(clock, stream.info());
		const time = shards[0]?.lastTime as number;
		const opening = stream.reader({ from: { time } }).open();
		await pass(clock, 100);
		writing.goOn();
		await pass(clock, 1000);
		reading.goOn();
		const reader = await drive(clock, opening);
		const found = reader.offset;
		await reader.close();
		await drive(clock, store.close());
		expect(found).toBe(40_000);
	});

	it("is found in what is left when segments go meanwhile", async () => {
		const { around, disk, clock, store, times } = await written(12);
		await drive(clock, store.close());
		const again = await openStore(around);
		const stream = await drive(clock, again.scope("s").stream("a").open());
		const { before, goOn } = gate();
		disk.addRule({ operation: "open", path: /120000\.seg$/, before });
		const opening = stream.reader({ from: { time: times[0] as number } }).open();
		await pass(clock, 100);
		await drive(clock, stream.truncateBefore(200_000));
		await drive(clock, stream.append(new Uint8Array(20_000)));
		await pass(clock, 1000);
		goOn();
		const reader = await drive(clock, opening);
		const found = reader.offset;
		await reader.close();
		await drive(clock, again.close());
		expect(found).toBe(200_000);
	});
});
