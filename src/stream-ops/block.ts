/** A block of a stream: what is known of its file. */
import type { Disk } from "../disk/disk.ts";
import type { BlockLayout } from "./block-layout.ts";
import { blockName, offsetOfBlock } from "./block-name.ts";

const statsAtOnce = 64;

/** What is known of a block; replaced, never changed. */
export interface Block {
	readonly fileName: string;
	readonly path: string;
	/** Offset of its first record, as its name says. */
	readonly firstOffset: number;
	/** Bytes of its file, those of a torn tail included. */
	readonly length: number;
	/** There is a file. A stream that was never opened has a first block without one. */
	readonly exists: boolean;
	/** `undefined` until its first bytes were looked at. */
	readonly layout: BlockLayout | undefined;
	/** It holds a record. */
	readonly hasRecord: boolean;
	/** Which file it is, where it was seen in its folder. */
	readonly identity?: string;
	/** When it was changed last, where it was seen in its folder. */
	readonly modifiedMs?: number;
}

/** A block file of a stream, as it was when the list was made. */
export class StreamStorageBlockFS {
	/** Name of its file. */
	readonly fileName: string;
	/** Where its file is. */
	readonly path: string;
	/** Offset of its first record. */
	readonly firstOffset: number;
	/** Bytes of its file. */
	readonly fileLength: number;

	/** Made by a stream. */
	constructor(block: Pick<Block, "fileName" | "path" | "firstOffset" | "length">) {
		this.fileName = block.fileName;
		this.path = block.path;
		this.firstOffset = block.firstOffset;
		this.fileLength = block.length;
	}
}

/** A block that is not there yet. */
export function newBlock(streamId: string, folder: string, firstOffset: number, layout: BlockLayout): Block {
	const fileName = blockName(streamId, firstOffset);
	const path = `${folder}/${fileName}`;
	return { fileName, path, firstOffset, length: 0, exists: false, layout, hasRecord: false };
}

/** The block files in a stream's folder, oldest first; whatever else lies there is not looked at. */
export async function listBlocks(disk: Disk, folder: string, streamId: string): Promise<Block[]> {
	const names = (await disk.list(folder)).flatMap(({ name, kind }) => {
		const firstOffset = kind === "file" ? offsetOfBlock(streamId, name) : undefined;
		return firstOffset === undefined ? [] : [{ fileName: name, firstOffset }];
	});
	names.sort((a, b) => a.firstOffset - b.firstOffset);
	const blocks: Block[] = [];
	for (let at = 0; at < names.length; at += statsAtOnce) {
		const some = names
			.slice(at, at + statsAtOnce)
			.map(async ({ fileName, firstOffset }): Promise<Block | undefined> => {
				const path = `${folder}/${fileName}`;
				const info = await disk.stat(path);
				// Removed between being listed and being looked at.
				if (info === undefined) return undefined;
				const { size: length, identity, modifiedMs } = info;
				return {
					fileName,
					path,
					firstOffset,
					length,
					exists: true,
					layout: undefined,
					hasRecord: length > 0,
					identity,
					modifiedMs,
				};
			});
		for (const block of await Promise.all(some)) if (block !== undefined) blocks.push(block);
	}
	return blocks;
}
