/** Stores that an earlier day wrote open today, and today's writer writes them byte for byte. */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
	buildFixtures,
	type FixtureName,
	type FixtureStream,
	type FormerFixtureName,
	fixtureByte,
	fixtureFolder,
	readFixture,
	restoreFixture,
} from "../../../scripts/make-format-fixture.ts";
import { open, type Store } from "../../../src/index.ts";

let folder = "";

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "streambed-format-"));
});

afterEach(async () => {
	await rm(folder, { recursive: true, force: true });
});

async function checkStream(store: Store, known: FixtureStream): Promise<void> {
	const stream = store.scope(known.scope).stream(known.stream);
	const tail = known.appends.reduce((sum, { bytes }) => sum + bytes, 0);
	const info = await stream.info();
	expect(info).toMatchObject({ sealed: known.sealed, tags: known.tags, shards: [{ head: known.head, tail }] });
	const pieces = await Array.fromAsync(stream.appends(), ({ offset, time, bytes }) => ({
		offset,
		time,
		bytes: bytes.slice(),
	}));
	const wrong = pieces.filter(({ offset, bytes }) => bytes.some((byte, index) => byte !== fixtureByte(offset + index)));
	expect(wrong).toEqual([]);
	expect(pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBe(tail - known.head);
	// Each byte has the time of its append.
	let end = 0;
	for (const { bytes, time } of known.appends) {
		const own = pieces.filter(({ offset }) => offset >= end && offset < end + bytes);
		end += bytes;
		expect(own.every((piece) => piece.time === time && piece.offset + piece.bytes.length <= end)).toBe(true);
		if (end > known.head) expect(own.length).toBeGreaterThan(0);
	}
}

/** A retry of each append is told where it is, and what has to come next is known. */
async function checkProducers(store: Store, known: FixtureStream): Promise<void> {
	const stream = store.scope(known.scope).stream(known.stream);
	for (const { producer, from, to } of known.produced) {
		expect(await stream.append(new Uint8Array(1), { producer })).toEqual({ from, to, duplicate: true });
	}
	for (const [id, epoch, sequence] of [
		["camera-1", 1, 4],
		["caméra: 2", 8, 0],
	] as const) {
		const next = stream.append(new Uint8Array(1), { producer: { id, epoch, sequence: sequence + 1 } });
		await expect(next).rejects.toMatchObject({ code: "STREAMBED_PRODUCER_GAP", details: { expected: sequence } });
		const fenced = stream.append(new Uint8Array(1), { producer: { id, epoch: epoch - 1, sequence: 9 } });
		await expect(fenced).rejects.toMatchObject({ code: "STREAMBED_FENCED", details: { epoch } });
		expect((await stream.append(new Uint8Array(1), { producer: { id, epoch, sequence } })).duplicate).toBe(false);
	}
}

/** What was prepared can still be committed, and goes on where the stream ends. */
async function checkPrepared(store: Store, known: FixtureStream): Promise<void> {
	const stream = store.scope(known.scope).stream(known.stream);
	const [waiting, ...more] = await stream.transactions();
	expect([waiting?.state, waiting?.bytes, more.length]).toEqual(["prepared", known.prepared, 0]);
	const { from, to } = await (await stream.resumeTransaction(waiting?.id ?? "")).commit();
	expect(to - from).toBe(known.prepared);
	for await (const bytes of stream.reader({ from: { offset: from } })) {
		expect(bytes.findIndex((byte, index) => byte !== fixtureByte(from + index))).toBe(-1);
		break;
	}
}

const writtenToday: readonly FixtureName[] = ["clean", "unclean", "producer-runs", "parts"];
const former: readonly FormerFixtureName[] = ["producers"];

describe.each([...writtenToday, ...former])("the %s store of format 1", (name) => {
	it("opens, and holds every byte, time and border", async () => {
		const { streams } = (await buildFixtures())[name === "producers" ? "producer-runs" : name];
		await restoreFixture(await readFixture(name), folder);
		const store = await open(folder, { create: false });
		const { clean, rounds, tailCutBytes } = store.stats().recovery;
		expect([clean, tailCutBytes]).toEqual([name === "clean", 0]);
		if (name !== "clean") expect(rounds).toBeGreaterThan(1);
		const listed = (await store.list()).map(({ scope, stream }) => `${scope}/${stream}`);
		expect(listed.sort()).toEqual(streams.map(({ scope, stream }) => `${scope}/${stream}`).sort());
		for (const stream of streams) await checkStream(store, stream);
		if (name.startsWith("producer")) await checkProducers(store, streams[0] as FixtureStream);
		else if (name === "parts") await checkPrepared(store, streams[0] as FixtureStream);
		else await store.scope("cam").stream("hall/north").append(new Uint8Array(100_000));
		await store.close();
	});
});

describe.each(writtenToday)("the %s store of format 1, made anew,", (name) => {
	it("is written today byte for byte", async () => {
		const { files } = (await buildFixtures())[name];
		const committed = await readFixture(name);
		expect([...files.keys()]).toEqual([...committed.keys()]);
		for (const [path, bytes] of files) {
			const other = committed.get(path) as Uint8Array;
			const differs = bytes.length === other.length ? bytes.findIndex((byte, index) => byte !== other[index]) : 0;
			expect(differs, `${path}, ${bytes.length} bytes, differs at`).toBe(-1);
		}
	});
});

describe("the fixtures of the format", () => {
	it("are small", async () => {
		let bytes = 0;
		for (const name of await readdir(fixtureFolder, { recursive: true })) {
			const found = await stat(join(fixtureFolder, name));
			if (found.isFile()) bytes += found.size;
		}
		expect(bytes).toBeGreaterThan(1000);
		expect(bytes).toBeLessThan(200_000);
	});
});
