/**
 * One shard of the owner: accepts appends, gives their frames to rounds, shows what is durable.
 *
 * Positions: head ≤ durable tail ≤ accepted tail. Readers, refusals and answers speak of the durable one; `expect` and
 * new positions of the accepted one. Everything here happens in one turn of the event loop or waits for a round;
 * the order of accepted calls is the order of their frames.
 */
import { abortError } from "../core/abort.ts";
import type { StreambedError } from "../core/errors.ts";
import type { PositionQuery } from "../core/location.ts";
import type { ProducerTriple } from "../core/producers.ts";
import {
	type Completion,
	type Payload,
	payloadLength,
	type ReadOptions,
	type ReadResult,
	type ShardBounds,
	type SubmitOptions,
} from "../core/shard.ts";
import { tripleBytes } from "./entry-extension.ts";
import { FrameType, frameHeaderCrc, frameTimeAt, HeadReason, type ShardState } from "./frame.ts";
import { framePart } from "./frame-part.ts";
import { exhausted, mismatch, outOfRange, sealedError, tooLarge, truncated } from "./log-errors.ts";
import type { LogHost } from "./log-host.ts";
import type { RoundPart } from "./round.ts";
import type { Segment } from "./segment.ts";
import { isGone } from "./segment-reader.ts";
import type { ShardFiles, ShardTail } from "./shard-files.ts";
import { ShardGate } from "./shard-gate.ts";
import { ShardMemory } from "./shard-memory.ts";
import type { ShardOwner } from "./shard-owner.ts";
import {
	afterFrame,
	beginFlight,
	flightBefore,
	forgetWaiting,
	frameEnd,
	type MemoryFrame,
	memoryFrameBytes,
	settleFailed,
	stampFrame,
} from "./tail-memory.ts";
import { TailWaiters } from "./tail-waiters.ts";

