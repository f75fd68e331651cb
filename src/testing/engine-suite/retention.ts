/** Cases: retention by age and by size, on a clock that the case moves. */
import type { StreamOptions } from "../../core/stream-config.ts";
import type { ByteStream } from "../../stream/bytes/byte-stream.ts";
import type { Store } from "../../stream/store.ts";
import { ManualClock } from "../manual-clock.ts";
import { bounds, bytesOf, type CaseContext, pattern, readAll, type Suite } from "./context.ts";

const KiB = 1024;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Looks at a condition, with some time passing in between, before it is given up. */
const LOOKS = 2000;

/** What a case of retention works with. */
interface Timed {
	readonly clock: ManualClock;
	/** A stream with small segments and these rules. */
	make(retention: StreamOptions["retention"], name?: string): Promise<ByteStream>;
	/** Lets time pass, little by little, until something is true. */
	until(what: string, holds: () => boolean | Promise<boolean>): Promise<void>;
	/** Lets some seconds pass, in which whatever is due happens. */
	settle(): Promise<void>;
}

type TimedCase = (name: string, body: (timed: Timed, context: CaseContext) => Promise<void>) => void;

/** Registers the cases that every engine with retention has. */
export function retentionCases(suite: Suite): void {
	const timed = timedCases(suite);
	ageCases(suite, timed);
	sizeCases(suite, timed);
	clockCases(suite, timed);
}

function timedCases(suite: Suite): TimedCase {
	return (name, body) => {
		const clock = new ManualClock();
		const step = async (): Promise<void> => {
			clock.advance(50);
			await new Promise((resolve) => setTimeout(resolve, 1));
		};
		const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
			for (let looks = 0; looks < LOOKS; looks++) {
				if (await holds()) return;
				await step();
			}
			throw new Error(`it never came true that ${what}`);
		};
		const settle = async (): Promise<void> => {
			for (let steps = 0; steps < 80; steps++) await step();
		};
		suite.case(
			name,
			async (context) => {
				const make: Timed["make"] = (retention = {}, stream = "kept") =>
					context.store.scope("suite").create(stream, { retention, segmentBytes: 64 * KiB });
				await body({ clock, make, until, settle }, context);
			},
			{ clock },
		);
	};
}

async function headOf(stream: ByteStream): Promise<number> {
	return (await bounds(stream))[0];
}

function ageCases(suite: Suite, timed: TimedCase): void {
	const { expect } = suite;

	timed("what is older than the age goes, and what is younger stays", async ({ clock, make, until, settle }) => {
		const stream = await make({ ageMs: HOUR });
		await stream.append(pattern(1000, 1));
		clock.advance(HOUR / 2);
		await stream.append(pattern(500, 2));
		clock.advance(HOUR / 2 - 60_000);
		await settle();
		expect(await bounds(stream)).toEqual([0, 1500]);
		clock.advance(60_000);
		await until("the first append is gone", async () => (await headOf(stream)) === 1000);
		await settle();
		expect(await bounds(stream)).toEqual([1000, 1500]);
		await suite.holds(stream, pattern(500, 2));
		clock.advance(HOUR / 2);
		await until("the second append is gone", async () => (await headOf(stream)) === 1500);
		expect(await stream.append(bytesOf("next"))).toEqual({ from: 1500, to: 1504, duplicate: false });
		await suite.holds(stream, bytesOf("next"));
	});

	timed("a slow stream expires piece by piece: an eighth of the age late at most", async ({ clock, make, settle }) => {
		const stream = await make({ ageMs: 8 * HOUR });
		for (let minutes = 0; minutes < 24 * 60; minutes += 20) {
			await stream.append(pattern(10, minutes));
			clock.advance(20 * 60_000 - 4000);
			await settle();
			const head = await headOf(stream);
			// An append each twenty minutes: what is younger than eight hours, and what is older by an hour at most.
			const appends = minutes / 20 + 1;
			expect(head).toBeLessThanOrEqual(Math.max(0, appends - 24) * 10);
			expect(head).toBeGreaterThanOrEqual(Math.max(0, appends - 24 - 4) * 10);
		}
	});

	timed("a reader that retention overtakes gets TRUNCATED with the new head", async ({ clock, make, until }) => {
		const stream = await make({ ageMs: HOUR });
		await stream.append(pattern(1000));
		const reader = await stream.reader({ from: "head" }).open();
		clock.advance(HOUR);
		await until("it is gone", async () => (await headOf(stream)) === 1000);
		await stream.append(bytesOf("young"));
		await suite.fails(reader.read(), "STREAMBED_TRUNCATED", { head: 1000 });
		await suite.fails(reader.read(), "STREAMBED_TRUNCATED", { head: 1000 });
		expect(await reader.seek("head")).toBe(1000);
		expect(await reader.read()).toEqual({ kind: "data", offset: 1000, bytes: bytesOf("young") });
	});

	timed("a sealed stream expires, and stays sealed at its end", async ({ clock, make, until }) => {
		const stream = await make({ ageMs: HOUR });
		await stream.append(pattern(1000));
		await stream.seal();
		clock.advance(HOUR);
		await until("it is gone", async () => (await headOf(stream)) === 1000);
		expect((await stream.info()).sealed).toBe(true);
		expect(await stream.reader({ from: "head", follow: true }).read()).toEqual({ kind: "end" });
		await suite.fails(stream.append(bytesOf("a")), "STREAMBED_SEALED");
	});

	timed(
		"an update of the rules takes effect, and one that takes them away too",
		async ({ clock, make, until, settle }) => {
			const stream = await make({});
			await stream.append(pattern(1000));
			clock.advance(2 * HOUR);
			await settle();
			expect(await bounds(stream)).toEqual([0, 1000]);
			expect((await stream.update({ retention: { ageMs: HOUR } })).retention).toEqual({ ageMs: HOUR });
			await until("the old data is gone", async () => (await headOf(stream)) === 1000);
			await stream.append(pattern(10));
			expect((await stream.update({ retention: {} })).retention).toEqual({});
			clock.advance(2 * HOUR);
			await settle();
			expect(await bounds(stream)).toEqual([1000, 1010]);
		},
	);
}

