/**
 * The shards of an open stream. Those with a folder are opened together with the stream; all others are made when they
 * are first asked for, and cost neither a file nor a folder before their first record.
 */

import { join } from "node:path/posix";
import type { RecoveryReport } from "../core/shard.ts";
import type { Disk } from "../disk/disk.ts";
import { shardFolders } from "./files/shard-folders.ts";
import type { SegmentReader } from "./segments/segment-reader.ts";
import { emptyTail, ShardFiles } from "./segments/shard-files.ts";
import type { LogHost } from "./shards/log-host.ts";
import type { Retention } from "./shards/retention.ts";
import { ShardLog } from "./shards/shard-log.ts";
import type { StreamLog } from "./shards/stream-log.ts";
import type { Staging } from "./staged/staging.ts";

/** Shards that are opened at the same time. */
const TOGETHER = 16;

/** What opening shards needs of the store. */
export interface ShardsHost extends LogHost {
	readonly disk: Disk;
	readonly reader: SegmentReader;
	readonly retention: Retention;
	readonly recovery: RecoveryReport;
	readonly staging: Staging;
	/** Opens one shard. */
	shard(stream: StreamLog, number: number): Promise<ShardLog>;
}

/** Opens the shards that have something, once. */
export async function openShards(host: ShardsHost, stream: StreamLog): Promise<void> {
	if (stream.kind === "bytes") await host.shard(stream, 0);
	else {
		stream.opening ??= openAll(host, stream).catch((error: unknown) => {
			stream.opening = undefined;
			throw error;
		});
		await stream.opening;
	}
	stream.opened = true;
}

/** Opens one shard: finds out its bounds. @throws NOT_FOUND, CORRUPT */
export async function openShard(host: ShardsHost, stream: StreamLog, number: number): Promise<ShardLog> {
	const { disk, reader, retention, staging } = host;
	const { clean } = host.recovery;
	const files = new ShardFiles(disk, reader, join(stream.path, String(number)), stream.ids, number);
	for (const leftover of await files.list()) await disk.unlink(leftover);
	// After an owner's death they prove nothing, and must not seem to at the next clean close.
	if (!clean) for (const index of files.orphans) await disk.unlink(index);
	const found = await files.openTail(clean);
	await stream.producers.load(disk, stream.path, stream.id);
	if (found.damage === undefined) {
		await retention.free(files);
		await retention.study(stream, files);
	}
	const sealed = found.state.sealed || (stream.sealed && files.segments.length === 0);
	const shard = new ShardLog(host, stream, number, files, { ...found, state: { ...found.state, sealed } });
	await staging.load(stream, shard);
	stream.shards.set(number, shard);
	// Before anybody appends, so that what comes is not in one segment with what is old. It may accept a frame: nothing can
	// fail any more by which another would be opened beside this one.
	retention.check(shard);
	return shard;
}

async function openAll(host: ShardsHost, stream: StreamLog): Promise<void> {
	// A dead owner may have put a description in place without making its name durable: what it says is shown from now on.
	if (!host.recovery.clean) await host.disk.syncDir(stream.path);
	await stream.producers.load(host.disk, stream.path, stream.id);
	const numbers = (await shardFolders(host.disk, stream.path)).filter((number) => number < stream.layout.shards);
	for (let at = 0; at < numbers.length; at += TOGETHER) {
		await Promise.all(numbers.slice(at, at + TOGETHER).map((number) => host.shard(stream, number)));
	}
}

/** A shard of an opened stream; one that has nothing yet is made now. */
export function shardNow(host: ShardsHost, stream: StreamLog, number: number): ShardLog {
	let shard = stream.shards.get(number);
	if (shard === undefined) {
		const files = new ShardFiles(host.disk, host.reader, join(stream.path, String(number)), stream.ids, number);
		const { state } = emptyTail;
		shard = new ShardLog(host, stream, number, files, { ...emptyTail, state: { ...state, sealed: stream.sealed } });
		stream.shards.set(number, shard);
	}
	return shard;
}
