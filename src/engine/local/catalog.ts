/** Which streams a store's folder holds, by their own descriptors: there is no list beside the folders. */
import { join } from "node:path/posix";
import { addressOfFolder, encodePart, type StreamAddress, streamFolder } from "../../core/names.ts";
import type { StreamConfig } from "../../core/stream-config.ts";
import { decodeGrowth, type Growth } from "../../core/stream-layout.ts";
import type { Disk } from "../../disk/disk.ts";
import { shardFolders } from "../../log/files/shard-folders.ts";
import {
	DESCRIPTOR,
	type Descriptor,
	describesStream,
	holdsFiles,
	readDescriptor,
	walkFolders,
} from "../../log/files/stream-folder.ts";
import { corrupt } from "../../log/format/corruption.ts";
import { compareAddresses, type ListQuery, type StreamSummary } from "../contract.ts";

/** A stream as its descriptor tells. */
export interface StoredStream extends StreamConfig {
	/** Where it stands now; `scope` and `stream` of the descriptor may differ if the folder was moved or copied. */
	readonly address: StreamAddress;
	/** Below `streams/`. */
	readonly folder: string;
	readonly id: string;
	/** Milliseconds since 1970. */
	readonly createdAt: number;
	/** Ids of the streams that this one was copied from. */
	readonly origins: readonly string[];
	/** How a record stream came to its shards, oldest growth first. */
	readonly growth: readonly Growth[];
	/** A record stream that was sealed. */
	readonly sealed: boolean;
	/** The whole descriptor, unknown members included. */
	readonly descriptor: Descriptor;
}

/** The streams in a store's folder. */
export class Catalog {
	readonly streams: string;
	readonly #disk: Disk;

	constructor(disk: Disk, root: string) {
		this.#disk = disk;
		this.streams = join(root, "streams");
	}

	/** The stream at an address, or `undefined`. @throws CORRUPT, FORMAT_VERSION */
	async find(address: StreamAddress): Promise<StoredStream | undefined> {
		const folder = streamFolder(address);
		const path = join(this.streams, folder);
		const descriptor = await readDescriptor(this.#disk, path);
		if (descriptor !== undefined) return this.#stored(address, folder, descriptor);
		// A folder that still holds a stream's files says more than NOT_FOUND.
		if (!(await this.#holdsShards(path))) return undefined;
		throw corrupt({ path: join(path, DESCRIPTOR), offset: 0, what: "it is missing, and the stream's files are there" });
	}

	async #holdsShards(path: string): Promise<boolean> {
		for (const shard of await shardFolders(this.#disk, path).catch(() => [])) {
			// Folders without files may be left where somebody has removed a stream.
			if (await holdsFiles(this.#disk, join(path, String(shard))).catch(() => false)) return true;
		}
		return false;
	}

	/** Streams in order; those whose descriptor can't be read are left out. */
	async list(query: ListQuery): Promise<readonly StreamSummary[]> {
		const addresses: StreamAddress[] = [];
		const below = query.scope === undefined ? "" : encodePart(query.scope);
		for await (const folder of walkFolders(this.#disk, this.streams, below)) {
			const address = addressOfFolder(folder);
			if (address !== undefined && matches(query, address)) addresses.push(address);
		}
		const found: StreamSummary[] = [];
		for (const address of addresses.sort(compareAddresses)) {
			if (found.length >= query.limit) break;
			const stored = await this.find(address).catch(() => undefined);
			if (stored === undefined) continue;
			const { id, kind, shards, createdAt, tags } = stored;
			found.push({ ...address, id, kind, shards, createdAt, tags });
		}
		return found;
	}

	#stored(address: StreamAddress, folder: string, descriptor: Descriptor): StoredStream {
		const { shards, retention, segmentBytes, tags, createdAt, origins } = descriptor;
		const growth = decodeGrowth(descriptor.growth, shards as number);
		if (!describesStream(descriptor) || growth === undefined) {
			const path = join(this.streams, folder, DESCRIPTOR);
			throw corrupt({ path, offset: 0, what: "it describes no stream" });
		}
		return {
			address,
			folder,
			id: descriptor.id,
			kind: descriptor.kind,
			shards: shards as number,
			retention: isObject(retention) ? retention : {},
			segmentBytes: segmentBytes as number,
			tags: tags as Record<string, string>,
			createdAt: createdAt as number,
			growth,
			sealed: descriptor.sealed === true,
			origins: Array.isArray(origins) ? origins.filter((origin) => typeof origin === "string") : [],
			descriptor,
		};
	}
}

/** Encodes the descriptor of a stream; unknown members of the one before are kept. */
export function encodeDescriptor(
	stored: Omit<StoredStream, "descriptor">,
	storeId: string,
	before: object = {},
): Uint8Array {
	const { address, id, kind, shards, retention, segmentBytes, tags, createdAt, origins, growth, sealed } = stored;
	const members = { store: storeId, id, scope: address.scope, stream: address.stream, kind, shards, retention };
	const rest = { segmentBytes, tags, createdAt, ...(origins.length === 0 ? {} : { origins }) };
	const records = { ...(growth.length === 0 ? {} : { growth }), ...(sealed ? { sealed } : {}) };
	const all = { ...before, format: 1, ...members, ...rest, ...records };
	return new TextEncoder().encode(`${JSON.stringify(all, null, "\t")}\n`);
}

function matches(query: ListQuery, address: StreamAddress): boolean {
	if (query.scope === undefined && address.scope.startsWith("_")) return false;
	const name = query.scope === undefined ? `${address.scope}/${address.stream}` : address.stream;
	if (query.prefix !== undefined && !name.startsWith(query.prefix)) return false;
	return query.after === undefined || compareAddresses(address, query.after) > 0;
}

function isObject(value: unknown): value is Record<string, string> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
