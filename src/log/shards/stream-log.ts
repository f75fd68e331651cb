/** An open stream, as the log knows it: where its folder is, under which ids its segments were written, its shards. */
import { join } from "node:path/posix";
import type { StreambedError } from "../../core/errors.ts";
import { segmentBytes as segmentRange } from "../../core/limits.ts";
import { rollAfterMs, rollBytes } from "../../core/retention.ts";
import type { Retention, StreamKind } from "../../core/stream-config.ts";
import type { StreamLayout } from "../../core/stream-layout.ts";
import type { ShardLog } from "./shard-log.ts";
import type { ShardOwner } from "./shard-owner.ts";
import { StreamGrowth } from "./stream-growth.ts";
import { StreamProducers } from "./stream-producers.ts";

/** What has to be known to open a stream. */
export interface StreamDescription {
	/** For messages: `scope/stream`. */
	readonly name: string;
	/** 16 bytes. */
	readonly id: Uint8Array;
	/** Ids of the streams that this one was copied from. */
	readonly origins: readonly Uint8Array[];
	/** Folder below `streams/`, with `/` between parts. */
	readonly folder: string;
	readonly kind: StreamKind;
	readonly segmentBytes: number;
	readonly retention: Retention;
	readonly layout: StreamLayout;
	/** A record stream that is sealed: also the shards that have nothing. */
	readonly sealed: boolean;
}

/** An open stream. */
export class StreamLog implements ShardOwner {
	readonly name: string;
	readonly id: Uint8Array;
	/** Its own id and those of the streams it was copied from. */
	readonly ids: readonly Uint8Array[];
	readonly folder: string;
	readonly kind: StreamKind;
	#retention: Retention = {};
	#segmentBytes = 0;
	#rollMs: number | undefined;
	/** Absolute path of the folder. */
	readonly path: string;
	readonly shards: Map<number, ShardLog> = new Map();
	readonly producers: StreamProducers;
	readonly growth: StreamGrowth;
	/** Of a record stream: also the shards that have nothing. */
	sealed: boolean;
	/** Its shards that have something are being opened, or have been. */
	opening: Promise<void> | undefined;
	/** All of them are open. Without that it may be known all the same: its opening has failed, or its delete was refused. */
	opened = false;
	/** Settles when it is decided whether it is deleted, if that has been asked for. */
	deleting: Promise<void> | undefined;
	/** Set once it is deleted: what everybody is told from then on. */
	deleted: StreambedError | undefined;
	/** Identity of the folder, as first seen: another one in its place is another stream. */
	identity: string | undefined;
	/** Somebody has a handle to it: it stays open. */
	held = false;
	/** When its retention was last set, on the monotonic clock. */
	confirmedMs: number = Number.NEGATIVE_INFINITY;
	/** The span between two checkpoints in which a round has named this stream. */
	namedIn: number = -1;

	constructor(root: string, description: StreamDescription) {
		this.name = description.name;
		this.id = description.id;
		this.ids = [description.id, ...description.origins];
		this.folder = description.folder;
		this.kind = description.kind;
		this.producers = new StreamProducers(description.name);
		this.growth = new StreamGrowth(description.layout);
		this.sealed = description.sealed;
		this.path = join(root, "streams", description.folder);
		this.configure(description);
	}

	/** How many shards it has, and how it came to them. */
	get layout(): StreamLayout {
		return this.growth.layout;
	}

	get retention(): Retention {
		return this.#retention;
	}

	get segmentBytes(): number {
		return this.#segmentBytes;
	}

	get rollMs(): number | undefined {
		return this.#rollMs;
	}

	/** Takes over what an update of the stream's configuration can change. */
	configure({ segmentBytes, retention }: Pick<StreamDescription, "segmentBytes" | "retention">): void {
		this.#retention = retention;
		this.#segmentBytes = rollBytes(segmentBytes, retention, segmentRange.min);
		this.#rollMs = rollAfterMs(retention);
	}
}
