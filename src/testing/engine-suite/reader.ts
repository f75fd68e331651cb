/** Cases: the byte reader. */
import type { ByteReader } from "../../stream/bytes/byte-reader.ts";
import { bytesOf, concat, pattern, readAll, type Suite, textOf } from "./context.ts";

const KiB = 1024;

/** The bytes of the next read, as text. */
async function next(reader: ByteReader, max?: number): Promise<string> {
	const result = await reader.read(max);
	return result.kind === "data" ? textOf(result.bytes) : `(${result.kind})`;
}

/** Registers the cases. */
export function readerCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("a following reader of an empty stream waits and gets the first 5 bytes", async ({ stream }) => {
		await using reader = stream.reader({ follow: true });
		const reading = reader.read();
		await suite.waits(stream, reading);
		await stream.append(bytesOf("12345"));
		expect(await suite.soon("the read", reading)).toEqual({ kind: "data", offset: 0, bytes: bytesOf("12345") });
	});

	suite.case(
		"a reader that does not follow says nothing at the tail, and gets what comes later",
		async ({ stream }) => {
			const reader = stream.reader();
			expect(await reader.read()).toEqual({ kind: "nothing" });
			await stream.append(bytesOf("a"));
			expect(await next(reader)).toBe("a");
			expect(await reader.read()).toEqual({ kind: "nothing" });
		},
	);

	suite.case("with 100 bytes there, a read into a buffer of 200 returns 100 at once", async ({ stream }) => {
		await stream.append(pattern(100));
		const reader = stream.reader({ follow: true });
		const buffer = new Uint8Array(200).fill(0xee);
		const result = await suite.soon("the read", reader.readInto(buffer));
		if (result.kind !== "data") throw new Error(result.kind);
		expect(result.bytes.buffer === buffer.buffer && result.bytes.byteOffset === buffer.byteOffset).toBe(true);
		suite.sameBytes(result.bytes, pattern(100));
		expect(buffer[100]).toBe(0xee);
	});

	suite.case("available is what is in memory: 0 at first, then the rest of what was fetched", async ({ stream }) => {
		const reader = stream.reader();
		expect(reader.available).toBe(0);
		await stream.append(pattern(10));
		await reader.read(4);
		expect(reader.available).toBe(6);
		await reader.read(6);
		expect(reader.available).toBe(0);
	});

	suite.case(
		"5 bytes before the end of a sealed stream are read, then the end, again and again",
		async ({ stream }) => {
			await stream.append(bytesOf("12345"));
			await stream.seal();
			const reader = stream.reader({ follow: true });
			expect(await next(reader)).toBe("12345");
			for (let round = 0; round < 3; round++) expect(await reader.read()).toEqual({ kind: "end" });
			expect(await reader.readInto(new Uint8Array(1))).toEqual({ kind: "end" });
			expect(reader.available).toBe(-1);
			expect(reader.offset).toBe(5);
		},
	);

	suite.case("a read that waits returns the end when the stream is sealed", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const reader = stream.reader({ from: "tail", follow: true });
		const reading = reader.read();
		await suite.waits(stream, reading);
		await stream.seal();
		expect(await suite.soon("the read", reading)).toEqual({ kind: "end" });
	});

	suite.case("a read returns at least one byte and at most as many as asked", async ({ stream }) => {
		await stream.append(bytesOf("abcdef"));
		const reader = stream.reader();
		expect([await next(reader, 1), await next(reader, 2), await next(reader, 100)]).toEqual(["a", "bc", "def"]);
		for (const max of [0, -1, 1.5, Number.NaN]) await suite.fails(reader.read(max), "STREAMBED_INVALID_OPTION");
		await suite.fails(reader.readInto(new Uint8Array(0)), "STREAMBED_INVALID_OPTION");
	});

	suite.case("small appends are gathered into one read", async ({ stream }) => {
		const parts = Array.from({ length: 100 }, (_, index) => pattern(50, index));
		for (const part of parts) await stream.append(part);
		const result = await stream.reader().read();
		if (result.kind !== "data") throw new Error(result.kind);
		suite.sameBytes(result.bytes, concat(parts));
	});

	suite.case("a number read over the borders of appends is put together correctly", async ({ stream }) => {
		for (const byte of [0x12, 0x34, 0x56, 0x78]) await stream.append(Uint8Array.of(byte));
		const reader = stream.reader();
		const buffer = new Uint8Array(4);
		for (let filled = 0; filled < 4; ) {
			const result = await reader.readInto(buffer.subarray(filled));
			if (result.kind !== "data") throw new Error(result.kind);
			filled += result.bytes.length;
		}
		expect(new DataView(buffer.buffer).getUint32(0)).toBe(0x12345678);
	});

	suite.case("megabytes are read back equal, in reads of any size", async ({ stream }) => {
		const wanted = pattern(3_000_000);
		for (let at = 0; at < wanted.length; at += 100_000) await stream.append(wanted.subarray(at, at + 100_000));
		for (const max of [1000 * KiB, 64 * KiB, 12_345]) {
			const reader = stream.reader();
			const found: Uint8Array[] = [];
			for (let result = await reader.read(max); result.kind === "data"; result = await reader.read(max)) {
				expect(result.bytes.length).toBeLessThanOrEqual(max);
				found.push(result.bytes);
			}
			suite.sameBytes(concat(found), wanted);
		}
	});

	suite.case("many readers at several offsets do not disturb one another or the writer", async ({ stream }) => {
		const wanted = pattern(100_000);
		const readers = Array.from({ length: 10 }, (_, index) => index * 10);
		const reading = readers.map((from) =>
			readAll(stream, { from: { offset: 0 }, to: { offset: wanted.length }, follow: true }).then((all) =>
				all.subarray(from),
			),
		);
		for (let at = 0; at < wanted.length; at += 1000) await stream.append(wanted.subarray(at, at + 1000));
		const found = await suite.soon("the readers", Promise.all(reading));
		for (const [index, from] of readers.entries()) suite.sameBytes(found[index] as Uint8Array, wanted.subarray(from));
	});

	suite.case("two reads at once get bytes one after the other, each byte once", async ({ stream }) => {
		const wanted = pattern(1000);
		await stream.append(wanted);
		const reader = stream.reader();
		const results = await Promise.all([reader.read(100), reader.read(300), reader.read(600)]);
		const found = results.map((result) => (result.kind === "data" ? result.bytes : new Uint8Array(0)));
		suite.sameBytes(concat(found), wanted);
	});

	suite.case("a reader is caught up at the tail that it has seen", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const reader = await stream.reader().open();
		expect(reader.caughtUp).toBe(false);
		await reader.read();
		await reader.read();
		expect(reader.caughtUp).toBe(true);
	});

	seekCases(suite);
	rangeCases(suite);
	iterationCases(suite);
	endingCases(suite);
}

