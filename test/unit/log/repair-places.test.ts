import { join } from "node:path/posix";
import { beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import { repairStore, verifyStore } from "../../../src/index.ts";
import { readCheckpoint } from "../../../src/log/format/checkpoint-file.ts";
import { readStore } from "../../../src/log/opening/store-folder.ts";
import { recordingDisk, replayChanges } from "../../../src/testing/recording-disk.ts";
import { patterned } from "./pattern.ts";
import {
	DESCRIPTION,
	forgetRounds,
	keptFiles,
	liveLocker,
	RING,
	readAround,
	repair,
	SIZE,
	TOTAL,
	write,
} from "./repair-kit.ts";
import { leftBy, patchFile, ROOT, segmentFiles, writeFile } from "./store-kit.ts";

const WHOLE = { read: [[0, TOTAL]], next: TOTAL, sealed: "STREAMBED_SEALED", head: 0 };

let closed: Disk;
let killed: Disk;
let files: string[];

beforeAll(async () => {
	closed = (await leftBy("closed", write)).disk;
	await forgetRounds(closed);
	killed = (await leftBy("killed", write)).disk;
	files = await segmentFiles(closed, "a/b");
});

/** A copy of the closed store, whose journal holds no rounds. */
function forgotten(): Disk {
	return overlayDisk(closed);
}

/** Gives each of these segments the name of the next one, and the last one that of the first. */
async function rotate(disk: Disk, ...numbers: readonly number[]): Promise<void> {
	const paths = numbers.map((number) => files.at(number) ?? "");
	for (const path of paths) await disk.rename(path, `${path}.held`);
	for (const [index, path] of paths.entries()) {
		await disk.rename(`${path}.held`, paths[(index + 1) % paths.length] ?? "");
	}
}

async function expectAsBefore(disk: Disk): Promise<void> {
	for (const path of files) expect(await disk.readFile(path), path).toEqual(await closed.readFile(path));
	expect(await readAround(disk)).toEqual(WHOLE);
	expect(await keptFiles(disk)).toEqual([]);
}

describe("segments under wrong names", () => {
	const exchanges: Record<string, readonly number[]> = {
		"two neighbours": [1, 2],
		"the first and the newest": [0, -1],
		"three in a circle": [0, 2, 1],
		"all but one": [0, 1, 3, 4, -1],
	};

	it.each(Object.keys(exchanges))("%s get their own again, and nothing goes aside", async (name) => {
		const disk = forgotten();
		await rotate(disk, ...(exchanges[name] ?? []));
		expect(await repair(disk)).toMatchObject({ ok: true, aside: null });
		await expectAsBefore(disk);
	});

	it("get their own before the rounds of a killed owner are redone, which would remove or overwrite them", async () => {
		const left = await leftBy("killed", async (store) => {
			await write(store);
			await store.checkpoint();
			await store
				.scope("a")
				.stream("b")
				.append(patterned(0, TOTAL, SIZE));
		});
		const start = await readCheckpoint(
			left.disk,
			ROOT,
			(await readStore(left.disk, ROOT))?.idBytes ?? new Uint8Array(16),
		);
		await patchFile(left.disk, RING, new Uint8Array((start?.offset ?? 0) - 4096), 4096);
		const above = overlayDisk(left.disk);
		await above.rename(files[1] ?? "", (files.at(-1) ?? "").replace(/\d{4}\.seg$/, "9999.seg"));
		const exchanged = overlayDisk(left.disk);
		await rotate(exchanged, 1, -1);
		for (const disk of [above, exchanged]) {
			expect(await repair(disk)).toMatchObject({ ok: true });
			expect(await readAround(disk)).toEqual({ ...WHOLE, read: [[0, TOTAL + SIZE]], next: TOTAL + SIZE });
		}
	});

	it("push aside what is nobody's, and what stands in its own place once more", async () => {
		const foreign = forgotten();
		await foreign.rename(files[2] ?? "", files[1] ?? "");
		await writeFile(foreign, files[2] ?? "", await foreign.readFile(join(ROOT, "store.json")));
		const copied = forgotten();
		await copied.rename(files[2] ?? "", files[1] ?? "");
		await writeFile(copied, files[2] ?? "", await copied.readFile(files[0] ?? ""));
		for (const disk of [foreign, copied]) {
			// The segment in whose place it stood is gone.
			expect((await repair(disk)).problems).toHaveLength(1);
			expect(await disk.readFile(files[2] ?? "")).toEqual(await closed.readFile(files[2] ?? ""));
			expect((await keptFiles(disk)).filter((path) => path.endsWith(".seg"))).toHaveLength(1);
		}
	});

	it("get their own also when a repair before this one was cut short anywhere", async () => {
		const damaged = forgotten();
		await rotate(damaged, 0, 2, -1);
		const recorded = recordingDisk(overlayDisk(damaged));
		await repairStore(ROOT, { disk: recorded, lock: liveLocker() });
		for (let count = 0; count < recorded.changes.length; count++) {
			const cut = overlayDisk(damaged);
			await replayChanges(recorded.changes, cut, count, 0);
			expect(await repairStore(ROOT, { disk: cut, lock: liveLocker() }), `cut after ${count}`).toMatchObject({
				ok: true,
			});
			await expectAsBefore(cut);
		}
	});
});

describe("a folder in the place of", () => {
	const note = Buffer.from("mine");

	/** Puts a folder with a file in it where a file was. */
	async function replace(disk: Disk, path: string): Promise<void> {
		await disk.unlink(path);
		await disk.mkdir(path);
		await writeFile(disk, join(path, "note.txt"), note);
	}

	async function expectNote(disk: Disk): Promise<void> {
		const [kept, ...more] = (await keptFiles(disk)).filter((path) => path.endsWith("note.txt"));
		expect(more).toEqual([]);
		expect(await disk.readFile(kept ?? "")).toEqual(new Uint8Array(note));
	}

	it.each(["store.json", "streams/a/b.stream/stream.json"])(
		"%s goes aside, and the file is written anew",
		async (name) => {
			const disk = forgotten();
			await replace(disk, join(ROOT, name));
			const message = "a folder stands in its place";
			expect(await verifyStore(ROOT, { disk })).toMatchObject({ problems: [{ code: "STREAMBED_CORRUPT", message }] });
			expect(await repair(disk)).toMatchObject({ ok: true });
			expect(await readAround(disk)).toEqual(WHOLE);
			await expectNote(disk);
		},
	);

	it("a segment goes aside; its positions come from the journal, or are lost", async () => {
		for (const number of [0, 2, -1]) {
			const held = overlayDisk(killed);
			await replace(held, files.at(number) ?? "");
			expect(await repair(held), `killed, ${number}`).toMatchObject({ ok: true });
			expect(await readAround(held)).toEqual(WHOLE);
			await expectNote(held);
			const path = files.at(number) ?? "";
			const lost = forgotten();
			await replace(lost, path);
			const { found, problems } = await repair(lost);
			expect(found).toMatchObject([{ code: "STREAMBED_CORRUPT", path, message: "a folder stands in its place" }]);
			expect(problems).toHaveLength(1);
			await expectNote(lost);
		}
	});

	it("the newest segment stays and is told where nothing says how far that went, and all else is repaired", async () => {
		const disk = forgotten();
		const path = files.at(-1) ?? "";
		await disk.unlink(path.replace(".seg", ".idx"));
		await replace(disk, path);
		await disk.unlink(DESCRIPTION);
		const { steps, problems } = await repair(disk);
		expect(steps).toMatchObject([{ path: DESCRIPTION }]);
		expect(problems).toMatchObject([{ path, offset: 0, message: "a folder stands in its place" }]);
	});

	it.each(["journal/checkpoint", "journal/ring-000000.jnl", "streams/a/b.stream/0/00000000000000000000.idx"])(
		"%s goes aside as well",
		async (name) => {
			const disk = forgotten();
			await replace(disk, join(ROOT, name));
			await repair(disk);
			expect(await readAround(disk)).toEqual(WHOLE);
			await expectNote(disk);
		},
	);
});
