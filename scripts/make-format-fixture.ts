/**
 * Writes the fixtures of the format: small stores whose bytes are the same on every run, so that a change of format
 * cannot happen unnoticed. `node scripts/make-format-fixture.ts` writes them anew, which only a new version of the
 * format should need; test/unit/log/format.test.ts reads them and compares them with what is written today.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Random } from "../src/core/random.ts";
import type { Disk } from "../src/disk/disk.ts";
import { open, type ProducerTriple, type Store } from "../src/index.ts";
import { ManualClock } from "../src/testing/manual-clock.ts";
import { memoryDisk } from "../src/testing/memory-disk.ts";
import { memoryLocker } from "../src/testing/memory-locker.ts";

/** Where the fixtures stand. */
export const fixtureFolder: string = fileURLToPath(new URL("../test/fixtures/format-v1/", import.meta.url));

/**
 * `clean` was closed; `unclean` was copied from a running store, with work in its journal that nothing else holds;
 * `producer-runs` as well, with appends of producers and epochs in segment, file and journal; `parts` as well, with writes
 * in parts: adopted before and after the checkpoint, and one that is prepared.
 */
export type FixtureName = "clean" | "unclean" | "producer-runs" | "parts";

/** A fixture that is only read: `producer-runs` as it was written while each entry of a producer had an extension of its own. */
export type FormerFixtureName = "producers";

/** Fixtures of record streams, see make-record-fixture.ts. */
export type RecordFixtureName = "records" | "record-parts";

/** Files of a store by their path below its folder. */
export type FixtureFiles = ReadonlyMap<string, Uint8Array>;

/** What one stream of the fixtures holds. */
export interface FixtureStream {
	readonly scope: string;
	readonly stream: string;
	readonly tags: Readonly<Record<string, string>>;
	/** Bytes of each append, and the time at which it was made. */
	readonly appends: readonly { readonly bytes: number; readonly time: number }[];
	readonly head: number;
	readonly sealed: boolean;
	/** Appends of producers, and where they are. */
	readonly produced: readonly { readonly producer: ProducerTriple; readonly from: number; readonly to: number }[];
	/** Bytes of a prepared write that go on behind its tail; 0 without one. */
	readonly prepared: number;
}

/** When the first of it was written. */
export const START: number = Date.UTC(2024, 1, 29, 12);
const SEGMENT_BYTES = 64 * 1024;
/** Where the store stands while it is made. */
export const ROOT = "/fixture";
/** Neither the process that wrote them nor the room that was kept free is part of the format. */
const LEFT_OUT = /(^|\/)(OWNER|reserve)$/;

/** The byte of every stream at an offset: compressible, and without a period that files or frames have. */
export function fixtureByte(offset: number): number {
	return (offset % 251) ^ ((offset >> 12) & 0xff);
}

function fixtureBytes(from: number, length: number): Uint8Array {
	return Uint8Array.from({ length }, (_, index) => fixtureByte(from + index));
}

/** Counts up: bytes are told apart and always the same. */
export function countingRandom(): Random {
	let next = 0;
	return { bytes: (length) => Uint8Array.from({ length }, () => (next = (next * 73 + 41) & 0xff)) };
}

class Recorder {
	readonly #store: Store;
	readonly #clock: ManualClock;
	readonly streams: Map<string, FixtureStream>;

	constructor(store: Store, clock: ManualClock, streams: Map<string, FixtureStream>) {
		this.#store = store;
		this.#clock = clock;
		this.streams = streams;
	}

	async create(scope: string, stream: string, tags: Record<string, string> = {}): Promise<void> {
		this.#clock.step(1000);
		await this.#store.scope(scope).create(stream, { segmentBytes: SEGMENT_BYTES, tags });
		this.streams.set(`${scope}/${stream}`, {
			scope,
			stream,
			tags,
			appends: [],
			head: 0,
			sealed: false,
			produced: [],
			prepared: 0,
		});
	}

	async append(name: string, ...sizes: number[]): Promise<void> {
		await this.produce(name, undefined, ...sizes);
	}

