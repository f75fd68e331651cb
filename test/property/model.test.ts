/** Any sequence of operations on a byte stream leaves what the same sequence leaves of a plain array. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ByteStream, open, type Store, StreambedError } from "../../src/index.ts";

/** What a byte stream is, in the simplest terms. */
interface Model {
	/** Everything ever appended, at its offset. */
	bytes: number[];
	head: number;
	sealed: boolean;
	/** Where each append ends. */
	readonly ends: number[];
}

interface Real {
	store: Store;
	stream: ByteStream;
	reopen: (() => Promise<Store>) | undefined;
}

type Step = (model: Model, real: Real) => Promise<void>;

const length = fc.oneof(
	{ weight: 6, arbitrary: fc.integer({ min: 1, max: 200 }) },
	{ weight: 2, arbitrary: fc.integer({ min: 1000, max: 70_000 }) },
);
/** A place as a fraction of what there is, so that shrinking keeps it sensible; a little over 1 lies beyond the tail. */
const place = fc.double({ min: 0, max: 1.1, noNaN: true });

function fill(size: number, seed: number): Uint8Array {
	return Uint8Array.from({ length: size }, (_, index) => (index * 7 + seed * 31 + (index >> 8)) & 0xff);
}

async function codeOf(action: Promise<unknown>): Promise<string> {
	return await action.then(
		() => "fine",
		(error: unknown) => (StreambedError.is(error) ? error.code : String(error)),
	);
}

function store(model: Model, bytes: Uint8Array): void {
	for (const byte of bytes) model.bytes.push(byte);
	model.ends.push(model.bytes.length);
}

function appendStep(size: number, seed: number, expected: boolean | undefined): Step {
	return async (model, { stream }) => {
		const bytes = fill(size, seed);
		const tail = model.bytes.length;
		const expect_ = expected === undefined ? {} : { expect: expected ? tail : tail + 1 };
		const outcome = await codeOf(stream.append(bytes, expect_));
		if (model.sealed) expect(outcome).toBe("STREAMBED_SEALED");
		else if (expected === false) expect(outcome).toBe("STREAMBED_POSITION_MISMATCH");
		else {
			expect(outcome).toBe("fine");
			store(model, bytes);
		}
	};
}

function writerStep(sizes: readonly number[], seed: number): Step {
	return async (model, { stream }) => {
		const parts = sizes.map((size, index) => fill(size, seed + index));
		const writer = stream.writer({ maxInFlightBytes: 50_000 });
		for (const part of parts) void writer.write(part);
		const outcome = await codeOf(writer.close());
		expect(outcome).toBe(model.sealed ? "STREAMBED_SEALED" : "fine");
		if (!model.sealed) for (const part of parts) store(model, part);
	};
}

function truncateStep(fraction: number): Step {
	return async (model, { stream }) => {
		const at = Math.round(fraction * model.bytes.length);
		const outcome = await codeOf(stream.truncateBefore(at));
		expect(outcome).toBe(at > model.bytes.length ? "STREAMBED_OUT_OF_RANGE" : "fine");
		if (at <= model.bytes.length) model.head = Math.max(model.head, at);
	};
}

function readStep(fraction: number, max: number): Step {
	return async (model, { stream }) => {
		const from = Math.round(fraction * model.bytes.length);
		await using reader = stream.reader({ from: { offset: from } });
		const result = await reader.read(max).catch((error: unknown) => error);
		if (from < model.head) expect(StreambedError.is(result, "STREAMBED_TRUNCATED")).toBe(true);
		else if (from > model.bytes.length) expect(StreambedError.is(result, "STREAMBED_OUT_OF_RANGE")).toBe(true);
		else if (from === model.bytes.length) expect(result).toEqual({ kind: model.sealed ? "end" : "nothing" });
		else {
			const { offset, bytes } = result as { offset: number; bytes: Uint8Array };
			expect(offset).toBe(from);
			expect(bytes.length).toBeGreaterThan(0);
			expect(bytes.length).toBeLessThanOrEqual(max);
			expect(Buffer.from(bytes).equals(Buffer.from(model.bytes.slice(from, from + bytes.length)))).toBe(true);
		}
	};
}

async function sealStep(model: Model, { stream }: Real): Promise<void> {
	expect(await stream.seal()).toBe(model.bytes.length);
	model.sealed = true;
}

async function reopenStep(_model: Model, real: Real): Promise<void> {
	if (real.reopen === undefined) return;
	real.store = await real.reopen();
	real.stream = real.store.scope("model").stream("stream");
}

const step: fc.Arbitrary<Step> = fc.oneof(
	{
		weight: 8,
		arbitrary: fc
			.tuple(length, fc.nat(255), fc.option(fc.boolean(), { nil: undefined, freq: 2 }))
			.map(([size, seed, expected]) => appendStep(size, seed, expected)),
	},
	{
		weight: 3,
		arbitrary: fc
			.tuple(fc.array(length, { minLength: 1, maxLength: 8 }), fc.nat(255))
			.map(([sizes, seed]) => writerStep(sizes, seed)),
	},
	{ weight: 3, arbitrary: place.map(truncateStep) },
	{
		weight: 6,
		arbitrary: fc.tuple(place, fc.integer({ min: 1, max: 100_000 })).map(([at, max]) => readStep(at, max)),
	},
	{ weight: 2, arbitrary: fc.constant<Step>(reopenStep) },
	{ weight: 1, arbitrary: fc.constant<Step>(sealStep) },
);

/** Compares all that can be seen of the stream with the model. */
async function compare(model: Model, { stream }: Real): Promise<void> {
	const tail = model.bytes.length;
	const info = await stream.info();
	const [shard] = info.shards;
	expect([shard?.head, shard?.tail, info.sealed]).toEqual([model.head, tail, model.sealed]);
	const found = Buffer.concat(await Array.fromAsync(stream.reader(), (chunk) => chunk.slice()));
	expect(found.equals(Buffer.from(model.bytes.slice(model.head)))).toBe(true);
	const ends = new Set(model.ends);
	let at = model.head;
	let left = 0;
	for await (const { offset, bytes } of stream.appends()) {
		expect(offset).toBe(at);
		at += bytes.length;
		left = ends.has(at) ? 0 : left + bytes.length;
		// A piece that ends inside an append is a full one.
		expect(left % 65_536).toBe(0);
	}
	expect(at).toBe(tail);
}

async function runSteps(steps: readonly Step[], real: Real): Promise<void> {
	const model: Model = { bytes: [], head: 0, sealed: false, ends: [] };
	for (const run of steps) await run(model, real);
	await compare(model, real);
}

describe("a byte stream", () => {
	it("in memory equals an array after any sequence of operations", { timeout: 120_000 }, async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
				await using memory = await open("memory:");
				const stream = await memory.scope("model").create("stream");
				await runSteps(steps, { store: memory, stream, reopen: undefined });
			}),
			{ numRuns: 150 },
		);
	});

	it("in a folder equals an array after any sequence of operations and reopenings", { timeout: 120_000 }, async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
				const folder = await mkdtemp(join(tmpdir(), "streambed-model-"));
				let local = await open(`file:${folder}/data`);
				try {
					const stream = await local.scope("model").create("stream", { segmentBytes: 64 * 1024 });
					const reopen = async (): Promise<Store> => {
						await local.close();
						local = await open(`file:${folder}/data`);
						return local;
					};
					await runSteps(steps, { store: local, stream, reopen });
				} finally {
					await local.close();
					await rm(folder, { recursive: true, force: true });
				}
			}),
			{ numRuns: 60 },
		);
	});
});
