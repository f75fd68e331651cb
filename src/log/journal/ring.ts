/**
 * The journal's ring of files: written full of zeros once and then overwritten, so that a synced write of a round needs
 * no new blocks. Knows which file is being filled, which are free, and which still hold rounds to redo.
 */
import { join } from "node:path/posix";
import type { Disk, DiskFile } from "../../disk/disk.ts";
import { isFull } from "../../disk/system-error.ts";
import { checksum, readU64, viewOf, writeU64 } from "../format/checksum.ts";
import { startsWith } from "../format/segment-header.ts";
import { ROUND_ALIGN } from "./round.ts";

const MiB = 1024 * 1024;
/** Size of the first ring file, and of those added under load: room for an append of 8 MiB. */
export const FIRST_FILE_BYTES: number = 4 * MiB;
const ADDED_FILE_BYTES: number = 12 * MiB;
/** The ring takes a tenth of what is free at most, as long as there is a file for each round. */
const TENTH = 10;
/** What is left for the reserve and for names where a file is added all the same. */
const LEFT_FREE_BYTES = 2 * MiB;

const MAGIC: Uint8Array = new TextEncoder().encode("SBEDJNL1");

interface RingFile {
	readonly number: number;
	readonly bytes: number;
	readonly file: DiskFile;
	/** Number of the last round in it; 0 if it holds none that matters. */
	lastRound: number;
	/** It holds rounds written without sync. */
	unsynced: boolean;
	/** A sync that is under way. */
	syncing?: Promise<void> | undefined;
}

/** Where a round is to be written. */
export interface RingPlace {
	readonly file: number;
	readonly offset: number;
}

/** The open ring. Its owner closes it. */
export class Ring {
	readonly #disk: Disk;
	readonly #folder: string;
	readonly #storeId: Uint8Array;
	readonly #durable: boolean;
	readonly #limit: number;
	readonly #files = new Map<number, RingFile>();
	#current: RingFile | undefined;
	#offset = ROUND_ALIGN;
	#growing: Promise<boolean> | undefined;

	constructor(disk: Disk, root: string, storeId: Uint8Array, options: { durable: boolean; limitBytes: number }) {
		this.#disk = disk;
		this.#folder = join(root, "journal");
		this.#storeId = storeId;
		this.#durable = options.durable;
		this.#limit = options.limitBytes;
	}

