/**
 * What the copy of a stream knows of the producers whose appends it holds: what their file tells, as far as the copy
 * reaches, and what the frames tell that are copied. So a retry of what the copy holds is not stored a second time.
 */
import { type Producer, Producers, placesOf } from "../../core/producers.ts";
import { parseUuid } from "../../core/random.ts";
import type { ShardPlace } from "../../core/shard.ts";
import type { Disk } from "../../disk/disk.ts";
import { tripleRuns } from "../format/entry-extension.ts";
import type { FrameHeader } from "../format/frame.ts";
import { encodeProducers, loadProducers } from "../format/producer-file.ts";

/** An append, or its part in one shard; where it is may not be known any more. */
interface Stored {
	readonly epoch: number;
	readonly sequence: number;
	readonly place: ShardPlace;
}

/** The producers of one shard, by the frames that are copied. */
export class ShardProducers {
	readonly shard: number;
	readonly table: Producers<unknown>;
	/** As far as the copy reaches. */
	tail = 0;

	constructor(streamId: string, shard: number) {
		this.shard = shard;
		this.table = new Producers(streamId);
	}

	/** A frame of a segment at `base`; its table stands in `bytes` behind the payload that `header` tells of, from `at` on. */
	frame(base: number, bytes: Uint8Array, at: number, header: FrameHeader): void {
		const start = base + header.relative;
		this.tail = Math.max(this.tail, start + header.units);
		for (const { id, epoch, sequence, from, lengths } of tripleRuns(bytes, at, header)) {
			this.table.redo(id, epoch, sequence, { shard: this.shard, from: start + from }, lengths);
		}
	}
}

/** The producers of a stream that is being copied. */
export class StreamProducersCopy {
	readonly #streamId: string;
	readonly #file: Producers<unknown>;
	readonly #shards: ShardProducers[] = [];

	private constructor(streamId: string, file: Producers<unknown>) {
		this.#streamId = streamId;
		this.#file = file;
	}

	/** Reads their file, before anything of the stream is copied. @throws CORRUPT */
	static async read(disk: Disk, path: string, streamId: string): Promise<StreamProducersCopy> {
		const file = new Producers<unknown>(streamId);
		await loadProducers(disk, path, parseUuid(streamId) as Uint8Array, file);
		return new StreamProducersCopy(streamId, file);
	}

	/** Adds a shard that has been copied. */
	add(shard: ShardProducers): void {
		this.#shards.push(shard);
	}

	/** The file for the copy; `undefined` where there is no producer. */
	encode(): Uint8Array | undefined {
		const copied = new Producers<unknown>(this.#streamId);
		const tails = new Map(this.#shards.map(({ shard, tail }) => [shard, tail]));
		for (const id of new Set([this.#file, ...this.#shards.map(({ table }) => table)].flatMap(idsOf))) {
			for (const { epoch, sequence, place } of this.#stored(id, tails)) {
				copied.redo(id, epoch, sequence, place, [place.to - place.from]);
			}
			const taken = this.#file.known(id)?.durableEpoch ?? -1;
			if (taken >= 0) copied.take(id, taken);
		}
		return copied.size === 0 ? undefined : encodeProducers(parseUuid(this.#streamId) as Uint8Array, copied);
	}

	/** Appends of a producer, in their order; `tails` tells how far shards are copied. */
	#stored(id: string, tails: ReadonlyMap<number, number>): Stored[] {
		const reaches = ({ shard, to }: ShardPlace): boolean => Number.isNaN(to) || to <= (tails.get(shard) ?? 0);
		const ofFile = storedBy(this.#file.known(id)).filter(({ place }) => reaches(place));
		const ofFrames = this.#shards.flatMap(({ table }) => storedBy(table.known(id)));
		return [...ofFile, ...ofFrames].sort((a, b) => a.epoch - b.epoch || a.sequence - b.sequence);
	}
}

function idsOf(table: Producers<unknown>): string[] {
	return Array.from(table.all, ({ id }) => id);
}

function storedBy(producer: Producer<unknown> | undefined): Stored[] {
	const stored: Stored[] = [];
	let index = 0;
	for (const { epoch, first, count } of producer?.window.runs ?? []) {
		for (let number = 0; number < count; number++) {
			const answer = (producer as Producer<unknown>).window.at(index++);
			for (const place of placesOf(answer) ?? [answer]) stored.push({ epoch, sequence: first + number, place });
		}
	}
	return stored;
}
