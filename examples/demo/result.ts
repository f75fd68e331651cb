/** What a run of the demo found out. */
import type { ImageRecord } from "./image-record.ts";
import type { Source } from "./sources.ts";

/** An image that was split out of the stream; `from` counts from the beginning of the stream. */
export interface SplitOut extends ImageRecord {
	/** Name of the file in `images/`. */
	readonly output: string;
}

/** A file after its way through the stream. */
export interface StoredFile extends Omit<Source, "images"> {
	/** Position of its first byte in the stream. */
	readonly offset: number;
	/** Appends that it took. */
	readonly appends: number;
	readonly images: readonly SplitOut[];
	/** What came out is what went in. */
	readonly equal: boolean;
}

/** A whole run. */
export interface DemoResult {
	/** Everything was equal: files, single reads, and what the follower saw. */
	readonly ok: boolean;
	readonly files: readonly StoredFile[];
	readonly bytes: number;
	readonly appends: number;
	/** From the first byte written to the last one compared. */
	readonly seconds: number;
	/** From the first byte written to the last one durable. */
	readonly writeSeconds: number;
	/** What was split while it was being written. */
	readonly followed: { readonly images: number; readonly equal: boolean };
	/** Images read alone, by their offset. */
	readonly single: { readonly images: number; readonly equal: boolean };
}
