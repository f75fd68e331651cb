/** RION where the fixtures do not tell: what is refused, what is chosen, and how its reader walks. */
import { describe, expect, it } from "vitest";
import { fieldLength } from "../../../src/stream-ops/rion/field-head.ts";
import {
	dateOf,
	decode,
	decodeField,
	decodeFields,
	encode,
	formatDateTime,
	type RionField,
	RionReader,
	RionType,
	type RionValue,
	RionWriter,
	rion,
	unwrap,
	unwrapText,
	wrap,
} from "../../../src/stream-ops/rion/index.ts";
import { unhex } from "./fixtures.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const refusal = (code: string, details: object = {}): unknown =>
	expect.objectContaining({ code: `STREAMBED_${code}`, details: expect.objectContaining(details) });
const written = (write: (writer: RionWriter) => void): string => {
	const writer = new RionWriter();
	write(writer);
	return hex(writer.finish());
};

describe("encoding a value", () => {
	it.each<[bytes: string, value: RionValue]>([
		["320100", -257],
		["2100", 0],
		["271fffffffffffff", 2 ** 53 - 1],
		["371ffffffffffffe", -(2 ** 53 - 1)],
		["371fffffffffffff", -(2n ** 53n)],
		["287fffffffffffffff", 2n ** 63n - 1n],
		["387fffffffffffffff", -(2n ** 63n)],
		["488000000000000000", -0],
		["487ff8000000000000", Number.NaN],
		["5100", ""],
		[`6f${"78".repeat(15)}`, "x".repeat(15)],
		[`5110${"78".repeat(16)}`, "x".repeat(16)],
		[`5141${"78".repeat(65)}`, "x".repeat(65)],
		["6fe697a5e69cace8aa9ee69687e5ad97", "日本語文字"],
		[`5110${"c3a9".repeat(8)}`, "é".repeat(8)],
		[`520104${"c3a9".repeat(130)}`, "é".repeat(130)],
		["613f", "\ud800"],
		["63613f62", "a\udc00b"],
		["64efbbbf61", "\ufeffa"],
		["00", null],
		["c104d1002101", { "": 1 }],
		["c113d1107369787465656e2d62797465732d6b7911", { "sixteen-bytes-ky": true }],
		["c103e16200", { a: undefined, b: null }],
		["a103210100", [undefined as unknown as null]],
		["7907e30910081e0f00fa", new Date("2019-09-16T08:30:15.250Z")],
	])("%s", (bytes, value) => {
		expect(hex(encode(value))).toBe(bytes);
	});

	it("keeps lengths right when the content of a composite outgrows its length bytes", () => {
		for (const length of [250, 255, 256, 65_530, 65_536, 70_000]) {
			const value = { a: [["x".repeat(length)], 1], b: 2 };
			expect(decode(encode(value)), `${length}`).toEqual(value);
		}
	});

	it("gives out bytes that later calls leave alone", () => {
		const records = Array.from({ length: 3000 }, (_, i) => ({ record: encode({ i, text: `record ${i}` }), i }));
		for (const { record, i } of records) expect(decode(record)).toEqual({ i, text: `record ${i}` });
	});

	it("may be called from a getter of the value", () => {
		const value = {
			a: 1,
			get b(): string {
				return hex(encode([1, 2]));
			},
		};
		expect(decode(encode(value))).toEqual({ a: 1, b: "a106210221012102" });
	});

	it.each<[string, unknown]>([
		["a function", () => 1],
		["a symbol", Symbol("s")],
		["undefined", undefined],
		["a Map", new Map()],
		["an integer beyond 64 bits", 2n ** 63n],
		["an integer below 64 bits", -(2n ** 63n) - 1n],
		["a date that is none", new Date(Number.NaN)],
		["a year beyond 65,535", new Date(8.64e15)],
		["a year before 0", new Date(-8.64e15)],
	])("refuses %s, and is none the worse for it", (_, value) => {
		expect(() => encode(value as RionValue)).toThrow(refusal("INVALID_OPTION"));
		expect(hex(encode(1))).toBe("2101");
	});

	it("refuses what is nested more than 64 deep, a circle too", () => {
		const nested = (depth: number): RionValue => (depth === 0 ? 1 : [nested(depth - 1)]);
		expect(decode(encode(nested(64)))).toEqual(nested(64));
		expect(() => encode(nested(65))).toThrow(refusal("INVALID_OPTION"));
		const circle: { self?: RionValue } = {};
		circle.self = circle as RionValue;
		expect(() => encode(circle as RionValue)).toThrow(refusal("INVALID_OPTION"));
	});
});

