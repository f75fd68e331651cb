/** Writes in parts: what stands on the disk of them, what failing operations and damage make of them. */
import { describe, expect, it } from "vitest";
import { parseUuid } from "../../../src/core/random.ts";
import type { Disk } from "../../../src/disk/disk.ts";
import {
	type ByteStream,
	dumpFile,
	type Multipart,
	open,
	type RepairResult,
	repairStore,
	type Store,
	verifyStore,
} from "../../../src/index.ts";
import { removeTree } from "../../../src/log/files/stream-folder.ts";
import { checkpointPath, readCheckpoint, SLOT_BYTES } from "../../../src/log/format/checkpoint-file.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { codeOf, copyOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "./memory-store.ts";
import { firstWrong, patterned } from "./pattern.ts";

const MiB = 1024 * 1024;
const SHARD = `${ROOT}/streams/s/a.stream/0`;

async function withStream(
	around: Surroundings,
	segmentBytes = 64 * 1024,
): Promise<{ store: Store; stream: ByteStream }> {
	const store = await openStore(around);
	return { store, stream: await drive(around.clock, store.scope("s").create("a", { segmentBytes })) };
}

/** A write in parts of the stream's pattern from `from` on. */
async function written(around: Surroundings, stream: ByteStream, from: number, bytes: number): Promise<Multipart> {
	const write = stream.writer().multipart();
	for (let at = 0; at < bytes; at += MiB / 2) {
		await drive(around.clock, write.write(patterned(0, from + at, Math.min(MiB / 2, bytes - at))));
	}
	return write;
}

/** All of the stream is its pattern; returns how much that is. */
async function soundTail(around: Surroundings, stream: ByteStream): Promise<number> {
	let at = 0;
	const read = async (): Promise<void> => {
		for await (const bytes of stream.reader()) {
			expect(firstWrong(0, at, bytes)).toBeUndefined();
			at += bytes.length;
		}
	};
	await drive(around.clock, read());
	return at;
}

async function problemsOf(around: Surroundings): Promise<{ readonly path: string; readonly message: string }[]> {
	const { problems } = await drive(around.clock, verifyStore(ROOT, { disk: around.disk }));
	return problems.map(({ path, message }) => ({ path, message }));
}

async function stagedNames(disk: Disk): Promise<string[]> {
	return (await disk.list(`${SHARD}/staged`).catch(() => [])).map(({ name }) => name).sort();
}

async function overwrite(disk: Disk, path: string, at: number, bytes: Uint8Array): Promise<void> {
	const file = await disk.open(path, "write");
	await file.write(bytes, at);
	await file.close();
}

