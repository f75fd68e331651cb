/** What users hold of one byte stream. */
import type { Readable, Writable } from "node:stream";
import { abortable, abortError, checkSignal, throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { checkLocation, type Location } from "../../core/location.ts";
import { describe, rejectUnknown, requireInteger } from "../../core/options.ts";
import { checkProducerId, checkTriple, type ProducerTriple } from "../../core/producers.ts";
import { applyUpdate, resolveStreamConfig, type StreamUpdate } from "../../core/stream-config.ts";
import type {
	Appended,
	Completion,
	EngineShard,
	StagedInfo,
	StreamInfo,
	SubmitOptions,
} from "../../engine/contract.ts";
import { Producer } from "../producer.ts";
import { checkForce, refuseMultipart, refuseProducer, refuseRetention } from "../refusals.ts";
import type { StreamAccess } from "../stream-access.ts";
import { isBytes, notBytes } from "../user-bytes.ts";
import { type AppendPiece, AppendReader } from "./append-reader.ts";
import { ByteReader, type ByteReaderOptions } from "./byte-reader.ts";
import { ByteWriter, type ByteWriterOptions } from "./byte-writer.ts";
import { Multipart } from "./multipart.ts";
import { type ReadableOptions, readableOf, type WritableOptions, writableOf } from "./node-streams.ts";
import type { ReadRangeOptions } from "./read-range.ts";

const unconditional: SubmitOptions = Object.freeze({});

/** Conditions of one append. */
export interface AppendOptions {
	/** Offset that the tail must have, or nothing is stored and the call fails with POSITION_MISMATCH. */
	readonly expect?: number | undefined;
	/**
	 * Which append of which producer this is, as a producer's `next()` gives it. The same triple again stores nothing: it
	 * gets the first answer, with `duplicate` true; where that is more than 4,096 appends ago `from` and `to` are NaN. A
	 * skipped number is refused with PRODUCER_GAP, an epoch that a higher one has followed with FENCED; a higher epoch than
	 * the producer's takes over, from sequence 0 on. Bytes are not compared.
	 */
	readonly producer?: ProducerTriple | undefined;
	/** Ends the wait. Before the append was handed over nothing happens; after that its outcome is unknown. */
	readonly signal?: AbortSignal | undefined;
}

/** A byte stream. Handles are cheap and need no closing; nothing is read or written before the first use. */
export class ByteStream {
	readonly #access: StreamAccess;

	/** Made by a scope. */
	constructor(access: StreamAccess) {
		this.#access = access;
	}

	/** Name of its scope. */
	get scope(): string {
		return this.#access.address.scope;
	}

	/** Its name within the scope. */
	get name(): string {
		return this.#access.address.stream;
	}

	/** `scope/stream`. */
	get address(): string {
		return this.#access.label;
	}

	/** Opens the stream, which the first use does as well, and returns this handle. @throws NOT_FOUND, WRONG_KIND */
	async open(): Promise<this> {
		await this.#access.stream();
		return this;
	}

	/**
	 * Appends bytes, all or none of them, and resolves with their offsets once they are durable.
	 *
	 * @param bytes one array, or several that become one append; together at most `limits.appendBytes` (default
	 * 8 MiB). They must not change before the promise settles. No bytes at all are accepted and store nothing.
	 * @throws NOT_FOUND, SEALED, POSITION_MISMATCH{expected,tail}, FENCED{epoch}, PRODUCER_GAP{expected,got}, TOO_LARGE,
	 * DISK_FULL, STOPPED, ABORTED, CLOSED
	 */
	append(bytes: Uint8Array | readonly Uint8Array[], options?: AppendOptions): Promise<Appended> {
		const { context, shardNow, waiting } = this.#access;
		const shard = waiting === 0 ? shardNow : undefined;
		// Most appends are one array without conditions to an open stream: they cost one promise.
		if (shard !== undefined && options === undefined && bytes instanceof Uint8Array && context.isOpen()) {
			const { length } = bytes;
			if (length > 0 && length <= context.engine.appendBytes) {
				return new Promise((resolve, reject) => {
					shard.submit(bytes, unconditional, new Answer(resolve, reject));
				});
			}
		}
		return this.#append(bytes, options ?? {});
	}

	async #append(bytes: Uint8Array | readonly Uint8Array[], options: AppendOptions): Promise<Appended> {
		const conditions = this.#checkAppendOptions(options);
		const parts = Array.isArray(bytes) ? (bytes as readonly Uint8Array[]) : [bytes as Uint8Array];
		const length = this.#checkParts(parts);
		throwIfAborted(options.signal, `append to ${this.address}`);
		const access = this.#access;
		let shard = access.waiting === 0 ? access.shardNow : undefined;
		if (shard === undefined) {
			access.waiting++;
			const opening = abortable(access.shard(), options.signal, `append to ${this.address}`);
			shard = await opening.finally(() => access.waiting--);
		}
		this.#access.context.assertOpen();
		throwIfAborted(options.signal, `append to ${this.address}`);
		if (length === 0) return await this.#appendNothing(shard, conditions);
		return await this.#submit(shard, parts, length, conditions, options.signal);
	}

	/**
	 * Begins a new life of a producer: takes the next epoch, durably, so that appends of its former lives are FENCED from
	 * then on, and tells the last one of them that is stored. Take it once when a program starts, always under the same id;
	 * then a program that was killed, or whose store stopped, knows from which item on it has to go on.
	 *
	 * @param id 1 to 200 bytes of UTF-8 without control characters.
	 * @throws NOT_FOUND, STOPPED, DISK_FULL, READ_ONLY, LIMIT_EXCEEDED, UNSUPPORTED
	 */
	async producer(id: string): Promise<Producer> {
		const checked = checkProducerId(id);
		refuseProducer(this.#access.context.engine.manifest, `producer of ${this.address}`);
		const { epoch, last } = await (await this.#access.stream()).takeEpoch(checked);
		if (last === null) return new Producer(checked, { epoch, last });
		// A byte stream has one shard, which nobody has to be told of.
		const { shard: _, ...place } = last;
		return new Producer(checked, { epoch, last: place });
	}

	/** A writer that keeps many appends in flight. Close it. */
	writer(options: ByteWriterOptions = {}): ByteWriter {
		return new ByteWriter(this.#access, options);
	}

	/** A reader, from the head unless told otherwise. Close it, or leave its loop. */
	reader(options: ByteReaderOptions = {}): ByteReader {
		return new ByteReader(this.#access, options);
	}

	/**
	 * Reads append by append, each with its offset and time. Appends longer than 64 KiB come in pieces of at most
	 * that; no piece holds bytes of two appends. Ends like the iteration of a reader.
	 */
	appends(options: ReadRangeOptions = {}): AsyncIterable<AppendPiece> {
		return new AppendReader(this.#access, options);
	}

	/** What is known of the stream: of durable data. */
	async info(): Promise<StreamInfo> {
		return await (await this.#access.stream()).info();
	}

	/**
	 * Moves the head: what lies before can no longer be read. Offsets stay. A place at or below the head changes nothing.
	 * @returns the head. @throws OUT_OF_RANGE{tail}
	 */
	async truncateBefore(location: number | Location): Promise<number> {
		const query = checkLocation(typeof location === "number" ? { offset: location } : location, "bytes");
		const shard = await this.#access.shard();
		return await shard.truncateBefore(query.at === "position" ? query.position : await shard.locate(query));
	}

	/**
	 * Freezes the tail for ever, after all appends accepted before. Sealing again is harmless. Returns the tail.
	 * A prepared write in parts stands against it, unless `force` aborts it. @throws TXN_STATE
	 */
	async seal(options: { readonly force?: boolean | undefined } = {}): Promise<number> {
		const force = checkForce(options, "the options of seal");
		const shard = this.#access.shardNow ?? (await this.#access.shard());
		this.#access.context.assertOpen();
		return await shard.seal(force);
	}

	/** Writes in parts that are neither committed nor aborted, oldest first: open ones of this process, and prepared ones. */
	async transactions(): Promise<readonly StagedInfo[]> {
		const shard = await this.#access.shard();
		this.#access.context.assertOpen();
		if (!this.#access.context.engine.manifest.multipart) return [];
		return await shard.staging.list();
	}

	/**
	 * A write in parts that is not decided, by its id: to be committed or aborted, perhaps by another process than the one
	 * that prepared it. @throws NOT_FOUND if there is none: it was committed, or aborted, or never prepared
	 */
	async resumeTransaction(id: string): Promise<Multipart> {
		if (typeof id !== "string" || id === "") throw fail("INVALID_OPTION", `the id must be a UUID, not ${describe(id)}`);
		refuseMultipart(this.#access.context.engine.manifest, `a write in parts to ${this.address}, resumed`);
		const shard = await this.#access.shard();
		this.#access.context.assertOpen();
		const staged = await shard.staging.find(id);
		const multipart = new Multipart(
			this.#access,
			async () => staged,
			async () => {},
		);
		return await multipart.open();
	}

	/** Changes retention, segment size or tags; what is left out stays. Returns what is known of the stream then. */
	async update(change: StreamUpdate): Promise<StreamInfo> {
		applyUpdate(resolveStreamConfig(), change);
		refuseRetention(change.retention, this.#access.context.engine.manifest, `update of ${this.address}`);
		// A handle whose stream was deleted must not change the one that now has its name.
		await this.info();
		return await this.#access.context.engine.updateStream(this.#access.address, change);
	}

	/** A Node stream that reads a range. Destroying it ends a wait; errors destroy it. */
	toReadable(options: ReadableOptions = {}): Readable {
		return readableOf(this.#access, options);
	}

	/** A Node stream that appends; `finish` comes when all is durable. Chunks of a large write are appended one by one. */
	toWritable(options: WritableOptions = {}): Writable {
		return writableOf(this.#access, options);
	}

	#checkParts(parts: readonly Uint8Array[]): number {
		let length = 0;
		for (const part of parts) {
			if (!isBytes(part)) throw notBytes(part);
			length += part.length;
		}
		const limit = this.#access.context.engine.appendBytes;
		if (length > limit) {
			throw fail("TOO_LARGE", `append of ${length} bytes to ${this.address} is larger than the limit of ${limit}`, {
				hint: "Use a writer, which splits, or raise limits.appendBytes when opening the store.",
				details: { bytes: length, limit },
			});
		}
		return length;
	}

	#submit(
		shard: EngineShard,
		parts: readonly Uint8Array[],
		length: number,
		conditions: SubmitOptions,
		signal: AbortSignal | undefined,
	): Promise<Appended> {
		if (signal === undefined) {
			return new Promise((resolve, reject) => {
				shard.submit(parts, conditions, new Answer(resolve, reject));
			});
		}
		return new Promise((resolve, reject) => {
			// An aborted wait gives the arrays back to the caller while the engine may still need them.
			const own = shard.acceptsNow(length) ? parts : parts.map((part) => new Uint8Array(part));
			const onAbort = (): void => reject(unknownOutcome(signal, this.address));
			const release = (): void => signal.removeEventListener("abort", onAbort);
			signal.addEventListener("abort", onAbort, { once: true });
			shard.submit(own, conditions, {
				done: (from, to, duplicate) => {
					release();
					resolve({ from, to, duplicate });
				},
				fail: (error) => {
					release();
					reject(error);
				},
			});
		});
	}

	/** Checks an empty append like any other; engines never see one. */
	async #appendNothing(shard: EngineShard, { expect, producer }: SubmitOptions): Promise<Appended> {
		if (producer !== undefined) {
			throw fail("INVALID_OPTION", `append of nothing to ${this.address} names a producer, and would not be stored`, {
				details: { option: "producer" },
			});
		}
		const { tail, sealed } = await shard.bounds();
		if (sealed) throw fail("SEALED", `append to ${this.address}, which is sealed at ${tail}`, { details: { tail } });
		if (expect !== undefined && expect !== tail) {
			throw fail("POSITION_MISMATCH", `append to ${this.address} expected the tail at ${expect}, it is at ${tail}`, {
				details: { expected: expect, tail },
			});
		}
		return { from: tail, to: tail, duplicate: false };
	}

	#checkAppendOptions(options: AppendOptions): SubmitOptions {
		rejectUnknown(options, ["expect", "producer", "signal"], "the options of append");
		checkSignal(options.signal, "the options of append");
		const expect = options.expect === undefined ? undefined : requireInteger(options.expect, "expect", 0);
		if (options.producer === undefined) return { expect };
		refuseProducer(this.#access.context.engine.manifest, `append to ${this.address}`);
		return { expect, producer: checkTriple(options.producer, "the producer of append") };
	}
}

/** Passes the engine's answer on to a promise. */
class Answer implements Completion {
	readonly #resolve: (result: Appended) => void;
	readonly fail: (error: unknown) => void;

	constructor(resolve: (result: Appended) => void, reject: (error: unknown) => void) {
		this.#resolve = resolve;
		this.fail = reject;
	}

	done(from: number, to: number, duplicate: boolean): void {
		this.#resolve({ from, to, duplicate });
	}
}

function unknownOutcome(signal: AbortSignal, address: string): Error {
	const { message } = abortError(signal, `the wait for an append to ${address}`);
	return fail("ABORTED", `${message}; its outcome is unknown: it may be stored`, {
		cause: signal.reason,
		hint: "Look at the stream before repeating the append.",
		details: { outcome: "unknown" },
	});
}
