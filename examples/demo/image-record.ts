/** What is noted of an image, to compare what came out of the stream with what went in. */
import { createHash } from "node:crypto";
import type { ImageFormat } from "../images/framing.ts";
import type { ImagePiece } from "../images/splitter.ts";

/** Where an image begins, how long it is, and its hash: equal records mean equal images at the same place. */
export interface ImageRecord {
	readonly format: ImageFormat;
	readonly from: number;
	readonly bytes: number;
	readonly sha256: string;
}

/**
 * Hashes images as their pieces pass by, so that a picture of any size takes no more memory than a chunk.
 *
 * @param onPiece sees each piece, and is waited for.
 */
export async function* recordImages(
	pieces: AsyncIterable<ImagePiece>,
	onPiece: (piece: ImagePiece) => Promise<void> | void = () => {},
): AsyncGenerator<ImageRecord, void, undefined> {
	let hash = createHash("sha256");
	let bytes = 0;
	for await (const piece of pieces) {
		hash.update(piece.bytes);
		bytes += piece.bytes.length;
		await onPiece(piece);
		if (!piece.last) continue;
		yield { format: piece.format, from: piece.from, bytes, sha256: hash.digest("hex") };
		hash = createHash("sha256");
		bytes = 0;
	}
}

/** Tells whether two lists hold the same images at the same places. */
export function sameRecords(found: readonly ImageRecord[], expected: readonly ImageRecord[]): boolean {
	return found.length === expected.length && found.every((record, i) => sameRecord(record, expected[i]));
}

/** Tells whether a record is there and equals another. */
export function sameRecord(a: ImageRecord | undefined, b: ImageRecord | undefined): boolean {
	if (a === undefined || b === undefined) return false;
	return a.from === b.from && a.bytes === b.bytes && a.sha256 === b.sha256 && a.format === b.format;
}
