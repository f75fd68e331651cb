/** Growth and sealing of a record stream while others keep all of the room for pending bytes taken. */
import { describe, expect, it } from "vitest";
import { drive, openStore, pass, surroundings } from "./memory-store.ts";

const KiB = 1024;

describe("a stream", () => {
	it.each(["grows", "is sealed"])("%s while other streams keep all room taken", async (what) => {
		const around = surroundings({ limits: { pendingBytes: 64 * KiB } });
		const { clock } = around;
		const store = await openStore(around);
		const busy = await drive(clock, store.scope("s").create("busy"));
		const stream = await drive(clock, store.scope("s").create("r", { kind: "records", shards: 2 }));
		await drive(clock, stream.append({ value: Uint8Array.of(1) }));
		let over = false;
		const writers = Array.from({ length: 8 }, async () => {
			while (!over) await busy.append(new Uint8Array(32 * KiB));
		});
		await pass(clock, 50);
		const changing: Promise<unknown> = what === "grows" ? stream.update({ shards: 4 }) : stream.seal();
		let changed = false;
		const change = changing.then(() => {
			changed = true;
		});
		const before = store.stats().rounds;
		await pass(clock, 2000);
		const rounds = store.stats().rounds - before;
		const seen = changed;
		over = true;
		await drive(clock, Promise.all([...writers, change]));
		await drive(clock, store.close());
		expect(rounds).toBeGreaterThan(100);
		expect(seen).toBe(true);
	});
});
