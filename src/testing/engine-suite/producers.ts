/** Cases: producers, whose retries store nothing twice; their lives; what is left of them after reopening. */
import { bounds, bytesOf, concat, pattern, type Suite } from "./context.ts";

const KiB = 1024;
/** Answers that are kept of a producer, and appends that it may have in flight. */
const KEPT = 4096;

function triple(sequence: number, epoch = 0, id = "p"): { id: string; epoch: number; sequence: number } {
	return { id, epoch, sequence };
}

/** Registers the cases of single appends. An engine that denies producers passes them by refusing. */
export function producerCases(suite: Suite): void {
	answerCases(suite);
	refusalCases(suite);
	epochCases(suite);
}

function answerCases(suite: Suite): void {
	const { expect } = suite;
	const test = casesOf(suite);

	test("a retry of a stored append gets the first answer, marked, and stores nothing", async ({ stream }) => {
		expect(await stream.append(bytesOf("abc"), { producer: triple(0) })).toEqual({ from: 0, to: 3, duplicate: false });
		expect(await stream.append(bytesOf("de"), { producer: triple(1) })).toEqual({ from: 3, to: 5, duplicate: false });
		expect(await stream.append(bytesOf("abc"), { producer: triple(0) })).toEqual({ from: 0, to: 3, duplicate: true });
		expect(await stream.append(bytesOf("other"), { producer: triple(1) })).toEqual({ from: 3, to: 5, duplicate: true });
		await suite.holds(stream, bytesOf("abcde"));
	});

	test("a retry while the first is on its way waits for it and gets its answer", async ({ stream }) => {
		await stream.open();
		const appends = [0, 0, 1, 0, 1].map((sequence) => stream.append(bytesOf("abc"), { producer: triple(sequence) }));
		const told: number[] = [];
		appends.forEach((append, index) => void append.then(() => told.push(index)));
		const answers = await Promise.all(appends);
		expect(answers.map(({ from, duplicate }) => [from, duplicate])).toEqual([
			[0, false],
			[0, true],
			[3, false],
			[0, true],
			[3, true],
		]);
		expect(told.indexOf(0)).toBeLessThanOrEqual(told.indexOf(1));
		await suite.holds(stream, bytesOf("abcabc"));
	});

	test("a retry of an append that is more than 4,096 ago is a duplicate without positions", async ({ stream }) => {
		await stream.open();
		for (const begin of [0, KEPT]) {
			const appends = Array.from({ length: KEPT }, (_, index) =>
				stream.append(bytesOf("x"), { producer: triple(begin + index) }),
			);
			await Promise.all(appends);
		}
		const retry = (sequence: number) => stream.append(bytesOf("x"), { producer: triple(sequence) });
		expect(await retry(KEPT)).toEqual({ from: KEPT, to: KEPT + 1, duplicate: true });
		expect(await retry(KEPT - 1)).toEqual({ from: Number.NaN, to: Number.NaN, duplicate: true });
		expect(await retry(0)).toEqual({ from: Number.NaN, to: Number.NaN, duplicate: true });
		expect(await bounds(stream)).toEqual([0, 2 * KEPT]);
	});

	test("producers of a stream, and of streams, have nothing to do with one another", async ({ stream, create }) => {
		const other = await create("other");
		await stream.append(bytesOf("a"), { producer: triple(0, 0, "p") });
		expect((await stream.append(bytesOf("b"), { producer: triple(0, 5, "q") })).duplicate).toBe(false);
		expect((await other.append(bytesOf("c"), { producer: triple(0, 0, "p") })).duplicate).toBe(false);
		expect((await stream.append(bytesOf("a"), { producer: triple(1, 0, "p") })).from).toBe(2);
		await suite.holds(stream, bytesOf("aba"));
	});

	test("appends with and without a producer, and of several, keep their order", async ({ stream }) => {
		await stream.open();
		const appends = Array.from({ length: 300 }, (_, index) => {
			const producer = index % 3 === 0 ? undefined : triple(Math.floor(index / 3), 0, `p${index % 3}`);
			return stream.append(pattern(1 + (index % 7), index), { producer });
		});
		await Promise.all(appends);
		await suite.holds(stream, concat(Array.from({ length: 300 }, (_, index) => pattern(1 + (index % 7), index))));
		const pieces = await Array.fromAsync(stream.appends(), ({ bytes }) => bytes.length);
		expect(pieces).toEqual(Array.from({ length: 300 }, (_, index) => 1 + (index % 7)));
	});

	test("truncation forgets no answer", async ({ stream }) => {
		await stream.append(bytesOf("abc"), { producer: triple(0) });
		await stream.truncateBefore("tail");
		expect(await stream.append(bytesOf("abc"), { producer: triple(0) })).toEqual({ from: 0, to: 3, duplicate: true });
		expect(await bounds(stream)).toEqual([3, 3]);
	});

	test("a stream made anew under an old name knows no producer of the old one", async ({ store, stream }) => {
		await stream.append(bytesOf("abc"), { producer: triple(0, 3) });
		await store.scope("suite").delete("stream");
		const anew = await store.scope("suite").create("stream");
		expect((await anew.append(bytesOf("d"), { producer: triple(0, 1) })).duplicate).toBe(false);
		expect((await anew.producer("q")).last).toBe(null);
	});
}

