/**
 * A store as a process sees it that does not own it: segments are read, nothing is written, locked or recovered. What
 * its shards share: open files, blocks in memory, the polling for those who wait.
 */
import type { Clock } from "../../core/clock.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { Disk } from "../../disk/disk.ts";
import { FilePool } from "../files/file-pool.ts";
import { type Descriptor, readDescriptor } from "../files/stream-folder.ts";
import { readCheckpoint } from "../format/checkpoint-file.ts";
import type { StoreIdentity } from "../opening/store-folder.ts";
import { SegmentReader } from "../segments/segment-reader.ts";
import { FollowPolling } from "./follow-polling.ts";
import { ShardFollower } from "./shard-follower.ts";
import { UntouchedShards } from "./untouched-shards.ts";

/** A stream that is being read. */
export interface FollowedStream {
	/** For messages: `scope/stream`. */
	readonly name: string;
	readonly id: string;
	/** Its own id and those of the streams that it was copied from; 16 bytes each. */
	readonly ids: readonly Uint8Array[];
	/** Absolute path of the folder. */
	readonly path: string;
	readonly shards: Map<number, ShardFollower>;
	readonly untouched: UntouchedShards;
	/** Set once the folder holds it no more: what everybody is told from then on. */
	gone: StreambedError | undefined;
}

/** What a store is read with. */
export interface ReadStoreOptions {
	readonly root: string;
	readonly disk: Disk;
	readonly clock: Clock;
	readonly limits: Limits;
	readonly identity: StoreIdentity;
	/** What the disk shows never changes: the journal was redone in memory. */
	readonly still: boolean;
}

/** A store that is read. Its owner closes it. */
export class ReadStore {
	readonly disk: Disk;
	readonly clock: Clock;
	readonly files: FilePool;
	readonly reader: SegmentReader;
	readonly polling: FollowPolling;
	readonly #options: ReadStoreOptions;
	/** By the path of the folder. */
	readonly #streams = new Map<string, FollowedStream>();
	readonly #running = new Set<Promise<unknown>>();
	#closed = false;

	constructor(options: ReadStoreOptions) {
		this.#options = options;
		this.disk = options.disk;
		this.clock = options.clock;
		this.files = new FilePool(options.disk, options.limits.openFiles, "read", () => {});
		this.reader = new SegmentReader(options.disk, this.files, options.limits.readCacheBytes);
		this.polling = new FollowPolling(options.clock);
	}

	/** Open streams. */
	get openStreams(): number {
		return this.#streams.size;
	}

	/** What is known to stand in a folder. */
	known(path: string): FollowedStream | undefined {
		return this.#streams.get(path);
	}

	/** The stream in a folder, by a description that is not older than what is known: another one that stood there is gone. */
	stream(description: Pick<FollowedStream, "name" | "id" | "ids" | "path">): FollowedStream {
		this.assertOpen();
		const known = this.#streams.get(description.path);
		if (known?.id === description.id) return known;
		if (known !== undefined) this.#letGo(known);
		const stream = new Followed(this, description);
		this.#streams.set(description.path, stream);
		return stream;
	}

	/** A shard of a stream, shared by all who read it. */
	shard(stream: FollowedStream, number: number): ShardFollower {
		let shard = stream.shards.get(number);
		if (shard === undefined) {
			shard = new ShardFollower(this, stream, number);
			stream.shards.set(number, shard);
		}
		return shard;
	}

	/** Looks whether a stream still stands in its folder; tells whether its descriptor says that it is sealed. @throws NOT_FOUND */
	async assertThere(stream: FollowedStream): Promise<{ readonly sealed: boolean }> {
		if (stream.gone === undefined) {
			const found = await readDescriptor(this.disk, stream.path).catch((error: unknown) => {
				// Whatever it says, it is there.
				if (error instanceof Error && "streambedError" in error) return stream;
				throw error;
			});
			if (found !== undefined && sameStream(found, stream.id)) {
				return { sealed: "sealed" in found && found.sealed === true };
			}
			this.#letGo(stream);
		}
		throw stream.gone;
	}

	#letGo(stream: FollowedStream): void {
		stream.gone ??= fail("NOT_FOUND", `the stream ${stream.name} was deleted`);
		if (this.#streams.get(stream.path) === stream) this.#streams.delete(stream.path);
		this.reader.blocks.forget(`${stream.path}/`);
		this.files.forgetBelow(stream.path).catch(() => {});
		for (const shard of stream.shards.values()) shard.endWaits(stream.gone);
	}

	/** Tells whether nobody can be writing now: the last owner has closed the store, and no other has opened it. */
	async nobodyWrites(): Promise<boolean> {
		if (this.#options.still) return true;
		const { root, identity } = this.#options;
		const checkpoint = await readCheckpoint(this.disk, root, identity.idBytes).catch(() => undefined);
		return checkpoint?.clean === true;
	}

	/** Resolves after `ms`. */
	pause(ms: number): Promise<void> {
		return new Promise((resolve) => this.clock.setTimer(ms, resolve));
	}

	/** Does work that `close()` waits for. @throws CLOSED */
	run<T>(work: () => Promise<T>): Promise<T> {
		if (this.#closed) return Promise.reject(closedError());
		const running = work();
		this.#running.add(running);
		const ended = (): void => void this.#running.delete(running);
		running.then(ended, ended);
		return running;
	}

	/** @throws CLOSED */
	assertOpen(): void {
		if (this.#closed) throw closedError();
	}

	/** Ends waits with CLOSED, waits for reads under way and closes the files. Idempotent. */
	async close(): Promise<void> {
		this.#closed = true;
		for (const stream of this.#streams.values()) {
			for (const shard of stream.shards.values()) shard.endWaits(closedError());
		}
		await Promise.allSettled(this.#running);
		this.#streams.clear();
		await this.files.close();
	}
}

class Followed implements FollowedStream {
	readonly name: string;
	readonly id: string;
	readonly ids: readonly Uint8Array[];
	readonly path: string;
	readonly shards = new Map<number, ShardFollower>();
	readonly untouched: UntouchedShards;
	gone: StreambedError | undefined;

	constructor(store: ReadStore, { name, id, ids, path }: Pick<FollowedStream, "name" | "id" | "ids" | "path">) {
		this.name = name;
		this.id = id;
		this.ids = ids;
		this.path = path;
		this.untouched = new UntouchedShards(store, this);
	}
}

/** Tells whether a descriptor is of the stream with this id; a copy was given a new one when an owner opened it. */
function sameStream(found: Pick<Descriptor, "id">, id: string): boolean {
	const { origins } = found as Partial<Record<"origins", unknown>>;
	return found.id === id || (Array.isArray(origins) && origins.includes(id));
}

function closedError(): StreambedError {
	return fail("CLOSED", "the store is closed");
}