function seekCases(suite: Suite): void {
	const { expect } = suite;
	const text = bytesOf("abcdefghij");

	suite.case("skip goes forward, not past the tail, and tells how far", async ({ stream }) => {
		await stream.append(text);
		const reader = await stream.reader().open();
		expect(await reader.skip(8)).toBe(8);
		expect(await reader.skip(10)).toBe(2);
		expect(reader.offset).toBe(10);
		expect(await reader.skip(1)).toBe(0);
		expect(await reader.skip(0)).toBe(0);
	});

	suite.case("skip does not go back", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader({ from: { offset: 5 } });
		await suite.fails(reader.skip(-1), "STREAMBED_INVALID_OPTION");
		expect(reader.offset).toBe(5);
		expect(await next(reader)).toBe("fghij");
	});

	suite.case("skip inside and beyond what is in memory reads on at the right byte", async ({ stream }) => {
		const wanted = pattern(500_000);
		for (let at = 0; at < wanted.length; at += 50_000) await stream.append(wanted.subarray(at, at + 50_000));
		const reader = stream.reader();
		await reader.read(10);
		for (const distance of [5, 100, 60_000, 300_000]) {
			expect(await reader.skip(distance)).toBe(distance);
			const { offset } = reader;
			const result = await reader.read(20);
			if (result.kind !== "data") throw new Error(result.kind);
			expect(result.offset).toBe(offset);
			suite.sameBytes(result.bytes, wanted.subarray(offset, offset + result.bytes.length));
		}
	});

	suite.case("every kind of location leads to the right byte", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader();
		const places = ["head", { offset: 3 }, { last: 2 }, { last: 0 }, { last: 99 }, "tail", { offset: 10 }] as const;
		const found: unknown[] = [];
		for (const place of places) found.push([await reader.seek(place), await next(reader, 1)]);
		expect(found).toEqual([
			[0, "a"],
			[3, "d"],
			[8, "i"],
			[10, "(nothing)"],
			[0, "a"],
			[10, "(nothing)"],
			[10, "(nothing)"],
		]);
	});

	suite.case("a seek to a negative offset is refused and the offset stays", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader();
		await reader.read(4);
		for (const offset of [-1, 0.5, Number.NaN, 2 ** 60]) {
			await suite.fails(reader.seek({ offset }), "STREAMBED_INVALID_OPTION");
		}
		await suite.fails(reader.seek({ sequence: 1 }), "STREAMBED_WRONG_KIND");
		await suite.fails(reader.seek({ ofset: 1 } as never), "STREAMBED_INVALID_OPTION");
		expect(reader.offset).toBe(4);
		expect(await next(reader)).toBe("efghij");
	});

	suite.case(
		"a seek beyond the tail is OUT_OF_RANGE with the tail, below the head TRUNCATED with the head",
		async ({ stream }) => {
			await stream.append(text);
			await stream.truncateBefore(2);
			const reader = stream.reader({ from: { offset: 4 } });
			await suite.fails(reader.seek({ offset: 20 }), "STREAMBED_OUT_OF_RANGE", { tail: 10 });
			await suite.fails(reader.seek({ offset: 1 }), "STREAMBED_TRUNCATED", { head: 2 });
			expect(reader.offset).toBe(4);
			expect(await next(reader)).toBe("efghij");
		},
	);

	suite.case("a seek beyond the end of a sealed stream is OUT_OF_RANGE and does not hang", async ({ stream }) => {
		await stream.append(text);
		await stream.seal();
		const reader = stream.reader({ follow: true });
		await suite.fails(reader.seek({ offset: 11 }), "STREAMBED_OUT_OF_RANGE", { tail: 10 });
		expect(await reader.seek({ offset: 10 })).toBe(10);
		expect(await suite.soon("the end", reader.read())).toEqual({ kind: "end" });
	});

	suite.case("a seek to the present offset keeps what is in memory", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader();
		await reader.read(4);
		expect(await reader.seek({ offset: 4 })).toBe(4);
		expect(reader.available).toBe(6);
		expect(await next(reader)).toBe("efghij");
	});

	suite.case("a seek elsewhere drops the answer that is under way", async ({ stream }) => {
		const wanted = pattern(2_000_000);
		for (let at = 0; at < wanted.length; at += 100_000) await stream.append(wanted.subarray(at, at + 100_000));
		const reader = await stream.reader().open();
		for (const offset of [1_500_000, 3, 700_001, 699_999]) {
			const early = reader.read(1000);
			expect(await reader.seek({ offset })).toBe(offset);
			const first = await early;
			const second = await reader.read(1000);
			for (const result of [first, second]) {
				if (result.kind !== "data") throw new Error(result.kind);
				suite.sameBytes(result.bytes, wanted.subarray(result.offset, result.offset + result.bytes.length));
			}
		}
	});

	suite.case("a seek moves a read that waits at the tail", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader({ from: "tail", follow: true });
		const reading = reader.read();
		await suite.waits(stream, reading);
		await reader.seek({ offset: 7 });
		const result = await suite.soon("the read", reading);
		expect(result).toEqual({ kind: "data", offset: 7, bytes: bytesOf("hij") });
	});
}

