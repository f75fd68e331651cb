/** Rebuilds store.json and stream.json from what other files say of store and stream; says what cannot be known. */
import { join } from "node:path/posix";
import { StreambedError } from "../../core/errors.ts";
import { segmentBytes as segmentRange } from "../../core/limits.ts";
import { addressOfFolder } from "../../core/names.ts";
import { formatUuid, newUuid, parseUuid, type Random } from "../../core/random.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import type { Disk } from "../../disk/disk.ts";
import { DESCRIPTOR, describesStream, findFolders, readDescriptor, walkFolders } from "../files/stream-folder.ts";
import { checkpointPath, decodeCheckpoint, SLOT_BYTES } from "../format/checkpoint-file.ts";
import { corrupt } from "../format/corruption.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from "../format/segment-header.ts";
import { listRing, readRingHeader } from "../journal/ring.ts";
import type { RingRounds } from "../journal/ring-rounds.ts";
import { readStore, STORE_FILE, type StoreIdentity } from "../opening/store-folder.ts";
import { type RepairWork, readIfThere, setFolderAside } from "./repair-work.ts";
import { shardsOf } from "./verify.ts";
import { segmentBases } from "./verify-shard.ts";

/** The store's identity, rebuilt if its file is damaged or missing. @throws CORRUPT if it cannot be known, FORMAT_VERSION */
export async function repairIdentity(work: RepairWork): Promise<StoreIdentity> {
	const { disk, root } = work;
	const path = join(root, STORE_FILE);
	const told = await readStore(disk, root).catch((error) => {
		if (StreambedError.is(error, "STREAMBED_CORRUPT")) return undefined;
		throw error;
	});
	const inJournal = await idsOfJournal(disk, root);
	const inStreams = await idsOfStreams(disk, root);
	// It carries no checksum, the journal does: one that nothing else knows is not the store's.
	const doubtful = inJournal.size === 1 && !inJournal.has(told?.id ?? "") && !inStreams.has(told?.id ?? "");
	if (told !== undefined && !doubtful) return told;
	const ids = inJournal.size > 0 ? inJournal : inStreams;
	const [id] = ids;
	if (id === undefined || ids.size > 1) {
		const what =
			id === undefined ? "no other file tells the store's id" : "other files tell different ids of the store";
		throw corrupt({ path, offset: 0, what });
	}
	await setFolderAside(work, path);
	const created = await oldestStream(disk, join(root, "streams"));
	const stored = membersOf(await readIfThere(disk, path));
	const known = typeof stored.createdAt === "number";
	const createdAt = known ? (stored.createdAt as number) : (created ?? 0);
	const text = `${JSON.stringify({ ...stored, format: 1, id, createdAt })}\n`;
	const time = known ? "" : "; when the store was made is not known, its oldest stream stands for it";
	await work.put(path, `written anew from the id in other files${time}`, new TextEncoder().encode(text));
	return { id, idBytes: parseUuid(id) as Uint8Array, createdAt };
}

/** Ids of the store that checkpoint and ring files tell, each with its checksum. */
async function idsOfJournal(disk: Disk, root: string): Promise<Set<string>> {
	const ids = new Set<string>();
	const slots = await readIfThere(disk, checkpointPath(root));
	for (const at of slots === undefined ? [] : [0, SLOT_BYTES]) {
		const slot = (slots as Uint8Array).slice(at, at + SLOT_BYTES);
		if (typeof decodeCheckpoint(slot, slot.subarray(16, 32)) === "object") ids.add(formatUuid(slot.subarray(16, 32)));
	}
	for (const { number, path } of await listRing(disk, join(root, "journal")).catch(() => [])) {
		const file = await disk.open(path, "read");
		const bytes = new Uint8Array(64);
		await file.read(bytes, 0);
		if ((await readRingHeader(file, bytes.subarray(16, 32), number)) !== undefined)
			ids.add(formatUuid(bytes.slice(16, 32)));
		await file.close();
	}
	return ids;
}

/** Ids of the store that descriptions of streams tell. */
async function idsOfStreams(disk: Disk, root: string): Promise<Set<string>> {
	const ids = new Set<string>();
	for await (const folder of walkFolders(disk, join(root, "streams"))) {
		const found = await readDescriptor(disk, join(root, "streams", folder)).catch(() => undefined);
		if (typeof found?.store === "string" && parseUuid(found.store) !== undefined) ids.add(found.store);
	}
	return ids;
}

async function oldestStream(disk: Disk, streams: string): Promise<number | undefined> {
	let oldest: number | undefined;
	for await (const folder of walkFolders(disk, streams)) {
		const found = await readDescriptor(disk, join(streams, folder)).catch(() => undefined);
		if (typeof found?.createdAt === "number") oldest = Math.min(oldest ?? found.createdAt, found.createdAt);
	}
	return oldest;
}

