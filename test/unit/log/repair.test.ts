import { join } from "node:path/posix";
import { beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import { type RepairOptions, repairStore } from "../../../src/index.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import {
	APPENDS,
	CHECKPOINT,
	DESCRIPTION,
	forgetRounds,
	framesOf,
	keptFiles,
	liveLocker,
	problemsOf,
	RING,
	readAround,
	repair,
	SIZE,
	TOTAL,
	write,
} from "./repair-kit.ts";
import { cutFile, errorOf, flipBit, leftBy, patchFile, ROOT, segmentFiles, writeFile } from "./store-kit.ts";

const WHOLE = { read: [[0, TOTAL]], next: TOTAL, sealed: "STREAMBED_SEALED", head: 0 };

let closed: Disk;
let killed: Disk;
let files: string[];

beforeAll(async () => {
	closed = (await leftBy("closed", write)).disk;
	killed = (await leftBy("killed", write)).disk;
	files = await segmentFiles(closed, "a/b");
});

/** A copy of the closed store whose journal holds no rounds. */
async function forgotten(): Promise<Disk> {
	const disk = overlayDisk(closed);
	await forgetRounds(disk);
	return disk;
}

async function noise(disk: Disk, path: string, at: number, length: number): Promise<void> {
	await patchFile(disk, path, Buffer.alloc(length, "noise"), at);
}

describe("a repair of a sound store", () => {
	it("does nothing, whether it was closed or its owner was killed", async () => {
		for (const left of [closed, killed]) {
			const disk = overlayDisk(left);
			expect(await repair(disk)).toMatchObject({ ok: true, steps: [], found: [], problems: [], aside: null });
			expect(await readAround(disk)).toEqual(WHOLE);
		}
	});

	it("is refused without a store, for a stream that is not there, and beside an owner", async () => {
		const options = { disk: overlayDisk(closed), lock: memoryLocker() };
		const failing = async (path: string, more: RepairOptions = {}): Promise<string> =>
			(await errorOf(repairStore(path, { ...options, ...more }))).code;
		expect(await failing("/none")).toBe("STREAMBED_NOT_FOUND");
		expect(await failing("/none", { dryRun: true })).toBe("STREAMBED_NOT_FOUND");
		expect(await failing(ROOT, { stream: "a/none" })).toBe("STREAMBED_NOT_FOUND");
		const alive = await leftBy("alive", write);
		expect(await failing(ROOT, { disk: alive.disk, lock: alive.locker })).toBe("STREAMBED_LOCKED");
	});
});

describe("what the journal still holds is put back", () => {
	const damages: Record<string, (disk: Disk) => Promise<void>> = {
		"a payload": (disk) => noise(disk, files[1] ?? "", 30_000, 900),
		"a frame's header": async (disk) =>
			noise(disk, files[1] ?? "", (await framesOf(disk, files[1] ?? ""))[2]?.at ?? 0, 64),
		"several frames": (disk) => noise(disk, files[1] ?? "", 10_000, 30_000),
		"the end of the newest segment": async (disk) => {
			const path = files.at(-1) ?? "";
			await noise(disk, path, (await framesOf(disk, path)).at(-1)?.at ?? 0, 5000);
		},
		"a newest segment cut within a frame": async (disk) => {
			const path = files.at(-1) ?? "";
			await cutFile(disk, path, ((await framesOf(disk, path)).at(-1)?.at ?? 0) + 500);
		},
		"a newest segment cut between two frames": async (disk) => {
			const path = files.at(-1) ?? "";
			await cutFile(disk, path, (await framesOf(disk, path)).at(-1)?.at ?? 0);
		},
		"a segment in the middle": (disk) => disk.unlink(files[1] ?? ""),
		"the first segment": (disk) => disk.unlink(files[0] ?? ""),
		"the newest segment": (disk) => disk.unlink(files.at(-1) ?? ""),
		"all segments": async (disk) => {
			for (const path of files) await disk.unlink(path);
		},
		"a segment overwritten by another": async (disk) =>
			writeFile(disk, files[1] ?? "", await disk.readFile(files[2] ?? "")),
		"the newest segment overwritten by another": async (disk) =>
			writeFile(disk, files.at(-1) ?? "", await disk.readFile(files[0] ?? "")),
	};

	it.each(Object.keys(damages))("%s", async (name) => {
		const disk = overlayDisk(closed);
		await damages[name]?.(disk);
		expect((await problemsOf(disk)).length).toBeGreaterThan(0);
		const result = await repair(disk);
		expect(result.problems).toEqual([]);
		expect(result.ok).toBe(true);
		expect(await readAround(disk)).toEqual(WHOLE);
		for (const path of files) expect(await disk.readFile(path)).toEqual(await closed.readFile(path));
	});
});