function refusalCases(suite: Suite): void {
	const { expect } = suite;
	const test = casesOf(suite);

	test("a skipped number is a PRODUCER_GAP, and uses up nothing", async ({ stream }) => {
		const gap = { expected: 0, got: 1 };
		await suite.fails(stream.append(bytesOf("b"), { producer: triple(1) }), "STREAMBED_PRODUCER_GAP", gap);
		await stream.append(bytesOf("a"), { producer: triple(0) });
		const later = { expected: 1, got: 3 };
		await suite.fails(stream.append(bytesOf("d"), { producer: triple(3) }), "STREAMBED_PRODUCER_GAP", later);
		expect((await stream.append(bytesOf("b"), { producer: triple(1) })).from).toBe(1);
		await suite.holds(stream, bytesOf("ab"));
	});

	test("a refused condition uses up nothing: the same triple may come again", async ({ stream }) => {
		const producer = triple(0);
		await suite.fails(stream.append(bytesOf("a"), { producer, expect: 7 }), "STREAMBED_POSITION_MISMATCH");
		expect(await stream.append(bytesOf("a"), { producer, expect: 0 })).toEqual({ from: 0, to: 1, duplicate: false });
		expect(await stream.append(bytesOf("a"), { producer, expect: 0 })).toEqual({ from: 0, to: 1, duplicate: true });
	});

	test("in a sealed stream a retry is a duplicate, and what is new is SEALED", async ({ stream }) => {
		await stream.append(bytesOf("a"), { producer: triple(0) });
		await stream.seal();
		expect((await stream.append(bytesOf("a"), { producer: triple(0) })).duplicate).toBe(true);
		await suite.fails(stream.append(bytesOf("b"), { producer: triple(2) }), "STREAMBED_PRODUCER_GAP");
		await suite.fails(stream.append(bytesOf("b"), { producer: triple(1) }), "STREAMBED_SEALED");
	});

	test("a producer may have 4,096 appends in flight; the next is refused and uses up nothing", async ({ stream }) => {
		await stream.open();
		const sequences = Array.from({ length: KEPT }, (_, sequence) => sequence);
		const appends = sequences.map((sequence) => stream.append(bytesOf("x"), { producer: triple(sequence) }));
		const limit = { limit: KEPT };
		await suite.fails(stream.append(bytesOf("y"), { producer: triple(KEPT) }), "STREAMBED_LIMIT_EXCEEDED", limit);
		await Promise.all(appends);
		expect((await stream.append(bytesOf("y"), { producer: triple(KEPT) })).from).toBe(KEPT);
	});

	test("ids, epochs and numbers that are none are INVALID_OPTION, and so is an empty append", async ({ stream }) => {
		const wrong = [
			triple(0, 0, ""),
			triple(0, 0, "x".repeat(201)),
			triple(0, 0, "é".repeat(101)),
			triple(0, 0, "a\nb"),
			triple(0, 0, "\ud800"),
			triple(-1),
			triple(0.5),
			triple(0, -1),
			triple(2 ** 53),
			{ ...triple(0), more: 1 },
			{ id: "p", epoch: 0 },
			"p:0:0",
			null,
		];
		for (const producer of wrong) {
			await suite.fails(stream.append(bytesOf("a"), { producer } as object), "STREAMBED_INVALID_OPTION");
			suite.throws(() => stream.writer({ producer } as object), "STREAMBED_INVALID_OPTION");
		}
		const whole = { producer: await stream.producer("whole") };
		await suite.fails(stream.append(bytesOf("a"), whole as object), "STREAMBED_INVALID_OPTION", { option: "producer" });
		await suite.fails(stream.append(new Uint8Array(0), { producer: triple(0) }), "STREAMBED_INVALID_OPTION");
		for (const id of ["", "x".repeat(201), "a\u0000"]) {
			await suite.fails(stream.producer(id), "STREAMBED_INVALID_OPTION");
		}
		for (const id of ["é".repeat(100), "a:b:c", " "]) {
			expect((await stream.append(bytesOf("a"), { producer: triple(0, 0, id) })).duplicate).toBe(false);
		}
	});
}

