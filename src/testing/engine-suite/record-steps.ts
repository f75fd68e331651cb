/** Cases: the steps of a reader of records: asked for at the same time, aborted, ended; and its place, stored and used later. */
import { getEventListeners } from "node:events";
import type { StreambedError } from "../../core/errors.ts";
import type { StreamRecord } from "../../core/record.ts";
import { json } from "../../core/serializer.ts";
import type { RecordBatch } from "../../stream/records/record-batch.ts";
import type { RecordReadOptions } from "../../stream/records/record-range.ts";
import { pattern, type Suite, textOf } from "./context.ts";
import { listed, rec, recordCase, recordsOf } from "./records.ts";

const KiB = 1024;

/** Registers the cases. */
export function recordStepCases(suite: Suite): void {
	togetherCases(suite);
	endCases(suite);
	placeCases(suite);
}

function togetherCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"steps that are asked for without waiting are answered in their order, with each record once",
		async ({ records }) => {
			const stream = await records("r", 2);
			for (let index = 0; index < 4; index++)
				await stream.append([rec(`${2 * index}`), rec(`${2 * index + 1}`)], { shard: 0 });
			const steps = stream.read()[Symbol.asyncIterator]();
			const asked = Promise.all(Array.from({ length: 10 }, () => steps.next()));
			const answers = await suite.soon("ten steps", asked);
			const values = answers.map((step) => (step.done === true ? "end" : textOf(step.value.value)));
			expect(values).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "end", "end"]);
			const batches = stream.read().batches();
			const both = await suite.soon("batches", Promise.all(Array.from({ length: 6 }, () => batches.next())));
			const found = both.flatMap((step) => (step.done === true ? [] : [...step.value].map(({ sequence }) => sequence)));
			expect(found).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
		},
	);

	recordCase(suite, "a batch is over with the next step, and says so; with copy it is not", async ({ records }) => {
		const stream = await records("r");
		const values = Array.from({ length: 30 }, (_, index) => pattern(3 * KiB, index));
		for (const value of values) await stream.append({ value });
		let before: RecordBatch | undefined;
		let seen = 0;
		for await (const batch of stream.read().batches()) {
			const over = before;
			if (over !== undefined) {
				suite.throws(() => over.value(0), "STREAMBED_CLOSED");
				suite.throws(() => over.key(0), "STREAMBED_CLOSED");
				suite.throws(() => [...over], "STREAMBED_CLOSED");
			}
			for (let index = 0; index < batch.length; index++)
				suite.sameBytes(batch.value(index), values[seen++] as Uint8Array);
			before = batch;
		}
		expect(seen).toBe(30);
		const kept = await Array.fromAsync(stream.read({ copy: true }).batches());
		const again = kept.flatMap((batch) => Array.from({ length: batch.length }, (_, index) => batch.value(index)));
		for (const [each, value] of again.entries()) suite.sameBytes(value, values[each] as Uint8Array);
		expect(again.length).toBe(30);
	});

	recordCase(
		suite,
		"several steps may wait at the tail, and all end when the reader is closed",
		async ({ records }) => {
			const stream = await records("r", 2);
			const reader = await stream.read({ follow: true }).open();
			const steps = reader[Symbol.asyncIterator]();
			const waiting = Array.from({ length: 4 }, () => steps.next());
			await stream.append({ ...rec("a"), shard: 0 });
			await stream.append({ ...rec("b"), shard: 1 });
			const values = await suite.soon("two steps", Promise.all(waiting.slice(0, 2)));
			expect(values.map((step) => textOf(step.value.value))).toEqual(["a", "b"]);
			await reader.close();
			for (const each of waiting.slice(2)) await suite.fails(suite.soon("the end", each), "STREAMBED_CLOSED");
		},
	);
}

function endCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "an end before the beginning is refused, at once where both are known", async ({ records }) => {
		const stream = await records("r", 2);
		const both = [0, 1].map((shard) => ({ ...rec("x"), shard }));
		const early = await stream.cut();
		for (let index = 0; index < 5; index++) await stream.append(both);
		const late = await stream.cut();
		const ranges: RecordReadOptions[] = [
			{ shard: 0, from: { sequence: 3 }, to: { sequence: 2 } },
			{ from: { time: 5 }, to: { time: 4 } },
			{ fromCut: late, toCut: early },
			{ fromCut: late, toCut: early, shard: 1 },
		];
		for (const range of ranges) suite.throws(() => stream.read(range), "STREAMBED_INVALID_OPTION");
		const later: RecordReadOptions[] = [
			{ shard: 0, from: { last: 2 }, to: { sequence: 1 } },
			{ from: "tail", to: { last: 1 } },
			{ from: { last: 1 }, toCut: early },
			{ fromCut: late, to: { last: 3 }, follow: true },
		];
		for (const range of later) {
			await suite.fails(stream.read(range).open(), "STREAMBED_INVALID_OPTION");
			await suite.fails(stream.read(range).batches().next(), "STREAMBED_INVALID_OPTION");
		}
		for (const range of [
			{ shard: 0, from: { sequence: 3 }, to: { sequence: 3 } },
			{ from: "tail", to: "tail" },
			{ fromCut: late, toCut: late },
		] as const) {
			expect(await listed(stream, range)).toEqual([]);
		}
	});

	recordCase(
		suite,
		"from the head to an end that was dropped is nothing, as behind an end in one shard only",
		async ({ records }) => {
			const stream = await records("r", 2);
			const both = [0, 1].map((shard) => ({ ...rec("x"), shard }));
			for (let index = 0; index < 4; index++) await stream.append(both);
			const early = await stream.cut();
			const ahead = await stream.read({ limit: 3 }).open();
			for await (const _ of ahead);
			for (let index = 0; index < 4; index++) await stream.append(both);
			const reader = await stream.read({ shard: 0, limit: 6 }).open();
			for await (const _ of reader);
			await suite.fails(
				stream.read({ shard: 0, fromCut: reader.location, to: { sequence: 4 } }).open(),
				"STREAMBED_INVALID_OPTION",
			);
			expect((await listed(stream, { fromCut: ahead.location, toCut: early })).length).toBe(5);
			await stream.truncateBefore({ before: { sequence: 6 }, shard: 0 });
			expect((await listed(stream, { toCut: early })).length).toBe(4);
			await stream.truncateBefore({ before: { sequence: 6 }, shard: 1 });
			expect(await listed(stream, { toCut: early })).toEqual([]);
			await stream.update({ shards: 3 });
			await stream.append({ ...rec("y"), shard: 2 });
			await stream.truncateBefore({ before: "tail", shard: 2 });
			expect(await listed(stream, { fromCut: early, toCut: early })).toEqual([]);
		},
	);

	recordCase(suite, "an abort ends reading also where records are in memory", async ({ records }) => {
		const stream = await records("r");
		await stream.append(Array.from({ length: 10 }, (_, index) => rec(`${index}`)));
		const ended = new AbortController();
		const steps = stream.read({ signal: ended.signal })[Symbol.asyncIterator]();
		expect((await steps.next()).value.sequence).toBe(0);
		ended.abort();
		await suite.fails(steps.next(), "STREAMBED_ABORTED");
		await suite.fails(Array.fromAsync(stream.read({ signal: ended.signal })), "STREAMBED_ABORTED");
		expect((await listed(stream)).length).toBe(10);
	});

	recordCase(
		suite,
		"a reader that has ended, failed or was left does not listen to its signal any more",
		async ({ records, store }) => {
			const stream = await records("r", 2);
			await stream.append([rec("a"), rec("b"), rec("c")]);
			const { signal } = new AbortController();
			await Array.fromAsync(stream.read({ signal }));
			await Array.fromAsync(stream.read({ signal }).batches());
			for await (const _ of stream.read({ signal })) break;
			await suite.fails(Array.fromAsync(recordsOf(store, "missing").read({ signal })), "STREAMBED_NOT_FOUND");
			await stream.append(rec("d"), { signal });
			const reader = await stream.read({ follow: true, from: "tail", signal }).open();
			const waiting = reader[Symbol.asyncIterator]().next();
			await reader.close();
			await suite.fails(suite.soon("the end", waiting), "STREAMBED_CLOSED");
			expect(getEventListeners(signal, "abort").length).toBe(0);
		},
	);
}

