/** Cases: appending records, their routing, conditions, limits, and all-or-nothing over several shards. */
import type { StreambedError } from "../../core/errors.ts";
import type { RecordInput } from "../../core/record.ts";
import type { RecordStream } from "../../stream/records/record-stream.ts";
import type { Store } from "../../stream/store.ts";
import { ManualClock } from "../manual-clock.ts";
import { bytesOf, type CaseContext, pattern, type Suite, type SuiteStoreOptions, textOf } from "./context.ts";

const KiB = 1024;

/** What a case of records works with. */
export interface RecordContext extends CaseContext {
	/** A new record stream. */
	records(name: string, shards?: number): Promise<RecordStream>;
}

/** Registers cases that work with record streams. */
export function recordCase(
	suite: Suite,
	name: string,
	body: (context: RecordContext) => Promise<void>,
	options: SuiteStoreOptions = {},
): void {
	const make = (context: CaseContext): RecordContext => ({
		...context,
		records: (stream, shards = 1) => context.store.scope("suite").create(stream, { kind: "records", shards }),
	});
	suite.case(name, (context) => body(make(context)), options);
}

/** A record of texts. */
export function rec(value: string, key?: string): RecordInput {
	return key === undefined ? { value: bytesOf(value) } : { value: bytesOf(value), key };
}

/** The handle to a record stream of a store. */
export function recordsOf(store: Store, name: string): RecordStream {
	return store.scope("suite").stream(name, { kind: "records" });
}

/** All records as `shard:sequence:value`. */
export async function listed(
	stream: RecordStream,
	options: Parameters<RecordStream["read"]>[0] = {},
): Promise<string[]> {
	return await Array.fromAsync(stream.read(options), ({ shard, sequence, value }) => {
		return `${shard}:${sequence}:${textOf(value)}`;
	});
}

/** Tails of all shards. */
export async function tails(stream: RecordStream): Promise<number[]> {
	return (await stream.info()).shards.map(({ tail }) => tail);
}

/** Registers the cases. */
export function recordAppendCases(suite: Suite): void {
	contentCases(suite);
	routingCases(suite);
	refusalCases(suite);
	limitCases(suite);
	conditionCases(suite);
	atomicCases(suite);
}

function contentCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "a record comes back with all that it had, its place and its time", async ({ records }) => {
		const stream = await records("r");
		const given = {
			value: pattern(300),
			key: "clé-日",
			headers: { trace: "42", "": "ünnamed", __proto__x: "y" },
			clientInfo: pattern(16, 2),
			eventTime: -5,
		};
		const [appended] = await stream.append(given);
		expect([appended?.shard, appended?.from, appended?.to, appended?.duplicate]).toEqual([0, 0, 1, false]);
		const [found] = await Array.fromAsync(stream.read());
		expect({ ...found, value: null, clientInfo: null }).toEqual({
			shard: 0,
			sequence: 0,
			time: appended?.time,
			key: given.key,
			value: null,
			headers: given.headers,
			clientInfo: null,
			eventTime: -5,
		});
		suite.sameBytes(found?.value ?? new Uint8Array(0), given.value);
		suite.sameBytes(found?.clientInfo ?? new Uint8Array(0), given.clientInfo);
	});

	recordCase(
		suite,
		"a record with nothing but a value has no key, no headers, no client info, no event time",
		async ({ records }) => {
			const stream = await records("r");
			await stream.append([
				rec("a"),
				{ value: bytesOf("b"), key: null, headers: null, clientInfo: null, eventTime: null },
			]);
			for await (const { key, headers, clientInfo, eventTime } of stream.read()) {
				expect([key, headers, clientInfo, eventTime]).toEqual([null, {}, null, null]);
			}
		},
	);

	recordCase(suite, "an empty value and an empty key are kept apart from none", async ({ records }) => {
		const stream = await records("r", 3);
		await stream.append([rec("", ""), rec("")]);
		const found = await Array.fromAsync(stream.read(), ({ key, value }) => `${typeof key} of ${value.length}`);
		expect(found.sort()).toEqual(["object of 0", "string of 0"]);
	});

	recordCase(suite, "a value of every byte comes back the same, small or large", async ({ records }) => {
		const stream = await records("r");
		const values = [
			Uint8Array.from({ length: 256 }, (_, index) => index),
			pattern(126),
			pattern(127),
			pattern(700 * KiB),
		];
		for (const value of values) await stream.append({ value });
		const found = await Array.fromAsync(stream.read({ copy: true }), ({ value }) => value);
		for (const [index, value] of values.entries()) suite.sameBytes(found[index] ?? new Uint8Array(0), value);
	});

	recordCase(
		suite,
		"records of one call are answered in the order given, and keep it within each shard",
		async ({ records }) => {
			const stream = await records("r", 4);
			const many = Array.from({ length: 200 }, (_, index) => rec(`${index}`, `key-${index % 17}`));
			const answers = await stream.append(many);
			const found = new Map(
				await Array.fromAsync(stream.read(), (each) => [`${each.shard}:${each.sequence}`, textOf(each.value)] as const),
			);
			for (const [index, { shard, from, to }] of answers.entries()) {
				expect(to).toBe(from + 1);
				expect(found.get(`${shard}:${from}`)).toBe(`${index}`);
			}
			const last = new Map<number, number>();
			for (const { shard, from } of answers) {
				expect(from).toBe((last.get(shard) ?? -1) + 1);
				last.set(shard, from);
			}
		},
	);

	recordCase(suite, "appends made while the stream is opened are stored in call order", async ({ records, store }) => {
		await records("r");
		const stream = recordsOf(store, "r");
		const pending: Promise<unknown>[] = [];
		for (let index = 0; index < 1000; index++) {
			pending.push(stream.append(rec(`${index}`)));
			// At any moment of the opening.
			await null;
		}
		await Promise.all(pending);
		const values = await Array.fromAsync(stream.read(), ({ value }) => textOf(value));
		expect(values).toEqual(Array.from({ length: 1000 }, (_, index) => `${index}`));
	});

	recordCase(suite, "appends made without waiting are stored in call order", async ({ records }) => {
		const stream = await (await records("r", 3)).open();
		await Promise.all(Array.from({ length: 300 }, (_, index) => stream.append(rec(`${index}`, "one"))));
		const values = await Array.fromAsync(stream.read(), ({ value }) => textOf(value));
		expect(values).toEqual(Array.from({ length: 300 }, (_, index) => `${index}`));
	});

	recordCase(suite, "an array may be used again as soon as append has returned", async ({ records }) => {
		const stream = await (await records("r")).open();
		const value = bytesOf("first");
		const appending = stream.append({ value });
		value.fill(0);
		await appending;
		expect(await listed(stream)).toEqual(["0:0:first"]);
	});

	recordCase(suite, "an append of no records stores nothing", async ({ records }) => {
		const stream = await records("r");
		expect(await stream.append([])).toEqual([]);
		expect(await tails(stream)).toEqual([0]);
	});
}

function routingCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "records without key and shard take turns strictly, from call to call", async ({ records }) => {
		const stream = await records("r", 3);
		await stream.append(Array.from({ length: 30 }, () => rec("x")));
		expect(await tails(stream)).toEqual([10, 10, 10]);
		await stream.append(Array.from({ length: 4 }, () => rec("x")));
		await stream.append(Array.from({ length: 5 }, () => rec("x")));
		expect(await tails(stream)).toEqual([13, 13, 13]);
	});

	recordCase(suite, "handles of one stream take turns together", async ({ records, store }) => {
		const stream = await records("r", 2);
		const other = recordsOf(store, "r");
		for (let index = 0; index < 4; index++) {
			await stream.append(rec("x"));
			await other.append(rec("x"));
		}
		expect(await tails(stream)).toEqual([4, 4]);
	});

	recordCase(suite, "records of one key meet in the shard that shardOf tells", async ({ records }) => {
		const stream = await records("r", 16);
		for (let index = 0; index < 40; index++) {
			const key = `sensor-${index}`;
			const answers = await stream.append([rec("a", key), rec("b"), rec("c", key)]);
			const wanted = await stream.shardOf(key);
			expect([answers[0]?.shard, answers[2]?.shard]).toEqual([wanted, wanted]);
		}
	});

	recordCase(suite, "an explicit shard goes before the key, which comes back all the same", async ({ records }) => {
		const stream = await records("r", 3);
		const away = (await stream.shardOf("k")) === 1 ? 2 : 1;
		expect((await stream.append({ ...rec("v", "k"), shard: away }))[0]?.shard).toBe(away);
		expect((await stream.append([rec("v", "k")], { shard: away }))[0]?.shard).toBe(away);
		const found = await Array.fromAsync(stream.read({ shard: away }), ({ key, shard }) => [key, shard]);
		expect(found).toEqual([
			["k", away],
			["k", away],
		]);
	});

	recordCase(
		suite,
		"4,096 shards are there at once, and only what was written holds anything",
		async ({ records, store }) => {
			const stream = await records("many", 4096);
			const [appended] = await stream.append({ ...rec("x"), shard: 4095 });
			expect([appended?.shard, appended?.from]).toEqual([4095, 0]);
			const { shards } = await stream.info();
			expect(shards.length).toBe(4096);
			expect(shards.filter(({ tail, segments }) => tail > 0 || segments > 0).length).toBe(1);
			expect(await listed(stream)).toEqual(["4095:0:x"]);
			await suite.fails(
				store.scope("suite").create("more", { kind: "records", shards: 4097 }),
				"STREAMBED_INVALID_OPTION",
			);
		},
	);
}

function refusalCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"one wrong record among good ones is named, and nothing of the call is stored",
		async ({ records }) => {
			const streams = [await records("of-three", 3), await records("of-one", 1)];
			const wrong: unknown[] = [
				bytesOf("bare"),
				"text",
				null,
				[],
				{},
				{ value: "text" },
				{ value: 7 },
				{ value: bytesOf("v"), kee: "k" },
				{ value: bytesOf("v"), key: 7 },
				{ value: bytesOf("v"), key: "\ud800" },
				{ value: bytesOf("v"), headers: { a: 1 } },
				{ value: bytesOf("v"), headers: ["a"] },
				{ value: bytesOf("v"), clientInfo: "text" },
				{ value: bytesOf("v"), eventTime: 1.5 },
				{ value: bytesOf("v"), shard: 3 },
				{ value: bytesOf("v"), shard: -1 },
				{ value: bytesOf("v"), shard: "0" },
			];
			for (const stream of streams) {
				for (const each of wrong) {
					const call = stream.append([rec("good"), each as RecordInput, rec("good")]);
					const error = await call.then(
						() => undefined,
						(reason: StreambedError) => reason,
					);
					suite.isError(error, "STREAMBED_INVALID_OPTION");
					expect(error?.message).toContain("record 1");
				}
				expect((await tails(stream)).every((tail) => tail === 0)).toBe(true);
			}
		},
	);

	recordCase(
		suite,
		"a text instead of bytes gets the hint to encode it or to use a serializer",
		async ({ records }) => {
			const stream = await records("r");
			const call = stream.append({ value: "text" } as unknown as RecordInput);
			expect(await call.catch((error: StreambedError) => error.hint)).toContain("as(utf8)");
		},
	);

	recordCase(suite, "unknown options and shards that are not there are refused", async ({ records }) => {
		const stream = await records("r", 2);
		const wrong: object[] = [{ shrd: 1 }, { shard: 2 }, { shard: -1 }, { atomic: 1 }, { expect: "0" }, { signal: 1 }];
		for (const options of [...wrong, null as never, 3 as never]) {
			await suite.fails(stream.append(rec("x"), options), "STREAMBED_INVALID_OPTION");
		}
		await suite.fails(stream.append({ ...rec("x"), shard: 1 }, { shard: 0 }), "STREAMBED_INVALID_OPTION");
		expect(await tails(stream)).toEqual([0, 0]);
	});

	recordCase(suite, "an append that was aborted before it is not stored", async ({ records }) => {
		const stream = await records("r");
		await suite.fails(stream.append(rec("x"), { signal: AbortSignal.abort() }), "STREAMBED_ABORTED");
		expect((await stream.append(rec("y"), { signal: new AbortController().signal }))[0]?.from).toBe(0);
		expect(await listed(stream)).toEqual(["0:0:y"]);
	});
}

