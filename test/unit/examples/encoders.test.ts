import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Bitmap, dunes, grain, mosaic, ripples } from "../../../examples/images/bitmap.ts";
import { encodeJpeg } from "../../../examples/images/jpeg.ts";
import { encodePng } from "../../../examples/images/png.ts";
import { decodeJpeg, decodePng } from "./decode.ts";

const bitmaps: fc.Arbitrary<Bitmap> = fc
	.record({ width: fc.integer({ min: 1, max: 20 }), height: fc.integer({ min: 1, max: 20 }) })
	.chain(({ width, height }) =>
		fc
			.uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
			.map((rgb) => ({ width, height, rgb })),
	);

describe("PNG encoder", () => {
	it("writes what inflates to the same pixels", () => {
		fc.assert(
			fc.property(bitmaps, (bitmap) => {
				expect(decodePng(encodePng(bitmap))).toEqual(bitmap);
			}),
		);
	});

	it("splits the pixels of a large picture over several chunks", () => {
		const bitmap = grain(700, 500);
		const png = encodePng(bitmap, 1);
		expect(Buffer.from(png).toString("latin1").split("IDAT").length - 1).toBeGreaterThan(1);
		expect(Buffer.compare(decodePng(png).rgb, bitmap.rgb)).toBe(0);
	});
});

describe("JPEG encoder", () => {
	it.each([
		["dunes", dunes(61, 43), 3],
		["ripples", ripples(64, 48), 6],
		["mosaic", mosaic(50, 50), 9],
	])("writes %s so that it decodes to nearly the same pixels", (_, bitmap, tolerance) => {
		expect(difference(decodeJpeg(encodeJpeg(bitmap)), bitmap)).toBeLessThan(tolerance);
	});

	it("stays decodable on pixels of pure noise, also with restarts and a thumbnail", () => {
		const thumbnail = encodeJpeg(dunes(8, 8));
		fc.assert(
			fc.property(bitmaps, fc.integer({ min: 0, max: 4 }), (bitmap, restartEvery) => {
				const decoded = decodeJpeg(encodeJpeg(bitmap, { restartEvery, thumbnail, coarseness: 0 }));
				expect(decoded).toMatchObject({ width: bitmap.width, height: bitmap.height });
				expect(difference(decoded, bitmap)).toBeLessThan(2);
			}),
			{ numRuns: 50 },
		);
	});

	it("gives smaller files the coarser it is", () => {
		const sizes = [0, 2, 8, 17].map((coarseness) => encodeJpeg(ripples(80, 60), { coarseness }).length);
		expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
	});
});

/** Mean difference of a channel, 0 to 255. */
function difference(a: Bitmap, b: Bitmap): number {
	let sum = 0;
	for (let i = 0; i < b.rgb.length; i++) sum += Math.abs((a.rgb[i] ?? 255) - (b.rgb[i] as number));
	return sum / b.rgb.length;
}
