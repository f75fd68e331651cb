/** Streams of Stream Ops against an array: whatever is appended, over any blocks and reopenings, comes back in order. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreambedError } from "../../src/core/errors.ts";
import { StreamStorageFS, type StreamStorageOptions } from "../../src/stream-ops/index.ts";
import { encode, type RionValue, RionWriter } from "../../src/stream-ops/rion/index.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";

const value: fc.Arbitrary<RionValue> = fc.oneof(
	fc.integer(),
	fc.string({ maxLength: 40 }),
	fc.uint8Array({ maxLength: 60 }),
	fc.constant(null),
);
const field = value.map((each) => encode(each));
const marked = fc.integer({ min: 0, max: 255 }).map((each) => {
	const writer = new RionWriter();
	writer.extended(1, Uint8Array.of(each));
	return writer.finish();
});

type Step =
	| { readonly kind: "append"; readonly records: readonly Uint8Array[] }
	| { readonly kind: "together"; readonly records: readonly Uint8Array[] }
	| { readonly kind: "reopen"; readonly max: number; readonly layout: "0.6" | "0.7" | undefined }
	| { readonly kind: "tear"; readonly bytes: number }
	| { readonly kind: "read"; readonly from: number; readonly to: number; readonly readBytes: number };

const records = fc.array(fc.oneof({ arbitrary: field, weight: 9 }, { arbitrary: marked, weight: 1 }), {
	minLength: 1,
	maxLength: 8,
});
const max = fc.integer({ min: 0, max: 120 });
const step: fc.Arbitrary<Step> = fc.oneof(
	fc.record({ kind: fc.constant("append" as const), records }),
	fc.record({ kind: fc.constant("together" as const), records }),
	fc.record({ kind: fc.constant("reopen" as const), max, layout: fc.constantFrom("0.6", "0.7", undefined) }),
	fc.record({ kind: fc.constant("tear" as const), bytes: fc.integer({ min: 1, max: 20 }) }),
	fc.record({
		kind: fc.constant("read" as const),
		from: fc.nat(60),
		to: fc.nat(80),
		readBytes: fc.integer({ min: 1, max: 200 }),
	}),
);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A stream on a disk in memory, beside the array that it should equal. */
class Run {
	readonly model: string[] = [];
	readonly disk = memoryDisk();
	max = 50;
	layout: "0.6" | "0.7" | undefined;
	storage: StreamStorageFS | undefined;

	stream(options: StreamStorageOptions = {}): StreamStorageFS {
		const { disk, layout } = this;
		return new StreamStorageFS("s", "/streams/s", this.max, { disk, layout, ...options });
	}

	async step(step: Step): Promise<void> {
		const storage = this.storage as StreamStorageFS;
		switch (step.kind) {
			case "append": {
				const results = await Promise.allSettled(step.records.map((each) => storage.append(each)));
				for (const [index, result] of results.entries()) {
					if (result.status === "fulfilled") this.stored(result.value, [step.records[index] as Uint8Array]);
					else refusedMark(result.reason, [step.records[index] as Uint8Array]);
				}
				break;
			}
			case "together":
				await storage.appendRecords(step.records).then(
					(offset) => this.stored(offset, step.records),
					(error: unknown) => refusedMark(error, step.records),
				);
				break;
			case "reopen":
				await storage.closeForAppend();
				this.max = step.max;
				this.layout = step.layout;
				this.storage = this.stream();
				expect(await this.storage.openForAppend()).toBeNull();
				break;
			case "tear": {
				await storage.closeForAppend();
				await this.tear(step.bytes);
				this.storage = this.stream();
				expect(await this.storage.openForAppend()).not.toBeNull();
				break;
			}
			case "read":
				await this.compare(storage, step.from, step.to);
				await this.compare(this.stream({ readBytes: step.readBytes }), step.from, step.to);
		}
		expect(this.storage?.nextRecordOffset).toBe(this.model.length);
	}

	stored(offset: number, records: readonly Uint8Array[]): void {
		expect(offset).toBe(this.model.length);
		this.model.push(...records.map(hex));
	}

	/** A record that was cut short: a head that announces more than follows. */
	async tear(bytes: number): Promise<void> {
		const list = await this.disk.list("/streams/s");
		const name = list
			.map((entry) => entry.name)
			.toSorted()
			.at(-1) as string;
		const file = await this.disk.open(`/streams/s/${name}`, "write");
		await file.write(
			Buffer.concat([Buffer.from([0x02, 0xff, 0xff]), Buffer.alloc(20)]).subarray(0, bytes),
			await file.size(),
		);
		await file.close();
	}

	async compare(storage: StreamStorageFS, from: number, to: number): Promise<void> {
		const read = await Array.fromAsync(storage.records({ from, to }));
		expect(read.map(({ bytes }) => hex(bytes))).toEqual(this.model.slice(from, Math.max(from, to)));
		expect(read.map(({ offset }) => offset)).toEqual(read.map((_, i) => from + i));
	}
}

/** Only a record that would be taken for an offset field may be refused. */
function refusedMark(error: unknown, records: readonly Uint8Array[]): void {
	expect(StreambedError.is(error, "STREAMBED_INVALID_OPTION"), String(error)).toBe(true);
	expect(records.some((bytes) => bytes[0] === 0xf1 && bytes[1] === 1)).toBe(true);
}

describe("a stream of Stream Ops", () => {
	it("equals an array, over blocks, layouts, reopenings and torn tails", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(step, { maxLength: 25 }),
				fc.constantFrom("0.6", "0.7", undefined),
				async (steps, layout) => {
					const run = new Run();
					run.layout = layout;
					run.storage = run.stream();
					await run.storage.openForAppend();
					for (const each of steps) await run.step(each);
					await run.storage.closeForAppend();
					await run.compare(run.stream(), 0, Number.MAX_SAFE_INTEGER);
					const check = await run.stream().verify();
					expect(check).toMatchObject({ ok: true, records: run.model.length, problems: [], tornTail: null });
				},
			),
			{ numRuns: 150 },
		);
	});

	it("refuses or reads blocks that nobody wrote, and never gives a record that is no field", async () => {
		const folder = mkdtempSync(join(tmpdir(), "streambed-property-"));
		const blocks = fc.uniqueArray(fc.tuple(fc.nat(40), fc.uint8Array({ maxLength: 60 })), {
			maxLength: 4,
			selector: ([offset]) => offset,
		});
		try {
			await fc.assert(
				fc.asyncProperty(blocks, fc.integer({ min: 1, max: 80 }), async (given, readBytes) => {
					for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
					for (const [offset, bytes] of given) {
						writeFileSync(join(folder, `s-${offset.toString(16).toUpperCase().padStart(16, "0")}`), bytes);
					}
					const storage = new StreamStorageFS("s", folder, 30, { readBytes, durability: "os", lock: false });
					try {
						await storage.open();
						for await (const { bytes, block, byteOffset } of storage.records()) {
							expect(bytes.length).toBeGreaterThan(0);
							const file = readFileSync(join(folder, block));
							expect(hex(file.subarray(byteOffset, byteOffset + bytes.length))).toBe(hex(bytes));
						}
					} catch (error) {
						expect(
							StreambedError.is(error, "STREAMBED_CORRUPT") || StreambedError.is(error, "STREAMBED_UNSUPPORTED"),
							String(error),
						).toBe(true);
					}
				}),
				{ numRuns: 300 },
			);
		} finally {
			rmSync(folder, { recursive: true, force: true });
		}
	});
});
