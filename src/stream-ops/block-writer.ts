/**
 * Writes records at the end of a stream: into its last block while they fit, then into new ones. What is written together
 * is stored as a whole or undone, so that a failed append leaves files and offsets as they were.
 */
import { fail } from "../core/errors.ts";
import type { Disk } from "../disk/disk.ts";
import { hasCode } from "../disk/system-error.ts";
import { type Block, newBlock } from "./block.ts";
import { type BlockLayout, detectLayout, isOffsetField, layoutBytes, offsetField } from "./block-layout.ts";
import { ioError } from "./io-error.ts";
import type { OpenFiles } from "./open-files.ts";
import type { TornTail } from "./torn-tail.ts";

/** Records below this size are copied into one buffer; larger ones are written from where they are. */
const copiedBytes = 16 * 1024;

/** What an append that succeeded promises. */
export type StreamDurability = "append" | "flush" | "os";

/** Where and how to write. */
export interface WriterSettings {
	readonly disk: Disk;
	readonly files: OpenFiles;
	readonly folder: string;
	readonly streamId: string;
	readonly blockMaxSize: number;
	readonly durability: StreamDurability;
}

/** End of a stream, moved by each write. */
export interface StreamEnd {
	/** Oldest first; never empty. */
	readonly blocks: readonly Block[];
	/** Offset of the next record. */
	readonly next: number;
	/** The last record, if it is not whole; nothing is written then. */
	readonly tornTail: TornTail | null;
}

/** One block's part of a write. */
interface Part {
	block: Block;
	readonly isNew: boolean;
	readonly records: Uint8Array[];
	bytes: number;
	/** Its file was made by this write. */
	created: boolean;
}

/** Writes to the blocks of one stream, one call at a time. */
export class BlockWriter {
	readonly #settings: WriterSettings;
	/** Files with writes that no sync covered, and whether there are new names in the folder. */
	readonly #unsynced = new Set<string>();
	#folderUnsynced = false;
	/** A sync that failed, or a failed write that could not be undone: nothing is certain any more. */
	#broken: Error | undefined;
	readonly #layout: BlockLayout;

	constructor(settings: WriterSettings, layout: BlockLayout) {
		this.#settings = settings;
		this.#layout = layout;
	}

	/** Layout of new blocks. */
	get layout(): BlockLayout {
		return this.#layout;
	}

