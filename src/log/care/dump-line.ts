/** What a dump says of one thing in a file, and what the dumps of all kinds of file work with. */
import type { Disk, DiskFile } from "../../disk/disk.ts";

/** One thing in a file. */
export interface DumpLine {
	/** What it is: `segment`, `frame`, `round`, … */
	readonly part: string;
	/** Bytes from the beginning of the file. */
	readonly offset: number;
	/** Its checks hold. */
	readonly ok: boolean;
	/** Why it is not. */
	readonly reason?: string;
	/** It was never complete, as a crash leaves things, or counts no more: not ok, and no damage either. */
	readonly torn?: true;
	/** What it says; times are milliseconds since 1970. */
	readonly [field: string]: unknown;
}

/** A file that is being dumped. */
export interface DumpSource {
	readonly disk: Disk;
	readonly path: string;
	readonly file: DiskFile;
	readonly size: number;
	/** Show the first bytes of data. */
	readonly data: boolean;
	readonly signal: AbortSignal | undefined;
}

/** Bytes of data that are shown. */
const PREVIEW_BYTES = 64;

/** Reads up to `length` bytes at `offset`. */
export async function bytesAt({ file }: DumpSource, offset: number, length: number): Promise<Uint8Array> {
	const bytes = new Uint8Array(Math.max(0, length));
	return bytes.subarray(0, await file.read(bytes, offset));
}

/** The first bytes of data in hexadecimal, as a member of a line; nothing unless it was asked for. */
export async function preview(source: DumpSource, offset: number, length: number): Promise<{ data?: string }> {
	if (!source.data || length === 0) return {};
	const bytes = await bytesAt(source, offset, Math.min(PREVIEW_BYTES, length));
	return { data: Buffer.from(bytes).toString("hex") };
}
