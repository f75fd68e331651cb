/** Cases: single appends, their conditions, races and limits; reading append by append. */
import type { StreambedError } from "../../core/errors.ts";
import { ManualClock } from "../manual-clock.ts";
import { bytesOf, concat, pattern, type Suite, textOf } from "./context.ts";

const KiB = 1024;

/** Registers the cases. */
export function appendCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("an append resolves with the offsets of its bytes", async ({ stream }) => {
		expect(await stream.append(bytesOf("hello "))).toEqual({ from: 0, to: 6, duplicate: false });
		expect(await stream.append(bytesOf("world"))).toEqual({ from: 6, to: 11, duplicate: false });
		await suite.holds(stream, bytesOf("hello world"));
	});

	suite.case("several arrays given to one append become one append", async ({ stream }) => {
		const parts = [bytesOf("ab"), new Uint8Array(0), bytesOf("cde")];
		expect(await stream.append(parts)).toEqual({ from: 0, to: 5, duplicate: false });
		const pieces = await Array.fromAsync(stream.appends());
		expect(pieces.map(({ offset, bytes }) => [offset, textOf(bytes)])).toEqual([[0, "abcde"]]);
	});

	suite.case("appends made while the stream is opened are stored in call order", async ({ stream, store }) => {
		const handle = store.scope("suite").stream(stream.name);
		const pending: Promise<unknown>[] = [];
		// At any moment of the opening.
		for (let index = 0; index < 1000; index++) {
			pending.push(handle.append(bytesOf(`${index}\n`)));
			await null;
		}
		await Promise.all(pending);
		await suite.holds(stream, bytesOf(Array.from({ length: 1000 }, (_, index) => `${index}\n`).join("")));
	});

	suite.case("appends made without waiting are stored in call order", async ({ stream }) => {
		await stream.open();
		const parts = Array.from({ length: 500 }, (_, index) => bytesOf(`${index};`));
		const results = await Promise.all(parts.map((part) => stream.append(part)));
		for (const [index, { from, to }] of results.entries()) {
			expect(to - from).toBe(parts[index]?.length);
			expect(from).toBe(index === 0 ? 0 : results[index - 1]?.to);
		}
		await suite.holds(stream, concat(parts));
	});

	suite.case("an append of no bytes stores nothing and tells the tail", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		expect(await stream.append(new Uint8Array(0))).toEqual({ from: 3, to: 3, duplicate: false });
		expect(await stream.append([])).toEqual({ from: 3, to: 3, duplicate: false });
		expect((await stream.info()).shards[0]?.tail).toBe(3);
	});

	suite.case("an append of no bytes still keeps its condition and the seal", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const nothing = new Uint8Array(0);
		await suite.fails(stream.append(nothing, { expect: 2 }), "STREAMBED_POSITION_MISMATCH", { expected: 2, tail: 3 });
		await stream.seal();
		await suite.fails(stream.append(nothing), "STREAMBED_SEALED");
	});

	suite.case(
		"an append of exactly the limit is stored, of one byte more refused without a trace",
		async ({ stream }) => {
			expect(await stream.append(pattern(KiB))).toEqual({ from: 0, to: KiB, duplicate: false });
			await suite.fails(stream.append(pattern(KiB + 1)), "STREAMBED_TOO_LARGE", { limit: KiB });
			await suite.fails(stream.append([pattern(KiB), pattern(1)]), "STREAMBED_TOO_LARGE", { bytes: KiB + 1 });
			await suite.holds(stream, pattern(KiB));
		},
		{ limits: { appendBytes: KiB } },
	);

	suite.case("what is not bytes is refused, a text with a hint to encode it", async ({ stream }) => {
		const wrong = stream.append as (bytes: unknown) => Promise<unknown>;
		for (const value of ["text", 7, null, undefined, new ArrayBuffer(3), ["text"], new Uint16Array(2)]) {
			await suite.fails(wrong.call(stream, value), "STREAMBED_INVALID_OPTION");
		}
		const hint = await wrong.call(stream, "text").catch((error: StreambedError) => error.hint);
		expect(hint).toContain("TextEncoder");
		expect((await stream.info()).shards[0]?.tail).toBe(0);
	});

	suite.case("an unknown option of an append is refused with the name that was meant", async ({ stream }) => {
		const options = { expct: 0 } as { expect?: number };
		const error = await stream.append(bytesOf("a"), options).catch((reason: StreambedError) => reason);
		suite.isError(error, "STREAMBED_INVALID_OPTION");
		expect((error as StreambedError).hint).toContain('"expect"');
	});

	conditionCases(suite);
	abortCases(suite);
	pieceCases(suite);
}

function conditionCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("an append that expects the tail where it is is stored", async ({ stream }) => {
		await stream.append(bytesOf("a"), { expect: 0 });
		expect(await stream.append(bytesOf("b"), { expect: 1 })).toEqual({ from: 1, to: 2, duplicate: false });
	});

	suite.case(
		"an append that expects another tail is refused with the tail, and nothing is stored",
		async ({ stream }) => {
			await stream.append(bytesOf("abc"));
			for (const expected of [0, 2, 4]) {
				const action = stream.append(bytesOf("x"), { expect: expected });
				await suite.fails(action, "STREAMBED_POSITION_MISMATCH", { expected, tail: 3 });
			}
			await suite.holds(stream, bytesOf("abc"));
		},
	);

	suite.case("of many appends that expect the same tail at once exactly one is stored", async ({ stream }) => {
		const results = await Promise.allSettled(
			Array.from({ length: 20 }, (_, index) => stream.append(pattern(10, index), { expect: 0 })),
		);
		const stored = results.filter(({ status }) => status === "fulfilled");
		expect(stored.length).toBe(1);
		for (const result of results) {
			if (result.status === "rejected") suite.isError(result.reason, "STREAMBED_POSITION_MISMATCH", { expected: 0 });
		}
		expect((await stream.info()).shards[0]?.tail).toBe(10);
	});

	suite.case("an expectation of an offset that is none is refused", async ({ stream }) => {
		for (const expected of [-1, 0.5, Number.NaN, "0" as unknown as number]) {
			await suite.fails(stream.append(bytesOf("a"), { expect: expected }), "STREAMBED_INVALID_OPTION");
		}
	});

	suite.case(
		"an append to a sealed stream is SEALED, also where its condition is wrong as well",
		async ({ stream }) => {
			await stream.append(bytesOf("abc"));
			expect(await stream.seal()).toBe(3);
			await suite.fails(stream.append(bytesOf("d")), "STREAMBED_SEALED");
			await suite.fails(stream.append(bytesOf("d"), { expect: 0 }), "STREAMBED_SEALED");
			await suite.holds(stream, bytesOf("abc"));
		},
	);

	suite.case("a seal lets the appends made before it in and keeps those made after it out", async ({ stream }) => {
		await stream.open();
		const before = Array.from({ length: 10 }, (_, index) => stream.append(pattern(100, index)));
		const sealing = stream.seal();
		const after = suite.fails(stream.append(pattern(100)), "STREAMBED_SEALED");
		expect(await sealing).toBe(1000);
		expect((await Promise.all(before)).at(-1)?.to).toBe(1000);
		await after;
		expect((await stream.info()).shards[0]?.tail).toBe(1000);
	});

	suite.case("two handles to one stream append to the same tail", async ({ store, stream }) => {
		const other = store.scope("suite").stream("stream");
		await stream.append(bytesOf("one "));
		expect(await other.append(bytesOf("two "), { expect: 4 })).toEqual({ from: 4, to: 8, duplicate: false });
		await stream.append(bytesOf("three"), { expect: 8 });
		await suite.holds(other, bytesOf("one two three"));
	});
}

function abortCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("an append whose signal is aborted before stores nothing", async ({ stream }) => {
		const signal = AbortSignal.abort(new Error("enough"));
		const error = await stream.append(bytesOf("a"), { signal }).catch((reason: unknown) => reason);
		suite.isError(error, "STREAMBED_ABORTED");
		expect((error as Error).name).toBe("AbortError");
		expect((error as Error).cause).toBe(signal.reason);
		await suite.holds(stream, new Uint8Array(0));
	});

	suite.case(
		"an append aborted under way says that its outcome is unknown, and is whole or absent",
		async ({ stream }) => {
			await stream.open();
			const controller = new AbortController();
			const action = stream.append(pattern(1000), { signal: controller.signal });
			controller.abort();
			const error = await suite.soon(
				"the aborted append",
				action.catch((reason: unknown) => reason),
			);
			if (error instanceof Error) {
				suite.isError(error, "STREAMBED_ABORTED", { outcome: "unknown" });
				expect(error.message).toContain("unknown");
			}
			await stream.append(bytesOf("next"));
			const all = (await stream.info()).shards[0]?.tail;
			expect([4, 1004]).toContain(all);
		},
	);

	suite.case("an append with a signal that is never aborted is like any other", async ({ stream }) => {
		const { signal } = new AbortController();
		expect(await stream.append(bytesOf("abc"), { signal })).toEqual({ from: 0, to: 3, duplicate: false });
		await stream.seal();
		await suite.fails(stream.append(bytesOf("d"), { signal }), "STREAMBED_SEALED");
	});
}

function pieceCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("appends are read one by one, with offsets and times that never go back", async ({ stream }) => {
		const parts = Array.from({ length: 300 }, (_, index) => pattern((index % 40) + 1, index));
		const results = await Promise.all(parts.map((part) => stream.append(part)));
		const pieces = await Array.fromAsync(stream.appends());
		expect(pieces.length).toBe(parts.length);
		let time = 0;
		for (const [index, piece] of pieces.entries()) {
			expect(piece.offset).toBe(results[index]?.from);
			suite.sameBytes(piece.bytes, parts[index] as Uint8Array);
			expect(piece.time).toBeGreaterThanOrEqual(time);
			time = piece.time;
		}
	});

	suite.case(
		"a long append is read in pieces of at most 64 KiB that keep its time and its borders",
		async ({ stream }) => {
			const long = pattern(150 * KiB);
			await stream.append(bytesOf("ab"));
			await stream.append(long);
			await stream.append(bytesOf("cd"));
			const pieces = await Array.fromAsync(stream.appends());
			const lengths = pieces.map(({ bytes }) => bytes.length);
			expect(lengths).toEqual([2, 64 * KiB, 64 * KiB, 22 * KiB, 2]);
			expect(pieces.map(({ offset }) => offset)).toEqual([0, 2, 2 + 64 * KiB, 2 + 128 * KiB, 2 + 150 * KiB]);
			expect(new Set(pieces.slice(1, 4).map(({ time }) => time)).size).toBe(1);
			suite.sameBytes(concat(pieces.slice(1, 4).map(({ bytes }) => bytes)), long);
		},
	);

	suite.case("appends that lie far apart in files are still one piece each", async ({ stream }) => {
		const parts = Array.from({ length: 60 }, (_, index) => pattern(20_000 + index, index));
		for (const part of parts) await stream.append(part);
		const pieces = await Array.fromAsync(stream.appends());
		expect(pieces.map(({ bytes }) => bytes.length)).toEqual(parts.map(({ length }) => length));
		suite.sameBytes(concat(pieces.map(({ bytes }) => bytes)), concat(parts));
	});

	suite.case("a range of appends begins and ends exactly where it says, also inside an append", async ({ stream }) => {
		for (const part of ["aaaa", "bbbb", "cccc"]) await stream.append(bytesOf(part));
		const pieces = await Array.fromAsync(stream.appends({ from: { offset: 2 }, to: { offset: 9 } }));
		expect(pieces.map(({ offset, bytes }) => [offset, textOf(bytes)])).toEqual([
			[2, "aa"],
			[4, "bbbb"],
			[8, "c"],
		]);
	});

	suite.case("followed appends arrive as they are made and end with the seal", async ({ stream }) => {
		const seen: string[] = [];
		const reading = (async () => {
			for await (const { bytes } of stream.appends({ follow: true })) seen.push(textOf(bytes));
		})();
		for (const part of ["one", "two", "three"]) await stream.append(bytesOf(part));
		await stream.seal();
		await suite.soon("the end of the appends", reading);
		expect(seen).toEqual(["one", "two", "three"]);
	});

	suite.case("a wait for appends ends with its signal", async ({ stream }) => {
		const controller = new AbortController();
		const reading = Array.fromAsync(stream.appends({ follow: true, signal: controller.signal }));
		await suite.waits(stream, reading);
		controller.abort();
		await suite.fails(suite.soon("the aborted wait", reading), "STREAMBED_ABORTED");
	});

	const clock = new ManualClock();
	const stepped = { now: () => clock.now(), monotonic: () => performance.now(), setTimer: timerOf };
	suite.case(
		"a time leads to the first append of that time or later, and after the last to the tail",
		async ({ stream }) => {
			const start = clock.now();
			for (const part of ["aa", "bb", "cc"]) {
				await stream.append(bytesOf(part));
				clock.step(1000);
			}
			const reader = stream.reader();
			const places = [start - 5, start, start + 1, start + 1000, start + 1999, start + 2000, start + 2001];
			const found: number[] = [];
			for (const time of places) found.push(await reader.seek({ time }));
			expect(found).toEqual([0, 0, 2, 2, 4, 4, 6]);
		},
		{ clock: stepped },
	);

	suite.case(
		"a clock that goes back does not take the times of appends back",
		async ({ stream }) => {
			await stream.append(bytesOf("aa"));
			clock.step(-60_000);
			await stream.append(bytesOf("bb"));
			const pieces = await Array.fromAsync(stream.appends());
			expect(pieces.map(({ bytes }) => textOf(bytes)).join()).toBe("aa,bb");
			expect(pieces[1]?.time).toBe(pieces[0]?.time);
		},
		{ clock: stepped },
	);
}

function timerOf(ms: number, fn: () => void): { cancel(): void } {
	const timer = setTimeout(fn, ms);
	timer.unref();
	return { cancel: () => clearTimeout(timer) };
}
