/** A round that is taken back for want of space, with frames of a stream that was removed meanwhile. */
import { join } from "node:path/posix";
import { expect, it } from "vitest";
import { removeTree } from "../../../src/log/files/stream-folder.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, ROOT, surroundings } from "./memory-store.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

it("its memory is counted out once", async () => {
	const disk = faultyDisk(memoryDisk());
	const limits = { journalBytes: 16 * MiB, directBytes: 512 * MiB, tailCacheBytes: MiB };
	const around = surroundings({ disk, limits });
	const { clock } = around;
	const store = await openStore(around);
	const gone = await drive(clock, store.scope("s").create("gone"));
	const full = await drive(clock, store.scope("s").create("full"));
	// Until neither file of the ring has room for the append without a checkpoint.
	for (let count = 0; count < 42; count++) await drive(clock, gone.append(new Uint8Array(256 * KiB)));
	await drive(clock, full.append(new Uint8Array(1000)));
	await pass(clock, 7000);
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	disk.addRule({ operation: "write", path: /full\.stream\/0\/.*seg/, code: "ENOSPC", times: 3, before: () => held });
	await drive(clock, full.append(new Uint8Array(1000)));
	await pass(clock, 100);
	const append = codeOf(gone.append(new Uint8Array(8 * MiB)));
	await pass(clock, 1000);
	await removeTree(disk, join(ROOT, "streams/s/gone.stream"));
	await pass(clock, 3000);
	goOn();
	expect(await drive(clock, append)).not.toBe("fine");
	await pass(clock, 5000);
	const { cachedBytes } = store.stats();
	await drive(clock, store.close());
	expect(cachedBytes).toBeGreaterThanOrEqual(0);
});