function epochCases(suite: Suite): void {
	const { expect } = suite;
	const test = casesOf(suite);

	test("a higher epoch takes over with its first append, number 0, and fences the lower ones", async ({ stream }) => {
		await stream.append(bytesOf("a"), { producer: triple(0, 1) });
		await stream.append(bytesOf("b"), { producer: triple(1, 1) });
		const gap = { expected: 0, got: 1 };
		await suite.fails(stream.append(bytesOf("c"), { producer: triple(1, 4) }), "STREAMBED_PRODUCER_GAP", gap);
		expect((await stream.append(bytesOf("c"), { producer: triple(0, 4) })).from).toBe(2);
		await suite.fails(stream.append(bytesOf("d"), { producer: triple(2, 1) }), "STREAMBED_FENCED", { epoch: 4 });
		await suite.fails(stream.append(bytesOf("d"), { producer: triple(0, 3) }), "STREAMBED_FENCED", { epoch: 4 });
		// What it had stored it is still told.
		expect(await stream.append(bytesOf("b"), { producer: triple(1, 1) })).toEqual({ from: 1, to: 2, duplicate: true });
		await suite.holds(stream, bytesOf("abc"));
	});

	test("taking an epoch fences the lives before and tells what they have stored", async ({ stream }) => {
		const first = await stream.producer("p");
		expect([first.id, first.last]).toEqual(["p", null]);
		expect(first.epoch).toBeGreaterThan(0);
		await stream.append(bytesOf("ab"), { producer: first.next() });
		await stream.append(bytesOf("c"), { producer: first.next() });
		const second = await stream.producer("p");
		expect(second.epoch).toBeGreaterThan(first.epoch);
		expect(second.last).toEqual({ epoch: first.epoch, sequence: 1, from: 2, to: 3 });
		const fenced = stream.append(bytesOf("d"), { producer: first.next() });
		await suite.fails(fenced, "STREAMBED_FENCED", { epoch: second.epoch });
		expect(second.next()).toEqual({ id: "p", epoch: second.epoch, sequence: 0 });
		const third = await stream.producer("p");
		expect(third.last).toEqual(second.last);
		expect((await stream.append(bytesOf("d"), { producer: third.next() })).from).toBe(3);
		await suite.holds(stream, bytesOf("abcd"));
	});

	test("what was on its way when an epoch was taken is stored or fenced, and the taker knows", async ({ stream }) => {
		const first = await stream.producer("p");
		const outcomes = Array.from({ length: 200 }, () =>
			stream.append(pattern(100), { producer: first.next() }).then(
				() => "stored",
				(error: { code: string }) => error.code,
			),
		);
		const second = await stream.producer("p");
		const stored = (await Promise.all(outcomes)).filter((outcome) => outcome === "stored").length;
		expect((second.last?.sequence ?? -1) + 1).toBe(stored);
		expect(new Set([...(await Promise.all(outcomes)), "stored", "STREAMBED_FENCED"]).size).toBe(2);
		expect((await bounds(stream))[1]).toBe(stored * 100);
	});

	test("epochs taken at once are different, and the highest may append", async ({ stream }) => {
		const taken = await Promise.all(Array.from({ length: 5 }, () => stream.producer("p")));
		taken.sort((a, b) => a.epoch - b.epoch);
		expect(new Set(taken.map(({ epoch }) => epoch)).size).toBe(5);
		for (const producer of taken.slice(0, 4)) {
			await suite.fails(stream.append(bytesOf("a"), { producer: producer.next() }), "STREAMBED_FENCED");
		}
		const last = taken.at(-1) as (typeof taken)[number];
		expect((await stream.append(bytesOf("a"), { producer: last.next() })).from).toBe(0);
	});
}