/** What a reader gives, as `shard:sequence`, and what it tells meanwhile, as `error in shard at head`. */
async function told(suite: Suite, reader: AsyncIterable<StreamRecord>): Promise<string[]> {
	const steps = reader[Symbol.asyncIterator]();
	const found: string[] = [];
	for (;;) {
		const step = await steps.next().catch((error: StreambedError) => {
			suite.isError(error, "STREAMBED_TRUNCATED");
			return error;
		});
		if ("code" in step) found.push(`dropped in ${String(step.details.shard)} to ${String(step.details.head)}`);
		else if (step.done === true) return found;
		else found.push(`${step.value.shard}:${step.value.sequence}`);
		suite.expect(found.length, "steps").toBeLessThanOrEqual(1000);
	}
}

function placeCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "iterating a batch goes on behind a record that does not decode", async ({ records }) => {
		const stream = await records("r");
		await stream.append(["1", "{", "2", "", "3"].map((value) => rec(value)));
		const found: string[] = [];
		for await (const batch of stream.as(json<number>()).read().batches()) {
			const steps = batch[Symbol.iterator]();
			for (let left = batch.length; left > 0; ) {
				try {
					for (const { sequence, value } of steps) found.push(`${sequence}:${value}`);
					left = 0;
				} catch (error) {
					suite.isError(error, "STREAMBED_DECODE", { shard: 0 });
					found.push(`error at ${String((error as StreambedError).details.sequence)}`);
				}
			}
			expect(steps.next()).toEqual({ done: true, value: undefined });
		}
		expect(found).toEqual(["0:1", "error at 1", "2:2", "error at 3", "4:3"]);
	});

	recordCase(
		suite,
		"a place that was stored can be used after a truncation: what was dropped is told once for each shard",
		async ({ records }) => {
			const stream = await records("r", 3);
			const three = [0, 1, 2].map((shard) => ({ ...rec("x"), shard }));
			const cut = await stream.cut();
			for (let index = 0; index < 10; index++) await stream.append(three);
			const reader = await stream.read({ limit: 6 }).open();
			for await (const _ of reader);
			await stream.truncateBefore({ before: { sequence: 7 }, shard: 1 });
			await stream.truncateBefore({ before: "tail", shard: 2 });
			const rest = (from: number): string[] => Array.from({ length: 10 - from }, (_, index) => `${from + index}`);
			const wanted = ["dropped in 1 to 7", "dropped in 2 to 10", ...rest(0).map((each) => `0:${each}`)];
			wanted.push(...rest(7).map((each) => `1:${each}`));
			expect((await told(suite, stream.read({ fromCut: cut }))).sort()).toEqual(wanted.sort());
			const later = await told(suite, stream.read({ fromCut: reader.location }));
			expect(later.filter((each) => each.startsWith("1")).sort()).toEqual(["1:7", "1:8", "1:9"]);
			expect(later.filter((each) => each === "dropped in 1 to 7").length).toBe(1);
			expect(await told(suite, stream.read({ fromCut: cut, shard: 2 }))).toEqual(["dropped in 2 to 10"]);
			const follower = stream.read({ fromCut: cut, toCut: await stream.cut(), follow: true });
			expect((await suite.soon("the end", told(suite, follower))).sort()).toEqual(wanted.sort());
		},
	);

	recordCase(suite, "a new shard is read once the dropped part of an older one has been told", async ({ records }) => {
		const stream = await records("r", 1);
		const cut = await stream.cut();
		for (let index = 0; index < 5; index++) await stream.append(rec("x"));
		await stream.update({ shards: 2 });
		await stream.append({ ...rec("y"), shard: 1 });
		await stream.truncateBefore({ before: "tail", shard: 0 });
		expect(await told(suite, stream.read({ fromCut: cut }))).toEqual(["dropped in 0 to 5", "1:0"]);
	});
}
