/**
 * The end of a stream whose last record is not whole. Before anything is appended it is cut off, or it would be read as
 * the beginning of what follows. A copy of it is kept beside the stream's folder: if a length was damaged, and not a
 * write cut short, then whole records may lie behind it.
 */
import type { Disk, DiskFile } from "../disk/disk.ts";

const copyBytes = 1024 * 1024;

/** Where a stream's last record is not whole. */
export interface TornTail {
	/** Name of the block file. */
	readonly block: string;
	/** Bytes of it that hold whole records: the tail begins here. */
	readonly validLength: number;
	/** Bytes behind them. */
	readonly tornBytes: number;
}

/** A torn tail that was cut off, and where it lies now. */
export interface CutTail extends TornTail {
	readonly savedTo: string;
}

/** Copies the tail into `<folder>.torn/`, durably, and cuts it off. */
export async function cutTornTail(disk: Disk, folder: string, path: string, tail: TornTail): Promise<CutTail> {
	const file = await disk.open(path, "write");
	try {
		const savedTo = await save(disk, `${folder}.torn`, file, tail);
		await file.truncate(tail.validLength);
		await file.sync();
		return { ...tail, savedTo };
	} finally {
		await file.close();
	}
}

async function save(disk: Disk, folder: string, from: DiskFile, tail: TornTail): Promise<string> {
	await disk.mkdir(folder);
	const { path, file } = await create(disk, `${folder}/${tail.block}.${tail.validLength}`);
	try {
		const buffer = new Uint8Array(Math.min(copyBytes, tail.tornBytes));
		for (let at = 0; at < tail.tornBytes; ) {
			const got = await from.read(
				buffer.subarray(0, Math.min(buffer.length, tail.tornBytes - at)),
				tail.validLength + at,
			);
			if (got === 0) break;
			await file.write(buffer.subarray(0, got), at);
			at += got;
		}
		await file.sync();
	} finally {
		await file.close();
	}
	await disk.syncDir(folder);
	return path;
}

/** An earlier tail may have begun at the same byte. */
async function create(disk: Disk, path: string): Promise<{ readonly path: string; readonly file: DiskFile }> {
	for (let number = 1; ; number++) {
		const numbered = number === 1 ? path : `${path}.${number}`;
		if ((await disk.stat(numbered)) === undefined) return { path: numbered, file: await disk.open(numbered, "create") };
	}
}
