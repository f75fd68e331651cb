/** Cases: the steps of a reader of records: asked for at the same time, aborted, ended; and its place, stored and used later. */
import { getEventListeners } from "node:events";
import { type Suite, textOf } from "./engine-suite-context.ts";
import { listed, rec, recordCase, recordsOf } from "./engine-suite-records.ts";

/** Registers the cases. */
export function recordStepCases(suite: Suite): void {
	togetherCases(suite);
	endCases(suite);
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
