/** Decoders for the tests of the encoders: just enough of PNG and baseline JPEG, written against the standards. */
import { crc32, inflateSync } from "node:zlib";
import type { Bitmap } from "../../../examples/images/bitmap.ts";

/** Decodes a PNG of 8-bit RGB with filters 0 and 1. */
export function decodePng(bytes: Uint8Array): Bitmap {
	const png = Buffer.from(bytes);
	const data: Uint8Array[] = [];
	let [width, height] = [0, 0];
	for (let at = 8; at < png.length; ) {
		const length = png.readUInt32BE(at);
		const type = png.toString("latin1", at + 4, at + 8);
		const body = png.subarray(at + 8, at + 8 + length);
		if (png.readUInt32BE(at + 8 + length) !== crc32(png.subarray(at + 4, at + 8 + length)))
			throw new Error(`CRC of ${type}`);
		if (type === "IHDR") {
			[width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
			if (!body.subarray(8).equals(Buffer.of(8, 2, 0, 0, 0))) throw new Error("not 8-bit RGB");
		}
		if (type === "IDAT") data.push(body);
		at += 12 + length;
	}
	const rows = inflateSync(Buffer.concat(data));
	const stride = width * 3;
	if (rows.length !== (stride + 1) * height) throw new Error(`${rows.length} bytes of pixels`);
	const rgb = new Uint8Array(stride * height);
	for (let row = 0; row < height; row++) {
		const filter = rows[row * (stride + 1)] as number;
		for (let i = 0; i < stride; i++) {
			const left = filter === 1 && i >= 3 ? (rgb[row * stride + i - 3] as number) : 0;
			rgb[row * stride + i] = (rows[row * (stride + 1) + 1 + i] as number) + left;
		}
	}
	return { width, height, rgb };
}

/** Decodes a baseline JPEG of three components without subsampling. */
export function decodeJpeg(jpeg: Uint8Array): Bitmap {
	const tables = new Map<number, Map<string, number>>();
	let quant: number[] = [];
	let [width, height, restartEvery] = [0, 0, 0];
	for (let at = 2; ; ) {
		if (jpeg[at] !== 0xff) throw new Error(`no marker at ${at}`);
		const length = (jpeg[at + 2] as number) * 256 + (jpeg[at + 3] as number);
		const body = [...jpeg.subarray(at + 4, at + 2 + length)];
		const code = jpeg[at + 1];
		if (code === 0xdb) quant = body.slice(1);
		if (code === 0xc0) [height, width] = [pair(body, 1), pair(body, 3)];
		if (code === 0xdd) restartEvery = pair(body, 0);
		if (code === 0xc4) readTables(body, tables);
		at += 2 + length;
		if (code === 0xda) return decodeScan(jpeg.subarray(at, -2), { width, height, quant, tables, restartEvery });
	}
}

interface Scan {
	readonly width: number;
	readonly height: number;
	readonly quant: readonly number[];
	readonly tables: ReadonlyMap<number, ReadonlyMap<string, number>>;
	readonly restartEvery: number;
}

function decodeScan(data: Uint8Array, scan: Scan): Bitmap {
	const { width, height, quant, tables, restartEvery } = scan;
	const parts = splitAtRestarts(data);
	const rgb = new Uint8ClampedArray(width * height * 3);
	let [bits, next, part] = ["", 0, 0];
	let previous = [0, 0, 0];
	const take = (count: number): string => {
		next += count;
		if (next > bits.length) throw new Error("the data end too early");
		return bits.slice(next - count, next);
	};
	const symbol = (table: number): number => {
		for (let word = take(1); word.length <= 16; word += take(1)) {
			const found = tables.get(table)?.get(word);
			if (found !== undefined) return found;
		}
		throw new Error("no such code");
	};
	const value = (size: number): number => {
		if (size === 0) return 0;
		const word = take(size);
		return word[0] === "1" ? Number.parseInt(word, 2) : Number.parseInt(word, 2) - 2 ** size + 1;
	};
	let blocks = 0;
	for (let top = 0; top < height; top += 8) {
		for (let left = 0; left < width; left += 8, blocks++) {
			if (blocks === 0 || (restartEvery > 0 && blocks % restartEvery === 0)) {
				bits = parts[part++] ?? "";
				next = 0;
				previous = [0, 0, 0];
			}
			const squares = [0, 1, 2].map((component) => {
				const block = new Array<number>(64).fill(0);
				previous[component] = (previous[component] as number) + value(symbol(0x00));
				block[0] = (previous[component] as number) * (quant[0] as number);
				for (let i = 1; i < 64; i++) {
					const run = symbol(0x10);
					if (run === 0) break;
					i += run >> 4;
					const level = value(run & 15);
					if (level !== 0) block[zigzag[i] as number] = level * (quant[i] as number);
				}
				return inverse(block);
			});
			paint(rgb, { width, height, left, top }, squares);
		}
	}
	if (part !== parts.length) throw new Error(`${parts.length - part} parts too many`);
	return { width, height, rgb: new Uint8Array(rgb.buffer) };
}

/** The data between restart markers as strings of bits, stuffing taken out; the markers must count 0 to 7. */
function splitAtRestarts(data: Uint8Array): string[] {
	const parts = [""];
	for (let i = 0; i < data.length; i++) {
		const byte = data[i] as number;
		if (byte === 0xff) {
			const code = data[++i] as number;
			if (code !== 0) {
				if (code !== 0xd0 + ((parts.length - 1) % 8)) throw new Error(`unexpected marker ${code}`);
				parts.push("");
				continue;
			}
		}
		parts[parts.length - 1] += byte.toString(2).padStart(8, "0");
	}
	return parts;
}

function paint(
	rgb: Uint8ClampedArray,
	place: { width: number; height: number; left: number; top: number },
	[y, cb, cr]: readonly number[][],
): void {
	for (let i = 0; i < 64; i++) {
		const [row, column] = [place.top + (i >> 3), place.left + (i & 7)];
		if (row >= place.height || column >= place.width) continue;
		const [light, blue, red] = [(y?.[i] ?? 0) + 128, cb?.[i] ?? 0, cr?.[i] ?? 0];
		const at = (row * place.width + column) * 3;
		rgb[at] = light + 1.402 * red;
		rgb[at + 1] = light - 0.344136 * blue - 0.714136 * red;
		rgb[at + 2] = light + 1.772 * blue;
	}
}

/** The inverse transform straight from its definition (T.81, A.3.3). */
function inverse(block: readonly number[]): number[] {
	return Array.from({ length: 64 }, (_, i) => {
		let sum = 0;
		block.forEach((coefficient, k) => {
			if (coefficient === 0) return;
			const [v, u] = [k >> 3, k & 7];
			const scale = (u === 0 ? Math.SQRT1_2 : 1) * (v === 0 ? Math.SQRT1_2 : 1);
			const across = Math.cos(((2 * (i & 7) + 1) * u * Math.PI) / 16);
			const down = Math.cos(((2 * (i >> 3) + 1) * v * Math.PI) / 16);
			sum += (scale * coefficient * across * down) / 4;
		});
		return sum;
	});
}

/** Figure A.6 of T.81, as printed there. */
const zigzag = [
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
	55, 62, 63,
];

function readTables(body: readonly number[], tables: Map<number, Map<string, number>>): void {
	for (let at = 0; at < body.length; ) {
		const codes = new Map<string, number>();
		tables.set(body[at] as number, codes);
		const counts = body.slice(at + 1, at + 17);
		at += 17;
		let code = 0;
		counts.forEach((count, i) => {
			for (let k = 0; k < count; k++) codes.set((code++).toString(2).padStart(i + 1, "0"), body[at++] as number);
			code *= 2;
		});
	}
}

function pair(bytes: readonly number[], at: number): number {
	return (bytes[at] as number) * 256 + (bytes[at + 1] as number);
}
