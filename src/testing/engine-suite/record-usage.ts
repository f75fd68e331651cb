/** Cases: record streams as collectors and their readers use them, step by step. */
import { recordLimits } from "../../core/limits.ts";
import type { RecordInput } from "../../core/record.ts";
import { shardOfKey } from "../../core/routing.ts";
import type { RecordStream } from "../../stream/records/record-stream.ts";
import { ManualClock } from "../manual-clock.ts";
import { bytesOf, pattern, type Suite, textOf } from "./context.ts";
import { listed, rec, recordCase, recordsOf, tails } from "./records.ts";

const MiB = 1024 * 1024;
const MINUTE = 60_000;

/** Registers the cases. */
export function recordUsageCases(suite: Suite): void {
	makingCases(suite);
	collectorCases(suite);
	readerCases(suite);
}

/** Registers the cases of engines that keep their streams. */
export function persistentRecordUsageCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a reader goes on behind a stored location after reopening, and keys stay or move to new shards",
		async ({ records, reopen }) => {
			let stream = await records("r", 2);
			const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
			const put = async (): Promise<number[]> => {
				const answers = await stream.append(keys.map((key) => rec(key, key)));
				return answers.map(({ shard }) => shard);
			};
			let before = await put();
			let location = "";
			for (const [from, to] of [
				[2, 3],
				[3, 8],
			] as const) {
				const reader = await stream.read(location === "" ? {} : { fromCut: location }).open();
				for await (const _ of reader);
				location = reader.location as string;
				stream = recordsOf(await reopen(), "r");
				await stream.update({ shards: to });
				const after = await put();
				for (const [index, shard] of after.entries()) expect(shard === before[index] || shard >= from).toBe(true);
				before = after;
				expect((await listed(stream, { fromCut: location })).length).toBe(keys.length);
			}
		},
	);
}

function makingCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a record stream is as it was made, and made again it is EXISTS with its records there",
		async ({ store }) => {
			const scope = store.scope("suite");
			const stream = await scope.create("r", { kind: "records", shards: 3 });
			await stream.append({ ...rec("x"), shard: 2 });
			for (const shards of [3, 4]) {
				await suite.fails(scope.create("r", { kind: "records", shards }), "STREAMBED_EXISTS");
			}
			expect((await stream.info()).kind).toBe("records");
			expect(await tails(stream)).toEqual([0, 0, 1]);
			for (const shards of [0, -1, 1.5, "3", 4097]) {
				const wrong = scope.create("wrong", { kind: "records", shards: shards as number });
				await suite.fails(wrong, "STREAMBED_INVALID_OPTION");
			}
			await suite.fails(recordsOf(store, "wrong").info(), "STREAMBED_NOT_FOUND");
			await stream.update({ shards: 5 });
			await stream.append({ ...rec("y"), shard: 4 });
			await suite.fails(stream.update({ shards: 4 }), "STREAMBED_INVALID_OPTION");
			expect(await tails(stream)).toEqual([0, 0, 1, 0, 1]);
		},
	);

	recordCase(
		suite,
		"a record stream that is not there is NOT_FOUND for whatever one does with it",
		async ({ store }) => {
			const gone = recordsOf(store, "missing");
			const calls: (() => Promise<unknown>)[] = [
				() => gone.append(rec("x")),
				() => gone.append([rec("x"), rec("y")], { atomic: true }),
				() => listed(gone),
				() => gone.read({ follow: true }).open(),
				() => gone.cut(),
				() => gone.info(),
				() => gone.seal(),
				() => gone.shardOf("k"),
				() => gone.update({ shards: 2 }),
				() => gone.truncateBefore({ before: "head" }),
			];
			if (store.manifest.multipart) calls.push(() => gone.multipart().write(bytesOf("x")));
			for (const call of calls) await suite.fails(call(), "STREAMBED_NOT_FOUND");
		},
	);
}

function collectorCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"records without key and shard are spread evenly, also where both are null",
		async ({ records }) => {
			const stream = await records("r", 3);
			await stream.append(Array.from({ length: 30 }, () => ({ ...rec("x"), key: null, shard: null })));
			expect(await tails(stream)).toEqual([10, 10, 10]);
			for (const count of [4, 5]) await stream.append(Array.from({ length: count }, () => rec("y")));
			expect(await tails(stream)).toEqual([13, 13, 13]);
			for (const value of [null, undefined]) {
				await suite.fails(stream.append({ value } as never), "STREAMBED_INVALID_OPTION");
				await suite.fails(stream.append([rec("z"), { value } as never]), "STREAMBED_INVALID_OPTION");
			}
			await suite.fails(stream.append(null as never), "STREAMBED_INVALID_OPTION");
			expect(await tails(stream)).toEqual([13, 13, 13]);
		},
	);

	recordCase(suite, "several collectors get each sequence of a shard once", async ({ records, store }) => {
		await records("r", 2);
		const collect = async (): Promise<number[]> => {
			const stream = recordsOf(store, "r");
			const found: number[] = [];
			for (let index = 0; index < 20; index++) {
				const answers = await stream.append(
					Array.from({ length: 5 }, () => rec("x")),
					{ shard: 1 },
				);
				found.push(...answers.map(({ from }) => from));
			}
			return found;
		};
		const all = (await Promise.all(Array.from({ length: 8 }, collect))).flat();
		expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 800 }, (_, index) => index));
	});

	recordCase(
		suite,
		"a call with as many records as one may have is stored, with one more nothing is",
		async ({ records }) => {
			const stream = await records("r");
			const many: RecordInput[] = new Array(recordLimits.perAppend).fill({ value: new Uint8Array(0) });
			await stream.append(many);
			expect(await tails(stream)).toEqual([many.length]);
			await suite.fails(stream.append([...many, rec("x")]), "STREAMBED_LIMIT_EXCEEDED", {
				limit: recordLimits.perAppend,
			});
			expect(await tails(stream)).toEqual([many.length]);
		},
	);
}

