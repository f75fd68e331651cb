/** Producers: any sequence of appends, retries, takeovers and ends of rounds equals a list; their bytes come back, or are refused. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Flight, Producers, type ProducerTriple } from "../../src/core/producers.ts";
import { StreambedError } from "../../src/index.ts";
import { checksum, viewOf } from "../../src/log/format/checksum.ts";
import {
	continuedEntryWord,
	producerEntryWord,
	tripleBytes,
	tripleRuns,
	writeTriple,
} from "../../src/log/format/entry-extension.ts";
import { ENTRY_BYTES, FRAME_HEADER_BYTES, type FrameHeader } from "../../src/log/format/frame.ts";
import { decodeProducers, encodeProducers } from "../../src/log/format/producer-file.ts";
import { decodeEpoch, encodeEpoch } from "../../src/log/producers/producer-epochs.ts";

const KEPT = 4096;
const streamId = new Uint8Array(16).fill(7);
const id = fc.string({ minLength: 1, maxLength: 50, unit: "grapheme" });
const triple = fc.record({ id, epoch: fc.maxSafeNat(), sequence: fc.maxSafeNat() });

interface Stored extends ProducerTriple {
	readonly from: number;
	readonly to: number;
}

/** What is to come of it, in the plainest way: all appends ever accepted, the first `durable` of them for certain. */
class Model {
	stored: Stored[] = [];
	durable = 0;
	readonly taken = new Map<string, number>();

	epoch(id: string): number {
		const used = this.stored.filter((one) => one.id === id).map(({ epoch }) => epoch);
		return Math.max(-1, this.taken.get(id) ?? -1, ...used);
	}

	expected({ id, epoch }: ProducerTriple): number {
		return this.stored.filter((one) => one.id === id && one.epoch === epoch).length;
	}

	/** What has to come of an append: its place if it was stored, the error, or "new". */
	verdict(one: ProducerTriple): Stored | string {
		const { id, epoch, sequence } = one;
		const before = this.stored.find((other) => other.id === id && other.epoch === epoch && other.sequence === sequence);
		if (before !== undefined) return before;
		if (epoch < this.epoch(id)) return "STREAMBED_FENCED";
		return sequence === this.expected(one) ? "new" : "STREAMBED_PRODUCER_GAP";
	}

	takeBack(): void {
		this.stored.length = this.durable;
	}
}

type Step = ["append", string, number, number] | ["settle", number] | ["take", string] | ["take back"] | ["reopen"];

const ids = fc.constantFrom("a", "b");
const steps: fc.Arbitrary<Step[]> = fc.array(
	fc.oneof(
		{
			weight: 10,
			arbitrary: fc.tuple(fc.constant("append" as const), ids, fc.nat(3), fc.integer({ min: -3, max: 1 })),
		},
		{ weight: 3, arbitrary: fc.tuple(fc.constant("settle" as const), fc.nat(5)) },
		{ weight: 1, arbitrary: fc.tuple(fc.constant("take" as const), ids) },
		{ weight: 1, arbitrary: fc.tuple(fc.constant("take back" as const)) },
		{ weight: 1, arbitrary: fc.tuple(fc.constant("reopen" as const)) },
	),
	{ maxLength: 60 },
);

/** What a file makes of them. */
function reopened(producers: Producers<string>): Producers<string> {
	const again = new Producers<string>("s/t");
	decodeProducers(encodeProducers(streamId, producers), "file", streamId, again);
	return again;
}