/** A shard that this process writes. */
export class ShardLog {
	readonly owner: ShardOwner;
	readonly shard: number;
	readonly files: ShardFiles;
	readonly memory: ShardMemory;
	/** Closed while staged data is adopted. */
	readonly gate: ShardGate = new ShardGate();
	readonly #host: LogHost;
	readonly #damage: StreambedError | undefined;
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
		this.#damage = found.damage;
		this.#head = this.#acceptedHead = found.state.head;
		this.#tail = this.#acceptedTail = Math.max(found.tail, found.state.head);
		this.#sealed = this.#sealing = found.state.sealed;
		this.#time = found.state.timeFloor;
		this.#lastTime = found.lastTime;
		this.memory = new ShardMemory(host.tailCache, owner, shard, files, found.fileEnd);
		const newest = files.segments.at(-1);
		if (newest !== undefined) newest.lastTime ??= found.lastTime ?? undefined;
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
		return this.#damage === undefined ? bounds : { ...bounds, damaged: true };
	}

	// Appending

	/** See `EngineShard.submit`. */
	submit(payload: Payload, options: SubmitOptions, completion: Completion): number {
		const bytes = payloadLength(payload);
		const host = this.#host;
		if (
			!host.takesAppends ||
			this.owner.deleted !== undefined ||
			this.#damage !== undefined ||
			bytes > host.limits.appendBytes
		) {
			const error = this.#refusal() ?? tooLarge(this.owner.name, bytes, host.limits.appendBytes);
			queueMicrotask(() => completion.fail(error));
			return Number.NaN;
		}
		if (this.gate.closed) {
			this.gate.wait(() => this.submit(payload, options, completion));
			return Number.NaN;
		}
		if (!host.admission.admit(bytes)) {
			host.admission.wait(bytes, () => this.#acceptLater(payload, bytes, options, completion));
			return Number.NaN;
		}
		return this.#accept(payload, bytes, options, completion);
	}

	#acceptLater(payload: Payload, bytes: number, options: SubmitOptions, completion: Completion): void {
		if (this.gate.closed) {
			this.gate.wait(() => this.#acceptLater(payload, bytes, options, completion));
			return;
		}
		const error = this.owner.deleted ?? this.#host.stopError();
		if (error === undefined) {
			this.#accept(payload, bytes, options, completion);
			return;
		}
		this.#host.admission.release(bytes);
		completion.fail(error);
	}

	#accept(payload: Payload, bytes: number, options: SubmitOptions, completion: Completion): number {
		const at = this.#acceptedTail;
		const { producer } = options;
		if (producer !== undefined) {
			const answered = this.#answerKnown(producer, bytes, completion);
			if (answered !== undefined) return answered;
		}
		if (this.#sealing) return this.#refuse(bytes, completion, () => sealedError(this.owner.name, this.#tail));
		if (at + bytes > Number.MAX_SAFE_INTEGER)
			return this.#refuse(bytes, completion, () => exhausted(this.owner.name, bytes, this.#tail));
		if (options.expect !== undefined && options.expect !== at) {
			const { expect } = options;
			return this.#refuse(bytes, completion, () => mismatch(this.owner.name, expect, at));
		}
		if (bytes === 0) {
			this.#afterAccepted((error) => {
				if (error === undefined) completion.done(at, at, false);
				else completion.fail(error);
			});
			return at;
		}
		if (producer !== undefined) this.#addProduced(payload, bytes, producer, completion);
		else if (!this.memory.extend(payload, bytes, 0, completion)) this.#addFrame(payload, bytes, 0, completion);
		this.#acceptedTail += bytes;
		const { admission } = this.#host;
		if (admission.bytes >= admission.mark) this.#host.markReached();
		return at;
	}

	#addFrame(payload: Payload, bytes: number, extensionBytes: number, completion: Completion): void {
		const at = this.#acceptedTail;
		const now = this.#closeOldSegment(at);
		this.memory.append(payload, bytes, extensionBytes, at, this.#rollState(), completion);
		if (now !== undefined) (this.files.segments.at(-1) as Segment).since ??= now;
		this.#host.dirty(this);
	}

	/** Adds an entry that is a producer's: where it follows on the entry before, that is all that has to be said of it. */
	#addProduced(payload: Payload, bytes: number, triple: ProducerTriple, completion: Completion): void {
		const { epoch, sequence } = triple;
		const { table } = this.owner.producers;
		const producer = table.get(triple.id);
		const { open } = this.memory;
		const flight = open && flightBefore(open, producer, epoch);
		if (flight !== undefined && this.memory.extend(payload, bytes, 0, completion)) {
			producer.extend(flight);
			return;
		}
		const extensionBytes = tripleBytes(producer.idBytes);
		const extended = flight === undefined && this.memory.extend(payload, bytes, extensionBytes, completion);
		if (!extended) this.#addFrame(payload, bytes, extensionBytes, completion);
		beginFlight(this.memory.open as MemoryFrame, producer, epoch, sequence, this.#acceptedTail);
	}

	/** Answers an append that its producer has made before, or may not make; `undefined` if it is a new one. */
	#answerKnown(producer: ProducerTriple, bytes: number, completion: Completion): number | undefined {
		const verdict = this.owner.producers.check(producer);
		if (verdict.kind === "new") return undefined;
		if (verdict.kind === "refused") return this.#refuse(bytes, completion, () => verdict.error);
		this.#host.admission.release(bytes);
		if (verdict.kind === "stored") {
			const { from, to } = verdict.answer;
			queueMicrotask(() => completion.done(from, to, true));
			return from;
		}
		const { from, to, by } = verdict.append;
		afterFrame(by, (error) => (error === undefined ? completion.done(from, to, true) : completion.fail(error)));
		return from;
	}

	/** Where an age is set, segments are closed by time as well, whichever way the clock has gone since they were begun. */
	#closeOldSegment(position: number): number | undefined {
		const { rollMs } = this.owner;
		if (rollMs === undefined) return undefined;
		const newest = this.files.segments.at(-1);
		const now = this.#host.clock.now();
		if (newest === undefined) return now;
		if (newest.since === undefined || position === newest.base) newest.since = now;
		else if (Math.abs(now - newest.since) >= rollMs) newest.full = true;
		return now;
	}

	/** Refuses with what is true once everything accepted so far is durable. */
	#refuse(bytes: number, completion: Completion, reason: () => StreambedError): number {
		this.#host.admission.release(bytes);
		this.#afterAccepted((error) => completion.fail(error ?? reason()));
		return Number.NaN;
	}

	#afterAccepted(then: (error?: unknown) => void): void {
		const last = this.memory.lastUnsettled;
		if (last === undefined) queueMicrotask(() => then());
		else afterFrame(last, then);
	}

	#rollState(): ShardState {
		return { head: this.#acceptedHead, timeFloor: this.#time, sealed: this.#sealing, reason: HeadReason.none };
	}

	#refusal(): StreambedError | undefined {
		return this.owner.deleted ?? this.#host.refusal() ?? this.#damage;
	}

	// Rounds

	/**
	 * Gives closed frames to a round, at most about `budget` bytes but at least one, and adds their envelopes. Frames with a
	 * payload of at least `largeBytes` are not stamped yet, so that their checksums can be made while the disk works.
	 */
	takeFrames(round: number, now: number, budget: number, largeBytes: number, parts: RoundPart[]): MemoryFrame[] {
		const frames = this.memory.take(budget);
		this.#time = Math.max(this.#time, now);
		for (const frame of frames) {
			frame.time = this.#time;
			const small = frame.payloadBytes < largeBytes;
			if (small) stampFrame(frame, round);
			const crc = small ? frameHeaderCrc(frame.chunk.view, frame.at) : Number.NaN;
			parts.push(framePart(frame, this.shard, this.owner.id, crc));
		}
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
			const { completions, lengths, after } = frame;
			forgetWaiting(frame);
			for (let index = 0; index < completions.length; index++) {
				const to = from + (lengths[index] as number);
				(completions[index] as Completion).done(from, to, false);
				from = to;
			}
			completions.length = 0;
			for (const then of after) then();
		}
		this.#waiters.wake(this.#tail, this.#sealed);
	}

	/** Frames of a round that failed: they may have reached the disk or not. */
	lose(inRound: readonly MemoryFrame[], unknown: StreambedError): void {
		for (const frame of inRound) settleFailed(frame, unknown);
	}

	/** Nothing of what is not durable was written, and nothing will be: it is as if it had never been accepted. */
	takeBack(refused: StreambedError): void {
		const frames = this.memory.takeBack();
		this.#acceptedTail = this.#tail;
		this.#acceptedHead = this.#head;
		this.#sealing = this.#sealed;
		this.owner.producers.table.takeBack();
		for (const frame of frames) settleFailed(frame, refused);
		for (const frame of frames) this.#host.admission.release(frame.state === undefined ? frame.payloadBytes : 0);
	}

	/** What is in no round yet will be in none: nothing of it was stored. */
	abandon(nothing: StreambedError): void {
		for (const frame of this.memory.abandon()) settleFailed(frame, nothing);
	}

	// Reading

	/** See `EngineShard.read`. */
	async read(position: number, maxBytes: number, options: ReadOptions = {}): Promise<ReadResult> {
		for (let attempt = 0; ; attempt++) {
			this.#checkReadable();
			const { head, tail, sealed } = this.bounds();
			if (position < head) throw truncated(this.owner.name, position, head);
			if (position > tail) throw outOfRange(this.owner.name, position, tail);
			if (position === tail) {
				// Where the shard ends is not known: what may follow must not look like an end.
				if (this.#damage !== undefined) throw this.#damage;
				return { kind: sealed ? "end" : "nothing", tail };
			}
			const runs = this.memory.read(position, tail, maxBytes, options.borders === true);
			if (runs !== undefined) return { kind: "data", runs };
			try {
				return await this.files.read(position, maxBytes, options.borders === true);
			} catch (error) {
				// A truncation may have removed the file meanwhile: the next turn says so.
				if (!isGone(error)) throw error;
				if (attempt > 0 && position >= this.#head) throw await this.#host.vanished(this, error);
			}
		}
	}

	/** See `EngineShard.locate`. */
	async locate(query: PositionQuery): Promise<number> {
		const { head, tail } = this.bounds();
		if (query.at === "head") return head;
		if (query.at === "tail") return tail;
		if (query.at === "last") return Math.max(head, tail - query.count);
		if (query.at === "time") return await this.#locateTime(query.time);
		if (query.position < head) throw truncated(this.owner.name, query.position, head);
		if (query.position > tail) throw outOfRange(this.owner.name, query.position, tail);
		return query.position;
	}

	async #locateTime(time: number): Promise<number> {
		const { head, tail } = this.bounds();
		const inMemory = this.memory.locateTime(time, tail);
		const found = inMemory ?? (await this.files.locateTime(time)) ?? this.memory.firstPosition ?? tail;
		return Math.min(Math.max(found, head), tail);
	}

	/** See `EngineShard.changed`. */
	changed(position: number, signal?: AbortSignal): Promise<void> {
		const aborted = signal?.aborted === true ? abortError(signal, `waiting for ${this.owner.name}`) : undefined;
		const error = aborted ?? this.owner.deleted ?? this.#host.closedError();
		if (error !== undefined) return Promise.reject(error);
		if (this.#tail > position || this.#sealed) return Promise.resolve();
		return this.#waiters.wait(position, signal);
	}

	/** The stream is gone: nothing that waits for a round will be in one. */
	drop(error: StreambedError): void {
		for (const frame of this.memory.abandon()) {
			this.#host.admission.release(frame.state === undefined ? frame.payloadBytes : 0);
			settleFailed(frame, error);
		}
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
		while (this.gate.closed) await this.gate.opened();
		this.#checkWritable();
		if (position > this.#tail) throw outOfRange(this.owner.name, position, this.#tail);
		if (position > this.#acceptedHead) {
			this.#acceptedHead = position;
			this.#control(FrameType.head, { ...this.#rollState(), reason: HeadReason.truncation });
		}
		await this.accepted();
		return this.#head;
	}

	/** What retention has to know: bounds of what is durable, and whether more has been accepted. */
	get retained(): { readonly head: number; readonly tail: number; readonly idle: boolean } {
		const idle = this.#acceptedTail === this.#tail;
		return { head: Math.max(this.#head, this.#acceptedHead), tail: this.#tail, idle };
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
		while (this.gate.closed) await this.gate.opened();
		this.#checkReadable();
		if (this.#sealed) return this.#tail;
		this.#checkWritable();
		if (!this.#sealing) {
			this.#sealing = true;
			this.#control(FrameType.seal, this.#rollState());
		}
		await this.accepted();
		return this.#tail;
	}

	#control(type: FrameType, state: ShardState): void {
		this.memory.control(type, state, this.#acceptedTail);
		this.#host.dirty(this);
	}

	/** Resolves once all that was accepted so far is durable. */
	accepted(): Promise<void> {
		return new Promise((resolve, reject) => {
			this.#afterAccepted((error) => (error === undefined ? resolve() : reject(error)));
		});
	}

	// Staged data

	/** What stands against adding staged data of so many bytes at the tail now; everything accepted must have settled. */
	adoptionRefusal(bytes: number, expect: number | undefined): StreambedError | undefined {
		const { name } = this.owner;
		const refusal = this.#refusal();
		if (refusal !== undefined) return refusal;
		if (this.#sealing) return sealedError(name, this.#tail);
		if (this.#tail + bytes > Number.MAX_SAFE_INTEGER) return exhausted(name, bytes, this.#tail);
		return expect === undefined || expect === this.#tail ? undefined : mismatch(name, expect, this.#tail);
	}

	/** What staged data is stamped with: all that is durable, and the time of the next append. */
	stampState(): { readonly head: number; readonly tail: number; readonly timeFloor: number; readonly time: number } {
		const time = Math.max(this.#time, this.#host.clock.now());
		return { head: this.#head, tail: this.#tail, timeFloor: this.#time, time };
	}

	/** Segments at the tail have been adopted: their data is visible from now on. Nothing else may be in memory. */
	adopted(segments: readonly Segment[], time: number, tail: number): void {
		this.memory.clear();
		// One without units stood at the same base, and was replaced.
		this.files.segments = [...this.files.segments.filter(({ base }) => base < this.#tail), ...segments];
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
		return this.owner.deleted ?? this.#host.changeRefusal() ?? this.#damage;
	}
}
