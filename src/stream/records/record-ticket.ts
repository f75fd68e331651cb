/** The answer to a record that was written: promises that are made only for those who ask. */

import { DurablePromise } from "../write-ticket.ts";
import type { RecordAppended } from "./record-append.ts";

/** What `await writer.write(record)` gives: the record was taken; `durable` tells when it is stored, and where. */
export interface RecordWritten {
	/** Resolves with the place when the record is durable. Unwatched, a failure is told by the next write, flush or close. */
	readonly durable: Promise<RecordAppended>;
}

/** The answer to `write`. Awaiting it waits for room, not for durability. */
export interface RecordTicket extends RecordWritten, PromiseLike<RecordWritten> {}

/** Records between two flushes: a flush waits until those before it have settled. */
export interface RecordGroup {
	pending: number;
	failure: { readonly error: unknown } | undefined;
	/** Called when `pending` reaches 0. */
	readonly waiters: (() => void)[];
}

/** Who hears of a ticket. */
export interface TicketHolder {
	/** The record has settled. */
	settled(ticket: WrittenRecord): void;
	/** Somebody looks at its failure. */
	watched(ticket: WrittenRecord): void;
}

/** One record of a writer. */
export class WrittenRecord implements RecordTicket {
	readonly group: RecordGroup;
	readonly bytes: number;
	/** It goes to its shard whatever its key: somebody named it, or it was its turn. */
	readonly fixed: boolean;
	readonly #holder: TicketHolder;
	failure: { readonly error: unknown } | undefined;
	isWatched = false;
	#hasRoom = false;
	#appended: RecordAppended | undefined;
	#durable: DurablePromise<RecordAppended> | undefined;
	#resolveDurable: ((result: RecordAppended) => void) | undefined;
	#rejectDurable: ((error: unknown) => void) | undefined;
	#room: Promise<RecordWritten> | undefined;
	#resolveRoom: ((written: RecordWritten) => void) | undefined;
	#rejectRoom: ((error: unknown) => void) | undefined;

	constructor(holder: TicketHolder, group: RecordGroup, bytes: number, fixed: boolean) {
		this.#holder = holder;
		this.group = group;
		this.bytes = bytes;
		this.fixed = fixed;
	}

	get durable(): Promise<RecordAppended> {
		this.#durable ??= this.#makeDurable();
		return this.#durable;
	}

	/** There is room for it. */
	accept(): void {
		if (this.#hasRoom) return;
		this.#hasRoom = true;
		this.#resolveRoom?.(new Receipt(this));
	}

	done(appended: RecordAppended): void {
		this.#appended = appended;
		this.accept();
		this.#resolveDurable?.(appended);
		this.#holder.settled(this);
	}

	fail(error: unknown): void {
		this.refuse(error);
		this.#holder.settled(this);
	}

	/** Fails without telling the writer, who does the refusing. */
	refuse(error: unknown): void {
		this.failure = { error };
		if (this.#rejectRoom !== undefined && !this.#hasRoom) this.isWatched = true;
		this.#rejectRoom?.(error);
		this.#rejectDurable?.(error);
	}

	watch(): void {
		if (this.isWatched) return;
		this.isWatched = true;
		if (this.failure !== undefined) this.#holder.watched(this);
	}

	// biome-ignore lint/suspicious/noThenProperty: awaiting a ticket waits for room
	then<A = RecordWritten, B = never>(
		onFulfilled?: ((value: RecordWritten) => A | PromiseLike<A>) | null,
		onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
	): Promise<A | B> {
		if (this.failure !== undefined && !this.#hasRoom) this.watch();
		this.#room ??= this.#makeRoom();
		return this.#room.then(onFulfilled, onRejected);
	}

	#makeRoom(): Promise<RecordWritten> {
		if (this.#hasRoom) return Promise.resolve(new Receipt(this));
		if (this.failure !== undefined) return Promise.reject(this.failure.error);
		return new Promise((resolve, reject) => {
			this.#resolveRoom = resolve;
			this.#rejectRoom = reject;
		});
	}

	#makeDurable(): DurablePromise<RecordAppended> {
		const promise = new DurablePromise<RecordAppended>((resolve, reject) => {
			if (this.failure !== undefined) reject(this.failure.error);
			else if (this.#appended !== undefined) resolve(this.#appended);
			else {
				this.#resolveDurable = resolve;
				this.#rejectDurable = reject;
			}
		});
		// Not through the override: this listener only keeps the process from stopping.
		Promise.prototype.then.call(promise, undefined, () => {});
		promise.ticket = this;
		return promise;
	}
}

class Receipt implements RecordWritten {
	readonly #ticket: WrittenRecord;

	constructor(ticket: WrittenRecord) {
		this.#ticket = ticket;
	}

	get durable(): Promise<RecordAppended> {
		return this.#ticket.durable;
	}
}
