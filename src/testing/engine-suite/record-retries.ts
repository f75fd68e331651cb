/** Cases: a producer's records over shards: retries, gaps, older lives; retries before the first try is accepted, or with other records. */
import type { ProducerTriple } from "../../core/producers.ts";
import type { RecordInput } from "../../core/record.ts";
import type { RecordAppended } from "../../stream/records/record-append.ts";
import { pattern, type Suite, type SuiteStoreOptions } from "./context.ts";
import { listed, type RecordContext, rec, recordCase, tails } from "./records.ts";

const KiB = 1024;

/** Registers a case that works with record streams and producers; an engine without them passes by refusing them. */
export function recordProducerCase(
	suite: Suite,
	name: string,
	body: (context: RecordContext) => Promise<void>,
	options: SuiteStoreOptions = {},
): void {
	const refuse = async ({ records }: RecordContext): Promise<void> =>
		await suite.fails((await records("r")).producer("p"), "STREAMBED_UNSUPPORTED");
	recordCase(suite, name, suite.engine.manifest.producers ? body : refuse, options);
}

/** Registers the cases. */
export function recordRetryCases(suite: Suite): void {
	const { expect } = suite;
	producerCases(suite);
	const places = (answers: readonly RecordAppended[]): string[] =>
		answers.map(({ shard, from, to, duplicate }) => `${shard}:${from}-${to} ${duplicate}`);

	recordProducerCase(
		suite,
		"retries made while their first try still waits for room are told where that has gone",
		async ({ records }) => {
			const stream = await (await records("r", 4)).open();
			const producer = await stream.producer("p");
			const large = pattern(60 * KiB);
			const full = Array.from({ length: 3 }, () => stream.append({ value: large }));
			const calls = Array.from({ length: 12 }, (_, index) => {
				const given = Array.from({ length: 1 + (index % 3) }, (_each, at) =>
					rec(`${index}.${at}`, index % 4 === 3 ? `k${at}` : undefined),
				);
				const options = { producer: producer.next(), atomic: index % 4 === 3 };
				return () => stream.append(given.length === 1 ? (given[0] ?? []) : given, options);
			});
			const first = Promise.all(calls.map((call) => call()));
			const again = Promise.all(calls.map((call) => call()));
			await Promise.all(full);
			const wanted = (await first).flatMap(places).map((place) => place.replace("false", "true"));
			expect((await again).flatMap(places)).toEqual(wanted);
			expect((await listed(stream)).length).toBe(3 + wanted.length);
		},
		{ limits: { pendingBytes: 64 * KiB } },
	);

	recordProducerCase(
		suite,
		"a retry with other records stores nothing, and makes no places up",
		async ({ records }) => {
			const stream = await records("r", 3);
			const triple = (await stream.producer("p")).next();
			const spread = [0, 1, 2].map((shard) => ({ ...rec("x"), shard }));
			await stream.append(spread, { producer: triple, atomic: true });
			const again = await stream.append([rec("x"), rec("y"), rec("z")], { producer: triple, shard: 1 });
			expect(places(again)).toEqual(["NaN:NaN-NaN true", "NaN:NaN-NaN true", "NaN:NaN-NaN true"]);
			const unknown = "NaN:NaN-NaN true";
			for (const shard of [0, 1, 2]) {
				expect(places(await stream.append({ ...rec("x"), shard }, { producer: triple }))).toEqual([unknown]);
			}
			expect(places(await stream.append([rec("x"), rec("y")], { producer: triple, shard: 0 }))).toEqual([
				unknown,
				unknown,
			]);
			expect(await tails(stream)).toEqual([1, 1, 1]);
		},
	);

	recordProducerCase(
		suite,
		"a retry with more or fewer records than the first try had is told no places",
		async ({ records }) => {
			const stream = await records("r", 2);
			const three = [rec("a"), rec("b"), rec("c")];
			const options = { producer: (await stream.producer("p")).next(), shard: 1 };
			const first = await stream.append(three, options);
			for (const others of [three.slice(1, 2), three.slice(1), [...three, rec("d")]]) {
				const found = places(await stream.append(others, options));
				expect(found).toEqual(others.map(() => "NaN:NaN-NaN true"));
				expect(places(await stream.append(others[0] as RecordInput, options))).toEqual(found.slice(0, 1));
			}
			expect(places(await stream.append(three, options))).toEqual(
				places(first).map((place) => place.replace("false", "true")),
			);
			const writer = stream.writer({ producer: options.producer });
			expect(places([await writer.write(rec("a")).durable])).toEqual(["NaN:NaN-NaN true"]);
			await writer.close();
			expect(await tails(stream)).toEqual([0, 3]);
		},
	);
}

