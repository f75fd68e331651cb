/** Records as fields of Stream Ops and back, whatever they hold. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fieldOfRecord, type RecordContent, recordOfField } from "../../src/cli/stream-ops-record.ts";
import { decode, encode, fieldLength } from "../../src/stream-ops/rion/index.ts";

const text = fc.string({ unit: "binary", maxLength: 20 }).filter((each) => each.isWellFormed());
const field = fc.oneof(
	fc.uint8Array({ maxLength: 20 }).map((bytes) => encode(bytes)),
	text.map((each) => encode(each)),
	fc.maxSafeInteger().map((each) => encode(each)),
	fc.constant(Uint8Array.of(0xf1, 1, 1, 7)),
	fc.constant(Uint8Array.of(0xc1, 0)),
);
const plain = fc.record({ value: fc.oneof(fc.uint8Array({ maxLength: 30 }), field) });
const full = fc.record({
	value: fc.oneof(fc.uint8Array({ maxLength: 30 }), field),
	key: fc.option(text),
	headers: fc.option(fc.dictionary(fc.oneof(text, fc.constant("__proto__"), fc.constant("7")), text, { maxKeys: 3 })),
	clientInfo: fc.option(fc.uint8Array({ maxLength: 20 })),
	eventTime: fc.option(fc.maxSafeInteger()),
	part: fc.option(fc.record({ index: fc.maxSafeNat(), last: fc.boolean() }), { nil: undefined }),
});
/** Also what stands for another record, which itself may. */
const record: fc.Arbitrary<RecordContent> = fc
	.tuple(fc.oneof(plain, full), fc.oneof(plain, full), fc.nat(2))
	.map(([inner, outer, folds]) => {
		let made: RecordContent = inner;
		for (let count = 0; count < folds; count++) made = { ...(count === 0 ? {} : outer), value: fieldOfRecord(made) };
		return made;
	});

function complete({ value, key, headers, clientInfo, eventTime, part }: RecordContent): object {
	return {
		value: [...value],
		key: key ?? null,
		headers: Object.entries(headers ?? {}),
		clientInfo: clientInfo ? [...clientInfo] : null,
		eventTime: eventTime ?? null,
		part: part ?? null,
	};
}

describe("a record as a field of Stream Ops", () => {
	it("is one whole field, no offset field, and comes back as it was", () => {
		fc.assert(
			fc.property(record, (given) => {
				const made = fieldOfRecord(given);
				expect(fieldLength(made, 0, made.length)).toBe(made.length);
				expect([made[0] as number, made[1]]).not.toEqual([0xf1, 1]);
				expect(complete(recordOfField(made))).toEqual(complete(given));
			}),
			{ numRuns: 2000 },
		);
	});

	it("keeps what is empty or 0 apart from what is not there", () => {
		const value = new Uint8Array();
		for (const only of [{}, { key: "" }, { clientInfo: value }, { eventTime: 0 }, { headers: { "": "" } }]) {
			expect(complete(recordOfField(fieldOfRecord({ value, ...only })))).toEqual(complete({ value, ...only }));
		}
	});

	it("is the value itself where that is a field and there is nothing else", () => {
		for (const value of [encode("text"), encode(null), encode({ a: 1 }), encode({ streambed: 1 })]) {
			expect(fieldOfRecord({ value, key: null, headers: {} })).toBe(value);
		}
		expect(decode(fieldOfRecord({ value: Uint8Array.of(1), key: "k" }))).toEqual({
			streambed: 1,
			key: "k",
			value: Uint8Array.of(1),
		});
	});

	it("is read only where it is written exactly like one: other objects are values", () => {
		const value = Uint8Array.of(1);
		const others = [
			{ streambed: 2, value },
			{ streambed: 1, value: "text" },
			{ streambed: 1, value, more: 1 },
			{ streambed: 1, value, key: "k" },
			{ streambed: 1, key: 7, value },
			{ streambed: 1, eventTime: 0.5, value },
			{ streambed: 1, headers: { h: 1 }, value },
			{ streambed: 1, headers: {}, value },
			{ streambed: 1, part: 0, value },
			{ streambed: 1, part: -1, last: true, value },
			{ streambed: 1, last: true, value },
			{ value, streambed: 1 },
		].map((other) => encode(other));
		const wide = Uint8Array.of(0xc2, 0, ...encode({ streambed: 1, value }).subarray(1));
		const cut = encode({ streambed: 1, value }).slice();
		cut[cut.length - 2] = 5;
		for (const other of [...others, wide, cut]) expect(recordOfField(other)).toEqual({ value: other });
	});
});
