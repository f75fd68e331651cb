/** Whose frames come into a round, where more wait than it takes. */
import { expect, it } from "vitest";
import { drive, openStore, pass, surroundings } from "./memory-store.ts";

const MiB = 1024 * 1024;

it("a stream that always has more than a round takes keeps no other one waiting", async () => {
	const around = surroundings();
	const { clock } = around;
	const store = await openStore(around);
	const busy = await drive(clock, store.scope("s").create("busy", { segmentBytes: 1024 * MiB }));
	const small = await drive(clock, store.scope("s").create("small"));
	await drive(clock, small.append(new Uint8Array(1)));
	let over = false;
	const one = async (): Promise<void> => {
		while (!over) await busy.append(new Uint8Array(8 * MiB));
	};
	const writers = Array.from({ length: 4 }, one);
	for (let turns = 0; store.stats().rounds < 20 && turns < 10_000; turns++) await pass(clock, 1);
	const before = store.stats().rounds;
	let at = Number.NaN;
	const append = small.append(new Uint8Array(1)).then(() => {
		at = store.stats().rounds;
	});
	for (let turns = 0; Number.isNaN(at) && store.stats().rounds < before + 50 && turns < 10_000; turns++)
		await pass(clock, 1);
	over = true;
	await drive(clock, Promise.all([...writers, append]));
	await drive(clock, store.close());
	expect(at - before).toBeLessThan(10);
});