function sizeCases(suite: Suite, timed: TimedCase): void {
	const { expect } = suite;
	const fill = async (stream: ByteStream, bytes: number): Promise<void> => {
		for (let at = 0; at < bytes; at += 10_000) await stream.append(pattern(10_000, at));
	};
	const sizeOf = async (stream: ByteStream): Promise<number> => {
		const [head, tail] = await bounds(stream);
		return tail - head;
	};

	timed(
		"beyond a size the oldest goes; at least so much stays, and little more",
		async ({ make, until, settle }, { store }) => {
			const stream = await make({ bytes: 200_000 });
			await fill(stream, 1_000_000);
			await until("the stream is small", async () => (await sizeOf(stream)) < 200_000 + 80_000);
			await settle();
			expect(await sizeOf(stream)).toBeGreaterThanOrEqual(200_000);
			expect((await readAll(stream)).length).toBe(await sizeOf(stream));
			const { freedBytes } = store.stats().retention;
			expect(freedBytes).toBeGreaterThanOrEqual(await headOf(stream));
		},
	);

	timed("size takes nothing that is younger than the age, and of older data what is beyond", async (timed) => {
		const { clock, make, until, settle } = timed;
		const stream = await make({ ageMs: HOUR, bytes: 200_000 });
		await fill(stream, 500_000);
		await settle();
		expect(await bounds(stream)).toEqual([0, 500_000]);
		clock.advance(HOUR);
		await until("the stream is small", async () => (await sizeOf(stream)) < 200_000 + 80_000);
		await settle();
		expect(await sizeOf(stream)).toBeGreaterThanOrEqual(200_000);
	});

	timed("the hard bound stands over the age", async ({ make, until, settle }) => {
		const stream = await make({ ageMs: DAY, maxBytes: 300_000 });
		await fill(stream, 900_000);
		await until("the stream is small", async () => (await sizeOf(stream)) <= 300_000);
		await settle();
		expect(await sizeOf(stream)).toBeGreaterThanOrEqual(300_000 - 80_000);
		const all = await readAll(stream);
		suite.sameBytes(all.subarray(-10_000), pattern(10_000, 890_000));
	});

	timed("one append larger than the bound stays until another one comes", async ({ make, until, settle }) => {
		const stream = await make({ maxBytes: 1000 });
		await stream.append(pattern(200_000));
		await settle();
		expect(await bounds(stream)).toEqual([0, 200_000]);
		await stream.append(pattern(10));
		await until("it is gone", async () => (await headOf(stream)) === 200_000);
	});
}

