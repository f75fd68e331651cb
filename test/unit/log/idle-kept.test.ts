/** Streams that nobody has open, with data that is older than the age and stays for the sake of its size. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, pass, surroundings } from "./memory-store.ts";

const MINUTE = 60_000;

it.each([{ ageMs: MINUTE, bytes: 1_000_000 }, { bytes: 1_000_000 }])(
	"are not read again and again, with %j",
	{ timeout: 30_000 },
	async (retention) => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const { clock } = around;
		const store = await openStore(around);
		const stream = await drive(clock, store.scope("s").create("a", { retention }));
		await drive(clock, stream.append(new Uint8Array(1000)));
		await drive(clock, store.close());
		clock.advance(10 * MINUTE);
		const again = await openStore(around);
		const from = disk.events.length;
		await pass(clock, 50 * MINUTE);
		const reads = disk.events
			.slice(from)
			.filter(({ operation, path }) => operation === "read" && path.includes(".seg"));
		await drive(clock, again.close());
		expect(reads.length).toBeLessThan(20);
	},
);
