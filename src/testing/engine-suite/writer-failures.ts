/** Cases: what a byte writer does when writes fail, and writers that expect the tail where they left it. */
import { bounds, bytesOf, concat, pattern, type Suite } from "./context.ts";

const KiB = 1024;

/** Registers the cases. */
export function writerFailureCases(suite: Suite): void {
	failureCases(suite);
	conditionalCases(suite);
}

function failureCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("a write to a sealed stream is SEALED at the latest at flush, and the tail stays", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		await stream.seal();
		const writer = stream.writer();
		void writer.write(bytesOf("d"));
		await suite.fails(writer.flush(), "STREAMBED_SEALED");
		await writer.close();
		expect(await bounds(stream)).toEqual([0, 3]);
	});

	suite.case(
		"a seal between the writes of another writer ends it with SEALED; what was acknowledged is there",
		async ({ stream, store }) => {
			const writer = stream.writer({ maxInFlightBytes: 1000 });
			const tickets = Array.from({ length: 100 }, (_, index) => writer.write(pattern(100, index)));
			const results = Promise.allSettled(tickets.map(({ durable }) => durable));
			const tail = await store.scope("suite").stream("stream").seal();
			const late = writer.write(pattern(1));
			await suite.fails(late.durable, "STREAMBED_SEALED");
			const stored = (await results).filter(({ status }) => status === "fulfilled").length;
			expect(tail).toBe(stored * 100);
			await suite.holds(stream, concat(Array.from({ length: stored }, (_, index) => pattern(100, index))));
			await writer.close();
		},
	);

	suite.case("a failure that nobody watched refuses later writes and is told by flush, once", async ({ stream }) => {
		await stream.seal();
		const writer = stream.writer();
		void writer.write(bytesOf("lost"));
		await suite.fails(writer.flush(), "STREAMBED_SEALED");
		await writer.flush();
		void writer.write(bytesOf("lost too"));
		await suite.waits(stream, new Promise(() => {}));
		await suite.fails(writer.write(bytesOf("refused")), "STREAMBED_SEALED");
		await suite.fails(writer.close(), "STREAMBED_SEALED");
		await writer.close();
	});

	suite.case("a failure that somebody watched is not told again", async ({ stream }) => {
		await stream.seal();
		const writer = stream.writer();
		await suite.fails(writer.write(bytesOf("a")).durable, "STREAMBED_SEALED");
		await writer.flush();
		await writer.close();
	});

	suite.case(
		"a promise of a failed write that was taken but never listened to counts as unwatched",
		async ({ stream }) => {
			await stream.seal();
			const writer = stream.writer();
			const { durable } = writer.write(bytesOf("a"));
			await suite.fails(writer.close(), "STREAMBED_SEALED");
			await suite.fails(durable, "STREAMBED_SEALED");
		},
	);

	suite.case("what is not bytes is refused by its ticket and stores nothing", async ({ stream }) => {
		await using writer = stream.writer();
		await suite.fails(writer.write("text" as unknown as Uint8Array), "STREAMBED_INVALID_OPTION");
		await writer.write(bytesOf("a"));
		await writer.flush();
		await suite.holds(stream, bytesOf("a"));
	});

	suite.case("writing to a stream that does not exist is NOT_FOUND", async ({ store }) => {
		const writer = store.scope("suite").stream("missing").writer();
		await suite.fails(writer.write(bytesOf("a")).durable, "STREAMBED_NOT_FOUND");
		await writer.close();
	});

	suite.case("a writer whose stream is deleted fails with NOT_FOUND", async ({ store, stream }) => {
		const writer = stream.writer();
		await writer.write(bytesOf("a"));
		await writer.flush();
		await store.scope("suite").delete("stream");
		void writer.write(bytesOf("b"));
		await suite.fails(writer.close(), "STREAMBED_NOT_FOUND");
	});

	suite.case("closing the store flushes its writers", async ({ store, stream }) => {
		const writer = stream.writer({ maxInFlightBytes: 100 });
		const tickets = Array.from({ length: 50 }, (_, index) => writer.write(pattern(50, index)));
		await store.close();
		const results = await Promise.all(tickets.map(({ durable }) => durable));
		expect(results.at(-1)).toEqual({ from: 2450, to: 2500, duplicate: false });
		await suite.fails(writer.write(bytesOf("late")), "STREAMBED_CLOSED");
	});
}

function conditionalCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("a conditional writer keeps many writes in flight and stores them in order", async ({ stream }) => {
		const parts = Array.from({ length: 500 }, (_, index) => pattern((index % 30) + 1, index));
		await using writer = stream.writer({ conditional: true });
		for (const part of parts) await writer.write(part);
		await writer.flush();
		await suite.holds(stream, concat(parts));
	});

	suite.case(
		"of two conditional writers the second is refused with a mismatch, and nothing of it is stored",
		async ({ stream }) => {
			const one = stream.writer({ conditional: true });
			const two = stream.writer({ conditional: true });
			await two.write(pattern(KiB, 2));
			await two.flush();
			const ticket = one.write(pattern(KiB, 1));
			await suite.fails(ticket.durable, "STREAMBED_POSITION_MISMATCH", { expected: 0, tail: KiB });
			await suite.holds(stream, pattern(KiB, 2));
			await one.close();
			await two.close();
		},
	);

	suite.case(
		"after a mismatch a conditional writer refuses everything until it has sought the tail",
		async ({ stream }) => {
			const one = stream.writer({ conditional: true });
			const two = stream.writer({ conditional: true });
			await two.write(pattern(KiB, 2));
			await two.flush();
			await suite.fails(one.write(pattern(KiB, 1)).durable, "STREAMBED_POSITION_MISMATCH");
			await suite.fails(one.write(pattern(KiB, 1)), "STREAMBED_POSITION_MISMATCH");
			expect(await one.seekToTail()).toBe(KiB);
			const { durable } = await one.write(pattern(2 * KiB, 3));
			expect(await durable).toEqual({ from: KiB, to: 3 * KiB, duplicate: false });
			expect(one.offset).toBe(3 * KiB);
			await one.close();
			await two.close();
		},
	);

	suite.case(
		"writes queued behind a mismatch are refused too, even where the tail would fit them",
		async ({ stream }) => {
			const writer = stream.writer({ conditional: true });
			await writer.seekToTail();
			await stream.append(pattern(10, 9));
			// The second write expects 10, which is where the tail is by now.
			const tickets = [writer.write(pattern(10, 1)), writer.write(pattern(10, 2)), writer.write(pattern(10, 3))];
			for (const { durable } of tickets) await suite.fails(durable, "STREAMBED_POSITION_MISMATCH");
			await suite.holds(stream, pattern(10, 9));
			await writer.close();
		},
	);

	suite.case("a mismatch that nobody watched is told by close", async ({ stream }) => {
		const writer = stream.writer({ conditional: true });
		await writer.seekToTail();
		await stream.append(bytesOf("other"));
		void writer.write(bytesOf("mine"));
		await suite.fails(writer.close(), "STREAMBED_POSITION_MISMATCH");
		await suite.holds(stream, bytesOf("other"));
	});
}
