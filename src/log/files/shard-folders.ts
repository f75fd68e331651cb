/** Folders of a stream's shards. */
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";

/** Numbers of the shards that have a folder. */
export async function shardFolders(disk: Disk, path: string): Promise<number[]> {
	const entries = await disk.list(path).catch((error: unknown) => {
		if (isGone(error)) return [];
		throw error;
	});
	const folders = entries.filter(({ name, kind }) => kind === "folder" && /^(0|[1-9][0-9]{0,4})$/.test(name));
	return folders.map(({ name }) => Number(name)).sort((a, b) => a - b);
}
