/** The owner's side of a commit in parts, step by step (docs/commit-protocol.md §10). */
import { fail, StreambedError } from "../core/errors.ts";
import type { Disk } from "../disk/disk.ts";
import { adoptedSegments, carryOut } from "./adoption.ts";
import type { Checkpointer } from "./checkpointer.ts";
import type { Committer } from "./committer.ts";
import type { FilePool } from "./file-pool.ts";
import { isGone, type SegmentReader } from "./segment-reader.ts";
import type { ShardLog } from "./shard-log.ts";
import type { StagedData } from "./staged-data.ts";
import { type Adoption, encodeAdoption } from "./staged-files.ts";
import type { StreamLog } from "./stream-log.ts";
import type { WriteBehind } from "./write-behind.ts";

/** What a commit needs of its store. */
export interface CommitStagedHost {
	readonly disk: Disk;
	readonly files: FilePool;
	readonly stagedFiles: FilePool;
	readonly reader: SegmentReader;
	readonly writeBehind: WriteBehind;
	readonly checkpointer: Checkpointer;
	readonly committer: Committer;
	readonly stopped: boolean;
	refusal(): StreambedError | undefined;
	/** With durability "os" the journal is synced; `false` if that failed. */
	beforeWriting(): Promise<boolean>;
	/** Makes a change part of a round; resolves when it is durable. It holds checkpoints back until `carriedOut` was called. */
	adopt(stream: StreamLog, shard: number, body: Buffer): Promise<{ carriedOut(): void }>;
	/** A file of the shard is not there: finds out whether the stream was removed, and says what to answer. */
	vanished(shard: ShardLog, error: unknown): Promise<StreambedError>;
	stop(error: unknown): StreambedError;
}

interface Place {
	readonly stream: StreamLog;
	readonly shard: ShardLog;
}

/** What is committed. */
export interface Staged {
	readonly id: string;
	readonly data: StagedData;
	/** Where the tail has to be. */
	readonly expect: number | undefined;
}

type Stored = { readonly from: number; readonly to: number };

/** Makes staged data visible, all at one stroke. */
export async function commitStaged(host: CommitStagedHost, place: Place, staged: Staged): Promise<Stored> {
	const { held } = staged.data;
	if (held !== undefined) return await appendHeld(place.shard, held, staged.expect);
	return await place.shard.gate.alone(() => commitAlone(host, place, staged));
}

/** What needed no file is one append. */
function appendHeld(shard: ShardLog, bytes: Uint8Array, expect: number | undefined): Promise<Stored> {
	return new Promise((resolve, reject) => {
		shard.submit(bytes, { expect }, { done: (from, to) => resolve({ from, to }), fail: reject });
	});
}

/** Nothing else happens to the shard meanwhile. */
async function commitAlone(host: CommitStagedHost, place: Place, { id, data, expect }: Staged): Promise<Stored> {
	const { stream, shard } = place;
	const refuse = (): void => {
		const refusal = shard.adoptionRefusal(data.bytes, expect);
		if (refusal !== undefined) throw refusal;
	};
	// Whether those before were stored or refused is told to those who made them.
	await shard.accepted().catch(() => {});
	refuse();
	await data.finish();
	await completeFiles(host, shard);
	refuse();
	const { head, tail: from, timeFloor, time } = shard.stampState();
	let base = from;
	const files = data.files.map(({ number, bytes, units }) => {
		base += units;
		return { number, bytes, units, base: base - units };
	});
	const adoption: Adoption = { id, time, head, timeFloor, files, folder: stream.folder };
	const { carriedOut } = await host.adopt(stream, shard.shard, encodeAdoption(adoption));
	const owner = { streamId: stream.id, shard: shard.shard, kind: stream.kind };
	const { folder } = shard.files;
	try {
		if (stream.deleted !== undefined) throw stream.deleted;
		if (!(await host.beforeWriting())) throw new Error("the journal could not be synced");
		await carryOut({ disk: host.disk, files: host.stagedFiles, folder, ...owner }, adoption);
	} catch (error) {
		throw await notCarriedOut(host, place, error);
	} finally {
		carriedOut();
	}
	const segments = adoptedSegments(owner, folder, adoption, data.files);
	for (const segment of segments) await host.writeBehind.writeIndex(segment);
	shard.adopted(segments, time, base);
	host.committer.counters.appends++;
	host.committer.counters.appendedBytes += data.bytes;
	await data.release();
	return { from, to: base };
}

/** All that the shard holds is in its files, and where a segment without units would be replaced the journal holds nothing of it. */
async function completeFiles(host: CommitStagedHost, shard: ShardLog): Promise<void> {
	const { files, memory } = shard;
	const full = (): StreambedError =>
		host.refusal() ?? fail("DISK_FULL", `what waits for the segments of ${shard.owner.name} finds no room`);
	if (memory.busy && (!(await host.writeBehind.flush()) || memory.busy)) throw full();
	const newest = files.segments.at(-1);
	if (newest?.index !== undefined) await host.writeBehind.writeIndex(newest);
	if (newest === undefined || newest.base < shard.stampState().tail) return;
	if (!(await host.checkpointer.cover())) throw full();
	host.reader.blocks.forget(`${newest.path}:`);
	await host.files.forget(newest.path);
}

/** It is stored all the same: the next opening carries it out, unless the stream is gone. */
async function notCarriedOut(
	host: CommitStagedHost,
	{ stream, shard }: Place,
	error: unknown,
): Promise<StreambedError> {
	if (stream.deleted !== undefined) return stream.deleted;
	if (isGone(error)) {
		const answer = await host.vanished(shard, error);
		if (StreambedError.is(answer, "STREAMBED_NOT_FOUND")) return answer;
	}
	return host.stop(error);
}
