import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ByteStream, open, type RecordStream } from "../../src/index.ts";

const MiB = 1024 * 1024;
const RECORD_BYTES = 1000;
const RECORDS = 8000;
const BYTES = 8 * MiB;

/** A number at every place, so that any byte that was overwritten is seen. */
function numbered(from: number, bytes: number): Buffer {
	const made = Buffer.alloc(bytes);
	for (let at = 0; at + 4 <= bytes; at += 4) made.writeUInt32LE((from + at) >>> 0, at);
	return made;
}

/** Ways to read, each checks every byte at the last moment at which it is promised. */
const ways = {
	batches: async (records: RecordStream, _: ByteStream, pause: () => Promise<void>) => {
		let seen = 0;
		for await (const batch of records.read().batches()) {
			const values = Array.from({ length: batch.length }, (_, index) => batch.value(index));
			await pause();
			for (const value of values) if (!numbered(seen++, RECORD_BYTES).equals(value)) return `record ${seen - 1}`;
		}
		return seen === RECORDS ? undefined : `${seen} records`;
	},
	"one by one": async (records: RecordStream, _: ByteStream, pause: () => Promise<void>) => {
		let seen = 0;
		for await (const { value } of records.read()) {
			if (seen % 500 === 0) await pause();
			if (!numbered(seen++, RECORD_BYTES).equals(value)) return `record ${seen - 1}`;
		}
		return seen === RECORDS ? undefined : `${seen} records`;
	},
	"one by one, then batches": async (records: RecordStream) => {
		const reader = records.read();
		const steps = reader[Symbol.asyncIterator]();
		const values: Uint8Array[] = [];
		for (let step = await steps.next(); step.done !== true && values.length < 3100; step = await steps.next()) {
			values.push(step.value.value);
		}
		for await (const _ of reader.batches());
		const bad = values.findIndex((value, index) => !numbered(index, RECORD_BYTES).equals(value));
		return bad < 0 && values.length === 3100 ? undefined : `record ${bad} of ${values.length}`;
	},
	copies: async (records: RecordStream) => {
		const batches = await Array.fromAsync(records.read({ copy: true }).batches());
		const values = batches.flatMap((batch) => Array.from({ length: batch.length }, (_, index) => batch.value(index)));
		const bad = values.findIndex((value, index) => !numbered(index, RECORD_BYTES).equals(value));
		return bad < 0 && values.length === RECORDS ? undefined : `record ${bad} of ${values.length}`;
	},
	"into a buffer": async (_: RecordStream, bytes: ByteStream, pause: () => Promise<void>) => {
		await using reader = bytes.reader();
		const target = Buffer.alloc(300_000);
		let at = 0;
		for (;;) {
			const result = await reader.readInto(target);
			if (result.kind !== "data") return at === BYTES ? undefined : `${at} bytes`;
			await pause();
			if (!numbered(at, result.bytes.length).equals(result.bytes)) return `bytes from ${at} on`;
			at += result.bytes.length;
			if (at % 3 === 0) await reader.seek({ offset: at });
		}
	},
	"views that are kept": async (_: RecordStream, bytes: ByteStream, pause: () => Promise<void>) => {
		await using reader = bytes.reader();
		const kept: Uint8Array[] = [];
		for (let size = 100; ; size = (size * 7) % 500_000) {
			// Whole words, so that each piece can be checked alone.
			const result = await reader.read(4 * (size + 1));
			if (result.kind !== "data") break;
			kept.push(result.bytes);
			if (kept.length % 4 === 0) await pause();
		}
		return numbered(0, BYTES).equals(Buffer.concat(kept)) ? undefined : "bytes";
	},
} as const;

describe("memory that readers give back", () => {
	it("never changes under those who still look at it, however many read at the same time", {
		timeout: 300_000,
	}, async () => {
		const folder = await mkdtemp(join(tmpdir(), "streambed-memory-"));
		try {
			await fill(folder);
			const way = fc.constantFrom(...(Object.keys(ways) as (keyof typeof ways)[]));
			const readers = fc.array(fc.record({ way, pauses: fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }) }), {
				minLength: 1,
				maxLength: 4,
			});
			await fc.assert(
				fc.asyncProperty(
					readers,
					fc.constantFrom(0, MiB, 3 * MiB),
					fc.boolean(),
					async (all, readCacheBytes, beside) => {
						const mode = beside ? "read" : "write";
						await using store = await open(folder, { mode, limits: { readCacheBytes, tailCacheBytes: 0 } });
						const scope = store.scope("a");
						const records = scope.stream("records", { kind: "records" });
						const outcomes = all.map(({ way, pauses }) => {
							let turn = 0;
							const pause = async (): Promise<void> => {
								for (let left = pauses[turn++ % pauses.length] ?? 0; left > 0; left--) {
									await new Promise((resolve) => setImmediate(resolve));
								}
							};
							return ways[way](records, scope.stream("bytes"), pause);
						});
						expect(await Promise.all(outcomes)).toEqual(all.map(() => undefined));
					},
				),
				{ numRuns: 25 },
			);
		} finally {
			await rm(folder, { recursive: true });
		}
	});
});

async function fill(folder: string): Promise<void> {
	await using store = await open(folder, { durability: "os" });
	const records = await store.scope("a").create("records", { kind: "records" });
	for (let at = 0; at < RECORDS; at += 400) {
		await records.append(Array.from({ length: 400 }, (_, index) => ({ value: numbered(at + index, RECORD_BYTES) })));
	}
	const bytes = await store.scope("a").create("bytes");
	for (let at = 0; at < BYTES; at += MiB / 2) await bytes.append(numbered(at, MiB / 2));
}
