/** Cases: the byte writer. */
import type { ByteStream } from "../../stream/bytes/byte-stream.ts";
import { bounds, bytesOf, concat, pattern, readAll, type Suite } from "./context.ts";
import { writerFailureCases } from "./writer-failures.ts";

const KiB = 1024;

/** Registers the cases. */
export function writerCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("7 bytes written and flushed give head 0 and tail 7", async ({ stream }) => {
		await using writer = stream.writer();
		await writer.write(bytesOf("1234567"));
		await writer.flush();
		expect(await bounds(stream)).toEqual([0, 7]);
	});

	suite.case("the tail is at most what was written before a flush, and exactly that after it", async ({ stream }) => {
		await using writer = stream.writer();
		void writer.write(bytesOf("1234567"));
		expect((await bounds(stream))[1]).toBeLessThanOrEqual(7);
		await writer.flush();
		expect((await bounds(stream))[1]).toBe(7);
	});

	suite.case("8193 writes of one byte are stored in order", async ({ stream }) => {
		const wanted = pattern(8193);
		await using writer = stream.writer();
		for (let index = 0; index < wanted.length; index++) await writer.write(wanted.subarray(index, index + 1));
		await writer.flush();
		expect(await bounds(stream)).toEqual([0, 8193]);
		await suite.holds(stream, wanted);
	});

	suite.case("writes that nobody awaits are stored in order too", async ({ stream }) => {
		const parts = Array.from({ length: 2000 }, (_, index) => pattern(1 + (index % 17), index));
		await using writer = stream.writer();
		for (const part of parts) void writer.write(part);
		await writer.flush();
		await suite.holds(stream, concat(parts));
	});

	suite.case("single bytes written before an array come before it", async ({ stream }) => {
		await using writer = stream.writer();
		for (const letter of "abc") void writer.write(bytesOf(letter));
		void writer.write(bytesOf("defg"));
		await writer.flush();
		await suite.holds(stream, bytesOf("abcdefg"));
	});

	suite.case("a write of no bytes changes nothing and flush returns", async ({ stream }) => {
		await stream.append(bytesOf("ab"));
		await using writer = stream.writer();
		const ticket = writer.write(new Uint8Array(0));
		await writer.flush();
		expect(await ticket.durable).toEqual({ from: 2, to: 2, duplicate: false });
		expect(await bounds(stream)).toEqual([0, 2]);
	});

	suite.case("flush and close of a writer that never wrote return at once", async ({ stream }) => {
		const writer = stream.writer();
		await writer.flush();
		await writer.close();
		expect(await bounds(stream)).toEqual([0, 0]);
	});

	suite.case("a flush makes the writes before it durable while later ones go on", async ({ stream }) => {
		await using writer = stream.writer();
		void writer.write(pattern(100, 1));
		const flushing = writer.flush();
		void writer.write(pattern(100, 2));
		await flushing;
		expect((await bounds(stream))[1]).toBeGreaterThanOrEqual(100);
		await writer.flush();
		await suite.holds(stream, concat([pattern(100, 1), pattern(100, 2)]));
	});

	suite.case("the caller may reuse its array as soon as write has returned", async ({ stream }) => {
		await using writer = stream.writer({ maxInFlightBytes: 100 });
		const wanted: Uint8Array[] = [];
		const buffer = new Uint8Array(64);
		for (let round = 0; round < 20; round++) {
			buffer.set(pattern(64, round));
			void writer.write(buffer);
			wanted.push(pattern(64, round));
			buffer.fill(0xee);
		}
		await writer.flush();
		await suite.holds(stream, concat(wanted));
	});

	suite.case("arrays of any size may be reused as soon as write has returned", async ({ stream }) => {
		await using writer = stream.writer();
		await writer.seekToTail();
		const sizes = [100, 5000, 70_000, 300_000, 3_000_000, 100];
		for (const size of sizes) {
			const buffer = pattern(size, size);
			void writer.write(buffer);
			buffer.fill(0xee);
		}
		await writer.flush();
		await suite.holds(stream, concat(sizes.map((size) => pattern(size, size))));
	});

	suite.case("a Buffer may be reused as well, though its slices are views", async ({ stream }) => {
		await using writer = stream.writer({ maxInFlightBytes: 100 });
		const wanted: Uint8Array[] = [];
		const buffer = Buffer.alloc(64);
		for (let round = 0; round < 20; round++) {
			buffer.set(pattern(64, round));
			void writer.write(buffer);
			wanted.push(pattern(64, round));
			buffer.fill(0xee);
		}
		await writer.flush();
		await suite.holds(stream, concat(wanted));
	});

	suite.case(
		"closing and sealing stores 5 bytes, seals, and a reader gets them and then the end",
		async ({ stream }) => {
			const writer = stream.writer();
			void writer.write(bytesOf("12345"));
			expect(await writer.closeAndSeal()).toBe(5);
			expect((await stream.info()).sealed).toBe(true);
			const reader = stream.reader({ follow: true });
			expect((await reader.read()).kind).toBe("data");
			expect(await reader.read()).toEqual({ kind: "end" });
		},
	);

	suite.case("a closed writer takes nothing, and closing it again is harmless", async ({ stream }) => {
		const writer = stream.writer();
		await writer.write(bytesOf("a"));
		await writer.close();
		await suite.fails(writer.write(bytesOf("b")), "STREAMBED_CLOSED");
		await suite.fails(writer.write(bytesOf("b")).durable, "STREAMBED_CLOSED");
		await suite.fails(writer.flush(), "STREAMBED_CLOSED");
		await suite.fails(writer.seekToTail(), "STREAMBED_CLOSED");
		await writer.close();
		await suite.holds(stream, bytesOf("a"));
	});

	suite.case("leaving the block of a writer flushes it", async ({ stream }) => {
		{
			await using writer = stream.writer();
			for (let index = 0; index < 100; index++) void writer.write(pattern(10, index));
		}
		expect(await bounds(stream)).toEqual([0, 1000]);
	});

	suite.case("a new writer on a stream with data goes on at the tail", async ({ stream }) => {
		await stream.append(bytesOf("first "));
		await using writer = stream.writer();
		const { durable } = await writer.write(bytesOf("second"));
		expect(await durable).toEqual({ from: 6, to: 12, duplicate: false });
	});

	suite.case("two unconditional writers at once keep their blocks whole and in order", async ({ stream }) => {
		const rounds = 200;
		const block = (writer: number, round: number): Uint8Array => new Uint8Array(32).fill(writer * 100 + (round % 100));
		const run = async (number: number): Promise<void> => {
			await using writer = stream.writer();
			for (let round = 0; round < rounds; round++) await writer.write(block(number, round));
		};
		await Promise.all([run(0), run(1)]);
		const all = await readAll(stream);
		const next = [0, 0];
		for (let offset = 0; offset < all.length; offset += 32) {
			const number = (all[offset] as number) >= 100 ? 1 : 0;
			suite.sameBytes(all.subarray(offset, offset + 32), block(number, next[number] as number));
			next[number] = (next[number] as number) + 1;
		}
		expect(next).toEqual([rounds, rounds]);
	});

	suite.case("payloads of 1 byte to 10 MB come back equal", async ({ stream }) => {
		const sizes = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];
		await using writer = stream.writer();
		for (const size of sizes) void writer.write(pattern(size, size));
		await writer.flush();
		let from = 0;
		for (const size of sizes) {
			const range = { from: { offset: from }, to: { offset: from + size } };
			suite.sameBytes(await readAll(stream, range), pattern(size, size));
			from += size;
		}
	});

	suite.case("10 rounds of 100 writes of 1 KiB, each read behind, leave nothing available", async ({ stream }) => {
		await using writer = stream.writer();
		await using reader = stream.reader({ follow: true });
		for (let round = 0; round < 10; round++) {
			for (let index = 0; index < 100; index++) await writer.write(pattern(KiB, round * 100 + index));
			await writer.flush();
			for (let index = 0; index < 100; index++) {
				const found = new Uint8Array(KiB);
				for (let filled = 0; filled < KiB; ) {
					const result = await suite.soon("the read", reader.readInto(found.subarray(filled)));
					if (result.kind !== "data") throw new Error(`${result.kind} in mid-stream`);
					filled += result.bytes.length;
				}
				suite.sameBytes(found, pattern(KiB, round * 100 + index));
			}
		}
		expect(reader.available).toBe(0);
		expect(reader.offset).toBe(1000 * KiB);
	});

	ticketCases(suite);
	writerFailureCases(suite);
	largeCases(suite);
}

function ticketCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("awaiting a write gives its offset and a promise, and is no thenable itself", async ({ stream }) => {
		await using writer = stream.writer();
		void writer.write(bytesOf("abc"));
		const written = await writer.write(bytesOf("de"));
		expect("then" in written).toBe(false);
		expect(written.offset).toBe(3);
		expect(await written.durable).toEqual({ from: 3, to: 5, duplicate: false });
		expect(await written.durable).toEqual({ from: 3, to: 5, duplicate: false });
	});

	suite.case("the provisional offset of a ticket is the final one where nobody else writes", async ({ stream }) => {
		await using writer = stream.writer();
		expect(await writer.seekToTail()).toBe(0);
		const tickets = Array.from({ length: 50 }, (_, index) => writer.write(pattern(index + 1, index)));
		const provisional = tickets.map(({ offset }) => offset);
		const final = await Promise.all(tickets.map(({ durable }) => durable));
		expect(final.map(({ from }) => from)).toEqual(provisional);
	});

	suite.case("the offset of a writer runs ahead of the durable tail by what it has written", async ({ stream }) => {
		await stream.append(bytesOf("abc"));
		await using writer = stream.writer();
		expect(await writer.seekToTail()).toBe(3);
		expect(writer.offset).toBe(3);
		void writer.write(bytesOf("de"));
		expect(writer.offset).toBe(5);
		await writer.flush();
		expect(writer.offset).toBe(5);
	});

	suite.case("with the bound reached, awaiting a write waits until something is durable", async ({ stream }) => {
		await using writer = stream.writer({ maxInFlightBytes: 1000 });
		await writer.seekToTail();
		const first = writer.write(pattern(1000, 1));
		expect(writer.hasRoom).toBe(false);
		let firstDurable = false;
		const watching = first.durable.then(() => {
			firstDurable = true;
		});
		await suite.soon("room", writer.write(pattern(10, 2)));
		await watching;
		expect(firstDurable).toBe(true);
		await writer.flush();
		expect(writer.hasRoom).toBe(true);
		await suite.holds(stream, concat([pattern(1000, 1), pattern(10, 2)]));
	});

	suite.case("a write larger than the bound in flight is taken when nothing else is", async ({ stream }) => {
		await using writer = stream.writer({ maxInFlightBytes: 10 });
		for (let index = 0; index < 5; index++) await suite.soon("room", writer.write(pattern(100, index)));
		await writer.flush();
		expect(await bounds(stream)).toEqual([0, 500]);
	});

	suite.case(
		"a store whose bound of pending bytes is small takes everything, a little at a time",
		async ({ stream, create }) => {
			const other = await create("other");
			const run = async (target: ByteStream): Promise<void> => {
				await using writer = target.writer();
				for (let index = 0; index < 50; index++) await suite.soon("room", writer.write(pattern(16 * KiB, index)));
			};
			await Promise.all([run(stream), run(other)]);
			expect(await bounds(stream)).toEqual([0, 50 * 16 * KiB]);
			expect(await bounds(other)).toEqual([0, 50 * 16 * KiB]);
		},
		{ limits: { pendingBytes: 64 * KiB } },
	);

	suite.case("a flush with an aborted signal is ABORTED, the writes are stored all the same", async ({ stream }) => {
		await using writer = stream.writer();
		await writer.write(bytesOf("abc"));
		await suite.fails(writer.flush({ signal: AbortSignal.abort() }), "STREAMBED_ABORTED");
		await writer.flush();
		await suite.holds(stream, bytesOf("abc"));
	});

	suite.case("options of a writer are checked", async ({ stream }) => {
		suite.throws(() => stream.writer({ maxInFlight: 1 } as object), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.writer({ maxInFlightBytes: 0 }), "STREAMBED_INVALID_OPTION");
		suite.throws(() => stream.writer({ conditional: "yes" as unknown as boolean }), "STREAMBED_INVALID_OPTION");
	});
}