function rangeCases(suite: Suite): void {
	const { expect } = suite;
	const text = bytesOf("abcdefghij");

	suite.case("a reader with an end stops exactly there, again and again", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader({ from: { offset: 2 }, to: { offset: 7 }, follow: true });
		expect(await next(reader, 3)).toBe("cde");
		expect(await next(reader)).toBe("fg");
		expect(await reader.read()).toEqual({ kind: "end" });
		expect(await reader.read()).toEqual({ kind: "end" });
		expect(reader.available).toBe(-1);
	});

	suite.case("an end beyond the tail is waited for, and kept exactly", async ({ stream }) => {
		await stream.append(text);
		const reading = readAll(stream, { to: { offset: 13 }, follow: true });
		await suite.waits(stream, reading);
		await stream.append(bytesOf("klmnop"));
		expect(textOf(await suite.soon("the read", reading))).toBe("abcdefghijklm");
	});

	suite.case("an end before the beginning is refused, where it begins is the end at once", async ({ stream }) => {
		await stream.append(text);
		suite.throws(() => stream.reader({ from: { offset: 5 }, to: { offset: 4 } }), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.reader({ from: { time: 5 }, to: { time: 4 } }), "STREAMBED_INVALID_OPTION");
		for (const range of [
			{ from: { last: 2 }, to: { offset: 4 } },
			{ from: "tail", to: { last: 1 } },
		] as const) {
			await suite.fails(stream.reader(range).read(), "STREAMBED_INVALID_OPTION");
		}
		expect(await stream.reader({ from: { offset: 5 }, to: { offset: 5 } }).read()).toEqual({ kind: "end" });
	});

	suite.case("from the head to an end that was dropped is nothing", async ({ stream }) => {
		await stream.append(text);
		await stream.truncateBefore(6);
		for (const follow of [false, true]) {
			expect(await stream.reader({ to: { offset: 4 }, follow }).read()).toEqual({ kind: "end" });
			expect(textOf(await readAll(stream, { to: { offset: 4 }, follow }))).toBe("");
		}
		expect(textOf(await readAll(stream, { to: { offset: 7 } }))).toBe("g");
	});

	suite.case("a reader made at the tail gets what is appended right after", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader({ from: "tail", follow: true });
		await stream.append(bytesOf("klm"));
		expect(await next(reader)).toBe("klm");
	});

	suite.case("ends given as locations are those at the time the reader was made", async ({ stream }) => {
		await stream.append(text);
		const reader = await stream.reader({ from: { last: 4 }, to: "tail", follow: true }).open();
		await stream.append(bytesOf("klm"));
		expect(textOf(concat(await Array.fromAsync(reader, (chunk) => new Uint8Array(chunk))))).toBe("ghij");
	});

	suite.case("a reader made beyond the tail is OUT_OF_RANGE with the tail", async ({ stream }) => {
		await stream.append(text);
		await suite.fails(stream.reader({ from: { offset: 11 } }).read(), "STREAMBED_OUT_OF_RANGE", { tail: 10 });
	});

	suite.case("options of a reader are checked, a wrong name with the one that was meant", async ({ stream }) => {
		suite.throws(() => stream.reader({ form: "head" } as object), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.reader({ follow: 1 as unknown as boolean }), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.reader({ from: 7 as unknown as "head" }), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.reader({ from: { sequence: 7 } }), "STREAMBED_WRONG_KIND");
		suite.throws(() => stream.reader({ signal: {} as AbortSignal }), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.appends({ form: "head" } as object), "STREAMBED_INVALID_OPTION");
	});
}

function iterationCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("iteration without follow ends at the tail seen when it began", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const found: string[] = [];
		for await (const chunk of stream.reader()) {
			found.push(textOf(chunk));
			if (found.length < 5) await stream.append(bytesOf("late"));
		}
		expect(found).toEqual(["abc"]);
	});

	suite.case("iteration that follows ends when the stream is sealed", async ({ stream }) => {
		const reading = readAll(stream, { follow: true });
		for (const part of ["one ", "two ", "three"]) await stream.append(bytesOf(part));
		await stream.seal();
		expect(textOf(await suite.soon("the end", reading))).toBe("one two three");
	});

	suite.case("leaving the loop closes the reader", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const reader = stream.reader({ follow: true });
		for await (const chunk of reader) {
			expect(textOf(chunk)).toBe("abc");
			break;
		}
		await suite.fails(reader.read(), "STREAMBED_CLOSED");
	});

	suite.case("bytes that a reader was given stay what they were while the stream goes on", async ({ stream }) => {
		const wanted = pattern(200_000);
		await stream.append(wanted);
		const result = await stream.reader().read(200_000);
		if (result.kind !== "data") throw new Error(result.kind);
		for (let round = 0; round < 20; round++) await stream.append(pattern(100_000, round));
		await stream.truncateBefore("tail");
		suite.sameBytes(result.bytes, wanted.subarray(0, result.bytes.length));
	});
}

function endingCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("every method of a closed reader is CLOSED, closing again is harmless", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const reader = stream.reader();
		await reader.read(1);
		await reader.close();
		await reader.close();
		await suite.fails(reader.read(), "STREAMBED_CLOSED");
		await suite.fails(reader.readInto(new Uint8Array(1)), "STREAMBED_CLOSED");
		await suite.fails(reader.seek({ offset: 1 }), "STREAMBED_CLOSED");
		await suite.fails(reader.seek("head"), "STREAMBED_CLOSED");
		await suite.fails(reader.skip(1), "STREAMBED_CLOSED");
		await suite.fails(reader.head(), "STREAMBED_CLOSED");
		await suite.fails(reader.tail(), "STREAMBED_CLOSED");
		await suite.fails(reader.open(), "STREAMBED_CLOSED");
	});

	suite.case("closing a reader ends a read that waits, with CLOSED", async ({ stream }) => {
		const reader = stream.reader({ follow: true });
		const reading = reader.read();
		await suite.waits(stream, reading);
		const failing = suite.fails(suite.soon("the read", reading), "STREAMBED_CLOSED");
		await reader.close();
		await failing;
	});

	suite.case("a signal ends a read that waits, with ABORTED and its reason", async ({ stream }) => {
		const controller = new AbortController();
		const reader = stream.reader({ follow: true, signal: controller.signal });
		const reading = reader.read();
		await suite.waits(stream, reading);
		const reason = new Error("enough");
		const failing = reading.catch((error: unknown) => error);
		controller.abort(reason);
		const error = await suite.soon("the read", failing);
		suite.isError(error, "STREAMBED_ABORTED");
		expect((error as Error).cause).toBe(reason);
	});

	suite.case("closing the store ends a read that waits, with CLOSED", async ({ store, stream }) => {
		const reading = stream.reader({ follow: true }).read();
		await suite.waits(stream, reading);
		const failing = suite.fails(suite.soon("the read", reading), "STREAMBED_CLOSED");
		await store.close();
		await failing;
	});

	suite.case(
		"deleting the stream ends a read that waits, with NOT_FOUND and not TRUNCATED",
		async ({ store, stream }) => {
			const reader = stream.reader({ follow: true });
			const reading = reader.read();
			await suite.waits(stream, reading);
			const failing = suite.fails(suite.soon("the read", reading), "STREAMBED_NOT_FOUND");
			await store.scope("suite").delete("stream");
			await failing;
			await suite.fails(reader.read(), "STREAMBED_NOT_FOUND");
		},
	);

	suite.case(
		"a reader of a stream that does not exist is NOT_FOUND, and works once it does",
		async ({ store, create }) => {
			const reader = store.scope("suite").stream("later").reader();
			await suite.fails(reader.read(), "STREAMBED_NOT_FOUND");
			await (await create("later")).append(bytesOf("abc"));
			expect(await next(reader)).toBe("abc");
		},
	);

	suite.case("a hundred followers of one stream all get everything", async ({ stream }) => {
		const readers = Array.from({ length: 100 }, () => readAll(stream, { follow: true }));
		const wanted = pattern(20_000);
		for (let at = 0; at < wanted.length; at += 1000) await stream.append(wanted.subarray(at, at + 1000));
		await stream.seal();
		for (const found of await suite.soon("the followers", Promise.all(readers))) suite.sameBytes(found, wanted);
	});
}
