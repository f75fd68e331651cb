/**
 * Folders of streams: the descriptor `stream.json`, folders on their way in (`.new-`) and out (`.gone-`), and finding
 * streams by walking the tree. The log reads id and kind only; the rest of the descriptor belongs to the engine.
 */
import { dirname, join } from "node:path/posix";
import { fail } from "../../core/errors.ts";
import { streamSuffix } from "../../core/names.ts";
import { parseUuid } from "../../core/random.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone, systemError } from "../../disk/system-error.ts";
import { corrupt, FOLDER_IN_PLACE } from "../format/corruption.ts";

/** Name of the descriptor in a stream's folder. */
export const DESCRIPTOR = "stream.json";

/** Where a stream was found. */
export interface StreamFolder {
	/** Below `streams/`. */
	readonly folder: string;
	readonly id: string;
	readonly kind: StreamKind;
}

/** A stream's descriptor as stored: at least these members, others as the engine wrote them. */
export interface Descriptor {
	readonly id: string;
	readonly kind: StreamKind;
	readonly [member: string]: unknown;
}

/** Name of the folder of a stream that is being created. */
export function freshFolder(id: string): string {
	return `.new-${id}${streamSuffix}`;
}

/** Name of the folder of a stream that is being removed. */
function goneFolder(id: string): string {
	return `.gone-${id}${streamSuffix}`;
}

/** Reads the descriptor of the folder at `path`; `undefined` if there is none. @throws CORRUPT, FORMAT_VERSION */
export async function readDescriptor(disk: Disk, path: string): Promise<Descriptor | undefined> {
	const file = join(path, DESCRIPTOR);
	let text: string;
	try {
		text = new TextDecoder().decode(await disk.readFile(file));
	} catch (error) {
		const code = (error as { code?: unknown }).code;
		if (isGone(error) || code === "ENOTDIR") return undefined;
		if (code === "EISDIR") throw corrupt({ path: file, offset: 0, what: FOLDER_IN_PLACE });
		throw error;
	}
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		throw corrupt({ path: file, offset: 0, what: "it is no JSON" });
	}
	const { format, id, kind } = (value ?? {}) as Record<string, unknown>;
	if (typeof format === "number" && format !== 1) {
		throw fail("FORMAT_VERSION", `${file} has format ${format}, this version reads format 1`);
	}
	if (
		format !== 1 ||
		typeof id !== "string" ||
		parseUuid(id) === undefined ||
		(kind !== "bytes" && kind !== "records")
	) {
		throw corrupt({ path: file, offset: 0, what: "it describes no stream" });
	}
	return value as Descriptor;
}

/** Tells whether a descriptor has all that the engine needs. */
export function describesStream({ shards, segmentBytes, tags, createdAt }: Descriptor): boolean {
	const numbers = Number.isSafeInteger(shards) && Number.isSafeInteger(segmentBytes) && Number.isSafeInteger(createdAt);
	return numbers && typeof tags === "object" && tags !== null && !Array.isArray(tags);
}

/** Replaces (or makes) a small file at one stroke, durably: temporary file, sync, rename, sync of the folder. */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
	const putInPlace = await prepareReplacement(disk, path, bytes);
	await putInPlace();
}

/**
 * Writes what is to replace a file, under a temporary name; what is returned puts it in place. Where that fails, either may
 * stand there.
 */
export async function prepareReplacement(disk: Disk, path: string, bytes: Uint8Array): Promise<() => Promise<void>> {
	const temporary = `${path}.tmp`;
	await disk.unlink(temporary);
	const file = await disk.open(temporary, "create");
	try {
		await file.write(bytes, 0);
		await file.sync();
	} finally {
		await file.close();
	}
	return async () => {
		await disk.rename(temporary, path);
		await disk.syncDir(dirname(path));
	};
}

/** Makes a folder inside a stream's, unless somebody removes the stream meanwhile: then nothing of it stays. @throws ENOENT */
export async function makeInside(disk: Disk, path: string, folder: string): Promise<void> {
	// Where the stream's folder is gone, the stream was deleted: no part of it may come back, not even for a moment.
	let made = path;
	for (const name of folder.slice(path.length + 1).split("/")) {
		made = join(made, name);
		await disk.mkdir(made, { parents: false });
	}
	if ((await disk.stat(join(path, DESCRIPTOR))) !== undefined) return;
	for (; made.startsWith(path); made = dirname(made)) await disk.rmdir(made).catch(() => {});
	throw systemError("ENOENT", "mkdir", folder);
}

