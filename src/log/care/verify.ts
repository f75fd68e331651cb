/**
 * Verifies a store: reads everything that carries a checksum, writes nothing, takes no lock, and so works beside a
 * running owner. Indexes are caches and not looked at; files that are none of ours are passed over.
 */
import { join } from "node:path/posix";
import { throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { addressOfFolder, parseAddress, streamFolder } from "../../core/names.ts";
import { rejectUnknown } from "../../core/options.ts";
import { Producers } from "../../core/producers.ts";
import { parseUuid } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { nodeDisk } from "../../disk/node-disk.ts";
import { DESCRIPTOR, type Descriptor, describesStream, readDescriptor, walkFolders } from "../files/stream-folder.ts";
import { loadProducers, PRODUCERS_FILE } from "../format/producer-file.ts";
import { segmentName } from "../format/segment-header.ts";
import { noStore } from "../opening/opening.ts";
import { readStore, STORE_FILE, type StoreIdentity } from "../opening/store-folder.ts";
import { type SegmentView, verifyJournal } from "./verify-journal.ts";
import { type VerifyProgress, VerifyReport, type VerifyResult } from "./verify-report.ts";
import { segmentBases, verifyShard } from "./verify-shard.ts";
import { verifyStaged } from "./verify-staged.ts";

/** How to verify. */
export interface VerifyOptions {
	/** Only this stream, as `scope/stream`. */
	readonly stream?: string | undefined;
	/** Called again and again while segments are read. */
	readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
	/** File system, for tests. */
	readonly disk?: Disk | undefined;
}

/**
 * Reads and checks all that is stored in the folder `path`, or one stream of it. Damage is reported, not thrown.
 *
 * @throws NOT_FOUND if there is no such store or stream, INVALID_NAME, INVALID_OPTION, ABORTED
 */
export async function verifyStore(path: string, options: VerifyOptions = {}): Promise<VerifyResult> {
	rejectUnknown(options, ["stream", "onProgress", "signal", "disk"], "the options of verifyStore");
	const { signal, stream, onProgress } = options;
	throwIfAborted(signal, "checking the store");
	const only = stream === undefined ? undefined : streamFolder(parseAddress(stream));
	const disk = options.disk ?? nodeDisk();
	const report = new VerifyReport(onProgress, signal);
	const identity = await identityOf(disk, path, report);
	const view = identity === undefined ? withoutIdentity(disk) : await verifyJournal(disk, path, identity, report);
	const streams = join(path, "streams");
	if (only !== undefined && (await view.disk.stat(join(streams, only)))?.kind !== "folder") {
		throw fail("NOT_FOUND", `there is no stream ${stream} in ${path}`);
	}
	if (onProgress !== undefined) report.totalBytes = await totalBytes(view, streams, only);
	for await (const folder of folders(view, streams, only)) await verifyStream(view, join(streams, folder), report);
	return report.result();
}

async function identityOf(disk: Disk, path: string, report: VerifyReport): Promise<StoreIdentity | undefined> {
	let identity: StoreIdentity | undefined;
	try {
		identity = await readStore(disk, path);
	} catch (error) {
		report.error(error, join(path, STORE_FILE), 0);
		return undefined;
	}
	if (identity === undefined) throw noStore(path);
	return identity;
}

/** Without the store's id the journal cannot be checked, and it cannot be told who writes. */
function withoutIdentity(disk: Disk): SegmentView {
	return { disk, nobodyWrites: async () => false };
}

/** Folders of the streams of a store, or of one of them, below `streams/`. */
export async function* folders(view: SegmentView, streams: string, only: string | undefined): AsyncGenerator<string> {
	if (only !== undefined) {
		yield only;
		return;
	}
	for await (const folder of walkFolders(view.disk, streams)) if (addressOfFolder(folder) !== undefined) yield folder;
}

async function verifyStream(view: SegmentView, path: string, report: VerifyReport): Promise<void> {
	let descriptor: Descriptor | undefined;
	try {
		descriptor = await readDescriptor(view.disk, path);
	} catch (error) {
		report.error(error, join(path, DESCRIPTOR), 0);
		return;
	}
	const shards = await shardsOf(view, path);
	if (descriptor === undefined) {
		// Not one of ours, unless it holds data; or somebody removes it just now.
		for (const shard of shards) {
			const [first] = await segmentBases(view, join(path, String(shard)));
			const file = first === undefined ? undefined : join(path, String(shard), segmentName(first));
			if (file === undefined || (await view.disk.stat(file)) === undefined) continue;
			report.damage(join(path, DESCRIPTOR), 0, "the description of the stream is missing");
			return;
		}
		return;
	}
	report.streams++;
	const ids = idsOf(descriptor);
	if (!describesStream(descriptor)) report.damage(join(path, DESCRIPTOR), 0, "it describes no stream");
	await verifyProducers(view, path, report);
	for (const shard of shards) {
		await verifyShard(view, { path, ids, kind: descriptor.kind }, shard, report);
		const streamId = ids[0];
		if (streamId !== undefined) {
			await verifyStaged(view, { folder: join(path, String(shard)), shard, streamId }, report);
		}
	}
}

/** A file that is just being replaced is whole under either name. */
async function verifyProducers({ disk }: SegmentView, path: string, report: VerifyReport): Promise<void> {
	try {
		await loadProducers(disk, path, undefined, new Producers(path));
	} catch (error) {
		report.error(error, join(path, PRODUCERS_FILE), 0);
	}
}

/** The stream's own id and those of the streams that it was copied from, 16 bytes each. */
export function idsOf({ id, origins }: Descriptor): Uint8Array[] {
	const names = [id, ...(Array.isArray(origins) ? origins : [])];
	return names.map((name) => parseUuid(String(name))).filter((bytes) => bytes !== undefined);
}

/** Numbers of the shards that a stream's folder holds, ascending. */
export async function shardsOf(view: SegmentView, path: string): Promise<number[]> {
	const entries = await view.disk.list(path).catch(() => []);
	const shards = entries.filter(({ name, kind }) => kind === "folder" && /^(0|[1-9][0-9]{0,4})$/.test(name));
	return shards.map(({ name }) => Number(name)).sort((a, b) => a - b);
}

/** Bytes of all segments of a store, or of one stream. */
export async function totalBytes(view: SegmentView, streams: string, only: string | undefined): Promise<number> {
	let bytes = 0;
	for await (const folder of folders(view, streams, only)) {
		for (const shard of await shardsOf(view, join(streams, folder))) {
			const path = join(streams, folder, String(shard));
			for (const base of await segmentBases(view, path).catch(() => [])) {
				bytes += (await view.disk.stat(join(path, segmentName(base))).catch(() => undefined))?.size ?? 0;
			}
		}
	}
	return bytes;
}
