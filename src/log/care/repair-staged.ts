/** Prepared writes whose descriptor cannot be read: one flipped bit of it is put right, else all of the write goes aside. */
import { join } from "node:path/posix";
import { decodePrepared, mendPrepared, STAGED_FOLDER, stagedName } from "../format/staged-files.ts";
import { namesIn } from "../staged/staged-listing.ts";
import { type RepairWork, readIfThere, setFolderAside } from "./repair-work.ts";

/** Repairs the descriptors of the prepared writes of the shard in a folder. */
export async function repairStaged(work: RepairWork, shardFolder: string): Promise<void> {
	const folder = join(shardFolder, STAGED_FOLDER);
	const names = ((await namesIn(work.disk, folder).catch(() => undefined)) ?? []).map(({ name }) => name).sort();
	for (const name of names.filter((one) => stagedName(one)?.prepared === true)) {
		const path = join(folder, name);
		await setFolderAside(work, path);
		const bytes = (await readIfThere(work.disk, path)) ?? new Uint8Array();
		if (decodePrepared(bytes) !== undefined) continue;
		const mended = mendPrepared(bytes);
		if (mended !== undefined) {
			await work.put(path, "one flipped bit put right, as its checksum proves", mended);
			continue;
		}
		// The descriptor last: without it the data is a leftover, which the next owner removes.
		const id = stagedName(name)?.id;
		const files = names.filter((one) => stagedName(one)?.id === id && one !== name);
		for (const file of files) await work.setAside(join(folder, file), "set aside with what says that it is prepared");
		const what = "set aside: it describes no prepared write any more, which so cannot be committed";
		if ((await work.disk.stat(path)) !== undefined) await work.setAside(path, what);
	}
}
