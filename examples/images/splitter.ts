/**
 * Splits a stream of bytes into the JPEG and PNG images it consists of, by their own framing.
 *
 * Works on chunks cut anywhere, hands on each byte as soon as it is known to belong to an image, and keeps a few bytes
 * of state, however large the images are. Images must follow on one another without bytes in between.
 */
import { type Framing, ImageError, type ImageFormat } from "./framing.ts";
import { JpegFraming } from "./jpeg-framing.ts";
import { PngFraming } from "./png-framing.ts";

/** A part of an image; the parts of one image come one after another, the last one marked. */
export interface ImagePiece {
	/** Counts the images, from 0. */
	readonly image: number;
	readonly format: ImageFormat;
	/** Position of the image's first byte. */
	readonly from: number;
	/** A view of the chunk that came in, at least one byte. */
	readonly bytes: Uint8Array;
	readonly last: boolean;
}

/** An image in one piece. */
export interface Image {
	readonly format: ImageFormat;
	/** Position of the first byte. */
	readonly from: number;
	readonly bytes: Uint8Array;
}

/**
 * Splits `chunks`, whose first byte is at `position`, into images.
 *
 * @throws ImageError `not-an-image`, `damaged`, or `truncated` when the chunks end inside an image
 */
export async function* splitImages(
	chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
	position = 0,
): AsyncGenerator<ImagePiece, void, undefined> {
	let framing: Framing | undefined;
	let [image, from, at] = [0, position, position];
	for await (const chunk of chunks) {
		let index = 0;
		while (index < chunk.length) {
			if (framing === undefined) {
				from = at;
				framing = framingFor(chunk[index] as number, at);
			}
			const end = framing.scan(chunk, index, at - index);
			const { format, complete } = framing;
			yield { image, format, from, bytes: chunk.subarray(index, end), last: complete };
			at += end - index;
			index = end;
			if (!complete) continue;
			framing = undefined;
			image++;
		}
	}
	if (framing !== undefined) {
		const name = framing.format.toUpperCase();
		throw new ImageError("truncated", `the ${name} image at ${from} is cut off after ${at - from} bytes`, at);
	}
}

/**
 * Puts the pieces of {@link splitImages} together.
 *
 * @param maxBytes bound of the memory used: a larger image is refused as `too-large`.
 */
export async function* wholeImages(
	pieces: AsyncIterable<ImagePiece>,
	maxBytes: number = 64 * 1024 * 1024,
): AsyncGenerator<Image, void, undefined> {
	let parts: Uint8Array[] = [];
	let size = 0;
	for await (const { format, from, bytes, last } of pieces) {
		size += bytes.length;
		if (size > maxBytes) {
			throw new ImageError("too-large", `the image at ${from} is larger than ${maxBytes} bytes`, from);
		}
		parts.push(bytes);
		if (!last) continue;
		yield { format, from, bytes: Buffer.concat(parts, size) };
		parts = [];
		size = 0;
	}
}

/** The framing of the image that begins with this byte. */
function framingFor(first: number, at: number): Framing {
	if (first === 0xff) return new JpegFraming();
	if (first === 0x89) return new PngFraming();
	const hex = first.toString(16).padStart(2, "0").toUpperCase();
	throw new ImageError(
		"not-an-image",
		`neither a JPEG (FF D8) nor a PNG (89 50 4E 47) begins at ${at}, but ${hex}`,
		at,
	);
}
