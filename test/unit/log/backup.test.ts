import { join } from "node:path/posix";
import { beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import {
	type BackupOptions,
	type BackupResult,
	backupStore,
	open,
	type Store,
	verifyStore,
} from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { recordingDisk, replayChanges } from "../../../src/testing/recording-disk.ts";
import { firstWrong, patterned } from "./pattern.ts";
import {
	copyTree,
	cutFile,
	errorOf,
	flipBit,
	leftBy,
	openOwner,
	patchFile,
	ROOT,
	readFrom,
	segmentFiles,
	writeFile,
} from "./store-kit.ts";

const COPY = "/backups/copy";
const SIZE = 9000;
const APPENDS = 40;
const TOTAL = SIZE * APPENDS;
const HEAD = 100_000;

let closed: Disk;
let killed: Disk;

beforeAll(async () => {
	closed = await withPlace((await leftBy("closed", write)).disk);
	killed = await withPlace((await leftBy("killed", write)).disk);
});

async function write(store: Store): Promise<void> {
	const stream = await store.scope("a").create("b", { segmentBytes: 64 * 1024, tags: { room: "7" } });
	for (let number = 0; number < APPENDS; number++) await stream.append(patterned(0, number * SIZE, SIZE));
	await stream.truncateBefore(HEAD);
	const sealed = await store.scope("a").create("c");
	await sealed.append(Buffer.from("other"));
	await sealed.seal();
	await store.scope("a").create("empty");
}

async function withPlace(disk: Disk): Promise<Disk> {
	await disk.mkdir("/backups");
	return disk;
}

function backup(disk: Disk, options: BackupOptions = {}): Promise<BackupResult> {
	return backupStore(ROOT, COPY, { disk, ...options });
}

async function openCopy(disk: Disk): Promise<Store> {
	return await open(`file:${COPY}`, { disk, lock: memoryLocker(), create: false });
}

/** The copy is a whole store that holds all that was written, and goes on. */
async function expectWhole(disk: Disk): Promise<void> {
	expect((await verifyStore(COPY, { disk })).problems).toEqual([]);
	const store = await openCopy(disk);
	const stream = store.scope("a").stream("b");
	expect((await stream.info()).tags).toEqual({ room: "7" });
	expect((await stream.info()).shards[0]).toMatchObject({ head: HEAD, tail: TOTAL });
	expect(firstWrong(0, HEAD, await readFrom(stream, HEAD))).toBeUndefined();
	expect(await stream.append(patterned(0, TOTAL, 50))).toMatchObject({ from: TOTAL });
	expect(await store.scope("a").stream("c").info()).toMatchObject({ sealed: true });
	expect((await store.scope("a").stream("empty").info()).shards[0]).toMatchObject({ tail: 0 });
	await store.close();
}

describe("a backup", () => {
	it("of a closed store opens as a store of its own, with the ids, heads and seals of the original", async () => {
		const disk = overlayDisk(closed);
		const result = await backup(disk);
		expect(result).toMatchObject({ streams: 3, problems: [] });
		expect(result.bytes).toBeGreaterThan(TOTAL - HEAD - 64 * 1024);
		expect((await disk.list(COPY)).map(({ name }) => name).sort()).toEqual(["journal", "store.json", "streams"]);
		for (const file of ["store.json", "streams/a/b.stream/stream.json"]) {
			expect(await disk.readFile(join(COPY, file))).toEqual(await disk.readFile(join(ROOT, file)));
		}
		await expectWhole(disk);
	});

	it("beside an owner who frees a segment that is just being copied copies what is left", async () => {
		for (const nth of [1, 2, 3, 4]) {
			const inner = await withPlace(memoryDisk());
			const lock = { ...memoryLocker(), process: { pid: process.pid } };
			const store = await open(`file:${ROOT}`, { disk: inner, lock });
			await write(store);
			await store.checkpoint();
			const [oldest = ""] = await segmentFiles(inner, "a/b");
			let calls = 0;
			const free = async (): Promise<void> => {
				if (++calls !== nth) return;
				await store
					.scope("a")
					.stream("b")
					.truncateBefore(TOTAL - 1);
				await store.checkpoint();
				expect(await inner.stat(oldest)).toBe(undefined);
			};
			const disk = faultyDisk(inner);
			for (const operation of ["open", "stat", "read"] as const) {
				disk.addRule({ operation, path: new RegExp(oldest), before: free, times: Number.POSITIVE_INFINITY });
			}
			expect(await backup(disk), `freed before call ${nth}`).toMatchObject({ streams: 3, problems: [] });
			expect(calls).toBeGreaterThanOrEqual(nth);
			const copy = await openCopy(inner);
			expect((await copy.scope("a").stream("b").info()).shards[0]).toMatchObject({ tail: TOTAL });
			await copy.close();
			await store.close();
		}
	});

	it("of a store whose owner was killed holds all that was acknowledged, and leaves the original alone", async () => {
		const disk = recordingDisk(overlayDisk(killed));
		expect(await backup(disk)).toMatchObject({ streams: 3, problems: [] });
		const places = disk.changes.flatMap((change) => ("path" in change ? [change.path] : []));
		expect(places.length).toBeGreaterThan(10);
		expect(places.filter((path) => !path.startsWith("/backups"))).toEqual([]);
		await expectWhole(disk);
	});

	it("beside an owner holds a prefix of each stream, and opens neither LOCK nor OWNER for it", async () => {
		const disk = faultyDisk(memoryDisk());
		await disk.mkdir("/backups");
		const lock = { ...memoryLocker(), process: { pid: process.pid } };
		const store = await open(`file:${ROOT}`, { disk, lock });
		await write(store);
		await store.checkpoint();
		let going = true;
		const appending = (async () => {
			for (let at = TOTAL; going; at += SIZE)
				await store
					.scope("a")
					.stream("b")
					.append(patterned(0, at, SIZE));
		})();
		const from = disk.events.length;
		expect(await backup(disk)).toMatchObject({ streams: 3, problems: [] });
		const touched = disk.events.slice(from).filter(({ operation }) => operation === "open");
		expect(touched.filter(({ path }) => path.endsWith("/LOCK"))).toEqual([]);
		going = false;
		await appending;
		const copy = await openCopy(disk);
		const [shard] = (await copy.scope("a").stream("b").info()).shards;
		expect(shard?.tail).toBeGreaterThanOrEqual(TOTAL);
		const bytes = await readFrom(copy.scope("a").stream("b"), HEAD);
		expect(HEAD + bytes.length).toBe(shard?.tail);
		expect(firstWrong(0, HEAD, bytes)).toBeUndefined();
		await copy.close();
		await store.close();
	});

	it("holds frames too large to be held in memory", async () => {
		const limits = { appendBytes: 64 * 1024 * 1024, pendingBytes: 128 * 1024 * 1024 };
		const size = 20 * 1024 * 1024;
		const { disk } = await leftBy(
			"closed",
			async (store) => {
				const stream = await store.scope("a").create("large");
				await stream.append(Buffer.alloc(size, 7));
				await stream.append(Buffer.from("end"));
			},
			{ limits },
		);
		await withPlace(disk);
		expect((await backup(disk)).problems).toEqual([]);
		const [path = ""] = await segmentFiles(disk, "a/large");
		const copied = await disk.readFile(path.replace(ROOT, COPY));
		expect(Buffer.compare(copied, await disk.readFile(path))).toBe(0);
	});
});

describe("a backup of a damaged store", () => {
	const damages: Record<string, (disk: Disk, files: string[]) => Promise<void>> = {
		"a payload": (disk, [, path = ""]) => flipBit(disk, path, 30_000),
		"a frame's header": (disk, [, path = ""]) => flipBit(disk, path, 64 + 96 + 20),
		"the last frame's header": async (disk, files) => {
			const path = files.at(-1) ?? "";
			await cutFile(disk, path, (await disk.readFile(path)).length - 100);
		},
		"a segment's header": (disk, [, path = ""]) => flipBit(disk, path, 20),
		"a missing segment": (disk, [, path = ""]) => disk.unlink(path),
		"bytes behind the end": async (disk, files) => {
			const path = files.at(-1) ?? "";
			await patchFile(disk, path, Buffer.alloc(3000, 9), (await disk.readFile(path)).length);
		},
		"a description": (disk) => writeFile(disk, join(ROOT, "streams/a/b.stream/stream.json"), Buffer.from("{")),
		"a missing description": (disk) => disk.unlink(join(ROOT, "streams/a/b.stream/stream.json")),
	};

	it.each(Object.keys(damages))("by %s reports it and copies the same bytes", async (name) => {
		const disk = overlayDisk(closed);
		await damages[name]?.(disk, await segmentFiles(disk, "a/b"));
		const { problems } = await verifyStore(ROOT, { disk });
		expect(problems.length).toBeGreaterThan(0);
		expect((await backup(disk)).problems).toEqual(problems);
		const copied = (await verifyStore(COPY, { disk })).problems;
		expect(copied.map(({ path, offset }) => ({ path, offset }))).toEqual(
			problems.map(({ path, offset }) => ({ path: path.replace(ROOT, COPY), offset })),
		);
		for (const path of await segmentFiles(disk, "a/b")) {
			const copy = await disk.readFile(path.replace(ROOT, COPY));
			expect(Buffer.compare(copy, await disk.readFile(path)), path).toBe(0);
		}
		const store = await openCopy(disk);
		expect((await readFrom(store.scope("a").stream("c"), 0)).toString()).toBe("other");
		await store.close();
	});

	it("by a block that cannot be read goes on behind it", async () => {
		const disk = overlayDisk(closed);
		const [, path = ""] = await segmentFiles(disk, "a/b");
		const whole = await disk.readFile(path);
		const faulty: Disk = {
			...bound(disk),
			async open(opened, mode, options) {
				const file = await disk.open(opened, mode, options);
				if (opened !== path) return file;
				const read = file.read.bind(file);
				file.read = async (target, position) => {
					const hit = position <= 30_000 && position + target.length > 30_000;
					if (hit) throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
					return await read(target, position);
				};
				return file;
			},
		};
		const { problems } = await backup(faulty);
		expect(problems).toMatchObject([{ code: "STREAMBED_IO", path }]);
		const copied = await disk.readFile(path.replace(ROOT, COPY));
		expect(copied.length).toBe(whole.length);
		const block = 30_000 - (30_000 % 4096);
		expect(Buffer.compare(copied.subarray(0, block - 4096), whole.subarray(0, block - 4096))).toBe(0);
		expect(Buffer.compare(copied.subarray(block + 8192), whole.subarray(block + 8192))).toBe(0);
	});
});

describe("a backup that is not made", () => {
	it("is cut anywhere: there is no store at its place, or a whole one", async () => {
		const disk = recordingDisk(overlayDisk(killed));
		await backup(disk);
		let whole = 0;
		for (let count = 0; count <= disk.changes.length; count++) {
			const cut = overlayDisk(killed);
			await replayChanges(disk.changes, cut, count);
			for (const { name } of await cut.list("/backups")) {
				if (name !== "copy") continue;
				whole++;
				await expectWhole(cut);
			}
		}
		expect(whole).toBe(1);
	});

	it("leaves nothing when it is called off or the disk is full", async () => {
		const disk = overlayDisk(closed);
		const abort = new AbortController();
		const aborted = backup(disk, { signal: abort.signal, onProgress: () => abort.abort() });
		expect((await errorOf(aborted)).code).toBe("STREAMBED_ABORTED");
		expect(await disk.list("/backups")).toEqual([]);
		for (const capacityMiB of [5.6, 7]) {
			const small = memoryDisk({ capacityBytes: capacityMiB * 1024 * 1024 });
			await copyTree(closed, small);
			// Its reserve would leave no room for the rest.
			await small.unlink(join(ROOT, "journal/reserve"));
			expect((await errorOf(backup(small))).code).toBe("STREAMBED_DISK_FULL");
			expect(await small.list("/backups")).toEqual([]);
		}
	});

	it("is refused where something stands, inside the store, and without a store", async () => {
		const disk = overlayDisk(closed);
		const refused = async (target: string): Promise<string> =>
			(await errorOf(backupStore(ROOT, target, { disk }))).code;
		await disk.mkdir(COPY);
		await writeFile(disk, join(COPY, "notes.txt"), Buffer.from("mine"));
		expect(await refused(COPY)).toBe("STREAMBED_INVALID_OPTION");
		expect(await refused(join(COPY, "notes.txt"))).toBe("STREAMBED_INVALID_OPTION");
		expect(await refused(join(ROOT, "streams/copy"))).toBe("STREAMBED_INVALID_OPTION");
		expect(await refused("/none/copy")).toBe("STREAMBED_NOT_FOUND");
		expect((await errorOf(backupStore("/backups", "/copy", { disk }))).code).toBe("STREAMBED_NOT_FOUND");
		expect((await disk.readFile(join(COPY, "notes.txt"))).length).toBe(4);
		await disk.unlink(join(COPY, "notes.txt"));
		expect((await backup(disk)).streams).toBe(3);
		const owner = await openOwner({ disk, locker: memoryLocker() });
		await owner.close();
	});
});

/** The methods of a disk, each bound to it, so that some can be replaced. */
function bound(disk: Disk): Disk {
	const methods = ["open", "mkdir", "list", "stat", "readFile", "rename", "unlink", "rmdir", "syncDir"] as const;
	const rest = ["freeBytes", "writable", "realPath"] as const;
	const entries = [...methods, ...rest].map((name) => [name, (disk[name] as () => unknown).bind(disk)]);
	return { ...Object.fromEntries(entries), counters: disk.counters } as Disk;
}
