/** Control frames as bytes, for those who write them outside of a round. */
import { checksum, viewOf } from "./checksum.ts";
import {
	encodeState,
	FRAME_HEADER_BYTES,
	type FrameHeader,
	FrameType,
	HeadReason,
	STATE_BYTES,
	writeFrameHeader,
} from "./frame.ts";

/** Bytes of a control frame. */
export const CONTROL_BYTES: number = FRAME_HEADER_BYTES + STATE_BYTES;

/** What a control frame says of its shard. */
export interface ControlState {
	readonly head: number;
	readonly timeFloor: number;
	readonly sealed: boolean;
}

/** A control frame with this state. */
export function controlFrame(
	header: Pick<FrameHeader, "type" | "tag" | "relative" | "time" | "round">,
	state: ControlState,
): Uint8Array {
	const frame = new Uint8Array(CONTROL_BYTES);
	const reason = header.type === FrameType.head ? HeadReason.truncation : HeadReason.none;
	const body = encodeState({ ...state, reason });
	frame.set(body, FRAME_HEADER_BYTES);
	const rest = { entries: 0, tableBytes: 0, units: 0, payloadBytes: STATE_BYTES, bodyCrc: checksum(body) };
	writeFrameHeader(viewOf(frame), 0, { ...header, ...rest });
	return frame;
}
