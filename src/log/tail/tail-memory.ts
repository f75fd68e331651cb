/**
 * The newest frames of a shard, in memory: laid out in chunks exactly as they will stand in the segment file.
 *
 * Appends are copied to the end of the open frame; a round takes the closed frames from here; write-behind writes
 * stretches of chunks to the file as they are; readers at the tail get views of them. Memory that has been lent to a
 * reader is never used again, so that views stay valid for as long as somebody keeps them; memory that was not is.
 */

import type { StreambedError } from "../../core/errors.ts";
import type { Flight, Producer } from "../../core/producers.ts";
import { type Completion, copyPayload, type Payload, type ShardPlace } from "../../core/shard.ts";
import { checksum, checksumFar, viewOf } from "../format/checksum.ts";
import { continuedEntryWord, producerEntryWord, tripleBytes, writeTriple } from "../format/entry-extension.ts";
import {
	ENTRY_BYTES,
	encodeState,
	FRAME_HEADER_BYTES,
	FRAME_PAYLOAD_TARGET,
	FrameType,
	type ShardState,
	STATE_BYTES,
	writeFrameHeader,
} from "../format/frame.ts";
import type { Segment } from "../segments/segment.ts";

/**
 * Payload larger than the first is run through the checksum when it is accepted, while the disk is busy with a round; an
 * entry larger than the second waits until the disk is busy with itself.
 */
const EARLY_CHECKSUM_BYTES = 64 * 1024;
const LATE_CHECKSUM_BYTES = 512 * 1024;

/** A stretch of a segment file in memory. */
export interface Chunk {
	readonly segment: Segment;
	readonly bytes: Buffer;
	readonly view: DataView;
	/** Where the chunk begins in the file. */
	readonly fileOffset: number;
	/** Where the next frame begins in the chunk. */
	used: number;
	/** Up to where frames are durable, and up to where they have been written to the file. */
	durable: number;
	written: number;
	/** Where its frames begin in the chunk, and the positions of their first units. Headers are in place once durable. */
	readonly starts: number[];
	readonly positions: number[];
	/** Readers have views of it. */
	lent: boolean;
	/** Where frames begin whose payload stands in the file already: write-behind adds their headers. */
	placed: readonly number[];
}

/** A frame on its way to a round; once it is durable, the bytes in the chunk are all that is left of it. Positions are absolute. */
export interface MemoryFrame {
	readonly chunk: Chunk;
	readonly at: number;
	readonly type: FrameType;
	readonly position: number;
	payloadBytes: number;
	tableBytes: number;
	/** Units of all its entries. */
	units: number;
	/** Lengths of its entries and who waits for them; emptied when told. */
	lengths: number[];
	/** Units of its entries in a record stream; `undefined` in a byte stream, where they are the lengths. */
	counts: number[] | undefined;
	completions: Completion[];
	/** Which entries are of which producers, in order, and the bytes of extensions that say so. */
	flights: Flight<MemoryFrame>[];
	extensionBytes: number;
	/** What a control frame makes of the shard. */
	state: ShardState | undefined;
	/** Called when the frame is durable (no argument) or never will be (the error). */
	after: ((error?: unknown) => void)[];
	crc: number;
	crcTo: number;
	/** Ingestion time, once it is taken for a round. */
	time: number;
	/** Its payload went to the segment, and its header alone to the journal. */
	placed: boolean;
	/** It is in a round. */
	taken: boolean;
	/** Frames of other shards that must not come in a later round than this one. */
	needs: FrameNeed[];
}

/** A frame of another shard of the same stream. */
export interface FrameNeed {
	readonly shard: number;
	readonly frame: MemoryFrame;
}

/** Position behind a frame. */
export function frameEnd(frame: MemoryFrame): number {
	return frame.position + frame.units;
}

/** Bytes of a frame in the file. */
export function memoryFrameBytes(frame: MemoryFrame): number {
	return FRAME_HEADER_BYTES + frame.payloadBytes + frame.tableBytes;
}

/** Stands for lists that nobody has added to. */
const none: never[] = [];

/** Makes a chunk that begins at `fileOffset` of a segment. */
export function newChunk(segment: Segment, fileOffset: number, bytes: Buffer): Chunk {
	const view = viewOf(bytes);
	return {
		segment,
		bytes,
		view,
		fileOffset,
		used: 0,
		durable: 0,
		written: 0,
		starts: [],
		positions: [],
		lent: false,
		placed: none,
	};
}