describe("decoding a value", () => {
	it("accepts lengths and integers that are wider than need be", () => {
		expect(decode(unhex("0f0000000000000000000000000000015a"))).toEqual(Uint8Array.of(0x5a));
		expect(decode(unhex("2400000005"))).toBe(5);
		expect(decode(unhex("320000"))).toBe(-1);
		expect(decode(unhex("2a00000000000000000005"))).toBe(5);
		expect(decode(unhex("27001fffffffffff"))).toBe(0x1fffffffffff);
	});

	it("gives the exact integer or none", () => {
		expect(decode(unhex("2720000000000001"))).toBe(2n ** 53n + 1n);
		expect(decode(unhex("271fffffffffffff"))).toBe(2 ** 53 - 1);
		expect(decode(unhex("371ffffffffffffe"))).toBe(-(2 ** 53 - 1));
		expect(decode(unhex("371fffffffffffff"))).toBe(-(2n ** 53n));
		expect(() => decode(unhex("288000000000000000"))).toThrow(refusal("DECODE"));
		expect(() => decode(unhex("29010000000000000000"))).toThrow(refusal("DECODE"));
	});

	it("refuses a length of 8 bytes ff at once, and does not allocate", () => {
		for (const lead of ["08", "58", "a8", "b8", "c8", "d8", "88"]) {
			const bytes = unhex(`${lead}ffffffffffffffff00`);
			expect(() => decode(bytes)).toThrow(refusal("DECODE", { offset: 0, truncated: true }));
		}
		expect(() => decode(unhex("0400000000"))).not.toThrow();
		expect(() => decode(unhex("050100000000"))).toThrow(refusal("DECODE"));
	});

	it("refuses an inner field that is longer than its composite", () => {
		expect(() => decode(unhex("a1042101" + "0105" + "0000000000"))).toThrow(refusal("DECODE", { offset: 4 }));
		expect(() => decode(unhex("c103e16122" + "0101"))).toThrow(refusal("DECODE"));
	});

	it("refuses every proper prefix of a field, naming the byte", () => {
		const field = encode({
			a: [1, -300, "text", 1.5, new Date(0)],
			"a key of more than 15 bytes": Uint8Array.of(1, 2),
		});
		for (let length = 0; length < field.length; length++) {
			expect(() => decode(field.subarray(0, length)), `${length}`).toThrow(refusal("DECODE", { truncated: true }));
			expect(() => decodeField(field.subarray(0, length)), `${length}`).toThrow(refusal("DECODE"));
		}
	});

	it("refuses more than one field, and values where keys belong", () => {
		expect(() => decode(unhex("21012102"))).toThrow(refusal("DECODE", { offset: 2 }));
		expect(() => decode(unhex("c1022101"))).toThrow(refusal("DECODE", { offset: 2 }));
		expect(() => decode(unhex("c106e161" + "21012102"))).toThrow(refusal("DECODE", { offset: 6 }));
		expect(() => decode(unhex("a1026161"))).toThrow(refusal("DECODE", { offset: 2 }));
		expect(() => decode(unhex("b100"))).toThrow(refusal("DECODE"));
		expect(() => decode(unhex("b1042100" + "2101"))).toThrow(refusal("DECODE"));
	});

	it.each(["71", "78", "7a"])("refuses a date-time that begins with %s", (lead) => {
		const bytes = unhex(lead.padEnd(2 + 2 * (Number.parseInt(lead, 16) & 15), "0"));
		expect(() => decode(bytes)).toThrow(refusal("DECODE"));
		expect(() => decodeField(bytes)).toThrow(refusal("DECODE"));
	});

	it("takes a key without a value for null, and the last of equal keys", () => {
		expect(decode(unhex("c108e161e1622102e163"))).toEqual({ a: null, b: 2, c: null });
		expect(decode(unhex("c108e161" + "2101e1612102"))).toEqual({ a: 2 });
	});

	it("makes __proto__ a member like any other", () => {
		const decoded = decode(encode(JSON.parse('{"__proto__":{"admin":true}}'))) as Record<string, unknown>;
		expect(Object.keys(decoded)).toEqual(["__proto__"]);
		expect(decoded.admin).toBeUndefined();
	});

	it("makes rows of a table, and refuses one that is not complete", () => {
		const rows = [
			{ id: 1, name: "a" },
			{ id: 2, name: "b" },
		];
		expect(decode(unhex("b1122102e26964e46e616d652101616121026162"))).toEqual(rows);
		expect(() => decode(unhex("b1102102e26964e46e616d65210161612102"))).toThrow(refusal("DECODE"));
	});

	it("copies bytes, and keeps characters that begin a text or are malformed", () => {
		const field = encode(Uint8Array.of(1, 2, 3));
		const bytes = decode(field) as Uint8Array;
		field.fill(0);
		expect(bytes).toEqual(Uint8Array.of(1, 2, 3));
		expect(decode(unhex("64efbbbf61"))).toBe("\ufeffa");
		expect(decode(unhex("6361ff62"))).toBe("a\ufffdb");
	});

	it("refuses extended and unused types, which field readers know", () => {
		expect(() => decode(unhex("f12a0107"))).toThrow(refusal("DECODE"));
		expect(decodeField(unhex("f12a0107"))).toMatchObject({
			type: "extended",
			extendedType: 42,
			value: Uint8Array.of(7),
		});
		expect(decodeField(unhex("8102aabb"))).toMatchObject({ type: "reserved", fieldType: 8 });
	});

	it("takes anything but bytes for a mistake", () => {
		expect(() => decode("text" as unknown as Uint8Array)).toThrow(refusal("INVALID_OPTION"));
		expect(() => new RionReader([1] as unknown as Uint8Array)).toThrow(refusal("INVALID_OPTION"));
	});
});

