/**
 * What stands between `write` and the engine: a bound on bytes in flight, order, and the memory of failures that
 * nobody has looked at yet.
 *
 * A write goes to the engine at once while there is room, else its bytes are copied and wait here. A failed write
 * fails all that wait behind it. While a failure is unreported, further writes are refused with it, so that no gap
 * opens that nobody knows of. A conditional queue is blocked by any failure until it is armed again, one with a producer
 * for good: numbers behind the failed one would be a gap.
 */
import { fail, StreambedError } from "../../core/errors.ts";
import { producerAppendsMax } from "../../core/producers.ts";
import type { Appended, Completion, EngineShard, SubmitOptions } from "../../engine/contract.ts";
import type { Sequencer } from "../producer.ts";
import type { StreamAccess } from "../stream-access.ts";
import { type FlushGroup, Ticket, type TicketOwner } from "../write-ticket.ts";

const unconditional: SubmitOptions = Object.freeze({});

interface Waiting {
	readonly ticket: Ticket;
	/** Owned by the queue. */
	readonly data: Uint8Array;
	next: Waiting | undefined;
}

/** How a queue hands writes over. */
interface QueueOptions {
	readonly maxInFlightBytes: number;
	readonly conditional: boolean;
	readonly producer: Sequencer | undefined;
}

/** The writes of one writer, in order. */
export class WriteQueue implements TicketOwner {
	readonly #access: StreamAccess;
	readonly #maxInFlight: number;
	readonly #appendBytes: number;
	readonly #conditional: boolean;
	readonly #producer: Sequencer | undefined;
	/** Writes of the producer that the engine has. */
	#numbered = 0;
	#first: Waiting | undefined;
	#last: Waiting | undefined;
	#waitingBytes = 0;
	#inFlight = 0;
	#shard: EngineShard | undefined;
	#opening = false;
	#group: FlushGroup = newGroup(this);
	/** Groups closed by a flush whose writes have not all settled. */
	readonly #flushing = new Set<FlushGroup>();
	/** Failed writes whose failure nobody has looked at. */
	readonly #lost = new Set<Ticket>();
	/** Why a conditional queue takes nothing. */
	#blocked: unknown;
	/** Position that the next conditional append expects; NaN until known. */
	#expected = Number.NaN;
	/** Nothing more is submitted until what is in flight has settled. */
	#holding = false;

	constructor(access: StreamAccess, options: QueueOptions) {
		this.#access = access;
		this.#maxInFlight = options.maxInFlightBytes;
		this.#appendBytes = access.context.engine.appendBytes;
		this.#conditional = options.conditional;
		this.#producer = options.producer;
		if (options.conditional) this.#open();
		else this.#shard = access.shardNow;
	}

	/** Tells whether a small write would be handed over at once. */
	get hasRoom(): boolean {
		const fits = this.#inFlight < this.#maxInFlight && this.#numbered < producerAppendsMax;
		return this.#first === undefined && fits && !this.#holding;
	}

