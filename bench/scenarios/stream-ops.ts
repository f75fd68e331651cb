/** Streams of Stream Ops beside plain calls of `node:fs` that move the same bytes. */
import * as fs from "node:fs";
import { join } from "node:path";
import { StreamStorageFS } from "../../src/stream-ops/index.ts";
import { wrap } from "../../src/stream-ops/rion/index.ts";
import type { Case, Figures, Runner, Side } from "../harness.ts";
import { readFile } from "../plain-fs.ts";
import { kib, mib, type RunSettings, type Scenario, sizeName } from "../scenario.ts";
import { somePayload } from "../stores.ts";

const blockBytes = 8 * mib;
const readBytes = 256 * kib;

export const streamOps: Scenario = {
	name: "stream-ops",
	summary: "appending and iterating records of Stream Ops, beside plain writes and reads of the same bytes",
	cases: (settings) => [
		appendCase(100, 1, settings),
		appendCase(100, 256, settings),
		appendCase(kib, 256, settings),
		readCase(100, settings),
		readCase(kib, settings),
		readCase(64 * kib, settings),
	],
};

const single = "stream-ops, append";
const together = "stream-ops, appendRecords";
const plainBatch = "fs: one write a batch";

/** Appends that wait for one another in groups; a sync at the end of a round on both sides, or none. */
function appendCase(recordBytes: number, inFlight: number, { durability, quick }: RunSettings): Case {
	const record = wrap(somePayload(recordBytes - (recordBytes < 258 ? 2 : 3)));
	const records = ((quick ? 4 : 64) * mib) / record.length;
	const batches = Math.ceil(records / inFlight / (inFlight === 1 ? 20 : 1));
	const ours = (name: string, append: (storage: StreamStorageFS) => Promise<unknown>): Side => ({
		name,
		open: async (folder) => {
			let round = 0;
			const run = async (): Promise<Figures> => {
				const path = join(folder, `s${round++}`);
				const durable = durability === "sync" ? "flush" : "os";
				const storage = new StreamStorageFS("s", path, blockBytes, { durability: durable });
				await storage.openForAppend();
				const figures = await rate(batches * inFlight, async () => {
					for (let batch = 0; batch < batches; batch++) await append(storage);
					if (durability === "sync") await storage.flush();
				});
				await storage.closeForAppend();
				fs.rmSync(path, { recursive: true });
				return figures;
			};
			return { run };
		},
	});
	const group = new Array<Uint8Array>(inFlight).fill(record);
	const pair = { metric: "rate", unit: "records/s", bar: { atLeast: 0.5 } };
	return {
		name: `stream-ops/append/${sizeName(recordBytes)}/${inFlight}`,
		sides: [
			ours(single, (storage) => Promise.all(group.map((each) => storage.append(each)))),
			ours(together, (storage) => storage.appendRecords(group)),
			{ name: plainBatch, open: async (folder) => plainWriter(folder, record, inFlight, batches, durability) },
		],
		pairs: [
			{ ...pair, ours: single, reference: plainBatch },
			{ ...pair, ours: together, reference: plainBatch },
		],
		settings: { recordBytes: record.length, inFlight, blockBytes },
	};
}

/** The payloads of a batch copied into one buffer, one write at the end of the file. */
function plainWriter(
	folder: string,
	record: Uint8Array,
	inFlight: number,
	batches: number,
	durability: RunSettings["durability"],
): Runner {
	let round = 0;
	const staging = Buffer.allocUnsafeSlow(record.length * inFlight);
	const run = async (): Promise<Figures> => {
		const path = join(folder, `plain-${round++}`);
		const fd = fs.openSync(path, "wx");
		const figures = await rate(batches * inFlight, async () => {
			for (let batch = 0; batch < batches; batch++) {
				for (let index = 0; index < inFlight; index++) staging.set(record, index * record.length);
				await promised((done) => fs.write(fd, staging, 0, staging.length, batch * staging.length, done));
			}
			if (durability === "sync") await promised((done) => fs.fdatasync(fd, done));
		});
		fs.closeSync(fd);
		fs.unlinkSync(path);
		return figures;
	};
	return { run };
}

const iterating = "stream-ops, for await over records";
const batched = "stream-ops, batches of records";
const visiting = "stream-ops, iterate";
const plainReads = "fs: read in 256 KiB blocks, each into memory of its own";

function readCase(recordBytes: number, { quick }: RunSettings): Case {
	const record = wrap(somePayload(recordBytes - (recordBytes < 258 ? 2 : recordBytes < 65_539 ? 3 : 4)));
	const bytes = (quick ? 4 : 64) * mib;
	const count = Math.floor(bytes / record.length);
	let folder = "";
	const ours = (name: string, read: (storage: StreamStorageFS) => Promise<number>): Side => ({
		name,
		open: async () => ({
			run: async () => {
				const storage = await new StreamStorageFS("s", join(folder, "s"), undefined, { readBytes }).open();
				return await rate(
					count * record.length,
					async () => {
						const got = await read(storage);
						if (got !== count) throw new Error(`${got} records of ${count}`);
					},
					1e6,
				);
			},
		}),
	});
	const pair = { metric: "rate", unit: "MB/s", reference: plainReads };
	return {
		name: `stream-ops/iterate/${sizeName(recordBytes)}`,
		prepare: async (shared) => {
			folder = shared;
			await using storage = new StreamStorageFS("s", join(shared, "s"), undefined, { durability: "os" });
			await storage.openForAppend();
			const group = new Array<Uint8Array>(64).fill(record);
			for (let at = 0; at < count; at += 64) await storage.appendRecords(group.slice(0, Math.min(64, count - at)));
		},
		sides: [
			ours(iterating, async (storage) => {
				let seen = 0;
				for await (const { bytes } of storage.records()) seen += bytes.length > 0 ? 1 : 0;
				return seen;
			}),
			ours(batched, async (storage) => {
				let seen = 0;
				for await (const batch of storage.records().batches()) seen += batch.length;
				return seen;
			}),
			ours(visiting, async (storage) => {
				let seen = 0;
				await storage.iterate(() => {
					seen++;
					return true;
				});
				return seen;
			}),
			{
				name: plainReads,
				open: async () => ({
					run: () =>
						rate(
							count * record.length,
							async () => {
								for (const name of fs.readdirSync(join(folder, "s")))
									await readFile(join(folder, "s", name), readBytes, true);
							},
							1e6,
						),
				}),
			},
		],
		pairs: [
			{ ...pair, ours: iterating, bar: { atLeast: 0.5 } },
			{ ...pair, ours: batched, bar: { atLeast: 0.5 } },
			{ ...pair, ours: visiting, bar: { atLeast: 0.5 } },
		],
		settings: { recordBytes: record.length, records: count, readBytes },
	};
}

async function rate(amount: number, work: () => Promise<unknown>, unit = 1): Promise<Figures> {
	const start = performance.now();
	await work();
	return { rate: (amount * 1000) / (performance.now() - start) / unit };
}

function promised<T>(start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
	return new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value as T))));
}
