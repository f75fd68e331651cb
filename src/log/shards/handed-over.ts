/** Waiting for what was handed over to shards by now, and for nothing that comes later. */
import type { Admission } from "./admission.ts";
import type { ShardLog } from "./shard-log.ts";

/**
 * Resolves once all of it is durable: also what waits for room, or at the gate of its shard. Rejects with the first failure
 * among it, when nothing of it is under way any more. `shards` is asked when all of it has found room.
 */
export async function untilDurable(admission: Admission, shards: () => Iterable<ShardLog>): Promise<void> {
	if (!admission.admit(0)) await new Promise<void>((resolve) => admission.wait(0, resolve));
	const waits = Array.from(shards(), async (shard) => {
		await new Promise<void>((resolve) => shard.gate.enter(resolve));
		await shard.accepted();
	});
	for (const outcome of await Promise.allSettled(waits)) if (outcome.status === "rejected") throw outcome.reason;
}