describe("what was truncated", () => {
	it("is not brought back from the journal, and the head stays", async () => {
		const { disk } = await leftBy("closed", async (store) => {
			await write(store);
			await store.scope("a").stream("b").truncateBefore(200_000);
		});
		const before = await segmentFiles(disk, "a/b");
		expect(before.length).toBeLessThan(files.length);
		await noise(disk, before[1] ?? "", 10_000, 30_000);
		expect(await repair(disk)).toMatchObject({ ok: true });
		expect(await segmentFiles(disk, "a/b")).toEqual(before);
		expect(await readAround(disk)).toEqual({ ...WHOLE, read: [[200_000, TOTAL]], head: 200_000 });
	});
});

describe("one flipped bit", () => {
	it("in any header, or in the state of a control frame, is put right as the checksums prove", async () => {
		const [, path = ""] = files;
		const [first, second] = await framesOf(closed, path);
		const places = [0, 9, 20, 33, 63, 64, 70, 100, 127, 130, 159].concat(
			[0, 5, 17, 40, 63].map((at) => (second?.at ?? 0) + at),
		);
		expect(first?.at).toBe(160);
		for (const at of places) {
			const disk = await forgotten();
			await flipBit(disk, path, at);
			expect(await repair(disk), `bit in byte ${at}`).toMatchObject({ ok: true });
			expect(await disk.readFile(path), `bit in byte ${at}`).toEqual(await closed.readFile(path));
		}
	});

	it("in a seal keeps the stream sealed", async () => {
		const [path = ""] = await segmentFiles(closed, "a/c");
		const { length } = await closed.readFile(path);
		for (const at of [length - 1, length - 30, length - 40, length - 96]) {
			const disk = await forgotten();
			await flipBit(disk, path, at);
			expect(await repair(disk)).toMatchObject({ ok: true });
			expect((await readAround(disk)).sealed).toBe("STREAMBED_SEALED");
		}
	});
});

