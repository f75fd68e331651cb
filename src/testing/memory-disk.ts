/** A disk in memory, for tests that need no durability: folders, files, identities, and a bound to run into. */
import type { Disk } from "../disk/disk.ts";
import { OverlayDisk, type OverlayOptions } from "../disk/overlay-disk.ts";

/** What a disk in memory may hold, and its clock. */
export type MemoryDiskOptions = OverlayOptions;

/** Makes an empty disk in memory; it has the folder `/` and no other. */
export function memoryDisk(options: MemoryDiskOptions = {}): Disk {
	return new OverlayDisk(undefined, options);
}
