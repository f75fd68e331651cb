/** Reading a byte stream append by append, with times. */
import { throwIfAborted } from "../../core/abort.ts";
import type { EngineShard, Run } from "../../engine/contract.ts";
import type { StreamAccess } from "../stream-access.ts";
import {
	checkReadRange,
	type ReadRange,
	type ReadRangeOptions,
	type ResolvedRange,
	resolveRange,
	stopOf,
} from "./read-range.ts";

/** One append, or a piece of a long one. */
export interface AppendPiece {
	/** Position of the first byte. */
	readonly offset: number;
	/** Ingestion time, milliseconds since 1970; the same for all pieces of one append. */
	readonly time: number;
	/** May be a view of memory shared with other readers: do not change or transfer it. */
	readonly bytes: Uint8Array;
}

/** Longest piece in bytes. */
const pieceBytes: number = 64 * 1024;
const windowBytes: number = 256 * 1024;

/** The appends of a range; iterate it once. */
export class AppendReader implements AsyncIterable<AppendPiece> {
	readonly #access: StreamAccess;
	readonly #range: ReadRange;
	readonly #starting: Promise<ResolvedRange>;

	/** Made by `stream.appends()`. */
	constructor(access: StreamAccess, options: ReadRangeOptions = {}) {
		this.#access = access;
		this.#range = checkReadRange(options, "the options of appends");
		access.context.assertOpen();
		this.#starting = this.#start();
		this.#starting.catch(() => {});
	}

	async *[Symbol.asyncIterator](): AsyncGenerator<AppendPiece, void, undefined> {
		const { shard, start, end } = await this.#starting;
		const stop = this.#range.follow ? end : Math.min(end, await stopOf(shard));
		const cutter = new AppendCutter();
		for (let position = start; position < stop; ) {
			const runs = await this.#next(shard, position, stop - position);
			if (runs === undefined) break;
			for (const run of runs) {
				for (const piece of cutter.cut(clip(run, stop))) yield piece;
				position = Math.min(stop, run.offset + run.bytes.length);
			}
		}
		yield* cutter.rest();
	}

	async #start(): Promise<ResolvedRange> {
		return await resolveRange(await this.#access.shard(), this.#range);
	}

	/** What follows at `position`, waiting at the tail; `undefined` at the end. */
	async #next(shard: EngineShard, position: number, left: number): Promise<readonly Run[] | undefined> {
		const { signal, follow } = this.#range;
		for (;;) {
			this.#access.context.assertOpen();
			throwIfAborted(signal, `reading ${this.#access.label}`);
			const result = await shard.read(position, Math.min(windowBytes, left), { borders: true, signal });
			if (result.kind === "data") return result.runs;
			if (result.kind === "end" || !follow) return undefined;
			await shard.changed(position, signal);
		}
	}
}

/** Cuts runs into appends; holds the beginning of an append whose end the next run brings. */
class AppendCutter {
	#held: Uint8Array[] = [];
	#heldBytes = 0;
	#offset = 0;
	#time = 0;

	*cut(run: Run): Generator<AppendPiece, void, undefined> {
		let from = 0;
		for (const border of run.ends ?? []) {
			const to = Math.min(run.bytes.length, border - run.offset);
			yield* this.#add(run, from, to);
			if (border <= run.offset + run.bytes.length) yield* this.rest();
			from = to;
		}
		yield* this.#add(run, from, run.bytes.length);
	}

	/** What is held, as the last piece of its append. */
	*rest(): Generator<AppendPiece, void, undefined> {
		if (this.#heldBytes === 0) return;
		yield { offset: this.#offset, time: this.#time, bytes: join(this.#held, this.#heldBytes) };
		this.#held = [];
		this.#heldBytes = 0;
	}

	*#add(run: Run, from: number, to: number): Generator<AppendPiece, void, undefined> {
		while (from < to) {
			if (this.#heldBytes === 0) {
				this.#offset = run.offset + from;
				this.#time = run.time;
			}
			const length = Math.min(to - from, pieceBytes - this.#heldBytes);
			this.#held.push(run.bytes.subarray(from, from + length));
			this.#heldBytes += length;
			from += length;
			if (this.#heldBytes === pieceBytes) yield* this.rest();
		}
	}
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
	const [only] = parts;
	if (parts.length === 1 && only !== undefined) return only;
	const bytes = new Uint8Array(length);
	let filled = 0;
	for (const part of parts) {
		bytes.set(part, filled);
		filled += part.length;
	}
	return bytes;
}

/** The part of a run before `stop`. */
function clip(run: Run, stop: number): Run {
	const length = stop - run.offset;
	return run.bytes.length <= length ? run : { ...run, bytes: run.bytes.subarray(0, length) };
}
