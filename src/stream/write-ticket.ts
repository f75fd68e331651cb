/** The answer to a write: where it will stand, and promises that are made only for those who ask. */
import type { Appended, Completion } from "../engine/contract.ts";

/** What `await writer.write(bytes)` gives: the write was taken; `durable` tells when it is stored. */
export interface Written {
	/** Provisional position of the first byte: final only once `durable` has resolved. */
	readonly offset: number;
	/** Resolves with the positions when the write is durable. Unwatched, a failure is told by the next flush or close. */
	readonly durable: Promise<Appended>;
}

/** The answer to `write`. Awaiting it waits for room, not for durability. */
export interface WriteTicket extends PromiseLike<Written> {
	/** Provisional position of the first byte; NaN until the write was handed to the engine. */
	readonly offset: number;
	/** Resolves with the positions when the write is durable. Unwatched, a failure is told by the next flush or close. */
	readonly durable: Promise<Appended>;
}

/** Writes between two flushes: a flush waits until those before it have settled. */
export interface FlushGroup {
	readonly owner: TicketOwner;
	pending: number;
	failed: boolean;
	failure: unknown;
	/** Called when `pending` reaches 0. */
	readonly waiters: (() => void)[];
}

/** Who hears of a ticket's fate. */
export interface TicketOwner {
	settled(ticket: Ticket, failed: boolean, error: unknown): void;
	/** Somebody looks at the ticket's failure. */
	watched(ticket: Ticket): void;
}

const queued = 0;
const accepted = 1;
const done = 2;
const failed = 3;

function ignore(): void {}

/** A promise that knows whether anybody listens to it. */
export class DurablePromise<T = Appended> extends Promise<T> {
	static override get [Symbol.species](): PromiseConstructor {
		return Promise;
	}

	/** Set right after construction; the executor of the base class runs too early for it. */
	ticket: { watch(): void } | undefined;

	// biome-ignore lint/suspicious/noThenProperty: listening is what has to be noticed
	override then<A = T, B = never>(
		onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
		onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
	): Promise<A | B> {
		this.ticket?.watch();
		return super.then(onFulfilled, onRejected);
	}
}

class Receipt implements Written {
	readonly #ticket: Ticket;

	constructor(ticket: Ticket) {
		this.#ticket = ticket;
	}

	get offset(): number {
		return this.#ticket.offset;
	}

	get durable(): Promise<Appended> {
		return this.#ticket.durable;
	}
}

/** What is made only for those who ask. */
interface Listeners {
	durable: DurablePromise | undefined;
	resolveDurable: ((result: Appended) => void) | undefined;
	rejectDurable: ((error: unknown) => void) | undefined;
	room: Promise<Written> | undefined;
	resolveRoom: ((written: Written) => void) | undefined;
	rejectRoom: ((error: unknown) => void) | undefined;
}

/** One write. It is the engine's completion at the same time, so that a write costs one small object. */
export class Ticket implements WriteTicket, Completion {
	readonly group: FlushGroup;
	/** Bytes that the engine has under this ticket. */
	inFlight = 0;
	#state = queued;
	#isWatched = false;
	/** Provisional offset, then the one that is stored; −1, which unlike NaN is a small integer to the engine, until known. */
	#from = -1;
	/** Where the write ends once it is done, or why it failed. */
	#outcome: unknown;
	#listeners: Listeners | undefined;

	constructor(group: FlushGroup) {
		this.group = group;
	}

	get offset(): number {
		return this.#from < 0 ? Number.NaN : this.#from;
	}

	get durable(): Promise<Appended> {
		const listeners = this.#listen();
		listeners.durable ??= this.#makeDurable(listeners);
		return listeners.durable;
	}

	/** Somebody will hear of a failure. */
	get isWatched(): boolean {
		return this.#isWatched;
	}

	/** The write was handed over, or has settled. */
	get hasRoom(): boolean {
		return this.#state === accepted || this.#state === done;
	}

	get error(): unknown {
		return this.#state === failed ? this.#outcome : undefined;
	}

	/** The provisional position is known; room is granted separately. */
	place(offset: number): void {
		if (offset >= 0) this.#from = offset;
	}

	/** There was room for it. */
	accept(): void {
		if (this.#state !== queued) return;
		this.#state = accepted;
		this.#listeners?.resolveRoom?.(new Receipt(this));
	}

	done(from: number, to: number, duplicate: boolean): void {
		this.#from = from;
		this.#outcome = duplicate ? { to } : to;
		this.#state = done;
		const listeners = this.#listeners;
		if (listeners !== undefined) {
			listeners.resolveRoom?.(new Receipt(this));
			listeners.resolveDurable?.(this.#result());
		}
		this.group.owner.settled(this, false, undefined);
	}

	fail(error: unknown): void {
		this.refuse(error);
		this.group.owner.settled(this, true, error);
	}

	/** Fails without telling the owner, who does the refusing. */
	refuse(error: unknown): void {
		const listeners = this.#listeners;
		if (listeners?.rejectRoom !== undefined && this.#state === queued) this.#isWatched = true;
		this.#outcome = error;
		this.#state = failed;
		listeners?.rejectRoom?.(error);
		listeners?.rejectDurable?.(error);
	}

	watch(): void {
		if (this.#isWatched) return;
		this.#isWatched = true;
		if (this.#state === failed) this.group.owner.watched(this);
	}

	// biome-ignore lint/suspicious/noThenProperty: awaiting a ticket waits for room
	then<A = Written, B = never>(
		onFulfilled?: ((value: Written) => A | PromiseLike<A>) | null,
		onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
	): Promise<A | B> {
		if (this.#state === failed) this.watch();
		const listeners = this.#listen();
		listeners.room ??= this.#makeRoom(listeners);
		return listeners.room.then(onFulfilled, onRejected);
	}

	#listen(): Listeners {
		this.#listeners ??= {
			durable: undefined,
			resolveDurable: undefined,
			rejectDurable: undefined,
			room: undefined,
			resolveRoom: undefined,
			rejectRoom: undefined,
		};
		return this.#listeners;
	}

	#result(): Appended {
		const duplicate = typeof this.#outcome === "object";
		const to = duplicate ? (this.#outcome as { to: number }).to : (this.#outcome as number);
		return { from: this.#from, to, duplicate };
	}

	#makeRoom(listeners: Listeners): Promise<Written> {
		if (this.#state === failed) return Promise.reject(this.#outcome);
		if (this.#state !== queued) return Promise.resolve(new Receipt(this));
		return new Promise((resolve, reject) => {
			listeners.resolveRoom = resolve;
			listeners.rejectRoom = reject;
		});
	}

	#makeDurable(listeners: Listeners): DurablePromise {
		const promise = new DurablePromise((resolve, reject) => {
			if (this.#state === failed) reject(this.#outcome);
			else if (this.#state === done) resolve(this.#result());
			else {
				listeners.resolveDurable = resolve;
				listeners.rejectDurable = reject;
			}
		});
		// Not through the override: this listener only keeps the process from stopping.
		Promise.prototype.then.call(promise, undefined, ignore);
		promise.ticket = this;
		return promise;
	}
}
