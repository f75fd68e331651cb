/** Indexes of a shard: bad and foreign ones go aside, and each segment that can be read gets one that is right. */
import { join } from "node:path/posix";
import { FilePool } from "../files/file-pool.ts";
import { viewOf } from "../format/checksum.ts";
import { FRAME_HEADER_BYTES, frameHeaderCrc } from "../format/frame.ts";
import { segmentName } from "../format/segment-header.ts";
import { decodeIndex, encodeIndex, SparseIndex } from "../format/sparse-index.ts";
import { existingSegment, type Segment } from "../segments/segment.ts";
import { SegmentReader } from "../segments/segment-reader.ts";
import type { ShardToRepair } from "./repair-end.ts";
import { type RepairWork, readIfThere, setFolderAside } from "./repair-work.ts";
import { segmentBases } from "./verify-shard.ts";

/** Repairs the indexes of a shard, once its segments are as they will be. */
export async function repairIndexes(work: RepairWork, { folder, ids, shard }: ShardToRepair): Promise<void> {
	const { disk } = work;
	const files = new FilePool(disk, 2, "read", () => {});
	const reader = new SegmentReader(disk, files, 0);
	try {
		const bases = await segmentBases({ disk, nobodyWrites: async () => true }, folder);
		await setOrphansAside(work, folder, bases);
		for (const base of bases) {
			const path = join(folder, segmentName(base, ".idx"));
			await setFolderAside(work, path);
			const bytes = await readIfThere(disk, path);
			if (bytes === undefined) continue;
			const segment = existingSegment(folder, base);
			const header = await reader.readHeader(segment, ids, shard).then(
				() => true,
				() => false,
			);
			if (header && (await holds(reader, segment, bytes))) continue;
			await work.setAside(path, "set aside: it is no index of its segment");
			if (header) await write(work, reader, segment, path);
		}
	} finally {
		await files.close();
	}
}

/** Indexes of segments that are gone; one above the newest stays, since it tells of a segment that was. */
async function setOrphansAside(work: RepairWork, folder: string, bases: readonly number[]): Promise<void> {
	for (const { name } of await work.disk.list(folder)) {
		if (!/^[0-9]{20}\.idx$/.test(name)) continue;
		const base = Number(name.slice(0, 20));
		if (bases.includes(base) || base > (bases.at(-1) ?? -1)) continue;
		await work.setAside(join(folder, name), "set aside: its segment is gone");
	}
}

/** Tells whether an index is whole and each of its entries points to its frame. */
async function holds(reader: SegmentReader, segment: Segment, bytes: Uint8Array): Promise<boolean> {
	const size = await reader.fileBytes(segment);
	const index = decodeIndex(bytes, segment.tag as number, segment.base, size);
	for (const { fileOffset, crc } of index?.entries ?? []) {
		const frame = new Uint8Array(FRAME_HEADER_BYTES);
		const got = await reader.read(segment.path, frame, fileOffset);
		if (got < FRAME_HEADER_BYTES || frameHeaderCrc(viewOf(frame), 0) !== crc) return false;
	}
	return index !== undefined;
}

async function write(work: RepairWork, reader: SegmentReader, segment: Segment, path: string): Promise<void> {
	const index = new SparseIndex();
	const size = await reader.fileBytes(segment);
	const { badAt } = await reader.scan(segment, index, size);
	// Where the end is not known for certain, the owner has to look for it.
	if (badAt !== undefined || index.entries.length === 0) return;
	await work.put(path, "written anew from its segment", encodeIndex(index, segment.tag as number, segment.base));
}
