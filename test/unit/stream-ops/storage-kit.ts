/** A folder for each test, and records of a wanted length. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { StreamStorageFS, type StreamStorageOptions } from "../../../src/stream-ops/index.ts";
import { wrap } from "../../../src/stream-ops/rion/index.ts";

/** What a test works with. */
export interface StorageKit {
	/** An empty folder. */
	readonly root: string;
	/** A stream in it; the id is `s` unless told. */
	stream(blockMaxSize?: number, options?: StreamStorageOptions, id?: string): StreamStorageFS;
	/** Block files of a stream and their sizes. */
	files(id?: string): Record<string, number>;
	read(name: string, id?: string): Buffer;
	write(name: string, bytes: Uint8Array, id?: string): void;
}

/** Makes a folder before each test and removes it after it. */
export function storageKit(): StorageKit {
	let root = "";
	const open: StreamStorageFS[] = [];
	beforeEach(() => {
		root = mkdtempSync(join(tmpdir(), "streambed-storage-"));
	});
	afterEach(async () => {
		for (const storage of open.splice(0)) await storage.closeForAppend().catch(() => {});
		rmSync(root, { recursive: true, force: true });
	});
	return {
		get root() {
			return root;
		},
		stream(blockMaxSize, options, id = "s") {
			const storage = new StreamStorageFS(id, join(root, id), blockMaxSize, options);
			open.push(storage);
			return storage;
		},
		files(id = "s") {
			const names = readdirSync(join(root, id)).toSorted();
			return Object.fromEntries(names.map((name) => [name, readFileSync(join(root, id, name)).length]));
		},
		read: (name, id = "s") => readFileSync(join(root, id, name)),
		write(name, bytes, id = "s") {
			mkdirSync(join(root, id), { recursive: true });
			writeFileSync(join(root, id, name), bytes);
		},
	};
}

/** A record of so many bytes, at least 2, with `mark` in its payload. */
export function record(bytes: number, mark = 0): Uint8Array {
	return wrap(new Uint8Array(bytes - 2).fill(mark));
}

/** The name of a block of the stream `s`. */
export function block(offset: number, id = "s"): string {
	return `${id}-${offset.toString(16).toUpperCase().padStart(16, "0")}`;
}

/** Offsets of all records, in the order in which they are read. */
export async function offsetsOf(storage: StreamStorageFS): Promise<number[]> {
	const offsets: number[] = [];
	for await (const { offset } of storage.records()) offsets.push(offset);
	return offsets;
}

/** Opens, appends records of these lengths, and closes. */
export async function fill(storage: StreamStorageFS, lengths: readonly number[]): Promise<void> {
	await storage.openForAppend();
	for (const [index, length] of lengths.entries()) await storage.append(record(length, index));
	await storage.closeForAppend();
}
