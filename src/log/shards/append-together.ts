/**
 * Appends to several shards of a stream that are one: all are stored, in one round, or none.
 *
 * Each is an entry of its shard like any other. That their frames share a round is seen to by the committer: each frame
 * names the others as its needs. Nothing is accepted before everything has been looked at, in one turn of the event loop.
 */
import type { StreambedError } from "../../core/errors.ts";
import { appendLimit } from "../../core/limits.ts";
import { type Flight, type ProducerTriple, placesOf } from "../../core/producers.ts";
import {
	type Completion,
	type Payload,
	payloadLength,
	type ShardPlace,
	type TogetherCompletion,
} from "../../core/shard.ts";
import { tripleBytes } from "../format/entry-extension.ts";
import { tooLarge } from "../format/log-errors.ts";
import { addNeed, beginFlight, joinFlight, type MemoryFrame } from "../tail/tail-memory.ts";
import { inTurn } from "./gate-order.ts";
import type { LogHost } from "./log-host.ts";
import { answerAgain, needPrevious } from "./producer-order.ts";
import type { ShardLog } from "./shard-log.ts";

/** One of the appends. */
export interface TogetherPart {
	readonly shard: ShardLog;
	readonly payload: Payload;
	readonly units: number;
	readonly expect: number | undefined;
}

/** Appends of which all are stored or none. */
export class AppendTogether {
	readonly #host: LogHost;
	readonly #parts: readonly TogetherPart[];
	readonly #producer: ProducerTriple | undefined;
	readonly #completion: TogetherCompletion;
	readonly #bytes: number;

	constructor(
		host: LogHost,
		parts: readonly TogetherPart[],
		producer: ProducerTriple | undefined,
		completion: TogetherCompletion,
	) {
		this.#host = host;
		this.#parts = parts;
		this.#producer = producer;
		this.#completion = completion;
		this.#bytes = parts.reduce((sum, { payload }) => sum + payloadLength(payload), 0);
	}

	/** Begins; see `EngineStream.submitTogether`. */
	submit(): void {
		const refusal = this.#refusal();
		if (refusal !== undefined) return queueMicrotask(() => this.#completion.fail(refusal));
		const { admission } = this.#host;
		if (admission.admit(this.#bytes)) this.#inTurn();
		else admission.wait(this.#bytes, () => this.#inTurn());
	}

	#inTurn(): void {
		const shards = this.#parts.map(({ shard }) => shard);
		inTurn(shards, this.#producer !== undefined, () => this.#acceptLater());
	}

	#acceptLater(): void {
		const error = this.#first.owner.deleted ?? this.#host.stopError();
		if (error === undefined) return this.#accept();
		this.#host.admission.release(this.#bytes);
		this.#completion.fail(error);
	}

	#accept(): void {
		if (this.#producer !== undefined && this.#answerKnown(this.#producer)) return;
		for (const { shard, units, expect } of this.#parts) {
			const conflict = shard.conflict(units, expect);
			if (conflict !== undefined) return this.#refuse(shard, conflict);
		}
		const shared = new SharedCompletion(this.#parts.length, this.#completion);
		const { table } = this.#first.owner.producers;
		const extension = this.#producer === undefined ? 0 : tripleBytes(table.get(this.#producer.id).idBytes);
		const places: ShardPlace[] = [];
		const frames: MemoryFrame[] = [];
		for (const [index, { shard, payload, units }] of this.#parts.entries()) {
			const from = shard.acceptedTail;
			shard.addPart(payload, units, extension, shared.part(index, shard.shard));
			places.push({ shard: shard.shard, from, to: from + units });
			frames.push(shard.memory.lastUnsettled as MemoryFrame);
		}
		this.#bind(frames, places);
		const { admission } = this.#host;
		if (admission.bytes >= admission.mark) this.#host.markReached();
	}

	/** All frames go into the round of the first that does. */
	#bind(frames: readonly MemoryFrame[], places: readonly ShardPlace[]): void {
		if (this.#producer !== undefined) this.#noteProducer(this.#producer, frames, places);
		// In a ring: each leads to all others.
		for (const [index, frame] of frames.entries()) {
			const next = (index + 1) % frames.length;
			const { shard } = places[next] as ShardPlace;
			if (frames.length > 1) addNeed(frame, { shard, frame: frames[next] as MemoryFrame });
		}
	}

	/** One append of the producer, whose triple stands in each of its entries. */
	#noteProducer(
		{ id, epoch, sequence }: ProducerTriple,
		frames: readonly MemoryFrame[],
		places: readonly ShardPlace[],
	): void {
		const producer = this.#first.owner.producers.table.get(id);
		const [first, ...others] = places as [ShardPlace, ...ShardPlace[]];
		for (const [index, frame] of frames.entries()) {
			needPrevious(producer, frame, (places[index] as ShardPlace).shard);
		}
		const { shard, from } = first;
		beginFlight(frames[0] as MemoryFrame, { producer, epoch, sequence, shard, from, others });
		for (const frame of frames.slice(1)) joinFlight(frame, producer.lastFlight as Flight<MemoryFrame>);
	}

	#answerKnown(producer: ProducerTriple): boolean {
		const verdict = this.#first.owner.producers.check(producer);
		if (verdict.kind === "new") return false;
		if (verdict.kind === "refused") {
			this.#refuse(this.#first, () => verdict.error);
			return true;
		}
		this.#host.admission.release(this.#bytes);
		const answer = verdict.kind === "stored" ? verdict.answer : verdict.append;
		const done = (): void => this.#completion.done(placesOf(answer) ?? [], true, []);
		answerAgain(verdict, { done, fail: (error) => this.#completion.fail(error) });
		return true;
	}

	#refuse(shard: ShardLog, reason: () => StreambedError): void {
		this.#host.admission.release(this.#bytes);
		shard.afterAccepted((error) => this.#completion.fail(error ?? reason()));
	}

	#refusal(): StreambedError | undefined {
		for (const { shard } of this.#parts) {
			const error = shard.refusal();
			if (error !== undefined) return error;
		}
		const limit = this.#host.limits.appendBytes;
		const units = this.#parts.reduce((sum, part) => sum + part.units, 0);
		if (this.#bytes <= appendLimit(this.#host.limits, units)) return undefined;
		return tooLarge(this.#first.owner.name, this.#bytes, limit);
	}

	get #first(): ShardLog {
		return (this.#parts[0] as TogetherPart).shard;
	}
}

/** Tells once all parts have been told, which happens in one turn. */
class SharedCompletion {
	readonly #completion: TogetherCompletion;
	readonly #places: ShardPlace[] = [];
	/** Shards have their own: one may be ahead of a clock that was set back. */
	readonly #times: number[] = [];
	#left: number;
	#failed = false;

	constructor(parts: number, completion: TogetherCompletion) {
		this.#left = parts;
		this.#completion = completion;
	}

	part(index: number, shard: number): Completion {
		return {
			done: (from, to, _duplicate, time) => {
				this.#places[index] = { shard, from, to };
				this.#times[index] = time;
				this.#left--;
				if (this.#left === 0 && !this.#failed) this.#completion.done(this.#places, false, this.#times);
			},
			fail: (error) => {
				if (!this.#failed) this.#completion.fail(error);
				this.#failed = true;
			},
		};
	}
}
