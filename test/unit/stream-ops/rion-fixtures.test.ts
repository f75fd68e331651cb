/** Each field that RION Ops for Java wrote is read to the value that was meant, and written again to the same bytes. */
import { describe, expect, it } from "vitest";
import {
	decode,
	decodeField,
	decodeFields,
	encodeField,
	encodeFields,
	type RionField,
	RionReader,
} from "../../../src/stream-ops/rion/index.ts";
import { canonicalSequence, caseBytes, fieldOf, type RionCase, rionCases, withoutWidths } from "./fixtures.ts";

const cases = rionCases();
const kind = (...kinds: RionCase["kind"][]): RionCase[] => cases.filter((each) => kinds.includes(each.kind));

function fieldsOf({ value }: RionCase): RionField[] {
	if (value === null) throw new Error("a case without a value");
	return value.type === "sequence" ? (value.fields ?? []).map(fieldOf) : [fieldOf(value)];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("fields that Java wrote", () => {
	it("are many", () => {
		expect(cases.length).toBeGreaterThan(10);
	});

	it.each(kind("canonical", "encodeWithOptions", "decodeOnly"))("are read to the value that was meant: $id", (each) => {
		const options = { shortExtendedTypes: each.shortExtendedTypes };
		const read = decodeFields(caseBytes(each), options);
		expect(read.map(withoutWidths)).toStrictEqual(fieldsOf(each));
	});

	it.each(kind("canonical"))("are written again from the value: $id", (each) => {
		expect(hex(encodeFields(fieldsOf(each)))).toBe(hex(caseBytes(each)));
	});

	it.each(kind("canonical", "encodeWithOptions"))("are written again as they were read: $id", (each) => {
		const options = { shortExtendedTypes: each.shortExtendedTypes };
		expect(hex(encodeFields(decodeFields(caseBytes(each), options)))).toBe(hex(caseBytes(each)));
	});

	it.each(kind("invalid"))("are refused where they are none: $id", (each) => {
		const bytes = caseBytes(each);
		const refusal = { code: "STREAMBED_DECODE", details: expect.objectContaining({ offset: expect.any(Number) }) };
		expect(() => decodeFields(bytes)).toThrow(expect.objectContaining(refusal));
		expect(() => decode(bytes)).toThrow(expect.objectContaining(refusal));
	});

	it.each(kind("canonical").filter(({ value }) => value?.type !== "sequence" && value?.type !== "extended"))(
		"are read as a value as well: $id",
		(each) => {
			expect(() => decode(caseBytes(each))).not.toThrow();
		},
	);

	it("stand in one sequence where they are said to stand", () => {
		const { fields, bytes } = canonicalSequence();
		const reader = new RionReader(bytes);
		for (const [id, offset, length] of fields) {
			expect(reader.next(), id).toBe(true);
			expect([reader.offset, reader.end - reader.offset], id).toEqual([offset, length]);
			expect(hex(encodeField(decodeField(reader.field()))), id).toBe(hex(reader.field()));
		}
		expect(reader.next()).toBe(false);
	});
});