describe("a write in parts", () => {
	it("writes its data once", async () => {
		const around = surroundings();
		const { store, stream } = await withStream(around, 4 * MiB);
		const before = around.disk.counters.writtenBytes;
		const write = await written(around, stream, 0, 10 * MiB);
		await drive(around.clock, write.commit());
		await drive(around.clock, store.checkpoint());
		const bytes = around.disk.counters.writtenBytes - before;
		expect(bytes).toBeGreaterThanOrEqual(10 * MiB);
		expect(bytes).toBeLessThan(10 * MiB + 64 * 1024);
		expect(store.stats().appendedBytes).toBe(10 * MiB);
		expect(await soundTail(around, stream)).toBe(10 * MiB);
		await drive(around.clock, store.close());
	});

	it("that is small needs no file and no sync beyond that of its append", async () => {
		const around = surroundings();
		const { store, stream } = await withStream(around, MiB);
		await drive(around.clock, stream.append(patterned(0, 0, 10)));
		const write = await written(around, stream, 10, 1000);
		const before = around.disk.counters.syncs;
		await drive(around.clock, write.commit());
		expect(around.disk.counters.syncs - before).toBe(1);
		expect(await stagedNames(around.disk)).toEqual([]);
		await drive(around.clock, store.close());
	});

	it("leaves nothing in the folder when it is dropped, and its files go when its process dies", async () => {
		const around = surroundings();
		const { stream } = await withStream(around);
		const dropped = await written(around, stream, 0, 300_000);
		expect((await stagedNames(around.disk)).length).toBeGreaterThan(3);
		await drive(around.clock, dropped.abort());
		expect(await stagedNames(around.disk)).toEqual([]);
		await written(around, stream, 0, 300_000);
		expect((await stagedNames(around.disk)).length).toBeGreaterThan(3);
		const next = surroundings({ disk: copyOf(around.disk) });
		const again = await openStore(next, false);
		await drive(next.clock, again.scope("s").stream("a").info());
		expect(await stagedNames(next.disk)).toEqual([]);
		await drive(next.clock, again.close());
	});

	it("refuses a piece that finds no room, keeps what it had, and takes the piece again when there is room", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const { store, stream } = await withStream(around);
		const write = await written(around, stream, 0, 100_000);
		disk.addRule({ operation: ["write"], path: /staged/, nth: 3, times: 1, code: "ENOSPC", doneBytes: 500 });
		const piece = patterned(0, 100_000, 200_000);
		expect(await drive(around.clock, codeOf(write.write(piece)))).toBe("STREAMBED_DISK_FULL");
		expect(write.bytes).toBe(100_000);
		await drive(around.clock, write.write(piece));
		await drive(around.clock, write.commit());
		expect(await soundTail(around, stream)).toBe(300_000);
		await drive(around.clock, store.close());
		expect(await problemsOf(around)).toEqual([]);
	});

	it("whose data cannot be synced stops the store, and nothing of it is there afterwards", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const { store, stream } = await withStream(around);
		await drive(around.clock, stream.append(patterned(0, 0, 10)));
		const write = await written(around, stream, 10, 50_000);
		disk.addRule({ operation: ["sync"], path: /staged/, nth: 1, times: 1, code: "EIO" });
		expect(await drive(around.clock, codeOf(write.prepare()))).toBe("STREAMBED_STOPPED");
		expect(await drive(around.clock, codeOf(stream.append(new Uint8Array(1))))).toBe("STREAMBED_STOPPED");
		await drive(around.clock, codeOf(store.close()));
		const next = surroundings({ disk, locker: around.locker });
		const again = await openStore(next, false);
		expect(await soundTail(next, again.scope("s").stream("a"))).toBe(10);
		expect(await drive(next.clock, again.scope("s").stream("a").transactions())).toEqual([]);
		await drive(next.clock, again.close());
	});

	it("that was committed and not carried out is carried out by the next opening", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const { store, stream } = await withStream(around);
		const write = await written(around, stream, 0, 300_000);
		disk.addRule({ operation: ["rename"], path: /staged.*seg$/, nth: 2, times: 1, code: "EIO" });
		expect(await drive(around.clock, codeOf(write.commit()))).toBe("STREAMBED_STOPPED");
		await drive(around.clock, codeOf(store.close()));
		const next = surroundings({ disk, locker: around.locker });
		const again = await openStore(next, false);
		expect(await soundTail(next, again.scope("s").stream("a"))).toBe(300_000);
		await drive(next.clock, again.close());
		expect(await problemsOf(next)).toEqual([]);
	});

	it("of which a file was removed is no longer committed, and can be dropped", async () => {
		const around = surroundings();
		const { store, stream } = await withStream(around);
		const write = await written(around, stream, 0, 150_000);
		await around.disk.unlink(`${SHARD}/staged/${write.id}.00001.seg`);
		expect(await drive(around.clock, codeOf(write.commit()))).toBe("STREAMBED_CORRUPT");
		await drive(around.clock, stream.append(patterned(0, 0, 100)));
		await drive(around.clock, write.abort());
		await drive(around.clock, store.close());
		expect(await problemsOf(around)).toEqual([]);
	});

	it("waits for room to be carried out once it is stored", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const { store, stream } = await withStream(around);
		const write = await written(around, stream, 0, 150_000);
		disk.addRule({ operation: ["rename"], path: /staged.*seg$/, nth: 2, times: 3, code: "ENOSPC" });
		expect(await drive(around.clock, write.commit())).toMatchObject({ from: 0, to: 150_000 });
		// The reserve was given for it: appends go on once there is room for that again.
		await pass(around.clock, 1500);
		expect(await drive(around.clock, stream.append(patterned(0, 150_000, 100)))).toMatchObject({ from: 150_000 });
		expect(await soundTail(around, stream)).toBe(150_100);
		await drive(around.clock, store.close());
		expect(await problemsOf(around)).toEqual([]);
	});

	it("whose last file is lost before the next opening is not taken for the end of the stream", async () => {
		const around = surroundings();
		const { stream } = await withStream(around);
		await drive(around.clock, stream.append(patterned(0, 0, 1000)));
		await drive(around.clock, (await written(around, stream, 1000, 150_000)).commit());
		const disk = copyOf(around.disk);
		const names = (await disk.list(SHARD)).map(({ name }) => name).filter((name) => name.endsWith(".seg"));
		await disk.unlink(`${SHARD}/${names.sort().at(-1)}`);
		const next = surroundings({ disk });
		const again = await openStore(next, false);
		const damaged = again.scope("s").stream("a");
		expect(await drive(next.clock, codeOf(damaged.append(new Uint8Array(1))))).toBe("STREAMBED_CORRUPT");
		const first = await drive(next.clock, damaged.reader().read());
		expect(first).toMatchObject({ kind: "data", offset: 0 });
		await drive(next.clock, again.close());
		expect((await problemsOf(next)).length).toBeGreaterThan(0);
	});

	it("is committed to a stream that retention has emptied, in the place of the segment that stood for it", async () => {
		const around = surroundings();
		const store = await openStore(around);
		const options = { segmentBytes: 64 * 1024, retention: { ageMs: 1000 } };
		const stream = await drive(around.clock, store.scope("s").create("a", options));
		await drive(around.clock, stream.append(patterned(0, 0, 1000)));
		await pass(around.clock, 4000);
		const emptied = (await drive(around.clock, stream.info())).shards[0];
		expect([emptied?.head, emptied?.tail, emptied?.segments]).toEqual([1000, 1000, 1]);
		const write = await written(around, stream, 1000, 150_000);
		await drive(around.clock, stream.update({ retention: {} }));
		expect((await drive(around.clock, write.commit())).from).toBe(1000);
		// As a killed process leaves it: the journal still holds the commit.
		const next = surroundings({ disk: copyOf(around.disk) });
		const again = await openStore(next, false);
		const { shards } = await drive(next.clock, again.scope("s").stream("a").info());
		expect([shards[0]?.head, shards[0]?.tail]).toEqual([1000, 151_000]);
		await drive(next.clock, again.close());
		expect(await problemsOf(next)).toEqual([]);
	});
});

