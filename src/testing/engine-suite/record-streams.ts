/** Cases: record streams as a whole: growth, sealing, kinds, retention, reopening. */
import type { ProducerTriple } from "../../core/producers.ts";
import type { RecordInput } from "../../core/record.ts";
import { shardOfKey } from "../../core/routing.ts";
import type { RecordStream } from "../../stream/records/record-stream.ts";
import { ManualClock } from "../manual-clock.ts";
import { bytesOf, pattern, type Suite, textOf } from "./context.ts";
import { recordProducerCase } from "./record-retries.ts";
import { listed, rec, recordCase, recordsOf, tails } from "./records.ts";

const KiB = 1024;
const HOUR = 3_600_000;

/** Registers the cases. */
export function recordStreamCases(suite: Suite): void {
	growthCases(suite);
	orderCases(suite);
	sealCases(suite);
	kindCases(suite);
	retentionCases(suite);
}

/** Registers the cases of engines that keep their streams. */
export function persistentRecordCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "records, cuts and growths are there after reopening", async ({ records, reopen }) => {
		const stream = await records("r", 2);
		const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`);
		const first = await stream.append(keys.map((key) => rec("1", key)));
		const cut = await stream.cut();
		await stream.update({ shards: 3 });
		const again = recordsOf(await reopen(), "r");
		const second = await again.append(keys.map((key) => rec("2", key)));
		for (const [index, { shard }] of second.entries()) expect([first[index]?.shard, 2]).toContain(shard);
		await again.update({ shards: 8 });
		const last = recordsOf(await reopen(), "r");
		const third = await last.append(keys.map((key) => rec("3", key)));
		for (const [index, { shard }] of third.entries()) expect([second[index]?.shard, 3, 4, 5, 6, 7]).toContain(shard);
		expect((await listed(last, { fromCut: cut })).length).toBe(400);
		expect(new Set((await listed(last, { toCut: cut })).map((each) => each.split(":")[2]))).toEqual(new Set(["1"]));
		await last.seal();
		const sealed = recordsOf(await reopen(), "r");
		expect((await sealed.info()).sealed).toBe(true);
		for (let shard = 0; shard < 8; shard++) await suite.fails(sealed.append(rec("x"), { shard }), "STREAMBED_SEALED");
	});

	recordProducerCase(
		suite,
		"a producer's answers over several shards are known after reopening",
		async ({ records, reopen }) => {
			const stream = await records("r", 4);
			const producer = await stream.producer("p");
			const calls: [ProducerTriple, RecordInput[]][] = [];
			for (let index = 0; index < 12; index++) {
				calls.push([
					producer.next(),
					Array.from({ length: 7 }, (_, each) => rec(`${index}.${each}`, `k${index}-${each}`)),
				]);
			}
			const append = (to: RecordStream, [triple, many]: [ProducerTriple, RecordInput[]]) =>
				to.append(many, { producer: triple, atomic: true });
			const answers = await Promise.all(calls.map((call) => append(stream, call)));
			await stream.update({ shards: 9 });
			const again = recordsOf(await reopen(), "r");
			for (const [index, call] of calls.entries()) {
				const retried = await append(again, call);
				const wanted = answers[index]?.map(({ shard, from, to }) => ({ shard, from, to }));
				expect(retried.map(({ shard, from, to }) => ({ shard, from, to }))).toEqual(wanted);
				expect(retried.every(({ duplicate }) => duplicate)).toBe(true);
			}
			expect((await listed(again)).length).toBe(84);
			const next = await again.producer("p");
			expect(next.last?.sequence).toBe(11);
		},
	);
}

function growthCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a key stays in its shard or moves to a new one, through a chain of growths",
		async ({ records }) => {
			const stream = await records("r", 2);
			const keys = Array.from({ length: 300 }, (_, index) => `user-${index}`);
			let before = await Promise.all(keys.map((key) => stream.shardOf(key)));
			let count = 2;
			for (const shards of [3, 4, 8, 9, 64]) {
				await stream.update({ shards });
				const answers = await stream.append(keys.map((key) => rec("v", key)));
				for (const [index, { shard }] of answers.entries()) {
					expect(shard === before[index] || shard >= count, `key ${index}: ${before[index]} to ${shard}`).toBe(true);
				}
				before = answers.map(({ shard }) => shard);
				count = shards;
			}
			expect((await stream.info()).shards.length).toBe(64);
		},
	);

	recordCase(
		suite,
		"a stream never shrinks, grows to 4,096 shards at most, and to what it has without a change",
		async ({ records, stream: bytes }) => {
			const stream = await records("r", 3);
			for (const shards of [2, 0, -1, 2.5, 4097]) {
				await suite.fails(stream.update({ shards }), "STREAMBED_INVALID_OPTION");
			}
			expect((await stream.update({ shards: 3 })).shards.length).toBe(3);
			expect((await stream.update({ shards: 4096, tags: { a: "b" } })).tags).toEqual({ a: "b" });
			await stream.append({ ...rec("x"), shard: 4095 });
			await suite.fails(bytes.update({ shards: 2 }), "STREAMBED_INVALID_OPTION");
			expect((await bytes.update({ shards: 1 })).shards.length).toBe(1);
		},
	);

	recordCase(suite, "another handle, a writer and a follower notice a growth", async ({ records, store }) => {
		const stream = await records("r", 1);
		const other = await recordsOf(store, "r").open();
		const reader = await other.read({ follow: true }).open();
		const steps = reader[Symbol.asyncIterator]();
		await stream.append(rec("before"));
		expect((await suite.soon("a record", steps.next())).value.shard).toBe(0);
		const next = steps.next();
		await stream.update({ shards: 5 });
		await other.append({ ...rec("after"), shard: 4 });
		expect((await suite.soon("a record of a new shard", next)).value.shard).toBe(4);
		const writer = other.writer();
		for (let index = 0; index < 100; index++) void writer.write(rec("w"));
		await writer.close();
		expect((await tails(stream)).every((tail) => tail >= 20)).toBe(true);
		await reader.close();
	});
}

function orderCases(suite: Suite): void {
	const { expect } = suite;
	const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);

	/** Reads everything merged and expects each key's numbers to ascend without a gap from `first` on. */
	async function inOrder(stream: RecordStream, options: object, first: number, count: number): Promise<void> {
		const next = new Map<string, number>();
		for await (const { key, value } of stream.read(options)) {
			const number = Number(textOf(value));
			expect(number, `key ${key}`).toBe(next.get(key as string) ?? first);
			next.set(key as string, number + 1);
		}
		expect([...next.values()].every((each) => each === first + count)).toBe(true);
		expect(next.size).toBe(keys.length);
	}

	recordCase(
		suite,
		"a merged reader keeps the order of each key across growths, from the head and from a cut",
		async ({ records }) => {
			const stream = await records("r", 1);
			let number = 0;
			let cut: string | undefined;
			for (const shards of [2, 3, 7, 16]) {
				for (let round = 0; round < 5; round++, number++) {
					await stream.append(keys.map((key) => rec(`${number}`, key)));
				}
				if (shards === 7) cut = await stream.cut();
				await stream.update({ shards });
			}
			for (let round = 0; round < 5; round++)
				await stream.append(keys.map((key) => rec(`${number}`, key))).then(() => number++);
			await inOrder(stream, {}, 0, 25);
			await inOrder(stream, { fromCut: cut }, 15, 10);
		},
	);

	recordCase(
		suite,
		"a new shard waits until the older ones have been read up to the growth, however much that is",
		async ({ records }) => {
			const stream = await records("r", 1);
			const key = await movingKey(stream, 2);
			for (let index = 0; index < 60; index++)
				await stream.append({ ...rec("", key), value: pattern(100 * KiB, index) });
			await stream.update({ shards: 2 });
			expect((await stream.append(rec("after", key)))[0]?.shard).toBe(1);
			for (let index = 0; index < 60; index++) await stream.append({ value: pattern(100 * KiB), shard: 0 });
			const order = await Array.fromAsync(stream.read(), ({ shard }) => shard);
			expect(order.indexOf(1)).toBeGreaterThanOrEqual(60);
			expect(order.indexOf(1)).toBeLessThanOrEqual(100);
			const reader = await stream.read({ limit: 30 }).open();
			for await (const _ of reader);
			const rest = await Array.fromAsync(stream.read({ fromCut: reader.location }), ({ shard }) => shard);
			expect(rest.indexOf(1)).toBeGreaterThanOrEqual(30);
		},
	);

	recordCase(
		suite,
		"what a writer has gathered before a growth goes where its keys go after it",
		async ({ records }) => {
			const stream = await (await records("r", 1)).open();
			const writer = stream.writer({ lingerMs: 60_000 });
			const tickets = keys.map((key) => writer.write({ ...rec("0", key), eventTime: 1 }).durable);
			const fixed = writer.write({ ...rec("x", keys[0]), shard: 0 }).durable;
			await stream.update({ shards: 8 });
			await writer.close();
			for (const [index, key] of keys.entries()) {
				expect((await tickets[index])?.shard).toBe(await stream.shardOf(key));
			}
			expect((await fixed).shard).toBe(0);
			expect((await listed(stream)).length).toBe(keys.length + 1);
		},
	);

	recordCase(
		suite,
		"appends and a writer that go on while the stream grows lose nothing and keep each key's order",
		async ({ records }) => {
			const stream = await (await records("r", 2)).open();
			const writer = stream.writer();
			const pending: Promise<unknown>[] = [];
			let growing: Promise<unknown> = Promise.resolve();
			let number = 0;
			for (const shards of [3, 5, 8]) {
				for (let round = 0; round < 20; round++, number++) {
					for (const key of keys.slice(0, 20)) pending.push(stream.append(rec(`${number}`, key)));
					for (const key of keys.slice(20)) void writer.write(rec(`${number}`, key));
					if (round === 10) growing = growing.then(() => stream.update({ shards }));
					if (round % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
				}
			}
			await Promise.all([growing, ...pending]);
			await writer.close();
			expect((await stream.info()).shards.length).toBe(8);
			await inOrder(stream, {}, 0, 60);
		},
	);

	recordCase(
		suite,
		"appends of each turn while a growth is being written down keep their key's order",
		async ({ records }) => {
			const stream = await (await records("r", 1)).open();
			const key = await movingKey(stream, 2);
			const pending: Promise<unknown>[] = [];
			const append = (): void => {
				pending.push(stream.append({ value: pattern(40 * KiB), key, eventTime: pending.length }));
			};
			append();
			let growing = true;
			const grown = stream.update({ shards: 2 }).then(() => {
				growing = false;
			});
			while (growing) {
				append();
				await new Promise((resolve) => setImmediate(resolve));
			}
			for (let more = 0; more < 20; more++) append();
			await Promise.all([grown, ...pending]);
			const order = await Array.fromAsync(stream.read(), ({ eventTime }) => eventTime);
			expect(order).toEqual(pending.map((_, index) => index));
		},
	);

	recordCase(
		suite,
		"appends that wait for room when the stream grows are stored before it",
		async ({ records }) => {
			const stream = await (await records("r", 1)).open();
			const key = await movingKey(stream, 2);
			const value = pattern(20 * KiB);
			const waiting = Array.from({ length: 40 }, () => stream.append({ value, key }));
			const growing = stream.update({ shards: 2 });
			await Promise.all(waiting);
			await growing;
			await stream.append(rec("after", key));
			const order = await Array.fromAsync(stream.read(), ({ shard }) => shard);
			expect(order.indexOf(1)).toBe(40);
		},
		{ limits: { pendingBytes: 64 * KiB } },
	);
}

/** A key that goes to the last of so many shards, and was in an older one before. */
async function movingKey(stream: RecordStream, shards: number): Promise<string> {
	for (let number = 0; ; number++) {
		const key = `moving-${number}`;
		if (shardOfKey(key, shards) === shards - 1 && (await stream.shardOf(key)) < shards - 1) return key;
	}
}

function retentionCases(suite: Suite): void {
	const { expect } = suite;
	const clock = new ManualClock();

	recordCase(
		suite,
		"records older than the age go, younger ones stay, and sequences are never used again",
		async ({ store, stream: other }) => {
			if (!store.manifest.retention) return;
			const scope = store.scope("suite");
			const stream = await scope.create("kept", {
				kind: "records",
				shards: 2,
				retention: { ageMs: HOUR },
				segmentBytes: 64 * KiB,
			});
			await stream.append([0, 1].map((shard) => ({ ...rec("old"), shard })));
			clock.advance(HOUR / 2);
			await stream.append({ ...rec("young"), shard: 1 });
			for (let step = 0; step < 40; step++) {
				clock.advance((HOUR * 0.6) / 40);
				await other.info();
				await new Promise((resolve) => setTimeout(resolve, 1));
			}
			const heads = async (): Promise<number[]> => (await stream.info()).shards.map(({ head }) => head);
			for (let looks = 0; (await heads()).join() !== "1,1" && looks < 2000; looks++) {
				clock.advance(50);
				await new Promise((resolve) => setTimeout(resolve, 1));
			}
			expect(await heads()).toEqual([1, 1]);
			expect(await listed(stream)).toEqual(["1:1:young"]);
			expect((await stream.append({ ...rec("new"), shard: 0 }))[0]?.from).toBe(1);
		},
		{ clock },
	);

	const sized = new ManualClock();
	recordCase(
		suite,
		"a bound by size counts bytes, not records, shard by shard",
		async ({ store }) => {
			if (!store.manifest.retention) return;
			const scope = store.scope("suite");
			const config = { kind: "records", shards: 2, retention: { bytes: 300 * KiB }, segmentBytes: 64 * KiB } as const;
			const stream = await scope.create("sized", config);
			for (let index = 0; index < 80; index++) await stream.append({ value: pattern(10 * KiB, index), shard: 0 });
			await stream.append({ value: pattern(10 * KiB), shard: 1 });
			const shards = async () => (await stream.info()).shards;
			const step = async () => {
				sized.advance(50);
				await new Promise((resolve) => setTimeout(resolve, 1));
			};
			const records = async () => ((await shards())[0]?.tail ?? 0) - ((await shards())[0]?.head ?? 0);
			for (let looks = 0; (await records()) > 48 && looks < 2000; looks++) await step();
			// Whatever is still to go goes now.
			for (let steps = 0; steps < 80; steps++) await step();
			const [first, second] = await shards();
			const left = await Array.fromAsync(stream.read({ shard: 0 }), ({ value }) => value.length);
			const bytes = left.reduce((sum, each) => sum + each, 0);
			expect(bytes).toBeGreaterThanOrEqual(300 * KiB - 10 * KiB);
			expect(bytes).toBeLessThanOrEqual(480 * KiB);
			expect(left.length).toBe((first?.tail ?? 0) - (first?.head ?? 0));
			expect(second?.head).toBe(0);
		},
		{ clock: sized },
	);
}

function sealCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a sealed stream takes nothing in any shard, does not grow, and can be read",
		async ({ records, store }) => {
			const stream = await records("r", 3);
			await stream.append(rec("kept"), { shard: 1 });
			const late = stream.append(rec("late"), { shard: 1 });
			await stream.seal();
			await late;
			await stream.seal();
			for (const [shard, tail] of [0, 2, 0].entries()) {
				await suite.fails(stream.append(rec("x"), { shard }), "STREAMBED_SEALED", { shard, tail });
				const words = await stream.append(rec("x"), { shard }).then(undefined, (reason: Error) => reason.message);
				expect(words, "the message names the shard").toContain(`shard ${shard} at ${tail}`);
			}
			await suite.fails(
				stream.append(
					[0, 1].map((shard) => ({ ...rec("x"), shard })),
					{ atomic: true },
				),
				"STREAMBED_SEALED",
			);
			await suite.fails(stream.update({ shards: 4 }), "STREAMBED_SEALED");
			expect((await stream.info()).sealed).toBe(true);
			expect(await listed(stream, { follow: true })).toEqual(["1:0:kept", "1:1:late"]);
			expect(await listed(recordsOf(store, "r"), { shard: 0, follow: true })).toEqual([]);
		},
	);
}

function kindCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a record stream used as bytes, and the other way, is WRONG_KIND",
		async ({ records, store, stream }) => {
			await records("r");
			const scope = store.scope("suite");
			await suite.fails(scope.stream("r").append(bytesOf("x")), "STREAMBED_WRONG_KIND", { kind: "records" });
			await suite.fails(scope.stream("r").reader().read(), "STREAMBED_WRONG_KIND");
			await suite.fails(Promise.resolve(scope.stream("r").writer().write(bytesOf("x"))), "STREAMBED_WRONG_KIND");
			const other = recordsOf(store, stream.name);
			await suite.fails(other.append(rec("x")), "STREAMBED_WRONG_KIND", { kind: "bytes" });
			await suite.fails(Array.fromAsync(other.read()), "STREAMBED_WRONG_KIND");
			await suite.fails(other.cut(), "STREAMBED_WRONG_KIND");
			await suite.fails(scope.ensure("r", { kind: "bytes" }), "STREAMBED_EXISTS");
			expect((await (await scope.ensure("r", { kind: "records" })).info()).kind).toBe("records");
		},
	);

	recordCase(suite, "an offset is no place in a record stream", async ({ records }) => {
		const stream = await records("r");
		suite.throws(() => stream.read({ from: { offset: 0 } }), "STREAMBED_WRONG_KIND");
		suite.throws(() => stream.read({ to: { offset: 0 } }), "STREAMBED_WRONG_KIND");
		await suite.fails(stream.truncateBefore({ before: { offset: 0 }, shard: 0 }), "STREAMBED_WRONG_KIND");
		expect(await listed(stream)).toEqual([]);
	});
}
