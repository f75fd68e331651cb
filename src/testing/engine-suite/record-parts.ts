/** Cases: records in parts, of engines that have record streams and writes in parts. */
import { shardOfKey } from "../../core/routing.ts";
import { utf8 } from "../../core/serializer.ts";
import type { RecordAppended } from "../../stream/records/record-append.ts";
import type { PartsStored, RecordHead, RecordMultipart } from "../../stream/records/record-multipart.ts";
import type { RecordStream } from "../../stream/records/record-stream.ts";
import { bytesOf, pattern, type Suite } from "./context.ts";
import { listed, rec, recordCase, recordsOf, tails } from "./records.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
/** Bytes of a part. */
const PART = 512 * KiB;

/** Registers the cases. */
export function recordPartsCases(suite: Suite): void {
	contentCases(suite);
	stateCases(suite);
	orderCases(suite);
}

/** Registers the cases of engines that keep their streams. */
export function persistentRecordPartsCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "what was committed is there after reopening, and nothing else", async ({ records, reopen }) => {
		const stream = await records("r", 2);
		await stream.append(rec("first"), { shard: 1 });
		const kept = await begun(stream, { shard: 1, key: "k" }, pattern(2 * MiB, 1));
		const left = await begun(stream, { shard: 1 }, pattern(3 * MiB, 2));
		const stored = await kept.commit();
		await stream.append(rec("last"), { shard: 1 });
		const again = recordsOf(await reopen(), "r");
		expect(left.bytes).toBe(3 * MiB);
		expect(await tails(again)).toEqual([0, stored.to + 1]);
		suite.sameBytes(await whole(again, stored), pattern(2 * MiB, 1));
		expect((await listed(again, { shard: 1, from: { sequence: stored.to } })).length).toBe(1);
	});
}

async function begun(stream: RecordStream, head: RecordHead, ...pieces: Uint8Array[]): Promise<RecordMultipart> {
	const record = stream.multipart(head);
	for (const piece of pieces) await record.write(piece);
	return record;
}

/** The value of a record in parts, of which each must be there, in order. */
async function whole(stream: RecordStream, { shard, from, to }: PartsStored): Promise<Uint8Array> {
	const values: Uint8Array[] = [];
	const range = { shard, from: { sequence: from }, to: { sequence: to }, copy: true };
	for await (const { sequence, value, part } of stream.read(range)) {
		const index = sequence - from;
		if (to - from > 1 && (part?.index !== index || part.last !== (sequence === to - 1))) {
			throw new Error(`record ${sequence} is part ${String(part?.index)}, not ${index}`);
		}
		values.push(value);
	}
	return Buffer.concat(values);
}

function contentCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(
		suite,
		"a value larger than an append comes back part by part, and not before its commit",
		async ({ records }) => {
			const stream = await records("r", 3);
			await stream.append(rec("before"), { shard: 2 });
			const value = pattern(9 * MiB + 5, 1);
			const head = { shard: 2, key: "k", headers: { a: "b" }, clientInfo: bytesOf("info"), eventTime: -7 };
			const record = await begun(
				stream,
				head,
				value.subarray(0, 3),
				value.subarray(3, 5 * MiB),
				value.subarray(5 * MiB),
			);
			expect([record.bytes, record.state]).toEqual([value.length, "open"]);
			await stream.append(rec("between"), { shard: 2 });
			expect(await tails(stream)).toEqual([0, 0, 2]);
			const stored = await record.commit();
			expect([stored, record.state]).toEqual([{ shard: 2, from: 2, to: 2 + 19 }, "committed"]);
			await stream.append(rec("after"), { shard: 2 });
			suite.sameBytes(await whole(stream, stored), value);
			const found = await Array.fromAsync(stream.read({ shard: 2 }), ({ value, clientInfo, ...each }) => {
				return { ...each, clientInfo: clientInfo && [...clientInfo] };
			});
			expect(found.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 22 }, (_, index) => index));
			const first = { ...head, clientInfo: [...head.clientInfo] };
			const none = { key: null, headers: {}, clientInfo: null, eventTime: null };
			const time = found[2]?.time;
			expect(found[2]).toEqual({ sequence: 2, time, ...first, part: { index: 0, last: false } });
			expect(found[3]).toEqual({ shard: 2, sequence: 3, time, ...none, part: { index: 1, last: false } });
			expect(found[20]).toEqual({ shard: 2, sequence: 20, time, ...none, part: { index: 18, last: true } });
			expect([found[1], found[21]].map((each) => each !== undefined && "part" in each)).toEqual([false, false]);
			for await (const batch of stream.read({ shard: 2, from: { sequence: 20 } }).batches()) {
				expect(batch.part(0)).toEqual(batch.from === 20 ? { index: 18, last: true } : null);
			}
		},
	);

	recordCase(suite, "a value that fits into a part is a record like any other", async ({ records }) => {
		const stream = await records("r");
		const sizes = [0, 1, 70 * KiB, PART];
		for (const size of sizes) {
			const record = await begun(stream, { key: "k" }, pattern(size, 1));
			expect((await record.commit()).to - sizes.indexOf(size)).toBe(1);
		}
		const found = await Array.fromAsync(stream.read({ copy: true }));
		expect(found.map(({ key, value, part }) => [key, value.length, part])).toEqual(
			sizes.map((size) => ["k", size, undefined]),
		);
	});

	recordCase(suite, "parts are counted exactly where they end", async ({ records }) => {
		const stream = await records("r");
		for (const [size, parts] of [
			[PART + 1, 2],
			[2 * PART, 2],
			[2 * PART + 1, 3],
		] as const) {
			const stored = await (await begun(stream, {}, pattern(size, 3))).commit();
			expect(stored.to - stored.from).toBe(parts);
			suite.sameBytes(await whole(stream, stored), pattern(size, 3));
		}
	});

	recordCase(
		suite,
		"parts are no larger than an append may be, whatever else the record holds",
		async ({ records }) => {
			const stream = await records("r");
			const record = await begun(stream, { clientInfo: pattern(600, 1) }, pattern(3000, 2));
			const stored = await record.commit();
			expect(stored).toEqual({ shard: 0, from: 0, to: 8 });
			suite.sameBytes(await whole(stream, stored), pattern(3000, 2));
			suite.throws(() => stream.multipart({ clientInfo: pattern(1000, 1) }), "STREAMBED_TOO_LARGE");
		},
		{ limits: { appendBytes: 1000 } },
	);

	recordCase(suite, "a serializer is not asked for parts", async ({ records }) => {
		const stream = await records("r");
		const texts = stream.as(utf8);
		await (await begun(texts as unknown as RecordStream, {}, pattern(PART + 9, 1))).commit();
		await texts.append({ value: "text" });
		const reader = texts.read()[Symbol.asyncIterator]();
		for (const sequence of [0, 1]) await suite.fails(reader.next(), "STREAMBED_DECODE", { shard: 0, sequence });
		expect((await reader.next()).value?.value).toBe("text");
	});
}

function stateCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "one in parts that is dropped leaves nothing, and takes nothing more", async ({ records }) => {
		const stream = await records("r");
		const record = await begun(stream, {}, pattern(2 * MiB, 1));
		await record.abort();
		await record.abort();
		expect(record.state).toBe("aborted");
		await suite.fails(record.write(bytesOf("a")), "STREAMBED_TXN_STATE");
		await suite.fails(record.commit(), "STREAMBED_TXN_STATE");
		{
			await using left = await begun(stream, {}, pattern(2 * MiB, 1));
			expect(left.state).toBe("open");
		}
		await stream.append(rec("x"));
		expect(await listed(stream)).toEqual(["0:0:x"]);
	});

	recordCase(suite, "one in parts is committed once, and takes nothing more", async ({ records }) => {
		const stream = await records("r");
		const record = await begun(stream, {}, pattern(2 * MiB, 1));
		await record.commit();
		await suite.fails(record.write(bytesOf("a")), "STREAMBED_TXN_STATE");
		await suite.fails(record.commit(), "STREAMBED_TXN_STATE");
		await suite.fails(record.abort(), "STREAMBED_TXN_STATE");
		expect(await tails(stream)).toEqual([4]);
	});

	recordCase(
		suite,
		"a commit in parts that is refused may be repeated, and stores no part twice",
		async ({ records }) => {
			const stream = await records("r");
			for (const size of [10, 2 * MiB]) {
				await stream.append(rec("x"));
				const [tail = 0] = await tails(stream);
				const record = await begun(stream, {}, pattern(size, 1));
				await suite.fails(record.commit({ expect: 0 }), "STREAMBED_POSITION_MISMATCH", { expected: 0, tail });
				await suite.fails(record.write(bytesOf("a")), "STREAMBED_TXN_STATE");
				expect(await tails(stream)).toEqual([tail]);
				const stored = await record.commit({ expect: tail });
				expect(stored.from).toBe(tail);
				suite.sameBytes(await whole(stream, stored), pattern(size, 1));
			}
		},
	);

	recordCase(suite, "sealing and deleting wait for none in parts, and its commit is refused then", async (context) => {
		const { records, store } = context;
		const sealed = await records("sealed", 2);
		const gone = await records("gone");
		const pieces = [bytesOf("a"), pattern(2 * MiB, 1)];
		const written = await Promise.all(pieces.map((piece) => begun(sealed, { shard: 1 }, piece)));
		const dropped = await begun(gone, {}, pattern(2 * MiB, 1));
		await sealed.seal();
		for (const each of written) await suite.fails(each.commit(), "STREAMBED_SEALED");
		await store.scope("suite").delete("gone");
		await suite.fails(dropped.commit(), "STREAMBED_NOT_FOUND");
		expect(await tails(sealed)).toEqual([0, 0]);
	});

	recordCase(suite, "wrong arguments of one in parts are refused", async ({ records }) => {
		const stream = await records("r", 2);
		const wrong: unknown[] = [
			{ value: bytesOf("v") },
			{ kye: "k" },
			{ key: 7 },
			{ shard: -1 },
			bytesOf("v"),
			null,
			"k",
		];
		for (const head of wrong) suite.throws(() => stream.multipart(head as RecordHead), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.multipart({}, { leaseMs: 0 }), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.multipart({ shard: 2 }).write(bytesOf("v")), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.multipart().write("text" as unknown as Uint8Array), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.multipart().commit({ expect: -1 }), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.append({ value: bytesOf("v"), part: {} } as object as never), "STREAMBED_INVALID_OPTION");
	});
}

function orderCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "its parts stand together, between the appends of others", async ({ records }) => {
		const stream = await records("r");
		const values = [pattern(2 * MiB, 1), pattern(3 * MiB, 2)];
		const both = await Promise.all(values.map((value) => begun(stream, {}, value)));
		const appends = Array.from({ length: 40 }, () => stream.append(rec("x")));
		const stored = await Promise.all(both.map((record) => record.commit()));
		appends.push(...Array.from({ length: 40 }, () => stream.append(rec("x"))));
		const places = [...(await Promise.all(appends)).flat(), ...stored].sort((a, b) => a.from - b.from);
		let end = 0;
		for (const { from, to } of places) {
			expect(from).toBe(end);
			end = to;
		}
		for (const [index, value] of values.entries())
			suite.sameBytes(await whole(stream, stored[index] as PartsStored), value);
	});

	recordCase(suite, "atomic appends beside its commit keep their places and their order", async ({ records }) => {
		const stream = await records("r", 3);
		const value = pattern(2 * MiB, 1);
		const both = await Promise.all([0, 1].map((shard) => begun(stream, { shard }, value)));
		const answers: Promise<RecordAppended[]>[] = [];
		let turn = 0;
		let left = both.length;
		const commits = both.map((record) => record.commit().finally(() => left--));
		for (; left > 0 || turn < 20; turn++) {
			const over = [
				[0, 2],
				[1, 2],
				[0, 1, 2],
			][turn % 3] as number[];
			answers.push(
				stream.append(
					over.map((shard) => ({ ...rec(`${turn}`), shard })),
					{ atomic: true },
				),
			);
			answers.push(stream.append({ ...rec(`${turn} single`), shard: 2 }));
			await new Promise((resolve) => setImmediate(resolve));
		}
		const stored = await Promise.all(commits);
		const places = [...(await Promise.all(answers)).flat(), ...stored];
		for (const shard of [0, 1, 2]) {
			const own = places.filter((place) => place.shard === shard).sort((a, b) => a.from - b.from);
			let end = 0;
			for (const { from, to } of own) {
				expect(from).toBe(end);
				end = to;
			}
			expect((await tails(stream))[shard]).toBe(end);
		}
		for (const place of stored) suite.sameBytes(await whole(stream, place), value);
		const texts = (await listed(stream, { shard: 2 })).map((each) => each.split(":")[2] as string);
		const wanted = Array.from({ length: turn }, (_, each) => [`${each}`, `${each} single`]).flat();
		expect(texts).toEqual(wanted);
	});

	recordCase(
		suite,
		"appends of a producer beside its commit are stored in their order, over all shards",
		async ({ records }) => {
			const stream = await records("r", 3);
			const [one, two] = [await stream.producer("one"), await stream.producer("two")];
			const record = await begun(stream, { shard: 0 }, pattern(2 * MiB, 1));
			const answers: Promise<RecordAppended[]>[] = [];
			let left = 1;
			const commit = record.commit().finally(() => left--);
			// On a busy disk the commit lasts for more turns than it takes to show anything.
			for (let turn = 0; (left > 0 || turn < 20) && turn < 500; turn++) {
				const both = [0, 1].map((shard) => ({ ...rec(`${turn}`), shard }));
				answers.push(stream.append({ ...rec(`${turn}`), shard: turn % 3 }, { producer: one.next() }));
				answers.push(stream.append(both, { producer: two.next(), atomic: true }));
				answers.push(stream.append({ ...rec(`${turn}`), shard: 2 }, { producer: two.next() }));
				await new Promise((resolve) => setImmediate(resolve));
			}
			const stored = await commit;
			const places = [...(await Promise.all(answers)).flat(), stored];
			expect(new Set(places.map(({ shard, from }) => `${shard}:${from}`)).size).toBe(places.length);
			const all = (await tails(stream)).reduce((sum, tail) => sum + tail, 0);
			expect(all).toBe(places.length - 1 + stored.to - stored.from);
			suite.sameBytes(await whole(stream, stored), pattern(2 * MiB, 1));
		},
	);

	recordCase(
		suite,
		"who reads all shards gets its parts one after the other, whether that reader follows or not",
		async ({ records }) => {
			const stream = await records("r", 4);
			for (const shard of [0, 1, 2, 3]) {
				for (let index = 0; index < 2; index++) {
					await stream.append([rec("x"), { value: pattern(700 * KiB) }], { shard });
					await (await begun(stream, { shard }, pattern(5 * MiB, shard))).commit();
				}
				await stream.append(rec("last"), { shard });
			}
			const limit = 4 * (2 * (2 + 10) + 1);
			for (const follow of [false, true]) {
				let wanted: readonly [shard: number, sequence: number] | undefined;
				let count = 0;
				for await (const { shard, sequence, part } of stream.read({ follow, limit })) {
					if (wanted !== undefined) expect([shard, sequence]).toEqual(wanted);
					wanted = part?.last === false ? [shard, sequence + 1] : undefined;
					count++;
				}
				expect([count, wanted]).toEqual([limit, undefined]);
			}
		},
	);

	recordCase(suite, "a truncation inside of it keeps no other shard from being read", async ({ records }) => {
		const stream = await records("r", 2);
		await (await begun(stream, { shard: 0 }, pattern(9 * MiB))).commit();
		for (let index = 0; index < 40; index++) await stream.append({ value: pattern(100 * KiB) }, { shard: 1 });
		const steps = stream.read()[Symbol.asyncIterator]();
		const counts: [number, number] = [0, 0];
		const count = (shard: number | undefined): number => counts[shard === 1 ? 1 : 0]++;
		while (counts[0] === 0) count((await steps.next()).value?.shard);
		await stream.truncateBefore({ before: { sequence: 17 }, shard: 0 });
		for (;;) {
			const step = await steps.next().catch((error: unknown) => suite.isError(error, "STREAMBED_TRUNCATED"));
			if (step?.done) break;
			if (step !== undefined) count(step.value.shard);
		}
		expect(counts[1]).toBe(40);
		expect(counts[0]).toBeGreaterThan(1);
	});

	recordCase(suite, "where growth has moved its key it is refused, else it is stored", async ({ records }) => {
		const keys = Array.from({ length: 30 }, (_, index) => `k${index}`);
		const moves = keys.find((key) => shardOfKey(key, 4) >= 2) as string;
		const stays = keys.find((key) => shardOfKey(key, 4) < 2) as string;
		for (const size of [10, 2 * MiB]) {
			const stream = await records(`r${size}`, 2);
			const one = await begun(stream, { key: moves }, pattern(size, 1));
			const two = await begun(stream, { key: stays }, pattern(size, 2));
			const three = await begun(stream, { key: moves, shard: 1 }, pattern(size, 3));
			await stream.update({ shards: 4 });
			await suite.fails(one.commit(), "STREAMBED_TXN_STATE");
			await one.abort();
			suite.sameBytes(await whole(stream, await two.commit()), pattern(size, 2));
			suite.sameBytes(await whole(stream, await three.commit()), pattern(size, 3));
			const again = await (await begun(stream, { key: moves }, pattern(size, 1))).commit();
			expect(again.shard).toBe(shardOfKey(moves, 4));
		}
	});

	recordCase(suite, "a commit beside a growth is before it, or goes by it", async ({ records }) => {
		const key = Array.from({ length: 30 }, (_, index) => `k${index}`).find(
			(each) => shardOfKey(each, 2) === 1,
		) as string;
		for (const late of [0, 1, 2, 5, 10, 20]) {
			const stream = await records(`r${late}`, 1);
			const record = await begun(stream, { key }, pattern(2 * MiB, late));
			const committing = record.commit().catch((error: unknown) => suite.isError(error, "STREAMBED_TXN_STATE"));
			for (let turn = 0; turn < late; turn++) await new Promise((resolve) => setImmediate(resolve));
			await Promise.all([stream.update({ shards: 2 }), committing]);
			await stream.append(rec("after", key));
			// Who reads both shards gets it first: the newer shard is read once the older one is, up to where it stood.
			const found = await Array.fromAsync(stream.read({ copy: true }), ({ key: own, part }) => own ?? part?.index);
			expect(found.at(-1)).toBe(key);
			const [first = 0] = await tails(stream);
			expect([0, 4]).toContain(first);
		}
	});
}
