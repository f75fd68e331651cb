/** Reading records from head to tail out of the page cache, beside the same payloads read from SQLite and from LMDB. */
import { join } from "node:path";
import type { RecordStream } from "../../src/index.ts";
import type { Case, Pair, Side } from "../harness.ts";
import { lmdb } from "../peers/lmdb.ts";
import { peerReads, rateOfReading } from "../peers/peer.ts";
import { sqlite } from "../peers/sqlite.ts";
import type { RunSettings, Scenario } from "../scenario.ts";
import { sizeName } from "../scenario.ts";
import { somePayload, withStore } from "../stores.ts";

/** One way to read our own records. */
export const readBatches = "streambed, batches of records";
const readOneByOne = "streambed, record by record";
const bytes = 100;
const perAppend = 1000;

export const recordsRead: Scenario = {
	name: "records-read",
	summary: "reading records of 100 bytes from head to tail, checksums verified, beside SQLite and LMDB",
	cases: ({ durability, quick }) => [readCase(quick ? 20_000 : 4_000_000, durability)],
};

function readCase(count: number, durability: RunSettings["durability"]): Case {
	const payload = somePayload(bytes);
	const pairs = [sqlite, lmdb].flatMap(({ name }): Pair[] => {
		const pair = { reference: name, metric: "rate", unit: "records/s" };
		return [
			{ ours: readBatches, ...pair, bar: { atLeast: 7 } },
			{ ours: readOneByOne, ...pair, bar: { atLeast: 1.8 } },
		];
	});
	return {
		name: `records-read/${sizeName(bytes)}`,
		sides: [
			...recordReads(payload, count, durability),
			peerReads(sqlite, payload, count),
			peerReads(lmdb, payload, count),
		],
		pairs,
		settings: { bytes, records: count, perAppend },
	};
}

/** Our two ways to read `count` records, each from a store that is opened anew for it. */
export function recordReads(payload: Uint8Array, count: number, durability: RunSettings["durability"]): Side[] {
	const side = (name: string, read: (stream: RecordStream) => Promise<number>): Side => ({
		name,
		open: async (folder) => {
			const url = join(folder, "store");
			await withStore(url, { durability: "os" }, async (store) => {
				const stream = await store.scope("bench").create("records", { kind: "records" });
				const records = Array.from({ length: perAppend }, () => ({ value: payload }));
				for (let left = count; left > 0; left -= perAppend) await stream.append(records.slice(0, left));
			});
			return {
				run: async () =>
					await withStore(url, { durability }, async (store) => {
						const stream = await store.scope("bench").stream("records", { kind: "records" }).open();
						return await rateOfReading(() => read(stream), payload, count);
					}),
			};
		},
	});
	return [side(readBatches, throughBatches), side(readOneByOne, throughRecords)];
}

async function throughBatches(stream: RecordStream): Promise<number> {
	let bytes = 0;
	for await (const batch of stream.read().batches()) {
		for (let index = 0; index < batch.length; index++) bytes += batch.value(index).length;
	}
	return bytes;
}

async function throughRecords(stream: RecordStream): Promise<number> {
	let bytes = 0;
	for await (const { value } of stream.read()) bytes += value.length;
	return bytes;
}
