/** Writing to a byte stream with many appends in flight. */
import { abortable, checkSignal, throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { describe, rejectUnknown, requireInteger } from "../../core/options.ts";
import type { ProducerTriple } from "../../core/producers.ts";
import type { EngineStaged } from "../../engine/contract.ts";
import { checkMultipartOptions, type MultipartOptions } from "../multipart-options.ts";
import { checkSequencer, type Producer } from "../producer.ts";
import { refuseMultipart, refuseProducer } from "../refusals.ts";
import type { StreamAccess } from "../stream-access.ts";
import { isBytes, notBytes } from "../user-bytes.ts";
import type { WriteTicket } from "../write-ticket.ts";
import { Multipart } from "./multipart.ts";
import { WriteQueue } from "./write-queue.ts";

/** How to write. */
export interface ByteWriterOptions {
	/** Bytes handed to the store and not yet durable; beyond that, awaiting a write waits. Default 16 MiB. */
	readonly maxInFlightBytes?: number | undefined;
	/**
	 * Each write demands that the tail is where this writer left it: the tail at its creation, then the end of its
	 * last write. The first that meets another tail fails with POSITION_MISMATCH, as does all after it until
	 * `seekToTail()`. Default false.
	 */
	readonly conditional?: boolean | undefined;
	/**
	 * Numbers the writes: a producer that was taken, or the triple of the first write, which counts up from there. Each
	 * write is one append, then, and may not be larger than `limits.appendBytes`. At most 4,096 are in flight. After a
	 * failure the writer takes nothing more: close it, take the producer again, and go on behind its `last`.
	 */
	readonly producer?: Producer | ProducerTriple | undefined;
}

const defaultMaxInFlightBytes: number = 16 * 1024 * 1024;

/** Writes in order, many at a time. Close it: that flushes. */
export class ByteWriter implements AsyncDisposable {
	readonly #access: StreamAccess;
	readonly #queue: WriteQueue;
	readonly #conditional: boolean;
	readonly #numbered: boolean;
	#closing: Promise<void> | undefined;

	/** Made by `stream.writer()`. */
	constructor(access: StreamAccess, options: ByteWriterOptions = {}) {
		rejectUnknown(options, ["maxInFlightBytes", "conditional", "producer"], "the writer's options");
		const conditional = options.conditional ?? false;
		if (typeof conditional !== "boolean") {
			throw fail("INVALID_OPTION", `conditional must be true or false, not ${describe(conditional)}`);
		}
		const maxInFlightBytes = requireInteger(options.maxInFlightBytes ?? defaultMaxInFlightBytes, "maxInFlightBytes", 1);
		if (options.producer !== undefined) refuseProducer(access.context.engine.manifest, `writer of ${access.label}`);
		const producer = checkSequencer(options.producer, "the producer of the writer");
		if (conditional && producer !== undefined) {
			throw fail("INVALID_OPTION", "a writer is conditional or has a producer, not both: a duplicate leaves the tail", {
				hint: "Leave conditional out: a producer's appends are stored in their order, without gaps.",
			});
		}
		access.context.assertOpen();
		this.#access = access;
		this.#conditional = conditional;
		this.#numbered = producer !== undefined;
		this.#queue = new WriteQueue(access, { maxInFlightBytes, conditional, producer });
		access.context.writers.add(this);
	}

	/**
	 * Takes bytes to be appended after all earlier writes of this writer, and never throws: the ticket tells.
	 *
	 * The array may be reused when this returns. Await the ticket to wait for room; without that, what is written
	 * faster than the store takes it is held in memory. A write is one atomic append, unless it is larger than
	 * `limits.appendBytes`: then it becomes several, each atomic, one after the other, and other writers' may come
	 * between; `durable` speaks of all of them, and a failure says in `details.acknowledgedTo` where the stored part
	 * ends (null: nothing is stored).
	 *
	 * When a write fails, those that still wait behind it fail too. While nobody has listened to the `durable` of a
	 * failed write, later writes are refused with its error, and the next `flush` or `close` throws it.
	 */
	write(bytes: Uint8Array): WriteTicket {
		if (this.#closing !== undefined) return this.#queue.refused(this.#closedError());
		if (!isBytes(bytes)) return this.#queue.refused(notBytes(bytes));
		if (!this.#access.context.isOpen()) return this.#queue.refused(this.#closedError());
		return this.#queue.write(bytes);
	}

	/** Tells whether a write would be taken at once, so that a hot loop need not await each ticket. */
	get hasRoom(): boolean {
		return this.#queue.hasRoom;
	}

	/** Position at which the next write would begin, as far as this writer knows: provisional, NaN before the stream is open. */
	get offset(): number {
		return this.#queue.offset;
	}

	/**
	 * Waits until everything written so far is durable; writes that come later are not waited for.
	 * Rejects with the first failure among them, or with one of before that nobody has looked at.
	 */
	async flush(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
		rejectUnknown(options, ["signal"], "the options of flush");
		checkSignal(options.signal, "the options of flush");
		throwIfAborted(options.signal, `flush of ${this.#access.label}`);
		if (this.#closing !== undefined) throw this.#closedError();
		await abortable(this.#queue.flush(), options.signal, `flush of ${this.#access.label}`);
	}

	/**
	 * Waits for the writes in flight, then goes on at the durable tail; a conditional writer takes writes again, one with a
	 * producer that has failed does not. Returns the tail.
	 */
	async seekToTail(): Promise<number> {
		if (this.#closing !== undefined) throw this.#closedError();
		return await this.#queue.seekToTail();
	}

	/**
	 * Begins a write in parts: any number of bytes that become visible at one stroke, or never. It comes after what this
	 * writer has written before its commit; others' appends go on meanwhile. It outlives this writer.
	 * @throws UNSUPPORTED for a conditional writer, and for one with a producer
	 */
	multipart(options: MultipartOptions = {}): Multipart {
		const leaseMs = checkMultipartOptions(options);
		if (this.#closing !== undefined) throw this.#closedError();
		refuseMultipart(this.#access.context.engine.manifest, `write in parts to ${this.#access.label}`);
		if (this.#numbered || this.#conditional) {
			const which = this.#numbered ? "with a producer" : "that is conditional";
			throw fail("UNSUPPORTED", `a writer ${which} makes no write in parts: one was begun on ${this.#access.label}`, {
				hint: "Begin it on a writer of its own; commit({ expect }) makes the commit conditional, prepare() lets it be retried.",
			});
		}
		const begin = async (): Promise<EngineStaged> => (await this.#access.shard()).staging.begin(leaseMs);
		return new Multipart(this.#access, begin, () => this.#queue.settle());
	}

	/** Flushes and releases the writer; writes from now on fail with CLOSED. Closing again is harmless and never rejects. */
	async close(): Promise<void> {
		if (this.#closing !== undefined) return await this.#closing.catch(() => {});
		this.#closing = this.#close();
		await this.#closing;
	}

	/** Closes, then seals the stream; not sealed if closing fails. Returns the final tail. */
	async closeAndSeal(): Promise<number> {
		await this.close();
		const shard = await this.#access.shard();
		return await shard.seal();
	}

	/** Releases the writer without waiting: what was not handed to the store fails with `reason`, the rest may be stored. */
	abandon(reason: unknown): void {
		this.#closing ??= Promise.resolve();
		this.#access.context.writers.delete(this);
		this.#queue.drop(reason);
	}

	/** Same as {@link close}. */
	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	async #close(): Promise<void> {
		try {
			await this.#queue.flush();
		} finally {
			this.#access.context.writers.delete(this);
		}
	}

	#closedError(): Error {
		return fail("CLOSED", `the writer of ${this.#access.label} is closed`);
	}
}
