/** A store that never comes to rest: what waits for appends waits for those before it alone. */
import { describe, expect, it } from "vitest";
import type { Store } from "../../../src/index.ts";
import { drive, openStore, pass, type Surroundings, surroundings } from "./memory-store.ts";
import { patterned } from "./pattern.ts";

const MINUTE = 60_000;

/** Somebody who appends as soon as the last append is durable, until told to end. */
async function busy(around: Surroundings, store: Store): Promise<() => Promise<void>> {
	const stream = await drive(around.clock, store.scope("s").create("busy"));
	let over = false;
	const writing = (async () => {
		while (!over) await stream.append(new Uint8Array(100));
	})();
	return async () => {
		over = true;
		await drive(around.clock, writing);
	};
}

describe("a store to which somebody always appends", () => {
	it("makes a checkpoint that is asked for", async () => {
		const around = surroundings();
		const store = await openStore(around);
		const end = await busy(around, store);
		let done = false;
		const checkpoint = store.checkpoint().then(() => {
			done = true;
		});
		await pass(around.clock, 3000);
		const seen = done;
		await end();
		await drive(around.clock, checkpoint);
		await drive(around.clock, store.close());
		expect(seen).toBe(true);
	});

	it("expires what nobody has opened, and then what somebody has", { timeout: 30_000 }, async () => {
		const around = surroundings();
		const { clock } = around;
		const first = await openStore(around);
		const old = await drive(clock, first.scope("s").create("old", { retention: { ageMs: MINUTE } }));
		await drive(clock, old.append(patterned(0, 0, 1000)));
		await drive(clock, first.close());
		clock.advance(10 * MINUTE);
		const store = await openStore(around);
		const slow = await drive(clock, store.scope("s").create("slow", { retention: { ageMs: MINUTE / 10 } }));
		await drive(clock, slow.append(patterned(0, 0, 1000)));
		const end = await busy(around, store);
		await pass(clock, MINUTE / 2);
		const { freedSegments } = store.stats().retention;
		await end();
		await drive(clock, store.close());
		expect(freedSegments).toBe(2);
	});
});