	/**
	 * Removes files whose header is damaged, and sees to it that the first one is there: a checkpoint that names it may be
	 * written then. Nothing may have to be redone.
	 */
	async prepare(): Promise<void> {
		for (const { number, path } of await listRing(this.#disk, this.#folder)) {
			const file = await this.#disk.open(path, "read");
			const header = await readRingHeader(file, this.#storeId, number).finally(() => file.close());
			if (header === undefined) await this.#disk.unlink(path);
		}
		if ((await this.#disk.stat(ringPath(this.#folder, 0))) === undefined) await this.#make(0, FIRST_FILE_BYTES);
	}

	/** Opens the files that are there, all of them free. */
	async open(): Promise<void> {
		for (const { name } of await this.#disk.list(this.#folder)) {
			if (name.endsWith(".tmp")) await this.#disk.unlink(join(this.#folder, name));
		}
		for (const { number, path } of await listRing(this.#disk, this.#folder)) {
			const file = await this.#disk.open(path, "write", { durable: this.#durable });
			const bytes = (await readRingHeader(file, this.#storeId, number)) ?? 0;
			this.#files.set(number, { number, bytes, file, lastRound: 0, unsynced: false });
		}
		this.#current = this.#files.values().next().value as RingFile;
	}

	/** Bytes of all files. */
	get bytes(): number {
		let sum = 0;
		for (const file of this.#files.values()) sum += file.bytes;
		return sum;
	}

	/** The place that the next round would get, if it fits. */
	get next(): RingPlace {
		return { file: (this.#current as RingFile).number, offset: this.#offset };
	}

	/** Tells whether a round of `bytes` would get a place. */
	hasRoom(bytes: number): boolean {
		return this.#offset + bytes <= (this.#current as RingFile).bytes || this.#free(bytes) !== undefined;
	}

	/** Syncs what was written without sync, in a ring that is not durable by itself. */
	async sync(): Promise<void> {
		for (const file of [...this.#files.values()]) {
			// One that is under way may have begun before the last write, and what it covers is not durable yet.
			while (file.syncing !== undefined) await file.syncing;
			if (!file.unsynced) continue;
			file.unsynced = false;
			file.syncing = file.file.sync().finally(() => {
				file.syncing = undefined;
			});
			await file.syncing;
		}
	}

	/** Takes a place for a round of `bytes`, in the current file or in a free one; `undefined` if none is free. */
	take(bytes: number): RingPlace | undefined {
		if (this.#offset + bytes > (this.#current as RingFile).bytes) {
			const free = this.#free(bytes);
			if (free === undefined) return undefined;
			this.#current = free;
			this.#offset = ROUND_ALIGN;
		}
		const place = this.next;
		this.#offset += bytes;
		return place;
	}

	/** Takes back the place of a round that was not written: the last one taken. */
	giveBack(place: RingPlace): void {
		this.#current = this.#files.get(place.file) as RingFile;
		this.#offset = place.offset;
	}

	/** Writes a round at its place; durable when it returns, unless the ring is not. */
	async write(place: RingPlace, round: number, data: Uint8Array | readonly Uint8Array[]): Promise<void> {
		const target = this.#files.get(place.file) as RingFile;
		target.lastRound = round;
		if (this.#durable) await target.file.writeDurable(data, place.offset);
		else {
			target.unsynced = true;
			await target.file.write(data, place.offset);
		}
	}

	/** Tells whether it is time to add a file ahead of need: the current one is half full and none is free. */
	get wantsGrowth(): boolean {
		const current = this.#current as RingFile;
		const half = this.#offset * 2 > current.bytes;
		const free = [...this.#files.values()].some((file) => file !== current && file.lastRound === 0);
		return half && !free && this.bytes + ADDED_FILE_BYTES <= this.#limit;
	}

	/**
	 * Adds a file with room for a round of `bytes`; `false` if the bound does not allow it or the disk is full.
	 * Where the disk is small, a round for which no file is large enough gets one of its size. A round too large for any file
	 * of the usual size gets a file beyond the bound, removed when it is free again.
	 */
	grow(bytes: number): Promise<boolean> {
		this.#growing ??= this.#grow(bytes).finally(() => {
			this.#growing = undefined;
		});
		return this.#growing;
	}

	async #grow(bytes: number): Promise<boolean> {
		const needed = bytes + ROUND_ALIGN;
		const fits = [...this.#files.values()].some((file) => file.bytes >= needed);
		let size = Math.max(ADDED_FILE_BYTES, needed);
		if (fits || needed <= ADDED_FILE_BYTES) {
			const free = await this.#disk.freeBytes(this.#folder);
			const spare = this.bytes + size <= this.#limit && free >= (this.bytes + size) * TENTH;
			if (fits && !spare) return false;
			// What the round holds has to go to segments as well.
			if (!spare && free < needed + bytes + LEFT_FREE_BYTES) return false;
			if (!spare) size = Math.ceil(needed / MiB) * MiB;
		}
		try {
			await this.#add(size);
			return true;
		} catch (error) {
			if (isFull(error)) return false;
			throw error;
		}
	}

	/** Frees the files whose rounds all come before `round`; removes those beyond the bound, but the `start` of redo. */
	async release(round: number, start: RingPlace): Promise<void> {
		for (const file of this.#files.values()) {
			if (file.lastRound >= round) continue;
			file.lastRound = 0;
			const needed = file === this.#current || file.number === start.file;
			if (!needed && this.bytes > this.#limit && file.bytes > ADDED_FILE_BYTES) {
				this.#files.delete(file.number);
				await file.file.close();
				await this.#disk.unlink(ringPath(this.#folder, file.number));
			}
		}
	}

	async close(): Promise<void> {
		await this.#growing?.catch(() => false);
		await Promise.all([...this.#files.values()].map((file) => file.file.close()));
	}

	#free(bytes: number): RingFile | undefined {
		for (const file of this.#files.values()) {
			if (file.lastRound === 0 && file.bytes - ROUND_ALIGN >= bytes) return file;
		}
		return undefined;
	}

	async #add(bytes: number): Promise<void> {
		const number = Math.max(-1, ...this.#files.keys()) + 1;
		await this.#make(number, bytes);
		const opened = await this.#disk.open(ringPath(this.#folder, number), "write", { durable: this.#durable });
		this.#files.set(number, { number, bytes, file: opened, lastRound: 0, unsynced: false });
	}

	/** Makes a file full of zeros, durably. */
	async #make(number: number, bytes: number): Promise<void> {
		const path = ringPath(this.#folder, number);
		const temporary = `${path}.tmp`;
		await this.#disk.unlink(temporary);
		const file = await this.#disk.open(temporary, "create");
		try {
			const zeros = new Uint8Array(MiB);
			for (let at = 0; at < bytes; at += MiB) await file.write(zeros.subarray(0, Math.min(MiB, bytes - at)), at);
			await file.write(encodeRingHeader(this.#storeId, number, bytes), 0);
			await file.sync();
		} catch (error) {
			await file.close();
			await this.#disk.unlink(temporary);
			throw error;
		}
		await file.close();
		await this.#disk.rename(temporary, path);
		await this.#disk.syncDir(this.#folder);
	}
}

/** Path of a ring file. */
function ringPath(folder: string, number: number): string {
	return join(folder, `ring-${String(number).padStart(6, "0")}.jnl`);
}

/** The ring files in a journal's folder, ascending. */
export async function listRing(disk: Disk, folder: string): Promise<{ number: number; path: string }[]> {
	const files: { number: number; path: string }[] = [];
	for (const { name } of await disk.list(folder)) {
		const match = /^ring-([0-9]{6})\.jnl$/.exec(name);
		if (match) files.push({ number: Number(match[1]), path: join(folder, name) });
	}
	return files.sort((a, b) => a.number - b.number);
}

function encodeRingHeader(storeId: Uint8Array, number: number, fileBytes: number): Uint8Array {
	const bytes = new Uint8Array(ROUND_ALIGN);
	const view = viewOf(bytes);
	bytes.set(MAGIC);
	view.setUint16(12, 1, true);
	bytes.set(storeId, 16);
	view.setUint32(32, number, true);
	writeU64(view, 40, fileBytes);
	view.setUint32(8, checksum(bytes.subarray(12, 64)), true);
	return bytes;
}

/** Size of a ring file as its header says, or `undefined` if the header is damaged or of another store. */
export async function readRingHeader(file: DiskFile, storeId: Uint8Array, number: number): Promise<number | undefined> {
	const bytes = new Uint8Array(64);
	if ((await file.read(bytes, 0)) < 64 || !startsWith(bytes, MAGIC)) return undefined;
	const view = viewOf(bytes);
	if (view.getUint32(8, true) !== checksum(bytes.subarray(12, 64))) return undefined;
	const known = view.getUint16(12, true) === 1 && startsWith(bytes.subarray(16), storeId);
	return known && view.getUint32(32, true) === number ? readU64(view, 40) : undefined;
}
