/** Writing records, many at a time: put together to batches, shard by shard. */
// From the module, not the global: fake timers of a test framework must not stop the writer.
import { setImmediate } from "node:timers";
import { abortable, checkSignal, throwIfAborted } from "../../core/abort.ts";
import type { Timer } from "../../core/clock.ts";
import { fail } from "../../core/errors.ts";
import { Fifo } from "../../core/fifo.ts";
import { recordLimits } from "../../core/limits.ts";
import { rejectUnknown, requireInteger } from "../../core/options.ts";
import { type ProducerTriple, producerAppendsMax } from "../../core/producers.ts";
import type { RecordInput } from "../../core/record.ts";
import { decodeMeta, skipRecords } from "../../core/record-decoding.ts";
import { recordContent } from "../../core/record-encoding.ts";
import { shardOfKey } from "../../core/routing.ts";
import type { Serializer } from "../../core/serializer.ts";
import type { EngineStream } from "../../engine/contract.ts";
import { checkSequencer, type Producer, type Sequencer } from "../producer.ts";
import { refuseProducer } from "../refusals.ts";
import type { StreamAccess } from "../stream-access.ts";
import { type CheckedRecord, checkInput, requireShard, routeRecord } from "./record-append.ts";
import { type RecordGroup, type RecordTicket, type TicketHolder, WrittenRecord } from "./record-ticket.ts";
import { ShardBatch } from "./shard-batch.ts";

const KiB = 1024;

/** How to write. */
export interface RecordWriterOptions {
	/** How long a record may wait for others to share its append, in milliseconds. Default 0: for one turn of the event loop. */
	readonly lingerMs?: number | undefined;
	/** A batch of a shard is handed over at so many bytes. Default 256 KiB. */
	readonly batchBytes?: number | undefined;
	/** And at so many records. Default 10,000. */
	readonly batchRecords?: number | undefined;
	/** Bytes written and not yet durable, 32 added for each record; beyond that, awaiting a write waits. Default 16 MiB. */
	readonly maxInFlightBytes?: number | undefined;
	/**
	 * Numbers the records: a producer that was taken, or the triple of the first record, which counts up from there. Each
	 * record is an append of its own then, and at most 4,096 are in flight. After a failure, or a record that is refused, the
	 * writer takes nothing more: close it, take the producer again, and go on behind its `last`.
	 */
	readonly producer?: Producer | ProducerTriple | undefined;
}

const names = ["lingerMs", "batchBytes", "batchRecords", "maxInFlightBytes", "producer"];

interface Waiting {
	readonly ticket: WrittenRecord;
	readonly record: CheckedRecord;
}

/** Writes records; those of a key, and those of a shard, in order. Close it: that flushes. */
export class RecordWriter<T = Uint8Array> implements AsyncDisposable, TicketHolder {
	readonly #access: StreamAccess;
	readonly #serializer: Serializer<T>;
	readonly #lingerMs: number;
	readonly #batchBytes: number;
	readonly #batchRecords: number;
	readonly #maxInFlight: number;
	readonly #producer: Sequencer | undefined;
	/** Records that are not routed yet: the stream is being opened, or grows, or the producer has too many in flight. */
	readonly #queue = new Fifo<Waiting>();
	readonly #batches = new Map<number, ShardBatch>();
	/** Tickets that wait for room, oldest first. */
	readonly #roomless = new Fifo<WrittenRecord>();
	#inFlight = 0;
	#numbered = 0;
	#group: RecordGroup = newGroup();
	readonly #flushing = new Set<RecordGroup>();
	readonly #lost = new Set<WrittenRecord>();
	#blocked: { readonly error: unknown } | undefined;
	#timer: Timer | undefined;
	#scheduled = false;
	#resuming: Promise<void> | undefined;
	#closing: Promise<void> | undefined;

