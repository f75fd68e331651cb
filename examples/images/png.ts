/** Encodes bitmaps as PNG: 8 bits a channel, three channels. */
import { crc32, deflateSync } from "node:zlib";
import type { Bitmap } from "./bitmap.ts";
import { pngSignature } from "./png-framing.ts";

const idatBytes = 256 * 1024;

/** Encodes a bitmap; `level` is zlib's, 0 to 9. */
export function encodePng(bitmap: Bitmap, level = 6): Uint8Array {
	const { width, height } = bitmap;
	const header = Buffer.alloc(13);
	header.writeUInt32BE(width, 0);
	header.writeUInt32BE(height, 4);
	header.set([8, 2, 0, 0, 0], 8); // bits a channel, RGB, deflate, the five filters, not interlaced
	const data = deflateSync(filterRows(bitmap), { level });
	const parts: Uint8Array[] = [pngSignature, chunk("IHDR", header)];
	for (let at = 0; at < data.length; at += idatBytes) parts.push(chunk("IDAT", data.subarray(at, at + idatBytes)));
	parts.push(chunk("IEND", new Uint8Array()));
	return Buffer.concat(parts);
}

/** Each row as its differences to the pixel on the left (filter 1), which compress better than the pixels. */
function filterRows({ width, height, rgb }: Bitmap): Uint8Array {
	const stride = width * 3;
	const rows = new Uint8Array((stride + 1) * height);
	for (let row = 0, from = 0, to = 0; row < height; row++) {
		rows[to++] = 1;
		for (let i = 0; i < stride; i++, from++) {
			rows[to++] = (rgb[from] as number) - (i < 3 ? 0 : (rgb[from - 3] as number));
		}
	}
	return rows;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
	const bytes = Buffer.alloc(data.length + 12);
	bytes.writeUInt32BE(data.length, 0);
	bytes.write(type, 4, "latin1");
	bytes.set(data, 8);
	bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), data.length + 8);
	return bytes;
}
