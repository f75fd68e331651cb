import { dirname, join } from "node:path/posix";
import { beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import { dumpFile, repairStore, verifyStore } from "../../../src/index.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { recordingDisk, replayChanges } from "../../../src/testing/recording-disk.ts";
import {
	CHECKPOINT,
	DESCRIPTION,
	forgetRounds,
	framesOf,
	liveLocker,
	problemsOf,
	RING,
	readAround,
	repair,
	SIZE,
	TOTAL,
	write,
} from "./repair-kit.ts";
import {
	copyTree,
	cutFile,
	errorOf,
	flipBit,
	leftBy,
	openOwner,
	patchFile,
	ROOT,
	segmentFiles,
	writeFile,
} from "./store-kit.ts";

const WHOLE = { read: [[0, TOTAL]], next: TOTAL, sealed: "STREAMBED_SEALED", head: 0 };

/** A store whose owner was killed before anything reached a segment. */
let killed: Disk;
let killedUnsynced: Disk;
let closed: Disk;

beforeAll(async () => {
	killed = await withoutSegments((await leftBy("killed", write)).disk);
	killedUnsynced = await withoutSegments((await leftBy("killed", write, { durability: "os" })).disk);
	closed = (await leftBy("closed", write)).disk;
});

async function withoutSegments(disk: Disk): Promise<Disk> {
	for (const stream of ["a/b", "a/c"]) {
		const folder = join(ROOT, "streams", `${stream}.stream`, "0");
		if ((await disk.stat(folder)) === undefined) continue;
		for (const { name } of await disk.list(folder)) await disk.unlink(join(folder, name));
	}
	return disk;
}

interface Held {
	/** Where the round stands. */
	readonly round: number;
	readonly offset: number;
	readonly position: number;
	readonly units: number;
}

/** Frames with data of a/b in the journal. */
async function heldFrames(disk: Disk): Promise<Held[]> {
	const id = JSON.parse(Buffer.from(await disk.readFile(DESCRIPTION)).toString()).id;
	const held: Held[] = [];
	let round = 0;
	for await (const { part, offset, stream, type, position, units } of dumpFile(RING, { disk })) {
		if (part === "round") round = offset;
		if (stream !== id || type !== "data") continue;
		held.push({ round, offset, position: Number(position), units: Number(units) });
	}
	return held;
}

describe("a damaged journal", () => {
	const losses: Record<string, (disk: Disk) => Promise<void>> = {
		"both slots of the checkpoint": (disk) => patchFile(disk, CHECKPOINT, Buffer.alloc(8192, 7), 0),
		"the checkpoint's file": (disk) => disk.unlink(CHECKPOINT),
		"the slot that counts": async (disk) => {
			for await (const { counts, offset } of dumpFile(CHECKPOINT, { disk })) {
				if (counts) await patchFile(disk, CHECKPOINT, Buffer.alloc(4096, 7), offset);
			}
		},
		"a ring file without its end": (disk) => cutFile(disk, RING, 3_000_000),
		"the header of a ring file": (disk) => patchFile(disk, RING, Buffer.alloc(4096, 7), 0),
		"header and checkpoint": async (disk) => {
			await patchFile(disk, RING, Buffer.alloc(4096, 7), 0);
			await disk.unlink(CHECKPOINT);
		},
	};

	describe.each(["sync", "os"])("with durability %s", (durability) => {
		it.each(Object.keys(losses))("by %s loses nothing", async (name) => {
			const disk = overlayDisk(durability === "sync" ? killed : killedUnsynced);
			await losses[name]?.(disk);
			expect((await problemsOf(disk)).length).toBeGreaterThan(0);
			expect(await repair(disk)).toMatchObject({ ok: true });
			expect(await readAround(disk)).toEqual(WHOLE);
		});
	});

	it.each(Object.keys(losses))("by %s is told once a place, in words that do not say the place again", async (name) => {
		const disk = overlayDisk(killed);
		await losses[name]?.(disk);
		const { problems } = await verifyStore(ROOT, { disk });
		expect(problems.length).toBeGreaterThan(0);
		const places = problems.map(({ path, offset }) => `${path} ${offset}`);
		expect(places).toEqual([...new Set(places)]);
		for (const { path, message } of problems) expect(message).not.toContain(path);
	});

	it("that holds no frame of a shard, but an epoch of its stream, makes no segment there", async () => {
		const left = await leftBy("closed", async (store) => {
			const stream = await store.scope("a").create("b", { segmentBytes: 65_536 });
			for (let append = 0; append < 4; append++) await stream.append(new Uint8Array(60_000));
			await stream.truncateBefore(180_000);
		});
		await forgetRounds(left.disk);
		const store = await openOwner(left);
		await store.scope("a").stream("b").producer("p");
		const disk = await copyTree(left.disk);
		await store.close();
		const before = await segmentFiles(disk, "a/b");
		expect(before.map((path) => path.endsWith("00000000000000000000.seg"))).not.toContain(true);
		await disk.unlink(CHECKPOINT);
		expect(await repair(disk)).toMatchObject({ ok: true });
		expect(await segmentFiles(disk, "a/b")).toEqual(before);
	});

	it("of a store that was closed is replaced by an empty one", async () => {
		for (const name of Object.keys(losses)) {
			const disk = overlayDisk(closed);
			await losses[name]?.(disk);
			await forgetRounds(disk);
			expect(await repair(disk), name).toMatchObject({ ok: true });
			expect(await readAround(disk), name).toEqual(WHOLE);
		}
	});

	it("by a destroyed body in a round loses that frame, and says which positions", async () => {
		const disk = overlayDisk(killed);
		const lost = (await heldFrames(disk))[10];
		await flipBit(disk, RING, (lost?.offset ?? 0) + 500);
		const { position = 0, units = 0 } = lost ?? {};
		const result = await repair(disk);
		expect(result.found).toMatchObject([{ path: RING, offset: lost?.round }]);
		expect(result.problems.map(({ message }) => message).join()).toContain(
			`positions ${position} to ${position + units}`,
		);
		const read = [
			[0, position],
			[position + units, TOTAL],
		];
		expect(await readAround(disk)).toEqual({ ...WHOLE, read });
	});

	it("by a destroyed header of a round loses what it held, and says so", async () => {
		const disk = overlayDisk(killed);
		const lost = (await heldFrames(disk))[10];
		await patchFile(disk, RING, Buffer.alloc(64, 7), lost?.round ?? 0);
		const { position = 0, units = 0 } = lost ?? {};
		const result = await repair(disk);
		expect(result.steps.map(({ what }) => what).join()).toContain("1 round between");
		const read = [
			[0, position],
			[position + units, TOTAL],
		];
		expect(await readAround(disk)).toEqual({ ...WHOLE, read });
	});

	it("by a destroyed last frame of a stream gives none of its positions away again", async () => {
		const disk = overlayDisk(killed);
		const lost = (await heldFrames(disk)).at(-1);
		await flipBit(disk, RING, (lost?.offset ?? 0) + 500);
		await repair(disk);
		expect(await readAround(disk)).toEqual({ ...WHOLE, read: [[0, TOTAL - SIZE]] });
	});

	it("by a round that had reached the segments already loses nothing: nothing is cut", async () => {
		for (const bad of [10, -1]) {
			const disk = overlayDisk(killed);
			const written = overlayDisk(killed);
			await (await openOwner({ disk: written, locker: memoryLocker() })).close();
			for (const stream of ["a/b", "a/c"]) {
				for (const path of await segmentFiles(written, stream)) {
					await disk.mkdir(dirname(path));
					await writeFile(disk, path, await written.readFile(path));
				}
			}
			await patchFile(disk, RING, Buffer.alloc(64, 7), (await heldFrames(disk)).at(bad)?.round ?? 0);
			expect((await problemsOf(disk)).length).toBeGreaterThan(0);
			expect(await repair(disk)).toMatchObject({ ok: true });
			expect(await readAround(disk)).toEqual(WHOLE);
		}
	});

	it("by a destroyed first frame of a segment keeps what stands behind it", async () => {
		const disk = overlayDisk(killed);
		const held = await heldFrames(disk);
		const [first] = held;
		await patchFile(disk, RING, Buffer.alloc(64, 7), first?.round ?? 0);
		const { problems } = await repair(disk);
		expect(problems.length).toBeGreaterThan(0);
		expect(await readAround(disk)).toMatchObject({ read: [[SIZE, TOTAL]], next: TOTAL });
	});

	it("whose file is missing is noticed, and what reached the segments stays", async () => {
		const disk = overlayDisk(killed);
		await disk.unlink(RING);
		const result = await repair(disk);
		expect(result.found).toMatchObject([{ code: "STREAMBED_CORRUPT", path: join(ROOT, "journal") }]);
		expect(result).toMatchObject({ ok: false, problems: [{ path: join(ROOT, "journal"), offset: 0 }] });
		expect(await readAround(disk)).toMatchObject({ read: [] });
	});

	it("whose folder is missing is refused by an opening, and made anew", async () => {
		const disk = overlayDisk(closed);
		const folder = join(ROOT, "journal");
		for (const { name } of await disk.list(folder)) await disk.unlink(join(folder, name));
		await disk.rmdir(folder);
		const refused = await errorOf(openOwner({ disk, locker: memoryLocker() }));
		expect(refused).toMatchObject({ code: "STREAMBED_CORRUPT", details: { path: folder } });
		const { problems } = await verifyStore(ROOT, { disk });
		expect(problems[0]).toMatchObject({ code: "STREAMBED_CORRUPT", path: folder });
		// That its last owner closed the store stood in it.
		expect(await repair(disk)).toMatchObject({ ok: false, problems: [{ path: folder, offset: 0 }] });
		expect(await readAround(disk)).toEqual(WHOLE);
	});

	it("whose file is cut short in what was to be redone is repaired, and the loss is told", async () => {
		const [, second] = await heldFrames(killed);
		for (const at of [(second as Held).round, (second as Held).round + 5000]) {
			const disk = overlayDisk(killed);
			await cutFile(disk, RING, at);
			expect(await repair(disk)).toMatchObject({ ok: false, problems: [{ path: RING, offset: at }] });
			expect((await readAround(disk)).read.length).toBe(1);
		}
	});

	it("beside a lost description loses nothing: the description is written first", async () => {
		const disk = overlayDisk((await leftBy("killed", write)).disk);
		await disk.unlink(CHECKPOINT);
		await writeFile(disk, DESCRIPTION, Buffer.from("{"));
		await repair(disk);
		expect(await readAround(disk)).toMatchObject({ read: [[0, TOTAL]], next: TOTAL });
	});
});

describe("a repair that is cut short anywhere", () => {
	const damages: Record<string, () => Promise<Disk>> = {
		"after the journal was damaged": async () => {
			const disk = overlayDisk(killed);
			const held = await heldFrames(disk);
			await flipBit(disk, RING, (held[10]?.offset ?? 0) + 500);
			await flipBit(disk, RING, (held.at(-1)?.offset ?? 0) + 500);
			return disk;
		},
		"after the checkpoint was lost": async () => {
			const disk = overlayDisk(killed);
			await disk.unlink(CHECKPOINT);
			return disk;
		},
		"after much else was damaged": async () => {
			const disk = overlayDisk(closed);
			await forgetRounds(disk);
			const files = await segmentFiles(disk, "a/b");
			const newest = files.at(-1) ?? "";
			await patchFile(disk, files[0] ?? "", Buffer.alloc(64, 7), 0);
			await disk.unlink(files[1] ?? "");
			await writeFile(disk, files[2] ?? "", await disk.readFile(files[3] ?? ""));
			await patchFile(disk, newest, Buffer.alloc(64, 7), (await framesOf(disk, newest)).at(-1)?.at ?? 0);
			await writeFile(disk, files[3]?.replace(".seg", ".idx") ?? "", Buffer.from("nonsense"));
			await writeFile(disk, DESCRIPTION, Buffer.from("{"));
			await writeFile(disk, join(ROOT, "store.json"), Buffer.from("{"));
			return disk;
		},
		"after a newest segment was cut": async () => {
			const disk = overlayDisk(closed);
			await forgetRounds(disk);
			const newest = (await segmentFiles(disk, "a/b")).at(-1) ?? "";
			await cutFile(disk, newest, ((await framesOf(disk, newest)).at(-1)?.at ?? 0) + 100);
			return disk;
		},
	};

	it.each(Object.keys(damages))("%s is completed by the next one", { timeout: 60_000 }, async (name) => {
		const damaged = (await damages[name]?.()) as Disk;
		const disk = recordingDisk(overlayDisk(damaged));
		const whole = await repairStore(ROOT, { disk, lock: liveLocker() });
		const wanted = { around: await readAround(disk), problems: whole.problems.map(({ message }) => message) };
		expect(disk.changes.length).toBeGreaterThan(15);
		const cuts = disk.changes.flatMap((change, count) =>
			change.kind === "write" && change.bytes.length > 1
				? [
						{ count, part: 0 },
						{ count, part: change.bytes.length >> 1 },
					]
				: [{ count, part: 0 }],
		);
		for (const { count, part } of cuts) {
			const cut = overlayDisk(damaged);
			await replayChanges(disk.changes, cut, count, part);
			const context = `cut after ${count} changes and ${part} bytes`;
			const again = await repairStore(ROOT, { disk: cut, lock: liveLocker() });
			expect(
				again.problems.map(({ message }) => message),
				context,
			).toEqual(wanted.problems);
			expect(await readAround(cut), context).toEqual(wanted.around);
			expect((await repairStore(ROOT, { disk: cut, lock: liveLocker() })).steps, context).toEqual([]);
		}
	});
});