	/** Made by `stream.writer()`. */
	constructor(access: StreamAccess, serializer: Serializer<T>, options: RecordWriterOptions) {
		rejectUnknown(options, names, "the writer's options");
		const { engine } = access.context;
		this.#lingerMs = requireInteger(options.lingerMs ?? 0, "lingerMs", 0, 60_000);
		this.#batchBytes = Math.min(engine.appendBytes, requireInteger(options.batchBytes ?? 256 * KiB, "batchBytes", 1));
		this.#batchRecords = requireInteger(options.batchRecords ?? 10_000, "batchRecords", 1, recordLimits.perAppend);
		this.#maxInFlight = requireInteger(options.maxInFlightBytes ?? 16 * KiB * KiB, "maxInFlightBytes", 1);
		if (options.producer !== undefined) refuseProducer(engine.manifest, `writer of ${access.label}`);
		this.#producer = checkSequencer(options.producer, "the producer of the writer");
		access.context.assertOpen();
		this.#access = access;
		this.#serializer = serializer;
		access.context.writers.add(this);
	}

	/**
	 * Takes a record, and never throws: the ticket tells. The record may be reused when this returns. Await the ticket to wait
	 * for room; without that, what is written faster than the store takes it is held in memory.
	 *
	 * While nobody has listened to the `durable` of a failed record, later writes are refused with its error, and the next
	 * `flush` or `close` throws it.
	 */
	write(record: RecordInput<T>): RecordTicket {
		if (this.#closing !== undefined || !this.#access.context.isOpen()) return this.#refused(this.#closedError());
		if (this.#blocked !== undefined) return this.#refused(this.#blocked.error);
		for (const lost of this.#lost) return this.#refused((lost.failure as { readonly error: unknown }).error);
		let checked: CheckedRecord;
		try {
			checked = this.#check(record);
		} catch (error) {
			// Numbers would be given to the wrong records from here on.
			if (this.#producer !== undefined) this.#blocked = { error };
			return this.#refused(error);
		}
		// Records without a byte take room as well.
		const bytes = recordContent(checked.value, checked.meta) + recordLimits.framingBytes;
		const fixed = checked.shard !== undefined || (checked.meta?.key ?? null) === null;
		const ticket = new WrittenRecord(this, this.#group, bytes, fixed);
		this.#group.pending++;
		this.#inFlight += bytes;
		if (this.#inFlight <= this.#maxInFlight || this.#inFlight === bytes) ticket.accept();
		else this.#roomless.push(ticket);
		this.#take(ticket, checked);
		return ticket;
	}

	/** Tells whether a record would be taken at once, so that a hot loop need not await each ticket. */
	get hasRoom(): boolean {
		return this.#inFlight < this.#maxInFlight;
	}

	/**
	 * Waits until everything written so far is durable; what comes later is not waited for.
	 * Rejects with the first failure among it, or with one of before that nobody has looked at.
	 */
	async flush(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
		rejectUnknown(options, ["signal"], "the options of flush");
		checkSignal(options.signal, "the options of flush");
		throwIfAborted(options.signal, `flush of ${this.#access.label}`);
		if (this.#closing !== undefined) throw this.#closedError();
		await abortable(this.#flush(), options.signal, `flush of ${this.#access.label}`);
	}

	/** Flushes, and takes nothing more. Idempotent; the first caller is told what failed. */
	async close(): Promise<void> {
		if (this.#closing !== undefined) return await this.#closing.catch(() => {});
		this.#closing = this.#flush().finally(() => {
			this.#timer?.cancel();
			this.#access.context.writers.delete(this);
		});
		await this.#closing;
	}

	/** Same as {@link close}. */
	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	/** See `TicketHolder`. */
	settled(ticket: WrittenRecord): void {
		this.#inFlight -= ticket.bytes;
		if (this.#producer !== undefined) this.#numbered--;
		const { group, failure } = ticket;
		if (failure !== undefined) {
			if (!ticket.isWatched) this.#lost.add(ticket);
			group.failure ??= failure;
			if (this.#producer !== undefined) this.#block(failure.error);
		}
		group.pending--;
		if (group.pending === 0 && this.#flushing.delete(group)) for (const wake of group.waiters) wake();
		while (this.#roomless.length > 0 && this.#inFlight <= this.#maxInFlight) this.#roomless.shift()?.accept();
		if (this.#queue.length > 0) this.#resume();
	}

	/** See `TicketHolder`. */
	watched(ticket: WrittenRecord): void {
		this.#lost.delete(ticket);
	}

	#check(record: RecordInput<T>): CheckedRecord {
		const checked = checkInput(record, this.#serializer, undefined, -1);
		const layout = this.#access.streamNow?.layout;
		if (checked.shard !== undefined && layout !== undefined) requireShard(checked.shard, layout, this.#access.label);
		const limit = this.#access.context.engine.appendBytes;
		const bytes = recordContent(checked.value, checked.meta);
		if (bytes <= limit) return checked;
		throw fail("TOO_LARGE", `record of ${bytes} bytes for ${this.#access.label} is larger than the limit of ${limit}`, {
			hint: "Raise limits.appendBytes when opening the store.",
			details: { bytes, limit },
		});
	}

	#take(ticket: WrittenRecord, record: CheckedRecord): void {
		const stream = this.#access.streamNow;
		const held = stream === undefined || stream.growing !== undefined || this.#queue.length > 0;
		if (!held && this.#producer === undefined) return this.#gather(stream, ticket, record);
		if (!held && this.#numbered < producerAppendsMax) return this.#submitNumbered(stream, ticket, record);
		// The caller may use its arrays again.
		const { value, meta, shard } = record;
		const clientInfo = meta?.clientInfo ? new Uint8Array(meta.clientInfo) : null;
		const own = { value: new Uint8Array(value), meta: meta === undefined ? undefined : { ...meta, clientInfo }, shard };
		this.#queue.push({ ticket, record: own });
		this.#resume();
	}

	/** Adds a record to the batch of its shard. */
	#gather(stream: EngineStream, ticket: WrittenRecord, { value, meta, ...record }: CheckedRecord): void {
		const { layout, id } = stream;
		const shard = routeRecord({ value, meta, ...record }, layout, this.#access.context.turnsOf(id));
		let batch = this.#batches.get(shard);
		if (
			batch !== undefined &&
			(batch.shards !== layout.shards || !batch.takes(ticket.bytes, this.#batchBytes, this.#batchRecords))
		) {
			if (batch.shards !== layout.shards) this.#handOverAll();
			else this.#handOver(stream, batch);
			batch = undefined;
		}
		if (batch === undefined) {
			batch = new ShardBatch(shard, layout.shards);
			this.#batches.set(shard, batch);
		}
		batch.add(ticket, value, meta);
		if (batch.content >= this.#batchBytes || batch.tickets.length >= this.#batchRecords) this.#handOver(stream, batch);
		else this.#schedule();
	}

	#schedule(): void {
		if (this.#scheduled) return;
		this.#scheduled = true;
		const due = (): void => {
			this.#scheduled = false;
			this.#timer = undefined;
			this.#handOverAll();
		};
		if (this.#lingerMs === 0) setImmediate(due);
		else this.#timer = this.#access.context.clock.setTimer(this.#lingerMs, due);
	}

	/** Hands over all batches; waits for a growth that is under way. */
	#handOverAll(): void {
		const stream = this.#access.streamNow;
		if (stream === undefined || this.#batches.size === 0) return;
		if (stream.growing !== undefined) {
			void stream.growing.then(() => this.#handOverAll());
			return;
		}
		for (const batch of [...this.#batches.values()]) this.#handOver(stream, batch);
	}

	#handOver(stream: EngineStream, batch: ShardBatch): void {
		if (stream.growing !== undefined) {
			void stream.growing.then(() => this.#handOverAll());
			return;
		}
		this.#batches.delete(batch.shard);
		const routed = batch.shards === stream.layout.shards ? [batch] : reroute(batch, stream.layout.shards);
		for (const each of routed) {
			stream.shard(each.shard).submit(each.bytes, { units: each.tickets.length }, each);
		}
	}

	/** An append of one record, numbered by the producer. */
	#submitNumbered(stream: EngineStream, ticket: WrittenRecord, record: CheckedRecord): void {
		const producer = (this.#producer as Sequencer).next();
		const [place] = stream.placesOf(producer) ?? [];
		const shard = place?.shard ?? routeRecord(record, stream.layout, this.#access.context.turnsOf(stream.id));
		const batch = new ShardBatch(shard, stream.layout.shards);
		batch.add(ticket, record.value, record.meta);
		this.#numbered++;
		stream.shard(shard).submit(batch.bytes, { units: 1, producer }, batch);
	}

	/** Goes on with what waits, once the stream is open and does not grow. */
	#resume(): void {
		this.#resuming ??= this.#resumeNow()
			.catch((error: unknown) => this.#drop(error))
			.finally(() => {
				this.#resuming = undefined;
			});
	}

	async #resumeNow(): Promise<void> {
		const stream = await this.#access.stream();
		while (stream.growing !== undefined) await stream.growing;
		for (let next = this.#queue.first; next !== undefined; next = this.#queue.first) {
			if (this.#producer !== undefined && this.#numbered >= producerAppendsMax) return;
			this.#queue.shift();
			const { ticket, record } = next;
			try {
				if (record.shard !== undefined) requireShard(record.shard, stream.layout, this.#access.label);
				if (this.#producer === undefined) this.#gather(stream, ticket, record);
				else this.#submitNumbered(stream, ticket, record);
			} catch (error) {
				this.#numbered += this.#producer === undefined ? 0 : 1;
				ticket.fail(error);
			}
		}
	}

	/** Nothing of what waits can be stored. */
	#drop(error: unknown): void {
		for (const { ticket } of this.#queue.takeAll()) {
			if (this.#producer !== undefined) this.#numbered++;
			ticket.fail(error);
		}
	}

	/** A producer's record has failed: what comes behind it would leave a gap. */
	#block(error: unknown): void {
		if (this.#blocked !== undefined) return;
		this.#blocked = { error };
		this.#drop(error);
	}

	async #flush(): Promise<void> {
		if (this.#queue.length > 0) this.#resume();
		while (this.#resuming !== undefined && this.#queue.length > 0 && this.#producer === undefined) await this.#resuming;
		this.#handOverAll();
		if (this.#group.pending > 0) {
			this.#flushing.add(this.#group);
			this.#group = newGroup();
		}
		const groups = [...this.#flushing];
		await Promise.all(groups.map(groupSettled));
		const lost = [...this.#lost][0]?.failure;
		this.#lost.clear();
		const failure = lost ?? groups.find((group) => group.failure !== undefined)?.failure;
		if (failure !== undefined) throw failure.error;
	}

	#refused(error: unknown): WrittenRecord {
		const ticket = new WrittenRecord(this, this.#group, 0, true);
		ticket.refuse(error);
		if (this.#lost.size === 0) this.#lost.add(ticket);
		return ticket;
	}

	#closedError(): Error {
		return fail("CLOSED", `the writer of ${this.#access.label} is closed`);
	}
}

/** Batches of a stream that has grown since their records were routed. */
function reroute(batch: ShardBatch, shards: number): ShardBatch[] {
	const routed = new Map<number, ShardBatch>();
	const { bytes } = batch;
	let at = 0;
	for (const ticket of batch.tickets) {
		const next = skipRecords(bytes, at, 1);
		let from = at;
		while ((bytes[from] as number) >= 0x80) from++;
		const key = ticket.fixed ? null : (decodeMeta(bytes, from + 1, next)?.key ?? null);
		const shard = key === null ? batch.shard : shardOfKey(key, shards);
		let target = routed.get(shard);
		if (target === undefined) {
			target = new ShardBatch(shard, shards);
			routed.set(shard, target);
		}
		target.addEncoded(ticket, bytes.subarray(at, next));
		at = next;
	}
	return [...routed.values()];
}

function newGroup(): RecordGroup {
	return { pending: 0, failure: undefined, waiters: [] };
}

function groupSettled(group: RecordGroup): Promise<void> | undefined {
	if (group.pending === 0) return undefined;
	return new Promise((resolve) => group.waiters.push(resolve));
}
