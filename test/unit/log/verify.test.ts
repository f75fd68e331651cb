import { dirname, join } from "node:path/posix";
import { beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import {
	type Store,
	type StreambedError,
	type VerifyOptions,
	type VerifyResult,
	verifyStore,
} from "../../../src/index.ts";
import { viewOf } from "../../../src/log/format/checksum.ts";
import { frameBytes, readFrameHeader, writeFrameHeader } from "../../../src/log/format/frame.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { firstWrong, numbers, patterned } from "./pattern.ts";
import {
	copyTree,
	cutFile,
	errorOf,
	flipBit,
	type Left,
	leftBy,
	openOwner,
	openReader,
	patchFile,
	ROOT,
	readFrom,
	segmentFiles,
	unwritable,
	writeFile,
} from "./store-kit.ts";

const SIZE = 9000;
const APPENDS = 40;
const TOTAL = SIZE * APPENDS;

let closed: Left;
let files: string[];

beforeAll(async () => {
	closed = await leftBy("closed", write);
	files = await segmentFiles(closed.disk, "a/b");
});

describe("verifying a store", () => {
	it("counts what is there and finds nothing wrong", async () => {
		const result = await verify(closed.disk);
		let bytes = 0;
		for (const path of files) bytes += (await closed.disk.readFile(path)).length;
		expect(result).toMatchObject({ ok: true, streams: 2, segments: files.length + 1, tailCutBytes: 0, problems: [] });
		expect(result.frames).toBeGreaterThanOrEqual(APPENDS + files.length);
		expect(result.bytes).toBeGreaterThan(bytes);
	});

	it("verifies one stream alone, tells how far it is, and ends when it is called off", async () => {
		const progress: { bytes: number; totalBytes: number }[] = [];
		const result = await verify(closed.disk, { stream: "a/b", onProgress: (now) => progress.push(now) });
		expect(result).toMatchObject({ ok: true, streams: 1, segments: files.length });
		expect(progress.length).toBeGreaterThan(files.length);
		expect(progress.at(-1)).toEqual({ bytes: result.bytes, totalBytes: result.bytes });
		const abort = new AbortController();
		const aborted = verify(closed.disk, { signal: abort.signal, onProgress: () => abort.abort() });
		expect((await errorOf(aborted)).code).toBe("STREAMBED_ABORTED");
	});

	it("refuses what is not there and what it does not know", async () => {
		expect((await errorOf(verify(memoryDisk()))).code).toBe("STREAMBED_NOT_FOUND");
		expect((await errorOf(verify(closed.disk, { stream: "a/none" }))).code).toBe("STREAMBED_NOT_FOUND");
		expect((await errorOf(verify(closed.disk, { stream: "none" }))).code).toBe("STREAMBED_INVALID_NAME");
		const unknown = verify(closed.disk, { steam: "a/b" } as VerifyOptions);
		expect((await errorOf(unknown)).code).toBe("STREAMBED_INVALID_OPTION");
	});

	it("writes nothing and opens neither LOCK nor anything for writing", async () => {
		for (const end of ["closed", "killed"] as const) {
			const { disk } = await leftBy(end, write);
			const watched = faultyDisk(unwritable(disk));
			expect((await verify(watched)).ok).toBe(true);
			const touched = watched.events.filter(({ operation }) => ["open", "readFile"].includes(operation));
			expect(touched.length).toBeGreaterThan(0);
			expect(touched.filter(({ path }) => path.endsWith("/LOCK"))).toEqual([]);
		}
	});

	it("finds every flipped bit of a segment, and names the file", async () => {
		const [, path = ""] = files;
		const whole = await closed.disk.readFile(path);
		const next = numbers(7);
		const places = [...Array(200).keys(), ...Array.from({ length: 200 }, () => next(whole.length))];
		const disk = await copyTree(closed.disk);
		for (const at of [...places, whole.length - 1]) {
			await flipBit(disk, path, at);
			const { problems } = await verify(disk, { stream: "a/b" });
			expect(problems, `bit in byte ${at}`).not.toEqual([]);
			expect(problems[0]).toMatchObject({ code: "STREAMBED_CORRUPT", path });
			expect(problems[0]?.offset).toBeLessThanOrEqual(at);
			await patchFile(disk, path, whole.subarray(at, at + 1), at);
		}
		expect((await verify(disk)).ok).toBe(true);
	});
});

describe("damage", () => {
	it("of a payload in the middle: only its frame is lost", async () => {
		const disk = await copyTree(closed.disk);
		const [, path = ""] = files;
		const [, , third] = await framesOf(disk, path);
		await flipBit(disk, path, (third?.at ?? 0) + 1000);
		const lost = { from: third?.position ?? 0, to: (third?.position ?? 0) + SIZE };
		expect(await problemsOf(disk)).toEqual([{ path, offset: third?.at }]);
		await expectLost(disk, path, third?.at, lost);
	});

	it("of a payload in the last frame: what comes before stays, and appends go on behind it", async () => {
		const disk = await copyTree(closed.disk);
		const path = files.at(-1) ?? "";
		const last = (await framesOf(disk, path)).at(-1);
		await flipBit(disk, path, (last?.at ?? 0) + 1000);
		expect(await problemsOf(disk)).toEqual([{ path, offset: last?.at }]);
		await expectLost(disk, path, last?.at, { from: TOTAL - SIZE, to: undefined });
		const owner = await openOwner({ disk, locker: memoryLocker() });
		expect(
			await owner
				.scope("a")
				.stream("b")
				.append(patterned(0, TOTAL, 50)),
		).toMatchObject({ from: TOTAL });
		await owner.close();
		await expectLost(disk, path, last?.at, { from: TOTAL - SIZE, to: TOTAL });
	});

	it("of the header of the last frame: appends are refused, since the tail is not known, and reads say so", async () => {
		const disk = await copyTree(closed.disk);
		const path = files.at(-1) ?? "";
		const last = (await framesOf(disk, path)).at(-1);
		await flipBit(disk, path, (last?.at ?? 0) + 30);
		expect(await problemsOf(disk)).toEqual([{ path, offset: last?.at }]);
		const owner = await openOwner({ disk, locker: memoryLocker() });
		expect((await errorOf(owner.scope("a").stream("b").append(Buffer.from("x")))).code).toBe("STREAMBED_CORRUPT");
		expect((await owner.scope("a").stream("c").append(Buffer.from("x"))).from).toBe(5);
		await owner.close();
		for (const [, store] of await openAll(disk)) {
			const stream = store.scope("a").stream("b");
			let got = 0;
			const piped = async (): Promise<void> => {
				for await (const bytes of stream.toReadable()) got += (bytes as Buffer).length;
			};
			expect((await errorOf(piped())).code).toBe("STREAMBED_CORRUPT");
			expect(got).toBe(TOTAL - SIZE);
			const pieces = async (): Promise<void> => {
				for await (const { bytes } of stream.appends()) got += bytes.length;
			};
			expect((await errorOf(pieces())).code).toBe("STREAMBED_CORRUPT");
			expect(got).toBe(2 * (TOTAL - SIZE));
			await store.close();
		}
		await expectLost(disk, path, last?.at, { from: TOTAL - SIZE, to: undefined });
	});

	it("by a length field that claims gigabytes, with a checksum that holds: nothing of it is believed", async () => {
		for (const which of [files[1] ?? "", files.at(-1) ?? ""]) {
			const disk = await copyTree(closed.disk);
			const bytes = Buffer.from(await disk.readFile(which));
			const last = (await framesOf(disk, which)).at(-1);
			const header = readFrameHeader(bytes, viewOf(bytes), last?.at ?? 0);
			if (last === undefined || header === undefined) throw new Error("no frame");
			const payloadBytes = 0xffff_ff00;
			writeFrameHeader(viewOf(bytes), last.at, { ...header, payloadBytes, units: payloadBytes });
			await writeFile(disk, which, bytes);
			expect(await problemsOf(disk)).toEqual([{ path: which, offset: last.at }]);
			const to = which === files[1] ? last.position + SIZE : undefined;
			await expectLost(disk, which, undefined, { from: last.position, to });
		}
	});

	it("of a segment header: only its segment is lost", async () => {
		const disk = await copyTree(closed.disk);
		const [, path = "", next = ""] = files;
		await flipBit(disk, path, 20);
		expect(await problemsOf(disk)).toEqual([{ path, offset: 0 }]);
		await expectLost(disk, path, 0, { from: baseOf(path), to: baseOf(next) });
	});

	it("of the newest segment's header: what comes before stays", async () => {
		const disk = await copyTree(closed.disk);
		const path = files.at(-1) ?? "";
		await flipBit(disk, path, 20);
		expect(await problemsOf(disk)).toEqual([{ path, offset: 0 }]);
		await expectLost(disk, path, 0, { from: baseOf(path), to: undefined });
	});

	it("by a missing segment in the middle: only that is lost", async () => {
		const disk = await copyTree(closed.disk);
		const [, path = "", next = ""] = files;
		await disk.unlink(path);
		expect(await problemsOf(disk)).toEqual([{ path, offset: 0 }]);
		await expectLost(disk, path, 0, { from: baseOf(path), to: baseOf(next) });
	});

	it("by a missing first segment: what follows stays", async () => {
		const disk = await copyTree(closed.disk);
		const [path = "", next = ""] = files;
		await disk.unlink(path);
		expect(await problemsOf(disk)).toEqual([{ path, offset: 0 }]);
		await expectLost(disk, path, 0, { from: 0, to: baseOf(next) });
	});

	it("by a cut in the middle of a file: what was cut off is lost", async () => {
		const disk = await copyTree(closed.disk);
		const [, path = "", next = ""] = files;
		const frames = await framesOf(disk, path);
		const cut = frames.at(-2);
		await cutFile(disk, path, (cut?.at ?? 0) + 500);
		expect(await problemsOf(disk)).toEqual([{ path, offset: cut?.at }]);
		await expectLost(disk, path, undefined, { from: cut?.position ?? 0, to: baseOf(next) });
	});

	it("by a segment that was replaced by another one: it is not taken for its own", async () => {
		const disk = await copyTree(closed.disk);
		const [, path = "", other = "", next = ""] = files;
		await writeFile(disk, path, await disk.readFile(other));
		expect(await problemsOf(disk)).toEqual([{ path, offset: 0 }]);
		await expectLost(disk, path, 0, { from: baseOf(path), to: baseOf(other) });
		expect(next).not.toBe("");
	});

	it("of the seal: the stream does not come back to life, and its end is not taken for certain", async () => {
		const { disk } = await leftBy("closed", async (store) => {
			await write(store);
			await store.scope("a").stream("c").seal();
		});
		const [path = ""] = await segmentFiles(disk, "a/c");
		const { length } = await disk.readFile(path);
		for (const at of [length - 1, length - 50]) {
			const damaged = overlayDisk(disk);
			await flipBit(damaged, path, at);
			expect((await problemsOf(damaged)).length).toBe(1);
			for (const [, store] of await openAll(damaged)) {
				const stream = store.scope("a").stream("c");
				expect((await errorOf(readFrom(stream, 0))).code).toBe("STREAMBED_CORRUPT");
				expect(["STREAMBED_CORRUPT", "STREAMBED_READ_ONLY"]).toContain(
					(await errorOf(stream.append(Buffer.of(1)))).code,
				);
				expect(await stream.reader().read()).toMatchObject({ kind: "data", offset: 0 });
				await store.close();
			}
		}
	});

	it("anywhere loses one frame, or one segment where its header is hit, and never looks like an end", async () => {
		const next = numbers(11);
		for (const path of files) {
			const whole = await closed.disk.readFile(path);
			const places = [8, 40, 70, 100, 130, 170, 230, ...Array.from({ length: 5 }, () => next(whole.length))];
			for (const at of places) {
				const disk = overlayDisk(closed.disk);
				await flipBit(disk, path, at);
				for (const [way, store] of await openAll(disk)) {
					const { delivered, failures } = await readAround(store);
					const atMost = at < 64 ? TOTAL : SIZE;
					if (delivered < TOTAL) expect(failures, `bit in byte ${at} of ${path}, ${way}`).toBeGreaterThan(0);
					expect(TOTAL - delivered, `bit in byte ${at} of ${path}, ${way}`).toBeLessThanOrEqual(atMost);
					await store.close();
				}
			}
		}
	});

	it("by zeros behind the last frame of the newest segment is found", async () => {
		const disk = await copyTree(closed.disk);
		const path = files.at(-1) ?? "";
		const { length } = await disk.readFile(path);
		await patchFile(disk, path, new Uint8Array(5000), length);
		expect(await problemsOf(disk)).toEqual([{ path, offset: length }]);
	});

	it("of an index, or the index of another segment, is no damage: it is a cache", async () => {
		const disk = await copyTree(closed.disk);
		const indexes = files.map((path) => path.replace(".seg", ".idx"));
		await writeFile(disk, indexes[0] ?? "", Buffer.from("nonsense"));
		await writeFile(disk, indexes[1] ?? "", await disk.readFile(indexes[2] ?? ""));
		await flipBit(disk, indexes.at(-1) ?? "", 70);
		expect((await verify(disk)).ok).toBe(true);
		await expectLost(disk, "", undefined, { from: TOTAL, to: undefined });
	});

	it("is not seen in files that are none of ours", async () => {
		const disk = await copyTree(closed.disk);
		const folder = join(ROOT, "streams", "a", "b.stream");
		for (const path of ["0/notes.txt", "0/123.seg", "x.seg", "stream.json.bak"]) {
			await writeFile(disk, join(folder, path), Buffer.from("foreign"));
		}
		await disk.mkdir(join(ROOT, "streams", "a", "foreign.stream", "deeper"));
		await disk.mkdir(join(ROOT, "streams", "top.stream"));
		await writeFile(disk, join(ROOT, "README"), Buffer.from("foreign"));
		expect((await verify(disk)).ok).toBe(true);
		await expectLost(disk, "", undefined, { from: TOTAL, to: undefined });
	});

	it("of stream.json is found, and other streams are read", async () => {
		const path = join(ROOT, "streams", "a", "b.stream", "stream.json");
		for (const text of ["{", "[]", '{"format":1}']) {
			const disk = await copyTree(closed.disk);
			await writeFile(disk, path, Buffer.from(text));
			expect(await problemsOf(disk)).toEqual([{ path, offset: 0 }]);
			const store = await openReader({ disk, locker: memoryLocker() });
			expect((await errorOf(store.scope("a").stream("b").info())).code).toBe("STREAMBED_CORRUPT");
			expect((await readFrom(store.scope("a").stream("c"), 0)).toString()).toBe("other");
			await store.close();
		}
		const disk = await copyTree(closed.disk);
		await disk.unlink(path);
		expect(await problemsOf(disk)).toEqual([{ path, offset: 0 }]);
	});

	it("of store.json is found, and the segments are verified all the same", async () => {
		const disk = await copyTree(closed.disk);
		const path = join(ROOT, "store.json");
		await writeFile(disk, path, Buffer.from("{}"));
		const result = await verify(disk);
		expect(result.problems).toMatchObject([{ code: "STREAMBED_CORRUPT", path }]);
		expect(result.segments).toBe(files.length + 1);
		await writeFile(disk, path, Buffer.from('{"format":9}'));
		expect((await verify(disk)).problems).toMatchObject([{ code: "STREAMBED_FORMAT_VERSION", path }]);
	});

	it("of the checkpoint and of journal files is found", async () => {
		const checkpoint = join(ROOT, "journal", "checkpoint");
		const ring = join(ROOT, "journal", "ring-000000.jnl");
		const disk = await copyTree(closed.disk);
		await flipBit(disk, ring, 40);
		expect(await problemsOf(disk)).toEqual([{ path: ring, offset: 0 }]);
		const both = await copyTree(closed.disk);
		for (const at of [0, 4096]) await flipBit(both, checkpoint, at + 40);
		expect(await problemsOf(both)).toEqual([{ path: checkpoint, offset: 0 }]);
		const gone = await copyTree(closed.disk);
		await gone.unlink(checkpoint);
		expect(await problemsOf(gone)).toEqual([{ path: checkpoint, offset: 0 }]);
	});
});

describe("verifying what a killed owner left", () => {
	it("finds nothing wrong, also where write-behind was cut short anywhere", async () => {
		const { disk } = await leftBy("killed", write);
		expect(await verify(disk)).toMatchObject({ ok: true, problems: [], streams: 2 });
		const recovered = await copyTree(disk);
		await (await openOwner({ disk: recovered, locker: memoryLocker() })).close();
		const written = await segmentFiles(recovered, "a/b");
		const last = written.at(-1) ?? "";
		const { length } = await recovered.readFile(last);
		for (const cut of [0, 30, 64, 100, 1000, length - 1]) {
			const copy = await copyTree(disk);
			await copy.mkdir(dirname(last));
			for (const path of written) await writeFile(copy, path, await recovered.readFile(path));
			await cutFile(copy, last, cut);
			const result = await verify(copy);
			expect(result.problems).toEqual([]);
			expect(result.frames).toBe((await verify(disk)).frames);
		}
	});

	it("tells the size of a last round that is not whole, and finds nothing wrong", async () => {
		const { disk } = await leftBy("killed", async (store) => {
			await write(store);
			await store
				.scope("a")
				.stream("b")
				.append(patterned(0, TOTAL, SIZE));
		});
		const { ring, rounds } = await roundsOf(disk);
		await patchFile(disk, ring, new Uint8Array(4096), (rounds.at(-1) ?? 0) + 4096);
		const result = await verify(disk);
		expect(result).toMatchObject({ ok: true, problems: [] });
		expect(result.tailCutBytes).toBeGreaterThan(4096);
	});

	it("finds a damaged round, or zeros instead of several, as long as one round follows", async () => {
		const { disk } = await leftBy("killed", write);
		const { ring, rounds } = await roundsOf(disk);
		const [offset = 0, last = 0] = [rounds.at(-4), rounds.at(-1)];
		for (const bytes of [Uint8Array.of(1), new Uint8Array(last - offset)]) {
			const copy = overlayDisk(disk);
			await patchFile(copy, ring, bytes, bytes.length === 1 ? offset + 500 : offset);
			expect((await verify(copy)).problems).toMatchObject([{ code: "STREAMBED_CORRUPT", path: ring, offset }]);
		}
	});
});

async function write(store: Store): Promise<void> {
	const stream = await store.scope("a").create("b", { segmentBytes: 64 * 1024 });
	for (let number = 0; number < APPENDS; number++) await stream.append(patterned(0, number * SIZE, SIZE));
	await (await store.scope("a").create("c")).append(Buffer.from("other"));
}

function verify(disk: Disk, options: VerifyOptions = {}): Promise<VerifyResult> {
	return verifyStore(ROOT, { disk, ...options });
}

async function problemsOf(disk: Disk): Promise<{ path: string; offset: number }[]> {
	const { ok, problems } = await verify(disk);
	expect(ok).toBe(problems.length === 0);
	for (const { code, message } of problems) {
		expect(code).toBe("STREAMBED_CORRUPT");
		expect(message.length).toBeGreaterThan(10);
	}
	return problems.map(({ path, offset }) => ({ path, offset }));
}

/** Reads around a hole, as the owner and as a reader: all before and behind it is there, in it is a typed error. */
async function expectLost(
	disk: Disk,
	path: string,
	offset: number | undefined,
	lost: { from: number; to: number | undefined },
): Promise<void> {
	for (const [, store] of await openAll(disk)) {
		const stream = store.scope("a").stream("b");
		if (lost.from > 0) {
			const before: Buffer[] = [];
			for await (const bytes of stream.reader({ to: { offset: lost.from } })) before.push(Buffer.from(bytes));
			expect(Buffer.concat(before).length).toBe(lost.from);
			expect(firstWrong(0, 0, Buffer.concat(before))).toBeUndefined();
		}
		if (path !== "") {
			const error = await errorOf(readFrom(stream, lost.from));
			expect(error.code).toBe("STREAMBED_CORRUPT");
			expect(error.hint).not.toBe("");
			expect(error.details.validAfter ?? undefined).toBe(lost.to);
			if (offset !== undefined) expect(error.details).toMatchObject({ path, offset });
		}
		if (lost.to !== undefined) {
			const after = await readFrom(stream, lost.to);
			expect(after.length).toBeGreaterThanOrEqual(TOTAL - lost.to);
			expect(firstWrong(0, lost.to, after)).toBeUndefined();
		}
		await store.close();
	}
}

/** A store opened in each way: as owner or as reader, with and without indexes; each on a view of its own. */
async function openAll(disk: Disk): Promise<[way: string, store: Store][]> {
	const stores: [string, Store][] = [];
	for (const openStore of [openOwner, openReader]) {
		for (const indexes of [true, false]) {
			const view = overlayDisk(disk);
			if (!indexes) for (const file of files) await view.unlink(file.replace(".seg", ".idx"));
			const way = `${openStore.name} ${indexes ? "with" : "without"} indexes`;
			stores.push([way, await openStore({ disk: view, locker: memoryLocker() })]);
		}
	}
	return stores;
}

/** Reads all that can be read, going on behind damage where an error says; counts right bytes and errors. */
async function readAround(store: Store): Promise<{ delivered: number; failures: number }> {
	const stream = store.scope("a").stream("b");
	let delivered = 0;
	let failures = 0;
	for (let offset = 0; ; ) {
		const reader = stream.reader({ from: { offset } });
		try {
			const got = await reader.read();
			if (got.kind !== "data") return { delivered, failures };
			expect(firstWrong(0, offset, got.bytes)).toBeUndefined();
			offset += got.bytes.length;
			delivered += got.bytes.length;
		} catch (error) {
			expect((error as { code?: unknown }).code).toBe("STREAMBED_CORRUPT");
			failures++;
			const { validAfter } = (error as StreambedError).details;
			if (validAfter === null) return { delivered, failures };
			expect(validAfter).toBeGreaterThan(offset);
			offset = validAfter as number;
		} finally {
			await reader.close();
		}
	}
}

/** Data frames of a segment: where they stand, and the position of their first byte. */
async function framesOf(disk: Disk, path: string): Promise<{ at: number; position: number }[]> {
	const bytes = await disk.readFile(path);
	const frames: { at: number; position: number }[] = [];
	for (let at = 64; at < bytes.length; ) {
		const header = readFrameHeader(bytes, viewOf(bytes), at);
		if (header === undefined) throw new Error(`no frame at ${at} of ${path}`);
		if (header.units > 0) frames.push({ at, position: baseOf(path) + header.relative });
		at += frameBytes(header);
	}
	return frames;
}

async function roundsOf(disk: Disk): Promise<{ ring: string; rounds: number[] }> {
	const ring = join(ROOT, "journal", "ring-000000.jnl");
	const bytes = Buffer.from(await disk.readFile(ring));
	const rounds: number[] = [];
	for (let at = 4096; at < bytes.length; at += 4096)
		if (bytes.toString("latin1", at, at + 4) === "SBRD") rounds.push(at);
	return { ring, rounds };
}

function baseOf(path: string): number {
	return Number(path.slice(-24, -4));
}
