/** Large payloads placed directly: what the journal holds of them, and what is left of them at each crash and failure. */
import { describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { type ByteStream, open, type ProducerTriple, type Store, verifyStore } from "../../../src/index.ts";
import { removeTree } from "../../../src/log/files/stream-folder.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { codeOf, copyOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "./memory-store.ts";
import { firstWrong, patterned } from "./pattern.ts";

const LARGE = 100_000;
const MiB = 1024 * 1024;
const limits = { directBytes: 50_000 };
const SEGMENT = `${ROOT}/streams/s/a.stream/0/00000000000000000000.seg`;

/** A store with a stream whose segment holds an append, so that payloads can be placed in it. */
async function anchored(around: Surroundings): Promise<{ store: Store; stream: ByteStream }> {
	const store = await openStore(around);
	const stream = await drive(around.clock, store.scope("s").create("a"));
	await drive(around.clock, stream.append(patterned(0, 0, 10)));
	await pass(around.clock, 200);
	return { store, stream };
}

/** Streams of these names, each with an append that stands in its segment. */
async function eachWithAnAppend<const Names extends readonly string[]>(
	{ clock }: Surroundings,
	store: Store,
	names: Names,
): Promise<{ [Name in keyof Names]: ByteStream }> {
	const streams: ByteStream[] = [];
	for (const name of names) {
		const stream = await drive(clock, store.scope("s").create(name));
		await drive(clock, stream.append(patterned(0, 0, 10)));
		await pass(clock, 200);
		streams.push(stream);
	}
	return streams as { [Name in keyof Names]: ByteStream };
}

/** Opens what a dead process left, and reads and verifies all of it. */
async function tailOf(disk: Disk): Promise<{ tail: number; tailCutBytes: number; store: Store; around: Surroundings }> {
	const around = surroundings({ disk, limits });
	const store = await openStore(around, false);
	let tail = 0;
	const read = async (): Promise<void> => {
		for await (const bytes of store.scope("s").stream("a").reader()) {
			expect(firstWrong(0, tail, bytes)).toBeUndefined();
			tail += bytes.length;
		}
	};
	await drive(around.clock, read());
	return { tail, tailCutBytes: store.stats().recovery.tailCutBytes, store, around };
}

/** Closes, and expects that nothing is wrong with the files. */
async function closeSound({ store, around }: { store: Store; around: Surroundings }): Promise<void> {
	await drive(around.clock, store.close());
	const report = await drive(around.clock, verifyStore(ROOT, { disk: around.disk }));
	expect(report.problems).toEqual([]);
}

describe("a large payload", () => {
	it("is written once, and only its header goes through the journal", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits });
		const { store, stream } = await anchored(around);
		const before = disk.counters.writtenBytes;
		await drive(around.clock, stream.append(patterned(0, 10, LARGE)));
		await pass(around.clock, 200);
		expect(disk.counters.writtenBytes - before).toBeLessThan(LARGE + 10_000);
		await closeSound({ store, around });
		expect((await tailOf(disk)).tail).toBe(10 + LARGE);
	});

	it("goes through the journal where no frame of its segment is there since the last checkpoint", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits });
		const { store, stream } = await anchored(around);
		await drive(around.clock, store.checkpoint());
		const before = disk.counters.writtenBytes;
		await drive(around.clock, stream.append(patterned(0, 10, LARGE)));
		await pass(around.clock, 200);
		expect(disk.counters.writtenBytes - before).toBeGreaterThan(2 * LARGE);
		await closeSound({ store, around });
	});

	it("that was acknowledged is there after a crash that came before its header stood in the segment", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits });
		const { stream } = await anchored(around);
		await drive(around.clock, stream.append(patterned(0, 10, LARGE)));
		const found = await tailOf(copyOf(disk));
		expect(found).toMatchObject({ tail: 10 + LARGE, tailCutBytes: 0 });
		await closeSound(found);
	});

	it("of a producer is written once as well, and a retry after a crash is told where it is", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits });
		const { stream } = await anchored(around);
		const triple = (sequence: number): ProducerTriple => ({ id: "p", epoch: 1, sequence });
		const before = disk.counters.writtenBytes;
		for (let sequence = 0; sequence < 3; sequence++) {
			const payload = patterned(0, 10 + sequence * LARGE, LARGE);
			await drive(around.clock, stream.append(payload, { producer: triple(sequence) }));
		}
		await pass(around.clock, 200);
		expect(disk.counters.writtenBytes - before).toBeLessThan(3 * LARGE + 30_000);
		const found = await tailOf(copyOf(disk));
		const again = found.store.scope("s").stream("a");
		for (let sequence = 0; sequence < 3; sequence++) {
			const retry = again.append(new Uint8Array(1), { producer: triple(sequence) });
			const from = 10 + sequence * LARGE;
			expect(await drive(found.around.clock, retry)).toEqual({ from, to: from + LARGE, duplicate: true });
		}
		await closeSound(found);
	});

	it("of a producer whose table is damaged in the journal is damage, not an append without a producer", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits });
		const { stream } = await anchored(around);
		await drive(
			around.clock,
			stream.append(patterned(0, 10, LARGE), { producer: { id: "marker", epoch: 1, sequence: 0 } }),
		);
		await drive(around.clock, stream.append(patterned(0, 10 + LARGE, 10)));
		const left = copyOf(disk);
		const ring = `${ROOT}/journal/ring-000000.jnl`;
		const at = Buffer.from(await left.readFile(ring)).indexOf("marker");
		expect(at).toBeGreaterThan(0);
		const file = await left.open(ring, "write");
		await file.write(Buffer.from("M"), at);
		await file.close();
		const opening = openStore(surroundings({ disk: left, limits }), false);
		expect(await codeOf(opening)).toBe("STREAMBED_CORRUPT");
	});

	it("whose round never became durable leaves nothing behind", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk, limits });
		const { stream } = await anchored(around);
		let left: Disk | undefined;
		const copy = (): void => {
			left = copyOf(disk);
		};
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, before: copy, code: "EIO" });
		expect(await codeOf(drive(around.clock, stream.append(patterned(0, 10, LARGE))))).toBe("STREAMBED_STOPPED");
		expect((await (left as Disk).stat(SEGMENT))?.size).toBeGreaterThan(LARGE);
		const found = await tailOf(left as Disk);
		expect(found.tail).toBe(10);
		const again = found.store.scope("s").stream("a");
		await drive(found.around.clock, again.append(patterned(0, 10, 500)));
		await closeSound(found);
		expect((await tailOf(found.around.disk)).tail).toBe(510);
	});

	it("that is not whole takes its round with it, which nobody was told of", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits });
		const { stream } = await anchored(around);
		await drive(around.clock, stream.append(patterned(0, 10, LARGE)));
		const left = copyOf(disk);
		const file = await left.open(SEGMENT, "write");
		await file.write(new Uint8Array(4096), 20_000);
		await file.close();
		const found = await tailOf(left);
		expect(found.tail).toBe(10);
		expect(found.tailCutBytes).toBeGreaterThan(0);
		await closeSound(found);
	});

	it("goes through the journal when it finds no space, and what was written of it is taken back", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk, limits });
		const { store, stream } = await anchored(around);
		disk.addRule({ operation: "write", path: /\.seg$/, code: "ENOSPC", doneBytes: 60_000 });
		await drive(around.clock, stream.append(patterned(0, 10, LARGE)));
		await drive(around.clock, stream.append(patterned(0, 10 + LARGE, LARGE)));
		await closeSound({ store, around });
		expect((await tailOf(disk)).tail).toBe(10 + 2 * LARGE);
	});

	it("goes through the journal where that has room for it only after the checkpoint that waits for its round", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk, limits: { journalBytes: 16 * MiB } });
		const { clock } = around;
		const store = await openStore(around);
		const stream = await drive(clock, store.scope("s").create("a"));
		// Until neither file of the ring has room for the payload.
		for (let count = 0; count < 42; count++) await drive(clock, stream.append(new Uint8Array(MiB / 4)));
		await pass(clock, 7000);
		await drive(clock, stream.append(new Uint8Array(1000)));
		await pass(clock, 500);
		const { checkpoints } = store.stats();
		const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
		disk.addRule({ operation: "write", path: /\.seg/, code: "ENOSPC", before: () => held });
		const append = stream.append(new Uint8Array(8 * MiB));
		await pass(clock, 6000);
		expect(store.stats().checkpoints).toBe(checkpoints);
		goOn();
		await drive(clock, append);
		await closeSound({ store, around });
	});

	it("goes through the journal with the names of all streams of its round, so that the next opening looks for none", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk, limits });
		const { clock } = around;
		const store = await openStore(around);
		const [a, b] = await eachWithAnAppend(around, store, ["a", "b", "c"]);
		await drive(clock, store.checkpoint());
		await drive(clock, a.append(patterned(0, 10, 10)));
		await pass(clock, 200);
		disk.addRule({ operation: "write", path: /a\.stream.*\.seg/, code: "ENOSPC" });
		await drive(clock, Promise.all([a.append(patterned(0, 20, LARGE)), b.append(patterned(0, 10, 10))]));
		const left = faultyDisk(copyOf(disk));
		await openStore(surroundings({ disk: left, limits }), false);
		const looked = left.events.filter(({ operation, path }) => operation === "readFile" && path.includes(".stream/"));
		const folders = looked.map(({ path }) => path.slice(`${ROOT}/streams/s/`.length, -"/stream.json".length));
		expect([...new Set(folders)].sort()).toEqual(["a.stream", "b.stream"]);
	});

	it("stops the store when its sync fails, and its outcome is unknown", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk, limits });
		const { store, stream } = await anchored(around);
		disk.addRule({ operation: "sync", path: /\.seg/, code: "EIO" });
		const error = await drive(around.clock, stream.append(patterned(0, 10, LARGE))).catch((reason: unknown) => reason);
		expect(error).toMatchObject({ code: "STREAMBED_STOPPED", details: { outcome: "unknown" } });
		expect(await codeOf(stream.append(new Uint8Array(1)))).toBe("STREAMBED_STOPPED");
		await drive(around.clock, store.close());
		await closeSound(await tailOf(disk));
	});

	it("is not acknowledged where the sync that failed was somebody else's", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk, limits });
		const { clock } = around;
		const store = await openStore(around);
		const [, , a, b] = await eachWithAnAppend(around, store, ["c", "d", "a", "b"]);
		const hang = (operation: "sync" | "write", path: RegExp): (() => void) => {
			const { promise: end, resolve: letGo } = Promise.withResolvers<void>();
			disk.addRule({ operation, path, before: () => end });
			return letGo;
		};
		const letGo = [hang("sync", /c\.stream.*\.seg/), hang("sync", /d\.stream.*\.seg/)];
		const checkpoint = codeOf(store.checkpoint());
		await pass(clock, 50);
		await drive(clock, Promise.all([a, b].map((stream) => stream.append(patterned(0, 10, 10)))));
		await pass(clock, 200);
		// One payload is in its place, the other on its way, when the checkpoint syncs the first.
		letGo.push(hang("write", /b\.stream.*\.seg/));
		disk.addRule({ operation: "sync", path: /a\.stream.*\.seg/, code: "EIO" });
		const answers = [a, b].map((stream) => stream.append(patterned(0, 20, LARGE)).catch((error: unknown) => error));
		await pass(clock, 5);
		for (const go of letGo) {
			go();
			await pass(clock, 50);
		}
		expect(await drive(clock, checkpoint)).toBe("STREAMBED_STOPPED");
		const unknown = { code: "STREAMBED_STOPPED", details: { outcome: "unknown" } };
		expect(await drive(clock, Promise.all(answers))).toMatchObject([unknown, unknown]);
		await drive(clock, store.close());
	});

	it("to a stream whose folder somebody removed goes with the stream, and disturbs nobody", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits: { ...limits, openFiles: 8 } });
		const { clock } = around;
		const store = await openStore(around);
		// So many that the segment of the first one is closed again.
		const others = Array.from({ length: 12 }, (_, number) => `x${number}`);
		const [a, b] = await eachWithAnAppend(around, store, ["a", "b", ...others]);
		await removeTree(disk, `${ROOT}/streams/s/a.stream`);
		expect(await codeOf(drive(clock, a.append(patterned(0, 10, LARGE))))).toBe("fine");
		await pass(clock, 1000);
		expect(await codeOf(drive(clock, a.append(patterned(0, 10 + LARGE, 10))))).toBe("STREAMBED_NOT_FOUND");
		expect(await codeOf(drive(clock, b.append(patterned(0, 10, LARGE))))).toBe("fine");
		await drive(clock, store.close());
	});

	it("keeps its bytes apart from small appends before and behind it, over rolls", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a", { segmentBytes: 512 * 1024 }));
		let at = 0;
		for (let turn = 0; turn < 60; turn++) {
			const sizes = turn % 3 === 0 ? [LARGE] : [7, LARGE, 3000, LARGE, 1];
			const appends = sizes.map((size) => {
				const from = at;
				at += size;
				return stream.append(patterned(0, from, size));
			});
			await drive(around.clock, Promise.all(appends));
			if (turn % 7 === 0) await pass(around.clock, 50);
			if (turn % 25 === 0) await drive(around.clock, store.checkpoint());
		}
		expect((await tailOf(copyOf(disk))).tail).toBe(at);
		await closeSound({ store, around });
	});

	it("that waits for its header is not taken for damage by a reader beside the owner, however long that takes", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk, limits });
		const { store, stream } = await anchored(around);
		const { promise: opened, resolve: letGo } = Promise.withResolvers<void>();
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, before: () => opened });
		const append = stream.append(patterned(0, 10, LARGE));
		await pass(around.clock, 50);
		const { clock } = around;
		const locker = memoryLocker();
		await locker.tryLock(`${ROOT}/LOCK`);
		const beside = await drive(clock, open(ROOT, { mode: "read", disk, clock, lock: locker, limits }));
		const info = async (): Promise<unknown> => (await beside.scope("s").stream("a").info()).shards[0];
		expect(await drive(clock, info())).toMatchObject({ tail: 10 });
		await pass(clock, 5000);
		expect(await drive(clock, info())).toMatchObject({ tail: 10 });
		const reader = beside.scope("s").stream("a").reader({ from: "tail" });
		expect(await drive(clock, reader.read())).toMatchObject({ kind: "nothing" });
		letGo();
		await drive(clock, append);
		await pass(clock, 200);
		expect(await drive(clock, info())).toMatchObject({ tail: 10 + LARGE });
		await drive(clock, beside.close());
		await drive(clock, store.close());
	});
});