describe("a writer", () => {
	it("writes what was asked for: reserved widths, forms of keys, floats, nulls", () => {
		expect(
			written((writer) => {
				writer.beginArray(2, 2);
				writer.integer(1);
				writer.integer(2);
				writer.end();
			}),
		).toBe("a2000722000221012102");
		expect(written((writer) => writer.longKey("abc"))).toBe("d103616263");
		expect(written((writer) => writer.shortKey("abc"))).toBe("e3616263");
		expect(written((writer) => writer.float32(Number.NaN))).toBe("447fc00000");
		expect(written((writer) => writer.float64(-2.25))).toBe("48c002000000000000");
		expect(written((writer) => writer.null("int64"))).toBe("20");
		expect(written((writer) => writer.null("utf8"))).toBe("50");
		expect(written((writer) => writer.extended(16, Uint8Array.of(3), "short"))).toBe("f11003");
		expect(written((writer) => writer.encoded(encode(5)))).toBe("2105");
		expect(written((writer) => writer.key("é".repeat(8)))).toBe(`d110${"c3a9".repeat(8)}`);
	});

	it("refuses 256 bytes where one length byte was reserved, a count that does not fit, and widths that are none", () => {
		const writer = new RionWriter();
		writer.beginObject(1);
		writer.key("a");
		writer.bytes(new Uint8Array(252));
		expect(() => writer.end()).toThrow(refusal("INVALID_OPTION"));
		expect(() => writer.finish()).toThrow(refusal("INVALID_OPTION"));
		writer.discard();
		expect(() => writer.beginArray(256, 1)).toThrow(refusal("INVALID_OPTION"));
		writer.discard();
		expect(() => writer.beginObject(0)).toThrow(refusal("INVALID_OPTION"));
		expect(() => writer.end()).toThrow(refusal("INVALID_OPTION"));
	});

	it("refuses short keys of 0 or 16 bytes, extended fields and date-times that nothing could read", () => {
		const writer = new RionWriter();
		for (const key of ["", "0123456789abcdef", "é".repeat(8)]) {
			expect(() => writer.shortKey(key)).toThrow(refusal("INVALID_OPTION"));
		}
		expect(() => writer.extended(256, null)).toThrow(refusal("INVALID_OPTION"));
		expect(() => writer.extended(1, new Uint8Array(16), "short")).toThrow(refusal("INVALID_OPTION"));
		expect(() =>
			writer.dateTime({ year: 2019, month: 9, day: 16, hour: 8, minute: 30, second: 15, millisecond: 1000 }),
		).toThrow(refusal("INVALID_OPTION"));
		expect(() => writer.dateTime({ year: 2019, day: 1 })).toThrow(refusal("INVALID_OPTION"));
		expect(() => writer.dateTime({ year: 70_000 })).toThrow(refusal("INVALID_OPTION"));
		expect(() => writer.integer(2 ** 53)).toThrow(refusal("INVALID_OPTION"));
		expect(writer.length).toBe(0);
	});
});

