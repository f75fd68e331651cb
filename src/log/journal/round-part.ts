/** Frames of a shard on their way into a round. */
import { frameHeaderCrc } from "../format/frame.ts";
import { type MemoryFrame, stampFrame } from "../tail/tail-memory.ts";
import { framePart } from "./frame-part.ts";
import type { RoundPart } from "./round.ts";

/** What a shard has to know of a round that takes its frames. */
export interface FrameTaking {
	/** Number of the round, and its time. */
	readonly number: number;
	readonly now: number;
	/** Frames with a payload of at least this are stamped later. */
	readonly largeBytes: number;
	readonly parts: RoundPart[];
}

/** Adds the envelopes of closed frames that are in no round yet; `time` is their ingestion time. */
export function addParts(
	{ number, largeBytes, parts }: FrameTaking,
	frames: readonly MemoryFrame[],
	{ streamId, shard, time }: { readonly streamId: Uint8Array; readonly shard: number; readonly time: number },
): void {
	for (const frame of frames) {
		if (frame.taken) continue;
		frame.time = time;
		frame.taken = true;
		const small = frame.payloadBytes < largeBytes;
		if (small) stampFrame(frame, number);
		const crc = small ? frameHeaderCrc(frame.chunk.view, frame.at) : Number.NaN;
		parts.push(framePart(frame, shard, streamId, crc));
	}
}