describe("the producers of a stream", () => {
	it("decide about any sequence of appends, retries, takeovers and reopenings as a list of all appends does", () => {
		fc.assert(
			fc.property(steps, (list) => {
				const model = new Model();
				let producers = new Producers<string>("s/t");
				let flying: Flight<string>[] = [];
				let at = 0;
				for (const step of list) {
					if (step[0] === "append") {
						const [, id, up, off] = step;
						const epoch = Math.max(0, model.epoch(id) + up - 2);
						const sequence = Math.max(0, model.expected({ id, epoch, sequence: 0 }) + off);
						const one = { id, epoch, sequence };
						const wanted = model.verdict(one);
						const found = producers.check(one);
						if (wanted === "new") {
							expect(found).toEqual({ kind: "new" });
							model.stored.push({ ...one, from: at, to: at + 5 });
							flying.push(producers.accept(one, { from: at, to: at + 5, shard: 0 }, "round"));
							at += 5;
						} else if (typeof wanted === "string") expect(found).toMatchObject({ error: { code: wanted } });
						else {
							const durable = model.stored.indexOf(wanted) < model.durable;
							const place = { from: wanted.from, to: wanted.to, shard: 0 };
							if (durable) expect(found).toEqual({ kind: "stored", answer: place });
							else expect(found).toMatchObject({ kind: "accepted", append: { ...place, by: "round" } });
						}
					} else if (step[0] === "settle") {
						for (const flight of flying.splice(0, step[1])) {
							producers.settle(flight);
							model.durable++;
						}
					} else if (step[0] === "take") {
						const epoch = producers.reserve(step[1]);
						expect(epoch).toBeGreaterThan(model.epoch(step[1]));
						expect(producers.take(step[1], epoch)).toBe(true);
						model.taken.set(step[1], epoch);
					} else {
						model.takeBack();
						flying = [];
						if (step[0] === "reopen") producers = reopened(producers);
						else producers.takeBack();
					}
				}
			}),
			{ numRuns: 1000 },
		);
	});

	it("are the same however often a journal is redone on their file", () => {
		const stored = fc.array(fc.record({ id: ids, up: fc.nat(1) }), { maxLength: 40 });
		fc.assert(
			fc.property(stored, fc.nat(40), (list, cut) => {
				const all: Stored[] = [];
				for (const [index, { id, up }] of list.entries()) {
					const last = all.findLast((one) => one.id === id);
					const epoch = (last?.epoch ?? 0) + up;
					const sequence = last?.epoch === epoch ? last.sequence + 1 : 0;
					all.push({ id, epoch, sequence, from: index, to: index + 1 });
				}
				const redo = (producers: Producers<string>, from: number, to: number): Producers<string> => {
					// What follows one another stands in the journal as a run, which may begin before what is known ends.
					for (let at = from; at < Math.min(to, all.length); ) {
						const first = all[at] as Stored;
						let end = at + 1;
						while (end < to && all[end]?.id === first.id && all[end]?.epoch === first.epoch) end++;
						const lengths = all.slice(at, end).map((one) => one.to - one.from);
						producers.redo(first.id, first.epoch, first.sequence, { from: first.from, shard: 0 }, lengths);
						at = end;
					}
					return producers;
				};
				const whole = encodeProducers(streamId, redo(new Producers("s/t"), 0, all.length));
				// A file put together at `cut`, and then all rounds once more, twice.
				const file = reopened(redo(new Producers("s/t"), 0, cut));
				const again = redo(redo(file, Math.floor(cut / 2), all.length), Math.floor(cut / 2), all.length);
				expect(encodeProducers(streamId, again)).toEqual(whole);
			}),
		);
	});

	it("keep 4,096 answers each, and share 2^20 when there are many", () => {
		const producers = new Producers<string>("s/t");
		for (let sequence = 0; sequence < 3 * KEPT; sequence++) {
			producers.redo("a", 0, sequence, { from: sequence, shard: 0 }, [1]);
		}
		const stored = (sequence: number): unknown => producers.check({ id: "a", epoch: 0, sequence });
		expect(stored(2 * KEPT)).toEqual({ kind: "stored", answer: { from: 2 * KEPT, to: 2 * KEPT + 1, shard: 0 } });
		expect(stored(2 * KEPT - 1)).toEqual({
			kind: "stored",
			answer: { from: Number.NaN, to: Number.NaN, shard: Number.NaN },
		});
		for (let number = 0; number < 1023; number++) producers.redo(`p${number}`, 0, 0, { from: 0, shard: 0 }, [1]);
		producers.redo("a", 0, 3 * KEPT, { from: 0, shard: 0 }, [1]);
		expect(producers.get("a").window.count).toBe(1024);
	});

	it("are at most 10,000: the next is refused", () => {
		const producers = new Producers<string>("s/t");
		for (let number = 0; number < 10_000; number++) producers.redo(`p${number}`, 0, 0, { from: 0, shard: 0 }, [1]);
		const error = { code: "STREAMBED_LIMIT_EXCEEDED" };
		expect(producers.check({ id: "new", epoch: 0, sequence: 0 })).toMatchObject({ kind: "refused", error });
		expect(() => producers.reserve("new")).toThrow(expect.objectContaining(error));
		expect(producers.check({ id: "p5", epoch: 0, sequence: 1 })).toEqual({ kind: "new" });
	});
});

function encodeTriple({ id, ...rest }: ProducerTriple): Uint8Array {
	const idBytes = new TextEncoder().encode(id);
	const bytes = new Uint8Array(tripleBytes(idBytes)).fill(0xff);
	writeTriple(bytes, viewOf(bytes), 0, { idBytes, ...rest });
	return bytes;
}

/** An entry: what it says of its producer, or `continued`, or nothing. */
interface Entry {
	readonly bytes: number;
	readonly triple: ProducerTriple | null;
	readonly continued: boolean;
}

