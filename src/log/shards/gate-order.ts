/** How appends wait where the gate of their shard is closed: those of a stream's producers in their order over all shards. */
import type { ShardGate } from "./shard-gate.ts";

/** A shard, and the gate of its stream that is closed while an append of a producer waits in any shard. */
export interface GatedShard {
	readonly gate: ShardGate;
	readonly owner: { readonly producers: { readonly order: ShardGate } };
}

/**
 * Tells whether an append has to wait. What a producer hands over behind one that waits would be taken for a gap in another
 * shard: it waits as well.
 */
export function mustWait({ gate, owner }: GatedShard, isProduced: boolean): boolean {
	return gate.closed || (isProduced && owner.producers.order.closed);
}

/**
 * Goes on in the turn of an append: when all gates that concern it are open. Until then it keeps its place in each of them:
 * what is handed over later to one that is open already comes behind it. All places are taken in one turn, so nobody waits
 * in a circle.
 */
export function inTurn(shards: readonly GatedShard[], isProduced: boolean, then: () => void): void {
	const gates = shards.map(({ gate }) => gate);
	if (isProduced) for (const { owner } of shards.slice(0, 1)) gates.push(owner.producers.order);
	if (!gates.some(({ closed }) => closed)) return then();
	let left = gates.length;
	for (const gate of gates) {
		gate.enter(() => {
			gate.close();
			left--;
			if (left > 0) return;
			then();
			for (const each of gates) each.open();
		});
	}
}