describe("a prepared write", () => {
	async function prepared(around: Surroundings): Promise<string> {
		const { store, stream } = await withStream(around);
		const write = await written(around, stream, 0, 150_000);
		const id = await drive(around.clock, write.prepare());
		await drive(around.clock, store.close());
		return id;
	}

	it("is listed by a second process, as an open one is", async () => {
		const around = surroundings();
		const { store, stream } = await withStream(around);
		const one = await written(around, stream, 0, 150_000);
		const id = await drive(around.clock, one.prepare());
		await pass(around.clock, 10);
		await written(around, stream, 0, 150_000);
		const { disk, clock, random } = around;
		const beside = await drive(clock, open(ROOT, { mode: "read", disk, clock, random, lock: memoryLocker() }));
		const listed = await drive(clock, beside.scope("s").stream("a").transactions());
		expect(listed.map(({ state }) => state)).toEqual(["prepared", "open"]);
		expect([listed[0]?.id, listed[0]?.bytes]).toEqual([id, 150_000]);
		const resumed = beside.scope("s").stream("a").resumeTransaction(id);
		expect(await drive(clock, codeOf(resumed))).toBe("STREAMBED_READ_ONLY");
		expect((await drive(clock, beside.scope("s").stream("a").info())).shards[0]?.tail).toBe(0);
		await drive(clock, beside.close());
		await drive(clock, store.close());
	});

	it.each([
		["its data", ".00001.seg", 5000],
		["the header of a file", ".00000.seg", 20],
		["the empty place of its state", ".00000.seg", 100],
		["what says that it is prepared", ".json", 60],
	])("of which a bit flips in %s is reported by verify", async (_where, ending, at) => {
		const around = surroundings();
		const id = await prepared(around);
		expect(await problemsOf(around)).toEqual([]);
		const path = `${SHARD}/staged/${id}${ending}`;
		const byte = (await around.disk.readFile(path))[at] as number;
		await overwrite(around.disk, path, at, Uint8Array.of(byte ^ 4));
		expect((await problemsOf(around)).map((problem) => problem.path)).toEqual([path]);
	});

	it("whose descriptor is damaged is listed so, without an age, cannot be committed, and can be aborted", async () => {
		const around = surroundings();
		const id = await prepared(around);
		await overwrite(around.disk, `${SHARD}/staged/${id}.json`, 40, Uint8Array.of(0));
		const names = await stagedNames(around.disk);
		const next = surroundings({ disk: around.disk });
		const store = await openStore(next, false);
		const stream = store.scope("s").stream("a");
		const told = [{ id, state: "prepared", bytes: expect.any(Number), ageMs: null, damaged: true }];
		expect(await drive(next.clock, stream.transactions())).toEqual(told);
		const { disk, clock, random } = next;
		const beside = await drive(clock, open(ROOT, { mode: "read", disk, clock, random, lock: memoryLocker() }));
		expect(await drive(clock, beside.scope("s").stream("a").transactions())).toEqual(told);
		await drive(clock, beside.close());
		const write = await drive(next.clock, stream.resumeTransaction(id));
		expect(await drive(next.clock, codeOf(write.commit()))).toBe("STREAMBED_CORRUPT");
		expect(await stagedNames(around.disk)).toEqual(names);
		expect(await drive(next.clock, codeOf(stream.seal()))).toBe("STREAMBED_TXN_STATE");
		await drive(next.clock, write.abort());
		expect(await stagedNames(around.disk)).toEqual([]);
		await drive(next.clock, stream.seal());
		await drive(next.clock, store.close());
	});

	it("whose descriptor is damaged is repaired where a bit was flipped, and goes aside with its files otherwise", async () => {
		const around = surroundings();
		const id = await prepared(around);
		const path = `${SHARD}/staged/${id}.json`;
		const was = await around.disk.readFile(path);
		const names = await stagedNames(around.disk);
		const repaired = (): Promise<RepairResult> => repairStore(ROOT, { disk: around.disk, lock: memoryLocker() });
		await overwrite(around.disk, path, 100, Uint8Array.of((was[100] as number) ^ 16));
		expect(await drive(around.clock, repaired())).toMatchObject({ ok: true, steps: [{ path }] });
		expect(await around.disk.readFile(path)).toEqual(was);
		await overwrite(around.disk, path, 100, Uint8Array.of(0, 0, 0));
		const { ok, steps, aside } = await drive(around.clock, repaired());
		expect([ok, steps.map((step) => step.path).sort()]).toEqual([true, names.map((name) => `${SHARD}/staged/${name}`)]);
		expect(await stagedNames(around.disk)).toEqual([]);
		const kept = `${aside}${SHARD.slice(ROOT.length)}/staged`;
		expect((await around.disk.list(kept)).map(({ name }) => name).sort()).toEqual(names);
	});
});

