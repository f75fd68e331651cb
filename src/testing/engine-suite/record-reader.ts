/** Cases: reading records by shard, by place, by time, merged, between cuts, following. */
import type { StreambedError } from "../../core/errors.ts";
import { json, pair, utf8 } from "../../core/serializer.ts";
import { ManualClock } from "../manual-clock.ts";
import { bytesOf, pattern, type Suite, textOf } from "./context.ts";
import { listed, rec, recordCase, recordsOf, tails } from "./records.ts";

const KiB = 1024;

/** Registers the cases. */
export function recordReaderCases(suite: Suite): void {
	placeCases(suite);
	batchCases(suite);
	mergeCases(suite);
	followCases(suite);
	cutCases(suite);
	truncationCases(suite);
	serializerCases(suite);
}

function placeCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a shard is read from its head, its tail, its last records, a sequence, to a place, with a limit",
		async ({ records }) => {
			const stream = await records("r", 2);
			for (let index = 0; index < 5; index++) await stream.append([rec(`${index}a`), rec(`${index}b`)], { shard: 1 });
			const read = async (options: object): Promise<string> => {
				const found = await listed(stream, { shard: 1, ...options });
				return found.map((each) => each.split(":")[1]).join("");
			};
			expect(await read({})).toBe("0123456789");
			expect(await read({ from: "head", to: { sequence: 3 } })).toBe("012");
			expect(await read({ from: "tail" })).toBe("");
			expect(await read({ from: { last: 3 } })).toBe("789");
			expect(await read({ from: { last: 99 } })).toBe("0123456789");
			expect(await read({ from: { sequence: 7 } })).toBe("789");
			expect(await read({ from: { sequence: 4 }, to: { sequence: 7 } })).toBe("456");
			expect(await read({ from: { sequence: 10 } })).toBe("");
			expect(await read({ from: { sequence: 3 }, limit: 2 })).toBe("34");
			expect(await read({ limit: 0 })).toBe("");
			expect(await read({ to: { last: 2 } })).toBe("01234567");
			expect(await read({ to: { sequence: 99 } })).toBe("0123456789");
			const beyond = Array.fromAsync(stream.read({ shard: 1, from: { sequence: 11 } }));
			await suite.fails(beyond, "STREAMBED_OUT_OF_RANGE", { tail: 10 });
		},
	);

	const clock = new ManualClock(Date.UTC(2024, 0, 1, 10));
	recordCase(
		suite,
		"a time leads to the first record that came at it or after it",
		async ({ records }) => {
			const stream = await records("r", 2);
			const at = (minute: number): number => Date.UTC(2024, 0, 1, 10, minute);
			for (const value of ["ten", "five past", "ten past"]) {
				await stream.append([rec(value), rec(`${value} too`)], { shard: 0 });
				clock.advance(5 * 60_000);
			}
			const first = async (time: number): Promise<string | undefined> => (await listed(stream, { from: { time } }))[0];
			expect(await first(at(5))).toBe("0:2:five past");
			expect(await first(at(6))).toBe("0:4:ten past");
			expect(await first(at(-60))).toBe("0:0:ten");
			expect(await first(at(60))).toBe(undefined);
			expect((await listed(stream, { from: { time: at(0) }, to: { time: at(10) } })).length).toBe(4);
		},
		{ clock },
	);

	recordCase(suite, "options that make no sense are refused", async ({ records }) => {
		const stream = await records("r", 2);
		const wrong: object[] = [
			{ frm: "head" },
			{ from: 3 },
			{ shard: -1 },
			{ limit: -1 },
			{ follow: 1 },
			{ copy: "yes" },
			{ fromCut: "nonsense" },
			{ from: "head", fromCut: "sbcut1.x" },
		];
		for (const options of [...wrong, null as never])
			suite.throws(() => stream.read(options), "STREAMBED_INVALID_OPTION");
		for (const options of [{ shard: 2 }, { from: { sequence: 0 } }, { to: { sequence: 0 } }]) {
			await suite.fails(Array.fromAsync(stream.read(options)), "STREAMBED_INVALID_OPTION");
		}
		expect(await listed(stream)).toEqual([]);
	});
}

function batchCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "batches give the same records by number, by iteration and one by one", async ({ records }) => {
		const stream = await records("r", 2);
		for (let index = 0; index < 20; index++) {
			const some = Array.from({ length: 50 }, (_, each) => ({
				...rec(`${index}-${each}`, `k${each % 5}`),
				eventTime: each,
			}));
			await stream.append(some);
		}
		const single = await Array.fromAsync(stream.read({ shard: 0 }), (each) => ({ ...each, value: textOf(each.value) }));
		const batched: unknown[] = [];
		let next = 0;
		for await (const batch of stream.read({ shard: 0 }).batches()) {
			expect([batch.shard, batch.from, batch.to - batch.from]).toEqual([0, next, batch.length]);
			next = batch.to;
			const whole = [...batch];
			for (let index = 0; index < batch.length; index++) {
				expect(textOf(batch.value(index))).toBe(textOf(whole[index]?.value ?? new Uint8Array(0)));
				expect(batch.key(index)).toBe(whole[index]?.key);
				expect(whole[index]?.time).toBe(batch.time);
			}
			batched.push(...whole.map((each) => ({ ...each, value: textOf(each.value) })));
			suite.throws(() => batch.value(batch.length), "STREAMBED_INVALID_OPTION");
			suite.throws(() => batch.value(-1), "STREAMBED_INVALID_OPTION");
		}
		expect(batched).toEqual(single);
		expect(next).toBe((await tails(stream))[0]);
	});

	recordCase(
		suite,
		"a view stays what it is through its step, whatever is written meanwhile; a copy is the reader's own",
		async ({ records }) => {
			const stream = await records("r");
			const values = Array.from({ length: 40 }, (_, index) => pattern(3 * KiB, index));
			for (const value of values) await stream.append({ value, clientInfo: pattern(9) });
			let index = 0;
			for await (const { value } of stream.read()) {
				for (let more = 0; more < 3; more++) await stream.append({ value: pattern(3 * KiB, 99) });
				suite.sameBytes(value, values[index++] as Uint8Array);
			}
			expect(index).toBe(40);
			const copies = await Array.fromAsync(stream.read({ copy: true, limit: 40 }));
			for (const [each, { value, clientInfo }] of copies.entries()) {
				suite.sameBytes(value, values[each] as Uint8Array);
				expect([value.byteOffset, value.buffer.byteLength, clientInfo?.buffer.byteLength]).toEqual([0, 3 * KiB, 9]);
				value.fill(0);
			}
			const after = await Array.fromAsync(stream.read({ limit: 40 }), ({ value }) => value);
			for (const [each, value] of after.entries()) suite.sameBytes(value, values[each] as Uint8Array);
		},
	);

	recordCase(suite, "a reader that was left or closed gives nothing more", async ({ records }) => {
		const stream = await records("r");
		await stream.append([rec("a"), rec("b")]);
		const reader = stream.read();
		for await (const _ of reader) break;
		await suite.fails(reader[Symbol.asyncIterator]().next(), "STREAMBED_CLOSED");
		const other = stream.read({ follow: true, from: "tail" });
		const waiting = other[Symbol.asyncIterator]().next();
		await other.open();
		await other.close();
		await suite.fails(suite.soon("the end of a closed reader", waiting), "STREAMBED_CLOSED");
		expect(await listed(stream)).toEqual(["0:0:a", "0:1:b"]);
	});
}

function mergeCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "all shards merged give every record once, each shard in its order", async ({ records }) => {
		const stream = await records("r", 7);
		const many = Array.from({ length: 1000 }, (_, index) =>
			rec(`${index}`, index % 3 === 0 ? undefined : `k${index % 31}`),
		);
		for (let at = 0; at < 1000; at += 100) await stream.append(many.slice(at, at + 100));
		const next = new Map<number, number>();
		const values = new Set<string>();
		for await (const { shard, sequence, value } of stream.read()) {
			expect(sequence).toBe(next.get(shard) ?? 0);
			next.set(shard, sequence + 1);
			values.add(textOf(value));
		}
		expect(values.size).toBe(1000);
	});

	recordCase(suite, "a shard with little is not starved by one with much", async ({ records }) => {
		const stream = await records("r", 3);
		for (let index = 0; index < 40; index++) await stream.append({ value: pattern(250 * KiB, index), shard: 0 });
		await stream.append({ ...rec("few"), shard: 1 });
		await stream.append({ ...rec("few"), shard: 2 });
		const order = await Array.fromAsync(stream.read(), ({ shard }) => shard);
		expect(order.length).toBe(42);
		expect(order.indexOf(1)).toBeLessThanOrEqual(15);
		expect(order.indexOf(2)).toBeLessThanOrEqual(15);
	});

	recordCase(suite, "a reader is told what was dropped before it gets what lies behind", async ({ records }) => {
		const stream = await records("r", 2);
		for (const value of ["a", "b", "c"]) {
			await stream.append({ ...rec(value), shard: 0 });
			await stream.append([0, 1].map(() => ({ ...rec(value), shard: 1 })));
		}
		const reader = await stream.read().open();
		await stream.truncateBefore({ before: { sequence: 4 }, shard: 1 });
		const steps = reader[Symbol.asyncIterator]();
		const told: string[] = [];
		for (let left = 6; left > 0; left--) {
			await steps.next().then(
				({ value }) => told.push(`${value.shard}:${value.sequence}`),
				({ code, details }) => told.push(`${code} ${details.shard}:${details.head}`),
			);
		}
		expect(told.filter((each) => each.startsWith("0"))).toEqual(["0:0", "0:1", "0:2"]);
		const of1 = told.filter((each) => !each.startsWith("0"));
		expect(of1).toEqual(["STREAMBED_TRUNCATED 1:4", "1:4", "1:5"]);
		expect((await steps.next()).done).toBe(true);
	});

	recordCase(suite, "a limit holds over all shards together", async ({ records }) => {
		const stream = await records("r", 4);
		await stream.append(Array.from({ length: 40 }, () => rec("x")));
		expect((await listed(stream, { limit: 13 })).length).toBe(13);
	});

	const clock = new ManualClock();
	recordCase(
		suite,
		"a reader tells how far it is behind, in records and milliseconds, and when it has caught up",
		async ({ records }) => {
			const stream = await records("r", 2);
			for (let index = 0; index < 10; index++) {
				await stream.append([rec(`${index}`), rec(`${index}`)]);
				clock.advance(1000);
			}
			const reader = await stream.read().open();
			expect(await reader.behind()).toEqual({ records: 20, ms: 9000 });
			expect(reader.caughtUp).toBe(false);
			const steps = reader[Symbol.asyncIterator]();
			for (let left = 20; left > 0; left--) {
				expect((await reader.behind()).records).toBe(left);
				await steps.next();
			}
			expect(await reader.behind()).toEqual({ records: 0, ms: 0 });
			expect(reader.caughtUp).toBe(true);
			await stream.append(rec("more"), { shard: 0 });
			expect(await stream.read({ from: "tail" }).behind()).toEqual({ records: 0, ms: 0 });
		},
		{ clock },
	);
}

function followCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a follower waits for what comes in any shard, and ends when the stream is sealed",
		async ({ records, stream: other }) => {
			const stream = await records("r", 3);
			await stream.append({ ...rec("first"), shard: 2 });
			const reader = stream.read({ follow: true });
			const steps = reader[Symbol.asyncIterator]();
			const value = async (): Promise<string> => textOf((await suite.soon("a record", steps.next())).value.value);
			expect(await value()).toBe("first");
			for (const shard of [0, 1, 2, 0]) {
				const next = steps.next();
				await suite.waits(other, next);
				await stream.append({ ...rec(`in ${shard}`), shard });
				expect(textOf((await suite.soon("a record", next)).value.value)).toBe(`in ${shard}`);
			}
			const last = steps.next();
			await stream.seal();
			expect((await suite.soon("the end", last)).done).toBe(true);
		},
	);

	recordCase(suite, "waiting ends with an abort, with the store, and with the stream", async ({ records, store }) => {
		const stream = await records("r", 2);
		await records("gone");
		const ended = new AbortController();
		const reader = await stream.read({ follow: true, signal: ended.signal }).open();
		const waiting = reader[Symbol.asyncIterator]().next();
		ended.abort();
		await suite.fails(suite.soon("the abort", waiting), "STREAMBED_ABORTED");
		const deleted = (await recordsOf(store, "gone").read({ follow: true }).open())[Symbol.asyncIterator]().next();
		const closed = (await stream.read({ follow: true }).open())[Symbol.asyncIterator]().next();
		for (const each of [deleted, closed]) each.catch(() => {});
		await store.scope("suite").delete("gone");
		await suite.fails(suite.soon("the deletion", deleted), "STREAMBED_NOT_FOUND");
		await store.close();
		await suite.fails(suite.soon("the end of the store", closed), "STREAMBED_CLOSED");
	});

	recordCase(suite, "a follower of 4,096 shards hears of a record in the last one", async ({ records }) => {
		const stream = await records("many", 4096);
		const reader = await stream.read({ follow: true }).open();
		const next = reader[Symbol.asyncIterator]().next();
		await stream.append({ ...rec("far"), shard: 4095 });
		expect((await suite.soon("the record", next)).value.shard).toBe(4095);
		await reader.close();
	});
}

function cutCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "between two cuts is exactly what was appended between them", async ({ records }) => {
		const stream = await records("r", 4);
		const cuts = [await stream.cut()];
		for (let round = 0; round < 4; round++) {
			await stream.append(Array.from({ length: 10 }, (_, index) => rec(`${round}`, `k${index}`)));
			cuts.push(await stream.cut());
		}
		for (let from = 0; from < 5; from++) {
			for (let to = from; to < 5; to++) {
				const found = await listed(stream, { fromCut: cuts[from], toCut: cuts[to] });
				expect(found.length).toBe(10 * (to - from));
				expect(found.every((each) => Number(each.split(":")[2]) >= from && Number(each.split(":")[2]) < to)).toBe(true);
			}
		}
		const last = (await listed(stream, { shard: 0, fromCut: cuts[3] })).map((each) => each.split(":")[2]);
		expect(last.every((each) => each === "3")).toBe(true);
	});

	recordCase(suite, "a reader's location, stored as a text, is where another one goes on", async ({ records }) => {
		const stream = await records("r", 3);
		await stream.append(Array.from({ length: 60 }, (_, index) => rec(`${index}`, `k${index % 11}`)));
		const all = new Set(await listed(stream));
		for (const stop of [0, 1, 17, 59, 60]) {
			const found: string[] = [];
			const reader = await stream.read().open();
			const steps = reader[Symbol.asyncIterator]();
			while (found.length < stop) {
				const { shard, sequence, value } = (await steps.next()).value;
				found.push(`${shard}:${sequence}:${textOf(value)}`);
			}
			const location = reader.location;
			await reader.close();
			expect(typeof location).toBe("string");
			found.push(...(await listed(stream, { fromCut: location })));
			expect([found.length, new Set(found).size, new Set([...found, ...all]).size]).toEqual([60, 60, 60]);
		}
		const one = await stream.read({ shard: 1, limit: 3 }).open();
		for await (const _ of one);
		expect((await listed(stream, { shard: 1, fromCut: one.location }))[0]?.startsWith("1:3:")).toBe(true);
		await suite.fails(Array.fromAsync(stream.read({ fromCut: one.location })), "STREAMBED_INVALID_OPTION");
	});

	recordCase(suite, "a follower stops exactly at a cut that has been passed", async ({ records }) => {
		const stream = await records("r", 2);
		await stream.append([rec("a"), rec("b")]);
		const cut = await stream.cut();
		await stream.append([rec("c"), rec("d")]);
		const found = await suite.soon("the end of the range", listed(stream, { toCut: cut, follow: true }));
		expect(found.map((each) => each.split(":")[2]).sort()).toEqual(["a", "b"]);
		expect(await listed(stream, { fromCut: cut, toCut: cut, follow: true })).toEqual([]);
	});

	recordCase(suite, "a cut of another stream, or of one that was deleted, is refused", async ({ records, store }) => {
		const stream = await records("r", 2);
		await stream.append([rec("a"), rec("b")]);
		const cut = await stream.cut();
		const other = await records("other", 2);
		await suite.fails(Array.fromAsync(other.read({ fromCut: cut })), "STREAMBED_INVALID_OPTION");
		await store.scope("suite").delete("r");
		const again = await records("r", 2);
		await again.append([rec("a"), rec("b")]);
		await suite.fails(Array.fromAsync(again.read({ fromCut: cut })), "STREAMBED_INVALID_OPTION");
		await suite.fails(Array.fromAsync(again.read({ toCut: cut })), "STREAMBED_INVALID_OPTION");
		await suite.fails(again.truncateBefore({ cut }), "STREAMBED_INVALID_OPTION");
		expect((await listed(again)).length).toBe(2);
	});
}

function truncationCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a truncation moves heads: of one shard, of all, up to a cut; sequences stay",
		async ({ records }) => {
			const stream = await records("r", 2);
			for (let index = 0; index < 6; index++)
				await stream.append([0, 1].map((shard) => ({ ...rec(`${index}`), shard })));
			expect(await stream.truncateBefore({ before: { sequence: 2 }, shard: 0 })).toEqual([2, 0]);
			expect((await listed(stream, { shard: 0 }))[0]).toBe("0:2:2");
			expect(await stream.truncateBefore({ before: { sequence: 1 }, shard: 0 })).toEqual([2, 0]);
			expect(await stream.truncateBefore({ before: { last: 2 } })).toEqual([4, 4]);
			const cut = await stream.cut();
			await stream.append({ ...rec("new"), shard: 1 });
			expect(await stream.truncateBefore({ cut })).toEqual([6, 6]);
			expect(await listed(stream)).toEqual(["1:6:new"]);
			await suite.fails(stream.truncateBefore({ before: { sequence: 99 }, shard: 0 }), "STREAMBED_OUT_OF_RANGE", {
				tail: 6,
			});
			for (const wrong of [{}, undefined, { cut, before: "head" }, { to: "head" }]) {
				await suite.fails(stream.truncateBefore(wrong as never), "STREAMBED_INVALID_OPTION");
			}
			await suite.fails(stream.truncateBefore({ before: { sequence: 1 } }), "STREAMBED_INVALID_OPTION");
		},
	);

	recordCase(suite, "a head in the middle of an append hides its first records only", async ({ records }) => {
		const stream = await records("r");
		await stream.append(Array.from({ length: 5 }, (_, index) => rec(`${index}`)));
		await stream.truncateBefore({ before: { sequence: 3 }, shard: 0 });
		expect(await listed(stream)).toEqual(["0:3:3", "0:4:4"]);
		const below = Array.fromAsync(stream.read({ shard: 0, from: { sequence: 2 } }));
		await suite.fails(below, "STREAMBED_TRUNCATED", { head: 3 });
	});

	recordCase(
		suite,
		"a reader that a truncation overtakes is told which shard, and goes on at its head",
		async ({ records }) => {
			const stream = await records("r", 2);
			for (let index = 0; index < 40; index++) {
				await stream.append([0, 1].map((shard) => ({ value: pattern(100 * KiB, index), shard })));
			}
			const reader = stream.read({ shard: 1 });
			const steps = reader[Symbol.asyncIterator]();
			await steps.next();
			await stream.truncateBefore({ before: { sequence: 38 }, shard: 1 });
			let told: unknown;
			const sequences: number[] = [];
			for (;;) {
				const step = await steps.next().catch((error: StreambedError) => {
					suite.isError(error, "STREAMBED_TRUNCATED", { shard: 1, head: 38 });
					told = error;
					return undefined;
				});
				if (step?.done === true) break;
				if (step !== undefined) sequences.push(step.value.sequence);
			}
			expect(told !== undefined).toBe(true);
			expect(sequences.slice(-2)).toEqual([38, 39]);
			expect(sequences.every((each, index) => index === 0 || each > (sequences[index - 1] as number))).toBe(true);
		},
	);
}

function serializerCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "a typed handle encodes and decodes its values", async ({ records }) => {
		const stream = await records("r");
		const texts = stream.as(utf8);
		await texts.append([{ value: "grüß" }, { value: "" }]);
		expect(await Array.fromAsync(texts.read(), ({ value }) => value)).toEqual(["grüß", ""]);
		const clicks = (await records("clicks")).as(json<{ readonly page: string }>());
		await clicks.append({ value: { page: "/" }, key: "u" });
		for await (const batch of clicks.read().batches()) expect(batch.value(0)).toEqual({ page: "/" });
		const numbers = (await records("numbers")).as(
			pair<number>(
				(value) => bytesOf(`${value}`),
				(stored) => Number(textOf(stored)),
			),
		);
		await numbers.append({ value: 41 });
		expect(await Array.fromAsync(numbers.read(), ({ value }) => value + 1)).toEqual([42]);
		suite.throws(() => stream.as({} as never), "STREAMBED_INVALID_OPTION");
		await suite.fails(texts.append({ value: "\ud800" }), "STREAMBED_INVALID_OPTION");
	});

	recordCase(
		suite,
		"a record that does not decode is named by shard and sequence, and the reader goes on behind it",
		async ({ records }) => {
			const stream = await records("r", 2);
			const values = ["1", "{", "2", "\xff", "3"];
			for (const value of values) await stream.append({ value: Buffer.from(value, "latin1"), shard: 1 });
			const reader = stream.as(json<number>()).read();
			const found: (number | string)[] = [];
			const steps = reader[Symbol.asyncIterator]();
			for (;;) {
				const step = await steps.next().catch((error: StreambedError) => {
					suite.isError(error, "STREAMBED_DECODE", { shard: 1 });
					return error;
				});
				if ("code" in step) found.push(`error at ${String(step.details.sequence)}`);
				else if (step.done === true) break;
				else found.push(step.value.value);
			}
			expect(found).toEqual([1, "error at 1", 2, "error at 3", 3]);
			const batches = await Array.fromAsync(stream.as(json<number>()).read({ copy: true }).batches());
			const bad = batches.find(({ from, to }) => from <= 1 && 1 < to);
			suite.throws(() => bad?.value(1 - bad.from), "STREAMBED_DECODE");
		},
	);
}
