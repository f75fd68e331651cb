/** Reading of a shard that this process writes: from memory where it is still there, else from its files. */
import type { PositionQuery } from "../../core/location.ts";
import type { ReadOptions, ReadResult } from "../../core/shard.ts";
import { isGone } from "../../disk/system-error.ts";
import { locateKnown } from "../format/locate.ts";
import { outOfRange, truncated } from "../format/log-errors.ts";
import type { LogHost } from "./log-host.ts";
import type { ShardLog } from "./shard-log.ts";

/** See `EngineShard.read`. */
export async function readShard(
	host: LogHost,
	shard: ShardLog,
	position: number,
	maxBytes: number,
	options: ReadOptions,
): Promise<ReadResult> {
	const { owner, memory, files, damage } = shard;
	const borders = options.borders === true;
	for (let attempt = 0; ; attempt++) {
		const { head, tail, sealed } = shard.bounds();
		if (position < head) throw truncated(owner.name, position, head);
		if (position > tail) throw outOfRange(owner.name, position, tail);
		if (position === tail) {
			// Where the shard ends is not known: what may follow must not look like an end.
			if (damage !== undefined) throw damage;
			return { kind: sealed ? "end" : "nothing", tail };
		}
		const runs = memory.read(position, tail, maxBytes, borders);
		if (runs !== undefined) return { kind: "data", runs };
		try {
			return await files.read(position, maxBytes, borders);
		} catch (error) {
			// A truncation may have removed the file meanwhile: the next turn says so.
			if (!isGone(error)) throw error;
			if (attempt > 0 && position >= shard.head) throw await host.vanished(shard, error);
		}
	}
}

/** See `EngineShard.locate`. */
export async function locateInShard(host: LogHost, shard: ShardLog, query: PositionQuery): Promise<number> {
	for (let attempt = 0; ; attempt++) {
		const { head, tail } = shard.bounds();
		const known = locateKnown(shard.owner.name, head, tail, query);
		if (known !== undefined) return known;
		try {
			return Math.min(Math.max(await locateTime(shard, (query as { readonly time: number }).time, tail), head), tail);
		} catch (error) {
			// A truncation may have removed a file meanwhile: what is left is looked through anew.
			if (!isGone(error)) throw error;
			if (attempt > 0 && shard.head === head) throw await host.vanished(shard, error);
		}
	}
}

async function locateTime({ memory, files }: ShardLog, time: number, tail: number): Promise<number> {
	const inMemory = memory.locateTime(time, tail);
	if (inMemory !== undefined) return inMemory;
	// All in memory is of that time or later; once the files have been searched it may be there no longer.
	const below = memory.firstPosition ?? tail;
	return Math.min((await files.locateTime(time)) ?? below, below);
}
