/** Openings of a shard that fail when its retention has looked at it. */
import { describe, expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";
import { patterned } from "./pattern.ts";

const MINUTE = 60_000;
const OTHERS = ["x", "y", "z"];

/** What becomes of a call before any time has passed: write-behind has not begun. */
async function atOnce(work: Promise<unknown>): Promise<string> {
	let told = "nothing";
	void codeOf(work).then((code) => {
		told = code;
	});
	for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
	return told;
}

/** A store just opened, in which the stream "a" has a prepared write, and data of which all is too old. */
async function expired() {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("a", { retention: { ageMs: MINUTE } }));
	await drive(clock, stream.append(patterned(0, 0, 1000)));
	for (const name of OTHERS) await drive(clock, store.scope("s").create(name));
	const write = stream.writer().multipart();
	await drive(clock, write.write(patterned(0, 0, 1000)));
	await drive(clock, write.prepare());
	await drive(clock, store.close());
	clock.advance(10 * MINUTE);
	const again = await openStore(around);
	for (const name of OTHERS) await drive(clock, again.scope("s").stream(name).open());
	return { around, disk, clock, store: again };
}

describe("an opening that fails once", () => {
	it("loses nothing that is acknowledged after it", async () => {
		const { around, disk, clock, store } = await expired();
		const scope = store.scope("s");
		disk.addRule({ operation: "syncDir", path: /staged$/, code: "EIO" });
		expect(await atOnce(scope.stream("a").open())).toBe("STREAMBED_IO");
		// Write-behind takes those in between for as many shards as there are.
		for (const name of OTHERS) expect(await atOnce(scope.stream(name).append(patterned(0, 0, 1000)))).toBe("fine");
		for (let at = 1000; at < 31_000; at += 10_000) {
			expect(await atOnce(scope.stream("a").append(patterned(0, at, 10_000)))).toBe("fine");
		}
		await pass(clock, 2000);
		await drive(clock, store.close());
		const again = await openStore(around);
		const { shards } = await drive(clock, again.scope("s").stream("a").info());
		await drive(clock, again.close());
		expect(shards).toMatchObject([{ head: 1000, tail: 31_000 }]);
	});

	it("for a full disk does not stop the store once there is space", async () => {
		const { disk, clock, store } = await expired();
		const free = disk.addRule({ operation: "open", path: /\.tmp$/, code: "ENOSPC", times: Number.POSITIVE_INFINITY });
		expect(await codeOf(drive(clock, store.scope("s").stream("a").open()))).toBe("STREAMBED_DISK_FULL");
		await pass(clock, 1000);
		free();
		const stream = store.scope("s").stream("a");
		expect(await codeOf(drive(clock, stream.open()))).toBe("fine");
		await pass(clock, 2000);
		const told = await codeOf(drive(clock, stream.append(patterned(0, 1000, 1000))));
		await codeOf(drive(clock, store.close()));
		expect(told).toBe("fine");
	});
});
