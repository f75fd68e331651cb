/** Producers of which an epoch was asked for, and refused. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";

const MiB = 1024 * 1024;

it("do not count against the limit of a stream's producers", async () => {
	let free = 100 * MiB;
	const around = surroundings({ disk: { ...faultyDisk(memoryDisk()), freeBytes: async () => free } });
	const { clock } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("a"));
	await drive(clock, stream.append(new Uint8Array(1000)));
	free = 3 * MiB;
	await pass(clock, 2000);
	// They are refused along with an append of the same round.
	const calls = [codeOf(stream.append(new Uint8Array(5 * MiB)))];
	for (let number = 0; number < 10_000; number++) calls.push(codeOf(stream.producer(`p${number}`)));
	const told = new Set(await drive(clock, Promise.all(calls)));
	free = 100 * MiB;
	await pass(clock, 3000);
	const after = await codeOf(drive(clock, stream.producer("new")));
	await drive(clock, store.close());
	if (!told.has("fine")) expect([...told]).toEqual(["STREAMBED_DISK_FULL"]);
	else expect(told.has("STREAMBED_LIMIT_EXCEEDED")).toBe(false);
	expect(after).toBe(told.has("fine") ? "STREAMBED_LIMIT_EXCEEDED" : "fine");
});