/** Begins a frame at the end of a chunk; there must be room for its header. */
export function beginFrame(chunk: Chunk, type: FrameType, position: number, counted: boolean): MemoryFrame {
	const at = chunk.used;
	const crcTo = at + FRAME_HEADER_BYTES;
	const frame: MemoryFrame = {
		chunk,
		at,
		type,
		position,
		payloadBytes: 0,
		tableBytes: 0,
		units: 0,
		lengths: [],
		counts: counted ? [] : undefined,
		completions: [],
		flights: none,
		extensionBytes: 0,
		state: undefined,
		after: none,
		crc: 0,
		crcTo,
		time: 0,
		placed: false,
		taken: false,
		needs: none,
	};
	chunk.starts.push(at);
	chunk.positions.push(position);
	return frame;
}

/** Tells whether an entry of `bytes` and its extension may be added to an open data frame. */
export function frameTakes(frame: MemoryFrame, bytes: number, extension: number): boolean {
	if (frame.lengths.length > 0 && frame.payloadBytes + bytes > FRAME_PAYLOAD_TARGET) return false;
	return entryFits(frame, bytes + extension);
}

/** Tells whether the chunk has room for an entry and its line in the table. */
function entryFits(frame: MemoryFrame, bytes: number): boolean {
	const payloadEnd = frame.at + FRAME_HEADER_BYTES + frame.payloadBytes + bytes;
	return payloadEnd + (frame.lengths.length + 1) * ENTRY_BYTES + frame.extensionBytes <= frame.chunk.bytes.length;
}

/** Copies an entry to the end of an open data frame. */
export function addEntry(
	frame: MemoryFrame,
	payload: Payload,
	bytes: number,
	units: number,
	completion: Completion,
): void {
	const target = frame.chunk.bytes;
	const from = frame.at + FRAME_HEADER_BYTES + frame.payloadBytes;
	const at = from + bytes;
	copyPayload(payload, target, from);
	frame.payloadBytes += bytes;
	frame.units += units;
	frame.lengths.push(bytes);
	if (frame.counts !== undefined) frame.counts.push(units);
	frame.completions.push(completion);
	if (at - frame.crcTo >= EARLY_CHECKSUM_BYTES && bytes < LATE_CHECKSUM_BYTES) {
		frame.crc = checksum(target.subarray(frame.crcTo, at), frame.crc);
		frame.crcTo = at;
	}
}

/** The flight that an accepted append of this producer would extend as the frame's next entry: then it needs no extension in the table. */
export function flightBefore(
	frame: MemoryFrame,
	producer: Producer<MemoryFrame>,
	epoch: number,
): Flight<MemoryFrame> | undefined {
	const flight = frame.flights[frame.flights.length - 1];
	if (flight === undefined || flight.epoch !== epoch || flight !== producer.lastFlight) return undefined;
	if (flight.others !== undefined) return undefined;
	return flight.entry + flight.count === frame.lengths.length ? flight : undefined;
}

/** The entry added last begins a flight; there must be room for its extension. */
export function beginFlight(
	frame: MemoryFrame,
	begun: Pick<Flight<MemoryFrame>, "producer" | "epoch" | "sequence" | "shard" | "from"> & {
		readonly others?: readonly ShardPlace[];
	},
): void {
	const { producer, epoch, sequence, shard, from, others } = begun;
	const lengths = frame.counts ?? frame.lengths;
	const entry = lengths.length - 1;
	const flight = {
		producer,
		epoch,
		sequence,
		shard,
		from,
		others,
		lengths,
		entry,
		count: 1,
		by: frame,
		durable: false,
	};
	addFlight(frame, flight);
	producer.begin(flight);
}

/** The entry added last is a further part of an append that another frame of its round has begun. */
export function joinFlight(frame: MemoryFrame, first: Flight<MemoryFrame>): void {
	const lengths = frame.counts ?? frame.lengths;
	addFlight(frame, { ...first, lengths, entry: lengths.length - 1, count: 1, part: true });
}

function addFlight(frame: MemoryFrame, flight: Flight<MemoryFrame>): void {
	if (frame.flights === none) frame.flights = [];
	frame.flights.push(flight);
	frame.extensionBytes += tripleBytes(flight.producer.idBytes);
}

/** Puts the payload of a control frame in place. */
export function setState(frame: MemoryFrame, state: ShardState): void {
	frame.chunk.bytes.set(encodeState(state), frame.at + FRAME_HEADER_BYTES);
	frame.payloadBytes = STATE_BYTES;
	frame.state = state;
}

