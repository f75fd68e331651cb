/** Verifies the staged files of prepared writes: their data waits for a commit, perhaps for long. */
import { join } from "node:path/posix";
import { formatUuid } from "../../core/random.ts";
import type { DiskFile } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentTag } from "../format/segment-header.ts";
import {
	decodePrepared,
	preparedPath,
	STAGED_FOLDER,
	STAMP_BYTES,
	type StagedFile,
	stagedName,
	stagedPath,
} from "../format/staged-files.ts";
import { walkSegment } from "../segments/segment-walk.ts";
import { namesIn } from "../staged/staged-listing.ts";
import type { SegmentView } from "./verify-journal.ts";
import type { VerifyReport } from "./verify-report.ts";

/** Where the staged files are. */
export interface StagedShard {
	/** Folder of the shard. */
	readonly folder: string;
	readonly shard: number;
	/** 16 bytes. */
	readonly streamId: Uint8Array;
}

/** Verifies the prepared writes of one shard. What an owner decides about meanwhile is left out. */
export async function verifyStaged(view: SegmentView, place: StagedShard, report: VerifyReport): Promise<void> {
	for (const { name } of (await namesIn(view.disk, join(place.folder, STAGED_FOLDER)).catch(() => [])) ?? []) {
		const told = stagedName(name);
		if (told?.prepared !== true) continue;
		const path = preparedPath(place.folder, told.id);
		const found = new Findings();
		await verifyWrite(view, place, told.id, report, found).catch((error) => found.add(path, 0, error));
		// Committed or aborted meanwhile: then there was nothing to find.
		if (found.list.length > 0 && (await view.disk.stat(path)) !== undefined) found.tell(report);
	}
}

/** What is wrong, until it is certain that it was looked at in peace. */
class Findings {
	readonly list: { readonly path: string; readonly offset: number; readonly what: unknown }[] = [];

	add(path: string, offset: number, what: unknown): void {
		this.list.push({ path, offset, what });
	}

	tell(report: VerifyReport): void {
		for (const { path, offset, what } of this.list) {
			if (typeof what === "string") report.damage(path, offset, what);
			else report.error(what, path, offset);
		}
	}
}

async function verifyWrite(
	{ disk }: SegmentView,
	place: StagedShard,
	id: string,
	report: VerifyReport,
	found: Findings,
): Promise<void> {
	const path = preparedPath(place.folder, id);
	const prepared = decodePrepared(await disk.readFile(path));
	if (prepared === undefined) return found.add(path, 0, "it describes no prepared write");
	// A copy of the stream drops them when it is opened.
	if (prepared.stream !== formatUuid(place.streamId)) return;
	for (const [index, staged] of prepared.files.entries()) {
		const at = stagedPath(place.folder, id, index);
		const file = await disk.open(at, "read").catch((error) => {
			found.add(at, 0, isGone(error) ? "a staged file of a prepared write is missing" : error);
		});
		if (file === undefined) continue;
		try {
			await verifyFile(file, staged, place, report, found);
		} finally {
			await file.close();
		}
	}
}

async function verifyFile(
	file: DiskFile,
	{ number, bytes, units }: StagedFile,
	{ shard, streamId }: StagedShard,
	report: VerifyReport,
	found: Findings,
): Promise<void> {
	const { path } = file;
	const stamp = new Uint8Array(STAMP_BYTES);
	const header = decodeSegmentHeader(stamp.subarray(0, await file.read(stamp, 0)));
	const ours = header !== undefined && header !== "version" && header.number === number && header.shard === shard;
	if (!ours) return found.add(path, 0, "the header of a staged file fails its check");
	const unstamped = header.following === undefined && stamp.subarray(SEGMENT_HEADER_BYTES).some((byte) => byte !== 0);
	if (unstamped) return found.add(path, SEGMENT_HEADER_BYTES, "the place of the state frame is not empty");
	const tag = segmentTag(streamId, shard, number);
	const read = (target: Uint8Array, position: number): Promise<number> => file.read(target, position);
	let relative = 0;
	let end = STAMP_BYTES;
	for await (const piece of walkSegment({ read, tag, from: STAMP_BYTES, relative: 0, size: bytes })) {
		if (piece.kind === "bad") return found.add(path, piece.at, `the ${piece.what} of a frame fails its check`);
		report.frames += piece.frames.length;
		report.read(piece.end - piece.fileOffset);
		({ relative, end } = piece);
	}
	if (end !== bytes || relative !== units) found.add(path, end, `the file holds ${relative} of ${units} bytes of data`);
}
