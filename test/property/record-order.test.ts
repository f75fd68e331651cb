import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { open, type RecordStream, type StreambedError } from "../../src/index.ts";

const KEYS = 12;

const step = fc.oneof(
	{
		weight: 6,
		arbitrary: fc.record({
			kind: fc.constant("append" as const),
			keys: fc.array(fc.nat(KEYS - 1), { minLength: 1, maxLength: 30 }),
			bytes: fc.constantFrom(0, 10, 3000),
			atomic: fc.boolean(),
		}),
	},
	{ weight: 2, arbitrary: fc.record({ kind: fc.constant("grow" as const), more: fc.integer({ min: 1, max: 4 }) }) },
	{
		weight: 2,
		arbitrary: fc.record({ kind: fc.constant("truncate" as const), shard: fc.nat(20), share: fc.nat(100) }),
	},
	{ weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const) }) },
	{ weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

interface Stored {
	readonly key: string;
	readonly number: number;
	readonly shard: number;
	readonly sequence: number;
}

/** Carries out the steps; numbers the records of each key. */
class Run {
	readonly stored: Stored[] = [];
	readonly heads = new Map<number, number>();
	readonly cuts: { readonly cut: string; readonly after: number; readonly count: number }[] = [];
	readonly #next = new Map<string, number>();
	shards = 2;

	async append(stream: RecordStream, { keys, bytes, atomic }: Extract<Step, { kind: "append" }>): Promise<void> {
		const records = keys.map((each) => {
			const key = `k${each}`;
			const number = this.#next.get(key) ?? 0;
			this.#next.set(key, number + 1);
			const value = new Uint8Array(4 + bytes);
			new DataView(value.buffer).setUint32(0, number);
			return { key, value, number };
		});
		const given = records.map(({ key, value }) => ({ key, value }));
		const answers = await stream.append(given, { atomic });
		for (const [index, { shard, from }] of answers.entries()) {
			const { key, number } = records[index] as (typeof records)[number];
			this.stored.push({ key, number, shard, sequence: from });
		}
	}

	/** What is still there of the records from number `from` on. */
	kept(from = 0): Set<string> {
		const there = this.stored.slice(from).filter(({ shard, sequence }) => sequence >= (this.heads.get(shard) ?? 0));
		return new Set(there.map(({ shard, sequence }) => `${shard}:${sequence}`));
	}

	/** Reads all shards merged: everything that is there, once, each key in its order. Returns the shards of which a part was dropped. */
	async check(stream: RecordStream, options: object, from: number): Promise<number[]> {
		const wanted = this.kept(from);
		const last = new Map<string, number>();
		const dropped: number[] = [];
		const steps = stream.read(options)[Symbol.asyncIterator]();
		for (;;) {
			const step = await steps.next().catch((error: StreambedError) => {
				expect(error.code).toBe("STREAMBED_TRUNCATED");
				dropped.push(error.details.shard as number);
				return undefined;
			});
			if (step === undefined) continue;
			if (step.done === true) break;
			const { shard, sequence, key, value } = step.value;
			const number = new DataView(value.buffer, value.byteOffset).getUint32(0);
			expect(number, `${key} in shard ${shard}`).toBeGreaterThan(last.get(key as string) ?? -1);
			last.set(key as string, number);
			expect(wanted.delete(`${shard}:${sequence}`), `${shard}:${sequence}`).toBe(true);
		}
		expect([...wanted]).toEqual([]);
		return dropped.sort((a, b) => a - b);
	}
}

async function carryOut(url: string, steps: readonly Step[]): Promise<void> {
	let store = await open(url);
	const opened = (): RecordStream => store.scope("s").stream("r", { kind: "records" });
	const run = new Run();
	await store.scope("s").create("r", { kind: "records", shards: run.shards });
	try {
		for (const each of steps) {
			const stream = opened();
			if (each.kind === "append") await run.append(stream, each);
			else if (each.kind === "grow") {
				run.shards += each.more;
				await stream.update({ shards: run.shards });
			} else if (each.kind === "cut") {
				run.cuts.push({ cut: await stream.cut(), after: run.stored.length, count: run.shards });
			} else if (each.kind === "truncate") {
				const shard = each.shard % run.shards;
				const tail = (await stream.info()).shards[shard]?.tail ?? 0;
				const sequence = Math.floor((tail * each.share) / 100);
				run.heads.set(shard, Math.max(sequence, run.heads.get(shard) ?? 0));
				await stream.truncateBefore({ before: { sequence }, shard });
			} else if (url !== "memory:") {
				await store.close();
				store = await open(url);
			}
		}
		expect(await run.check(opened(), {}, 0)).toEqual([]);
		const { shards } = await opened().info();
		for (const { cut, after, count } of run.cuts) {
			const beyond = shards.filter(({ head, shard }) => shard < count && head > positionOf(run, shard, after));
			expect(await run.check(opened(), { fromCut: cut }, after)).toEqual(beyond.map(({ shard }) => shard));
		}
	} finally {
		await store.close();
	}
}

/** Where a shard stood when so many records had been stored. */
function positionOf(run: Run, shard: number, after: number): number {
	return run.stored.slice(0, after).filter((each) => each.shard === shard).length;
}

describe("a merged reader, under random growth, truncation and reopening", () => {
	it("gives what is there once, and each key in its order, from memory", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) => carryOut("memory:", steps)),
			{
				numRuns: 150,
			},
		);
	});

	it("and from a folder", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
				const folder = await mkdtemp(join(tmpdir(), "streambed-order-"));
				await carryOut(`file:${folder}/data`, steps).finally(() => rm(folder, { recursive: true, force: true }));
			}),
			{ numRuns: 25 },
		);
	});
});
