/** A shard under a test's control: what is submitted waits until the test completes or refuses it. */
import { systemClock } from "../../../src/core/clock.ts";
import { RoundRobin } from "../../../src/core/routing.ts";
import type {
	Completion,
	Engine,
	EngineShard,
	EngineStream,
	Payload,
	ReadOptions,
	ReadResult,
	ShardBounds,
	ShardStaging,
	SubmitOptions,
} from "../../../src/engine/contract.ts";
import { type StoreContext, StreamAccess } from "../../../src/stream/stream-access.ts";

interface Submitted {
	readonly bytes: Uint8Array;
	readonly parts: readonly Uint8Array[];
	readonly expect: number | undefined;
	readonly completion: Completion;
	readonly from: number;
}

/** Holds what was submitted and what was asked. */
export class FakeShard implements EngineShard {
	readonly submitted: Submitted[] = [];
	readonly reads: { position: number; maxBytes: number }[] = [];
	/** Data that reads find, at offset 0. */
	data: Uint8Array = new Uint8Array(0);
	/** Most bytes that one run of a read holds. */
	runBytes: number = Number.POSITIVE_INFINITY;
	tail: number = 0;
	acceptedTail: number = 0;
	/** Calls of `changed` that still wait. */
	waiting: number = 0;
	/** The answer of acceptsNow. */
	room: boolean = true;

	readonly staging: ShardStaging = {
		begin: () => Promise.reject(new Error("not faked")),
		list: async () => [],
		find: () => Promise.reject(new Error("not faked")),
	};

	acceptsNow(_bytes: number): boolean {
		return this.room;
	}

	submit(payload: Payload, options: SubmitOptions, completion: Completion): number {
		if ("bytes" in payload) throw new Error("not faked");
		const parts = payload instanceof Uint8Array ? [payload] : payload;
		const bytes = new Uint8Array(Buffer.concat(parts));
		const from = this.acceptedTail;
		this.submitted.push({ bytes, parts, expect: options.expect, completion, from });
		this.acceptedTail += bytes.length;
		return from;
	}

	/** Completes the oldest append that waits. */
	complete(): void {
		const next = this.submitted.shift();
		if (next === undefined) throw new Error("nothing was submitted");
		this.tail = next.from + next.bytes.length;
		next.completion.done(next.from, this.tail, false, 0);
	}

	/** Refuses an append that waits; those after it stand where they were. */
	refuse(index: number, error: unknown): void {
		const [refused] = this.submitted.splice(index, 1);
		refused?.completion.fail(error);
	}

	async bounds(): Promise<ShardBounds> {
		return { head: 0, tail: this.tail, sealed: false };
	}

	async locate(query: { at: string; position?: number }): Promise<number> {
		return query.at === "position" ? (query.position ?? 0) : query.at === "tail" ? this.tail : 0;
	}

	async read(position: number, maxBytes: number, _options?: ReadOptions): Promise<ReadResult> {
		this.reads.push({ position, maxBytes });
		if (position >= this.data.length) return { kind: "nothing", tail: this.data.length };
		const runs = [];
		const end = Math.min(this.data.length, position + maxBytes);
		for (let at = position; at < end; at += this.runBytes) {
			runs.push({ offset: at, time: 0, bytes: this.data.subarray(at, Math.min(end, at + this.runBytes)) });
		}
		return { kind: "data", runs };
	}

	/** Waits for ever, or until it is aborted. */
	changed(_position: number, signal?: AbortSignal): Promise<void> {
		this.waiting++;
		return new Promise((_resolve, reject) => {
			signal?.addEventListener("abort", () => {
				this.waiting--;
				reject(new Error("aborted"));
			});
		});
	}

	truncateBefore(): Promise<number> {
		throw new Error("not used");
	}

	seal(): Promise<number> {
		throw new Error("not used");
	}
}

/** A stream around a fake shard, opened unless told otherwise. */
export async function fakeStream(shard: FakeShard, options: { opened?: boolean } = {}): Promise<StreamAccess> {
	const stream: Partial<EngineStream> = { kind: "bytes", shard: () => shard };
	const engine: Partial<Engine> = { appendBytes: 1000, openStream: async () => stream as EngineStream };
	const context: StoreContext = {
		engine: engine as Engine,
		assertOpen: () => {},
		isOpen: () => true,
		clock: systemClock,
		turnsOf: () => new RoundRobin(0),
		writers: new Set(),
	};
	const access = new StreamAccess(context, { scope: "fake", stream: "stream" }, "bytes");
	if (options.opened !== false) await access.shard();
	return access;
}
