/**
 * Frames of one shard from acceptance until they are evicted: the open frame, those ready for a round, those in a round,
 * and those that are durable and kept for readers. Decides where frames go in the segment files.
 */
import type { Completion, Payload, Run } from "../../core/shard.ts";
import {
	entryEnds,
	FRAME_HEADER_BYTES,
	FrameType,
	framePayloadAt,
	frameTimeAt,
	frameTypeAt,
	readFrameHeader,
	type ShardState,
	STATE_BYTES,
} from "../format/frame.ts";
import { recordRun } from "../format/record-run.ts";
import { SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { newSegment, type Segment } from "../segments/segment.ts";
import type { ShardFiles } from "../segments/shard-files.ts";
import type { ChunkHolder, TailCache } from "../tail/tail-cache.ts";
import {
	addEntry,
	beginFrame,
	type Chunk,
	closeFrame,
	frameFrom,
	frameHolding,
	frameTakes,
	type MemoryFrame,
	memoryFrameBytes,
	newChunk,
	setState,
} from "../tail/tail-memory.ts";
import type { ShardOwner } from "./shard-owner.ts";

const ENTRY_ROOM = FRAME_HEADER_BYTES + 8;

/** Frames in memory. */
export class ShardMemory implements ChunkHolder {
	readonly #cache: TailCache;
	readonly #owner: ShardOwner;
	readonly #shard: number;
	readonly #files: ShardFiles;
	/** Oldest first; the last one takes the next frame, if it is of the newest segment. */
	readonly chunks: Chunk[] = [];
	#open: MemoryFrame | undefined;
	#ready: MemoryFrame[] = [];
	#inRound: readonly MemoryFrame[] = [];
	/** Where the next frame goes in the newest segment's file. */
	#fileEnd: number;

	constructor(cache: TailCache, owner: ShardOwner, shard: number, files: ShardFiles, fileEnd: number) {
		this.#cache = cache;
		this.#owner = owner;
		this.#shard = shard;
		this.#files = files;
		this.#fileEnd = fileEnd;
	}

	/** Adds an entry to the open frame; `false` if there is none with room for it and an extension of so many bytes. */
	extend(payload: Payload, bytes: number, units: number, extension: number, completion: Completion): boolean {
		const frame = this.#open;
		if (frame === undefined || !frameTakes(frame, bytes, extension)) return false;
		if (this.#overflows(frame, bytes + extension)) return false;
		addEntry(frame, payload, bytes, units, completion);
		return true;
	}

	/** Adds an entry at `position` in a new frame; begins a chunk and a segment where needed. */
	append(
		payload: Payload,
		bytes: number,
		units: number,
		extension: number,
		position: number,
		roll: ShardState,
		completion: Completion,
	): void {
		this.#close();
		this.#place(ENTRY_ROOM + bytes + extension, position, roll);
		const counted = this.#owner.kind === "records";
		this.#open = beginFrame(this.chunks.at(-1) as Chunk, FrameType.data, position, counted);
		addEntry(this.#open, payload, bytes, units, completion);
	}

	/** Adds a control frame behind everything accepted. */
	control(type: FrameType, state: ShardState, position: number): void {
		this.#close();
		const before = type === FrameType.seal ? { ...state, sealed: false } : state;
		this.#place(FRAME_HEADER_BYTES + STATE_BYTES, position, before);
		this.#controlFrame(type, state, position);
	}

	/** The frame that takes entries. */
	get open(): MemoryFrame | undefined {
		return this.#open;
	}

	/** Where the next frame goes in the newest segment's file. */
	get fileEnd(): number {
		return this.#fileEnd;
	}

	/** The newest frame that is not durable yet. */
	get lastUnsettled(): MemoryFrame | undefined {
		return this.#open ?? this.#ready.at(-1) ?? this.#inRound.at(-1);
	}

	/** Tells whether anything is on its way to a round or to the files. */
	get busy(): boolean {
		return this.lastUnsettled !== undefined || !this.unwritten().next().done;
	}

	/** Tells whether any frame that is not durable yet holds data. */
	get hasPayload(): boolean {
		const isData = ({ state }: MemoryFrame): boolean => state === undefined;
		return this.#open !== undefined || this.#ready.some(isData) || this.#inRound.some(isData);
	}

	/** Tells whether frames wait for a round. */
	get waiting(): boolean {
		return this.#open !== undefined || this.#ready.length > 0;
	}

	/** Takes frames for a round: at least one, then as long as they fit into `budget` bytes. */
	take(budget: number): MemoryFrame[] {
		this.#close();
		const ready = this.#ready;
		if (ready.length === 1) {
			this.#ready = [];
			this.#inRound = ready;
			return ready;
		}
		let count = 0;
		let bytes = 0;
		for (const frame of this.#ready) {
			bytes += memoryFrameBytes(frame);
			if (count > 0 && bytes > budget) break;
			count++;
		}
		const taken = this.#ready.splice(0, count);
		this.#inRound = taken;
		return taken;
	}

	/** Takes all frames up to one that waits for a round, for the round for which some may have been taken before; returns all of that round. */
	takeThrough(frame: MemoryFrame): MemoryFrame[] {
		this.#close();
		const more = this.#ready.splice(0, this.#ready.indexOf(frame) + 1);
		const all = [...this.#inRound, ...more];
		this.#inRound = all;
		return all;
	}

	/** The frames of the round are durable. */
	settled(frames: readonly MemoryFrame[]): void {
		if (this.#inRound === frames) this.#inRound = [];
	}

	/** Drops and returns the frames that are in no round. Nothing can be appended after that. */
	abandon(): MemoryFrame[] {
		const rest = [...this.#ready, ...(this.#open === undefined ? [] : [this.#open])];
		this.#open = undefined;
		this.#ready = [];
		return rest;
	}

	/** Drops and returns all frames that are not durable, and the segments begun for them; none may be under way to the disk. */
	takeBack(): MemoryFrame[] {
		const frames = [...this.#inRound, ...this.abandon()];
		this.#inRound = [];
		const first = frames[0];
		if (first === undefined) return [];
		const { chunk, at } = first;
		// Its stream is gone, and all that was in memory with it.
		if (!this.chunks.includes(chunk)) return frames;
		for (const later of this.chunks.splice(this.chunks.indexOf(chunk) + 1)) this.#cache.remove(later, this);
		chunk.starts.length = frameFrom(chunk, at);
		chunk.positions.length = chunk.starts.length;
		chunk.used = at;
		const { segments } = this.#files;
		while (segments.at(-1) !== chunk.segment) segments.pop();
		if (at === 0) {
			this.#cache.remove(chunk, this);
			this.chunks.pop();
			if (chunk.fileOffset === SEGMENT_HEADER_BYTES) segments.pop();
		}
		const newest = segments.at(-1);
		const last = this.chunks.at(-1);
		this.#fileEnd = last !== undefined && last.segment === newest ? last.fileOffset + last.used : (newest?.bytes ?? 0);
		return frames;
	}

	/** Position of the oldest durable byte in memory. */
	get firstPosition(): number | undefined {
		return this.chunks[0]?.positions[0];
	}

	/** Runs from `position` on up to `tail`, or `undefined` if the position is no longer in memory. */
	read(position: number, tail: number, maxBytes: number, borders: boolean): Run[] | undefined {
		const first = this.firstPosition;
		if (first === undefined || position < first) return undefined;
		if (this.#owner.kind === "records") return this.#readRecords(position, tail, maxBytes);
		const runs: Run[] = [];
		let at = position;
		let total = 0;
		for (let number = this.#chunkHolding(position); number < this.chunks.length; number++) {
			const chunk = this.chunks[number] as Chunk;
			for (let index = frameHolding(chunk, at); index < chunk.starts.length; index++) {
				if (at >= tail || total >= maxBytes) return runs;
				const run = runOf(chunk, index, at, borders);
				if (run === undefined) continue;
				runs.push(run);
				total += run.bytes.length;
				at += run.bytes.length;
			}
		}
		return runs;
	}

	/** Whole frames from the entry on that holds a position. */
	#readRecords(position: number, tail: number, maxBytes: number): Run[] {
		const runs: Run[] = [];
		let total = 0;
		let at = position;
		for (let number = this.#chunkHolding(position); number < this.chunks.length; number++) {
			const chunk = this.chunks[number] as Chunk;
			for (let index = frameHolding(chunk, at); index < chunk.starts.length; index++) {
				if (at >= tail || total >= maxBytes) return runs;
				const { bytes, view } = chunk;
				const start = chunk.starts[index] as number;
				if (frameTypeAt(view, start) !== FrameType.data) continue;
				const found = recordRun(bytes, view, start, chunk.positions[index] as number, at);
				if (found === undefined) continue;
				chunk.lent = true;
				runs.push(found);
				total += found.bytes.length;
				at = found.offset + (found.units as number);
			}
		}
		return runs;
	}

	/** Position of the first durable append of `time` or later, if memory alone can tell. */
	locateTime(time: number, tail: number): number | undefined {
		let older = false;
		for (const { starts, positions, view } of this.chunks) {
			for (let index = 0; index < starts.length; index++) {
				const at = starts[index] as number;
				const position = positions[index] as number;
				if (position >= tail) return older ? tail : undefined;
				if (frameTypeAt(view, at) !== FrameType.data) continue;
				if (frameTimeAt(view, at) >= time) return older ? position : undefined;
				older = true;
			}
		}
		return older ? tail : undefined;
	}

	/** Stretches of chunks that are durable and not yet in their file, in order. */
	*unwritten(): Generator<Chunk> {
		for (const chunk of this.chunks) if (chunk.durable > chunk.written) yield chunk;
	}

	evict(): Chunk | undefined {
		const chunk = this.chunks[0];
		// An empty one was made this moment, for the frame that comes next.
		if (chunk === undefined || chunk.used === 0 || chunk.written !== chunk.used) return undefined;
		if (chunk === this.#open?.chunk) return undefined;
		this.chunks.shift();
		return chunk;
	}

	/** Lets go of everything. */
	clear(): void {
		for (const chunk of this.chunks) this.#cache.remove(chunk, this);
		this.chunks.length = 0;
	}

	/** Lets go of everything; the newest segment is another one by now, which ends there. */
	restart(fileEnd: number): void {
		this.clear();
		this.#fileEnd = fileEnd;
	}

	#close(): void {
		const frame = this.#open;
		if (frame === undefined) return;
		this.#open = undefined;
		closeFrame(frame);
		this.#fileEnd += memoryFrameBytes(frame);
		this.#ready.push(frame);
	}

	#overflows(frame: MemoryFrame, bytes: number): boolean {
		const table = (frame.lengths.length + 1) * 8 + frame.extensionBytes;
		const end = this.#fileEnd + memoryFrameBytes(frame) + table + bytes;
		return end > this.#owner.segmentBytes;
	}

	/** Makes room for a frame of `bytes` in the newest segment, or begins a new one with its state frame. */
	#place(bytes: number, position: number, roll: ShardState): void {
		const newest = this.#files.segments.at(-1);
		const over = newest?.full === true || this.#fileEnd + bytes > this.#owner.segmentBytes;
		const full = newest !== undefined && over && position > newest.base;
		if (newest === undefined || full) {
			const segment = newSegment(this.#files.folder, this.#owner.id, this.#shard, position);
			this.#files.segments.push(segment);
			this.#fileEnd = SEGMENT_HEADER_BYTES;
			this.#chunk(segment, FRAME_HEADER_BYTES + STATE_BYTES + bytes);
			this.#controlFrame(FrameType.state, roll, position);
			return;
		}
		const chunk = this.chunks.at(-1);
		const fits = chunk !== undefined && chunk.segment === newest && chunk.used + bytes <= chunk.bytes.length;
		if (!fits) this.#chunk(newest, bytes);
	}

	#chunk(segment: Segment, bytes: number): void {
		const size = Math.max(bytes, this.#cache.chunkBytes(this.chunks.at(-1)?.bytes.length ?? 0));
		const chunk = newChunk(segment, this.#fileEnd, this.#cache.memory(size));
		this.chunks.push(chunk);
		this.#cache.add(chunk, this);
	}

	#controlFrame(type: FrameType, state: ShardState, position: number): void {
		const frame = beginFrame(this.chunks.at(-1) as Chunk, type, position, false);
		setState(frame, state);
		closeFrame(frame);
		this.#fileEnd += memoryFrameBytes(frame);
		this.#ready.push(frame);
	}

	#chunkHolding(position: number): number {
		let number = this.chunks.length - 1;
		while (number > 0 && ((this.chunks[number] as Chunk).positions[0] ?? Number.POSITIVE_INFINITY) > position) number--;
		return number;
	}
}

/** The run of a durable frame from `at` on; `undefined` if it has no byte there. */
function runOf(chunk: Chunk, index: number, at: number, borders: boolean): Run | undefined {
	const { view, bytes } = chunk;
	const start = chunk.starts[index] as number;
	const position = chunk.positions[index] as number;
	if (frameTypeAt(view, start) !== FrameType.data) return undefined;
	const payloadBytes = framePayloadAt(view, start);
	if (position + payloadBytes <= at) return undefined;
	chunk.lent = true;
	const payload = start + FRAME_HEADER_BYTES;
	const run: Run = {
		offset: at,
		time: frameTimeAt(view, start),
		bytes: bytes.subarray(payload + (at - position), payload + payloadBytes),
	};
	if (!borders) return run;
	const header = readFrameHeader(bytes, view, start);
	const ends = header === undefined ? [] : entryEnds(bytes, start, header);
	return { ...run, ends: ends.map((end) => position + end).filter((end) => end > at) };
}
