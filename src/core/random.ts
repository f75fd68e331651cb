/** Randomness as an argument, so that tests are repeatable. */
import { randomFillSync } from "node:crypto";

/** Source of random bytes. */
export interface Random {
	/** Returns `length` new random bytes. */
	bytes(length: number): Uint8Array;
}

/** The operating system's generator. */
export const systemRandom: Random = {
	bytes: (length) => randomFillSync(new Uint8Array(length)),
};

/** Makes a version 4 UUID (RFC 9562 §5.4), as text. */
export function newUuid(random: Random): string {
	const bytes = random.bytes(16);
	bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
	bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
	return formatUuid(bytes);
}

/** Turns 16 bytes into the text form of a UUID. */
export function formatUuid(bytes: Uint8Array): string {
	const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString("hex");
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Turns the text form of a UUID into 16 bytes, or `undefined` if the text is not one. */
export function parseUuid(text: string): Uint8Array | undefined {
	if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)) return undefined;
	return new Uint8Array(Buffer.from(text.replaceAll("-", ""), "hex"));
}
