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

/** Calls `again` when it is the turn of an append that has to wait. */
export function waitAtGate({ gate, owner }: GatedShard, isProduced: boolean, again: () => void): void {
	const { order } = owner.producers;
	if (isProduced && order.closed) order.wait(again);
	else if (!isProduced) gate.wait(again);
	else order.take(() => gate.wait(() => order.pass(again)));
}

/**
 * Goes on when the gates of all these shards are open. Until then it keeps its place in each of them: what is handed over
 * later to one that is open already comes behind it. All places are taken in one turn, so nobody waits in a circle.
 */
export function whenAllOpen(shards: readonly GatedShard[], isProduced: boolean, then: () => void): void {
	const [first] = shards;
	const order = isProduced ? first?.owner.producers.order : undefined;
	if (order?.closed) return order.wait(() => whenAllOpen(shards, isProduced, then));
	const gates = shards.map(({ gate }) => gate);
	if (!gates.some(({ closed }) => closed)) return then();
	order?.take(() => {});
	let left = gates.length;
	for (const gate of gates) {
		gate.take(() => {
			left--;
			if (left > 0) return;
			then();
			for (const each of gates) each.open();
			order?.open();
		});
	}
}
