/** Streams that are opened for their retention while the disk is full. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, pass, surroundings } from "./memory-store.ts";

const MINUTE = 60_000;

it("are closed again once there is space", { timeout: 30_000 }, async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const store = await openStore(around);
	for (const name of ["a", "b", "c"]) {
		const stream = await drive(clock, store.scope("s").create(name, { retention: { ageMs: MINUTE } }));
		await drive(clock, stream.append(new Uint8Array(1000)));
	}
	await drive(clock, store.close());
	clock.advance(10 * MINUTE);
	const again = await openStore(around);
	const free = disk.addRule({
		operation: "open",
		path: /\.seg\.tmp$/,
		code: "ENOSPC",
		times: Number.POSITIVE_INFINITY,
	});
	await pass(clock, 5000);
	free();
	await pass(clock, 10 * MINUTE);
	const { streams, retention } = again.stats();
	await drive(clock, again.close());
	expect({ streams, freed: retention.freedSegments }).toEqual({ streams: 0, freed: 3 });
});
