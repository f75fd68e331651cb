/** A byte stream as Node streams, for pipelines. */
import { Readable, Writable } from "node:stream";
import { abortError } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { rejectUnknown, requireInteger } from "../../core/options.ts";
import type { StreamAccess } from "../stream-access.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { ReadRangeOptions } from "./read-range.ts";
import { readRangeNames, stopOf } from "./read-range.ts";

/** How to read through a Node stream. */
export interface ReadableOptions extends ReadRangeOptions {
	/** Bytes that the Node stream holds ready. Default 256 KiB. */
	readonly highWaterMark?: number | undefined;
}

/** How to write through a Node stream. */
export interface WritableOptions {
	/** Bytes handed to the store and not yet durable; beyond that the Node stream waits. Default 16 MiB. */
	readonly maxInFlightBytes?: number | undefined;
}

const defaultHighWaterMark: number = 256 * 1024;

/** A Readable over a range; without `follow` it ends at the tail seen when it was made. */
export function readableOf(access: StreamAccess, options: ReadableOptions): Readable {
	rejectUnknown(options, [...readRangeNames, "highWaterMark"], "the options of toReadable");
	const { highWaterMark = defaultHighWaterMark, ...range } = options;
	requireInteger(highWaterMark, "highWaterMark", 1);
	const reader = new ByteReader(access, range);
	const { signal } = range;
	// Without follow, bytes appended from now on are not part of it.
	const stop = range.follow === true ? Promise.resolve(Number.POSITIVE_INFINITY) : access.shard().then(stopOf);
	stop.catch(() => {});
	const onAbort = (): void => {
		if (signal !== undefined) readable.destroy(abortError(signal, `reading ${access.label}`));
	};
	const readable = new Readable({
		highWaterMark,
		read(size) {
			readChunk(reader, stop, Math.max(size, highWaterMark)).then(
				(bytes) => this.push(bytes),
				(error: Error) => this.destroy(error),
			);
		},
		destroy(error, callback) {
			signal?.removeEventListener("abort", onAbort);
			reader.close().then(() => callback(error), callback);
		},
	});
	if (signal?.aborted) onAbort();
	else signal?.addEventListener("abort", onAbort, { once: true });
	return readable;
}

async function readChunk(reader: ByteReader, stop: Promise<number>, size: number): Promise<Uint8Array | null> {
	await reader.open();
	const left = (await stop) - reader.offset;
	if (left <= 0) return null;
	const result = await reader.read(Math.min(size, left));
	return result.kind === "data" ? result.bytes : null;
}

/** A Writable that appends each chunk, with as many in flight as the bound allows. */
export function writableOf(access: StreamAccess, options: WritableOptions): Writable {
	rejectUnknown(options, ["maxInFlightBytes"], "the options of toWritable");
	const writer = new ByteWriter(access, options);
	return new Writable({
		write(chunk: Uint8Array, _encoding, callback) {
			writer.write(chunk).then(() => callback(), callback);
		},
		final(callback) {
			writer.close().then(() => callback(), callback);
		},
		destroy(error, callback) {
			writer.abandon(error ?? fail("CLOSED", `the writable of ${access.label} was destroyed`));
			callback(error);
		},
	});
}
