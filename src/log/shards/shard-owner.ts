/** A stream, as its shards see it. */
import type { StreambedError } from "../../core/errors.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import type { StreamProducers } from "./stream-producers.ts";

/** What a shard has to know of its stream. */
export interface ShardOwner {
	/** For messages: `scope/stream`. */
	readonly name: string;
	/** 16 bytes. */
	readonly id: Uint8Array;
	readonly kind: StreamKind;
	readonly segmentBytes: number;
	readonly producers: StreamProducers;
	/** A segment is closed so long after its first append; `undefined` without retention by age. */
	readonly rollMs: number | undefined;
	/** Set once the stream is deleted. */
	readonly deleted: StreambedError | undefined;
}
