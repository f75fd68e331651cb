/** A follower beside the owner, and shards that come after a look at the stream has failed. */
import { expect, it } from "vitest";
import { open } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, ROOT, surroundings } from "../log/memory-store.ts";

it.each([
	{ fails: "no look", nth: 0, told: [] },
	{ fails: "a look for more shards", nth: 1, told: ["STREAMBED_IO"] },
	{ fails: "the look at the new ones", nth: 2, told: ["STREAMBED_IO"] },
])("a follower hears of new shards and of $fails that fails", async ({ nth, told }) => {
	const inner = memoryDisk();
	const around = surroundings({ disk: inner });
	const { clock, random, locker } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("r", { kind: "records" }));
	await drive(clock, stream.append({ value: Uint8Array.of(1) }));
	await pass(clock, 200);
	const disk = faultyDisk(inner);
	const beside = await drive(clock, open(`file:${ROOT}`, { mode: "read", disk, clock, random, lock: locker }));
	const followed = beside.scope("s").stream("r", { kind: "records" });
	const reader = await drive(clock, followed.read({ follow: true }).open());
	const got: string[] = [];
	const heard: string[] = [];
	const reading = (async () => {
		while (heard.at(-1) !== "STREAMBED_CLOSED") {
			const follow = async () => {
				for await (const { shard, sequence } of reader) got.push(`${shard}:${sequence}`);
			};
			heard.push(await codeOf(follow()));
		}
	})();
	await pass(clock, 500);
	await drive(clock, stream.update({ shards: 2 }));
	const code = "EIO";
	if (nth > 0) disk.addRule({ operation: "readFile", path: /r\.stream\/stream\.json/, nth: 2 * nth, code });
	for (const shard of [0, 1]) await drive(clock, stream.append({ shard, value: Uint8Array.of(2) }));
	await pass(clock, 3000);
	await drive(clock, reader.close());
	await drive(clock, reading);
	await drive(clock, beside.close());
	await drive(clock, store.close());
	expect([got.sort(), heard]).toEqual([
		["0:0", "0:1", "1:0"],
		[...told, "STREAMBED_CLOSED"],
	]);
});