/** Reads so many records on from a place; returns them, the place behind them, and what is left. */
async function page(
	stream: RecordStream,
	fromCut: string | undefined,
	limit: number,
): Promise<{ readonly found: string; readonly location: string; readonly left: number }> {
	const reader = await stream.read({ shard: 0, fromCut, limit }).open();
	const values = await Array.fromAsync(reader, ({ value }) => textOf(value));
	const location = reader.location as string;
	const { records } = await stream.read({ shard: 0, fromCut: location }).behind();
	return { found: values.join(""), location, left: records };
}

function readerCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"reading page by page tells how much is left, and an end is where the next record comes",
		async ({ records }) => {
			const stream = await records("r", 2);
			expect(await listed(stream, { shard: 0 })).toEqual([]);
			for (const value of ["a", "b", "c", "d", "e"]) await stream.append(rec(value), { shard: 0 });
			let location: string | undefined;
			const pages: string[] = [];
			for (let count = 0; count < 4; count++) {
				const next = await page(stream, location, 2);
				location = next.location;
				pages.push(`${next.found} ${next.left}`);
			}
			expect(pages).toEqual(["ab 3", "cd 1", "e 0", " 0"]);
			await stream.append(rec("f"), { shard: 0 });
			expect((await page(stream, location, 9)).found).toBe("f");
			expect((await page(stream, location, 9)).found).toBe("f");
		},
	);

	recordCase(
		suite,
		"from the tail, and from the sequence that comes next, is what is appended after",
		async ({ records }) => {
			const stream = await records("r", 2);
			for (let index = 0; index < 5; index++) await stream.append(rec(`${index}`), { shard: 1 });
			for (const from of ["tail", { sequence: 5 }, { last: 0 }] as const) {
				const [{ to } = { to: 0 }] = await stream.append(rec("before"), { shard: 1 });
				const place = typeof from === "object" && "sequence" in from ? { sequence: to } : from;
				const reader = await stream.read({ shard: 1, from: place, follow: true, limit: 2 }).open();
				for (const value of ["x", "y"]) await stream.append(rec(value), { shard: 1 });
				const found = await suite.soon(
					"two records",
					Array.fromAsync(reader, ({ value }) => textOf(value)),
				);
				expect(found).toEqual(["x", "y"]);
			}
			const { tail } = (await stream.info()).shards[1] as { tail: number };
			for (const follow of [false, true]) {
				const beyond = stream.read({ shard: 1, from: { sequence: tail + 1 }, follow }).open();
				await suite.fails(beyond, "STREAMBED_OUT_OF_RANGE", { tail });
			}
		},
	);
}

/** Registers the cases of records in parts. */
export function partsUsageCases(suite: Suite): void {
	const { expect } = suite;
	const clock = new ManualClock();

	recordCase(suite, "records in parts come in the order of their commits", async ({ records }) => {
		const stream = await records("r", 2);
		for (const size of [10, 2 * MiB]) {
			const [one, two] = [stream.multipart({ key: "k" }), stream.multipart({ key: "k" })];
			await one.write(pattern(size, 1));
			await two.write(pattern(size, 2));
			const [second, first] = [await two.commit(), await one.commit()];
			expect([first.shard, first.from]).toEqual([shardOfKey("k", 2), second.to]);
		}
	});

	recordCase(
		suite,
		"one in parts that gets nothing for its lease is dropped",
		async ({ records }) => {
			const stream = await records("r");
			const left = stream.multipart({}, { leaseMs: 10 * MINUTE });
			const kept = stream.multipart({}, { leaseMs: 10 * MINUTE });
			for (const record of [left, kept]) await record.write(pattern(2 * MiB));
			clock.advance(9 * MINUTE);
			await kept.write(pattern(MiB));
			clock.advance(2 * MINUTE);
			await suite.fails(left.commit(), "STREAMBED_TXN_STATE");
			const { to } = await kept.commit();
			expect(await tails(stream)).toEqual([to]);
		},
		{ clock },
	);
}
