import { describe, expect, it } from "vitest";
import { keyOfJson, recordOfJson, recordToJson } from "../../../src/cli/record-json.ts";

const line = (value: unknown): Uint8Array => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const read = { shard: 2, sequence: 7, time: 1_700_000_000_000 };

describe("records as lines of JSON", () => {
	it.each([
		["a text, with a byte order mark", Buffer.from("\ufeffgrüße"), { value: "\ufeffgrüße" }],
		["no text", bytes(0xff, 0x00), { valueBase64: "/wA=" }],
		["nothing", bytes(), { value: "" }],
	])("with a value that is %s come back as they were", (_, value, members) => {
		const rest = { key: "k", headers: { h: "1" }, clientInfo: bytes(1, 2), eventTime: 5 };
		const shown = recordToJson({ ...read, value, ...rest });
		expect(shown).toEqual({ ...read, ...members, key: "k", headers: { h: "1" }, clientInfo: "AQI=", eventTime: 5 });
		const again = recordOfJson(line(shown));
		expect({
			...again,
			value: Uint8Array.from(again?.value ?? []),
			clientInfo: [...(again?.clientInfo ?? [])],
		}).toEqual({
			shard: 2,
			...rest,
			value: Uint8Array.from(value),
			clientInfo: [1, 2],
		});
	});

	it("leave out the line that tells where a reading ended, and nothing that looks similar", () => {
		expect(recordOfJson(line({ outcome: "tail", position: { 0: 3 } }))).toBeUndefined();
		for (const other of [{ outcome: "tail" }, { outcome: 1, position: 2 }, { outcome: "x", position: 1, value: "v" }]) {
			expect(() => recordOfJson(line(other))).toThrow(/unknown option "outcome"/);
		}
	});

	it.each([
		[{ value: "x", time: 5 }, /given by the store/],
		[{ value: "x", sequence: 5 }, /given by the store/],
		[{ ...read, sequence: "1", value: "x" }, /given by the store/],
		[{ value: "x", timestamp: 5 }, /unknown option "timestamp"/],
		[{ value: "x", valueBase64: "" }, /either value or valueBase64/],
		[{ key: "x" }, /either value or valueBase64/],
		[{ value: { a: 1 } }, /must be a well-formed text, not an object/],
		[{ value: 1 }, /must be a well-formed text, not 1/],
		[{ value: "x", shard: "1" }, /^shard must be an integer number, not the text "1"$/],
		[{ value: "x", shard: 1.5 }, /^shard must be an integer number, not 1\.5$/],
		[{ value: "x", shard: [1] }, /^shard must be an integer number, not an array$/],
		['{"value":"x","shard":1e400}', /^shard must be at most 9007199254740991, not 1e400$/],
		[{ value: "x", eventTime: "5" }, /^eventTime must be an integer number, not the text "5"$/],
		[
			'{"value":"x","eventTime":9007199254740993}',
			/^eventTime must be at most 9007199254740991, not 9007199254740993$/,
		],
		[
			'{"eventTime":-9007199254740993,"value":"x"}',
			/^eventTime must be at least -9007199254740991, not -9007199254740993$/,
		],
		[{ value: "x", part: 7 }, /^part must be an object, as .*, not 7$/],
		[{ value: "x", part: { last: true } }, /^part\.index must be an integer number, not missing$/],
		[{ value: "x", part: { index: "0", last: true } }, /^part\.index must be an integer number, not the text "0"$/],
		['{"value":"x","part":{"index":9007199254740993,"last":true}}', /^part\.index .* not 9007199254740993$/],
		[{ value: "x", part: { index: -1, last: true } }, /^part\.index must be at least 0, not -1$/],
		[{ value: "x", part: { index: 0 } }, /^part\.last must be true or false, not missing$/],
		[{ value: "x", part: { index: 0, last: "no" } }, /^part\.last must be true or false, not the text "no"$/],
		[{ value: "x", part: { index: 0, last: true, size: 1 } }, /^unknown option "size" in part; known are index, last$/],
		['{"value":"x"}}', /^not JSON: Unexpected non-whitespace character after JSON at column 14$/],
		['{"value":1 2}', /^not JSON: Expected ',' or '}' after property value at column 12$/],
		['\ufeff{"value":"x"}', /^not JSON: it begins with a byte order mark/],
		[{ valueBase64: "x" }, /valueBase64 must be base64/],
		[{ value: "x", clientInfo: "?" }, /clientInfo must be base64/],
		["", /not JSON/],
		["null", /must be a JSON object/],
		["[]", /must be a JSON object/],
	])("refuse %j", (given, message) => {
		expect(() => recordOfJson(line(given))).toThrow(message);
	});

	it("give the key that stands in a field of their own, and no inherited one", () => {
		expect(keyOfJson(line({ id: "a" }), "id")).toBe("a");
		expect(keyOfJson(line({ id: 1.5 }), "id")).toBe("1.5");
		for (const field of ["none", "toString", "constructor", "__proto__"]) {
			expect(() => keyOfJson(line({ id: null }), field)).toThrow(`it has no field "${field}"`);
		}
		expect(keyOfJson(line('{"__proto__":"p"}'), "__proto__")).toBe("p");
		expect(() => keyOfJson(line({ id: null }), "id")).toThrow(/must be a text or a number, not null/);
		expect(() => keyOfJson(line({ id: ["a"] }), "id")).toThrow(/not an array/);
		expect(keyOfJson(line('{"id":9007199254740991}'), "id")).toBe("9007199254740991");
		expect(() => keyOfJson(line('{"id":9007199254740993}'), "id")).toThrow(
			/too large for a number .*: 9007199254740993$/,
		);
	});
});
