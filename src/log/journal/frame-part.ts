/** Frames in memory as parts of a round. */

import { type MemoryFrame, memoryFrameBytes } from "../tail/tail-memory.ts";
import { EnvelopeKind, type RoundPart } from "./round.ts";

/** The frame as a part of a round; its envelope holds this CRC. */
export function framePart(frame: MemoryFrame, shard: number, streamId: Uint8Array, crc: number): RoundPart {
	const { chunk, at } = frame;
	const { base } = chunk.segment;
	const place = { shard, streamId, base, fileOffset: chunk.fileOffset + at };
	return { kind: EnvelopeKind.frame, ...place, source: chunk.bytes, from: at, to: at + memoryFrameBytes(frame), crc };
}
