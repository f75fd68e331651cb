/** Cases: writes in parts, which become visible at one stroke. */
import type { ByteStream } from "../../stream/bytes/byte-stream.ts";
import type { Multipart } from "../../stream/bytes/multipart.ts";
import { ManualClock } from "../manual-clock.ts";
import { bounds, bytesOf, concat, pattern, readAll, type Suite } from "./context.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const small = { limits: { appendBytes: 64 * KiB } };
const MINUTE = 60_000;

/** Registers the cases of engines that have writes in parts. */
export function multipartCases(suite: Suite): void {
	commitCases(suite);
	orderCases(suite);
	stateCases(suite);
	leaseCases(suite);
}

/** Begins a write in parts and writes to it. */
async function begun(stream: ByteStream, ...pieces: Uint8Array[]): Promise<Multipart> {
	await using writer = stream.writer();
	const multipart = writer.multipart();
	for (const piece of pieces) await multipart.write(piece);
	return multipart;
}

function commitCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("nothing of it is seen before its commit, and all of it after", async ({ stream }) => {
		await stream.append(bytesOf("before;"));
		const parts = [pattern(100, 1), pattern(300_000, 2), new Uint8Array(0), pattern(2 * MiB + 7, 3), pattern(1, 4)];
		const multipart = await begun(stream, ...parts);
		expect(await bounds(stream)).toEqual([0, 7]);
		const whole = concat(parts);
		expect([multipart.bytes, multipart.state]).toEqual([whole.length, "open"]);
		expect(await multipart.commit()).toEqual({ from: 7, to: 7 + whole.length, duplicate: false });
		expect(multipart.state).toBe("committed");
		expect(await stream.append(bytesOf(";after"))).toEqual({
			from: 7 + whole.length,
			to: 13 + whole.length,
			duplicate: false,
		});
		await suite.holds(stream, concat([bytesOf("before;"), whole, bytesOf(";after")]));
	});

	suite.case(
		"it may be larger than one append, and one of its pieces as well",
		async ({ stream }) => {
			const multipart = await begun(stream, pattern(700_000, 1), pattern(50_000, 2));
			await suite.fails(stream.append(pattern(70_000, 1)), "STREAMBED_TOO_LARGE");
			expect((await multipart.commit()).to).toBe(750_000);
			await suite.holds(stream, concat([pattern(700_000, 1), pattern(50_000, 2)]));
		},
		small,
	);

	suite.case("thousands of small pieces arrive in their order", async ({ stream }) => {
		await using writer = stream.writer();
		const multipart = writer.multipart();
		const parts = Array.from({ length: 3000 }, (_, index) => pattern(index % 1000, index));
		await Promise.all(parts.map((part) => multipart.write(part)));
		await multipart.commit();
		await suite.holds(stream, concat(parts));
	});

	suite.case("a follower gets all of it at one stroke", async ({ stream }) => {
		const follower = await stream.reader({ follow: true, from: "tail" }).open();
		const reading = follower.read();
		const multipart = await begun(stream, pattern(500_000, 1), pattern(1_200_000, 2));
		await suite.waits(stream, reading);
		await multipart.commit();
		const first = await suite.soon("the data", reading);
		if (first.kind !== "data") throw new Error(first.kind);
		expect(first.offset).toBe(0);
		expect(await bounds(stream)).toEqual([0, 1_700_000]);
		await follower.close();
	});

	suite.case("all of it has one time, which is not before that of the append before it", async ({ stream }) => {
		await stream.append(bytesOf("a"));
		const multipart = await begun(stream, pattern(100_000, 1), pattern(2_000_000, 2));
		await multipart.commit();
		await stream.append(bytesOf("z"));
		const pieces = await Array.fromAsync(stream.appends(), ({ offset, time }) => ({ offset, time }));
		const times = new Set(pieces.filter(({ offset }) => offset > 0 && offset < 2_100_001).map(({ time }) => time));
		const [time = Number.NaN] = times;
		expect(times.size).toBe(1);
		expect(time).toBeGreaterThanOrEqual(pieces[0]?.time ?? Number.NaN);
		expect(pieces.at(-1)?.time ?? Number.NaN).toBeGreaterThanOrEqual(time);
		expect((await stream.info()).shards[0]?.lastTime).toBe(pieces.at(-1)?.time ?? Number.NaN);
		const reader = stream.reader();
		expect(await reader.seek({ time: time + 1 })).toBe(time === pieces.at(-1)?.time ? 2_100_002 : 2_100_001);
	});

	suite.case("nothing at all is committed as nothing", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const multipart = await begun(stream);
		expect(await multipart.commit()).toEqual({ from: 3, to: 3, duplicate: false });
		await suite.holds(stream, bytesOf("abc"));
	});
}

function orderCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("it comes after what its writer has written before the commit", async ({ stream }) => {
		await using writer = stream.writer();
		const multipart = writer.multipart();
		void multipart.write(pattern(300_000, 2));
		void writer.write(bytesOf("first")).durable;
		expect((await multipart.commit()).from).toBe(5);
		await suite.holds(stream, concat([bytesOf("first"), pattern(300_000, 2)]));
	});

	suite.case("appends of others go on beside an open one, and wait for no commit", async ({ stream }) => {
		const one = await begun(stream, pattern(1_500_000, 1));
		const other = await begun(stream, pattern(1_400_000, 2));
		for (let index = 0; index < 20; index++) await stream.append(pattern(100, index));
		expect((await other.commit()).from).toBe(2000);
		await stream.append(bytesOf("between"));
		expect((await one.commit()).from).toBe(2000 + 1_400_000 + 7);
		const wanted = [...Array.from({ length: 20 }, (_, index) => pattern(100, index)), pattern(1_400_000, 2)];
		await suite.holds(stream, concat([...wanted, bytesOf("between"), pattern(1_500_000, 1)]));
	});

	suite.case("appends, truncations and commits at the same time are all done, in some order", async ({ stream }) => {
		await stream.append(pattern(1000, 9));
		const one = await begun(stream, pattern(1_100_000, 1));
		const two = await begun(stream, pattern(1_200_000, 2));
		const appends = Array.from({ length: 50 }, () => stream.append(pattern(10, 7)));
		const [first, second] = await Promise.all([one.commit(), two.commit(), stream.truncateBefore(500)]);
		appends.push(...Array.from({ length: 50 }, () => stream.append(pattern(10, 7))));
		const places = [...(await Promise.all(appends)), first, second].sort((a, b) => a.from - b.from);
		let end = 1000;
		for (const { from, to } of places) {
			expect(from).toBe(end);
			end = to;
		}
		expect(await bounds(stream)).toEqual([500, end]);
		const found = await readAll(stream, { from: { offset: first.from }, to: { offset: first.to } });
		suite.sameBytes(found, pattern(1_100_000, 1));
		suite.sameBytes(
			await readAll(stream, { from: { offset: second.from }, to: { offset: second.to } }),
			pattern(1_200_000, 2),
		);
	});

	suite.case("expect of a commit is checked, and a refused one may be committed again", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const multipart = await begun(stream, pattern(1_300_000, 1));
		await suite.fails(multipart.commit({ expect: 0 }), "STREAMBED_POSITION_MISMATCH", { expected: 0, tail: 3 });
		expect(await bounds(stream)).toEqual([0, 3]);
		expect((await multipart.commit({ expect: 3 })).from).toBe(3);
		await suite.holds(stream, concat([bytesOf("abc"), pattern(1_300_000, 1)]));
	});
}

function stateCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("one that is dropped leaves nothing, and takes nothing more", async ({ stream }) => {
		const multipart = await begun(stream, pattern(2_000_000, 1));
		await multipart.abort();
		await multipart.abort();
		expect(multipart.state).toBe("aborted");
		await suite.fails(multipart.write(bytesOf("a")), "STREAMBED_TXN_STATE", { state: "aborted" });
		await suite.fails(multipart.commit(), "STREAMBED_TXN_STATE", { state: "aborted" });
		expect(await stream.transactions()).toEqual([]);
		await stream.append(bytesOf("abc"));
		await suite.holds(stream, bytesOf("abc"));
		const untouched = await begun(stream);
		await untouched.abort();
		await suite.fails(untouched.write(bytesOf("a")), "STREAMBED_TXN_STATE");
	});

	suite.case("leaving its block drops it, unless it was committed or prepared", async ({ stream }) => {
		{
			await using dropped = await begun(stream, pattern(1_100_000, 1));
			expect(dropped.state).toBe("open");
		}
		{
			await using kept = await begun(stream, bytesOf("kept"));
			await kept.commit();
		}
		{
			await using waiting = await begun(stream, bytesOf("waits"));
			await waiting.prepare();
		}
		expect((await stream.transactions()).map(({ state, bytes }) => [state, bytes])).toEqual([["prepared", 5]]);
		await suite.holds(stream, bytesOf("kept"));
	});

	suite.case("it is committed once, and cannot be dropped then", async ({ stream }) => {
		const multipart = await begun(stream, pattern(1_100_000, 1));
		await multipart.commit();
		await suite.fails(multipart.commit(), "STREAMBED_TXN_STATE", { state: "committed" });
		await suite.fails(multipart.abort(), "STREAMBED_TXN_STATE", { state: "committed" });
		await suite.fails(multipart.prepare(), "STREAMBED_TXN_STATE", { state: "committed" });
		expect(await bounds(stream)).toEqual([0, 1_100_000]);
	});

	suite.case("a prepared one is listed, found by its id, and committed or dropped", async ({ stream }) => {
		const one = await begun(stream, pattern(1_100_000, 1));
		const id = await one.prepare();
		expect(await one.prepare()).toBe(id);
		await suite.fails(one.write(bytesOf("more")), "STREAMBED_TXN_STATE", { state: "prepared" });
		const two = await begun(stream, bytesOf("two"));
		const listed = await stream.transactions();
		expect(listed.map(({ id: one, state, bytes }) => [one, state, bytes])).toEqual([
			[id, "prepared", 1_100_000],
			[two.id, "open", 3],
		]);
		await (await stream.resumeTransaction(await two.prepare())).abort();
		expect((await (await stream.resumeTransaction(id)).commit()).to).toBe(1_100_000);
		await suite.fails(stream.resumeTransaction(id), "STREAMBED_NOT_FOUND", { id });
		expect(await stream.transactions()).toEqual([]);
		await suite.holds(stream, pattern(1_100_000, 1));
	});

	suite.case("sealing waits for no open one, and its commit is refused then", async ({ stream }) => {
		const multipart = await begun(stream, pattern(1_100_000, 1));
		await stream.append(bytesOf("abc"));
		expect(await stream.seal()).toBe(3);
		await suite.fails(multipart.commit(), "STREAMBED_SEALED", { tail: 3 });
		await suite.fails(multipart.prepare(), "STREAMBED_SEALED");
		await multipart.abort();
		await suite.holds(stream, bytesOf("abc"));
	});

	suite.case(
		"a prepared one stands against sealing and deleting, unless they are forced",
		async ({ store, create }) => {
			const scope = store.scope("suite");
			const stream = await create("held");
			const multipart = await begun(stream, pattern(1_100_000, 1));
			const id = await multipart.prepare();
			await suite.fails(stream.seal(), "STREAMBED_TXN_STATE", { id, state: "prepared" });
			await suite.fails(scope.delete("held"), "STREAMBED_TXN_STATE", { id, state: "prepared" });
			await stream.append(bytesOf("abc"));
			expect(await stream.seal({ force: true })).toBe(3);
			await suite.fails(multipart.commit(), "STREAMBED_TXN_STATE", { state: "aborted" });
			const other = await create("other");
			const held = await begun(other, bytesOf("x"));
			await held.prepare();
			await scope.delete("other", { force: true });
			await suite.fails(held.commit(), "STREAMBED_NOT_FOUND");
			await suite.fails(stream.seal({ force: "yes" } as object), "STREAMBED_INVALID_OPTION");
		},
	);

	suite.case("of preparing and sealing at the same time one succeeds, and the other is refused", async ({ create }) => {
		for (let turns = 0; turns < 12; turns++) {
			const stream = await create(`raced-${turns}`);
			const multipart = await begun(stream, pattern(1_100_000, 1));
			const preparing = multipart.prepare();
			for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
			const [prepared, sealed] = await Promise.allSettled([preparing, stream.seal()]);
			if (prepared.status === "fulfilled") {
				suite.isError(sealed.status === "rejected" ? sealed.reason : undefined, "STREAMBED_TXN_STATE");
				await multipart.commit();
			} else {
				suite.isError(prepared.reason, "STREAMBED_SEALED");
				expect(sealed.status).toBe("fulfilled");
			}
		}
	});

	suite.case("deleting the stream ends it", async ({ store, create }) => {
		const stream = await create("doomed");
		const multipart = await begun(stream, pattern(1_100_000, 1));
		await store.scope("suite").delete("doomed");
		await suite.fails(multipart.write(pattern(2_000_000, 2)), "STREAMBED_NOT_FOUND");
		await suite.fails(multipart.commit(), "STREAMBED_NOT_FOUND");
		await create("doomed");
		expect(await bounds(store.scope("suite").stream("doomed"))).toEqual([0, 0]);
	});

	suite.case("wrong options and bytes are refused by name", async ({ stream }) => {
		await using writer = stream.writer();
		suite.throws(() => writer.multipart({ leaseMs: 0 }), "STREAMBED_INVALID_OPTION");
		suite.throws(() => writer.multipart({ lease: 1 } as object), "STREAMBED_INVALID_OPTION");
		const multipart = writer.multipart();
		await suite.fails(multipart.write("text" as unknown as Uint8Array), "STREAMBED_INVALID_OPTION");
		await suite.fails(multipart.commit({ expect: -1 }), "STREAMBED_INVALID_OPTION");
		await suite.fails(multipart.commit({ expected: 1 } as object), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.resumeTransaction("nothing"), "STREAMBED_NOT_FOUND");
		suite.throws(() => stream.writer({ conditional: true }).multipart(), "STREAMBED_UNSUPPORTED");
	});
}

