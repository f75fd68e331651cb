/**
 * What keeps the order per key for who reads all shards: one that a growth has added is held back until all older ones
 * have been given out up to where they stood at that growth.
 */
import { type Growth, growthOf, positionAt, type StreamLayout } from "../../core/stream-layout.ts";
import type { ShardCursor } from "./shard-cursor.ts";

/** A growth whose shards are not read yet, and the older shards that have to be read up to it first. */
interface Gate {
	readonly growth: Growth;
	readonly waiting: Set<number>;
	readonly held: ShardCursor[];
}

/** The gates of one reader. */
export class GrowthGates {
	readonly #gates: Gate[] = [];

	/** Tells whether a cursor may be read now. If not it is held, or ends, where one before it has ended too early. */
	admits(cursor: ShardCursor, layout: StreamLayout, cursors: readonly (ShardCursor | undefined)[]): boolean {
		const growth = growthOf(layout, cursor.shard);
		if (growth === undefined) return true;
		const known = this.#gates.find((one) => one.growth.to === growth.to);
		const gate = known ?? { growth, waiting: new Set(), held: [] };
		if (known === undefined) {
			const before = cursors.slice(0, growth.from).filter((older) => older !== undefined && !passed(older, growth));
			if (before.some((older) => older?.ended)) {
				cursor.ended = true;
				return false;
			}
			for (const older of before) gate.waiting.add((older as ShardCursor).shard);
			if (gate.waiting.size === 0) return true;
			this.#gates.push(gate);
		}
		gate.held.push(cursor);
		return false;
	}

	/** A cursor has moved, or ended: returns those that were held and may be read now. */
	moved(cursor: ShardCursor): readonly ShardCursor[] {
		const free: ShardCursor[] = [];
		for (const gate of [...this.#gates]) {
			if (!gate.waiting.has(cursor.shard)) continue;
			const goes = passed(cursor, gate.growth);
			if (!goes && !cursor.ended) continue;
			gate.waiting.delete(cursor.shard);
			if (goes && gate.waiting.size > 0) continue;
			this.#gates.splice(this.#gates.indexOf(gate), 1);
			if (goes) free.push(...gate.held);
			else for (const held of gate.held) free.push(...this.#end(held));
		}
		return free;
	}

	/** It never gets its turn in this reader, and neither do those that wait for it. */
	#end(held: ShardCursor): readonly ShardCursor[] {
		held.ended = true;
		return this.moved(held);
	}
}

/**
 * Tells whether a shard has been read up to where it stood at a growth, or as far as the range goes. A tail is no such end:
 * beside the owner it may still lie before that place.
 */
function passed(cursor: ShardCursor, growth: Growth): boolean {
	return cursor.position >= positionAt(growth, cursor.shard) || (cursor.ended && cursor.endsInside);
}