describe("the segments of a write in parts", () => {
	it("of which the last is missing are damage, and so told at the tail", async () => {
		const around = surroundings();
		const { store, stream } = await withStream(around);
		await drive(around.clock, stream.append(patterned(0, 0, 1000)));
		await drive(around.clock, (await written(around, stream, 1000, 200_000)).commit());
		await drive(around.clock, store.close());
		const names = (await around.disk.list(SHARD)).map(({ name }) => name).filter((name) => name.endsWith(".seg"));
		const last = names.sort().at(-1) as string;
		await around.disk.unlink(`${SHARD}/${last}`);
		await around.disk.unlink(`${SHARD}/${last.replace(".seg", ".idx")}`);
		expect((await problemsOf(around))[0]?.message).toMatch(
			/files of a write in parts that should follow it are missing/,
		);
		const next = surroundings({ disk: around.disk });
		const again = await openStore(next, false);
		const damaged = again.scope("s").stream("a");
		expect(await drive(next.clock, codeOf(damaged.append(new Uint8Array(1))))).toBe("STREAMBED_CORRUPT");
		await drive(next.clock, again.close());
		const { disk, clock, random } = next;
		const reading = await drive(clock, open(ROOT, { mode: "read", disk, clock, random, lock: memoryLocker() }));
		const reader = reading.scope("s").stream("a").reader();
		const first = await drive(clock, reader.read());
		// What it would be a part of is not shown at all.
		expect(first).toMatchObject({ kind: "data", offset: 0 });
		expect(first.kind === "data" && first.bytes.length).toBe(1000);
		expect(await drive(clock, codeOf(reader.read()))).toBe("STREAMBED_CORRUPT");
		await drive(clock, reading.close());
	});
});

