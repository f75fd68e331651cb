import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checksum, viewOf } from "../../../src/log/format/checksum.ts";
import { FRAME_HEADER_BYTES, FrameType, writeFrameHeader } from "../../../src/log/format/frame.ts";
import { type BadFrame, type GoodStretch, walkSegment } from "../../../src/log/segments/segment-walk.ts";

const TAG = 0x1234_5678;
const MiB = 1024 * 1024;

describe("walking a segment", () => {
	it("yields every frame once and in order, whatever their sizes", async () => {
		const sizes = [1, 5000, MiB - 100, MiB, 3 * MiB, 17 * MiB, 10, 40];
		const { bytes, places } = framesOf(sizes);
		const pieces = await walk(bytes);
		expect(pieces.every(({ kind }) => kind === "frames")).toBe(true);
		expect(placesIn(pieces)).toEqual(places);
		expect(good(pieces).at(-1)).toMatchObject({ end: bytes.length, relative: sum(sizes) });
	});

	it("steps over a bad body, and says that a good frame follows", async () => {
		const { bytes, places } = framesOf([100, 200, 300]);
		flip(bytes, (places[1] ?? 0) + 100);
		const pieces = await walk(bytes);
		expect(bad(pieces)).toEqual([
			{ kind: "bad", at: places[1], relative: 100, what: "body", end: places[2], next: 300, followed: true },
		]);
		expect(placesIn(pieces)).toEqual([places[0], places[2]]);
	});

	it("finds the next good header behind a bad one, however far away", async () => {
		const { bytes, places } = framesOf([100, 5 * MiB + 3, 300]);
		flip(bytes, (places[1] ?? 0) + 20);
		const pieces = await walk(bytes);
		const next = 100 + 5 * MiB + 3;
		expect(bad(pieces)).toEqual([
			{ kind: "bad", at: places[1], relative: 100, what: "header", end: places[2], next, followed: true },
		]);
	});

	it("steps over the bad body of a frame that is too large to be held", async () => {
		const { bytes, places } = framesOf([17 * MiB, 10]);
		flip(bytes, bytes.length - 500);
		const pieces = await walk(bytes);
		expect(bad(pieces)).toMatchObject([{ at: 0, what: "body", end: places[1], followed: true }]);
		expect(placesIn(pieces)).toEqual([places[1]]);
	});

	it("calls the last frame cut wherever the file ends in it", async () => {
		const { bytes, places } = framesOf([100, 200]);
		const from = places[1] ?? 0;
		for (let size = from + 1; size < bytes.length; size++) {
			const pieces = await walk(bytes.subarray(0, size));
			expect(placesIn(pieces)).toEqual([0]);
			expect(bad(pieces)).toMatchObject([{ at: from, what: "cut", end: undefined, followed: false }]);
		}
	});

	it("takes a frame of another file for a bad header", async () => {
		const { bytes } = framesOf([100, 200], TAG + 1);
		expect(bad(await walk(bytes))).toMatchObject([{ at: 0, what: "header", end: undefined }]);
	});

	it("ends on any bytes, and reports each of them at most once", async () => {
		const piece = fc.oneof(
			fc.uint8Array({ maxLength: 200 }),
			fc.integer({ min: 1, max: 300 }).map((size) => framesOf([size]).bytes),
		);
		await fc.assert(
			fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async (parts) => {
				let at = 0;
				for (const one of await walk(Buffer.concat(parts))) {
					const from = one.kind === "frames" ? one.fileOffset : one.at;
					expect(from).toBeGreaterThanOrEqual(at);
					at = one.end ?? Number.POSITIVE_INFINITY;
				}
			}),
			{ numRuns: 300 },
		);
	});
});

async function walk(bytes: Uint8Array): Promise<(GoodStretch | BadFrame)[]> {
	const pieces: (GoodStretch | BadFrame)[] = [];
	const read = async (target: Uint8Array, position: number): Promise<number> => {
		const part = bytes.subarray(position, position + target.length);
		target.set(part);
		return part.length;
	};
	for await (const piece of walkSegment({ read, tag: TAG, from: 0, relative: 0, size: bytes.length }))
		pieces.push(piece);
	return pieces;
}

function flip(bytes: Buffer, at: number): void {
	bytes[at] = (bytes[at] ?? 0) ^ 1;
}

function good(pieces: readonly (GoodStretch | BadFrame)[]): GoodStretch[] {
	return pieces.filter((piece) => piece.kind === "frames");
}

function bad(pieces: readonly (GoodStretch | BadFrame)[]): BadFrame[] {
	return pieces.filter((piece) => piece.kind === "bad");
}

function placesIn(pieces: readonly (GoodStretch | BadFrame)[]): number[] {
	return good(pieces).flatMap(({ fileOffset, frames }) => frames.map(({ at }) => fileOffset + at));
}

/** Data frames of one entry each, one behind the other. */
function framesOf(sizes: readonly number[], tag = TAG): { bytes: Buffer; places: number[] } {
	const bytes = Buffer.alloc(sum(sizes) + sizes.length * (FRAME_HEADER_BYTES + 8));
	const view = viewOf(bytes);
	const places: number[] = [];
	let at = 0;
	let relative = 0;
	for (const size of sizes) {
		const table = at + FRAME_HEADER_BYTES + size;
		for (let index = 0; index < size; index += 97) bytes[at + FRAME_HEADER_BYTES + index] = index * 31 + size;
		view.setUint32(table, size, true);
		const bodyCrc = checksum(bytes.subarray(at + FRAME_HEADER_BYTES, table + 8));
		const rest = { type: FrameType.data, entries: 1, tableBytes: 8, time: 1, round: 1 };
		writeFrameHeader(view, at, { ...rest, payloadBytes: size, bodyCrc, units: size, relative, tag });
		places.push(at);
		at = table + 8;
		relative += size;
	}
	return { bytes, places };
}

function sum(sizes: readonly number[]): number {
	return sizes.reduce((total, size) => total + size, 0);
}
