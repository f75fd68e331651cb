/** Followers of a store that has stopped: those who waited are told; so should be who comes to the tail later. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";

it.each(["before", "after"])("a follower that begins to wait %s the stop is told of it", async (when) => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const store = await openStore(around);
	const bytes = await drive(clock, store.scope("s").create("a"));
	const records = await drive(clock, store.scope("s").create("r", { kind: "records" }));
	await drive(clock, bytes.append(new Uint8Array(10)));
	await drive(clock, records.append({ value: new Uint8Array(10) }));
	const follow = () => {
		const of = records.read({ from: "tail", follow: true });
		return [codeOf(bytes.reader({ from: "tail", follow: true }).read()), codeOf(of.batches().next())];
	};
	const early = when === "before" ? follow() : [];
	await pass(clock, 50);
	disk.addRule({ operation: "writeDurable", path: /ring-/, code: "EIO" });
	expect(await codeOf(drive(clock, bytes.append(new Uint8Array(10))))).toBe("STREAMBED_STOPPED");
	const waits = when === "before" ? early : follow();
	const told = await Promise.race([Promise.all(waits), pass(clock, 5000).then(() => "nothing")]);
	await codeOf(drive(clock, store.close()));
	expect(told).toEqual(["STREAMBED_STOPPED", "STREAMBED_STOPPED"]);
});