/** Registers the cases of writers that have a producer. */
export function producerWriterCases(suite: Suite): void {
	const { expect } = suite;
	const test = casesOf(suite);

	test("a writer numbers its writes, more of them than may be in flight", async ({ stream }) => {
		const producer = await stream.producer("p");
		await using writer = stream.writer({ producer });
		for (let left = 3 * KEPT; left > 0; left--) writer.write(bytesOf("x"));
		await writer.flush();
		expect(await bounds(stream)).toEqual([0, 3 * KEPT]);
		const { last } = await stream.producer("p");
		expect([last?.sequence, last?.to]).toEqual([3 * KEPT - 1, 3 * KEPT]);
	});

	test("a writer that repeats the triples of another one stores nothing but what is new", async ({ stream }) => {
		const write = async (texts: string[]): Promise<boolean[]> => {
			await using writer = stream.writer({ producer: triple(0) });
			const tickets = texts.map((text) => writer.write(bytesOf(text)));
			await writer.flush();
			return (await Promise.all(tickets.map(({ durable }) => durable))).map(({ duplicate }) => duplicate);
		};
		expect(await write(["a", "b", "c"])).toEqual([false, false, false]);
		expect(await write(["a", "b", "c", "d"])).toEqual([true, true, true, false]);
		await suite.holds(stream, bytesOf("abcd"));
	});

	test("a fenced writer takes nothing more, and nothing of it is stored behind the failure", async ({ stream }) => {
		const writer = stream.writer({ producer: await stream.producer("p") });
		await writer.write(bytesOf("a")).durable;
		await stream.producer("p");
		await suite.fails(writer.write(bytesOf("b")).durable, "STREAMBED_FENCED");
		await suite.fails(writer.write(bytesOf("c")).durable, "STREAMBED_FENCED");
		expect(await writer.seekToTail()).toBe(1);
		await suite.fails(writer.write(bytesOf("d")).durable, "STREAMBED_FENCED");
		await writer.close();
		await suite.holds(stream, bytesOf("a"));
	});

	test("a writer that has failed goes on failing with the same error, also from the tail on", async ({ stream }) => {
		const writer = stream.writer({ producer: triple(5) });
		for (let times = 0; times < 2; times++) {
			await suite.fails(writer.write(bytesOf("a")).durable, "STREAMBED_PRODUCER_GAP", { expected: 0, got: 5 });
			await writer.seekToTail();
		}
		await writer.close();
	});

	test("a write of nothing takes no number", async ({ stream }) => {
		await using writer = stream.writer({ producer: triple(0) });
		for (const text of ["", "a", "", "b"]) writer.write(bytesOf(text));
		await writer.flush();
		expect((await stream.append(bytesOf("b"), { producer: triple(1) })).duplicate).toBe(true);
		await suite.holds(stream, bytesOf("ab"));
	});

	suite.case(
		"a writer with a producer splits nothing and has no conditions",
		async ({ stream }) => {
			if (!suite.engine.manifest.producers) return;
			suite.throws(() => stream.writer({ producer: triple(0), conditional: true }), "STREAMBED_INVALID_OPTION");
			const writer = stream.writer({ producer: triple(0) });
			await suite.fails(writer.write(pattern(KiB + 1)).durable, "STREAMBED_TOO_LARGE", { limit: KiB });
			await writer.close();
			expect(await bounds(stream)).toEqual([0, 0]);
		},
		{ limits: { appendBytes: KiB } },
	);
}

