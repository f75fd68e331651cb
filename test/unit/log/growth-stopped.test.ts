/** A store that stops while an append is pending that is larger than all of the room. */
import { describe, expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, openStore, pass, surroundings } from "./memory-store.ts";

const KiB = 1024;

async function stopped(around: ReturnType<typeof surroundings>, change: "grows" | "is sealed" | undefined) {
	const disk = faultyDisk(memoryDisk());
	const { clock } = around;
	const store = await openStore({ ...around, disk, limits: { pendingBytes: 64 * KiB } });
	const creating = store.scope("s").create("r", { kind: "records", shards: 2 });
	await pass(clock, 100);
	const stream = await creating;
	disk.addRule({ operation: "writeDurable", path: /journal/, code: "EIO", times: Number.POSITIVE_INFINITY });
	const calls = [codeOf(stream.append({ value: new Uint8Array(200 * KiB) }))];
	if (change === "grows") calls.push(codeOf(stream.update({ shards: 4 })));
	if (change === "is sealed") calls.push(codeOf(stream.seal()));
	await pass(clock, 1000);
	return { store, calls };
}

/** What it comes to within some seconds. */
async function within<T>(clock: ReturnType<typeof surroundings>["clock"], work: Promise<T>): Promise<T | "never"> {
	return await Promise.race([work, pass(clock, 5000).then(() => "never" as const)]);
}

describe("a store that stops with an append larger than all room", () => {
	it.each(["grows", "is sealed"] as const)("lets nobody wait for ever, while a stream %s", async (change) => {
		const around = surroundings();
		const { store, calls } = await stopped(around, change);
		const told = await within(around.clock, Promise.all(calls));
		const closed = await within(around.clock, codeOf(store.close()));
		expect(told).toEqual(["STREAMBED_STOPPED", "STREAMBED_STOPPED"]);
		expect(closed).not.toBe("never");
	});

	it("has no pending bytes any more", async () => {
		const around = surroundings();
		const { store, calls } = await stopped(around, undefined);
		await Promise.all(calls);
		expect(store.stats().pendingBytes).toBe(0);
		await within(around.clock, codeOf(store.close()));
	});
});
