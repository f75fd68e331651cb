/** What is written about writes in parts: it comes back as it was, and nothing else passes for it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatUuid } from "../../src/core/random.ts";
import { numberOfTag, segmentTag } from "../../src/log/format/segment-header.ts";
import { decodeAdoption, decodePrepared, encodeAdoption, encodePrepared } from "../../src/log/format/staged-files.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.maxSafeNat();
const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const uuid = id.map(formatUuid);
const file = fc.record({ number: u32, bytes: u32, units: u32 });

const adoption = fc.record({
	id: uuid,
	time: u64,
	head: u64,
	timeFloor: u64,
	files: fc.array(fc.record({ number: u32, bytes: u32, units: u32, base: u64 }), { maxLength: 20 }),
	folder: fc.string(),
});
const prepared = fc.record({
	id: uuid,
	stream: uuid,
	createdAt: u64,
	preparedAt: u64,
	files: fc.array(file, { maxLength: 20 }),
});

describe("an adoption", () => {
	it("comes back as it was written", () => {
		fc.assert(
			fc.property(adoption, (value) => {
				const wanted = { ...value, folder: new TextDecoder().decode(Buffer.from(value.folder)) };
				expect(decodeAdoption(encodeAdoption(value))).toEqual(wanted);
			}),
		);
	});

	it("is read from arbitrary bytes without an exception, and without taking memory that its length does not back", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
				const found = decodeAdoption(bytes);
				expect((found?.files.length ?? 0) * 24).toBeLessThanOrEqual(bytes.length);
			}),
		);
	});
});

describe("what says that a write is prepared", () => {
	it("comes back as it was written", () => {
		fc.assert(
			fc.property(prepared, (value) => {
				expect(decodePrepared(encodePrepared(value, 0))).toMatchObject(value);
			}),
		);
	});

	it("is not believed with any byte changed", () => {
		fc.assert(
			fc.property(prepared, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, by) => {
				const bytes = encodePrepared(value, 0);
				const changed = new Uint8Array(bytes);
				const place = at % (bytes.length - 1);
				changed[place] = (changed[place] as number) ^ by;
				const found = decodePrepared(changed);
				// White space between the parts of JSON says nothing.
				if (found !== undefined) expect(found).toMatchObject(value);
			}),
		);
	});

	it("is none in arbitrary bytes", () => {
		fc.assert(
			fc.property(fc.uint8Array(), (bytes) => {
				expect(decodePrepared(bytes)).toBeUndefined();
			}),
		);
	});
});

describe("the number of a segment", () => {
	it("follows from its tag", () => {
		fc.assert(
			fc.property(id, u32, u32, (streamId, shard, number) => {
				expect(numberOfTag(streamId, shard, segmentTag(streamId, shard, number))).toBe(number);
			}),
		);
	});
});
