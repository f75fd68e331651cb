/** Pictures for the tests of the image examples: small, of both formats, each with a trap for splitters. */
import { dunes, filmFrame, mosaic, ripples } from "../../../examples/images/bitmap.ts";
import { encodeJpeg } from "../../../examples/images/jpeg.ts";
import { encodePng } from "../../../examples/images/png.ts";

export const plainJpeg: Uint8Array = encodeJpeg(dunes(48, 32));

/** With restart markers, and with a whole JPEG inside one of its segments. */
export const jpegWithThumbnail: Uint8Array = encodeJpeg(ripples(41, 27), {
	restartEvery: 3,
	thumbnail: encodeJpeg(ripples(16, 8)),
});

export const plainPng: Uint8Array = encodePng(mosaic(40, 30));

/** Pixels stored uncompressed, among them a whole JPEG with its end marker. */
export const pngWithJpegInside: Uint8Array = encodePng(
	{ width: jpegWithThumbnail.length, height: 1, rgb: tripled() },
	0,
);

export const tinyPng: Uint8Array = encodePng(filmFrame(1, 1, 0, 1));

export const allPictures: readonly Uint8Array[] = [plainJpeg, jpegWithThumbnail, plainPng, pngWithJpegInside, tinyPng];

function tripled(): Uint8Array {
	// Undoes the encoder's row filter, so that the filtered row is the JPEG's bytes three times over.
	const wanted = Buffer.concat([jpegWithThumbnail, jpegWithThumbnail, jpegWithThumbnail]);
	const rgb = new Uint8Array(wanted.length);
	for (let i = 0; i < wanted.length; i++) rgb[i] = (wanted[i] as number) + (i < 3 ? 0 : (rgb[i - 3] as number));
	return rgb;
}