function largeCases(suite: Suite): void {
	const { expect } = suite;
	const limits = { appendBytes: KiB };

	suite.case(
		"a write of twice the append limit and 10 is split and stored whole, three times",
		async ({ stream }) => {
			const length = 2 * KiB + 10;
			await using writer = stream.writer();
			for (let round = 1; round <= 3; round++) {
				void writer.write(pattern(length, round));
				await writer.flush();
				expect(await bounds(stream)).toEqual([0, round * length]);
			}
			await suite.holds(stream, concat([1, 2, 3].map((round) => pattern(length, round))));
			const pieces = await Array.fromAsync(stream.appends(), ({ bytes }) => bytes.length);
			expect(pieces).toEqual([KiB, KiB, 10, KiB, KiB, 10, KiB, KiB, 10]);
		},
		{ limits },
	);

	suite.case(
		"a split write is one ticket, whose offset is that of its first piece, and keeps its place among others",
		async ({ stream }) => {
			await using writer = stream.writer({ maxInFlightBytes: KiB });
			const tickets = [writer.write(pattern(5, 1)), writer.write(pattern(5000, 2)), writer.write(pattern(5, 3))];
			const results = await Promise.all(tickets.map(({ durable }) => durable));
			expect(results.map(({ from, to }) => [from, to])).toEqual([
				[0, 5],
				[5, 5005],
				[5005, 5010],
			]);
			await suite.holds(stream, concat([pattern(5, 1), pattern(5000, 2), pattern(5, 3)]));
		},
		{ limits },
	);

	suite.case(
		"a split write that fails tells how far it is stored, and what is stored is a prefix",
		async ({ stream, store }) => {
			const wanted = pattern(200 * KiB);
			const writer = stream.writer();
			await writer.seekToTail();
			const { durable } = writer.write(wanted);
			const failure = durable.then(
				() => undefined,
				(error: unknown) => error,
			);
			const tail = await store.scope("suite").stream("stream").seal();
			const error = await failure;
			suite.isError(error, "STREAMBED_SEALED", { acknowledgedTo: tail === 0 ? null : tail });
			await suite.holds(stream, wanted.subarray(0, tail));
			await writer.close();
		},
		{ limits },
	);

	suite.case(
		"a conditional writer can write beyond the append limit",
		async ({ stream }) => {
			await using writer = stream.writer({ conditional: true });
			void writer.write(pattern(3 * KiB + 1, 1));
			void writer.write(pattern(7, 2));
			await writer.flush();
			await suite.holds(stream, concat([pattern(3 * KiB + 1, 1), pattern(7, 2)]));
		},
		{ limits },
	);
}