function limitCases(suite: Suite): void {
	const { expect } = suite;
	const limits = { appendBytes: 8 * KiB };

	recordCase(
		suite,
		"a record of exactly the limit is stored, of one byte more refused without a trace",
		async ({ records }) => {
			const stream = await records("r", 2);
			await stream.append({ value: pattern(8 * KiB - 1), key: "k" });
			await suite.fails(stream.append({ value: pattern(8 * KiB), key: "k" }), "STREAMBED_TOO_LARGE", {
				limit: 8 * KiB,
			});
			await suite.fails(stream.append([rec("small"), { value: pattern(8 * KiB + 1) }]), "STREAMBED_TOO_LARGE");
			expect((await tails(stream)).reduce((sum, tail) => sum + tail)).toBe(1);
		},
		{ limits },
	);

	recordCase(
		suite,
		"the limit holds for what goes to one shard, and for all of it where it is atomic",
		async ({ records }) => {
			const stream = await records("r", 2);
			const both = [
				{ value: pattern(5 * KiB), shard: 0 },
				{ value: pattern(5 * KiB), shard: 1 },
			];
			await stream.append(both);
			await suite.fails(stream.append(both, { atomic: true }), "STREAMBED_TOO_LARGE", { bytes: 10 * KiB });
			expect(await tails(stream)).toEqual([1, 1]);
			const many = Array.from({ length: 2000 }, () => ({ value: pattern(4), shard: 0 }));
			await stream.append(many);
			expect(await tails(stream)).toEqual([2001, 1]);
		},
		{ limits },
	);

	recordCase(
		suite,
		"a key of 10 MB, and headers or client info beyond their bounds, are refused",
		async ({ records }) => {
			const stream = await records("r");
			const value = bytesOf("v");
			const wrong = [
				{ value, key: "k".repeat(10_000_000) },
				{ value, key: "é".repeat(2049) },
				{ value, headers: { a: "x".repeat(70_000) } },
				{ value, headers: Object.fromEntries(Array.from({ length: 129 }, (_, index) => [`h${index}`, ""])) },
				{ value, clientInfo: pattern(65_537) },
			];
			for (const each of wrong) await suite.fails(stream.append(each), "STREAMBED_LIMIT_EXCEEDED");
			await stream.append({ value, key: "é".repeat(2048), clientInfo: pattern(65_536) });
			expect(await tails(stream)).toEqual([1]);
		},
	);
}

function conditionCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "a condition on the tail holds for the shard that the records go to", async ({ records }) => {
		const stream = await records("r", 3);
		await stream.append([rec("a"), rec("b")], { shard: 1, expect: 0 });
		const again = stream.append(rec("x"), { shard: 1, expect: 0 });
		await suite.fails(again, "STREAMBED_POSITION_MISMATCH", { expected: 0, tail: 2 });
		await stream.append(rec("c"), { shard: 1, expect: { 1: 2 } });
		expect(await tails(stream)).toEqual([0, 3, 0]);
	});

	recordCase(suite, "a condition that fits no shard of the call is refused", async ({ records }) => {
		const stream = await records("r", 3);
		const two = [
			{ ...rec("a"), shard: 0 },
			{ ...rec("b"), shard: 1 },
		];
		await suite.fails(stream.append(two, { expect: 0 }), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.append(two, { expect: { 2: 0 } }), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.append(two, { expect: { 0: -1 } }), "STREAMBED_INVALID_OPTION");
		expect(await tails(stream)).toEqual([0, 0, 0]);
	});

	recordCase(
		suite,
		"of a call over several shards that is not atomic the error tells which have stored theirs",
		async ({ records }) => {
			const stream = await records("r", 3);
			await stream.append(rec("before"), { shard: 1 });
			const three = [0, 1, 2].map((shard) => ({ ...rec("x"), shard }));
			const error = await stream.append(three, { expect: { 1: 0 } }).catch((reason: StreambedError) => reason);
			suite.isError(error, "STREAMBED_POSITION_MISMATCH", {
				stored: [
					{ shard: 0, from: 0, to: 1 },
					{ shard: 2, from: 0, to: 1 },
				],
			});
			expect(await tails(stream)).toEqual([1, 1, 1]);
		},
	);
}

function atomicCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "an atomic append over several shards is stored as a whole", async ({ records }) => {
		const stream = await records("r", 4);
		const many = Array.from({ length: 40 }, (_, index) => rec(`${index}`, `k${index % 9}`));
		const answers = await stream.append(many, { atomic: true });
		for (const [index, { shard, duplicate }] of answers.entries()) {
			expect([shard, duplicate]).toEqual([await stream.shardOf(`k${index % 9}`), false]);
		}
		expect(new Set(answers.map(({ time }) => time)).size).toBe(1);
		expect((await listed(stream)).length).toBe(40);
	});

	const clock = new ManualClock();
	recordCase(
		suite,
		"an atomic append tells of each record the time that it is read with, where shards' times differ",
		async ({ records }) => {
			const stream = await records("r", 3);
			clock.advance(5000);
			await stream.append({ ...rec("ahead"), shard: 1 });
			clock.step(-5000);
			const three = [2, 1, 0].map((shard) => ({ ...rec("x"), shard }));
			const answers = await stream.append(three, { atomic: true });
			expect(new Set(answers.map(({ time }) => time)).size).toBe(2);
			const read = new Map<string, number>();
			for await (const { shard, sequence, time } of stream.read()) read.set(`${shard}:${sequence}`, time);
			expect(answers.map(({ time }) => time)).toEqual(answers.map(({ shard, from }) => read.get(`${shard}:${from}`)));
		},
		{ clock },
	);

	recordCase(suite, "an atomic append that one shard refuses leaves nothing in any", async ({ records }) => {
		const stream = await records("r", 3);
		await stream.append(rec("before"), { shard: 1 });
		const three = [0, 1, 2].map((shard) => ({ ...rec("x"), shard }));
		const call = stream.append(three, { atomic: true, expect: { 0: 0, 1: 0 } });
		await suite.fails(call, "STREAMBED_POSITION_MISMATCH", { expected: 0, tail: 1 });
		expect(await tails(stream)).toEqual([0, 1, 0]);
		await stream.append(three, { atomic: true, expect: { 0: 0, 1: 1, 2: 0 } });
		expect(await tails(stream)).toEqual([1, 2, 1]);
	});

	recordCase(
		suite,
		"a cut never stands in the middle of an atomic append, however many are in flight",
		async ({ records }) => {
			const stream = await (await records("r", 5)).open();
			const five = [0, 1, 2, 3, 4].map((shard) => ({ value: pattern(20 * KiB), shard }));
			const appending = Promise.all(Array.from({ length: 120 }, () => stream.append(five, { atomic: true })));
			let done = false;
			void appending.finally(() => {
				done = true;
			});
			const seen = new Set<number>();
			while (!done) {
				const bounds = await tails(stream);
				expect(new Set(bounds).size, `tails ${bounds}`).toBe(1);
				seen.add(bounds[0] as number);
				await new Promise((resolve) => setImmediate(resolve));
			}
			await appending;
			expect(await tails(stream)).toEqual([120, 120, 120, 120, 120]);
		},
	);
}