	/** Where the next write would begin; NaN until the stream is open. */
	get offset(): number {
		if (this.#shard === undefined) return Number.NaN;
		return (this.#conditional ? this.#expected : this.#shard.acceptedTail) + this.#waitingBytes;
	}

	/** Takes a write; the caller may reuse the array when this returns. */
	write(bytes: Uint8Array): Ticket {
		if (this.#blocked !== undefined) return this.refused(this.#blocked);
		if (this.#lost.size > 0 && !this.#conditional) return this.refused(this.#firstLost());
		if (this.#producer !== undefined && bytes.length > this.#appendBytes) return this.refused(this.#tooLarge(bytes));
		const ticket = new Ticket(this.#group);
		const length = bytes.length;
		const shard = this.#shard;
		this.#group.pending++;
		if (shard !== undefined && this.#first === undefined && this.#fits(length) && shard.acceptsNow(length)) {
			this.#submit(shard, bytes, ticket);
			ticket.accept();
		} else {
			// Not slice(): a Buffer's gives a view.
			this.#wait(ticket, new Uint8Array(bytes));
			if (shard === undefined) this.#open();
			else this.#pump(shard);
		}
		return ticket;
	}

	/** A ticket that failed from the start; flush or close tells it if nobody looks. */
	refused(error: unknown): Ticket {
		const ticket = new Ticket(this.#group);
		ticket.refuse(error);
		if (this.#lost.size === 0) this.#lost.add(ticket);
		return ticket;
	}

	/** Waits until all writes so far have settled; rejects if one failed meanwhile, or unreported before. */
	async flush(): Promise<void> {
		const failure = await this.settle();
		const lost = this.#takeLost();
		if (lost !== undefined) throw lost.error;
		if (failure !== undefined) throw failure.error;
	}

	/** Waits until all writes so far have settled, and tells the first failure that happened during the wait. */
	async settle(): Promise<{ readonly error: unknown } | undefined> {
		if (this.#group.pending > 0) {
			this.#flushing.add(this.#group);
			this.#group = newGroup(this);
		}
		const groups = [...this.#flushing];
		await Promise.all(groups.map(groupSettled));
		const failedGroup = groups.find((group) => group.failed);
		return failedGroup === undefined ? undefined : { error: failedGroup.failure };
	}

	/** Goes on at the tail once everything written has settled, and takes writes again. */
	async seekToTail(): Promise<number> {
		await this.settle();
		const shard = await this.#access.shard();
		const { tail } = await shard.bounds();
		this.#shard = shard;
		this.#expected = tail;
		if (this.#producer === undefined) this.#blocked = undefined;
		return tail;
	}

	/** Fails everything that waits; what the engine has is left to it. */
	drop(error: unknown): void {
		let waiting = this.#first;
		this.#first = undefined;
		this.#last = undefined;
		this.#waitingBytes = 0;
		for (; waiting !== undefined; waiting = waiting.next) waiting.ticket.fail(error);
	}

	settled(ticket: Ticket, failed: boolean, error: unknown): void {
		this.#release(ticket.inFlight);
		const group = ticket.group;
		if (failed) {
			if (!ticket.isWatched) this.#lost.add(ticket);
			if (!group.failed) {
				group.failed = true;
				group.failure = error;
			}
			if (this.#conditional || this.#producer !== undefined) this.#blocked ??= error;
			this.drop(error);
		}
		group.pending--;
		if (group.pending === 0 && this.#flushing.delete(group)) for (const wake of group.waiters) wake();
		if (this.#first !== undefined && this.#shard !== undefined) this.#pump(this.#shard);
	}

	watched(ticket: Ticket): void {
		this.#lost.delete(ticket);
	}

	#fits(length: number): boolean {
		if (length === 0 || length > this.#appendBytes || this.#holding) return false;
		if (this.#numbered >= producerAppendsMax) return false;
		return this.#inFlight === 0 || this.#inFlight + length <= this.#maxInFlight;
	}

	#wait(ticket: Ticket, data: Uint8Array): void {
		const waiting: Waiting = { ticket, data, next: undefined };
		if (this.#last === undefined) this.#first = waiting;
		else this.#last.next = waiting;
		this.#last = waiting;
		this.#waitingBytes += data.length;
	}

	/** Hands over what waits while there is room. */
	#pump(shard: EngineShard): void {
		for (let waiting = this.#first; waiting !== undefined && !this.#holding; waiting = this.#first) {
			const { ticket, data } = waiting;
			const chunked = data.length > this.#appendBytes;
			if (chunked ? this.#inFlight > 0 : data.length > 0 && !this.#fits(data.length)) return;
			// A full engine is waited for here, as long as something of ours will come back and wake this loop.
			if (this.#inFlight > 0 && !shard.acceptsNow(1)) return;
			this.#first = waiting.next;
			if (this.#first === undefined) this.#last = undefined;
			this.#waitingBytes -= data.length;
			if (data.length === 0) {
				const at = this.offset;
				ticket.done(at, at, false);
			} else if (chunked) {
				this.#holding = true;
				this.#submitChunk(shard, ticket, data, undefined);
			} else {
				this.#submit(shard, data, ticket);
				ticket.accept();
			}
		}
	}

	#submit(shard: EngineShard, data: Uint8Array, ticket: Ticket): void {
		ticket.inFlight = data.length;
		this.#inFlight += data.length;
		if (this.#producer !== undefined) this.#numbered++;
		ticket.place(shard.submit(data, this.#submitOptions(shard, data.length), ticket));
	}

	#submitOptions(shard: EngineShard, length: number): SubmitOptions {
		if (this.#conditional) return this.#condition(shard, length);
		return this.#producer === undefined ? unconditional : { producer: this.#producer.next() };
	}

	/** The condition of the next append. Where it is sure to fail, nothing may follow before it has: what follows could meet its own. */
	#condition(shard: EngineShard, length: number): SubmitOptions {
		const expect = this.#expected;
		if (shard.acceptedTail !== expect) this.#holding = true;
		this.#expected = expect + length;
		return { expect };
	}

	/** One piece of a write beyond the limit; the next follows when it is durable, so that what is stored is a prefix. */
	#submitChunk(shard: EngineShard, ticket: Ticket, rest: Uint8Array, before: Appended | undefined): void {
		const chunk = rest.subarray(0, this.#appendBytes);
		const next = rest.subarray(chunk.length);
		this.#inFlight += chunk.length;
		const completion: Completion = {
			done: (from, to) => {
				this.#inFlight -= chunk.length;
				const stored = { from: before?.from ?? from, to, duplicate: false };
				if (next.length > 0) return this.#submitChunk(shard, ticket, next, stored);
				this.#holding = false;
				ticket.done(stored.from, stored.to, stored.duplicate);
			},
			fail: (error) => {
				this.#inFlight -= chunk.length;
				this.#holding = false;
				ticket.fail(partlyStored(error, before));
			},
		};
		const options = this.#conditional ? this.#condition(shard, chunk.length) : unconditional;
		const offset = shard.submit(chunk, options, completion);
		if (before === undefined) ticket.place(offset);
		if (next.length === 0) ticket.accept();
	}

	#release(bytes: number): void {
		if (bytes === 0) return;
		this.#inFlight -= bytes;
		if (this.#producer !== undefined) this.#numbered--;
		if (this.#inFlight === 0) this.#holding = false;
	}

	#open(): void {
		if (this.#opening) return;
		this.#opening = true;
		this.#openShard().catch((error: unknown) => this.drop(error));
	}

	async #openShard(): Promise<void> {
		try {
			const shard = await this.#access.shard();
			if (this.#conditional) this.#expected = (await shard.bounds()).tail;
			this.#shard = shard;
		} finally {
			this.#opening = false;
		}
		this.#pump(this.#shard);
	}

	#tooLarge({ length }: Uint8Array): StreambedError {
		const limit = this.#appendBytes;
		const what = `write of ${length} bytes to ${this.#access.label} by a producer is larger than the limit of ${limit}`;
		return fail("TOO_LARGE", what, {
			hint: "Split it: each write of a producer is one append.",
			details: { bytes: length, limit },
		});
	}

	#firstLost(): unknown {
		for (const ticket of this.#lost) return ticket.error;
		return undefined;
	}

	#takeLost(): { readonly error: unknown } | undefined {
		if (this.#lost.size === 0) return undefined;
		const error = this.#firstLost();
		this.#lost.clear();
		return { error };
	}
}

function newGroup(owner: TicketOwner): FlushGroup {
	return { owner, pending: 0, failed: false, failure: undefined, waiters: [] };
}

function groupSettled(group: FlushGroup): Promise<void> | undefined {
	if (group.pending === 0) return undefined;
	return new Promise((resolve) => group.waiters.push(resolve));
}

/** Adds how far a write in several appends came. */
function partlyStored(error: unknown, stored: Appended | undefined): unknown {
	if (!StreambedError.is(error)) return error;
	const how = stored === undefined ? "nothing of the write is stored" : `the write is stored up to ${stored.to} only`;
	return new StreambedError(error.code, `${error.message}; ${how}`, {
		cause: error,
		hint: error.hint,
		details: { ...error.details, acknowledgedTo: stored?.to ?? null },
	});
}
