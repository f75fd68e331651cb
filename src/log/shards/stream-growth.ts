/**
 * Growth of a record stream: more shards, and where the older ones stood at that moment. While it is written down nothing
 * new is routed, and what was routed before is durable first: what an older shard holds below its position, and nothing
 * else, was routed by the old number.
 */
import type { StreambedError } from "../../core/errors.ts";
import { GrowthWaiters } from "../../core/growth-waiters.ts";
import { grown, type StreamLayout } from "../../core/stream-layout.ts";
import type { Admission } from "./admission.ts";
import { untilDurable } from "./handed-over.ts";
import type { StreamLog } from "./stream-log.ts";

/** What growth needs of its store. */
export interface GrowthHost {
	readonly admission: Admission;
	/** Why nothing can be changed any more: stopped. */
	stopError(): StreambedError | undefined;
}

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
		host: GrowthHost,
		shards: number,
		now: () => number,
		record: (layout: StreamLayout) => Promise<void>,
	): Promise<void> {
		await this.hold(stream, host, async () => {
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
	async hold(stream: StreamLog, host: GrowthHost, work: () => Promise<void>): Promise<void> {
		let end = (): void => {};
		this.growing = new Promise((resolve) => {
			end = resolve;
		});
		try {
			// Staged data that is being adopted was routed before, too.
			await untilDurable(host.admission, () => stream.shards.values());
			const refusal = stream.deleted ?? host.stopError();
			if (refusal !== undefined) throw refusal;
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
