/** Cases: the writer of records: tickets, batches, linger, room, failures, producers. */

import { ManualClock } from "../manual-clock.ts";
import { bytesOf, pattern, type Suite, textOf } from "./context.ts";
import { recordProducerCase } from "./record-retries.ts";
import { listed, rec, recordCase, recordsOf, tails } from "./records.ts";

const KiB = 1024;

/** Registers the cases. */
export function recordWriterCases(suite: Suite): void {
	ticketCases(suite);
	batchCases(suite);
	failureCases(suite);
	producerCases(suite);
}

function ticketCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "a ticket tells where its record is stored, and each key keeps its order", async ({ records }) => {
		const stream = await records("r", 3);
		const writer = stream.writer();
		const tickets = Array.from({ length: 500 }, (_, index) => writer.write(rec(`${index}`, `k${index % 13}`)));
		await writer.flush();
		const found = new Map(
			await Array.fromAsync(stream.read(), (each) => [`${each.shard}:${each.sequence}`, textOf(each.value)] as const),
		);
		const last = new Map<string, number>();
		for (const [index, ticket] of tickets.entries()) {
			const { shard, from, duplicate } = await ticket.durable;
			expect([found.get(`${shard}:${from}`), duplicate]).toEqual([`${index}`, false]);
			const key = `k${index % 13}`;
			expect(from > (last.get(key) ?? -1)).toBe(true);
			last.set(key, from);
		}
		await writer.close();
	});

	recordCase(
		suite,
		"an array may be used again when write has returned, before the stream is open and after",
		async ({ records, store }) => {
			await records("r", 2);
			const writer = recordsOf(store, "r").writer();
			const value = bytesOf("a");
			for (const text of ["a", "b", "c"]) {
				value[0] = text.charCodeAt(0);
				void writer.write({ value, shard: 0 });
			}
			await writer.flush();
			for (const text of ["d", "e"]) {
				value[0] = text.charCodeAt(0);
				void writer.write({ value, shard: 0 });
			}
			value[0] = 0;
			await writer.close();
			expect((await listed(recordsOf(store, "r"))).map((each) => each.split(":")[2]).join("")).toBe("abcde");
		},
	);

	recordCase(suite, "awaiting a write waits for room once too much is in flight", async ({ records }) => {
		const stream = await (await records("r")).open();
		const writer = stream.writer({ maxInFlightBytes: 10 * KiB });
		expect(writer.hasRoom).toBe(true);
		const tickets = Array.from({ length: 40 }, () => writer.write({ value: pattern(KiB) }));
		expect(writer.hasRoom).toBe(false);
		await tickets[0];
		let stored = 0;
		for (const ticket of tickets) void ticket.durable.then(() => stored++);
		await suite.soon("room for the last one", tickets[39] as PromiseLike<unknown>);
		expect(stored).toBeGreaterThanOrEqual(1);
		await writer.close();
		expect(await tails(stream)).toEqual([40]);
	});

	recordCase(suite, "records without a byte take room as well", async ({ records }) => {
		const stream = await (await records("r")).open();
		const writer = stream.writer({ maxInFlightBytes: 10 * KiB });
		let written = 0;
		for (; writer.hasRoom && written < 10_000; written++) void writer.write({ value: new Uint8Array(0) });
		expect(writer.hasRoom).toBe(false);
		await writer.close();
		expect(await tails(stream)).toEqual([written]);
	});

	recordCase(suite, "close flushes, and nothing is taken after it", async ({ records }) => {
		const stream = await records("r", 2);
		const writer = stream.writer({ lingerMs: 60_000 });
		void writer.write(rec("a"));
		void writer.write(rec("b"));
		await suite.soon("closing", writer.close());
		await writer.close();
		expect((await listed(stream)).length).toBe(2);
		await suite.fails(Promise.resolve(writer.write(rec("c"))), "STREAMBED_CLOSED");
		await suite.fails(writer.flush(), "STREAMBED_CLOSED");
	});

	recordCase(suite, "closing the store flushes its writers", async ({ records, store }) => {
		const writer = (await records("r")).writer({ lingerMs: 60_000 });
		const { durable } = writer.write(rec("a"));
		await suite.soon("closing", store.close());
		expect((await durable).from).toBe(0);
	});
}

function batchCases(suite: Suite): void {
	const { expect } = suite;

	/** How many records came with each append: the runs of equal times and shards do not tell, so batches do. */
	recordCase(
		suite,
		"what is written in one turn shares an append, up to the bounds of a batch",
		async ({ records, store }) => {
			const stream = await (await records("r")).open();
			const before = store.stats().appends;
			const writer = stream.writer({ batchRecords: 100, batchBytes: 64 * KiB });
			for (let index = 0; index < 250; index++) void writer.write(rec(`${index}`));
			await writer.flush();
			expect(store.stats().appends - before).toBe(3);
			for (let index = 0; index < 20; index++) void writer.write({ value: pattern(10 * KiB) });
			await writer.flush();
			const more = store.stats().appends - before - 3;
			expect(more).toBeGreaterThanOrEqual(3);
			expect(more).toBeLessThanOrEqual(4);
			await writer.close();
			expect(await tails(stream)).toEqual([270]);
		},
	);

	const clock = new ManualClock();
	recordCase(
		suite,
		"with a linger time records wait for each other, until it is over or a batch is full",
		async ({ records, stream: other }) => {
			const stream = await (await records("r")).open();
			const writer = stream.writer({ lingerMs: 1000, batchRecords: 3 });
			const first = writer.write(rec("a")).durable;
			await suite.waits(other, first);
			clock.advance(999);
			await suite.waits(other, first);
			clock.advance(1);
			expect((await suite.soon("the end of the linger time", first)).from).toBe(0);
			const full = [rec("b"), rec("c"), rec("d")].map((each) => writer.write(each).durable);
			await suite.soon("a full batch", Promise.all(full));
			await writer.close();
		},
		{ clock },
	);
}

function failureCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "wrong records and options are refused, and leave the writer as it was", async ({ records }) => {
		const stream = await (await records("r", 2)).open();
		for (const options of [
			{ linger: 1 },
			{ lingerMs: -1 },
			{ batchRecords: 0 },
			{ maxInFlightBytes: 0 },
			null as never,
		]) {
			suite.throws(() => stream.writer(options), "STREAMBED_INVALID_OPTION");
		}
		const writer = stream.writer();
		const wrong = [{ value: "text" }, { value: bytesOf("v"), shard: 2 }, { value: bytesOf("v"), hedaers: {} }];
		for (const each of wrong) await suite.fails(writer.write(each as never).durable, "STREAMBED_INVALID_OPTION");
		await writer.write(rec("good"));
		await writer.close();
		expect((await listed(stream)).length).toBe(1);
	});

	recordCase(
		suite,
		"a failure that nobody looked at is told by the next write and the next flush",
		async ({ records }) => {
			const stream = await (await records("r", 2)).open();
			const writer = stream.writer();
			await stream.seal();
			void writer.write(rec("a"));
			await suite.fails(writer.flush(), "STREAMBED_SEALED");
			const watched = writer.write(rec("b")).durable;
			await suite.fails(watched, "STREAMBED_SEALED");
			void writer.write(rec("c"));
			for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
			await suite.fails(Promise.resolve(writer.write(rec("d"))), "STREAMBED_SEALED");
			await suite.fails(writer.close(), "STREAMBED_SEALED");
			expect(await tails(stream)).toEqual([0, 0]);
		},
	);

	recordCase(suite, "writes to a stream that is not there fail with NOT_FOUND", async ({ store }) => {
		const writer = recordsOf(store, "missing").writer();
		await suite.fails(writer.write(rec("a")).durable, "STREAMBED_NOT_FOUND");
		await writer.close();
	});
}

function producerCases(suite: Suite): void {
	const { expect } = suite;

	recordProducerCase(
		suite,
		"a producer's writer numbers record by record, so that a program can go on where it was",
		async ({ records }) => {
			const stream = await records("r", 4);
			const all = Array.from({ length: 50 }, (_, index) => rec(`${index}`, `k${index % 7}`));
			const first = stream.writer({ producer: await stream.producer("p") });
			for (const each of all.slice(0, 30)) void first.write(each);
			await first.close();
			const producer = await stream.producer("p");
			expect(producer.last?.sequence).toBe(29);
			const second = stream.writer({ producer });
			for (const each of all.slice((producer.last?.sequence ?? -1) + 1)) void second.write(each);
			await second.close();
			const values = await Array.fromAsync(stream.read(), ({ value }) => Number(textOf(value)));
			expect(values.sort((a, b) => a - b)).toEqual(all.map((_, index) => index));
		},
	);

	recordProducerCase(
		suite,
		"a producer's writer that is run again from its first triple stores nothing twice, also after a growth",
		async ({ records }) => {
			const stream = await records("r", 2);
			const { id, epoch } = await stream.producer("p");
			for (const shards of [2, 7]) {
				await stream.update({ shards });
				const writer = stream.writer({ producer: { id, epoch, sequence: 0 } });
				const tickets = Array.from({ length: 6000 }, (_, index) => writer.write(rec(`${index}`, `k${index % 50}`)));
				await writer.close();
				expect((await tickets[5999]?.durable)?.duplicate).toBe(shards === 7);
			}
			expect((await tails(stream)).reduce((sum, tail) => sum + tail)).toBe(6000);
		},
	);

	recordProducerCase(suite, "a producer's writer takes nothing more once a record has failed", async ({ records }) => {
		const stream = await records("r", 2);
		const old = await stream.producer("p");
		const writer = stream.writer({ producer: old });
		await writer.write(rec("a")).durable;
		await stream.producer("p");
		await suite.fails(writer.write(rec("b")).durable, "STREAMBED_FENCED");
		await suite.fails(writer.write(rec("c")).durable, "STREAMBED_FENCED");
		await writer.close().catch(() => {});
		expect((await listed(stream)).length).toBe(1);
	});

	recordProducerCase(
		suite,
		"a producer's writer takes nothing behind a record that was refused, so that numbers tell which records are stored",
		async ({ records }) => {
			const stream = await records("r", 2);
			const writer = stream.writer({ producer: await stream.producer("p") });
			const all = [rec("0"), rec("1"), { value: "wrong" } as never, rec("3")];
			const outcomes = await Promise.allSettled(all.map((each) => writer.write(each).durable));
			expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
			await suite.fails(writer.write(rec("4")).durable, "STREAMBED_INVALID_OPTION");
			await writer.close();
			expect((await stream.producer("p")).last?.sequence).toBe(1);
			expect((await tails(stream)).reduce((sum, tail) => sum + tail)).toBe(2);
		},
	);
}
