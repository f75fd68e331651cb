/**
 * The stretches of a shard that a follower has just walked: already read and checked, and what its readers ask for next.
 * The bytes lie in the cache of blocks, shared and bounded with all others; here is only where they are.
 */
import type { ReadResult } from "../../core/shard.ts";
import type { Block } from "../segments/block-cache.ts";
import type { Segment } from "../segments/segment.ts";
import { runsOfBlock, type SegmentReader } from "../segments/segment-reader.ts";
import type { GoodStretch } from "../segments/segment-walk.ts";

const STRETCHES = 32;

interface Fresh {
	readonly segment: Segment;
	readonly key: string;
	/** Absolute positions. */
	readonly from: number;
	readonly to: number;
	readonly fileOffset: number;
	readonly end: number;
	readonly relative: number;
}

/** The last stretches walked, oldest first. */
export class FreshStretches {
	readonly #reader: SegmentReader;
	readonly #stretches: Fresh[] = [];

	constructor(reader: SegmentReader) {
		this.#reader = reader;
	}

	/** Notes a stretch and puts its bytes into the cache. */
	add(segment: Segment, piece: GoodStretch): void {
		const { bytes, fileOffset, frames, end } = piece;
		const relative = frames[0]?.header.relative ?? piece.relative;
		if (bytes.length < end - fileOffset || relative === piece.relative) return;
		const key = `${segment.path}:${fileOffset}-${end}`;
		const block: Block = { bytes, fileOffset, frames, bad: [], from: relative, to: piece.relative };
		this.#reader.blocks.get(key, bytes.length, async () => block).catch(() => {});
		const { base } = segment;
		this.#stretches.push({ segment, key, from: base + relative, to: base + piece.relative, fileOffset, end, relative });
		if (this.#stretches.length > STRETCHES) this.#stretches.shift();
	}

	/** What there is from `position` on, or `undefined` if it lies in no fresh stretch. */
	async read(position: number, maxBytes: number, borders: boolean): Promise<ReadResult | undefined> {
		const fresh = this.#stretches.find(({ from, to }) => from <= position && position < to);
		if (fresh === undefined) return undefined;
		const { segment, fileOffset, relative, end } = fresh;
		const { block, release } = await this.#reader.stretch(segment, { fileOffset, relative }, end);
		const runs = runsOfBlock(block, segment.base, position, maxBytes, borders);
		return runs.length === 0 || runs[0]?.bytes.length === 0 ? undefined : { kind: "data", runs, release };
	}

	/** Forgets all. */
	clear(): void {
		this.#stretches.length = 0;
	}
}
