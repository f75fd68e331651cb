/** The folder of a store: what stands in it, how it comes into being (docs/commit-protocol.md §4, docs/format.md §1). */
import { dirname, join } from "node:path/posix";
import { fail } from "../../core/errors.ts";
import { newUuid, parseUuid, type Random } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { hasCode, isGone } from "../../disk/system-error.ts";
import { lockName, ownerName } from "../files/owner.ts";
import { replaceFile } from "../files/stream-folder.ts";
import { type Checkpoint, checkpointPath, encodeCheckpoint, SLOT_BYTES } from "../format/checkpoint-file.ts";
import { corrupt, FOLDER_IN_PLACE } from "../format/corruption.ts";
import { FIRST_FILE_BYTES, Ring } from "../journal/ring.ts";
import { ROUND_ALIGN } from "../journal/round.ts";

/** Name of the file that makes a folder a store. */
export const STORE_FILE = "store.json";

/** What `store.json` says. */
export interface StoreIdentity {
	readonly id: string;
	/** 16 bytes. */
	readonly idBytes: Uint8Array;
	readonly createdAt: number;
}

/** Reads `store.json`; `undefined` if there is none. @throws CORRUPT, FORMAT_VERSION */
export async function readStore(disk: Disk, root: string): Promise<StoreIdentity | undefined> {
	const path = join(root, STORE_FILE);
	let text: string;
	try {
		text = new TextDecoder().decode(await disk.readFile(path));
	} catch (error) {
		if (isGone(error) || hasCode(error, "ENOTDIR")) return undefined;
		if (hasCode(error, "EISDIR")) throw corrupt({ path, offset: 0, what: FOLDER_IN_PLACE });
		throw error;
	}
	let value: Record<string, unknown>;
	try {
		value = (JSON.parse(text) ?? {}) as Record<string, unknown>;
	} catch {
		throw corrupt({ path, offset: 0, what: "it is no JSON" });
	}
	const { format, id, createdAt } = value;
	if (typeof format === "number" && format !== 1) {
		throw fail("FORMAT_VERSION", `${path} has format ${format}, this version reads format 1`);
	}
	const idBytes = typeof id === "string" ? parseUuid(id) : undefined;
	if (format !== 1 || idBytes === undefined || typeof createdAt !== "number") {
		throw corrupt({ path, offset: 0, what: "it describes no store" });
	}
	return { id: id as string, idBytes, createdAt };
}

/** Refuses a folder that holds other files: a store is made in a new or empty one, or where making one was cut short. */
export async function checkUnused(disk: Disk, root: string): Promise<void> {
	const own = new Set([
		lockName,
		ownerName,
		`${lockName}-journal`,
		"journal",
		"streams",
		`${STORE_FILE}.tmp`,
		`${ownerName}.tmp`,
	]);
	const found = await disk.stat(root);
	if (found === undefined) return;
	if (found.kind !== "folder") throw fail("INVALID_OPTION", `cannot make a store at ${root}: it is no folder`);
	const foreign = (await disk.list(root)).find(({ name }) => !own.has(name));
	if (foreign === undefined) return;
	throw fail("INVALID_OPTION", `cannot make a store in ${root}: it holds other files, such as ${foreign.name}`, {
		hint: "Choose a new or empty folder; an existing store has a store.json in it.",
	});
}

/** Refuses to make a store where streams of one stand: its `store.json` was lost, and a new one would orphan its journal. */
export async function checkNoStreams(disk: Disk, root: string): Promise<void> {
	const streams = join(root, "streams");
	if ((await disk.stat(streams)) === undefined || (await disk.list(streams)).length === 0) return;
	throw corrupt({
		path: join(root, STORE_FILE),
		offset: 0,
		what: "it is missing, and journal and streams of a store are there",
	});
}

/** Makes an empty journal in the folder `journal/` of `root`, which must be empty: nothing is to be redone. Durable. */
export async function makeJournal(
	disk: Disk,
	root: string,
	storeId: Uint8Array,
	first: Pick<Checkpoint, "sequence" | "incarnation" | "round" | "time">,
): Promise<void> {
	const ring = new Ring(disk, root, storeId, { durable: true, limitBytes: FIRST_FILE_BYTES });
	await ring.prepare();
	const file = await disk.open(checkpointPath(root), "create", { durable: true });
	const place = { clean: true, unsynced: false, file: 0, offset: ROUND_ALIGN, previous: 0, nonce: 0 };
	const slots = [0, SLOT_BYTES];
	const mine = first.sequence % 2;
	await file.writeDurable(encodeCheckpoint({ ...first, ...place }, storeId), slots[mine] as number);
	await file.writeDurable(new Uint8Array(SLOT_BYTES), slots[1 - mine] as number);
	await file.sync();
	await file.close();
	await disk.syncDir(join(root, "journal"));
}

/** Makes a store: journal first, `store.json` last, so that a folder with `store.json` is a whole store. */
export async function makeStore(disk: Disk, root: string, random: Random, now: number): Promise<StoreIdentity> {
	const id = newUuid(random);
	const idBytes = parseUuid(id) as Uint8Array;
	const journal = join(root, "journal");
	await disk.mkdir(journal);
	await disk.mkdir(join(root, "streams"));
	// Any folder on the way may be new: before the store counts as one all of their names are certain.
	await disk.syncDir(root);
	for (let folder = root; folder !== dirname(folder); folder = dirname(folder)) await syncName(disk, folder);
	for (const { name } of await disk.list(journal)) await disk.unlink(join(journal, name));
	await makeJournal(disk, root, idBytes, { sequence: 0, incarnation: 0, round: 1, time: now });
	const text = `${JSON.stringify({ format: 1, id, createdAt: now })}\n`;
	await replaceFile(disk, join(root, STORE_FILE), new TextEncoder().encode(text));
	return { id, idBytes, createdAt: now };
}

/** Makes the name of a folder durable; one in a folder that we may not look into is none of ours. */
async function syncName(disk: Disk, path: string): Promise<void> {
	await disk.syncDir(dirname(path)).catch((error) => {
		const { code } = error as { code?: unknown };
		if (code !== "EACCES" && code !== "EPERM") throw error;
	});
}