function leaseCases(suite: Suite): void {
	const { expect } = suite;
	const clock = new ManualClock();

	suite.case(
		"an open one that gets nothing for its lease is dropped, a prepared one is not",
		async ({ stream }) => {
			await using writer = stream.writer();
			const left = writer.multipart({ leaseMs: 10 * MINUTE });
			const kept = writer.multipart({ leaseMs: 10 * MINUTE });
			const prepared = writer.multipart({ leaseMs: 10 * MINUTE });
			await Promise.all([left, kept, prepared].map((multipart) => multipart.write(pattern(1_100_000, 1))));
			await prepared.prepare();
			clock.advance(9 * MINUTE);
			await kept.write(bytesOf("still here"));
			clock.advance(2 * MINUTE);
			await suite.fails(left.write(bytesOf("late")), "STREAMBED_TXN_STATE", { state: "aborted" });
			expect((await stream.transactions()).map(({ state }) => state)).toEqual(["open", "prepared"]);
			await kept.commit();
			await prepared.commit();
			expect(await bounds(stream)).toEqual([0, 2_200_010]);
		},
		{ clock },
	);
}

/** Registers the cases of engines that persist and have writes in parts. */
export function persistentMultipartCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("what was committed in parts is there after reopening, and appends go on", async ({ stream, reopen }) => {
		await stream.append(bytesOf("a"));
		await (await begun(stream, pattern(3_000_000, 1))).commit();
		const times = await Array.fromAsync(stream.appends(), ({ time }) => time);
		const again = (await reopen()).scope("suite").stream("stream");
		expect(await Array.fromAsync(again.appends(), ({ time }) => time)).toEqual(times);
		expect((await again.append(bytesOf("z"))).from).toBe(3_000_001);
		const last = (await reopen()).scope("suite").stream("stream");
		await suite.holds(last, concat([bytesOf("a"), pattern(3_000_000, 1), bytesOf("z")]));
	});

	suite.case("it spans segments, and is truncated in its middle", async ({ store, reopen }) => {
		const stream = await store.scope("suite").create("long", { segmentBytes: 128 * KiB });
		const wanted = pattern(1_000_000, 1);
		await (await begun(stream, wanted)).commit();
		expect((await stream.info()).shards[0]?.segments).toBeGreaterThan(5);
		await stream.truncateBefore(400_000);
		await stream.append(bytesOf("z"));
		const again = (await reopen()).scope("suite").stream("long");
		await suite.holds(again, concat([wanted.subarray(400_000), bytesOf("z")]));
		await again.truncateBefore("tail");
		expect(await (await begun(again, pattern(300_000, 2))).commit()).toEqual({
			from: 1_000_001,
			to: 1_300_001,
			duplicate: false,
		});
		await suite.holds((await reopen()).scope("suite").stream("long"), pattern(300_000, 2));
	});

	suite.case("one without a byte is prepared and decided like any other", async ({ stream, reopen }) => {
		const ids = [await (await begun(stream)).prepare(), await (await begun(stream)).prepare()] as const;
		const again = (await reopen()).scope("suite").stream("stream");
		expect((await again.transactions()).map(({ id, state, bytes }) => [id, state, bytes]).sort()).toEqual(
			ids.map((id) => [id, "prepared", 0]).sort(),
		);
		expect((await (await again.resumeTransaction(ids[0])).commit()).to).toBe(0);
		await (await again.resumeTransaction(ids[1])).abort();
		expect(await again.transactions()).toEqual([]);
	});

	suite.case("a prepared one waits for its decision over reopenings; an open one ends", async ({ stream, reopen }) => {
		const prepared = await begun(stream, pattern(2_500_000, 1));
		const id = await prepared.prepare();
		const little = await begun(stream, bytesOf("little"));
		const dropped = await little.prepare();
		const empty = await (await begun(stream)).prepare();
		await begun(stream, pattern(2_000_000, 2));
		await reopen();
		const again = (await reopen()).scope("suite").stream("stream");
		expect((await again.transactions()).map(({ state, bytes }) => [state, bytes])).toEqual([
			["prepared", 2_500_000],
			["prepared", 6],
			["prepared", 0],
		]);
		await (await again.resumeTransaction(dropped)).abort();
		await (await again.resumeTransaction(empty)).commit();
		const resumed = await again.resumeTransaction(id);
		expect([resumed.state, resumed.bytes, resumed.id]).toEqual(["prepared", 2_500_000, id]);
		await suite.fails(resumed.write(bytesOf("more")), "STREAMBED_TXN_STATE");
		expect((await resumed.commit()).to).toBe(2_500_000);
		const last = (await reopen()).scope("suite").stream("stream");
		expect(await last.transactions()).toEqual([]);
		await suite.holds(last, pattern(2_500_000, 1));
	});

	suite.case("a seal and a delete are refused for a prepared one after reopening", async ({ stream, reopen }) => {
		await (await begun(stream, bytesOf("x"))).prepare();
		const store = await reopen();
		const again = store.scope("suite").stream("stream");
		await suite.fails(store.scope("suite").delete("stream"), "STREAMBED_TXN_STATE");
		await suite.fails(again.seal(), "STREAMBED_TXN_STATE");
		expect(await again.seal({ force: true })).toBe(0);
		expect((await (await reopen()).scope("suite").stream("stream").info()).sealed).toBe(true);
	});
}