function clockCases(suite: Suite, timed: TimedCase): void {
	const { expect } = suite;

	timed(
		"a clock that steps forward makes nothing old before the age has passed",
		async ({ clock, make, until, settle }, { store }) => {
			const stream = await make({ ageMs: DAY });
			await stream.append(pattern(1000));
			clock.step(30 * DAY);
			await settle();
			clock.advance(DAY / 2);
			await settle();
			expect(await bounds(stream)).toEqual([0, 1000]);
			expect(store.stats().retention.clockStepped).toBe(true);
			clock.advance(DAY / 2);
			await until("it is gone", async () => (await headOf(stream)) === 1000);
		},
	);

	timed(
		"a step forward that is taken back makes nothing old, and ages count on",
		async ({ clock, make, until, settle }, { store }) => {
			const stream = await make({ ageMs: DAY });
			await stream.append(pattern(1000));
			clock.step(30 * DAY);
			await settle();
			clock.step(-30 * DAY);
			await settle();
			expect(store.stats().retention.clockStepped).toBe(false);
			expect(await bounds(stream)).toEqual([0, 1000]);
			clock.advance(DAY);
			await until("it is gone", async () => (await headOf(stream)) === 1000);
		},
	);

	timed(
		"what was written while the clock had gone back stays when it is put right",
		async ({ clock, make, settle }) => {
			await settle();
			clock.step(-30 * DAY);
			await settle();
			const stream = await make({ ageMs: DAY });
			await stream.append(pattern(1000));
			clock.step(30 * DAY);
			await settle();
			expect(await bounds(stream)).toEqual([0, 1000]);
		},
	);

	timed("what was written in a moment in which the clock was back stays too", async ({ clock, make, settle }) => {
		const stream = await make({ ageMs: MINUTE });
		// Between two looks at the clock, and by less than what is taken for a step.
		clock.step(-5 * MINUTE);
		await stream.append(pattern(1000));
		clock.step(5 * MINUTE);
		await settle();
		expect(await bounds(stream)).toEqual([0, 1000]);
	});

	timed("many small steps are as good as a large one", async ({ clock, make, settle }) => {
		const stream = await make({ ageMs: HOUR });
		await stream.append(pattern(1000));
		for (let steps = 0; steps < 20; steps++) {
			clock.step(5 * MINUTE);
			await settle();
		}
		expect(await bounds(stream)).toEqual([0, 1000]);
	});

	timed("setting the retention anew confirms the clock", async ({ clock, make, until, settle }) => {
		const stream = await make({ ageMs: DAY });
		await stream.append(pattern(1000));
		clock.step(30 * DAY);
		await settle();
		expect(await bounds(stream)).toEqual([0, 1000]);
		await stream.update({ retention: { ageMs: DAY } });
		await until("it is gone", async () => (await headOf(stream)) === 1000);
	});
}

/** Registers the cases of engines with retention whose streams outlive `close()`. */
export function keptRetentionCases(suite: Suite): void {
	const { expect } = suite;
	const timed = timedCases(suite);
	const streamOf = (store: Store): ByteStream => store.scope("suite").stream("kept");

	timed(
		"ages are counted over reopening, of each segment by its last append",
		async ({ clock, make, until, settle }, { reopen }) => {
			const first = await make({ ageMs: 8 * HOUR });
			let store: Store | undefined;
			for (let hours = 0; hours < 12; hours++) {
				const stream = store === undefined ? first : streamOf(store);
				await stream.append(pattern(10, hours));
				clock.advance(2 * HOUR);
				await settle();
				const gone = Math.max(0, hours - 2) * 10;
				await until("the oldest is gone", async () => (await headOf(stream)) >= gone);
				expect(await headOf(stream)).toBe(gone);
				store = await reopen();
			}
		},
	);

	timed(
		"what nobody has opened since the store was expires too, and frees its files",
		async ({ clock, make, until }, { store: first, reopen }) => {
			for (const name of ["kept", "b", "deep/c"]) await (await make({ ageMs: HOUR }, name)).append(pattern(100_000));
			await (await make({}, "for-ever")).append(pattern(100_000));
			await first.close();
			clock.advance(2 * HOUR);
			const store = await reopen();
			await until("three streams are empty", () => store.stats().retention.freedBytes > 300_000);
			expect(store.stats().streams).toBe(0);
			const again = await reopen();
			expect(await bounds(streamOf(again))).toEqual([100_000, 100_000]);
			expect(await bounds(again.scope("suite").stream("for-ever"))).toEqual([0, 100_000]);
			expect((await streamOf(again).append(bytesOf("a"))).from).toBe(100_000);
		},
	);

	timed(
		"a stream opened late is rid of what is old before anything is added",
		async ({ clock, make, until }, { store: first, reopen }) => {
			await (await make({ ageMs: HOUR })).append(pattern(1000));
			await first.close();
			clock.advance(3 * DAY);
			const stream = streamOf(await reopen());
			await stream.append(bytesOf("young"));
			await until("the old is gone", async () => (await headOf(stream)) === 1000);
			await suite.holds(stream, bytesOf("young"));
		},
	);

	timed(
		"a step of the clock is remembered when the store is opened again",
		async ({ clock, make, until, settle }, { reopen }) => {
			await (await make({ ageMs: DAY })).append(pattern(1000));
			clock.step(30 * DAY);
			await settle();
			let stream = streamOf(await reopen());
			await settle();
			expect(await bounds(stream)).toEqual([0, 1000]);
			clock.advance(DAY / 2);
			stream = streamOf(await reopen());
			await settle();
			expect(await bounds(stream)).toEqual([0, 1000]);
			clock.advance(DAY / 2);
			await until("it is gone", async () => (await headOf(stream)) === 1000);
		},
	);

	timed(
		"a step of the clock that was taken back in part is remembered when the store is opened again",
		async ({ clock, make, settle }, { reopen }) => {
			await (await make({ ageMs: DAY })).append(pattern(1000));
			clock.step(30 * DAY);
			await settle();
			clock.step(-DAY / 24);
			const stream = streamOf(await reopen());
			await settle();
			expect(await bounds(stream)).toEqual([0, 1000]);
			clock.step(-30 * DAY + DAY / 24);
			await settle();
			expect(await bounds(streamOf(await reopen()))).toEqual([0, 1000]);
		},
	);
}
