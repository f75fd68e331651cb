/** Records in parts beside a growth, on a disk that hangs while a commit is carried out; and how large a shard is behind one. */
import { join } from "node:path/posix";
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, pass, ROOT, surroundings } from "./memory-store.ts";
import { patterned } from "./pattern.ts";

it("a growth waits for a commit that is being carried out, and counts its parts among what was routed before", async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const store = await openStore(around);
	let goOn = (): void => {};
	const { promise: carrying, resolve: reached } = Promise.withResolvers<void>();
	const held = new Promise<void>((resolve) => (goOn = resolve));
	const before = (): Promise<void> => {
		reached();
		return held;
	};
	disk.addRule({ operation: "rename", path: /\/staged\//, before });
	const work = async (): Promise<void> => {
		const stream = await store.scope("s").create("t", { kind: "records", shards: 1 });
		const record = stream.multipart({ key: "k" });
		await record.write(new Uint8Array(1_200_000));
		const committing = record.commit();
		await carrying;
		let grown = false;
		const growing = stream.update({ shards: 2 }).then(() => {
			grown = true;
		});
		for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
		expect(grown).toBe(false);
		goOn();
		expect(await committing).toEqual({ shard: 0, from: 0, to: 3 });
		await growing;
		const described = JSON.parse(Buffer.from(await disk.readFile(`${ROOT}/streams/s/t.stream/stream.json`)).toString());
		expect(described.growth).toMatchObject([{ from: 1, to: 2, positions: [3] }]);
	};
	await drive(around.clock, work());
	await drive(around.clock, store.close());
});

it("behind a record in parts a shard is as large as its files", async () => {
	const around = surroundings();
	const { clock, disk } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("r", { kind: "records" }));
	for (let count = 0; count < 5; count++) await drive(clock, stream.append({ value: patterned(0, 0, 1_000_000) }));
	const parts = stream.multipart();
	for (let piece = 0; piece < 3; piece++) await drive(clock, parts.write(patterned(0, 0, 500_000)));
	await drive(clock, parts.commit());
	await pass(clock, 2000);
	const folder = join(ROOT, "streams/s/r.stream/0");
	const segments = (await disk.list(folder)).filter(({ name }) => name.endsWith(".seg"));
	const sizes = await Promise.all(segments.map(async ({ name }) => (await disk.stat(join(folder, name)))?.size ?? 0));
	const { shards } = await drive(clock, stream.info());
	await drive(clock, store.close());
	expect(shards[0]?.bytes).toBe(sizes.reduce((sum, size) => sum + size));
});