/** Rebuilds the description of the stream in a folder, if it is damaged, or missing beside data. */
export async function repairDescriptor(
	work: RepairWork,
	folder: string,
	identity: StoreIdentity,
	ring: RingRounds,
	random: Random,
): Promise<void> {
	const { disk } = work;
	const streams = join(work.root, "streams");
	const path = join(streams, folder, DESCRIPTOR);
	const address = addressOfFolder(folder);
	const said = await segmentsSay(disk, join(streams, folder));
	const found = await readDescriptor(disk, join(streams, folder)).catch((error) => {
		if (StreambedError.is(error, "STREAMBED_CORRUPT")) return undefined;
		throw error;
	});
	const [only] = said.ids.size === 1 ? said.ids : [];
	// A description of another address and of another stream than the segments are of: somebody put it here.
	const foreign = (members: Record<string, unknown>): boolean => {
		const origins: unknown[] = Array.isArray(members.origins) ? members.origins : [];
		const here = members.scope === address?.scope && members.stream === address?.stream;
		return !here && only !== undefined && members.id !== only && !origins.includes(only);
	};
	if (found !== undefined && describesStream(found) && !foreign(found)) return;
	await setFolderAside(work, path);
	const bytes = await readIfThere(disk, path);
	if (address === undefined || (bytes === undefined && said.segments === 0)) return;
	const left = membersOf(bytes);
	const stored = foreign(left) ? {} : left;
	const own = typeof stored.id === "string" && parseUuid(stored.id) !== undefined ? stored.id : undefined;
	const id = own ?? only ?? (said.ids.size === 0 ? ring.ids.get(folder) : undefined);
	const told = stored.kind === "bytes" || stored.kind === "records" ? stored.kind : undefined;
	const kind = said.kind ?? told ?? ring.kinds.get(id ?? "");
	if (id === undefined || kind === undefined) {
		if (said.segments > 0) return;
		// Nothing of it is to be found anywhere; in its place it would keep the journal from being redone.
		return await work.setAside(join(streams, folder), "set aside: its description is lost, and it holds no data");
	}
	const { id: _, store: __, scope: ___, stream: ____, ...kept } = stored;
	const settled = await withoutDoubles(disk, streams, folder, id, random);
	const { members, lost } = complete(kept, said);
	const value = { format: 1, store: identity.id, ...settled, ...address, kind, ...members };
	const defaults = lost.length === 0 ? "" : `; not known and set to defaults: ${lost.join(", ")}`;
	const from = own === undefined && said.ids.size === 0 ? "the journal" : "segments and folder names";
	const text = `${JSON.stringify(value, null, "\t")}\n`;
	await work.put(path, `written anew from ${from}${defaults}`, new TextEncoder().encode(text));
}

/** A stream of this id may stand elsewhere: then this folder was copied from it. */
async function withoutDoubles(
	disk: Disk,
	streams: string,
	folder: string,
	id: string,
	random: Random,
): Promise<{ id: string; origins?: string[] }> {
	const other = (await findFolders(disk, streams)).get(id);
	return other === undefined || other.folder === folder ? { id } : { id: newUuid(random), origins: [id] };
}

interface Said {
	readonly segments: number;
	readonly ids: ReadonlySet<string>;
	readonly kind: StreamKind | undefined;
	readonly shards: number;
	readonly createdAt: number | undefined;
}

/** What the headers of a stream's segments say. */
async function segmentsSay(disk: Disk, path: string): Promise<Said> {
	const view = { disk, nobodyWrites: async () => true };
	const ids = new Set<string>();
	let kind: StreamKind | undefined;
	let createdAt: number | undefined;
	let segments = 0;
	const shards = await shardsOf(view, path);
	for (const shard of shards) {
		const folder = join(path, String(shard));
		for (const base of await segmentBases(view, folder)) {
			const at = join(folder, segmentName(base));
			if ((await disk.stat(at))?.kind !== "file") continue;
			segments++;
			const file = await disk.open(at, "read");
			const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
			const header = decodeSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)));
			await file.close();
			if (header === undefined || header === "version" || header.shard !== shard || header.base !== base) continue;
			ids.add(formatUuid(header.streamId));
			kind = header.kind;
			createdAt = Math.min(createdAt ?? header.createdAt, header.createdAt);
		}
	}
	return { segments, ids, kind, shards: (shards.at(-1) ?? 0) + 1, createdAt };
}

/** The rest of a description: what is there and makes sense, else what is known otherwise, else the default. */
function complete(kept: Record<string, unknown>, said: Said): { members: object; lost: string[] } {
	const lost: string[] = [];
	const member = (name: string, holds: (value: unknown) => boolean, otherwise: unknown): unknown => {
		if (holds(kept[name])) return kept[name];
		lost.push(name);
		return otherwise;
	};
	const shards = Math.max(said.shards, Number.isSafeInteger(kept.shards) ? (kept.shards as number) : 1);
	const members = {
		...kept,
		shards,
		retention: member("retention", isObject, {}),
		segmentBytes: member("segmentBytes", Number.isSafeInteger, segmentRange.default),
		tags: member("tags", isObject, {}),
		createdAt: member("createdAt", Number.isSafeInteger, said.createdAt ?? 0),
	};
	return { members, lost };
}

function isObject(value: unknown): boolean {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Members of what may be left of a JSON file. */
function membersOf(bytes: Uint8Array | undefined): Record<string, unknown> {
	try {
		const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
		return isObject(value) ? (value as Record<string, unknown>) : {};
	} catch {
		return {};
	}
}
