/** Cases: byte streams as Node streams. */
import { once } from "node:events";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { bytesOf, concat, pattern, type Suite, textOf } from "./context.ts";

/** Registers the cases. */
export function nodeStreamCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("a pipeline into a stream and one out of it carry the same bytes", async ({ stream }) => {
		const parts = Array.from({ length: 50 }, (_, index) => pattern(20_000, index));
		await pipeline(Readable.from(parts), stream.toWritable());
		expect((await stream.info()).shards[0]?.tail).toBe(1_000_000);
		const found: Uint8Array[] = [];
		await pipeline(stream.toReadable(), async (source: AsyncIterable<Uint8Array>) => {
			for await (const chunk of source) found.push(chunk);
		});
		suite.sameBytes(concat(found), concat(parts));
	});

	suite.case("a writable takes texts as UTF-8, and finish means durable", async ({ stream }) => {
		const writable = stream.toWritable();
		writable.write("grüße ");
		writable.end(bytesOf("world"));
		await suite.soon("finish", once(writable, "finish"));
		await suite.holds(stream, bytesOf("grüße world"));
	});

	suite.case("a small bound in flight holds back whoever writes, and everything arrives", async ({ stream }) => {
		const parts = Array.from({ length: 200 }, (_, index) => pattern(1000, index));
		await suite.soon("the pipeline", pipeline(Readable.from(parts), stream.toWritable({ maxInFlightBytes: 2000 })));
		await suite.holds(stream, concat(parts));
	});

	suite.case("a writable to a sealed stream ends a pipeline with SEALED", async ({ stream }) => {
		await stream.seal();
		const action = pipeline(Readable.from([bytesOf("a")]), stream.toWritable());
		await suite.fails(suite.soon("the pipeline", action), "STREAMBED_SEALED");
	});

	suite.case(
		"a destroyed writable is closed without waiting, and what it was given is stored or not",
		async ({ stream }) => {
			const writable: Writable = stream.toWritable();
			writable.write(pattern(100));
			writable.destroy();
			await suite.soon("close", once(writable, "close"));
			await stream.append(bytesOf("x"));
			expect([1, 101]).toContain((await stream.info()).shards[0]?.tail);
		},
	);

	suite.case("a readable without follow ends at the tail seen when it was made", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		const readable = stream.toReadable();
		await stream.info();
		const found: string[] = [];
		for await (const chunk of readable) {
			found.push(textOf(chunk as Uint8Array));
			await stream.append(bytesOf("late"));
		}
		expect(found).toEqual(["abc"]);
	});

	suite.case("a readable keeps to its range", async ({ stream }) => {
		await stream.append(bytesOf("abcdefghij"));
		const readable = stream.toReadable({ from: { offset: 2 }, to: { offset: 6 }, highWaterMark: 3 });
		const found = await Array.fromAsync(readable as AsyncIterable<Uint8Array>);
		expect(textOf(concat(found))).toBe("cdef");
	});

	suite.case("a following readable waits, and ends when the stream is sealed", async ({ stream }) => {
		const reading = Array.fromAsync(stream.toReadable({ follow: true }) as AsyncIterable<Uint8Array>);
		await suite.waits(stream, reading);
		await stream.append(bytesOf("abc"));
		await stream.seal();
		expect(textOf(concat(await suite.soon("the end", reading)))).toBe("abc");
	});

	suite.case("destroying a readable that waits closes it at once", async ({ stream }) => {
		const readable = stream.toReadable({ follow: true });
		readable.resume();
		await stream.info();
		readable.destroy();
		await suite.soon("close", once(readable, "close"));
		expect(readable.errored).toBe(null);
	});

	suite.case("a signal destroys a readable with ABORTED", async ({ stream }) => {
		const controller = new AbortController();
		const readable = stream.toReadable({ follow: true, signal: controller.signal });
		const reading = Array.fromAsync(readable);
		await suite.waits(stream, reading);
		controller.abort();
		await suite.fails(suite.soon("the end", reading), "STREAMBED_ABORTED");
	});

	suite.case("a readable that truncation overtook fails with TRUNCATED", async ({ stream }) => {
		await stream.append(pattern(100));
		await stream.truncateBefore(50);
		const action = Array.fromAsync(stream.toReadable({ from: { offset: 10 } }));
		await suite.fails(suite.soon("the end", action), "STREAMBED_TRUNCATED", { head: 50 });
	});

	suite.case("options of Node streams are checked", async ({ stream }) => {
		suite.throws(() => stream.toReadable({ form: "head" } as object), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.toReadable({ highWaterMark: -1 }), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.toWritable({ highWaterMark: 1 } as object), "STREAMBED_INVALID_OPTION");
	});
}
