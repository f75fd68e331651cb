/** Locks for disks that live in memory: within this process, by path. */
import type { HeldLock, StoreLocker } from "../disk/disk.ts";

/** A locker whose owners can be made to die. */
export interface MemoryLocker extends StoreLocker {
	/** Frees every lock, as the death of their owners would; what they still hold has no effect any more. */
	crash(): void;
}

/** Makes a locker with no lock held; each has its own locks. */
export function memoryLocker(): MemoryLocker {
	const held = new Map<string, HeldLock>();
	return {
		async tryLock(path) {
			if (held.has(path)) return undefined;
			const lock: HeldLock = {
				async release() {
					if (held.get(path) === lock) held.delete(path);
				},
			};
			held.set(path, lock);
			return lock;
		},
		crash() {
			held.clear();
		},
	};
}