function producerCases(suite: Suite): void {
	const { expect } = suite;

	recordProducerCase(
		suite,
		"a producer's retry gets the first answer, also where its key goes elsewhere by now",
		async ({ records }) => {
			const stream = await records("r", 1);
			const triples: ProducerTriple[] = [];
			const producer = await stream.producer("p");
			for (let index = 0; index < 30; index++) {
				triples.push(producer.next());
				await stream.append([rec("a", `k${index}`), rec("b", `k${index}`)], {
					producer: triples[index] as ProducerTriple,
				});
			}
			await stream.update({ shards: 16 });
			for (const [index, triple] of triples.entries()) {
				const again = await stream.append([rec("a", `k${index}`), rec("b", `k${index}`)], { producer: triple });
				expect(again.map(({ shard, from, duplicate }) => [shard, from, duplicate])).toEqual([
					[0, 2 * index, true],
					[0, 2 * index + 1, true],
				]);
			}
			expect((await listed(stream)).length).toBe(60);
		},
	);

	recordProducerCase(
		suite,
		"a producer's append over several shards has to be atomic; what has no key then stays together",
		async ({ records }) => {
			const stream = await records("r", 4);
			const producer = await stream.producer("p");
			const triple = producer.next();
			const spread = [0, 1, 2].map((shard) => ({ ...rec("x"), shard }));
			await suite.fails(stream.append(spread, { producer: triple }), "STREAMBED_INVALID_OPTION");
			const first = await stream.append([...spread, rec("free"), rec("free")], { producer: triple, atomic: true });
			expect(first[3]?.shard).toBe(first[4]?.shard);
			const again = await stream.append([...spread, rec("free"), rec("free")], { producer: triple, atomic: true });
			expect(again.map(({ shard, from }) => [shard, from])).toEqual(first.map(({ shard, from }) => [shard, from]));
			const together = await stream.append([rec("a"), rec("b"), rec("c")], { producer: producer.next() });
			expect(new Set(together.map(({ shard }) => shard)).size).toBe(1);
			await suite.fails(stream.append([], { producer: producer.next() }), "STREAMBED_INVALID_OPTION");
			expect((await listed(stream)).length).toBe(8);
		},
	);

	recordProducerCase(suite, "gaps and older lives of a producer are refused over all shards", async ({ records }) => {
		const stream = await records("r", 3);
		const producer = await stream.producer("p");
		const [first, second, third] = [producer.next(), producer.next(), producer.next()];
		await stream.append(rec("a"), { shard: 0, producer: first });
		await suite.fails(stream.append(rec("c"), { shard: 1, producer: third }), "STREAMBED_PRODUCER_GAP", {
			expected: 1,
		});
		await stream.append(rec("b"), { shard: 2, producer: second });
		const next = await stream.producer("p");
		expect([next.last?.sequence, next.last?.shard, next.last?.from]).toEqual([1, 2, 0]);
		await suite.fails(stream.append(rec("c"), { shard: 1, producer: third }), "STREAMBED_FENCED");
		expect(await tails(stream)).toEqual([1, 0, 1]);
	});

	recordProducerCase(
		suite,
		"many appends of a producer in flight over all shards are stored once and in order",
		async ({ records }) => {
			const stream = await (await records("r", 5)).open();
			const producer = await stream.producer("p");
			const calls = Array.from(
				{ length: 400 },
				(_, index) => [producer.next(), rec(`${index}`, `k${index % 23}`)] as const,
			);
			const first = Promise.all(calls.map(([triple, record]) => stream.append(record, { producer: triple })));
			const second = Promise.all(calls.map(([triple, record]) => stream.append(record, { producer: triple })));
			const [a, b] = [await first, await second];
			expect(b.map(([each]) => [each?.shard, each?.from])).toEqual(a.map(([each]) => [each?.shard, each?.from]));
			expect((await listed(stream)).length).toBe(400);
		},
	);
}
