/** A small file system that can really be full: a tmpfs, where one may be mounted. */
import { execFile } from "node:child_process";
import { mkdtemp, open, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A mounted file system. */
export interface SmallFileSystem {
	readonly path: string;
	/** Fills it to the last byte; the function makes so many bytes free again. */
	fill(): Promise<(freeBytes?: number) => Promise<void>>;
	unmount(): Promise<void>;
}

/** Mounts one of so many MiB; says on stderr why not where it cannot. */
export async function mountSmall(mebibytes: number): Promise<SmallFileSystem | undefined> {
	const path = await mkdtemp(join(tmpdir(), "streambed-full-"));
	try {
		await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path]);
	} catch (error) {
		await rmdir(path);
		console.error(`no small file system, a disk in memory is used alone: ${(error as Error).message.trim()}`);
		return undefined;
	}
	return {
		path,
		fill: () => fill(join(path, "ballast")),
		unmount: async () => {
			// Lazily: a test that failed may have left a store open.
			await run("umount", ["--lazy", path]);
			await rmdir(path);
		},
	};
}

async function fill(path: string): Promise<(freeBytes?: number) => Promise<void>> {
	const file = await open(path, "w");
	let size = 0;
	for (let piece = 1024 * 1024; piece >= 1; piece = Math.floor(piece / 2)) {
		for (;;) {
			try {
				const { bytesWritten } = await file.write(new Uint8Array(piece), 0, piece, size);
				size += bytesWritten;
				if (bytesWritten < piece) break;
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
				break;
			}
		}
	}
	await file.close();
	return async (freeBytes = size) => {
		if (freeBytes >= size) return await rm(path);
		const again = await open(path, "r+");
		await again.truncate(size - freeBytes);
		await again.close();
	};
}
