/** Going through the blocks of a stream one after another, and what is wrong with them. */
import { StreambedError } from "../core/errors.ts";
import type { Block } from "./block.ts";
import { BlockCursor, type CursorStart } from "./block-cursor.ts";
import type { BlockLayout } from "./block-layout.ts";
import { damaged } from "./io-error.ts";
import type { OpenFiles } from "./open-files.ts";
import type { TornTail } from "./torn-tail.ts";

/** How a block is read. */
export interface WalkSettings {
	readonly files: OpenFiles;
	/** Taken for granted instead of being told by the first bytes. */
	readonly layout: BlockLayout | undefined;
	readonly chunkBytes?: number | undefined;
}

/** A cursor over a block, at its beginning or at a record. */
export function cursorOf(
	block: Block,
	following: Block | undefined,
	settings: WalkSettings,
	more: Partial<Pick<CursorStart, "at" | "offset" | "countOnly" | "layout">> = {},
): BlockCursor {
	const { path, firstOffset, length } = block;
	const { chunkBytes } = settings;
	const start = {
		path,
		firstOffset,
		length,
		layout: settings.layout ?? block.layout,
		ceiling: following?.firstOffset,
		...(chunkBytes === undefined ? {} : { chunkBytes }),
		...more,
	};
	return new BlockCursor(start, (use) => settings.files.use(path, "read", use, block.identity));
}

/** What a block was found to hold. */
export interface BlockSummary {
	readonly records: number;
	/** Offset behind its last record. */
	readonly next: number;
	/** Bytes of whole fields. */
	readonly validLength: number;
	readonly layout: BlockLayout | undefined;
	readonly torn: boolean;
}

/** Counts the records of a block. @throws CORRUPT, UNSUPPORTED */
export async function summarize(
	block: Block,
	following: Block | undefined,
	settings: WalkSettings,
): Promise<BlockSummary> {
	const cursor = cursorOf(block, following, settings, { countOnly: true });
	await walkThrough(block, cursor);
	return summaryOf(cursor);
}

async function walkThrough(block: Block, cursor: BlockCursor): Promise<void> {
	if (block.exists) while (await cursor.read());
}

function summaryOf({ records, next, at, layout, torn }: BlockCursor): BlockSummary {
	return { records, next, validLength: at, layout, torn };
}

/** The error for a block that others follow, and whose last record is not whole. */
export function tornMiddle(block: Block, validLength: number): StreambedError {
	const what = `its last record is not whole, and other blocks follow`;
	return damaged(block.path, validLength, what, { kind: "tornMiddleBlock", block: block.fileName });
}

/** Something that is not as a writer leaves it. */
export interface StreamProblem {
	/**
	 * `leadingGap` and `gap`: records that the names tell of are not there. The others are damage: `tornMiddleBlock`,
	 * `overlap`, `offset` (an offset field that goes back), `unsupportedLayout`.
	 */
	readonly kind: "leadingGap" | "gap" | "tornMiddleBlock" | "overlap" | "offset" | "unsupportedLayout";
	/** Name of the block file. */
	readonly block: string;
	/** Byte in the file. */
	readonly offset: number;
	/** First and last record offset that is missing. */
	readonly from?: number;
	readonly to?: number;
	readonly message: string;
}

/** What a look at every record of a stream found. */
export interface StreamCheck {
	/** No damage; gaps and a torn tail are none. */
	readonly ok: boolean;
	readonly blocks: number;
	readonly records: number;
	readonly bytes: number;
	readonly nextRecordOffset: number;
	/** The last record of the last block is not whole: a crash left it, and the next `openForAppend` cuts it off. */
	readonly tornTail: TornTail | null;
	readonly problems: readonly StreamProblem[];
}

const gaps: readonly StreamProblem["kind"][] = ["leadingGap", "gap"];

/** Goes through all blocks and collects what is wrong, to the end. */
export async function checkBlocks(
	blocks: readonly Block[],
	settings: WalkSettings,
	onBlock?: (block: Block, summary: BlockSummary) => void,
): Promise<StreamCheck> {
	const problems: StreamProblem[] = [];
	let records = 0;
	let bytes = 0;
	let next = 0;
	let tornTail: TornTail | null = null;
	for (const [index, block] of blocks.entries()) {
		const { fileName, firstOffset } = block;
		bytes += block.length;
		if (firstOffset > next) {
			const kind = index === 0 ? "leadingGap" : "gap";
			const message = `records ${next} to ${firstOffset - 1} are not there`;
			problems.push({ kind, block: fileName, offset: 0, from: next, to: firstOffset - 1, message });
		}
		const summary = await summarizeOr(block, blocks[index + 1], settings, problems);
		next = Math.max(firstOffset, summary.next);
		records += summary.records;
		onBlock?.(block, summary);
		if (!summary.torn) continue;
		if (index === blocks.length - 1) {
			tornTail = tailOf(block, summary);
		} else {
			const { message } = tornMiddle(block, summary.validLength);
			problems.push({ kind: "tornMiddleBlock", block: fileName, offset: summary.validLength, message });
		}
	}
	const ok = problems.every(({ kind }) => gaps.includes(kind));
	return { ok, blocks: blocks.length, records, bytes, nextRecordOffset: next, tornTail, problems };
}

/** The tail of a block whose last record is not whole. */
export function tailOf(block: Block, { validLength }: BlockSummary): TornTail {
	return { block: block.fileName, validLength, tornBytes: block.length - validLength };
}

/** A block with damage in it counts as far as it could be read. */
async function summarizeOr(
	block: Block,
	following: Block | undefined,
	settings: WalkSettings,
	problems: StreamProblem[],
): Promise<BlockSummary> {
	const cursor = cursorOf(block, following, settings, { countOnly: true });
	try {
		await walkThrough(block, cursor);
	} catch (error) {
		if (!StreambedError.is(error) || typeof error.details.kind !== "string") throw error;
		const kind = error.details.kind as StreamProblem["kind"];
		const offset = Number(error.details.offset);
		problems.push({ kind, block: block.fileName, offset, message: error.message });
	}
	return summaryOf(cursor);
}
