/** The producers of a stream that this process writes: their state, read from its file when the stream is opened. */
import { StreambedError } from "../../core/errors.ts";
import { Producers, type ProducerTriple, type Verdict } from "../../core/producers.ts";
import type { Disk } from "../../disk/disk.ts";
import { loadProducers } from "../format/producer-file.ts";
import type { MemoryFrame } from "../tail/tail-memory.ts";
import { ShardGate } from "./shard-gate.ts";

/** Producers whose appends are frames on their way. */
export class StreamProducers {
	readonly #name: string;
	table: Producers<MemoryFrame>;
	/** Their file cannot be believed: appends that name a producer are refused with this. */
	damage: StreambedError | undefined;
	/** Closed while an append of a producer waits in a shard: those behind it wait as well, wherever they go. */
	readonly order: ShardGate = new ShardGate();
	#loading: Promise<void> | undefined;

	constructor(name: string) {
		this.#name = name;
		this.table = new Producers(name);
	}

	/** Reads the file in the stream's folder, once. */
	load(disk: Disk, folder: string, streamId: Uint8Array): Promise<void> {
		this.#loading ??= loadProducers(disk, folder, streamId, this.table).catch((error: unknown) => {
			this.table = new Producers(this.#name);
			// A disk that fails is no damage: the stream does not open, and the next try reads again.
			this.#loading = undefined;
			if (!StreambedError.is(error)) throw error;
			this.damage = error;
		});
		return this.#loading;
	}

	check(triple: ProducerTriple): Verdict<MemoryFrame> {
		return this.damage === undefined ? this.table.check(triple) : { kind: "refused", error: this.damage };
	}
}
