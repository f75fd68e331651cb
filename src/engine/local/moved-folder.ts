/**
 * Folders of streams that a person moved or copied (docs/commit-protocol.md §3): where the original is gone the stream
 * was renamed and keeps its id; else this is a copy and gets an id of its own, with the former ones kept as `origins`.
 */
import { join } from "node:path/posix";
import { newUuid, type Random } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { DESCRIPTOR, readDescriptor, replaceFile, walkFolders } from "../../log/files/stream-folder.ts";
import type { LogStore } from "../../log/log-store.ts";
import { type Catalog, encodeDescriptor, type StoredStream } from "./catalog.ts";

/** Makes the stream in a folder one of the address where it stands; most often it is one already. */
export async function settleFolder(
	log: LogStore,
	catalog: Catalog,
	stored: StoredStream,
	random: Random,
): Promise<StoredStream> {
	const { scope, stream, store } = stored.descriptor;
	const inPlace = scope === stored.address.scope && stream === stored.address.stream && store === log.identity.id;
	if (inPlace) return stored;
	const { disk } = log;
	// Nobody has synced what a copy wrote, and frames of rounds to come will rest on it.
	await syncTree(disk, join(catalog.streams, stored.folder));
	const copied = await idStandsElsewhere(disk, catalog.streams, stored);
	const settled: StoredStream = copied
		? { ...stored, id: newUuid(random), origins: [stored.id, ...stored.origins] }
		: stored;
	const path = join(catalog.streams, stored.folder, DESCRIPTOR);
	await replaceFile(disk, path, encodeDescriptor(settled, log.identity.id, stored.descriptor));
	return settled;
}

async function idStandsElsewhere(disk: Disk, streams: string, stored: StoredStream): Promise<boolean> {
	for await (const folder of walkFolders(disk, streams)) {
		if (folder === stored.folder) continue;
		const found = await readDescriptor(disk, join(streams, folder)).catch(() => undefined);
		if (found?.id === stored.id) return true;
	}
	return false;
}

async function syncTree(disk: Disk, path: string): Promise<void> {
	for (const { name, kind } of await disk.list(path)) {
		const child = join(path, name);
		if (kind === "folder") await syncTree(disk, child);
		else if (kind === "file") {
			const file = await disk.open(child, "write");
			await file.sync().finally(() => file.close());
		}
	}
	await disk.syncDir(path);
}
