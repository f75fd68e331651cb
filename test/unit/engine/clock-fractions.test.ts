/** A clock that tells parts of milliseconds, as `performance.timeOrigin + performance.now()` does. */
import { expect, it } from "vitest";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { codeOf, drive, openStore, surroundings } from "../log/memory-store.ts";

it("makes no description that cannot be read", async () => {
	const clock = new ManualClock(Date.UTC(2024, 0, 1) + 0.25);
	const store = await openStore(surroundings({ clock }));
	expect(await codeOf(drive(clock, store.scope("s").create("a", { kind: "records" })))).toBe("fine");
	await drive(clock, store.close());
});
