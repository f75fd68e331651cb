/** The producers files of open streams: replaced at checkpoints, where something has changed (docs/commit-protocol.md §8). */
import { join } from "node:path/posix";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { replaceFile } from "../files/stream-folder.ts";
import { ioError } from "../format/corruption.ts";
import { encodeProducers, PRODUCERS_FILE } from "../format/producer-file.ts";
import type { StreamLog } from "../shards/stream-log.ts";

/** Which files are behind what is durable. */
export class ProducerFiles {
	readonly #disk: Disk;
	readonly #syncRing: () => Promise<boolean>;
	readonly #changed = new Set<StreamLog>();

	/** `syncRing` makes the rounds shown so far certain where they are not yet; `false` if the store has stopped over it. */
	constructor(disk: Disk, syncRing: () => Promise<boolean>) {
		this.#disk = disk;
		this.#syncRing = syncRing;
	}

	/** More of this stream's producers is durable than their file says. */
	note(stream: StreamLog): void {
		this.#changed.add(stream);
	}

	/** Replaces the files that are behind. Tells whether all are replaced; they are not on a full disk. */
	async write(): Promise<boolean> {
		for (const stream of [...this.#changed]) {
			this.#changed.delete(stream);
			if (stream.deleted !== undefined) continue;
			try {
				const bytes = encodeProducers(stream.id, stream.producers.table);
				if (!(await this.#syncRing())) return false;
				await replaceFile(this.#disk, join(stream.path, PRODUCERS_FILE), bytes);
			} catch (error) {
				// A folder that is gone is a deleted stream, which somebody notices soon.
				if (isGone(error)) continue;
				this.#changed.add(stream);
				if (ioError(error, stream.name).code === "STREAMBED_DISK_FULL") return false;
				throw error;
			}
		}
		return true;
	}
}
