/** A store of records that an earlier day wrote opens today, and today's writer writes it byte for byte. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FixtureFiles, readFixture, restoreFixture } from "../../../scripts/make-format-fixture.ts";
import {
	buildRecordFixture,
	buildRecordPartsFixture,
	type FixtureRecord,
} from "../../../scripts/make-record-fixture.ts";
import { open, type RecordStream, verifyStore } from "../../../src/index.ts";

let folder = "";
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "streambed-format-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inOrder = (records: readonly FixtureRecord[]): FixtureRecord[] =>
	[...records].sort((a, b) => a.shard - b.shard || a.sequence - b.sequence);

/** All that is read, as it was given when it was written. */
async function read(stream: RecordStream, options: { fromCut?: string } = {}): Promise<FixtureRecord[]> {
	const found = await Array.fromAsync(stream.read({ ...options, copy: true }), (record) => {
		const { shard, sequence, time, key, value, headers, clientInfo, eventTime, part } = record;
		const parts = {
			value,
			key,
			headers: Object.keys(headers).length === 0 ? undefined : headers,
			clientInfo: clientInfo ?? undefined,
			eventTime: eventTime ?? undefined,
		};
		return { record: parts, shard, sequence, time, part };
	});
	return inOrder(found);
}

function expectSameFiles(files: FixtureFiles, committed: FixtureFiles): void {
	expect([...files.keys()]).toEqual([...committed.keys()]);
	for (const [path, bytes] of files) {
		const other = committed.get(path) as Uint8Array;
		const differs = bytes.length === other.length ? bytes.findIndex((byte, index) => byte !== other[index]) : 0;
		expect(differs, `${path}, ${bytes.length} bytes, differs at`).toBe(-1);
	}
}

describe("the store of records of format 1", () => {
	it("opens, and holds every record, key, time and growth, and knows its producers", async () => {
		const { streams, calls, cut } = await buildRecordFixture();
		await restoreFixture(await readFixture("records"), folder);
		await using store = await open(folder, { create: false });
		expect(store.stats().recovery.rounds).toBeGreaterThan(1);
		const scope = store.scope("log");
		for (const [name, records] of streams) {
			expect(await read(scope.stream(name, { kind: "records" }))).toEqual(inOrder(records));
		}
		const events = await scope.stream("events", { kind: "records" }).open();
		const ended = await scope.stream("deep/ended", { kind: "records" }).info();
		expect([(await events.info()).shards.length, ended.sealed]).toEqual([8, true]);
		for (const { producer, records } of calls) {
			const again = await events.append(
				records.map(({ record }) => record),
				{ producer, atomic: true },
			);
			const places = again.map(({ shard, from, duplicate }) => [shard, from, duplicate]);
			expect(places).toEqual(records.map(({ shard, sequence }) => [shard, sequence, true]));
		}
		const fenced = events.append({ value: new Uint8Array(1) }, { producer: { id: "p", epoch: 0, sequence: 3 } });
		await expect(fenced).rejects.toMatchObject({ code: "STREAMBED_FENCED" });
		const behind = await read(events, { fromCut: cut });
		expect(behind.length).toBeGreaterThan(20);
		expect(behind.every(({ time }) => time > (calls[1]?.records[0]?.time ?? 0))).toBe(true);
		await store.close();
		expect((await verifyStore(folder)).ok).toBe(true);
	});

	it("is written today byte for byte", async () => {
		expectSameFiles((await buildRecordFixture()).files, await readFixture("records"));
	});
});

describe("the store of records in parts of format 1", () => {
	it("opens, and holds every part, also of a record whose first parts are gone", async () => {
		const { records } = await buildRecordPartsFixture();
		expect(records.filter(({ part }) => part !== undefined).length).toBe(4 + 2 + 6);
		await restoreFixture(await readFixture("record-parts"), folder);
		await using store = await open(folder, { create: false });
		expect(store.stats().recovery.rounds).toBeGreaterThan(1);
		const large = store.scope("log").stream("large", { kind: "records" });
		expect(await read(large)).toEqual(inOrder(records));
		const parts = large.multipart({ shard: 0 });
		await parts.write(new Uint8Array(600_000));
		expect(await parts.commit()).toEqual({ shard: 0, from: 3, to: 5 });
		await store.close();
		expect((await verifyStore(folder)).ok).toBe(true);
	});

	it("is written today byte for byte", async () => {
		expectSameFiles((await buildRecordPartsFixture()).files, await readFixture("record-parts"));
	});
});
