/** The embedded engine in a process that does not own the folder: it reads what the owner writes, and changes nothing. */
import { join } from "node:path/posix";
import { fail } from "../../core/errors.ts";
import { formatAddress, type StreamAddress } from "../../core/names.ts";
import { parseUuid } from "../../core/random.ts";
import { nodeDisk } from "../../disk/node-disk.ts";
import { sqliteLocker } from "../../disk/sqlite-lock.ts";
import { ioError } from "../../log/format/corruption.ts";
import { type FollowedStream, ReadStore } from "../../log/read-mode/read-store.ts";
import { makeReadable, type ReadableStore } from "../../log/read-opening.ts";
import type { Engine, EngineStats, EngineStream, ListQuery, StreamInfo, StreamSummary } from "../contract.ts";
import type { Durability, Manifest } from "../manifest.ts";
import { Catalog, type StoredStream } from "./catalog.ts";
import { localManifest } from "./local-engine.ts";
import type { LocalOptions } from "./open-local.ts";
import { readOnly } from "./read-only.ts";
import { type ReadHost, ReadStream } from "./read-stream.ts";

/** Opens the store in the folder `path` for reading, beside an owner or without one. @throws NOT_FOUND, FORMAT_VERSION */
export async function openForReading(path: string, options: LocalOptions): Promise<Engine> {
	const disk = options.disk ?? nodeDisk();
	const { clock, random, limits, signal } = options;
	const root = await disk.realPath(path).catch(() => path);
	const locker = options.locker ?? sqliteLocker();
	const readable = await makeReadable({ root, disk, clock, random, locker, limits, signal });
	return new ReadEngine(root, readable, options);
}

class ReadEngine implements Engine {
	readonly manifest: Manifest = localManifest;
	readonly durability: Durability;
	readonly appendBytes: number;
	readonly #root: string;
	readonly #readable: ReadableStore;
	readonly #store: ReadStore;
	readonly #catalog: Catalog;
	readonly #host: ReadHost;

	constructor(root: string, readable: ReadableStore, { clock, limits }: LocalOptions) {
		const { disk, identity, still, unsynced } = readable;
		this.durability = unsynced ? "os" : "sync";
		this.appendBytes = limits.appendBytes;
		this.#root = root;
		this.#readable = readable;
		this.#store = new ReadStore({ root, disk, clock, limits, identity, still });
		this.#catalog = new Catalog(disk, root);
		this.#host = {
			store: this.#store,
			root,
			find: (address) => this.#find(address),
			streamOf: (stored) => this.#streamOf(stored),
			describe: ({ address, id, kind, retention, segmentBytes, tags, createdAt }, sealed, shards) => {
				const { durability } = this;
				return { ...address, id, kind, sealed, durability, retention, segmentBytes, tags, createdAt, shards };
			},
		};
	}

	async openStream(address: StreamAddress): Promise<EngineStream> {
		const opening = this.#store.run(async () => {
			for (let before: FollowedStream | undefined; ; ) {
				const stored = await this.#find(address);
				const known = this.#store.known(this.#pathOf(stored));
				// It may have come while an older description was being read: that is told by a second one.
				if (known === undefined || known === before || known.id === stored.id) {
					return new ReadStream(this.#host, stored);
				}
				before = known;
			}
		});
		return await opening.catch((error) => Promise.reject(ioError(error, formatAddress(address))));
	}

	async listStreams(query: ListQuery): Promise<readonly StreamSummary[]> {
		const listing = this.#store.run(() => this.#catalog.list(query));
		return await listing.catch((error) => Promise.reject(ioError(error, "the list of streams")));
	}

	async createStream(address: StreamAddress): Promise<EngineStream> {
		throw readOnly(this.#root, `create the stream ${formatAddress(address)}`);
	}

	async updateStream(address: StreamAddress): Promise<StreamInfo> {
		throw readOnly(this.#root, `update the stream ${formatAddress(address)}`);
	}

	async deleteStream(address: StreamAddress): Promise<void> {
		throw readOnly(this.#root, `delete the stream ${formatAddress(address)}`);
	}

	async checkpoint(): Promise<void> {
		throw readOnly(this.#root, "make a checkpoint");
	}

	stats(): EngineStats {
		const { reads, readBytes, writes, writtenBytes, syncs } = this.#store.disk.counters;
		return {
			streams: this.#store.openStreams,
			rounds: 0,
			appends: 0,
			appendedBytes: 0,
			pendingBytes: 0,
			cachedBytes: this.#store.reader.blocks.bytes,
			journalBytes: 0,
			journalLiveBytes: 0,
			checkpoints: 0,
			retention: { freedSegments: 0, freedBytes: 0, clockStepped: false },
			disk: { reads, readBytes, writes, writtenBytes, syncs },
			recovery: this.#readable.recovery,
		};
	}

	async close(): Promise<void> {
		await this.#store.close();
	}

	async #find(address: StreamAddress): Promise<StoredStream> {
		const stored = await this.#catalog.find(address);
		if (stored !== undefined) return stored;
		throw fail("NOT_FOUND", `there is no stream ${formatAddress(address)}`, { details: { ...address } });
	}

	#streamOf({ address, id, origins, folder }: StoredStream): FollowedStream {
		const ids = [id, ...origins].map((one) => parseUuid(one)).filter((one) => one !== undefined);
		return this.#store.stream({ name: formatAddress(address), id, ids, path: this.#pathOf({ folder }) });
	}

	#pathOf({ folder }: Pick<StoredStream, "folder">): string {
		return join(this.#catalog.streams, folder);
	}
}