describe("what nothing can give back stays a hole", () => {
	it("a payload in the middle: all around it stays, and the repair says what is lost", async () => {
		const disk = await forgotten();
		const [, path = ""] = files;
		const [, , third] = await framesOf(closed, path);
		await noise(disk, path, (third?.at ?? 0) + 1000, 3000);
		const { position = 0 } = third ?? {};
		const before = await problemsOf(disk);
		const result = await repair(disk);
		expect(result.steps).toEqual([]);
		expect(result.problems).toEqual(before);
		expect(result.problems[0]?.message).toContain(`positions ${position} to ${position + SIZE} cannot be read`);
		const read = [
			[0, position],
			[position + SIZE, TOTAL],
		];
		expect(await readAround(disk)).toEqual({ ...WHOLE, read });
	});

	it("a missing segment in the middle", async () => {
		const disk = await forgotten();
		const [, path = "", next = ""] = files;
		await disk.unlink(path);
		const result = await repair(disk);
		expect(result.problems).toHaveLength(1);
		expect(await readAround(disk)).toMatchObject({
			read: [
				[0, baseOf(path)],
				[baseOf(next), TOTAL],
			],
			next: TOTAL,
		});
	});

	it("a segment whose header is destroyed is read again, since its frames prove whose it is", async () => {
		for (const path of files) {
			const disk = await forgotten();
			await noise(disk, path, 0, 64);
			expect(await repair(disk), path).toMatchObject({ ok: true });
			expect(await readAround(disk), path).toEqual(WHOLE);
			const [kept] = await keptFiles(disk);
			expect(kept?.endsWith(path.slice(ROOT.length)), `${kept}`).toBe(true);
		}
	});

	it("a destroyed end is cut off, and appends go on behind every position that may have been given away", async () => {
		const path = files.at(-1) ?? "";
		const last = (await framesOf(closed, path)).at(-1);
		const disk = await forgotten();
		await noise(disk, path, last?.at ?? 0, SIZE + 72);
		expect((await readAround(disk)).next).toBe("STREAMBED_CORRUPT");
		const result = await repair(disk);
		expect(result.steps.map(({ path: changed }) => changed)).toContain(path);
		const { position = 0 } = last ?? {};
		expect(result.problems).toMatchObject([{ message: expect.stringContaining(`positions ${position} to ${TOTAL}`) }]);
		expect(await readAround(disk)).toEqual({ ...WHOLE, read: [[0, position]], next: TOTAL });
		expect(result.aside).toMatch(/^\/data\/repaired-/);
		const [kept = ""] = await keptFiles(disk);
		expect((await disk.readFile(kept)).length).toBe((await closed.readFile(path)).length);
	});

	it("zeros behind the end are cut off, and no position below them is given away", async () => {
		const path = files.at(-1) ?? "";
		for (const length of [50, 5000]) {
			const closedWell = await forgotten();
			await patchFile(closedWell, path, new Uint8Array(length), (await closedWell.readFile(path)).length);
			expect(await repair(closedWell)).toMatchObject({ ok: true });
			expect(await readAround(closedWell)).toEqual(WHOLE);
		}
		const disk = await forgotten();
		await disk.unlink(path.replace(".seg", ".idx"));
		await patchFile(disk, path, new Uint8Array(5000), (await disk.readFile(path)).length);
		await repair(disk);
		const { next, read } = await readAround(disk);
		expect(read).toEqual([[0, TOTAL]]);
		expect(next).toBe(TOTAL + 5000 - 72);
	});

	it("a cut end goes on where its index, written at the close, says that it ended", async () => {
		const path = files.at(-1) ?? "";
		const frames = await framesOf(closed, path);
		const last = frames.at(-1);
		for (const at of [(last?.at ?? 0) + 500, (last?.at ?? 0) + 10, last?.at ?? 0]) {
			const disk = await forgotten();
			await cutFile(disk, path, at);
			const result = await repair(disk);
			expect(result.problems, `cut at ${at}`).toHaveLength(1);
			expect(await readAround(disk), `cut at ${at}`).toEqual({ ...WHOLE, read: [[0, last?.position]] });
		}
		const gone = await forgotten();
		await gone.unlink(path);
		await repair(gone);
		const { next, read } = await readAround(gone);
		expect(read).toEqual([[0, baseOf(path)]]);
		expect(next).toBeGreaterThanOrEqual(TOTAL);
	});

	it("a cut end without an index is left as it is: where appends may go on is not known", async () => {
		const path = files.at(-1) ?? "";
		const last = (await framesOf(closed, path)).at(-1);
		const disk = await forgotten();
		await disk.unlink(path.replace(".seg", ".idx"));
		await cutFile(disk, path, (last?.at ?? 0) + 500);
		expect(await repair(disk)).toMatchObject({ ok: false, steps: [] });
		expect((await readAround(disk)).next).toBe("STREAMBED_CORRUPT");
	});

	it("what is left of a seal never lets a stream come back to life", async () => {
		const [path = ""] = await segmentFiles(closed, "a/c");
		const { length } = await closed.readFile(path);
		const disk = await forgotten();
		await noise(disk, path, length - 32, 32);
		expect(await repair(disk)).toMatchObject({ ok: true });
		expect((await readAround(disk)).sealed).toBe("STREAMBED_SEALED");
		const worse = await forgotten();
		await noise(worse, path, length - 70, 60);
		await repair(worse);
		expect(["STREAMBED_CORRUPT", "STREAMBED_SEALED"]).toContain((await readAround(worse)).sealed);
		const behind = await forgotten();
		await noise(behind, path, length, 3000);
		expect(await repair(behind)).toMatchObject({ ok: true });
		expect((await readAround(behind)).sealed).toBe("STREAMBED_SEALED");
	});
});

describe("files of others", () => {
	it("in the place of a segment go aside, and one under a wrong name gets its own", async () => {
		const [, path = "", next = ""] = files;
		const renamed = await forgotten();
		await renamed.rename(path, path.replace(/\d{4}\.seg$/, "9999.seg"));
		expect(await repair(renamed)).toMatchObject({ ok: true });
		expect(await readAround(renamed)).toEqual(WHOLE);
		const replaced = await forgotten();
		await writeFile(replaced, path, await replaced.readFile(next));
		const { steps, problems } = await repair(replaced);
		expect(steps[0]).toMatchObject({ path, what: expect.stringContaining("set aside") });
		expect(problems).toHaveLength(1);
		expect(await readAround(replaced)).toMatchObject({
			read: [
				[0, baseOf(path)],
				[baseOf(next), TOTAL],
			],
			next: TOTAL,
		});
	});

	it("of no interest to the store are left alone", async () => {
		const disk = await forgotten();
		await writeFile(disk, join(ROOT, "streams/a/b.stream/0/notes.txt"), Buffer.from("mine"));
		await writeFile(disk, join(ROOT, "notes.txt"), Buffer.from("mine"));
		expect(await repairStore(ROOT, { disk, lock: liveLocker() })).toMatchObject({ ok: true, steps: [] });
	});

	it("as indexes, or damaged ones, are made anew", async () => {
		const disk = await forgotten();
		const indexes = files.map((path) => path.replace(".seg", ".idx"));
		await writeFile(disk, indexes[0] ?? "", Buffer.from("nonsense"));
		await writeFile(disk, indexes[1] ?? "", await disk.readFile(indexes[2] ?? ""));
		await flipBit(disk, indexes.at(-1) ?? "", 70);
		expect(await repair(disk)).toMatchObject({ ok: true });
		for (const path of indexes) expect(await disk.readFile(path), path).toEqual(await closed.readFile(path));
		expect(await keptFiles(disk)).toHaveLength(3);
	});
});

