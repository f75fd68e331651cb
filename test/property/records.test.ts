import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreambedError } from "../../src/core/errors.ts";
import { checkMeta, type RecordInput } from "../../src/core/record.ts";
import {
	areRecords,
	bodyStart,
	decodeMeta,
	placeRecords,
	skipRecords,
	valueStart,
} from "../../src/core/record-decoding.ts";
import { RecordPayload } from "../../src/core/record-encoding.ts";
import { formatCut, parseCut } from "../../src/core/stream-cut.ts";
import { decodeGrowth, grown, newLayout } from "../../src/core/stream-layout.ts";
import { toBytes } from "../../src/stream/records/record-append.ts";

const text = fc.string({ unit: "binary", maxLength: 40 }).filter((each) => each.isWellFormed());
const record: fc.Arbitrary<RecordInput> = fc.record({
	value: fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.uint8Array({ minLength: 120, maxLength: 140 })),
	key: fc.option(text),
	headers: fc.option(fc.dictionary(text, text, { maxKeys: 3 })),
	clientInfo: fc.option(fc.uint8Array({ maxLength: 20 })),
	eventTime: fc.option(fc.maxSafeInteger()),
});

function encode(records: readonly RecordInput[]): RecordPayload {
	const payload = new RecordPayload();
	for (const each of records) payload.add(each.value, checkMeta(each, -1));
	return payload;
}

function decode(bytes: Uint8Array, count: number): RecordInput[] {
	const { starts, count: found } = placeRecords(bytes, 0, count);
	expect(found).toBe(count);
	return Array.from({ length: count }, (_, index) => {
		const from = bodyStart(bytes, starts[index] as number);
		const to = starts[index + 1] as number;
		const { valueAt, part, ...meta } = decodeMeta(bytes, from, to) ?? expect.unreachable();
		expect([valueStart(bytes, from, to), part]).toEqual([valueAt, null]);
		return { ...meta, value: bytes.slice(valueAt, to) };
	});
}

describe("records in a payload", () => {
	it("come out as they went in", () => {
		fc.assert(
			fc.property(fc.array(record, { maxLength: 12 }), (records) => {
				const payload = encode(records);
				const bytes = toBytes(payload);
				expect(payload.units).toBe(records.length);
				expect(areRecords(bytes, 0, bytes.length, records.length)).toBe(true);
				const wanted = records.map((each) => ({ ...each, headers: { ...each.headers } }));
				expect(decode(bytes, records.length).map((each) => ({ ...each, headers: { ...each.headers } }))).toEqual(
					wanted.map(({ value, key, headers, clientInfo, eventTime }) => ({
						value,
						key,
						headers,
						clientInfo,
						eventTime,
					})),
				);
			}),
		);
	});

	it("take exactly the room that was measured, and no more of what is framed than the limit says", () => {
		fc.assert(
			fc.property(fc.array(record, { maxLength: 12 }), fc.nat(9), (records, at) => {
				const payload = encode(records);
				const target = new Uint8Array(at + payload.bytes + 9).fill(0xee);
				payload.copyTo(target, at);
				expect([...target.subarray(0, at), ...target.subarray(at + payload.bytes)].every((byte) => byte === 0xee)).toBe(
					true,
				);
				expect(payload.bytes - payload.content).toBeLessThanOrEqual(32 * records.length);
			}),
		);
	});

	it("are found by skipping over those before them", () => {
		fc.assert(
			fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), fc.nat(), (records, seed) => {
				const bytes = toBytes(encode(records));
				const skipped = seed % records.length;
				const at = skipRecords(bytes, 0, skipped);
				expect(at).toBe(encode(records.slice(0, skipped)).bytes);
			}),
		);
	});
});