function encodeTable(list: readonly Entry[]): { bytes: Uint8Array; header: FrameHeader } {
	const table = Buffer.alloc(list.length * ENTRY_BYTES);
	for (const [index, one] of list.entries()) {
		table.writeUInt32LE(one.bytes, index * ENTRY_BYTES);
		const word = one.triple !== null ? producerEntryWord : one.continued ? continuedEntryWord : 0;
		table.writeUInt32LE(word, index * ENTRY_BYTES + 4);
	}
	const extensions = list.flatMap((one) => (one.triple === null ? [] : [encodeTriple(one.triple)]));
	const bytes = new Uint8Array(Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), table, ...extensions]));
	const tableBytes = bytes.length - FRAME_HEADER_BYTES;
	return { bytes, header: { entries: list.length, payloadBytes: 0, tableBytes } as FrameHeader };
}

function triplesOf(bytes: Uint8Array, header: FrameHeader): Stored[] {
	const found: Stored[] = [];
	for (const { id, epoch, sequence, from, lengths } of tripleRuns(bytes, 0, header)) {
		let at = from;
		for (const [index, length] of lengths.entries()) {
			found.push({ id, epoch, sequence: sequence + index, from: at, to: at + length });
			at += length;
		}
	}
	return found;
}

describe("the bytes of producers", () => {
	it("come back as they were written: triples of some entries of a frame", () => {
		const entry = fc.record({ bytes: fc.nat(1000), triple: fc.option(triple), continued: fc.boolean() });
		fc.assert(
			fc.property(fc.array(entry, { maxLength: 20 }), (list) => {
				const wanted: Stored[] = [];
				let before: ProducerTriple | undefined;
				let from = 0;
				for (const one of list) {
					const { id, epoch, sequence } = before ?? { id: "", epoch: 0, sequence: Number.NaN };
					before = one.triple ?? (one.continued ? { id, epoch, sequence: sequence + 1 } : undefined);
					// Behind the last sequence that there is comes none.
					if (!Number.isSafeInteger(before?.sequence)) before = undefined;
					else wanted.push({ ...(before as ProducerTriple), from, to: from + one.bytes });
					from += one.bytes;
				}
				const { bytes, header } = encodeTable(list);
				expect(triplesOf(bytes, header)).toEqual(wanted);
			}),
			{ numRuns: 500 },
		);
	});

	it("make sense or none, and never throw: tables and epochs of arbitrary bytes", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(20), (body, entries) => {
				const bytes = new Uint8Array([...new Uint8Array(FRAME_HEADER_BYTES), ...body]);
				const fitting = Math.min(entries, Math.floor(body.length / ENTRY_BYTES));
				const header = { entries: fitting, payloadBytes: 0, tableBytes: body.length } as FrameHeader;
				for (const { id: found } of triplesOf(bytes, header)) expect(found.length).toBeLessThanOrEqual(255);
				decodeEpoch(body);
			}),
			{ numRuns: 1000 },
		);
	});

	it("of a taken epoch come back", () => {
		fc.assert(
			fc.property(id, fc.maxSafeNat(), fc.string({ unit: "grapheme" }), (name, epoch, folder) => {
				expect(decodeEpoch(encodeEpoch(name, epoch, folder))).toEqual({ id: name, epoch, folder });
			}),
		);
	});

	it("of a file that is damaged are CORRUPT, also where the checksum was made to fit; of another stream they say nothing", () => {
		const producers = new Producers<string>("s/t");
		for (let sequence = 0; sequence < 5; sequence++)
			producers.redo("é", 3, sequence, { from: sequence, shard: 0 }, [1]);
		producers.take("taken", 9);
		const whole = encodeProducers(streamId, producers);
		const read = (bytes: Uint8Array, of = streamId): Producers<string> => {
			const found = new Producers<string>("s/t");
			decodeProducers(bytes, "file", of, found);
			return found;
		};
		expect(read(whole).size).toBe(2);
		expect(read(whole, new Uint8Array(16)).size).toBe(0);
		const change = fc.record({ at: fc.nat(whole.length - 1), by: fc.integer({ min: 1, max: 255 }), fit: fc.boolean() });
		fc.assert(
			fc.property(change, fc.nat(whole.length), ({ at, by, fit }, length) => {
				const bytes = whole.slice(0, at % 2 === 0 ? whole.length : length);
				if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ by;
				if (fit && bytes.length >= 12) viewOf(bytes).setUint32(8, checksum(bytes.subarray(12)), true);
				try {
					read(bytes);
					expect(fit || bytes.length === whole.length).toBe(true);
				} catch (error) {
					if (!StreambedError.is(error)) throw error;
					expect(["STREAMBED_CORRUPT", "STREAMBED_FORMAT_VERSION"]).toContain(error.code);
				}
			}),
			{ numRuns: 2000 },
		);
	});
});
