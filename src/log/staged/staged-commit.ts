/** The owner's side of a commit in parts, step by step (docs/commit-protocol.md §10). */
import type { Clock } from "../../core/clock.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone, systemError } from "../../disk/system-error.ts";
import type { Checkpointer } from "../commit/checkpointer.ts";
import type { Committer } from "../commit/committer.ts";
import type { Reserve } from "../commit/reserve.ts";
import type { WriteBehind } from "../commit/write-behind.ts";
import type { FilePool } from "../files/file-pool.ts";
import type { Owner } from "../files/owner.ts";
import { ioError } from "../format/corruption.ts";
import { type Adoption, encodeAdoption } from "../format/staged-files.ts";
import type { SegmentReader } from "../segments/segment-reader.ts";
import type { LostFiles } from "../shards/lost-files.ts";
import type { ShardLog } from "../shards/shard-log.ts";
import type { StreamLog } from "../shards/stream-log.ts";
import { adoptedSegments, carryOut } from "./adoption.ts";
import type { StagedData } from "./staged-data.ts";

/** Pause before something is tried again that had no room. */
const RETRY_MS = 250;
/** It is tried so often; then the next opening has to. */
const TRIES = 40;

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
	readonly clock: Clock;
	readonly owner: Owner;
	readonly reserve: Reserve;
	readonly lost: LostFiles;
	/** Segments of the shard that lie below its head may go. */
	written(shard: ShardLog): Promise<void>;
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
	/** Asked when the stream does not grow until it is stored; throws where it must not be. */
	readonly check: (() => void) | undefined;
}

type Stored = { readonly from: number; readonly to: number };

/** Makes staged data visible, all at one stroke. */
export async function commitStaged(host: CommitStagedHost, place: Place, staged: Staged): Promise<Stored> {
	const { shard, stream } = place;
	const { held } = staged.data;
	// The long part, while nobody waits.
	if (held === undefined) await staged.data.finish();
	for (;;) {
		while (stream.growth.growing !== undefined) await stream.growth.growing;
		if (held !== undefined) {
			staged.check?.();
			return await appendHeld(shard, held, staged);
		}
		// A growth that begins now waits until the gate opens; one that began while this waited for the gate goes first.
		const stored = await shard.gate.alone(async () => {
			return stream.growth.growing === undefined ? await commitAlone(host, place, staged) : undefined;
		});
		if (stored !== undefined) return stored;
	}
}

/** What needed no file is one append. */
function appendHeld(shard: ShardLog, bytes: Uint8Array, { data, expect }: Staged): Promise<Stored> {
	const units = shard.owner.kind === "records" ? data.units : undefined;
	return new Promise((resolve, reject) => {
		shard.submit(bytes, { expect, units }, { done: (from, to) => resolve({ from, to }), fail: reject });
	});
}

/** Nothing else happens to the shard meanwhile. */
async function commitAlone(host: CommitStagedHost, place: Place, { id, data, expect, check }: Staged): Promise<Stored> {
	const { stream, shard } = place;
	const refuse = (): void => {
		const refusal = shard.adoptionRefusal(data.units, expect);
		if (refusal !== undefined) throw refusal;
		check?.();
	};
	// Whether those before were stored or refused is told to those who made them.
	await shard.accepted().catch(() => {});
	refuse();
	await data.assertThere();
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
		if (!(await host.beforeWriting())) throw new Error("the journal could not be synced");
		await untilCarriedOut(host, place, async () => {
			const done = await carryOut({ disk: host.disk, files: host.stagedFiles, folder, ...owner }, adoption);
			if (done.length < files.length) throw systemError("ENOENT", "rename", folder);
		});
	} finally {
		carriedOut();
	}
	const segments = adoptedSegments(owner, folder, adoption, data.files);
	for (const segment of segments) await host.writeBehind.writeIndex(segment);
	shard.adopted(segments, time, base);
	host.committer.counters.appends++;
	host.committer.counters.appendedBytes += data.bytes;
	await data.release();
	// Segments before it that lay below the head were kept as the newest.
	await host.written(shard);
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

/**
 * Carries out what is stored already, whatever comes of this: without room on the disk it is tried again, like
 * write-behind; where files are gone the stream is, or is on its way out. Anything else stops the store, and the next
 * opening goes on with it.
 */
async function untilCarriedOut(
	host: CommitStagedHost,
	{ stream, shard }: Place,
	work: () => Promise<void>,
): Promise<void> {
	for (let tries = 1; ; tries++) {
		if (stream.deleted !== undefined) throw stream.deleted;
		try {
			await host.owner.check();
			await work();
			return;
		} catch (error) {
			if (stream.deleted !== undefined) throw stream.deleted;
			const full = ioError(error, "").code === "STREAMBED_DISK_FULL";
			if (host.stopped || tries === TRIES || !(full || isGone(error))) throw host.stop(error);
			const again = full ? await host.reserve.giveUp() : (await host.lost.whileWriting(shard)) === "skip";
			if (!again) await new Promise<void>((resolve) => host.clock.setTimer(RETRY_MS, resolve));
		}
	}
}