	/** Appends that count up from `first`, if that is given. */
	async produce(name: string, first: ProducerTriple | undefined, ...sizes: number[]): Promise<void> {
		this.#clock.step(10);
		const known = this.streams.get(name) as FixtureStream;
		const stream = this.#store.scope(known.scope).stream(known.stream);
		await stream.open();
		let from = known.appends.reduce((sum, { bytes }) => sum + bytes, 0);
		const work: Promise<unknown>[] = [];
		const produced = [...known.produced];
		for (const [index, bytes] of sizes.entries()) {
			const producer = first && { ...first, sequence: first.sequence + index };
			work.push(stream.append(fixtureBytes(from, bytes), { producer }));
			if (producer !== undefined) produced.push({ producer, from, to: from + bytes });
			from += bytes;
		}
		await Promise.all(work);
		const time = this.#clock.now();
		const appends = [...known.appends, ...sizes.map((bytes) => ({ bytes, time }))];
		this.streams.set(name, { ...known, appends, produced });
	}

	/** A write in parts that is committed, or only prepared. */
	async inParts(name: string, bytes: number, commit: boolean): Promise<void> {
		this.#clock.step(10);
		const known = this.streams.get(name) as FixtureStream;
		const from = known.appends.reduce((sum, append) => sum + append.bytes, 0);
		await using writer = this.#store.scope(known.scope).stream(known.stream).writer();
		const write = writer.multipart();
		await write.write(fixtureBytes(from, bytes));
		this.#clock.step(10);
		if (!commit) {
			await write.prepare();
			this.streams.set(name, { ...known, prepared: bytes });
			return;
		}
		await write.commit();
		this.streams.set(name, { ...known, appends: [...known.appends, { bytes, time: this.#clock.now() }] });
	}

	async takeEpoch(name: string, id: string): Promise<void> {
		this.#clock.step(10);
		const { scope, stream } = this.streams.get(name) as FixtureStream;
		await this.#store.scope(scope).stream(stream).producer(id);
	}

	async truncate(name: string, head: number): Promise<void> {
		this.#clock.step(10);
		const known = this.streams.get(name) as FixtureStream;
		await this.#store.scope(known.scope).stream(known.stream).truncateBefore(head);
		this.streams.set(name, { ...known, head });
	}

	async seal(name: string): Promise<void> {
		this.#clock.step(10);
		const known = this.streams.get(name) as FixtureStream;
		await this.#store.scope(known.scope).stream(known.stream).seal();
		this.streams.set(name, { ...known, sealed: true });
	}

	async delete(name: string): Promise<void> {
		const { scope, stream } = this.streams.get(name) as FixtureStream;
		await this.#store.scope(scope).delete(stream);
		this.streams.delete(name);
	}
}

/** A store and what it holds. */
export interface BuiltFixture {
	readonly files: FixtureFiles;
	readonly streams: readonly FixtureStream[];
}

/** Makes both stores in memory. */
export async function buildFixtures(): Promise<Record<FixtureName, BuiltFixture>> {
	const disk = memoryDisk();
	// Time never passes by itself: nothing happens but what is asked for below.
	const clock = new ManualClock(START);
	const store = await open(ROOT, { disk, clock, random: countingRandom(), lock: memoryLocker() });
	const streams = new Map<string, FixtureStream>();
	const recorder = new Recorder(store, clock, streams);
	await writeSettled(recorder);
	await store.checkpoint();
	await writeUnsettled(recorder);
	const unclean = { files: await filesOf(disk), streams: [...streams.values()] };
	await store.close();
	const clean = { files: await filesOf(disk), streams: [...streams.values()] };
	return { unclean, clean, "producer-runs": await buildProducers(), parts: await buildParts() };
}

async function buildProducers(): Promise<BuiltFixture> {
	const disk = memoryDisk();
	const clock = new ManualClock(START);
	const store = await open(ROOT, { disk, clock, random: countingRandom(), lock: memoryLocker() });
	const streams = new Map<string, FixtureStream>();
	const recorder = new Recorder(store, clock, streams);
	await recorder.create("cam", "raw");
	await recorder.produce("cam/raw", { id: "camera-1", epoch: 0, sequence: 0 }, 10, 20, 30);
	await recorder.append("cam/raw", 5);
	await recorder.produce("cam/raw", { id: "caméra: 2", epoch: 7, sequence: 0 }, 1, 2);
	await recorder.takeEpoch("cam/raw", "camera-1");
	await recorder.produce("cam/raw", { id: "camera-1", epoch: 1, sequence: 0 }, 40_000, 40_000);
	await store.checkpoint();
	await recorder.produce("cam/raw", { id: "camera-1", epoch: 1, sequence: 2 }, 100, 200);
	await recorder.append("cam/raw", 3);
	await recorder.truncate("cam/raw", 15);
	await recorder.takeEpoch("cam/raw", "caméra: 2");
	const files = await filesOf(disk);
	await store.close();
	return { files, streams: [...streams.values()] };
}

async function buildParts(): Promise<BuiltFixture> {
	const disk = memoryDisk();
	const clock = new ManualClock(START);
	const store = await open(ROOT, { disk, clock, random: countingRandom(), lock: memoryLocker() });
	const recorder = new Recorder(store, clock, new Map());
	await recorder.create("cam", "raw");
	await recorder.append("cam/raw", 100);
	await recorder.inParts("cam/raw", 150_000, true);
	await recorder.append("cam/raw", 7);
	await store.checkpoint();
	await recorder.inParts("cam/raw", 70_000, true);
	await recorder.append("cam/raw", 5);
	await recorder.inParts("cam/raw", 66_000, false);
	const files = await filesOf(disk);
	await store.close();
	return { files, streams: [...recorder.streams.values()] };
}

/** What is in segments by the time of the copy. */
async function writeSettled(recorder: Recorder): Promise<void> {
	await recorder.create("cam", "hall/north", { place: "north", unit: "px" });
	await recorder.append("cam/hall/north", 1, 2, 3);
	await recorder.append("cam/hall/north", 60_000);
	await recorder.append("cam/hall/north", 40_000);
	await recorder.create("odd", '50% of : * ? "names" < > | .hidden');
	await recorder.append('odd/50% of : * ? "names" < > | .hidden', 11);
	await recorder.create("odd", ".dots/Ünïcødé 流/ends with dot.");
	await recorder.append("odd/.dots/Ünïcødé 流/ends with dot.", 300);
	await recorder.seal("odd/.dots/Ünïcødé 流/ends with dot.");
	await recorder.create("odd", "empty");
	await recorder.create("old", "cut");
	await recorder.append("old/cut", 50_000, 50_000);
	await recorder.append("old/cut", 30_000);
	await recorder.truncate("old/cut", 70_000);
	await recorder.create("gone", "soon");
	await recorder.append("gone/soon", 5);
}

/** What is in the journal alone. */
async function writeUnsettled(recorder: Recorder): Promise<void> {
	await recorder.append("cam/hall/north", 7, 70_000, 8);
	await recorder.create("new", "late");
	await recorder.append("new/late", 1234);
	await recorder.truncate("cam/hall/north", 100_000);
	await recorder.seal("old/cut");
	await recorder.delete("gone/soon");
	await recorder.append("new/late", 1);
}

/** All files of a store that belong to the format. */
export async function filesOf(disk: Disk, below = ""): Promise<Map<string, Uint8Array>> {
	const files = new Map<string, Uint8Array>();
	for (const { name, kind } of await disk.list(join(ROOT, below))) {
		const path = below === "" ? name : `${below}/${name}`;
		if (kind === "folder") for (const [file, bytes] of await filesOf(disk, path)) files.set(file, bytes);
		else if (!LEFT_OUT.test(path)) files.set(path, (await disk.readFile(join(ROOT, path))).slice());
	}
	return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Reads the committed files of a fixture. */
export async function readFixture(name: FixtureName | FormerFixtureName | RecordFixtureName): Promise<FixtureFiles> {
	const folder = join(fixtureFolder, name);
	const paths = JSON.parse(await readFile(join(folder, "files.json"), "utf8")) as Record<string, string>;
	const files = new Map<string, Uint8Array>();
	for (const [path, file] of Object.entries(paths)) files.set(path, gunzipSync(await readFile(join(folder, file))));
	return files;
}

/** Writes files with odd names under plain ones, compressed: most of a journal is zeros. */
export async function writeFixture(name: FixtureName | RecordFixtureName, files: FixtureFiles): Promise<void> {
	const folder = join(fixtureFolder, name);
	await rm(folder, { recursive: true, force: true });
	await mkdir(folder, { recursive: true });
	const paths: Record<string, string> = {};
	for (const [path, bytes] of files) {
		const file = `${String(Object.keys(paths).length).padStart(2, "0")}.gz`;
		paths[path] = file;
		await writeFile(join(folder, file), gzipSync(bytes, { level: 9 }));
	}
	await writeFile(join(folder, "files.json"), `${JSON.stringify(paths, null, "\t")}\n`);
}

/** Puts the files of a fixture into a folder of the file system. */
export async function restoreFixture(files: FixtureFiles, folder: string): Promise<void> {
	for (const [path, bytes] of files) {
		await mkdir(dirname(join(folder, path)), { recursive: true });
		await writeFile(join(folder, path), bytes);
	}
}

if (import.meta.main) {
	for (const [name, { files }] of Object.entries(await buildFixtures())) await writeFixture(name as FixtureName, files);
}
