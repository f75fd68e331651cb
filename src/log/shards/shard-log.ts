/**
 * One shard of the owner: accepts appends, gives their frames to rounds, shows what is durable.
 *
 * Positions: head ≤ durable tail ≤ accepted tail. Readers, refusals and answers speak of the durable one; `expect` and
 * new positions of the accepted one. Everything here happens in one turn of the event loop or waits for a round;
 * the order of accepted calls is the order of their frames.
 */
import { abortError } from "../../core/abort.ts";
import type { StreambedError } from "../../core/errors.ts";
import { appendLimit } from "../../core/limits.ts";
import type { PositionQuery } from "../../core/location.ts";
import type { ProducerTriple } from "../../core/producers.ts";
import {
	type Completion,
	type Payload,
	payloadLength,
	type ReadOptions,
	type ReadResult,
	type ShardBounds,
	type SubmitOptions,
} from "../../core/shard.ts";
import { tripleBytes } from "../format/entry-extension.ts";
import { FrameType, frameTimeAt, HeadReason, type ShardState } from "../format/frame.ts";
import { exhausted, mismatch, outOfRange, sealedError, tooLarge } from "../format/log-errors.ts";
import { addParts, type FrameTaking } from "../journal/round-part.ts";
import type { ShardExtent } from "../segments/retained-segments.ts";
import { closeOldSegment, type Segment } from "../segments/segment.ts";
import type { ShardFiles, ShardTail } from "../segments/shard-files.ts";
import {
	afterFrame,
	beginFlight,
	flightBefore,
	forgetWaiting,
	frameEnd,
	type MemoryFrame,
	memoryFrameBytes,
	settleFailed,
} from "../tail/tail-memory.ts";
import { TailWaiters } from "../tail/tail-waiters.ts";
import { inTurn, mustWait } from "./gate-order.ts";
import type { LogHost } from "./log-host.ts";
import { answerAgain, needPrevious } from "./producer-order.ts";
import { ShardGate } from "./shard-gate.ts";
import { ShardMemory } from "./shard-memory.ts";
import type { ShardOwner } from "./shard-owner.ts";
import { locateInShard, readShard } from "./shard-reading.ts";

/** A truncation up to the tail frees the newest segment too if it has so many bytes; a small one is not worth a new file. */
const FREED_AT_TAIL_BYTES = 1024 * 1024;

/** A shard that this process writes. */
export class ShardLog {
	readonly owner: ShardOwner;
	readonly shard: number;
	readonly files: ShardFiles;
	readonly memory: ShardMemory;
	/** Closed while staged data is adopted. */
	readonly gate: ShardGate = new ShardGate();
	/** Where it ends is not known: nothing can be appended. */
	readonly damage: StreambedError | undefined;
	readonly #host: LogHost;
	readonly #waiters: TailWaiters;
	#head: number;
	#tail: number;
	#sealed: boolean;
	#acceptedHead: number;
	#acceptedTail: number;
	#sealing: boolean;
	#time: number;
	#lastTime: number | null;

	constructor(host: LogHost, owner: ShardOwner, shard: number, files: ShardFiles, found: ShardTail) {
		this.#host = host;
		this.owner = owner;
		this.#waiters = new TailWaiters(owner.name, (change) => host.waiting(change));
		this.shard = shard;
		this.files = files;
		this.damage = found.damage;
		this.#head = this.#acceptedHead = found.state.head;
		this.#tail = this.#acceptedTail = Math.max(found.tail, found.state.head);
		this.#sealed = this.#sealing = found.state.sealed;
		this.#time = found.state.timeFloor;
		this.#lastTime = found.lastTime;
		this.memory = new ShardMemory(host.tailCache, owner, shard, files, found.fileEnd);
		const newest = files.segments.at(-1);
		if (newest !== undefined) newest.lastTime ??= found.lastTime ?? undefined;
	}

	/** The durable head. */
	get head(): number {
		return this.#head;
	}

	/** Provisional tail: what is durable and what was accepted since. */
	get acceptedTail(): number {
		return this.#acceptedTail;
	}

