/**
 * Growth of a record stream: more shards, and where the older ones stood at that moment. While it is written down nothing
 * new is routed, and what was routed before is durable first: what an older shard holds below its position, and nothing
 * else, was routed by the old number.
 */
import { GrowthWaiters } from "../../core/growth-waiters.ts";
import { grown, type StreamLayout } from "../../core/stream-layout.ts";
import type { Admission } from "./admission.ts";
import type { StreamLog } from "./stream-log.ts";

/** The layout of an open stream, and those who wait for it to change. */
export class StreamGrowth {
	layout: StreamLayout;
	/** There while the stream grows or is sealed. */
	growing: Promise<void> | undefined;
	readonly #waiters = new GrowthWaiters();

	constructor(layout: StreamLayout) {
		this.layout = layout;
	}

	/** Grows; `record` makes the new layout durable. Growths of one stream come one after the other. */
	async grow(
		stream: StreamLog,
		admission: Admission,
		shards: number,
		now: () => number,
		record: (layout: StreamLayout) => Promise<void>,
	): Promise<void> {
		await this.hold(stream, admission, async () => {
			const tails = Array.from(
				{ length: this.layout.shards },
				(_, index) => stream.shards.get(index)?.acceptedTail ?? 0,
			);
			const layout = grown(this.layout, shards, now(), tails);
			await record(layout);
			this.layout = layout;
		});
		this.#waiters.wake(this.layout.shards);
	}

	/** Does something while nothing new is routed, and once all that was routed before is durable. One thing at a time. */
	async hold(stream: StreamLog, admission: Admission, work: () => Promise<void>): Promise<void> {
		let end = (): void => {};
		this.growing = new Promise((resolve) => {
			end = resolve;
		});
		try {
			await settled(stream, admission);
			await work();
		} finally {
			this.growing = undefined;
			end();
		}
	}

	/** Resolves once there are more than so many shards. */
	wait(name: string, shards: number, signal?: AbortSignal): Promise<void> {
		return this.#waiters.wait(name, this.layout.shards, shards, signal);
	}

	/** Ends all waits: the stream was deleted or the store closed. */
	endWaits(error: unknown): void {
		this.#waiters.end(error);
	}
}

/** Waits until everything that was handed over is durable, also what waited for room. */
async function settled(stream: StreamLog, admission: Admission): Promise<void> {
	for (;;) {
		if (!admission.hasRoom(0)) await new Promise<void>((resolve) => admission.wait(0, resolve));
		const shards = [...stream.shards.values()];
		// Staged data that is being adopted was routed before.
		for (const { gate } of shards) if (gate.closed) await gate.opened();
		await Promise.all(shards.map((shard) => shard.accepted()));
		if (stream.deleted !== undefined) throw stream.deleted;
		const still = shards.every(({ memory, gate }) => memory.lastUnsettled === undefined && !gate.closed);
		if (admission.hasRoom(0) && still) return;
	}
}