describe("bytes that are no records", () => {
	it("make no decoder throw, and are never read beyond their end", () => {
		const noise = fc.oneof(
			fc.uint8Array({ maxLength: 200 }),
			fc.tuple(fc.array(record, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255)).map(([records, at, byte]) => {
				const bytes = toBytes(encode(records));
				bytes[at % bytes.length] = byte;
				return bytes;
			}),
		);
		fc.assert(
			fc.property(noise, fc.nat(20), fc.nat(220), (bytes, count, start) => {
				const at = skipRecords(bytes, start, count);
				if (count > 0) expect(at === -1 || (at > start && at <= bytes.length)).toBe(true);
				const { starts, count: found } = placeRecords(bytes, start, count);
				for (let index = 0; index < found; index++) {
					const from = bodyStart(bytes, starts[index] as number);
					const to = starts[index + 1] as number;
					expect(from > 0 && from < to && to <= bytes.length).toBe(true);
					const meta = decodeMeta(bytes, from, to);
					expect(meta === undefined || (meta.valueAt > from && meta.valueAt <= to)).toBe(true);
					expect(valueStart(bytes, from, to)).toBe(meta?.valueAt ?? -1);
				}
				areRecords(bytes, 0, bytes.length, count);
			}),
			{ numRuns: 2000 },
		);
	});

	it("with flags that nobody knows are not taken for a record", () => {
		expect(decodeMeta(new Uint8Array([0x20, 1, 2]), 0, 3)).toBe(undefined);
	});
});

describe("a cut", () => {
	const positions = fc.array(fc.oneof(fc.constant(0), fc.nat(300), fc.maxSafeInteger().map(Math.abs)), {
		minLength: 1,
		maxLength: 60,
	});
	const stream = "01234567-89ab-4def-8123-456789abcdef";

	it("comes out of its text as it went in", () => {
		fc.assert(
			fc.property(positions, (each) => {
				const cut = { stream, shard: undefined, positions: each };
				expect(parseCut(formatCut(cut), "cut")).toEqual(cut);
				const [first = 0] = each;
				const one = { stream, shard: first % 4096, positions: [first] };
				expect(parseCut(formatCut(one), "cut")).toEqual(one);
			}),
		);
	});

	it("with any letter changed, cut off or added is refused", () => {
		fc.assert(
			fc.property(positions, fc.nat(), fc.constantFrom("A", "_", "-", "é", ""), (each, seed, letter) => {
				const cut = formatCut({ stream, shard: undefined, positions: each });
				const at = seed % (cut.length + 1);
				const changed = cut.slice(0, at) + letter + cut.slice(at + 1);
				if (changed === cut) return;
				expect(() => parseCut(changed, "cut")).toThrow(StreambedError);
			}),
			{ numRuns: 1000 },
		);
	});

	it("of 4,096 shards that are empty is short", () => {
		const cut = formatCut({ stream, shard: undefined, positions: new Array(4096).fill(0) });
		expect(cut.length).toBeLessThan(50);
		expect(parseCut(cut, "cut").positions).toHaveLength(4096);
	});

	it.each([undefined, null, 7, {}, "", "sbcut1.", "sbcut1.AAAA", "sbcut2.AAAA"])("is not %j", (given) => {
		expect(() => parseCut(given, "fromCut")).toThrow("fromCut is no cut");
	});
});

describe("the growths of a stream", () => {
	it("come out of a descriptor as they went in", () => {
		const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat(5), { maxLength: 40 })), {
			maxLength: 5,
		});
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 5 }), steps, (first, growths) => {
				let layout = newLayout(first);
				for (const [more, tails] of growths) {
					layout = grown(layout, layout.shards + more, 7, tails.slice(0, layout.shards));
				}
				const stored: unknown = JSON.parse(JSON.stringify(layout.growth));
				expect(decodeGrowth(stored, layout.shards)).toEqual(layout.growth);
			}),
		);
	});

	it("that make no sense are refused, whatever stands there", () => {
		const growth = { from: 1, to: 3, at: 5, positions: [4] };
		expect(decodeGrowth([growth], 3)).toEqual([growth]);
		for (const wrong of [7, {}, [7], [null], [{ ...growth, to: 1 }], [{ ...growth, positions: [1, 2] }]]) {
			expect(decodeGrowth(wrong, 3)).toBe(undefined);
		}
		expect(decodeGrowth([growth], 4)).toBe(undefined);
		expect(decodeGrowth([growth, { ...growth, from: 2, to: 4 }], 4)).toBe(undefined);
		fc.assert(fc.property(fc.jsonValue(), (value) => void decodeGrowth(value, 3)));
	});
});
