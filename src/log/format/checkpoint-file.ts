/** The journal's checkpoint file: two slots, written in turn, that say where redo begins (docs/format.md §5). */
import { join } from "node:path/posix";
import { fail } from "../../core/errors.ts";
import type { Disk, DiskFile } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { checksum, readU64, viewOf, writeU64 } from "./checksum.ts";
import { corrupt } from "./corruption.ts";
import { startsWith } from "./segment-header.ts";

/** Bytes of a slot. */
export const SLOT_BYTES = 4096;
const COVERED_BYTES = 96;
const MAGIC: Uint8Array = new TextEncoder().encode("SBEDCKP1");
const VERSION = 1;

/** Where redo begins. */
export interface Checkpoint {
	readonly sequence: number;
	/** The owner closed the store: nothing is to be redone. */
	readonly clean: boolean;
	/** Rounds were written without sync. */
	readonly unsynced: boolean;
	readonly incarnation: number;
	/** Number of the first round to redo, and its place. */
	readonly round: number;
	readonly file: number;
	readonly offset: number;
	/** What that round's `previous` must hold. */
	readonly previous: number;
	/** Random number of the incarnation, which its rounds repeat. */
	readonly nonce: number;
	readonly time: number;
}

/** Encodes one slot. */
export function encodeCheckpoint(checkpoint: Checkpoint, storeId: Uint8Array): Uint8Array {
	const bytes = new Uint8Array(SLOT_BYTES);
	const view = viewOf(bytes);
	bytes.set(MAGIC);
	view.setUint16(12, VERSION, true);
	view.setUint8(14, (checkpoint.clean ? 1 : 0) | (checkpoint.unsynced ? 2 : 0));
	bytes.set(storeId, 16);
	writeU64(view, 32, checkpoint.sequence);
	writeU64(view, 40, checkpoint.round);
	view.setUint32(48, checkpoint.incarnation, true);
	view.setUint32(52, checkpoint.file, true);
	view.setUint32(56, checkpoint.offset, true);
	view.setUint32(60, checkpoint.previous, true);
	writeU64(view, 64, checkpoint.time);
	writeU64(view, 72, checkpoint.nonce);
	view.setUint32(8, checksum(bytes.subarray(12, COVERED_BYTES)), true);
	return bytes;
}

/** Decodes one slot, or `undefined` if it fails a check; `"version"` if a later version wrote it. */
export function decodeCheckpoint(bytes: Uint8Array, storeId: Uint8Array): Checkpoint | "version" | undefined {
	if (bytes.length < COVERED_BYTES || !startsWith(bytes, MAGIC)) return undefined;
	const view = viewOf(bytes);
	if (view.getUint32(8, true) !== checksum(bytes.subarray(12, COVERED_BYTES))) return undefined;
	if (view.getUint16(12, true) !== VERSION) return "version";
	if (!startsWith(bytes.subarray(16), storeId)) return undefined;
	const flags = view.getUint8(14);
	return {
		clean: (flags & 1) === 1,
		unsynced: (flags & 2) === 2,
		sequence: readU64(view, 32),
		round: readU64(view, 40),
		incarnation: view.getUint32(48, true),
		file: view.getUint32(52, true),
		offset: view.getUint32(56, true),
		previous: view.getUint32(60, true),
		time: readU64(view, 64),
		nonce: readU64(view, 72),
	};
}

function slotAt(sequence: number): number {
	return (sequence % 2) * SLOT_BYTES;
}

/** Path of the checkpoint file of a store. */
export function checkpointPath(root: string): string {
	return join(root, "journal", "checkpoint");
}

/** Reads the checkpoint that counts. @throws CORRUPT if neither slot is good, FORMAT_VERSION */
export async function readCheckpoint(disk: Disk, root: string, storeId: Uint8Array): Promise<Checkpoint> {
	const path = checkpointPath(root);
	const bytes = await disk.readFile(path).catch((error) => {
		throw isGone(error) ? corrupt({ path, offset: 0, what: "it is missing" }) : error;
	});
	let best: Checkpoint | undefined;
	for (const at of [0, SLOT_BYTES]) {
		const slot = decodeCheckpoint(bytes.subarray(at, at + SLOT_BYTES), storeId);
		if (slot === "version") {
			throw fail("FORMAT_VERSION", `${path} was written in a format that this version does not read`);
		}
		if (slot !== undefined && (best === undefined || slot.sequence > best.sequence)) best = slot;
	}
	if (best === undefined) throw corrupt({ path, offset: 0, what: "neither of its two slots passes its check" });
	return best;
}

/** The checkpoint file, open for writing. Its owner closes it. */
export class CheckpointFile {
	readonly #file: DiskFile;
	readonly #storeId: Uint8Array;
	#last: Checkpoint;

	constructor(file: DiskFile, storeId: Uint8Array, last: Checkpoint) {
		this.#file = file;
		this.#storeId = storeId;
		this.#last = last;
	}

	/** The checkpoint in force. */
	get last(): Checkpoint {
		return this.#last;
	}

	/**
	 * Writes the checkpoint in force once more: it was read from a cache that its writer may have failed to sync, and
	 * the other slot must not be touched before this one is certain.
	 */
	async confirm(): Promise<void> {
		await this.#file.writeDurable(encodeCheckpoint(this.#last, this.#storeId), slotAt(this.#last.sequence));
	}

	/** Writes the next checkpoint into the slot that does not count, durably. */
	async write(next: Omit<Checkpoint, "sequence">): Promise<void> {
		const checkpoint = { ...next, sequence: this.#last.sequence + 1 };
		await this.#file.writeDurable(encodeCheckpoint(checkpoint, this.#storeId), slotAt(checkpoint.sequence));
		this.#last = checkpoint;
	}

	async close(): Promise<void> {
		await this.#file.close();
	}
}