/** Registers the cases of what reopening leaves of producers. */
export function persistentProducerCases(suite: Suite): void {
	const { expect } = suite;
	const test = casesOf(suite);

	test("answers, gaps and epochs are known after reopening, again and again", async ({ stream, reopen }) => {
		const first = await stream.producer("p");
		for (let round = 0; round < 4; round++) await stream.append(bytesOf("abc"), { producer: first.next() });
		await stream.append(bytesOf("d"), { producer: triple(0, 7, "q") });
		for (let times = 0; times < 3; times++) {
			const again = (await reopen()).scope("suite").stream("stream");
			const retry = { producer: triple(1, first.epoch) };
			expect(await again.append(bytesOf("abc"), retry)).toEqual({ from: 3, to: 6, duplicate: true });
			await suite.fails(again.append(bytesOf("x"), { producer: triple(1, 6, "q") }), "STREAMBED_FENCED", { epoch: 7 });
			const gap = again.append(bytesOf("x"), { producer: triple(2, 7, "q") });
			await suite.fails(gap, "STREAMBED_PRODUCER_GAP", { expected: 1 });
		}
		const last = (await reopen()).scope("suite").stream("stream");
		expect((await last.append(bytesOf("e"), { producer: triple(4, first.epoch) })).from).toBe(13);
		const second = await last.producer("p");
		expect(second.epoch).toBeGreaterThan(first.epoch);
		expect(second.last).toEqual({ epoch: first.epoch, sequence: 4, from: 13, to: 14 });
	});

	test("an epoch that was taken and never used fences after reopening", async ({ stream, reopen }) => {
		await stream.append(bytesOf("a"), { producer: triple(0) });
		const { epoch } = await stream.producer("p");
		const again = (await reopen()).scope("suite").stream("stream");
		await suite.fails(again.append(bytesOf("b"), { producer: triple(1) }), "STREAMBED_FENCED", { epoch });
		expect((await again.producer("p")).epoch).toBeGreaterThan(epoch);
	});

	test("rolls, truncation and checkpoints forget no answer", async ({ store, reopen }) => {
		const stream = await store.scope("suite").create("long", { segmentBytes: 64 * KiB });
		for (let index = 0; index < 20; index++) {
			await stream.append(pattern(10_000), { producer: triple(index) });
			if (index === 10) await store.checkpoint();
		}
		await stream.truncateBefore(150_000);
		await store.checkpoint();
		const again = (await reopen()).scope("suite").stream("long");
		for (const sequence of [0, 10, 11, 19]) {
			const answer = await again.append(pattern(10_000), { producer: triple(sequence) });
			expect(answer).toEqual({ from: sequence * 10_000, to: (sequence + 1) * 10_000, duplicate: true });
		}
		expect(await bounds(again)).toEqual([150_000, 200_000]);
	});

	test("the last 4,096 answers over several epochs are known after reopening", async ({ stream, reopen }) => {
		await stream.open();
		const appendAll = (epoch: number, count: number) =>
			Promise.all(Array.from({ length: count }, (_, n) => stream.append(bytesOf("x"), { producer: triple(n, epoch) })));
		await appendAll(0, 100);
		await appendAll(1, 1000);
		await appendAll(2, KEPT - 500);
		const again = (await reopen()).scope("suite").stream("stream");
		const retry = (sequence: number, epoch: number) =>
			again.append(bytesOf("x"), { producer: triple(sequence, epoch) });
		expect(await retry(500, 1)).toEqual({ from: 600, to: 601, duplicate: true });
		expect(await retry(499, 1)).toEqual({ from: Number.NaN, to: Number.NaN, duplicate: true });
		expect(await retry(0, 2)).toEqual({ from: 1100, to: 1101, duplicate: true });
		await suite.fails(retry(0, 0), "STREAMBED_FENCED", { epoch: 2 });
	});
}

/** Cases that an engine without producers passes by refusing them. */
function casesOf(suite: Suite): (name: string, body: Parameters<Suite["case"]>[1]) => void {
	return (name, body) =>
		suite.case(name, async (context) => {
			if (suite.engine.manifest.producers) return await body(context);
			await suite.fails(context.stream.producer("p"), "STREAMBED_UNSUPPORTED");
		});
}