	/** Makes the last block's file if it is not there, with its offset field if the layout has them. */
	async begin(end: StreamEnd): Promise<StreamEnd> {
		const latest = end.blocks.at(-1) as Block;
		const needsField = latest.length === 0 && this.#layout === "0.6";
		if (latest.exists && !needsField) return end;
		const part: Part = { block: latest, isNew: !latest.exists, records: [], bytes: 0, created: false };
		if (needsField) {
			part.records.push(offsetField(latest.firstOffset));
			part.bytes = (part.records[0] as Uint8Array).length;
		}
		await this.#perform([part]);
		const written = { ...latest, exists: true, length: part.bytes, layout: this.#layout };
		return { ...end, blocks: [...end.blocks.slice(0, -1), written] };
	}

	/** Writes records; `jump` tells that offsets were skipped since the last one. Returns where the stream ends now. */
	async write(end: StreamEnd, records: readonly Uint8Array[], jump: boolean): Promise<StreamEnd> {
		const { parts, next } = this.#plan(end, records, jump);
		await this.#perform(parts);
		const [first, ...more] = parts as [Part, ...Part[]];
		const kept = first.isNew ? end.blocks : end.blocks.slice(0, -1);
		const changed = [first, ...more].map(
			({ block, bytes }): Block => ({ ...block, exists: true, length: block.length + bytes, hasRecord: true }),
		);
		return { blocks: [...kept, ...changed], next, tornTail: null };
	}

	/** Writes an offset field at the end of the last block. */
	async writeOffset(end: StreamEnd): Promise<StreamEnd> {
		const latest = end.blocks.at(-1) as Block;
		const field = offsetField(end.next);
		await this.#perform([{ block: latest, isNew: false, records: [field], bytes: field.length, created: false }]);
		return { ...end, blocks: [...end.blocks.slice(0, -1), { ...latest, length: latest.length + field.length }] };
	}

	/** Makes durable what was written. @throws STOPPED if a sync fails, now or before */
	async sync(): Promise<void> {
		this.#check();
		if (this.#settings.durability === "os") return;
		const { files, disk, folder } = this.#settings;
		try {
			for (const path of this.#unsynced) {
				await files.sync(path);
				this.#unsynced.delete(path);
			}
			if (this.#folderUnsynced) await disk.syncDir(folder);
			this.#folderUnsynced = false;
		} catch (error) {
			this.syncFailed(error);
		}
		this.#check();
	}

	/** Told by whoever closes a file early and syncs it first. */
	syncFailed(error: unknown): void {
		this.#broken ??= ioError(error, `syncing the stream in ${this.#settings.folder}`);
	}

	/** Distributes records over blocks. */
	#plan(end: StreamEnd, records: readonly Uint8Array[], jump: boolean): { parts: Part[]; next: number } {
		const { streamId, folder, blockMaxSize } = this.#settings;
		const latest = end.blocks.at(-1) as Block;
		let part: Part = { block: latest, isNew: !latest.exists, records: [], bytes: 0, created: false };
		const parts: Part[] = [];
		let { next } = end;
		let hasRecord = latest.hasRecord;
		let jumped = jump;
		for (const record of records) {
			const full = part.block.length + part.bytes + record.length > blockMaxSize;
			if (hasRecord && (full || (jumped && part.block.layout !== "0.6"))) {
				if (part.records.length > 0) parts.push(part);
				const block = newBlock(streamId, folder, next, this.#layout);
				part = { block, isNew: true, records: [], bytes: 0, created: false };
				jumped = this.#layout === "0.6";
				hasRecord = false;
			}
			refuseMark(record, part.block, hasRecord, next);
			if (jumped) {
				const field = offsetField(next);
				part.records.push(field);
				part.bytes += field.length;
				jumped = false;
			}
			part.records.push(record);
			part.bytes += record.length;
			hasRecord = true;
			next++;
		}
		parts.push(part);
		return { parts, next };
	}

	async #perform(parts: readonly Part[]): Promise<void> {
		this.#check();
		const { durability, folder } = this.#settings;
		let begun = 0;
		try {
			for (const part of parts) {
				begun++;
				await this.#writePart(part);
			}
		} catch (error) {
			await this.#undo(parts.slice(0, begun));
			throw ioError(error, `appending to the stream in ${folder}`);
		}
		if (durability === "append") await this.sync();
	}

	async #writePart(part: Part): Promise<void> {
		const { block, records } = part;
		const { disk, files, durability } = this.#settings;
		if (part.isNew) {
			const file = await disk.open(block.path, "create").catch((error: unknown) => {
				if (!hasCode(error, "EEXIST")) throw error;
				throw fail("EXISTS", `the new block ${block.path} is there already`, {
					hint: "Another program writes to this stream, or a block before it is missing.",
					details: { path: block.path },
				});
			});
			part.created = true;
			this.#folderUnsynced = true;
			await file.close();
		}
		if (records.length === 0) return;
		this.#unsynced.add(block.path);
		const owner = durability === "os" ? undefined : this;
		if (records.length === 1) {
			await files.write(block.path, records, block.length, owner);
			return;
		}
		const staging = takeStaging(records);
		try {
			await files.write(block.path, gathered(records, staging), block.length, owner);
		} finally {
			giveStaging(staging);
		}
	}

	/** Brings files back to where they were before a write that failed. */
	async #undo(parts: readonly Part[]): Promise<void> {
		const { disk, files } = this.#settings;
		try {
			for (const { block, isNew, created } of parts.toReversed()) {
				if (!isNew) {
					await files.use(block.path, "write", (file) => file.truncate(block.length));
				} else if (created) {
					await files.forget(block.path);
					this.#unsynced.delete(block.path);
					await disk.unlink(block.path);
				}
			}
		} catch (error) {
			this.#broken ??= ioError(error, `undoing a failed append in ${this.#settings.folder}`);
		}
	}

	#check(): void {
		if (this.#broken === undefined) return;
		throw fail("STOPPED", `the stream in ${this.#settings.folder} takes no more appends: ${this.#broken.message}`, {
			hint: "Close it for append and open it again; look at nextRecordOffset before repeating an append.",
			cause: this.#broken,
		});
	}
}

/** Refuses a record that would be read as an offset field. */
function refuseMark(record: Uint8Array, { layout, path }: Block, hasRecord: boolean, offset: number): void {
	if (!isOffsetField(record, 0)) return;
	if (layout !== "0.6" && (hasRecord || isPlainRecord(record, offset, path))) return;
	throw fail("INVALID_OPTION", "this record, an extended field of type 1, would be taken for an offset field here", {
		hint: "Put it into another field: wrap(record).",
	});
}

function isPlainRecord(record: Uint8Array, offset: number, path: string): boolean {
	try {
		return detectLayout(record.subarray(0, layoutBytes), offset, path) === "0.7";
	} catch {
		return false;
	}
}

/** Memory that small records are copied into, used again: fresh memory costs more than the copying. */
const stagingBytes = 256 * 1024;
const mostStagings = 4;
const stagings: Buffer[] = [];

function takeStaging(records: readonly Uint8Array[]): Buffer {
	let bytes = 0;
	for (const { length } of records) if (length < copiedBytes) bytes += length;
	return bytes > stagingBytes
		? Buffer.allocUnsafeSlow(bytes)
		: (stagings.pop() ?? Buffer.allocUnsafeSlow(stagingBytes));
}

function giveStaging(staging: Buffer): void {
	if (staging.length === stagingBytes && stagings.length < mostStagings) stagings.push(staging);
}

/** Few and large pieces to write, out of records of any size. */
function gathered(records: readonly Uint8Array[], staging: Buffer): Uint8Array[] {
	const pieces: Uint8Array[] = [];
	let from = 0;
	let at = 0;
	for (const record of records) {
		if (record.length < copiedBytes) {
			staging.set(record, at);
			at += record.length;
		} else {
			if (at > from) pieces.push(staging.subarray(from, at));
			from = at;
			pieces.push(record);
		}
	}
	if (at > from) pieces.push(staging.subarray(from, at));
	return pieces;
}
