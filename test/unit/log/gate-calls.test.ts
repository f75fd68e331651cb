/** The order of calls that wait while staged data is adopted. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";
import { patterned } from "./pattern.ts";

it("what is appended behind a seal that waits at a gate comes behind the seal", async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("a"));
	const write = stream.writer().multipart();
	for (let piece = 0; piece < 3; piece++) await drive(clock, write.write(patterned(0, 0, 1_000_000)));
	let goOn = (): void => {};
	const held = new Promise<void>((resolve) => {
		goOn = resolve;
	});
	disk.addRule({ operation: "rename", path: /staged/, before: () => held });
	const commit = write.commit();
	await pass(clock, 200);
	const seal = stream.seal();
	await pass(clock, 20);
	const append = codeOf(stream.append(Uint8Array.of(1)));
	await pass(clock, 20);
	goOn();
	const [, , told] = await drive(clock, Promise.all([commit, seal, append]));
	await drive(clock, store.close());
	expect(told).toBe("STREAMBED_SEALED");
});
