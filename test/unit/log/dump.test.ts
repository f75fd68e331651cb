import { join } from "node:path/posix";
import { beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { type DumpLine, dumpFile } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { numbers } from "./pattern.ts";
import { copyTree, cutFile, errorOf, flipBit, leftBy, patchFile, ROOT, segmentFiles, writeFile } from "./store-kit.ts";

const RING = join(ROOT, "journal", "ring-000000.jnl");
const CHECKPOINT = join(ROOT, "journal", "checkpoint");

let disk: Disk;
let segment = "";

beforeAll(async () => {
	({ disk } = await leftBy("closed", async (store) => {
		const stream = await store.scope("a").create("b", { tags: { room: "7" } });
		for (let at = 0; at < 5; at++) await stream.append(Buffer.from(`append number ${at}`));
		await stream.truncateBefore(3);
		await stream.seal();
	}));
	[segment = ""] = await segmentFiles(disk, "a/b");
});

async function dump(from: Disk, path: string, data = false): Promise<DumpLine[]> {
	return await Array.fromAsync(dumpFile(path, { disk: from, data }));
}

function bad(lines: readonly DumpLine[]): unknown[] {
	return lines.filter(({ ok, torn }) => !ok && !torn).map(({ part, offset }) => ({ part, offset }));
}

describe("a dump", () => {
	it("of a segment tells its header and every frame with its position and state", async () => {
		const [header, ...frames] = await dump(disk, segment);
		expect(header).toMatchObject({ part: "segment", offset: 0, ok: true, kind: "bytes", shard: 0, base: 0 });
		expect(frames.map(({ type, position, units }) => [type, position, units])).toEqual([
			["state", 0, 0],
			["data", 0, 15],
			["data", 15, 15],
			["data", 30, 15],
			["data", 45, 15],
			["data", 60, 15],
			["head", 75, 0],
			["seal", 75, 0],
		]);
		expect(frames[0]).toMatchObject({ offset: 64, head: 0, sealed: false });
		expect(frames[6]).toMatchObject({ head: 3, sealed: false, why: "truncation" });
		expect(frames[7]).toMatchObject({ head: 3, sealed: true });
		expect(frames.every(({ ok, data }) => ok && data === undefined)).toBe(true);
	});

	it("shows data when it is asked for", async () => {
		const lines = await dump(disk, segment, true);
		expect(Buffer.from(String(lines[3]?.data), "hex").toString()).toBe("append number 1");
		expect(lines[1]?.data).toBeUndefined();
	});

	it("of the journal tells rounds, envelopes and what each holds", async () => {
		const [header, ...lines] = await dump(disk, RING, true);
		expect(header).toMatchObject({ part: "journal", ok: true, number: 0, fileBytes: 4 * 1024 * 1024 });
		const rounds = lines.filter(({ part }) => part === "round");
		expect(rounds.length).toBeGreaterThanOrEqual(8);
		expect(rounds[0]).toMatchObject({ offset: 4096, ok: true, live: false, incarnation: 1 });
		const envelopes = lines.filter(({ part }) => part === "envelope");
		expect(envelopes[0]).toMatchObject({ kind: "create", folder: "a/b.stream" });
		const frames = envelopes.filter(({ kind }) => kind === "frame");
		expect(frames[1]).toMatchObject({ type: "data", position: 0, units: 15, shard: 0, base: 0, frameAt: 160 });
		expect(Buffer.from(String(frames[1]?.data), "hex").toString()).toBe("append number 0");
		expect(bad(lines)).toEqual([]);
	});

	it("of index, checkpoint and settings tells what they say", async () => {
		const [index, entry] = await dump(disk, segment.replace(".seg", ".idx"));
		expect(index).toMatchObject({ part: "index", ok: true, base: 0, entries: 1 });
		expect(entry).toMatchObject({ part: "entry", offset: 64, frameAt: 64, position: 0 });
		const slots = await dump(disk, CHECKPOINT);
		expect(slots.map(({ part, offset, ok }) => [part, offset, ok])).toEqual([
			["slot", 0, true],
			["slot", 4096, true],
		]);
		expect(slots.filter(({ counts }) => counts)).toMatchObject([{ clean: true }]);
		expect(await dump(disk, join(ROOT, "store.json"))).toMatchObject([{ part: "store", ok: true, format: 1 }]);
		const [stream] = await dump(disk, join(ROOT, "streams/a/b.stream/stream.json"));
		expect(stream).toMatchObject({ part: "stream", ok: true, scope: "a", stream: "b", tags: { room: "7" } });
		const alive = await leftBy("alive", async () => {});
		expect(await dump(alive.disk, join(ROOT, "OWNER"))).toMatchObject([{ part: "owner", ok: true }]);
	});

	it("goes on behind damage, and names the place", async () => {
		const damaged = await copyTree(disk);
		const [, , second, , fourth] = await dump(disk, segment);
		await flipBit(damaged, segment, (second?.offset ?? 0) + 70);
		await flipBit(damaged, segment, (fourth?.offset ?? 0) + 20);
		const lines = await dump(damaged, segment);
		expect(bad(lines)).toEqual([
			{ part: "frame", offset: second?.offset },
			{ part: "bad", offset: fourth?.offset },
		]);
		expect(lines.find(({ part }) => part === "bad")).toMatchObject({ position: 30, to: 45 });
		expect(lines.at(-1)).toMatchObject({ type: "seal", ok: true });
	});

	it("reads frames of a segment whose header is bad, and says where a file was cut", async () => {
		const damaged = await copyTree(disk);
		await flipBit(damaged, segment, 20);
		const lines = await dump(damaged, segment);
		expect(bad(lines)).toEqual([{ part: "segment", offset: 0 }]);
		expect(lines).toHaveLength(9);
		expect(lines[2]).toMatchObject({ type: "data", position: 0, ok: true });
		const cut = await copyTree(disk);
		const last = (await dump(disk, segment)).at(-1);
		await cutFile(cut, segment, (last?.offset ?? 0) + 70);
		expect(bad(await dump(cut, segment))).toEqual([{ part: "frame", offset: last?.offset }]);
		await cutFile(cut, segment, (last?.offset ?? 0) + 10);
		expect(bad(await dump(cut, segment))).toEqual([{ part: "bad", offset: last?.offset }]);
	});

	it("tells a round that was never complete from a damaged one", async () => {
		const rounds = (await dump(disk, RING)).filter(({ part }) => part === "round");
		const [first, second, third] = rounds;
		const last = rounds.at(-1);
		const killed = await copyTree(disk);
		// Before the checkpoint nothing matters, so the store is made one that was not closed.
		await killed.unlink(CHECKPOINT);
		await flipBit(killed, RING, (last?.offset ?? 0) + 64 + 48 + 3);
		expect(bad(await dump(killed, RING))).toEqual([]);
		expect((await dump(killed, RING)).filter(({ torn }) => torn)).toMatchObject([{ offset: last?.offset }]);
		await flipBit(killed, RING, (first?.offset ?? 0) + 100);
		await patchFile(killed, RING, new Uint8Array(64), third?.offset ?? 0);
		expect(bad(await dump(killed, RING))).toEqual([
			{ part: "round", offset: first?.offset },
			{ part: "bad", offset: third?.offset },
		]);
		expect(second?.offset).toBeLessThan(third?.offset ?? 0);
	});

	it("of damaged small files says what is wrong", async () => {
		const damaged = await copyTree(disk);
		const other = (await dump(disk, CHECKPOINT)).find(({ counts }) => !counts)?.offset ?? 0;
		await flipBit(damaged, CHECKPOINT, other + 40);
		expect(bad(await dump(damaged, CHECKPOINT))).toEqual([{ part: "slot", offset: other }]);
		await flipBit(damaged, segment.replace(".seg", ".idx"), 70);
		expect(bad(await dump(damaged, segment.replace(".seg", ".idx")))).toEqual([{ part: "index", offset: 0 }]);
		for (const text of ["{", "[]", '{"format":1,"id":"x"}', '{"format":9,"id":"x","kind":"bytes"}', ""]) {
			await writeFile(damaged, join(ROOT, "streams/a/b.stream/stream.json"), Buffer.from(text));
			const lines = await dump(damaged, join(ROOT, "streams/a/b.stream/stream.json"));
			expect(lines, text).toMatchObject([{ part: "stream", ok: false, reason: expect.any(String) }]);
		}
	});

	it("refuses LOCK without opening it, and what is none of ours", async () => {
		const watched = faultyDisk(disk);
		expect((await errorOf(dump(watched, join(ROOT, "LOCK")))).code).toBe("STREAMBED_NOT_FOUND");
		const locked = await copyTree(disk);
		await writeFile(locked, join(ROOT, "LOCK"), new Uint8Array());
		const looked = faultyDisk(locked);
		expect((await errorOf(dump(looked, join(ROOT, "LOCK")))).code).toBe("STREAMBED_INVALID_OPTION");
		expect(looked.events.filter(({ operation }) => operation !== "stat" && operation !== "realPath")).toEqual([]);
		await writeFile(locked, join(ROOT, "notes.txt"), Buffer.from("{}"));
		expect((await errorOf(dump(locked, join(ROOT, "notes.txt")))).code).toBe("STREAMBED_DECODE");
		const reserve = join(ROOT, "journal", "reserve");
		await writeFile(locked, reserve, new Uint8Array(1024));
		expect(await errorOf(dump(locked, reserve))).toMatchObject({ code: "STREAMBED_INVALID_OPTION" });
		expect((await errorOf(dump(locked, ROOT))).code).toBe("STREAMBED_INVALID_OPTION");
	});

	it("never throws, whatever stands in a file", async () => {
		const next = numbers(5);
		for (const path of [segment, segment.replace(".seg", ".idx"), CHECKPOINT, RING]) {
			const whole = (await disk.readFile(path)).slice(0, 40_000);
			for (let round = 0; round < 40; round++) {
				const copy = await copyTree(disk);
				const bytes = whole.slice(0, 8 + next(whole.length - 8));
				for (let flips = 0; flips < 20; flips++) bytes[8 + next(bytes.length)] = next(256);
				await writeFile(copy, path, bytes);
				expect((await dump(copy, path, true)).length).toBeGreaterThan(0);
			}
		}
	});
});
