/** A growth that waits for room while the store stops, because another process has taken its folder. */
import { join } from "node:path/posix";
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, openStore, pass, ROOT, surroundings } from "./memory-store.ts";

const KiB = 1024;

it.each(["grows", "is sealed"])("a stream that %s is left as it is", async (what) => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk, limits: { pendingBytes: 64 * KiB } });
	const { clock } = around;
	const store = await openStore(around);
	const creating = Promise.all([
		store.scope("s").create("r", { kind: "records" }),
		store.scope("s").create("busy"),
	] as const);
	await pass(clock, 100);
	const [stream, busy] = await creating;
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	disk.addRule({ operation: "writeDurable", path: /ring-/, before: () => held });
	const descriptor = join(ROOT, "streams/s/r.stream/stream.json");
	const before = await disk.readFile(descriptor);
	const appends = [1, 2].map(() => codeOf(busy.append(new Uint8Array(60 * KiB))));
	const change = codeOf(what === "grows" ? stream.update({ shards: 4 }) : stream.seal());
	await pass(clock, 20);
	await disk.unlink(join(ROOT, "OWNER"));
	await pass(clock, 3000);
	goOn();
	await pass(clock, 3000);
	expect((await Promise.all(appends))[1]).toBe("STREAMBED_STOPPED");
	const told = await Promise.race([change, pass(clock, 1000).then(() => "nothing")]);
	const after = await disk.readFile(descriptor);
	const closing = codeOf(store.close());
	await pass(clock, 1000);
	await closing;
	expect(told).toBe("STREAMBED_STOPPED");
	expect(after).toEqual(before);
});