	/** Ingestion time of the last durable append. */
	get lastTime(): number | null {
		return this.#lastTime;
	}

	/** Bounds of what is durable. */
	bounds(): ShardBounds {
		this.#checkReadable();
		const bounds = { head: this.#head, tail: this.#tail, sealed: this.#sealed };
		return this.damage === undefined ? bounds : { ...bounds, damaged: true };
	}

	// Appending

	/** See `EngineShard.submit`. */
	submit(payload: Payload, options: SubmitOptions, completion: Completion): number {
		const bytes = payloadLength(payload);
		const host = this.#host;
		if (
			!host.takesAppends ||
			this.owner.deleted !== undefined ||
			this.damage !== undefined ||
			(bytes > host.limits.appendBytes && bytes > appendLimit(host.limits, options.units))
		) {
			const error = this.refusal() ?? tooLarge(this.owner.name, bytes, host.limits.appendBytes);
			queueMicrotask(() => completion.fail(error));
			return Number.NaN;
		}
		// First for room, then at the gate, whoever it is: else two appends could overtake each other.
		const { admission } = host;
		if (!admission.admit(bytes)) admission.wait(bytes, () => this.#inTurn(payload, bytes, options, completion));
		else if (mustWait(this, options.producer !== undefined)) this.#inTurn(payload, bytes, options, completion);
		else return this.#accept(payload, bytes, options, completion);
		return Number.NaN;
	}

	#inTurn(payload: Payload, bytes: number, options: SubmitOptions, completion: Completion): void {
		const isProduced = options.producer !== undefined;
		inTurn([this], isProduced, () => this.#acceptLater(payload, bytes, options, completion));
	}

	#acceptLater(payload: Payload, bytes: number, options: SubmitOptions, completion: Completion): void {
		const error = this.owner.deleted ?? this.damage ?? this.#host.stopError();
		if (error === undefined) {
			this.#accept(payload, bytes, options, completion);
			return;
		}
		this.#host.admission.release(bytes);
		completion.fail(error);
	}

	#accept(payload: Payload, bytes: number, options: SubmitOptions, completion: Completion): number {
		const at = this.#acceptedTail;
		const { producer, units = bytes } = options;
		if (producer !== undefined) {
			const answered = this.#answerKnown(producer, bytes, completion);
			if (answered !== undefined) return answered;
		}
		const conflict = this.conflict(units, options.expect);
		if (conflict !== undefined) return this.#refuse(bytes, completion, conflict);
		if (bytes === 0) {
			this.afterAccepted((error) => {
				if (error === undefined) completion.done(at, at, false, this.#time);
				else completion.fail(error);
			});
			return at;
		}
		if (producer !== undefined) this.#addProduced(payload, bytes, units, producer, completion);
		else this.#addExtended(payload, bytes, units, 0, completion, true);
		this.#acceptedTail += units;
		const { admission } = this.#host;
		if (admission.bytes >= admission.mark) this.#host.markReached();
		return at;
	}

	/** Adds one of several appends that are one; whose it is is noted for all of them. */
	addPart(payload: Payload, units: number, extensionBytes: number, completion: Completion): void {
		this.#addExtended(payload, payloadLength(payload), units, extensionBytes, completion, true);
		this.#acceptedTail += units;
	}

	/** Adds an entry with room for an extension: to the open frame, or to a new one. */
	#addExtended(
		payload: Payload,
		bytes: number,
		units: number,
		extensionBytes: number,
		completion: Completion,
		extend: boolean,
	): void {
		if (extend && this.memory.extend(payload, bytes, units, extensionBytes, completion)) return;
		const at = this.#acceptedTail;
		const now = closeOldSegment(this.files.segments, this.owner.rollMs, this.#host.clock, at);
		this.memory.append(payload, bytes, units, extensionBytes, at, this.#rollState(), completion);
		if (now !== undefined) (this.files.segments.at(-1) as Segment).since ??= now;
		this.#host.dirty(this);
	}

	/** Adds an entry that is a producer's: where it follows on the entry before, that is all that has to be said of it. */
	#addProduced(payload: Payload, bytes: number, units: number, triple: ProducerTriple, completion: Completion): void {
		const producer = this.owner.producers.table.get(triple.id);
		const { open } = this.memory;
		const flight = open && flightBefore(open, producer, triple.epoch);
		if (flight !== undefined && this.memory.extend(payload, bytes, units, 0, completion)) {
			producer.extend(flight);
			return;
		}
		this.#addExtended(payload, bytes, units, tripleBytes(producer.idBytes), completion, flight === undefined);
		const frame = this.memory.open as MemoryFrame;
		needPrevious(producer, frame, this.shard);
		const { epoch, sequence } = triple;
		beginFlight(frame, { producer, epoch, sequence, shard: this.shard, from: this.#acceptedTail });
	}

	/** What stands against an append of so many units in the state of the shard; as an error that is to be made later. */
	conflict(units: number, expect: number | undefined): (() => StreambedError) | undefined {
		const at = this.#acceptedTail;
		if (this.#sealing) return () => sealedError(this.owner, this.#tail, this.shard);
		if (at + units > Number.MAX_SAFE_INTEGER) return () => exhausted(this.owner.name, units, this.#tail);
		return expect === undefined || expect === at ? undefined : () => mismatch(this.owner.name, expect, at);
	}

	/** Answers an append that its producer has made before, or may not make; `undefined` if it is a new one. */
	#answerKnown(producer: ProducerTriple, bytes: number, completion: Completion): number | undefined {
		const verdict = this.owner.producers.check(producer);
		if (verdict.kind === "new") return undefined;
		if (verdict.kind === "refused") return this.#refuse(bytes, completion, () => verdict.error);
		this.#host.admission.release(bytes);
		return answerAgain(verdict, completion);
	}

	/** Refuses with what is true once everything accepted so far is durable. */
	#refuse(bytes: number, completion: Completion, reason: () => StreambedError): number {
		this.#host.admission.release(bytes);
		this.afterAccepted((error) => completion.fail(error ?? reason()));
		return Number.NaN;
	}

	/** Calls `then` once all that was accepted so far is durable, or never will be. */
	afterAccepted(then: (error?: unknown) => void): void {
		const last = this.memory.lastUnsettled;
		if (last === undefined) queueMicrotask(() => then());
		else afterFrame(last, then);
	}

	#rollState(): ShardState {
		return { head: this.#acceptedHead, timeFloor: this.#time, sealed: this.#sealing, reason: HeadReason.none };
	}

	/** Why nothing can be appended now, whatever it is. */
	refusal(): StreambedError | undefined {
		return this.owner.deleted ?? this.#host.refusal() ?? this.damage;
	}

	// Rounds

	/**
	 * Gives closed frames to a round, at most about `budget` bytes but at least one, or all up to `through`, beside those that
	 * it has; adds their envelopes; returns all that it has then. Frames with a payload of at least `largeBytes` are not
	 * stamped yet, so that their checksums can be made while the disk works.
	 */
	takeFrames(taking: FrameTaking, budget: number, through?: MemoryFrame): readonly MemoryFrame[] {
		const frames = through === undefined ? this.memory.take(budget) : this.memory.takeThrough(through);
		this.#time = Math.max(this.#time, taking.now);
		addParts(taking, frames, { streamId: this.owner.id, shard: this.shard, time: this.#time });
		return frames;
	}

	/** First half of the end of a round: its frames are durable and visible from now on. */
	show(frames: readonly MemoryFrame[]): void {
		for (const frame of frames) {
			const { chunk, at } = frame;
			chunk.durable = at + memoryFrameBytes(frame);
			if (frame.placed) chunk.placed = [...chunk.placed, at];
			else chunk.segment.anchoredIn = this.#host.span;
			if (frame.state !== undefined) {
				this.#head = Math.max(this.#head, frame.state.head);
				this.#sealed ||= frame.state.sealed;
				continue;
			}
			if (frame.extensionBytes > 0) this.#showProducers(frame);
			this.#tail = frameEnd(frame);
			this.#lastTime = frameTimeAt(frame.chunk.view, frame.at);
			frame.chunk.segment.lastTime = this.#lastTime;
		}
		this.memory.settled(frames);
	}

	#showProducers(frame: MemoryFrame): void {
		for (const flight of frame.flights) this.owner.producers.table.settle(flight);
		this.#host.producersChanged(this);
	}

	/** Second half: those who wait hear of it. */
	settle(frames: readonly MemoryFrame[]): void {
		for (const frame of frames) {
			let from = frame.position;
			const { completions, after, time } = frame;
			const counts = frame.counts ?? frame.lengths;
			forgetWaiting(frame);
			for (let index = 0; index < completions.length; index++) {
				const to = from + (counts[index] as number);
				(completions[index] as Completion).done(from, to, false, time);
				from = to;
			}
			completions.length = 0;
			for (const then of after) then();
		}
		this.#waiters.wake(this.#tail, this.#sealed);
	}

	/** Frames of a round that failed: they may have reached the disk or not. Nobody may begin to wait for them any more. */
	lose(inRound: readonly MemoryFrame[], unknown: StreambedError): void {
		this.memory.settled(inRound);
		this.#fail(inRound, unknown);
	}

	/**
	 * Nothing of what is not durable was written, and nothing will be: it is as if it had never been accepted. What is
	 * returned tells those who wait, which may make them append again.
	 */
	takeBack(refused: StreambedError): () => void {
		const frames = this.memory.takeBack();
		this.#acceptedTail = this.#tail;
		this.#acceptedHead = this.#head;
		this.#sealing = this.#sealed;
		this.owner.producers.table.takeBack();
		return () => this.#fail(frames, refused);
	}

	/** What is in no round yet will be in none: nothing of it was stored. */
	abandon(nothing: StreambedError): void {
		this.#fail(this.memory.abandon(), nothing);
	}

	/** Tells those who wait for frames that they are stored nowhere, or nobody knows, and gives their room back. */
	#fail(frames: readonly MemoryFrame[], error: StreambedError): void {
		for (const frame of frames) settleFailed(frame, error);
		for (const frame of frames) this.#host.admission.release(frame.state === undefined ? frame.payloadBytes : 0);
	}

	// Reading

	/** See `EngineShard.read`. */
	read(position: number, maxBytes: number, options: ReadOptions = {}): Promise<ReadResult> {
		return readShard(this.#host, this, position, maxBytes, options);
	}

	/** See `EngineShard.locate`. */
	locate(query: PositionQuery): Promise<number> {
		return locateInShard(this.#host, this, query);
	}

	/** See `EngineShard.changed`. */
	changed(position: number, signal?: AbortSignal): Promise<void> {
		const aborted = signal?.aborted === true ? abortError(signal, `waiting for ${this.owner.name}`) : undefined;
		const error = aborted ?? this.owner.deleted ?? this.#host.closedError();
		if (error !== undefined) return Promise.reject(error);
		if (this.#tail > position || this.#sealed) return Promise.resolve();
		const stopped = this.#host.stopError();
		if (stopped !== undefined) return Promise.reject(stopped);
		return this.#waiters.wait(position, signal);
	}

	/** The stream is gone: nothing that waits for a round will be in one. */
	drop(error: StreambedError): void {
		this.#fail(this.memory.abandon(), error);
		this.memory.clear();
		this.endWaits(error);
	}

	/** Ends all waits: the stream was deleted or the store closed. */
	endWaits(error: StreambedError): void {
		this.#waiters.end(error);
	}

	#checkReadable(): void {
		const error = this.owner.deleted ?? this.#host.closedError();
		if (error !== undefined) throw error;
	}

	// Head and seal

	/** See `EngineShard.truncateBefore`. */
	async truncateBefore(position: number): Promise<number> {
		await this.#inOrder(() => {
			this.#checkWritable();
			if (position > this.#tail) throw outOfRange(this.owner.name, position, this.#tail);
			if (position <= this.#acceptedHead) return this.accepted();
			this.#acceptedHead = position;
			const newest = this.files.segments.at(-1);
			const allOfMuch = position === this.#acceptedTail && this.memory.fileEnd >= FREED_AT_TAIL_BYTES;
			if (newest !== undefined && allOfMuch) newest.full = true;
			this.#control(FrameType.head, { ...this.#rollState(), reason: HeadReason.truncation });
			return this.accepted();
		});
		return this.#head;
	}

	/** Makes a change in its turn, also where the gate is closed. What it returns waits for it from that turn on: later it may have been taken back. */
	#inOrder(change: () => Promise<void>): Promise<void> {
		return new Promise((resolve, reject) => {
			this.gate.enter(() => {
				try {
					resolve(change());
				} catch (error) {
					reject(error);
				}
			});
		});
	}

	/** What retention has to know: bounds of what is durable, and whether more has been accepted. */
	get retained(): ShardExtent {
		const idle = this.#acceptedTail === this.#tail;
		const { kind } = this.owner;
		return { kind, head: Math.max(this.#head, this.#acceptedHead), tail: this.#tail, idle };
	}

	/** Moves the head to the end of a segment, in the next round; at the tail the newest segment is closed for it. */
	retain(position: number, reason: HeadReason): void {
		if (this.gate.closed || this.#changeRefusal() !== undefined) return;
		if (position <= this.#acceptedHead || position > this.#tail) return;
		const newest = this.files.segments.at(-1);
		if (newest !== undefined && position === this.#acceptedTail) newest.full = true;
		this.#acceptedHead = position;
		this.#control(FrameType.head, { ...this.#rollState(), reason });
	}

	/** See `EngineShard.seal`. */
	async seal(): Promise<number> {
		await this.#inOrder(() => {
			this.#checkReadable();
			if (this.#sealed) return Promise.resolve();
			this.#checkWritable();
			if (!this.#sealing) {
				this.#sealing = true;
				this.#control(FrameType.seal, this.#rollState());
			}
			return this.accepted();
		});
		return this.#tail;
	}

	/** The stream is sealed, and this shard has nothing that could say so. */
	sealEmpty(): void {
		this.#sealing = this.#sealed = true;
		this.#waiters.wake(this.#tail, true);
	}

	#control(type: FrameType, state: ShardState): void {
		this.memory.control(type, state, this.#acceptedTail);
		this.#host.dirty(this);
	}

	/** Resolves once all that was accepted so far is durable. */
	accepted(): Promise<void> {
		return new Promise((resolve, reject) => {
			this.afterAccepted((error) => (error === undefined ? resolve() : reject(error)));
		});
	}

	// Staged data

	/** What stands against adding staged data of so many bytes at the tail now; everything accepted must have settled. */
	adoptionRefusal(bytes: number, expect: number | undefined): StreambedError | undefined {
		return this.refusal() ?? this.conflict(bytes, expect)?.();
	}

	/** What staged data is stamped with: all that is durable, and the time of the next append. */
	stampState(): { readonly head: number; readonly tail: number; readonly timeFloor: number; readonly time: number } {
		const time = Math.max(this.#time, this.#host.retention.stamp());
		return { head: this.#head, tail: this.#tail, timeFloor: this.#time, time };
	}

	/** Segments at the tail have been adopted: their data is visible from now on. Nothing else may be in memory. */
	adopted(segments: readonly Segment[], time: number, tail: number): void {
		this.memory.restart(segments.at(-1)?.bytes ?? 0);
		const known = this.files.segments;
		// One without units stood at the same base, and was replaced. In place: a sweep may be on its way through the list.
		while ((known.at(-1)?.base ?? -1) >= this.#tail) known.pop();
		for (const segment of segments) known.push(segment);
		this.#tail = this.#acceptedTail = tail;
		this.#time = this.#lastTime = time;
		this.#waiters.wake(tail, this.#sealed);
	}

	/** No append is accepted any more. */
	get sealing(): boolean {
		return this.#sealing;
	}

	#checkWritable(): void {
		const error = this.#changeRefusal();
		if (error !== undefined) throw error;
	}

	#changeRefusal(): StreambedError | undefined {
		return this.owner.deleted ?? this.#host.changeRefusal() ?? this.damage;
	}
}
