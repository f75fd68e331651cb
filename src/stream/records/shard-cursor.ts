/** How far one shard has been read. */
import { fail, StreambedError } from "../../core/errors.ts";
import { placeRecords, skipRecords } from "../../core/record-decoding.ts";
import type { EngineShard, ReadResult, Run } from "../../engine/contract.ts";
import type { BatchPlace } from "./record-batch.ts";

/** A place in a shard that moves on batch by batch. */
export class ShardCursor {
	readonly shard: number;
	/** Sequence of the next record that was not given out. */
	position: number;
	/** Where it ends at the latest. */
	readonly end: number;
	/** The tail as last seen. */
	knownTail: number;
	/** Nothing more comes: the range or the shard has ended. */
	ended = false;
	/** The range ends before the tail does. */
	endsInside = false;
	#runs: readonly Run[] = [];
	#next = 0;
	/** Says that nobody looks at what was loaded any more. */
	#release: (() => void) | undefined;

	constructor(shard: number, position: number, end: number, knownTail: number) {
		this.shard = shard;
		this.position = position;
		this.end = end;
		this.knownTail = knownTail;
	}

	/** Tells whether something was loaded and not given out. */
	get hasRuns(): boolean {
		return this.#next < this.#runs.length;
	}

	/** One read of the engine at the position; `undefined` at the tail. */
	async load(shard: EngineShard, maxBytes: number, signal: AbortSignal | undefined): Promise<ReadResult> {
		const [result, { tail }] = await Promise.all([shard.read(this.position, maxBytes, { signal }), shard.bounds()]);
		this.knownTail = Math.max(this.knownTail, tail);
		if (result.kind === "data") {
			this.#runs = result.runs;
			this.#next = 0;
			this.#release = result.release;
		}
		return result;
	}

	/** The next batch of what was loaded, at most `limit` records, and moves behind it. The last one brings the release. @throws CORRUPT */
	take(label: string, limit: number, copy: boolean): BatchPlace {
		const run = this.#runs[this.#next] as Run;
		const { offset, units = 0, bytes, time } = run;
		const { shard, position } = this;
		const skipped = position - offset;
		const length = Math.min(offset + units, this.end) - position;
		const wanted = Math.min(length, limit);
		const start = skipped === 0 ? 0 : skipRecords(bytes, 0, skipped);
		const { starts, count } = start < 0 ? nowhere : placeRecords(bytes, start, wanted);
		if (count < wanted) {
			this.#next++;
			this.position = offset + units;
			throw fail(
				"CORRUPT",
				`records ${position + count} to ${offset + units} of shard ${shard} of ${label} are no records`,
				{
					hint: "The next step of the reader goes on behind them.",
					details: { shard, sequence: position + count, validAfter: offset + units },
				},
			);
		}
		this.position += wanted;
		if (wanted === length) this.#next++;
		if (this.position >= this.end) this.#runs = [];
		const release = this.hasRuns ? undefined : this.#release;
		return { label, shard, from: position, time, bytes, starts, length: wanted, copy, life: { over: false }, release };
	}

	/** Somebody may keep views of what was loaded. */
	keep(): void {
		this.#release = undefined;
	}

	/** Records were dropped below the position, or cannot be read: the next step goes on behind them, if it can be told where. */
	skip(error: unknown): boolean {
		if (!StreambedError.is(error)) return false;
		const { head, validAfter } = error.details;
		const to = error.code === "STREAMBED_TRUNCATED" ? head : validAfter;
		if (typeof to !== "number" || to <= this.position) return false;
		this.position = to;
		return true;
	}
}

const nowhere = { starts: new Int32Array(0), count: 0 };
