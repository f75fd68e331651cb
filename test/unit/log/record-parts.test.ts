/** Records in parts beside a growth, on a disk that hangs while a commit is carried out. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { drive, openStore, ROOT, surroundings } from "./memory-store.ts";

it("a growth waits for a commit that is being carried out, and counts its parts among what was routed before", async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const store = await openStore(around);
	let goOn = (): void => {};
	let reached = (): void => {};
	const carrying = new Promise<void>((resolve) => (reached = resolve));
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
