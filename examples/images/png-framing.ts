/**
 * Where a PNG image ends (W3C PNG, 5.2 and 5.3).
 *
 *   89 'P' 'N' 'G' 0D 0A 1A 0A   { length (4)  type (4)  data  CRC of type and data (4) }…     big-endian
 *
 * The first chunk is IHDR, the last one IEND.
 */
import { crc32 } from "node:zlib";
import { type Framing, ImageError } from "./framing.ts";

/** The eight bytes that every PNG begins with. */
export const pngSignature: Uint8Array = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

const maxChunkBytes = 2 ** 31 - 1;

/** Walks the chunks of one PNG image and checks their CRCs. */
export class PngFraming implements Framing {
	readonly format = "png";
	#step: "signature" | "header" | "data" | "crc" = "signature";
	/** Bytes of the signature, of a chunk's header or of its CRC, gathered over chunk borders. */
	readonly #field: Buffer = Buffer.alloc(8);
	#filled = 0;
	#type = "";
	#left = 0;
	#crc = 0;
	#complete = false;

	get complete(): boolean {
		return this.#complete;
	}

	scan(chunk: Uint8Array, index: number, base: number): number {
		let at = index;
		while (at < chunk.length && !this.#complete) {
			if (this.#step === "data") {
				const data = chunk.subarray(at, at + this.#left);
				this.#crc = crc32(data, this.#crc);
				at += data.length;
				this.#left -= data.length;
				if (this.#left === 0) this.#step = "crc";
				continue;
			}
			this.#field[this.#filled++] = chunk[at] as number;
			at++;
			if (this.#step === "signature") this.#takeSignature(base + at - 1);
			else if (this.#step === "header" && this.#filled === 8) this.#takeHeader(base + at - 8);
			else if (this.#step === "crc" && this.#filled === 4) this.#takeCrc(base + at - 4);
		}
		return at;
	}

	#takeSignature(position: number): void {
		const last = this.#filled - 1;
		if (this.#field[last] !== pngSignature[last]) {
			throw new ImageError("damaged", `PNG: the signature is wrong at ${position}`, position);
		}
		if (this.#filled === 8) this.#next("header");
	}

	#takeHeader(position: number): void {
		const length = this.#field.readUInt32BE(0);
		const type = this.#field.toString("latin1", 4, 8);
		const fits = this.#type === "" ? type === "IHDR" && length === 13 : /^[A-Za-z]{4}$/.test(type);
		if (!fits || length > maxChunkBytes || (type === "IEND" && length !== 0)) {
			const wanted = this.#type === "" ? "the chunk IHDR" : "a chunk";
			throw new ImageError("damaged", `PNG: expected ${wanted} at ${position}, found something else`, position);
		}
		this.#type = type;
		this.#left = length;
		this.#crc = crc32(this.#field.subarray(4));
		this.#next(length === 0 ? "crc" : "data");
	}

	#takeCrc(position: number): void {
		if (this.#field.readUInt32BE(0) !== this.#crc) {
			throw new ImageError("damaged", `PNG: the CRC of chunk ${this.#type} at ${position} does not match`, position);
		}
		this.#complete = this.#type === "IEND";
		this.#next("header");
	}

	#next(step: "header" | "data" | "crc"): void {
		this.#step = step;
		this.#filled = 0;
	}
}
