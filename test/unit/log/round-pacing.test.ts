/** When a round begins before its time: measured, so that a slow sync is never paid twice. */
import { describe, expect, it } from "vitest";
import { RoundPacing } from "../../../src/log/commit/round-pacing.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";

/** A pacing that has seen a round take `writeMs`, and 1,000 bytes gathered in `gatherMs`. */
function paced(writeMs: number, gatherMs: number): { pacing: RoundPacing; clock: ManualClock } {
	const clock = new ManualClock();
	const pacing = new RoundPacing(clock);
	for (let turn = 0; turn < 50; turn++) {
		const began = pacing.begin();
		clock.advance(writeMs);
		pacing.wrote(began);
		pacing.tell();
		clock.advance(gatherMs);
		pacing.gathered(1000);
	}
	return { pacing, clock };
}

describe("the pacing of rounds", () => {
	it("begins with half of it where gathering takes as long as the disk", () => {
		const { pacing, clock } = paced(10, 10);
		pacing.tell();
		clock.advance(5);
		expect(pacing.halfPays(500, 1000)).toBe(true);
		expect(pacing.overlapPays(500, 500)).toBe(true);
	});

	it("waits for all of it where the sync is what takes time", () => {
		const { pacing, clock } = paced(100, 10);
		pacing.tell();
		clock.advance(5);
		expect(pacing.halfPays(500, 1000)).toBe(false);
		expect(pacing.overlapPays(500, 500)).toBe(false);
	});

	it("leaves alone what is less than half", () => {
		const { pacing } = paced(10, 10);
		expect(pacing.overlapPays(500, 249)).toBe(false);
	});

	it("changes with the disk", () => {
		const { pacing, clock } = paced(10, 10);
		const began = pacing.begin();
		clock.advance(100);
		pacing.wrote(began);
		expect(pacing.overlapPays(500, 500)).toBe(false);
	});
});

describe("closed loops", () => {
	it("settle into two halves, one being written while the other is gathered, and lose nothing", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		const rounds = (): number => store.stats().rounds;
		const before = rounds();
		const loop = async (): Promise<number[]> => {
			const at: number[] = [];
			for (let turn = 0; turn < 10; turn++) at.push((await stream.append(new Uint8Array(10))).from);
			return at;
		};
		const places = (await drive(around.clock, Promise.all(Array.from({ length: 64 }, loop)))).flat();
		expect(places.sort((a, b) => a - b)).toEqual(Array.from({ length: 640 }, (_, index) => index * 10));
		// Ten rounds of 64 if nobody began early; the clock stands still here, so that an early beginning always pays.
		expect(rounds() - before).toBeGreaterThan(15);
		await drive(around.clock, store.checkpoint());
		await drive(around.clock, store.close());
	});

	it("are all told when the store stops beside a round that has begun early", async () => {
		for (let nth = 1; nth <= 8; nth++) {
			const disk = faultyDisk(memoryDisk());
			const around = surroundings({ disk });
			const store = await openStore(around);
			const stream = await drive(around.clock, store.scope("s").create("a"));
			await drive(around.clock, stream.append(new Uint8Array(10)));
			await pass(around.clock, 200);
			const { promise: failing, resolve: fail } = Promise.withResolvers<void>();
			disk.addRule({ operation: "sync", path: /\.seg/, before: () => failing, code: "EIO" });
			const checkpoint = codeOf(store.checkpoint());
			await pass(around.clock, 50);
			disk.addRule({ operation: "writeDurable", path: /\.jnl$/, nth, before: () => fail() });
			let told = 0;
			const loop = async (): Promise<void> => {
				for (let code = "fine"; code === "fine"; ) code = await codeOf(stream.append(new Uint8Array(10)));
				told++;
			};
			for (let number = 0; number < 64; number++) void loop();
			// The clock stands still, as above.
			for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
			expect([nth, told]).toEqual([nth, 64]);
			expect(await drive(around.clock, checkpoint)).toBe("STREAMBED_STOPPED");
			await drive(around.clock, store.close());
		}
	});
});
