/**
 * Large payloads placed directly (docs/commit-protocol.md §1): bytes go to their place in the segment at once, and only
 * the frame's header goes through the journal. Saves writing them twice.
 *
 * Until the header stands in the segment too, readers meet zeros there: the end. That a crash may leave such a payload
 * without its header is repaired by redo, which cuts every segment behind the last frame that the journal holds of it;
 * therefore a segment takes placed payloads only while the live part of the journal holds a frame of it (its anchor).
 */
import { dirname } from "node:path/posix";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import type { FilePool } from "../files/file-pool.ts";
import { FRAME_HEADER_BYTES } from "../format/frame.ts";
import { type MemoryFrame, memoryFrameBytes } from "../tail/tail-memory.ts";

/** Places payloads of a store. */
export class Placement {
	readonly #disk: Disk;
	readonly #files: FilePool;
	/** Payloads from this size on are placed. */
	readonly leastBytes: number;

	constructor(disk: Disk, files: FilePool, leastBytes: number) {
		this.#disk = disk;
		this.#files = files;
		this.leastBytes = leastBytes;
	}

	/** Tells whether the payload of a closed frame may be placed, in a round of this span of checkpoints. */
	takes(frame: MemoryFrame, span: number): boolean {
		const { segment } = frame.chunk;
		return frame.payloadBytes >= this.leastBytes && segment.created && segment.anchoredIn === span;
	}

	/** Brings payloads to their places, not synced; calls `meanwhile` for each while it is being written. */
	async write(frames: readonly MemoryFrame[], meanwhile: (index: number) => void): Promise<void> {
		for (const [index, frame] of frames.entries()) {
			const { chunk, at } = frame;
			const from = at + FRAME_HEADER_BYTES;
			const bytes = chunk.bytes.subarray(from, at + memoryFrameBytes(frame));
			const writing = this.#files.write(chunk.segment.path, bytes, chunk.fileOffset + from);
			meanwhile(index);
			await writing;
		}
	}

	/** Makes placed payloads durable, and the names of their files. */
	async sync(frames: readonly MemoryFrame[]): Promise<void> {
		const segments = new Set(frames.map(({ chunk }) => chunk.segment));
		for (const segment of segments) {
			await this.#files.sync(segment.path);
			if (segment.named) continue;
			// What goes through the journal whole would be made again after a crash, file and all; this would not.
			const folder = dirname(segment.path);
			for (const one of [folder, dirname(folder)]) {
				await this.#disk.syncDir(one).catch((error) => {
					if (!isGone(error)) throw error;
				});
			}
			segment.named = true;
		}
	}

	/** Takes back what a failed `write` may have left, and places nothing more in these segments for now. */
	async undo(frames: readonly MemoryFrame[]): Promise<void> {
		for (const { chunk, at } of frames.toReversed()) {
			chunk.segment.anchoredIn = -1;
			await this.#files
				.use(chunk.segment.path, (file) => file.truncate(chunk.fileOffset + at))
				.catch((error) => {
					// Somebody removed the stream: write-behind finds out, as of what was never placed.
					if (!isGone(error)) throw error;
				});
		}
	}
}
