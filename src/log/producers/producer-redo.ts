/** Redo of producers: what the journal's rounds say of them is added to what their files say (docs/commit-protocol.md §8). */
import { join } from "node:path/posix";
import { Producers, type RunPlace } from "../../core/producers.ts";
import { parseUuid } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { replaceFile, type StreamFolder } from "../files/stream-folder.ts";
import { type TripleRun, tripleRuns } from "../format/entry-extension.ts";
import { ENTRY_BYTES, type FrameHeader } from "../format/frame.ts";
import { encodeProducers, loadProducers, PRODUCERS_FILE } from "../format/producer-file.ts";
import type { Envelope } from "../journal/round.ts";

/** Appends in the round that is being redone: of a run, beginning there. */
interface Met extends Pick<TripleRun, "id" | "epoch" | "sequence" | "lengths"> {
	readonly producers: Producers<unknown>;
	readonly place: RunPlace;
}

/** Producers of the streams that one redo meets, by stream id. */
export class ProducerRedo {
	readonly #disk: Disk;
	readonly #streams: string;
	readonly #met = new Map<string, Promise<Producers<unknown> | undefined>>();
	readonly #round: Met[] = [];

	constructor(disk: Disk, streams: string) {
		this.#disk = disk;
		this.#streams = streams;
	}

	/** Adds the appends of a checked frame of a shard, which may lack its payload; those of a record stream once the round has ended. */
	async frame(
		place: StreamFolder,
		{ base, shard }: Pick<Envelope, "base" | "shard">,
		{ bytes, header }: { readonly bytes: Uint8Array; readonly header: FrameHeader },
	): Promise<void> {
		if (header.tableBytes === header.entries * ENTRY_BYTES) return;
		const producers = await this.#of(place);
		if (producers === undefined) return;
		const start = base + header.relative;
		for (const { id, epoch, sequence, from, lengths } of tripleRuns(bytes, 0, header)) {
			const begin = { shard, from: start + from };
			if (place.kind === "bytes") producers.redo(id, epoch, sequence, begin, lengths);
			else this.#round.push({ producers, id, epoch, sequence, place: begin, lengths });
		}
	}

	/** A round has ended: shards stand in it in any order, and what one producer has appended to them has its own. */
	endRound(): void {
		if (this.#round.length === 0) return;
		const round = inOrder(this.#round.splice(0));
		for (const { producers, id, epoch, sequence, place, lengths } of round) {
			producers.redo(id, epoch, sequence, place, lengths);
		}
	}

	/** Adds that an epoch was taken. */
	async epoch(place: StreamFolder, id: string, epoch: number): Promise<void> {
		(await this.#of(place))?.take(id, epoch);
	}

	/** The stream was deleted. */
	forget(streamId: string): void {
		this.#met.delete(streamId);
	}

	/** Replaces the files; `placeOf` says where a stream is now. */
	async finish(placeOf: (streamId: string) => Promise<StreamFolder | undefined>): Promise<void> {
		for (const [streamId, loading] of this.#met) {
			const producers = await loading;
			const place = await placeOf(streamId);
			if (producers === undefined || place === undefined) continue;
			const bytes = encodeProducers(parseUuid(streamId) as Uint8Array, producers);
			await replaceFile(this.#disk, join(this.#streams, place.folder, PRODUCERS_FILE), bytes).catch((error) => {
				if (!isGone(error)) throw error;
			});
		}
	}

	#of({ folder, id }: StreamFolder): Promise<Producers<unknown> | undefined> {
		let producers = this.#met.get(id);
		if (producers === undefined) {
			producers = this.#load(join(this.#streams, folder), id);
			this.#met.set(id, producers);
		}
		return producers;
	}

	/** Nothing is added to a file that cannot be believed: it stays as it is, and is reported when the stream is opened. */
	async #load(path: string, id: string): Promise<Producers<unknown> | undefined> {
		const producers = new Producers<unknown>(id);
		try {
			await loadProducers(this.#disk, path, parseUuid(id) as Uint8Array, producers);
			return producers;
		} catch (error) {
			if (error instanceof Error && "streambedError" in error) return undefined;
			throw error;
		}
	}
}

/** Runs by epoch and sequence; an append in several shards is in several runs, which are taken apart for it. */
function inOrder(round: Met[]): readonly Met[] {
	const inTurn = (a: Met, b: Met): number => a.epoch - b.epoch || a.sequence - b.sequence;
	round.sort(inTurn);
	const overlaps = round.some(({ epoch, sequence }, index) => {
		const before = round[index - 1];
		return before?.epoch === epoch && sequence < before.sequence + before.lengths.length;
	});
	return overlaps ? round.flatMap(onesOf).sort(inTurn) : round;
}

function onesOf(run: Met): Met[] {
	let { from } = run.place;
	return run.lengths.map((length, index) => {
		const place = { ...run.place, from };
		from += length;
		return { ...run, sequence: run.sequence + index, place, lengths: [length] };
	});
}
