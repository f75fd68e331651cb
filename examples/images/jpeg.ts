/**
 * Encodes bitmaps as baseline JPEG (ITU-T T.81) in the plainest way: no chroma subsampling, one quantisation table and
 * one pair of Huffman tables for all three components.
 */
import type { Bitmap } from "./bitmap.ts";

/** How to encode. */
export interface JpegOptions {
	/** How fast detail is given up, 0 (hardly) to 17 (much). Default 2. */
	readonly coarseness?: number;
	/** Blocks between restart markers; 0, the default, for none. */
	readonly restartEvery?: number;
	/** A JPEG of at most 65,000 bytes to embed as a thumbnail. */
	readonly thumbnail?: Uint8Array;
}

/** Places of a block's 64 coefficients from low to high frequencies: along the diagonals, up and down in turn. */
const zigzag: readonly number[] = Array.from({ length: 15 }, (_, diagonal) => {
	const cells = Array.from({ length: 8 }, (_, k) => (diagonal % 2 === 0 ? [diagonal - k, k] : [k, diagonal - k]));
	return cells as [row: number, column: number][];
})
	.flat()
	.filter(([row, column]) => row >= 0 && row < 8 && column >= 0 && column < 8)
	.map(([row, column]) => row * 8 + column);

/** The cosine transform as a matrix, `[frequency * 8 + place]`. */
const basis: Float64Array = Float64Array.from({ length: 64 }, (_, i) => {
	const [frequency, place] = [i >> 3, i & 7];
	return (frequency === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * place + 1) * frequency * Math.PI) / 16);
});

/** A Huffman table: how many codes there are of 1, 2, … 16 bits, and what they stand for (T.81, tables K.3 and K.5). */
const dcCounts: readonly number[] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const dcSymbols: Uint8Array = Uint8Array.from({ length: 12 }, (_, i) => i);
const acCounts: readonly number[] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
const acSymbols: Uint8Array = Buffer.from(
	"01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738" +
		"393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4" +
		"a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
	"hex",
);
const dcCodes: ReadonlyMap<number, Code> = huffmanCodes(dcCounts, dcSymbols);
const acCodes: ReadonlyMap<number, Code> = huffmanCodes(acCounts, acSymbols);

interface Code {
	readonly bits: number;
	readonly length: number;
}

/** Encodes a bitmap. */
export function encodeJpeg(bitmap: Bitmap, options: JpegOptions = {}): Uint8Array {
	const { coarseness = 2, restartEvery = 0, thumbnail } = options;
	const steps = zigzag.map((place) => 2 + ((place >> 3) + (place & 7)) * coarseness);
	const { width, height } = bitmap;
	const components = [1, 2, 3];
	const parts: Uint8Array[] = [
		Uint8Array.of(0xff, 0xd8),
		segment(0xe0, [...Buffer.from("JFIF\0"), 1, 1, 0, 0, 1, 0, 1, 0, 0]),
		segment(0xdb, [0, ...steps]),
		segment(0xc0, [8, ...word(height), ...word(width), 3, ...components.flatMap((id) => [id, 0x11, 0])]),
		segment(0xc4, [0x00, ...dcCounts, ...dcSymbols, 0x10, ...acCounts, ...acSymbols]),
		segment(0xdd, word(restartEvery)),
		segment(0xda, [3, ...components.flatMap((id) => [id, 0x00]), 0, 63, 0]),
		compress(bitmap, steps, restartEvery),
		Uint8Array.of(0xff, 0xd9),
	];
	if (thumbnail !== undefined) parts.splice(2, 0, segment(0xe0, [...Buffer.from("JFXX\0"), 0x10, ...thumbnail]));
	return Buffer.concat(parts);
}

function segment(code: number, payload: readonly number[]): Uint8Array {
	return Uint8Array.from([0xff, code, ...word(payload.length + 2), ...payload]);
}

function word(value: number): [number, number] {
	if (value > 0xffff) throw new RangeError(`${value} does not fit into a JPEG's 16 bits`);
	return [value >> 8, value & 0xff];
}

/** The compressed data: for each 8 × 8 square a block of each component. */
function compress(bitmap: Bitmap, steps: readonly number[], restartEvery: number): Uint8Array {
	const out = new BitWriter(bitmap.rgb.length + 1024);
	const planes = toYCbCr(bitmap);
	const previous = [0, 0, 0];
	let blocks = 0;
	for (let top = 0; top < bitmap.height; top += 8) {
		for (let left = 0; left < bitmap.width; left += 8, blocks++) {
			if (restartEvery > 0 && blocks > 0 && blocks % restartEvery === 0) {
				out.marker(0xd0 + ((blocks / restartEvery - 1) % 8));
				previous.fill(0);
			}
			planes.forEach((plane, component) => {
				const block = quantise(transform(square(plane, bitmap, left, top)), steps);
				const dc = block[0] as number;
				writeBlock(out, block, dc - (previous[component] as number));
				previous[component] = dc;
			});
		}
	}
	return out.finish();
}

