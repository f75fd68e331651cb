/** RION: any value comes back as it went in, and bytes that nobody wrote are refused or read, and nothing worse. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreambedError } from "../../src/core/errors.ts";
import {
	decode,
	decodeFields,
	encode,
	encodeField,
	encodeFields,
	type RionField,
	RionReader,
	RionType,
	type RionValue,
} from "../../src/stream-ops/rion/index.ts";

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const unsafe = int64.filter((value) => !Number.isSafeInteger(Number(value)));
const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ minLength: 10, maxLength: 300 }));
const key = fc.oneof(fc.string({ unit: "binary", maxLength: 20 }), fc.constant("__proto__"));

const value: fc.Arbitrary<RionValue> = fc.letrec<{ value: RionValue }>((tie) => ({
	value: fc.oneof(
		{ maxDepth: 5, withCrossShrink: true },
		fc.constantFrom(null, true, false),
		fc.maxSafeInteger(),
		unsafe,
		fc.double(),
		text,
		fc.uint8Array({ maxLength: 300 }),
		fc.date({ min: new Date("0000-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true }),
		fc.array(tie("value"), { maxLength: 6 }),
		fc.dictionary(key, tie("value"), { maxKeys: 6, noNullPrototype: true }),
	),
})).value;

const dateTime = fc
	.tuple(
		fc.nat(65_535),
		fc.integer({ min: 1, max: 12 }),
		fc.integer({ min: 1, max: 31 }),
		fc.nat(23),
		fc.nat(59),
		fc.nat(59),
		fc.nat(999),
		fc.integer({ min: 1, max: 7 }),
	)
	.map((all) => {
		const names = ["year", "month", "day", "hour", "minute", "second", "millisecond"];
		return Object.fromEntries(names.slice(0, all[7]).map((name, i) => [name, all[i]])) as unknown as { year: number };
	});
const safeOr = (integer: bigint): number | bigint =>
	Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
const bytes = fc.option(fc.uint8Array({ minLength: 1, maxLength: 300 }));

const field: fc.Arbitrary<RionField> = fc.letrec<{ field: RionField }>((tie) => ({
	field: fc.oneof(
		{ maxDepth: 4 },
		fc.record({ type: fc.constant("bytes"), value: bytes }),
		fc.record({ type: fc.constant("boolean"), value: fc.option(fc.boolean()) }),
		fc.record({ type: fc.constant("int64"), value: fc.option(int64.map(safeOr)) }),
		fc.record({ type: fc.constant("float32"), value: fc.float() }),
		fc.record({ type: fc.constant("float64"), value: fc.double() }),
		fc.record({ type: fc.constant("utf8"), value: fc.option(text) }),
		fc.record({ type: fc.constant("utcDateTime"), value: fc.option(dateTime) }),
		fc.record({ type: fc.constant("key"), value: fc.option(text) }),
		fc.record({ type: fc.constant("keyShort"), value: fc.option(fc.string({ minLength: 1, maxLength: 15 })) }),
		fc.record({
			type: fc.constant("extended"),
			extendedType: fc.integer({ min: 2, max: 255 }),
			form: fc.constant("normal"),
			value: bytes,
		}),
		fc.record({ type: fc.constant("reserved"), fieldType: fc.constantFrom(8, 9), value: bytes }),
		fc.record({ type: fc.constant("array"), value: fc.array(tie("field"), { maxLength: 5 }) }),
		fc.record({
			type: fc.constant("object"),
			value: fc.array(fc.record({ key, value: tie("field").filter(({ type }) => !/^key/.test(type)) }), {
				maxLength: 5,
			}),
		}),
		fc.record({
			type: fc.constant("table"),
			value: fc
				.tuple(fc.array(key, { minLength: 1, maxLength: 3 }), fc.array(tie("field"), { maxLength: 6 }), fc.nat(300))
				.map(([keys, cells, rows]) => ({ keys, cells: cells.filter(({ type }) => !/^key/.test(type)), rows })),
		}),
	) as fc.Arbitrary<RionField>,
})).field;

/** Walks through all fields, into every composite, and reads whatever can be read. */
function walk(reader: RionReader): void {
	for (;;) {
		while (!reader.next()) {
			if (reader.depth === 0) return;
			reader.leave();
		}
		const { type } = reader;
		if (type >= RionType.array && type <= RionType.object) reader.enter();
		else if (type === RionType.intPositive || type === RionType.intNegative) reader.integer();
		else if (type === RionType.utf8 || type === RionType.utf8Short) reader.text();
		else if (type === RionType.float) reader.float();
		else if (type === RionType.utcDateTime) reader.date();
		else reader.bytes();
	}
}

function refusesOrReads(read: () => unknown): void {
	try {
		read();
	} catch (error) {
		expect(StreambedError.is(error, "STREAMBED_DECODE"), String(error)).toBe(true);
	}
}

describe("RION", () => {
	it("gives back any value that was encoded", () => {
		fc.assert(
			fc.property(value, (given) => {
				expect(decode(encode(given))).toStrictEqual(given);
			}),
			{ numRuns: 500 },
		);
	});

	it("gives back any field that was encoded, and writes it to the same bytes again", () => {
		fc.assert(
			fc.property(field, (given) => {
				const encoded = encodeField(given);
				const [read, ...more] = decodeFields(encoded);
				expect(more).toEqual([]);
				expect(withoutCounts(read as RionField)).toStrictEqual(withoutCounts(given));
				expect(encodeField(read as RionField)).toEqual(encoded);
			}),
			{ numRuns: 500 },
		);
	});

	it("refuses or reads bytes that nobody wrote", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
				refusesOrReads(() => decode(given));
				refusesOrReads(() => decodeFields(given));
				refusesOrReads(() => walk(new RionReader(given)));
			}),
			{ numRuns: 3000 },
		);
	});

	it("refuses or reads fields in which bytes were changed, and allocates no more than they have", () => {
		const change = fc.record({ at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) });
		fc.assert(
			fc.property(
				fc.array(field, { minLength: 1, maxLength: 4 }),
				fc.array(change, { maxLength: 4 }),
				(given, changes) => {
					const encoded = new Uint8Array(encodeFields(given));
					for (const { at, by } of changes)
						encoded[at % encoded.length] = (encoded[at % encoded.length] as number) ^ by;
					const before = process.memoryUsage().arrayBuffers;
					refusesOrReads(() => decodeFields(encoded));
					refusesOrReads(() => decode(encoded));
					refusesOrReads(() => walk(new RionReader(encoded)));
					expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
				},
			),
			{ numRuns: 500 },
		);
	});
});

/** NaN is equal to itself, -0 is not 0: what `toStrictEqual` says as well. Counts of arrays follow from them. */
function withoutCounts(given: RionField): unknown {
	return JSON.parse(
		JSON.stringify(given, (name, each) => {
			if (name === "count" || name === "width") return undefined;
			if (typeof each === "bigint" || typeof each === "number") return Object.is(each, -0) ? "-0" : String(each);
			return each instanceof Uint8Array ? Buffer.from(each).toString("hex") : each;
		}),
	);
}
