import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { open, type RecordStream, type StreambedError } from "../../src/index.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const KEYS = 12;
/** Where records expire: after so long. Then time passes by steps; else it stands still. */
const AGE_MS = 1000;

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
	{ weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(60, 300, 700) }) },
	{ weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

interface Stored {
	readonly key: string;
	readonly number: number;
	readonly shard: number;
	readonly sequence: number;
	readonly time: number;
}

/** Carries out the steps; numbers the records of each key. */
class Run {
	readonly stored: Stored[] = [];
	readonly heads = new Map<number, number>();
	readonly cuts: { readonly cut: string; readonly after: number; readonly count: number }[] = [];
	readonly #next = new Map<string, number>();
	/** Where the last record of a key went, and how many shards there were. */
	readonly #homes = new Map<string, { readonly shard: number; readonly shards: number }>();
	readonly #now: () => number;
	readonly #expires: boolean;
	shards = 2;

	constructor(now: () => number, expires: boolean) {
		this.#now = now;
		this.#expires = expires;
	}

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
		for (const [index, { shard, from, time }] of answers.entries()) {
			const { key, number } = records[index] as (typeof records)[number];
			const home = this.#homes.get(key) ?? { shard, shards: this.shards };
			expect(shard === home.shard || shard >= home.shards, `${key}: from ${home.shard} to ${shard}`).toBe(true);
			this.#homes.set(key, { shard, shards: this.shards });
			this.stored.push({ key, number, shard, sequence: from, time });
		}
	}

	/** Heads are where truncations put them, or, where records expire, behind what is old enough. */
	async #lookAtHeads(stream: RecordStream): Promise<void> {
		for (const { shard, head } of (await stream.info()).shards) {
			const before = this.heads.get(shard) ?? 0;
			if (!this.#expires) expect(head, `head of shard ${shard}`).toBe(before);
			expect(head).toBeGreaterThanOrEqual(before);
			const dropped = this.stored.filter((one) => one.shard === shard && before <= one.sequence && one.sequence < head);
			for (const { time } of dropped) expect(this.#now() - time).toBeGreaterThanOrEqual(AGE_MS);
			this.heads.set(shard, head);
		}
	}

	/** Reads; where records expire, until nothing is dropped meanwhile. */
	async check(stream: RecordStream, options: object, from: number): Promise<number[]> {
		for (;;) {
			await this.#lookAtHeads(stream);
			const dropped = await this.#checkOnce(stream, options, from);
			if (!this.#expires || dropped.length === 0) return dropped;
		}
	}

	/** What is still there of the records from number `from` on. */
	kept(from = 0): Set<string> {
		const there = this.stored.slice(from).filter(({ shard, sequence }) => sequence >= (this.heads.get(shard) ?? 0));
		return new Set(there.map(({ shard, sequence }) => `${shard}:${sequence}`));
	}

	/** Reads all shards merged: everything that is there, once, each key in its order. Returns the shards of which a part was dropped. */
	async #checkOnce(stream: RecordStream, options: object, from: number): Promise<number[]> {
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
		if (!this.#expires || dropped.length === 0) expect([...wanted]).toEqual([]);
		return dropped.sort((a, b) => a - b);
	}
}

async function carryOut(url: string, steps: readonly Step[], expires = false): Promise<void> {
	const clock = new ManualClock();
	let store = await open(url, { clock });
	const opened = (): RecordStream => store.scope("s").stream("r", { kind: "records" });
	const run = new Run(() => clock.now(), expires);
	const retention = expires ? { ageMs: AGE_MS } : {};
	await store.scope("s").create("r", { kind: "records", shards: run.shards, retention });
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
			} else if (each.kind === "wait") {
				if (expires) clock.advance(each.ms);
			} else if (url !== "memory:") {
				await store.close();
				store = await open(url, { clock });
			}
		}
		expect(await run.check(opened(), {}, 0)).toEqual([]);
		const { shards } = await opened().info();
		// While records expire a cut may be overtaken between this and the reading.
		for (const { cut, after, count } of expires ? [] : run.cuts) {
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

describe("a merged reader, under random growth, truncation, retention and reopening", () => {
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

	it("and where records expire", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) => carryOut("memory:", steps, true)),
			{ numRuns: 60 },
		);
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
				const folder = await mkdtemp(join(tmpdir(), "streambed-order-"));
				await carryOut(`file:${folder}/data`, steps, true).finally(() => rm(folder, { recursive: true, force: true }));
			}),
			{ numRuns: 15 },
		);
	});
});