describe("a reader of fields", () => {
	it("walks into composites and out of them, and gives values by type", () => {
		const record = encode({
			id: 7,
			tags: ["a", "b"],
			at: new Date(0),
			raw: Uint8Array.of(9),
			ok: true,
			x: 0.5,
			n: null,
		});
		const reader = new RionReader(record);
		const seen: unknown[] = [];
		expect(reader.next()).toBe(true);
		expect(reader.type).toBe(RionType.object);
		reader.enter();
		while (reader.next()) {
			const key = reader.key();
			expect(reader.next()).toBe(true);
			if (key === "id") seen.push(reader.integer());
			else if (key === "at") seen.push(reader.date()?.getTime());
			else if (key === "raw") seen.push(reader.bytes());
			else if (key === "ok") seen.push(reader.boolean());
			else if (key === "x") seen.push(reader.float());
			else if (key === "n") seen.push(reader.isNull);
			else {
				reader.enter();
				expect(reader.depth).toBe(2);
				reader.next();
				expect(reader.integer()).toBe(2);
				reader.next();
				seen.push(reader.text());
				reader.leave();
			}
		}
		expect(seen).toEqual([7, "a", 0, Uint8Array.of(9), true, 0.5, true]);
		reader.leave();
		expect(reader.next()).toBe(false);
	});

	it("skips what it does not know, and reads short extended fields when it is told", () => {
		const bytes = unhex("f12a0107" + "8102aabb" + "2101");
		const reader = new RionReader(bytes);
		const names: string[] = [];
		while (reader.next()) names.push(reader.typeName);
		expect(names).toEqual(["extended", "reserved8", "intPositive"]);
		const short = new RionReader(unhex("f110032101"), 0, 5, { shortExtendedTypes: [16] });
		expect([short.next(), short.extendedType, short.end, short.next()]).toEqual([true, 16, 3, true]);
	});

	it("compares keys without making texts of them, and reads numbers of either kind", () => {
		const reader = new RionReader(encode({ "": 1, a: 2.5, ab: 3, é: 4, "a key of more than 15 bytes": -1 }));
		reader.next();
		reader.enter();
		const keys = ["", "a", "ab", "é", "a key of more than 15 bytes"];
		for (const key of keys) {
			reader.next();
			expect(keys.filter((each) => reader.isKey(each))).toEqual([key]);
			reader.next();
			expect(reader.isKey(key)).toBe(false);
			expect(reader.number()).toBe([1, 2.5, 3, 4, -1][keys.indexOf(key)]);
		}
	});

	it("steps from member to member where their order is known", () => {
		const long = "a key of more than 15 bytes";
		const reader = new RionReader(
			Buffer.concat([encode({ a: 1, é: "x", [long]: true, n: null }), unhex("c106e162e1632101")]),
		);
		reader.next();
		reader.enter();
		expect([reader.member("b"), reader.member("a"), reader.number()]).toEqual([false, true, 1]);
		expect([reader.member("a"), reader.member("e"), reader.member("é"), reader.text()]).toEqual([
			false,
			false,
			true,
			"x",
		]);
		expect([reader.member(`${long}!`), reader.member(long), reader.boolean()]).toEqual([false, true, true]);
		expect([reader.member("n"), reader.text(), reader.integer(), reader.date()]).toEqual([true, null, null, null]);
		expect([reader.member("n"), reader.next()]).toEqual([false, false]);
		reader.leave();
		reader.next();
		reader.enter();
		expect([reader.member("b"), reader.isNull, reader.text()]).toEqual([true, true, null]);
		expect([reader.member("c"), reader.integer(), reader.next()]).toEqual([true, 1, false]);
		const broken = new RionReader(unhex("e261"));
		expect(() => broken.member("a")).toThrow(refusal("DECODE", { offset: 0 }));
	});

	it("refuses another type than the one asked for, and going where nothing is", () => {
		const reader = new RionReader(encode("text"));
		reader.next();
		for (const read of ["integer", "boolean", "float", "key", "dateTime", "date", "enter"] as const) {
			expect(() => reader[read]()).toThrow(refusal("DECODE", { offset: 0 }));
		}
		expect(() => reader.leave()).toThrow(refusal("INVALID_OPTION"));
		expect(() => new RionReader(new Uint8Array(2), 1, 3)).toThrow(refusal("INVALID_OPTION"));
	});

	it("goes no deeper than 64", () => {
		const nest = (depth: number): Uint8Array => {
			let field = unhex("c100");
			for (let each = 1; each < depth; each++) {
				const writer = new RionWriter();
				writer.beginObject();
				writer.key("k");
				writer.encoded(field);
				writer.end();
				field = writer.finish();
			}
			return field;
		};
		const enterAll = (field: Uint8Array): number => {
			const reader = new RionReader(field);
			while (reader.next()) if (reader.type === RionType.object) reader.enter();
			return reader.depth;
		};
		expect(enterAll(nest(64))).toBe(64);
		expect(() => decode(nest(64))).not.toThrow();
		expect(() => enterAll(nest(65))).toThrow(refusal("DECODE"));
		expect(() => decode(nest(65))).toThrow(refusal("DECODE"));
		expect(() => decodeField(nest(65))).toThrow(refusal("DECODE"));
	});
});

