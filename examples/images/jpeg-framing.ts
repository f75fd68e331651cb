/**
 * Where a JPEG image ends (ITU-T T.81, annex B).
 *
 *   FF D8   { FF code  length  payload }…   FF DA  length  payload  compressed data …   FF D9
 *
 * Lengths are walked, so that a thumbnail inside a payload, which is a JPEG of its own, never ends the picture. In the
 * compressed data FF 00 is the byte FF and FF D0 … D7 are restarts; another code ends the data: more segments (a
 * progressive picture has several scans), or the end.
 */
import { type Framing, ImageError } from "./framing.ts";

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;

type Step = "start" | "marker" | "code" | "length" | "length-low" | "payload" | "data" | "data-code";

/** Walks the segments of one JPEG image. */
export class JpegFraming implements Framing {
	readonly format = "jpeg";
	#step: Step = "start";
	#code = 0;
	#left = 0;
	#complete = false;

	get complete(): boolean {
		return this.#complete;
	}

	scan(chunk: Uint8Array, index: number, base: number): number {
		let at = index;
		while (at < chunk.length && !this.#complete) {
			if (this.#step === "payload") {
				const taken = Math.min(this.#left, chunk.length - at);
				at += taken;
				this.#left -= taken;
				if (this.#left === 0) this.#endSegment();
			} else if (this.#step === "data") {
				const marker = chunk.indexOf(0xff, at);
				at = marker < 0 ? chunk.length : marker + 1;
				if (marker >= 0) this.#step = "data-code";
			} else {
				this.#take(chunk[at] as number, base + at);
				at++;
			}
		}
		return at;
	}

	#take(byte: number, position: number): void {
		switch (this.#step) {
			case "start":
			case "marker":
				if (byte !== 0xff) throw damaged("a marker (FF)", byte, position);
				if (this.#step === "marker") this.#step = "code";
				else [this.#step, this.#code] = ["code", SOI];
				return;
			case "length":
				this.#left = byte * 256;
				this.#step = "length-low";
				return;
			case "length-low":
				this.#left += byte - 2;
				if (this.#left < 0) throw damaged("a segment length of at least 2", this.#left + 2, position);
				this.#step = "payload";
				if (this.#left === 0) this.#endSegment();
				return;
			default:
				this.#takeCode(byte, position);
		}
	}

	/** The byte after FF. */
	#takeCode(code: number, position: number): void {
		const inData = this.#step === "data-code";
		if (this.#code === SOI) {
			if (code !== SOI) throw damaged("the start of an image (D8)", code, position);
			[this.#step, this.#code] = ["marker", 0];
			return;
		}
		if (code === 0xff) return; // fill bytes before a code
		if (inData && (code === 0 || isRestart(code))) {
			this.#step = "data";
			return;
		}
		if (code === EOI) {
			this.#complete = true;
			return;
		}
		if (code < 0xc0 || code === SOI || isRestart(code)) throw damaged("the code of a segment", code, position);
		[this.#step, this.#code] = ["length", code];
	}

	#endSegment(): void {
		this.#step = this.#code === SOS ? "data" : "marker";
	}
}

function isRestart(code: number): boolean {
	return code >= 0xd0 && code <= 0xd7;
}

function damaged(expected: string, found: number, position: number): ImageError {
	const hex = found.toString(16).padStart(2, "0").toUpperCase();
	return new ImageError("damaged", `JPEG: expected ${expected} at ${position}, found ${hex}`, position);
}