describe("settings", () => {
	it("of a stream are written anew, with what is known", async () => {
		const was = JSON.parse(Buffer.from(await closed.readFile(DESCRIPTION)).toString());
		const texts = ["{", "[]", '{"format":1}', JSON.stringify({ ...was, id: "x" }), JSON.stringify({ ...was, tags: 7 })];
		for (const text of [undefined, ...texts]) {
			const disk = await forgotten();
			if (text === undefined) await disk.unlink(DESCRIPTION);
			else await writeFile(disk, DESCRIPTION, Buffer.from(text));
			const { ok, steps } = await repair(disk);
			expect(ok, text).toBe(true);
			const now = JSON.parse(Buffer.from(await disk.readFile(DESCRIPTION)).toString());
			expect(now).toMatchObject({ id: was.id, store: was.store, scope: "a", stream: "b", kind: "bytes", shards: 1 });
			if (now.tags.room === undefined) expect(steps[0]?.what).toContain("tags");
			expect(await readAround(disk), text).toEqual(WHOLE);
		}
	});

	it("of a stream come back where somebody made a folder in their place, which is kept", async () => {
		const disk = await forgotten();
		await disk.unlink(DESCRIPTION);
		await disk.mkdir(DESCRIPTION);
		await writeFile(disk, join(DESCRIPTION, "notes.txt"), Buffer.from("mine"));
		expect(await problemsOf(disk)).toMatchObject([{ code: "STREAMBED_CORRUPT", path: DESCRIPTION }]);
		expect(await repair(disk)).toMatchObject({ ok: true });
		expect(await readAround(disk)).toEqual(WHOLE);
		expect(await keptFiles(disk)).toEqual([expect.stringMatching(/stream\.json/)]);
	});

	it("of another stream are not taken for its own", async () => {
		const disk = await forgotten();
		await writeFile(disk, DESCRIPTION, await disk.readFile(join(ROOT, "streams/a/c.stream/stream.json")));
		expect(await repair(disk)).toMatchObject({ ok: true });
		expect(await readAround(disk)).toEqual(WHOLE);
	});

	it("of the store are written anew with the id that journal or streams tell", async () => {
		const path = join(ROOT, "store.json");
		const other = "00000000-0000-4000-8000-000000000000";
		const was = JSON.parse(Buffer.from(await closed.readFile(path)).toString());
		const killedId = JSON.parse(Buffer.from(await killed.readFile(path)).toString()).id;
		for (const text of [
			undefined,
			"{}",
			"",
			JSON.stringify({ ...was, id: 5 }),
			JSON.stringify({ ...was, id: other }),
		]) {
			for (const journal of [true, false]) {
				const disk = overlayDisk(journal ? killed : closed);
				if (!journal && text?.includes(other)) continue;
				if (text === undefined) await disk.unlink(path);
				else await writeFile(disk, path, Buffer.from(text));
				if (!journal) for (const file of [CHECKPOINT, RING]) await disk.unlink(file);
				// Without a journal nobody knows whether it held something.
				expect(await repair(disk), `${text}, ${journal}`).toMatchObject({ ok: journal });
				expect(JSON.parse(Buffer.from(await disk.readFile(path)).toString()).id).toBe(journal ? killedId : was.id);
				expect(await readAround(disk)).toEqual(WHOLE);
			}
		}
		const unknown = memoryDisk();
		await unknown.mkdir(join(ROOT, "streams", "a"));
		const failed = repairStore(ROOT, { disk: unknown, lock: memoryLocker() });
		expect((await errorOf(failed)).code).toBe("STREAMBED_CORRUPT");
	});
});

function baseOf(path: string): number {
	return Number(path.slice(-24, -4));
}

it("the store of these tests has enough segments", () => {
	expect(files.length).toBeGreaterThan(4);
	expect(APPENDS * SIZE).toBe(TOTAL);
});
