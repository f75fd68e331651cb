import { describe, expect, it } from "vitest";
import { RecordPayload } from "../../../src/core/record-encoding.ts";
import { viewOf } from "../../../src/log/format/checksum.ts";
import { type FrameHeader, FrameType, readFrameHeader, writeFrameHeader } from "../../../src/log/format/frame.ts";
import { recordRun, recordsHold } from "../../../src/log/format/record-run.ts";

/** A frame of three entries with two, one and three records. */
function frame(): { bytes: Uint8Array; header: FrameHeader } {
	const counts = [2, 1, 3];
	const payloads = counts.map((count) => {
		const payload = new RecordPayload();
		for (let index = 0; index < count; index++) payload.add(new Uint8Array(index + 5), undefined);
		return payload;
	});
	const payloadBytes = payloads.reduce((sum, { bytes }) => sum + bytes, 0);
	const bytes = new Uint8Array(64 + payloadBytes + 24);
	const view = viewOf(bytes);
	let at = 64;
	for (const [index, payload] of payloads.entries()) {
		payload.copyTo(bytes, at);
		at += payload.bytes;
		view.setUint32(64 + payloadBytes + 8 * index, payload.bytes, true);
		view.setUint32(64 + payloadBytes + 8 * index + 4, payload.units, true);
	}
	const rest = { tableBytes: 24, bodyCrc: 0, units: 6, relative: 0, tag: 0, time: 7, round: 1 };
	writeFrameHeader(view, 0, { type: FrameType.data, entries: 3, payloadBytes, ...rest });
	return { bytes, header: readFrameHeader(bytes, view, 0) as FrameHeader };
}

describe("a frame of records", () => {
	it("is read from the entry on that holds a position", () => {
		const { bytes } = frame();
		const found = Array.from({ length: 7 }, (_, index) => {
			const run = recordRun(bytes, viewOf(bytes), 0, 100, 100 + index);
			return run && [run.offset, run.units, run.time];
		});
		const [first, second, third] = [
			[100, 6, 7],
			[102, 4, 7],
			[103, 3, 7],
		];
		expect(found).toEqual([first, first, second, third, third, third, undefined]);
	});

	it("holds what it counts, or does not", () => {
		const { bytes, header } = frame();
		expect(recordsHold(bytes, 0, header)).toBe(true);
		expect(recordsHold(bytes, 0, { ...header, units: 5 })).toBe(false);
		const table = 64 + header.payloadBytes;
		for (const [at, value] of [
			[64, 0],
			[64, 200],
			[65, 0x40],
			[table, 3],
			[table + 4, 1],
			[table + 12, 0],
		] as const) {
			const wrong = bytes.slice();
			wrong[at] = value;
			expect(recordsHold(wrong, 0, header), `byte ${at}`).toBe(false);
		}
		expect(recordsHold(bytes.subarray(0, 64), 0, header)).toBe(true);
	});
});