/** Writes the entry table; nothing can be added any more, and the next frame begins behind it. */
export function closeFrame(frame: MemoryFrame): void {
	const { chunk, lengths, counts } = frame;
	let at = frame.at + FRAME_HEADER_BYTES + frame.payloadBytes;
	if (frame.type === FrameType.data) {
		for (let index = 0; index < lengths.length; index++) {
			chunk.view.setUint32(at, lengths[index] as number, true);
			chunk.view.setUint32(at + 4, counts === undefined ? 0 : (counts[index] as number), true);
			at += ENTRY_BYTES;
		}
		frame.tableBytes = lengths.length * ENTRY_BYTES;
		if (frame.extensionBytes > 0) at = closeExtensions(frame, at);
	}
	chunk.used = at;
}

/** Writes the extensions behind the table, which ends at `at`; returns where they end. */
function closeExtensions(frame: MemoryFrame, at: number): number {
	const { chunk, tableBytes } = frame;
	let to = at;
	const { counts } = frame;
	for (const { entry, count, producer, epoch, sequence } of frame.flights) {
		let word = at - tableBytes + entry * ENTRY_BYTES + 4;
		for (let index = 0; index < count; index++) {
			const flag = index === 0 ? producerEntryWord : continuedEntryWord;
			chunk.view.setUint32(word, counts === undefined ? flag : flag | (counts[entry + index] as number), true);
			word += ENTRY_BYTES;
		}
		writeTriple(chunk.bytes, chunk.view, to, { idBytes: producer.idBytes, epoch, sequence });
		to += tripleBytes(producer.idBytes);
	}
	frame.tableBytes += frame.extensionBytes;
	return to;
}

/** Fills in the header of a closed frame that has its time: it is ready to be part of a round. */
export function stampFrame(frame: MemoryFrame, round: number): void {
	const { chunk } = frame;
	const end = frame.at + memoryFrameBytes(frame);
	writeFrameHeader(chunk.view, frame.at, {
		type: frame.type,
		entries: frame.type === FrameType.data ? frame.lengths.length : 0,
		payloadBytes: frame.payloadBytes,
		tableBytes: frame.tableBytes,
		bodyCrc: bodyCrc(chunk.bytes.subarray(frame.crcTo, end), frame.crc),
		units: frame.units,
		relative: frame.position - chunk.segment.base,
		tag: chunk.segment.tag as number,
		time: frame.time,
		round,
	});
}

/** A large payload was accepted too long ago to be near the processor. */
function bodyCrc(rest: Uint8Array, before: number): number {
	return rest.length < LATE_CHECKSUM_BYTES ? checksum(rest, before) : checksumFar(rest, before);
}

/** Notes that a frame of another shard must not come in a later round. */
export function addNeed(frame: MemoryFrame, need: FrameNeed): void {
	if (frame.needs === none) frame.needs = [need];
	else frame.needs.push(need);
}

/** Calls `then` once the frame is durable or never will be. */
export function afterFrame(frame: MemoryFrame, then: (error?: unknown) => void): void {
	if (frame.after === none) frame.after = [then];
	else frame.after.push(then);
}

/** Nobody waits for the frame any more: each is told once. */
export function forgetWaiting(frame: MemoryFrame): void {
	frame.lengths = none;
	if (frame.counts !== undefined) frame.counts = none;
	frame.completions = none;
	frame.flights = none;
	frame.after = none;
	frame.needs = none;
}

/** Those who wait for the frame hear that it will not be durable, or why that is not known. */
export function settleFailed(frame: MemoryFrame, error: StreambedError): void {
	const { completions, after } = frame;
	forgetWaiting(frame);
	for (const completion of completions) completion.fail(error);
	for (const then of after) then(error);
}

/** Number of the last frame in a chunk that begins at or before `position`; 0 if none does. */
export function frameHolding(chunk: Chunk, position: number): number {
	return Math.max(0, countUpTo(chunk.positions, position) - 1);
}

/** Number of the first frame in a chunk that begins at or after `at`. */
export function frameFrom(chunk: Chunk, at: number): number {
	return countUpTo(chunk.starts, at - 1);
}

/** How many of the ascending `numbers` are at most `bound`. */
function countUpTo(numbers: readonly number[], bound: number): number {
	let low = 0;
	let high = numbers.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((numbers[middle] as number) <= bound) low = middle + 1;
		else high = middle;
	}
	return low;
}