/** Brightness and two colour differences, each around 0. */
function toYCbCr({ rgb }: Bitmap): readonly Float64Array[] {
	const planes = [0, 1, 2].map(() => new Float64Array(rgb.length / 3)) as [Float64Array, Float64Array, Float64Array];
	for (let pixel = 0, i = 0; i < rgb.length; pixel++, i += 3) {
		const [red, green, blue] = [rgb[i] as number, rgb[i + 1] as number, rgb[i + 2] as number];
		const brightness = 0.299 * red + 0.587 * green + 0.114 * blue;
		planes[0][pixel] = brightness - 128;
		planes[1][pixel] = (blue - brightness) / 1.772;
		planes[2][pixel] = (red - brightness) / 1.402;
	}
	return planes;
}

/** 64 samples; squares that stick out repeat the last row and column. */
function square(plane: Float64Array, { width, height }: Bitmap, left: number, top: number): Float64Array {
	const samples = new Float64Array(64);
	for (let i = 0; i < 64; i++) {
		const row = Math.min(height - 1, top + (i >> 3));
		const column = Math.min(width - 1, left + (i & 7));
		samples[i] = plane[row * width + column] as number;
	}
	return samples;
}

/** The cosine transform, first along rows, then along columns. */
function transform(samples: Float64Array): Float64Array {
	return alongRows(alongRows(samples));
}

/** Transforms each row and writes it as a column, so that doing it twice ends where it began. */
function alongRows(samples: Float64Array): Float64Array {
	const result = new Float64Array(64);
	for (let row = 0; row < 64; row += 8) {
		for (let frequency = 0; frequency < 64; frequency += 8) {
			let sum = 0;
			for (let place = 0; place < 8; place++) {
				sum += (samples[row + place] as number) * (basis[frequency + place] as number);
			}
			result[frequency + (row >> 3)] = sum;
		}
	}
	return result;
}

function quantise(coefficients: Float64Array, steps: readonly number[]): Int16Array {
	return Int16Array.from(zigzag, (place, i) => Math.round((coefficients[place] as number) / (steps[i] as number)));
}

/** Writes the first coefficient as a difference, the others as runs of zeros and what ends them. */
function writeBlock(out: BitWriter, block: Int16Array, difference: number): void {
	out.code(dcCodes, sizeOf(difference));
	out.value(difference);
	let zeros = 0;
	for (let i = 1; i < 64; i++) {
		const value = block[i] as number;
		if (value === 0) {
			zeros++;
			continue;
		}
		for (; zeros > 15; zeros -= 16) out.code(acCodes, 0xf0);
		out.code(acCodes, zeros * 16 + sizeOf(value));
		out.value(value);
		zeros = 0;
	}
	if (zeros > 0) out.code(acCodes, 0);
}

/** Bits that a value's size takes. */
function sizeOf(value: number): number {
	return 32 - Math.clz32(Math.abs(value));
}

function huffmanCodes(counts: readonly number[], symbols: Uint8Array): Map<number, Code> {
	const codes = new Map<number, Code>();
	let [bits, next] = [0, 0];
	counts.forEach((count, index) => {
		for (let i = 0; i < count; i++) codes.set(symbols[next++] as number, { bits: bits++, length: index + 1 });
		bits *= 2;
	});
	return codes;
}

/** Bits into bytes, each FF followed by 00. */
class BitWriter {
	#bytes: Buffer;
	#length = 0;
	#bits = 0;
	#count = 0;

	constructor(capacity: number) {
		this.#bytes = Buffer.alloc(capacity);
	}

	code(codes: ReadonlyMap<number, Code>, symbol: number): void {
		const { bits, length } = codes.get(symbol) as Code;
		this.#write(bits, length);
	}

	/** The value in as few bits as its size; negative ones as one less, so that they begin with a 0. */
	value(value: number): void {
		const length = sizeOf(value);
		this.#write((value < 0 ? value - 1 : value) & ((1 << length) - 1), length);
	}

	/** Fills the byte with ones and sets a marker. */
	marker(code: number): void {
		this.#align();
		this.#byte(0xff);
		this.#byte(code);
	}

	finish(): Uint8Array {
		this.#align();
		return this.#bytes.subarray(0, this.#length);
	}

	/** At most 16 bits, after at most 7 that wait. */
	#write(bits: number, length: number): void {
		this.#bits = (this.#bits << length) | bits;
		this.#count += length;
		while (this.#count >= 8) {
			this.#count -= 8;
			const byte = (this.#bits >> this.#count) & 0xff;
			this.#byte(byte);
			if (byte === 0xff) this.#byte(0);
		}
	}

	#align(): void {
		if (this.#count > 0) this.#write((1 << (8 - this.#count)) - 1, 8 - this.#count);
	}

	#byte(byte: number): void {
		if (this.#length === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], this.#length * 2);
		this.#bytes[this.#length++] = byte;
	}
}