/** Takes a stream's folder out of its place and removes it. */
export async function removeFolder(disk: Disk, streams: string, path: string, id: string): Promise<void> {
	let gone = join(streams, goneFolder(id));
	for (let number = 1; (await disk.stat(gone)) !== undefined; number++)
		gone = join(streams, goneFolder(`${id}-${number}`));
	await disk.rename(path, gone);
	// Once something in it is gone it must not come back to its place, whole by its name only.
	await disk.syncDir(dirname(path));
	await disk.syncDir(streams);
	await removeTree(disk, gone);
}

/** Removes a folder with all that is in it. */
export async function removeTree(disk: Disk, path: string): Promise<void> {
	for (const { name, kind } of await disk.list(path)) {
		const child = join(path, name);
		if (kind === "folder") await removeTree(disk, child);
		else await disk.unlink(child);
	}
	await disk.rmdir(path);
}

/** Removes a folder below `streams/` if it is empty, and those above that are empty then; `gone` hears of each before. */
export async function removeEmpty(
	disk: Disk,
	streams: string,
	path: string,
	gone: (folder: string) => void = () => {},
): Promise<void> {
	for (let folder = path; folder !== streams && folder.startsWith(streams); folder = dirname(folder)) {
		gone(folder);
		try {
			await disk.rmdir(folder);
		} catch {
			return;
		}
	}
}

/**
 * Tells whether something stands at a stream's place. Folders with no file in them are not something and are removed: one
 * may be made while somebody removes the stream file by file, and a crash may come before it is taken back.
 */
export async function isOccupied(disk: Disk, path: string): Promise<boolean> {
	const info = await disk.stat(path);
	return info !== undefined && (info.kind !== "folder" || !(await removedHollow(disk, path)));
}

/** Tells whether a folder has something other than folders in it, however deep. */
export async function holdsFiles(disk: Disk, path: string): Promise<boolean> {
	for (const { name, kind } of await listIfThere(disk, path)) {
		if (kind !== "folder" || (await holdsFiles(disk, join(path, name)))) return true;
	}
	return false;
}

/** Removes a folder in which there is no file, however deep; tells whether it is gone. */
async function removedHollow(disk: Disk, path: string): Promise<boolean> {
	for (const { name, kind } of await listIfThere(disk, path)) {
		if (kind !== "folder" || !(await removedHollow(disk, join(path, name)))) return false;
	}
	try {
		await disk.rmdir(path);
		return true;
	} catch (error) {
		const { code } = error as { code?: unknown };
		if (isGone(error)) return true;
		if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
		return false;
	}
}

async function listIfThere(disk: Disk, path: string): ReturnType<Disk["list"]> {
	return await disk.list(path).catch((error: unknown) => {
		if (isGone(error)) return [];
		throw error;
	});
}

/** Removes what crashes left below `streams/`; call it after redo only. */
export async function sweepFolders(disk: Disk, streams: string): Promise<void> {
	for (const { name, kind } of await disk.list(streams)) {
		if (kind === "folder" && (name.startsWith(".new-") || name.startsWith(".gone-")))
			await removeTree(disk, join(streams, name));
	}
}

/** Folders of streams below `streams/`, with `/` between parts, in no particular order. */
export async function* walkFolders(disk: Disk, streams: string, below = ""): AsyncGenerator<string> {
	for (const { name, kind } of await listIfThere(disk, join(streams, below))) {
		if (kind !== "folder" || name.startsWith(".")) continue;
		const folder = below === "" ? name : `${below}/${name}`;
		if (name.endsWith(streamSuffix)) yield folder;
		else yield* walkFolders(disk, streams, folder);
	}
}

/** All streams by id. */
export async function findFolders(disk: Disk, streams: string): Promise<Map<string, StreamFolder>> {
	const found = new Map<string, StreamFolder>();
	for await (const folder of walkFolders(disk, streams)) {
		const descriptor = await readDescriptor(disk, join(streams, folder)).catch(() => undefined);
		if (descriptor !== undefined) found.set(descriptor.id, { folder, id: descriptor.id, kind: descriptor.kind });
	}
	return found;
}
