/** Reading a stream from head to tail out of the page cache, checksums verified; and many who read it together. */
import { join } from "node:path";
import type { ByteStream } from "../../src/index.ts";
import type { Case, Figures, Side } from "../harness.ts";
import { readFile, writeFile } from "../plain-fs.ts";
import { kib, mib, type RunSettings, type Scenario, sizeName } from "../scenario.ts";
import { fill, withStore } from "../stores.ts";

const readBytes = mib;
const streamName = "catch-up";

export const catchUp: Scenario = {
	name: "catch-up",
	summary: "reading from head to tail beside plain reads; bytes that 100 readers together take from the disk",
	cases: (settings) => {
		const bytes = settings.quick ? 16 * mib : 512 * mib;
		return [
			readCase(bytes, 64 * kib, 16, settings),
			readCase(bytes, 100, 256, settings),
			followersCase(settings.quick ? 8 * mib : 64 * mib, settings.quick ? 10 : 100, settings),
		];
	},
};

/** `read` gives out bytes that may be kept, `readInto` fills one buffer: each has a plain counterpart. */
const readOurs = "streambed, read of 1 MiB";
const intoOurs = "streambed, readInto 1 MiB";
const intoPlain = "fs: read in 1 MiB blocks";
const readPlain = "fs: read in 1 MiB blocks, each into memory of its own";

function readCase(bytes: number, appendBytes: number, inFlight: number, { durability }: RunSettings): Case {
	let folder = "";
	const plain = (name: string, keep: boolean): Side => ({
		name,
		open: async () => ({ run: () => rateOf(() => readFile(join(folder, "plain"), readBytes, keep), bytes) }),
	});
	const ours = (name: string, read: (stream: ByteStream) => Promise<number>): Side => ({
		name,
		open: async () => ({
			// A store opened anew: what it read before is not in its memory, only in the page cache.
			run: async () =>
				await withStore(join(folder, "store"), { durability }, async (store) => {
					const stream = await store.scope("bench").stream(streamName).open();
					return await rateOf(() => read(stream), bytes);
				}),
		}),
	});
	const pair = { metric: "rate", unit: "MB/s" };
	return {
		name: `catch-up/${sizeName(bytes)}/${sizeName(appendBytes)}-appends`,
		prepare: async (shared) => {
			folder = shared;
			await fillStore(shared, bytes, appendBytes, inFlight, durability);
			writeFile(join(shared, "plain"), bytes);
		},
		sides: [
			ours(readOurs, (stream) => readThrough(stream)),
			plain(readPlain, true),
			ours(intoOurs, readIntoThrough),
			plain(intoPlain, false),
		],
		pairs: [
			{ ...pair, ours: readOurs, reference: readPlain, bar: { atLeast: 0.5 } },
			{ ...pair, ours: intoOurs, reference: intoPlain },
			{ ...pair, ours: readOurs, reference: intoPlain },
		],
		settings: { bytes, appendBytes, appendsInFlight: inFlight, readBytes },
	};
}

/** Counts what is read from the disk, which does not depend on the machine. */
function followersCase(bytes: number, followers: number, { durability }: RunSettings): Case {
	const many = `streambed, ${followers} followers`;
	const one = "streambed, 1 follower";
	let folder = "";
	const side = (name: string, count: number): Side => ({
		name,
		open: async () => ({
			run: async () =>
				await withStore(join(folder, "store"), { durability }, async (store) => {
					const stream = store.scope("bench").stream(streamName);
					await stream.open();
					const before = store.stats().disk.readBytes;
					const start = performance.now();
					await Promise.all(Array.from({ length: count }, () => readThrough(stream, bytes)));
					const seconds = (performance.now() - start) / 1000;
					return {
						readMiB: (store.stats().disk.readBytes - before) / mib,
						rate: (count * bytes) / seconds / 1e6,
					};
				}),
		}),
	});
	return {
		name: `catch-up/${sizeName(bytes)}/${followers}-followers`,
		prepare: async (shared) => {
			folder = shared;
			await fillStore(shared, bytes, 64 * kib, 16, durability);
		},
		sides: [side(many, followers), side(one, 1)],
		pairs: [
			{ ours: many, reference: one, metric: "readMiB", unit: "MiB from disk", bar: { atMost: 1.2 } },
			{ ours: many, reference: one, metric: "rate", unit: "MB/s together" },
		],
		settings: { bytes, followers, readBytes },
	};
}

async function fillStore(
	folder: string,
	bytes: number,
	appendBytes: number,
	inFlight: number,
	durability: RunSettings["durability"],
): Promise<void> {
	await withStore(join(folder, "store"), { durability }, async (store) => {
		await fill(await store.scope("bench").create(streamName), bytes, appendBytes, inFlight);
	});
}

async function rateOf(read: () => Promise<number>, bytes: number): Promise<Figures> {
	const start = performance.now();
	const got = await read();
	if (got !== bytes) throw new Error(`read ${got} bytes of ${bytes}`);
	return { rate: bytes / 1e3 / (performance.now() - start) };
}

/** Reads up to the tail, or with `bytes` as a follower until it has seen so many. */
async function readThrough(stream: ByteStream, bytes?: number): Promise<number> {
	const reader = stream.reader(bytes === undefined ? {} : { follow: true });
	let got = 0;
	while (got < (bytes ?? Number.POSITIVE_INFINITY)) {
		const result = await reader.read(readBytes);
		if (result.kind !== "data") break;
		got += result.bytes.length;
	}
	await reader.close();
	return got;
}

/** Reads up to the tail into one buffer. */
async function readIntoThrough(stream: ByteStream): Promise<number> {
	const reader = stream.reader();
	const buffer = Buffer.allocUnsafeSlow(readBytes);
	let got = 0;
	for (;;) {
		const result = await reader.readInto(buffer);
		if (result.kind !== "data") break;
		got += result.bytes.length;
	}
	await reader.close();
	return got;
}
