/** The writes in parts of a shard as another process sees them: by what stands in its folder. */
import { join } from "node:path/posix";
import type { StagedInfo } from "../../core/shard.ts";
import type { DirEntry, Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { decodePrepared, preparedPath, STAGED_FOLDER, STAMP_BYTES, stagedName } from "../format/staged-files.ts";

/** Undecided writes, oldest first. Bytes of open ones are those of their files, with what frames add to the data. */
export async function listStaged(disk: Disk, shardFolder: string, now: number): Promise<StagedInfo[]> {
	const folder = join(shardFolder, STAGED_FOLDER);
	const found = new Map<string, { createdAt: number; bytes: number; prepared: boolean }>();
	const damaged = new Set<string>();
	for (const { name } of (await namesIn(disk, folder)) ?? []) {
		const told = stagedName(name);
		if (told === undefined) continue;
		try {
			const { id, prepared } = told;
			const about = prepared ? await preparedAbout(disk, shardFolder, id) : await fileAbout(disk, join(folder, name));
			if (about === undefined) {
				damaged.add(id);
				continue;
			}
			const before = found.get(id) ?? { createdAt: Number.POSITIVE_INFINITY, bytes: 0, prepared: false };
			if (prepared) found.set(id, { ...about, prepared: true });
			else if (!before.prepared) {
				const createdAt = Math.min(before.createdAt, about.createdAt);
				found.set(id, { createdAt, bytes: before.bytes + about.bytes, prepared: false });
			}
		} catch (error) {
			// Decided meanwhile.
			if (!isGone(error)) throw error;
		}
	}
	const all = [...found].sort(([, a], [, b]) => a.createdAt - b.createdAt);
	const listed = all
		.filter(([id]) => !damaged.has(id))
		.map(([id, { createdAt, bytes, prepared }]): StagedInfo => {
			return { id, state: prepared ? "prepared" : "open", bytes, ageMs: Math.max(0, now - createdAt) };
		});
	return [...[...damaged].map((id) => damagedInfo(id, found.get(id)?.bytes ?? 0)), ...listed];
}

function damagedInfo(id: string, bytes: number): StagedInfo {
	return { id, state: "prepared", bytes, ageMs: null, damaged: true };
}

/** `undefined` if the descriptor cannot be read. */
async function preparedAbout(
	disk: Disk,
	shardFolder: string,
	id: string,
): Promise<{ createdAt: number; bytes: number } | undefined> {
	const prepared = decodePrepared(await disk.readFile(preparedPath(shardFolder, id)));
	if (prepared === undefined) return undefined;
	const bytes = prepared.files.reduce((sum, { units }) => sum + units, 0);
	return { createdAt: prepared.createdAt, bytes };
}

async function fileAbout(disk: Disk, path: string): Promise<{ createdAt: number; bytes: number }> {
	const file = await disk.open(path, "read");
	try {
		const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
		const header = decodeSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)));
		const createdAt = header === undefined || header === "version" ? 0 : header.createdAt;
		return { createdAt, bytes: Math.max(0, (await file.size()) - STAMP_BYTES) };
	} finally {
		await file.close();
	}
}

/** What stands in a folder; `undefined` if there is none. */
export async function namesIn(disk: Disk, folder: string): Promise<DirEntry[] | undefined> {
	try {
		return await disk.list(folder);
	} catch (error) {
		if (isGone(error)) return undefined;
		throw error;
	}
}