describe("the length of a field", () => {
	it("is told by its head alone, and is 0 where even that is cut", () => {
		const length = (hex: string): number => fieldLength(unhex(hex), 0, hex.length / 2);
		expect(["11", "10", "2101", "28", "6f", "0102", "020100", "f0aa", "f1aa05", "f2aa0100"].map(length)).toEqual([
			1, 1, 2, 9, 16, 4, 259, 2, 8, 260,
		]);
		expect(["", "01", "0201", "f0", "f1aa", "f2aa01", "0f00"].map(length)).toEqual([0, 0, 0, 0, 0, 0, 0]);
		expect(length("08ffffffffffffffff")).toBeGreaterThan(2 ** 53);
	});
});

describe("wrapping", () => {
	it("puts images, JSON and anything else into one field, and takes them out again", () => {
		const image = Uint8Array.from({ length: 70_000 }, (_, i) => i);
		expect(unwrap(wrap(image))).toEqual(image);
		expect(wrap(image).length).toBe(image.length + 4);
		expect(JSON.parse(unwrapText(wrap('{"a":1}')))).toEqual({ a: 1 });
		expect(unwrap(wrap(new Uint8Array()))).toEqual(new Uint8Array());
		expect(unwrapText(wrap(""))).toBe("");
	});

	it("refuses what was not wrapped", () => {
		for (const record of ["2101", "00", "50", "", "01010a00", "0105aa"]) {
			expect(() => unwrap(unhex(record)), record).toThrow(refusal("DECODE"));
		}
		expect(() => unwrapText(unhex("50"))).toThrow(refusal("DECODE"));
	});
});

describe("the serializer", () => {
	it("is a pair of encode and decode", () => {
		expect(rion.decode(rion.encode({ a: [1, "b"] }))).toEqual({ a: [1, "b"] });
	});
});

describe("date-times", () => {
	it("keep the fields that were written, also those that no calendar has", () => {
		const field = decodeField(unhex("7307e30d")) as Extract<RionField, { type: "utcDateTime" }>;
		expect(field.value).toEqual({ year: 2019, month: 13 });
		expect(dateOf({ year: 2019, month: 13 }).toISOString()).toBe("2020-01-01T00:00:00.000Z");
		expect(dateOf({ year: 50 }).toISOString()).toBe("0050-01-01T00:00:00.000Z");
	});

	it("are shown as precise as they are", () => {
		const parts = Object.entries({ year: 2019, month: 9, day: 6, hour: 8, minute: 5, second: 4, millisecond: 30 });
		const shown = parts.map((_, i) => formatDateTime(Object.fromEntries(parts.slice(0, i + 1)) as { year: number }));
		expect(shown).toEqual([
			"2019",
			"2019-09",
			"2019-09-06",
			"2019-09-06T08:00Z",
			"2019-09-06T08:05Z",
			"2019-09-06T08:05:04Z",
			"2019-09-06T08:05:04.030Z",
		]);
	});
});

describe("fields of one sequence", () => {
	it("follow one another, and one alone is one", () => {
		expect(decodeFields(unhex("21016162"))).toHaveLength(2);
		expect(() => decodeField(unhex("21016162"))).toThrow(refusal("DECODE"));
		expect(() => decodeField(new Uint8Array())).toThrow(refusal("DECODE"));
	});
});
