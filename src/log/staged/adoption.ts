/**
 * The commit of a write in parts (docs/commit-protocol.md §10): staged files become segments, all at one stroke. Carrying
 * it out may be done any number of times; redo does it again.
 */
import { join } from "node:path/posix";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import type { FilePool } from "../files/file-pool.ts";
import { inParallel } from "../files/in-parallel.ts";
import { viewOf } from "../format/checksum.ts";
import { frameHeaderCrc } from "../format/frame.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from "../format/segment-header.ts";
import { SparseIndex } from "../format/sparse-index.ts";
import {
	type Adoption,
	encodeStamp,
	preparedPath,
	STAGED_FOLDER,
	type StagedOwner,
	stagedPath,
} from "../format/staged-files.ts";
import { existingSegment, type Segment } from "../segments/segment.ts";

/** Where staged files are carried from and to. */
export interface AdoptionPlace extends StagedOwner {
	readonly disk: Disk;
	/** Files opened for writing. */
	readonly files: FilePool;
	/** Folder of the shard. */
	readonly folder: string;
}

/**
 * Stamps the staged files, renames them to their segments and makes all that durable. Returns the numbers of the files
 * that are in place: one that is nowhere has been truncated away since it was adopted.
 */
export async function carryOut(place: AdoptionPlace, adoption: Adoption): Promise<number[]> {
	const { disk, files, folder } = place;
	const found: { index: number; path: string; target: string }[] = [];
	for (const [index, { base, number }] of adoption.files.entries()) {
		const target = join(folder, segmentName(base));
		const staged = stagedPath(folder, adoption.id, index);
		const path = (await disk.stat(staged)) === undefined ? target : staged;
		if (path === target && !(await carries(place, target, number))) continue;
		await files.write(path, encodeStamp(place, adoption, index), 0);
		found.push({ index, path, target });
	}
	await inParallel(found, ({ path }) => files.sync(path));
	for (const { path, target } of found) {
		if (path === target) continue;
		for (const one of [path, target]) await files.forget(one);
		await disk.rename(path, target);
	}
	// The new names first: nothing may be gone from one folder that is not in the other.
	await syncIfThere(disk, folder);
	await disk.unlink(preparedPath(folder, adoption.id));
	await syncIfThere(disk, join(folder, STAGED_FOLDER));
	return found.map(({ index }) => index);
}

async function syncIfThere(disk: Disk, folder: string): Promise<void> {
	await disk.syncDir(folder).catch((error) => {
		if (!isGone(error)) throw error;
	});
}

/** Tells whether the segment at `path` is the file with this number. */
async function carries(
	{ disk, files, streamId, shard }: AdoptionPlace,
	path: string,
	number: number,
): Promise<boolean> {
	if ((await disk.stat(path)) === undefined) return false;
	const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
	const got = await files.use(path, (file) => file.read(bytes, 0));
	const header = decodeSegmentHeader(bytes.subarray(0, got));
	if (header === undefined || header === "version") return false;
	return header.number === number && header.shard === shard && Buffer.compare(header.streamId, streamId) === 0;
}

/** The segments that an adoption has made, as the shard knows them from then on. */
export function adoptedSegments(
	owner: StagedOwner,
	folder: string,
	adoption: Adoption,
	data: readonly { readonly tag: number; readonly index: SparseIndex | undefined }[],
): Segment[] {
	const { time, head } = adoption;
	return adoption.files.map(({ base, bytes }, index) => {
		const segment = existingSegment(folder, base);
		const { tag, index: staged } = data[index] as (typeof data)[number];
		Object.assign(segment, { tag, bytes, head, lastTime: time, since: time, stamp: time, full: true });
		segment.following = adoption.files.length - 1 - index;
		if (staged === undefined) return segment;
		const crc = frameHeaderCrc(viewOf(encodeStamp(owner, adoption, index)), SEGMENT_HEADER_BYTES);
		segment.index = new SparseIndex();
		segment.index.add({ fileOffset: SEGMENT_HEADER_BYTES, relative: 0, time, head, sealed: false, crc });
		for (const entry of staged.entries) segment.index.note({ ...entry, time, head }, bytes);
		segment.index.coveredBytes = bytes;
		return segment;
	});
}
