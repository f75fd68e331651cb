import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ImageError } from "../../../examples/images/framing.ts";
import { type Image, splitImages, wholeImages } from "../../../examples/images/splitter.ts";
import { allPictures, jpegWithThumbnail, plainJpeg, plainPng, pngWithJpegInside, tinyPng } from "./images.ts";

describe("image splitter", () => {
	it.each([1, 7, 4096, Number.POSITIVE_INFINITY])("splits pictures that arrive in chunks of %d bytes", async (size) => {
		const stored = Buffer.concat(allPictures);
		const images = await collect(wholeImages(splitImages(chunksOf(stored, size))));
		expectSame(images, allPictures);
	});

	it("splits any row of pictures alike, wherever the chunks are cut", async () => {
		const picture = fc.constantFrom(...allPictures);
		const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
		await fc.assert(
			fc.asyncProperty(fc.array(picture, { maxLength: 5 }), cuts, async (pictures, shares) => {
				const stored = Buffer.concat(pictures);
				const images = await collect(wholeImages(splitImages(cutAt(stored, shares))));
				expectSame(images, pictures);
			}),
			{ numRuns: 200 },
		);
	});

	it("counts positions from where the chunks begin", async () => {
		const images = await collect(wholeImages(splitImages([tinyPng, plainJpeg], 2 ** 40)));
		expect(images.map((image) => image.from)).toEqual([2 ** 40, 2 ** 40 + tinyPng.length]);
	});

	it("hands on each byte as soon as it arrives, as views without a copy", async () => {
		const chunk = Buffer.from(plainJpeg.subarray(0, 100));
		const { value } = await splitImages([chunk]).next();
		expect(value).toMatchObject({ image: 0, format: "jpeg", from: 0, last: false });
		expect(value?.bytes.buffer).toBe(chunk.buffer);
		expect(value?.bytes.length).toBe(100);
	});

	it("is not misled by a JPEG inside a JPEG's segment or inside a PNG's chunk", async () => {
		expect(Buffer.from(jpegWithThumbnail).indexOf("ffd9", "hex")).toBeLessThan(jpegWithThumbnail.length - 2);
		expect(Buffer.from(pngWithJpegInside).includes(Buffer.from(jpegWithThumbnail))).toBe(true);
		const pictures = [jpegWithThumbnail, pngWithJpegInside];
		expectSame(await collect(wholeImages(splitImages(pictures))), pictures);
	});

	it("walks progressive JPEGs, fill bytes and segments between scans", async () => {
		const scan = [0xff, 0xda, 0, 2, 0x12, 0xff, 0x00, 0xd9, 0xff, 0xd3, 0x34];
		const jpeg = Uint8Array.from([
			...[0xff, 0xd8, 0xff, 0xff, 0xff, 0xfe, 0, 4, 0xff, 0xd9],
			...[...scan, 0xff, 0xff, 0xc4, 0, 2, ...scan, 0xff, 0xff, 0xff, 0xd9],
		]);
		expectSame(await collect(wholeImages(splitImages(chunksOf(jpeg, 1)))), [jpeg]);
		expectSame(await collect(wholeImages(splitImages([jpeg, jpeg]))), [jpeg, jpeg]);
	});

	it.each([1, 7, Number.POSITIVE_INFINITY])(
		"reports garbage between images with its offset, in chunks of %d",
		async (size) => {
			const stored = Buffer.concat([plainJpeg, plainPng, Buffer.from("garbage"), plainJpeg]);
			const at = plainJpeg.length + plainPng.length;
			const { images, error } = await collectUntilError(chunksOf(stored, size));
			expectSame(images, [plainJpeg, plainPng]);
			expect(error).toMatchObject({ reason: "not-an-image", offset: at });
			expect(error.message).toContain(`at ${at}, but 67`);
		},
	);

	it("reports a truncated last image, with all before it split", async () => {
		for (const picture of [plainJpeg, plainPng]) {
			for (const length of [1, 2, 9, Math.floor(picture.length / 2), picture.length - 1]) {
				const stored = Buffer.concat([tinyPng, picture.subarray(0, length)]);
				const { images, error } = await collectUntilError(chunksOf(stored, 11));
				expectSame(images, [tinyPng]);
				expect(error).toMatchObject({ reason: "truncated", offset: stored.length });
				expect(error.message).toContain(`at ${tinyPng.length} is cut off after ${length} bytes`);
			}
		}
	});

	it("reports a byte flipped in a PNG's chunk", async () => {
		for (const at of [3, 9, 13, 20, 30, 45, plainPng.length - 6, plainPng.length - 1]) {
			const damaged = Buffer.from(plainPng);
			damaged[at] = (damaged[at] as number) ^ 0x20;
			const { error } = await collectUntilError([damaged]);
			expect(["damaged", "truncated"]).toContain(error.reason);
		}
	});

	it("refuses JPEG segments that cannot be", async () => {
		const bad = { "a length of 1": "ffd8ffe00001", "no marker": "ffd8ffe000020000", "a reserved code": "ffd8ff02" };
		for (const [what, hex] of Object.entries(bad)) {
			const { error } = await collectUntilError([Buffer.from(hex, "hex")]);
			expect(error.reason, what).toBe("damaged");
		}
	});

	it("refuses to gather an image beyond the bound", async () => {
		const whole = wholeImages(splitImages(chunksOf(plainPng, 16)), plainPng.length - 1);
		await expect(collect(whole)).rejects.toMatchObject({ reason: "too-large", offset: 0 });
		await expect(collect(wholeImages(splitImages([plainPng]), plainPng.length))).resolves.toHaveLength(1);
	});

	it("throws nothing but its own errors on arbitrary bytes", async () => {
		const start = fc.constantFrom("", "ffd8", "ffd8ffda0002", "89504e470d0a1a0a", "89504e470d0a1a0a0000000d49484452");
		await fc.assert(
			fc.asyncProperty(start, fc.uint8Array({ maxLength: 300 }), async (hex, rest) => {
				const stored = Buffer.concat([Buffer.from(hex, "hex"), rest]);
				try {
					let bytes = 0;
					for await (const piece of splitImages(chunksOf(stored, 5))) bytes += piece.bytes.length;
					expect(bytes).toBe(stored.length);
				} catch (error) {
					expect(error).toBeInstanceOf(ImageError);
				}
			}),
		);
	});
});

function* chunksOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Cuts `bytes` at shares of its length; some chunks are empty. */
function* cutAt(bytes: Uint8Array, shares: readonly number[]): Generator<Uint8Array> {
	const cuts = [0, ...shares.map((share) => Math.floor(share * bytes.length)), bytes.length].sort((a, b) => a - b);
	for (let i = 1; i < cuts.length; i++) yield bytes.subarray(cuts[i - 1], cuts[i]);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
	const all: T[] = [];
	for await (const item of items) all.push(item);
	return all;
}

async function collectUntilError(chunks: Iterable<Uint8Array>): Promise<{ images: Image[]; error: ImageError }> {
	const images: Image[] = [];
	try {
		for await (const image of wholeImages(splitImages(chunks))) images.push(image);
	} catch (error) {
		expect(error).toBeInstanceOf(ImageError);
		return { images, error: error as ImageError };
	}
	throw new Error("no error came");
}

function expectSame(images: readonly Image[], originals: readonly Uint8Array[]): void {
	expect(images.length).toBe(originals.length);
	let from = 0;
	images.forEach((image, i) => {
		const original = originals[i] as Uint8Array;
		expect(image.from).toBe(from);
		expect(image.format).toBe(original[0] === 0xff ? "jpeg" : "png");
		expect(Buffer.compare(image.bytes, original)).toBe(0);
		from += original.length;
	});
}
