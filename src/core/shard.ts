/** What passes between a log, an engine and those who use a shard: bounds, appends, reads. Values only. */

import type { ProducerTriple } from "./producers.ts";

/** Conditions of an append. */
export interface SubmitOptions {
	/** The position that the tail must have. */
	readonly expect?: number | undefined;
	/** Which append of which producer it is; it must not be empty then. */
	readonly producer?: ProducerTriple | undefined;
	/** How many records the payload holds, at least one; in a byte stream left out: units are bytes. */
	readonly units?: number | undefined;
}

/** Something that can write itself into memory. */
export interface PayloadSource {
	readonly bytes: number;
	/** Writes exactly `bytes` bytes at `at`. */
	copyTo(target: Uint8Array, at: number): void;
}

/** What one append stores: one array, or several that become one entry, or something that writes itself. */
export type Payload = Uint8Array | readonly Uint8Array[] | PayloadSource;

/** Bytes of a payload. */
export function payloadLength(payload: Payload): number {
	if (payload instanceof Uint8Array) return payload.length;
	if ("bytes" in payload) return payload.bytes;
	let bytes = 0;
	for (const part of payload) bytes += part.length;
	return bytes;
}

/** Copies a payload to `at`. */
export function copyPayload(payload: Payload, target: Uint8Array, at: number): void {
	if (payload instanceof Uint8Array) {
		target.set(payload, at);
		return;
	}
	if ("bytes" in payload) {
		payload.copyTo(target, at);
		return;
	}
	let to = at;
	for (const part of payload) {
		target.set(part, to);
		to += part.length;
	}
}

/** Hears how a submitted append went. */
export interface Completion {
	/**
	 * It is durable and visible: units `from` to `to`, exclusive; stored before by an earlier try if `duplicate`: then
	 * both are NaN where it is no longer known. `time` is its ingestion time; NaN of what was stored before. `places` is told
	 * of that, if known: where all of it is, which need not be the shard that the retry was handed to.
	 */
	done(from: number, to: number, duplicate: boolean, time: number, places?: readonly ShardPlace[]): void;
	/** It was refused, or the outcome is unknown; `error` says which. */
	fail(error: unknown): void;
}

/** One of several appends that are stored together. */
export interface ShardAppend {
	readonly shard: number;
	readonly payload: Payload;
	readonly expect?: number | undefined;
	readonly units: number;
}

/** Units of a shard. */
export interface ShardPlace {
	readonly shard: number;
	readonly from: number;
	readonly to: number;
}

/** Hears how appends went that were submitted together. */
export interface TogetherCompletion {
	/**
	 * They are durable and visible, by shard in the order given, with the ingestion time of each; those of an earlier try,
	 * without times, if `duplicate`.
	 */
	done(places: readonly ShardPlace[], duplicate: boolean, times: readonly number[]): void;
	/** None is stored, or the outcome is unknown; `error` says which. */
	fail(error: unknown): void;
}

/** Where an append landed: units `from` to `to`, exclusive; NaN both if it is a duplicate of so old an append that its place is no longer known. */
export interface Appended {
	readonly from: number;
	readonly to: number;
	/** It had been stored before, by an earlier try. */
	readonly duplicate: boolean;
}

/** Bounds of a shard: head ≤ readable < tail. */
export interface ShardBounds {
	readonly head: number;
	readonly tail: number;
	readonly sealed: boolean;
	/** More may have been stored behind the tail, where the files are damaged: reading at the tail fails with CORRUPT. */
	readonly damaged?: boolean;
}

/** How to read. */
export interface ReadOptions {
	/** Fill in `ends` of each run. */
	readonly borders?: boolean;
	readonly signal?: AbortSignal | undefined;
}

/** Runs that were read. Whoever is done with all their bytes, and has given none away, may say so: their memory is used again. */
export interface ReadData {
	readonly kind: "data";
	readonly runs: readonly Run[];
	/** After this the bytes of the runs may change. Left out where that would gain nothing; idempotent. */
	readonly release?: (() => void) | undefined;
}

/** Data; or nothing yet, at the tail; or the end, at the tail of a sealed shard. */
export type ReadResult =
	| ReadData
	| { readonly kind: "nothing"; readonly tail: number }
	| { readonly kind: "end"; readonly tail: number };

/**
 * What became durable at the same time: contiguous bytes, or whole records. Runs of one result follow on one another. In a
 * record stream a run begins with an append, which may be before the position that was asked for, and is a whole frame from there on.
 */
export interface Run {
	/** Position of the first byte, or of the first record. */
	readonly offset: number;
	/** Records in it; left out in a byte stream. */
	readonly units?: number;
	/** Ingestion time, milliseconds since 1970. */
	readonly time: number;
	/** A view of memory that does not change before the result's release; keeping it keeps up to some MiB alive, so copy small pieces you keep. */
	readonly bytes: Uint8Array;
	/** Positions at which appends end inside this run, ascending; the last may lie beyond the run. With `borders` only. */
	readonly ends?: readonly number[];
}

/** What opening found and did. */
export interface RecoveryReport {
	/** The last owner had closed the store. */
	readonly clean: boolean;
	readonly rounds: number;
	readonly redoneBytes: number;
	/** Bytes of the last round that was never completed, and was dropped. */
	readonly tailCutBytes: number;
}

/** Where a write in parts stands: taking data; durable and waiting for a decision; decided. */
export type StagedState = "open" | "prepared" | "committed" | "aborted";

/** A write in parts. */
export interface StagedInfo {
	/** A UUID. */
	readonly id: string;
	readonly state: StagedState;
	/** Payload written so far. */
	readonly bytes: number;
	/** Milliseconds since it was begun; `null` if it is damaged. */
	readonly ageMs: number | null;
	/** There and true if what says that it is prepared cannot be read: it can only be aborted, and `bytes` is about right. */
	readonly damaged?: true;
}
