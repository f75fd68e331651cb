/** Cases: truncating and sealing. */
import { bounds, bytesOf, pattern, readAll, type Suite } from "./context.ts";

/** Registers the cases. */
export function truncationCases(suite: Suite): void {
	const { expect } = suite;
	const text = bytesOf("abcdefghijklmnopqrstu");

	suite.case("21 bytes truncated before 5 have head 5 and tail 21", async ({ stream }) => {
		await stream.append(text);
		expect(await stream.truncateBefore(5)).toBe(5);
		expect(await bounds(stream)).toEqual([5, 21]);
		expect((await stream.info()).shards[0]?.bytes).toBe(16);
		await suite.holds(stream, text.subarray(5));
	});

	suite.case(
		"a reader that truncation overtakes gets TRUNCATED with the head at every read, until it seeks",
		async ({ stream }) => {
			await stream.append(text);
			const reader = stream.reader({ from: { offset: 3 } });
			await reader.open();
			await stream.truncateBefore(4);
			await suite.fails(reader.read(), "STREAMBED_TRUNCATED", { head: 4 });
			await suite.fails(reader.read(), "STREAMBED_TRUNCATED", { head: 4 });
			await suite.fails(reader.readInto(new Uint8Array(10)), "STREAMBED_TRUNCATED", { head: 4 });
			expect(await reader.seek("head")).toBe(4);
			suite.sameBytes(await readAll(stream), text.subarray(4));
			const result = await reader.read();
			expect(result.kind === "data" && result.offset).toBe(4);
		},
	);

	suite.case("a new reader begins at the head", async ({ stream }) => {
		await stream.append(text);
		await stream.truncateBefore(5);
		const reader = await stream.reader().open();
		expect(reader.offset).toBe(5);
		expect(await reader.head()).toBe(5);
		expect(await reader.tail()).toBe(21);
	});

	suite.case("a reader made below the head is TRUNCATED at every read and can seek out of it", async ({ stream }) => {
		await stream.append(text);
		await stream.truncateBefore(5);
		const reader = stream.reader({ from: { offset: 3 } });
		await suite.fails(reader.read(), "STREAMBED_TRUNCATED", { head: 5 });
		await suite.fails(reader.read(), "STREAMBED_TRUNCATED", { head: 5 });
		expect(await reader.seek({ offset: 20 })).toBe(20);
		expect(await reader.read()).toEqual({ kind: "data", offset: 20, bytes: text.slice(20) });
	});

	suite.case("truncating below the head or at it changes nothing", async ({ stream }) => {
		await stream.append(text);
		await stream.truncateBefore(5);
		expect(await stream.truncateBefore(3)).toBe(5);
		expect(await stream.truncateBefore(5)).toBe(5);
		expect(await stream.truncateBefore(0)).toBe(5);
		expect(await bounds(stream)).toEqual([5, 21]);
	});

	suite.case("truncating beyond the tail is OUT_OF_RANGE with the tail, and the head stays", async ({ stream }) => {
		await stream.append(text);
		await suite.fails(stream.truncateBefore(22), "STREAMBED_OUT_OF_RANGE", { tail: 21 });
		expect(await bounds(stream)).toEqual([0, 21]);
	});

	suite.case("truncated at the tail, the stream is empty and goes on at the old tail", async ({ stream }) => {
		await stream.append(text);
		expect(await stream.truncateBefore("tail")).toBe(21);
		expect(await bounds(stream)).toEqual([21, 21]);
		expect(await stream.append(bytesOf("wxyz"))).toEqual({ from: 21, to: 25, duplicate: false });
		expect(await bounds(stream)).toEqual([21, 25]);
		await suite.holds(stream, bytesOf("wxyz"));
	});

	suite.case("truncation takes every kind of location", async ({ stream }) => {
		await stream.append(text);
		expect(await stream.truncateBefore("head")).toBe(0);
		expect(await stream.truncateBefore({ offset: 2 })).toBe(2);
		expect(await stream.truncateBefore({ last: 10 })).toBe(11);
		expect(await stream.truncateBefore({ last: 100 })).toBe(11);
		expect(await stream.truncateBefore({ time: Date.now() + 3_600_000 })).toBe(21);
	});

	suite.case("a location that is none is refused and the head stays", async ({ stream }) => {
		await stream.append(text);
		await suite.fails(stream.truncateBefore(-1), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.truncateBefore(1.5), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.truncateBefore("middle" as "head"), "STREAMBED_INVALID_OPTION");
		await suite.fails(stream.truncateBefore({ sequence: 3 }), "STREAMBED_WRONG_KIND");
		expect(await bounds(stream)).toEqual([0, 21]);
	});

	suite.case("a sealed stream can be truncated; its end stays where it is", async ({ stream }) => {
		await stream.append(text);
		await stream.seal();
		expect(await stream.truncateBefore(10)).toBe(10);
		const reader = stream.reader({ follow: true });
		const result = await reader.read();
		expect(result).toEqual({ kind: "data", offset: 10, bytes: text.slice(10) });
		expect(await reader.read()).toEqual({ kind: "end" });
	});

	suite.case("a reader that waits at the tail is not disturbed by a truncation there", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader({ from: "tail", follow: true });
		const reading = reader.read();
		await suite.waits(stream, reading);
		await stream.truncateBefore("tail");
		await suite.waits(stream, reading);
		await stream.append(bytesOf("next"));
		expect(await suite.soon("the read", reading)).toEqual({ kind: "data", offset: 21, bytes: bytesOf("next") });
	});

	suite.case("bytes read into memory before a truncation are delivered or refused, never wrong", async ({ stream }) => {
		await stream.append(text);
		const reader = stream.reader();
		await reader.read(2);
		await stream.truncateBefore(10);
		const found = await reader.read().then(
			(result) => (result.kind === "data" ? result.bytes : undefined),
			(error: unknown) => suite.isError(error, "STREAMBED_TRUNCATED", { head: 10 }),
		);
		if (found !== undefined) suite.sameBytes(found as Uint8Array, text.slice(2, 2 + (found as Uint8Array).length));
	});

	suite.case("a stream truncated again and again keeps its offsets", async ({ stream }) => {
		const all = pattern(30_000);
		for (let at = 0; at < all.length; at += 1000) {
			await stream.append(all.subarray(at, at + 1000));
			if (at % 3000 === 0) await stream.truncateBefore(Math.floor(at * 0.7));
		}
		const head = Math.floor(27_000 * 0.7);
		expect(await bounds(stream)).toEqual([head, 30_000]);
		await suite.holds(stream, all.subarray(head));
	});

	sealCases(suite);
}

function sealCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("sealing tells the tail, again and again", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		expect(await stream.seal()).toBe(3);
		expect(await stream.seal()).toBe(3);
		expect((await stream.info()).sealed).toBe(true);
	});

	suite.case("an empty stream can be sealed, and is at its end at once", async ({ stream }) => {
		expect(await stream.seal()).toBe(0);
		expect(await stream.reader({ follow: true }).read()).toEqual({ kind: "end" });
		await suite.fails(stream.append(bytesOf("a")), "STREAMBED_SEALED");
	});

	suite.case("a seal waits for the appends that were accepted before it", async ({ stream }) => {
		await stream.open();
		const appends = Array.from({ length: 50 }, (_, index) => stream.append(pattern(100, index)));
		expect(await stream.seal()).toBe(5000);
		await Promise.all(appends);
	});

	suite.case("a sealed stream can be emptied and deleted", async ({ stream, store }) => {
		await stream.append(bytesOf("abc"));
		await stream.seal();
		expect(await stream.truncateBefore("tail")).toBe(3);
		const reader = await stream.reader().open();
		expect(reader.offset).toBe(3);
		expect(await reader.read()).toEqual({ kind: "end" });
		await store.scope("suite").delete("stream");
		await suite.fails(stream.info(), "STREAMBED_NOT_FOUND");
	});
}
