/** What an index tells of a segment that may be gone, or was longer: it is written when its segment is complete, or at a close. */
import { join } from "node:path/posix";
import type { Disk } from "../../disk/disk.ts";
import { segmentName, segmentNumber, segmentTag } from "../format/segment-header.ts";
import { decodeIndex } from "../format/sparse-index.ts";
import type { StreamIds } from "./segment-reader.ts";

/** Whose indexes they are. */
export interface IndexedShard {
	/** Folder of the shard. */
	readonly folder: string;
	readonly ids: StreamIds;
	readonly shard: number;
}

/** How long a segment was when its index was written; `undefined` if there is none, or it is another's. */
export async function indexedEnd(
	disk: Disk,
	{ folder, ids, shard }: IndexedShard,
	base: number,
): Promise<number | undefined> {
	const bytes = await disk.readFile(join(folder, segmentName(base, ".idx"))).catch(() => undefined);
	for (const id of bytes === undefined ? [] : ids) {
		const tag = segmentTag(id, shard, segmentNumber(base));
		const index = decodeIndex(bytes as Uint8Array, tag, base, Number.MAX_SAFE_INTEGER);
		if (index !== undefined) return index.coveredBytes;
	}
	return undefined;
}

/** Base of an index by its file name, or `undefined` if it is not one. */
export function baseOfIndex(name: string): number | undefined {
	return /^[0-9]{20}\.idx$/.test(name) ? Number(name.slice(0, 20)) : undefined;
}