describe("the files of a write in parts", () => {
	it("are shown by dump, staged and adopted", async () => {
		const around = surroundings();
		const { store, stream } = await withStream(around);
		const write = await written(around, stream, 0, 150_000);
		const id = await drive(around.clock, write.prepare());
		const { disk } = around;
		const lines = async (path: string): Promise<object[]> => await Array.fromAsync(dumpFile(path, { disk }));
		const [segment, ...frames] = await lines(`${SHARD}/staged/${id}.00000.seg`);
		expect(segment).toMatchObject({ part: "segment", ok: true, staged: true });
		expect(frames).toMatchObject([{ part: "frame", ok: true, offset: 160 }]);
		expect(await lines(`${SHARD}/staged/${id}.json`)).toMatchObject([{ part: "prepared", ok: true, id }]);
		await drive(around.clock, write.commit());
		await drive(around.clock, store.close());
		const [adopted, state] = await lines(`${SHARD}/00000000000000000000.seg`);
		expect(adopted).toMatchObject({ part: "segment", ok: true, adopted: true, following: 2 });
		expect(state).toMatchObject({ part: "frame", ok: true, type: "state" });
		const round = (await lines(`${ROOT}/journal/ring-000000.jnl`)).find((line) => "write" in line);
		expect(round).toMatchObject({ part: "envelope", kind: "adopt", ok: true, write: id });
	});

	it.each([0, 1, 2])("get a destroyed header back, that of file %i", async (index) => {
		const around = surroundings();
		const { store, stream } = await withStream(around);
		await drive(around.clock, stream.append(patterned(0, 0, 1000)));
		await drive(around.clock, (await written(around, stream, 1000, 150_000)).commit());
		await drive(around.clock, store.close());
		const names = (await around.disk.list(SHARD)).map(({ name }) => name).filter((name) => name.endsWith(".seg"));
		const path = `${SHARD}/${names.sort()[index + 1]}`;
		const before = (await around.disk.readFile(path)).slice();
		await overwrite(around.disk, path, 0, new Uint8Array(64).fill(9));
		expect((await problemsOf(around)).map((problem) => problem.path)).toEqual([path]);
		const { disk, clock } = around;
		await drive(clock, repairStore(ROOT, { disk, lock: memoryLocker() }));
		expect(Buffer.compare(await disk.readFile(path), before)).toBe(0);
		expect(await problemsOf(around)).toEqual([]);
	});
});

describe("a write in parts whose stream somebody removes", () => {
	it("is let go of, also where its files cannot be closed properly", async () => {
		const unhandled: unknown[] = [];
		const note = (reason: unknown): void => void unhandled.push(reason);
		process.on("unhandledRejection", note);
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const { store, stream } = await withStream(around, 8 * MiB);
		const write = await written(around, stream, 0, 2 * MiB);
		disk.addRule({ operation: "close", path: /staged/, code: "EIO" });
		await removeTree(disk, `${ROOT}/streams/s/a.stream`);
		await pass(around.clock, 2500);
		expect(await codeOf(drive(around.clock, write.commit()))).toBe("STREAMBED_NOT_FOUND");
		await drive(around.clock, store.close());
		process.off("unhandledRejection", note);
		expect(unhandled).toEqual([]);
	});
});

describe("a checkpoint slot that is damaged", () => {
	it("leaves files that were adopted since the one before it as they are", async () => {
		const around = surroundings();
		const { store, stream } = await withStream(around, 64 * MiB);
		const commit = async (from: number): Promise<void> => {
			const write = await written(around, stream, from, 3 * MiB);
			await drive(around.clock, write.commit());
		};
		await commit(0);
		// A segment without units, which the next write in parts replaces.
		await drive(around.clock, stream.truncateBefore({ offset: MiB }));
		await commit(3 * MiB);
		await drive(around.clock, stream.append(patterned(0, 6 * MiB, 10)));
		const disk = copyOf(around.disk);
		const { id } = JSON.parse(new TextDecoder().decode(await disk.readFile(`${ROOT}/store.json`))) as { id: string };
		const storeId = parseUuid(id) as Uint8Array;
		const newest = await readCheckpoint(disk, ROOT, storeId);
		const slots = await disk.open(checkpointPath(ROOT), "write");
		await slots.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff), (newest.sequence % 2) * SLOT_BYTES + 40);
		await slots.close();
		expect((await readCheckpoint(disk, ROOT, storeId)).sequence).toBe(newest.sequence - 1);
		const dead = surroundings({ disk });
		expect(await problemsOf(dead)).toEqual([]);
		const again = await openStore(dead, false);
		let at = MiB;
		const read = async (): Promise<void> => {
			for await (const bytes of again
				.scope("s")
				.stream("a")
				.reader({ from: { offset: MiB } })) {
				expect(firstWrong(0, at, bytes)).toBeUndefined();
				at += bytes.length;
			}
		};
		await drive(dead.clock, read());
		expect(at).toBe(6 * MiB + 10);
		await drive(dead.clock, again.close());
		await drive(around.clock, store.close());
	});
});
