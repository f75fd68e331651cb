/** Texts and keys out of bytes. Most are short and ASCII, where a call into the runtime would cost more than the work. */

const fromCodes = String.fromCharCode;
/** Up to this many bytes a text is put together, and kept, here. */
const shortText = 16;

/** At most 16 bytes, each below 0x80. */
function shortAscii(b: readonly number[], i: number, length: number): string {
	if (length > 12) return shortAscii(b, i, 8) + shortAscii(b, i + 8, length - 8);
	switch (length) {
		case 0:
			return "";
		case 1:
			return fromCodes(b[i]!);
		case 2:
			return fromCodes(b[i]!, b[i + 1]!);
		case 3:
			return fromCodes(b[i]!, b[i + 1]!, b[i + 2]!);
		case 4:
			return fromCodes(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!);
		case 5:
			return fromCodes(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!);
		case 6:
			return fromCodes(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!);
		case 7:
			return fromCodes(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!);
		case 8:
			return fromCodes(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!);
		default:
			return shortAscii(b, i, 4) + shortAscii(b, i + 4, length - 4);
	}
}

/**
 * Short ASCII texts seen before, by some of their bytes. Keys come again and again, and so do most short values: a text
 * that is kept costs a comparison, and nothing to collect later.
 */
class KeptTexts {
	readonly #slots = 1024;
	readonly #texts: string[] = new Array<string>(this.#slots).fill("");

	/** The text of 1 to {@link shortText} bytes. */
	read(bytes: Uint8Array, at: number, end: number): string {
		const length = end - at;
		const middle = bytes[(at + end) >> 1] as number;
		const sum = length + (bytes[at] as number) * 7 + middle * 61 + (bytes[end - 1] as number) * 331;
		const slot = sum & (this.#slots - 1);
		const kept = this.#texts[slot] as string;
		if (kept.length === length) {
			let index = 0;
			while (index < length && kept.charCodeAt(index) === bytes[at + index]) index++;
			if (index === length) return kept;
		}
		let high = 0;
		for (let index = at; index < end; index++) high |= bytes[index] as number;
		if (high >= 0x80) return longText(bytes, at, end);
		const text = shortAscii(bytes as unknown as readonly number[], at, length);
		this.#texts[slot] = text;
		return text;
	}
}

const keys = new KeptTexts();
const values = new KeptTexts();

/** The text of a key. */
export function readKey(bytes: Uint8Array, at: number, end: number): string {
	const length = end - at;
	if (length === 0) return "";
	return length <= shortText ? keys.read(bytes, at, end) : longText(bytes, at, end);
}

/** The text of the bytes from `at` to `end`; malformed UTF-8 becomes U+FFFD, a leading U+FEFF stays. */
export function readText(bytes: Uint8Array, at: number, end: number): string {
	const length = end - at;
	if (length === 0) return "";
	return length <= shortText ? values.read(bytes, at, end) : longText(bytes, at, end);
}

function longText(bytes: Uint8Array, at: number, end: number): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString("utf8");
}
