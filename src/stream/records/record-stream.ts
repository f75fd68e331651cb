/** What users hold of one record stream. */
import { abortable, abortError, checkSignal, throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { checkLocation, type Location } from "../../core/location.ts";
import { describe, rejectUnknown, requireInteger } from "../../core/options.ts";
import { checkProducerId, checkTriple, type ProducerTriple } from "../../core/producers.ts";
import { checkKey, type RecordInput } from "../../core/record.ts";
import { recordContent } from "../../core/record-encoding.ts";
import { shardOfKey } from "../../core/routing.ts";
import { checkSerializer, type Serializer } from "../../core/serializer.ts";
import { applyUpdate, resolveStreamConfig, type StreamUpdate } from "../../core/stream-config.ts";
import { formatCut, parseCut, type StreamCut } from "../../core/stream-cut.ts";
import { tailsAtOnce } from "../../core/stream-layout.ts";
import type { EngineStream, Payload, ShardAppend, ShardPlace, StreamInfo } from "../../engine/contract.ts";
import type { MultipartOptions } from "../multipart-options.ts";
import { Producer } from "../producer.ts";
import { refuseMultipart, refuseProducer, refuseRetention } from "../refusals.ts";
import type { StreamAccess } from "../stream-access.ts";
import {
	applyExpected,
	type CheckedRecord,
	checkInput,
	checkSizes,
	collectRecords,
	type ExpectedTails,
	GatheredAnswers,
	groupRecords,
	type RecordAppended,
	type RoutedRecords,
	requireShard,
	routeAgain,
	routeRecord,
	type ShardGroup,
	SingleAnswer,
	SinglePayload,
	toBytes,
	tooLarge,
} from "./record-append.ts";
import { type RecordHead, RecordMultipart } from "./record-multipart.ts";
import type { RecordReadOptions } from "./record-range.ts";
import { RecordReader } from "./record-reader.ts";
import { RecordWriter, type RecordWriterOptions } from "./record-writer.ts";

/** Conditions of one append. */
export interface RecordAppendOptions {
	/** The shard that all records of the call go to, whatever their keys. */
	readonly shard?: number | undefined;
	/** Positions that the tails must have: one for a call to one shard, else `{ [shard]: position }`. */
	readonly expect?: ExpectedTails | undefined;
	/**
	 * Which append of which producer this is. Its records go to one shard, unless `atomic`; those without a key then go
	 * there together. The same triple again stores nothing and is answered like the first try, wherever its keys would go by now.
	 */
	readonly producer?: ProducerTriple | undefined;
	/** Of a call over several shards: all is stored, and becomes visible at one stroke, or nothing. Default false. */
	readonly atomic?: boolean | undefined;
	/** Ends the wait. Before the append was handed over nothing happens; after that its outcome is unknown. */
	readonly signal?: AbortSignal | undefined;
}

/** What a truncation removes: records of each shard before a place, or of one, or before a cut. */
export interface RecordTruncation {
	readonly before?: Location | undefined;
	readonly shard?: number | undefined;
	readonly cut?: StreamCut | undefined;
}

const appendNames = ["shard", "expect", "producer", "atomic", "signal"];
const none: RecordAppendOptions = Object.freeze({});
const oneRecord: { readonly units: number } = Object.freeze({ units: 1 });

/** A record stream, with values of one type. Handles are cheap and need no closing; nothing is read or written before the first use. */
export class RecordStream<T = Uint8Array> {
	readonly #access: StreamAccess;
	readonly #serializer: Serializer<T>;

	/** Made by a scope. */
	constructor(access: StreamAccess, serializer: Serializer<T>) {
		this.#access = access;
		this.#serializer = serializer;
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

	/** The same stream, with values that a serializer turns into bytes and back. */
	as<U>(serializer: Serializer<U>): RecordStream<U> {
		return new RecordStream(this.#access, checkSerializer(serializer));
	}

	/**
	 * Appends records and resolves, once they are durable, with the place of each, in the order given. A record goes to the
	 * shard that it or the call names, else to that of its key, else to the shards in turn. Those of one call that go to the
	 * same shard are one append: all of them are stored, one behind the other, or none.
	 *
	 * @param records one, or several; for one shard at most `limits.appendBytes` (default 8 MiB) of values, keys, headers and
	 * client info. They must not change before the promise settles. If one of them is wrong, nothing is stored.
	 * @throws NOT_FOUND, SEALED, POSITION_MISMATCH{expected,tail}, FENCED{epoch}, PRODUCER_GAP{expected,got}, TOO_LARGE,
	 * LIMIT_EXCEEDED, INVALID_OPTION, DISK_FULL, STOPPED, ABORTED, CLOSED; of a call over several shards that is not atomic,
	 * `details.stored` tells which have stored theirs
	 */
	append(
		records: RecordInput<T> | readonly RecordInput<T>[],
		options: RecordAppendOptions = none,
	): Promise<RecordAppended[]> {
		const access = this.#access;
		const stream = access.waiting === 0 ? access.streamNow : undefined;
		if (stream === undefined || stream.growing !== undefined || !access.context.isOpen()) {
			return this.#appendLater(records, options);
		}
		try {
			if (options === none && !Array.isArray(records)) return this.#appendOne(stream, records as RecordInput<T>);
			return this.#appendNow(stream, records, options);
		} catch (error) {
			return Promise.reject(error);
		}
	}

	/** Most single appends have no conditions: they cost one promise. */
	#appendOne(stream: EngineStream, given: RecordInput<T>): Promise<RecordAppended[]> {
		const record = checkInput(given, this.#serializer, undefined, -1);
		const { layout, id } = stream;
		if (record.shard !== undefined) requireShard(record.shard, layout, this.address);
		const content = recordContent(record.value, record.meta);
		const { engine } = this.#access.context;
		if (content > engine.appendBytes) throw tooLarge("record", content, engine.appendBytes, this.address);
		const number = routeRecord(record, layout, this.#access.context.turnsOf(id));
		const shard = stream.shard(number);
		const payload = new SinglePayload(record);
		const bytes: Payload = shard.acceptsNow(payload.bytes) ? payload : toBytes(payload);
		return new Promise((resolve, reject) => {
			shard.submit(bytes, oneRecord, new SingleAnswer(number, resolve, reject));
		});
	}

	async #appendLater(
		records: RecordInput<T> | readonly RecordInput<T>[],
		options: RecordAppendOptions,
	): Promise<RecordAppended[]> {
		const access = this.#access;
		const { signal } = options;
		checkSignal(signal, "the options of append");
		let stream: EngineStream;
		access.waiting++;
		try {
			stream = await abortable(untilStill(access), signal, `append to ${this.address}`);
		} finally {
			access.waiting--;
		}
		// In the same turn, so that nothing comes in between.
		access.context.assertOpen();
		return await this.#appendNow(stream, records, options);
	}

	#appendNow(
		stream: EngineStream,
		given: RecordInput<T> | readonly RecordInput<T>[],
		options: RecordAppendOptions,
	): Promise<RecordAppended[]> {
		const { producer, signal, shard } = options === none ? options : this.#checkOptions(options);
		if (shard !== undefined) requireShard(shard, stream.layout, this.address);
		const records = this.#checkOrCollect(stream, given, shard, producer);
		throwIfAborted(signal, `append to ${this.address}`);
		const routed = "groups" in records ? records : this.#route(stream, records, producer, options.atomic === true);
		if (routed.count === 0) return this.#appendNothing(producer);
		applyExpected(routed.groups, options.expect, this.address);
		const together = options.atomic === true && routed.groups.length > 1;
		checkSizes(routed.groups, this.#access.context.engine.appendBytes, together, this.address);
		if (signal !== undefined) return this.#submitWatched(stream, routed, producer, together, signal);
		return new Promise((resolve, reject) => this.#submit(stream, routed, producer, together, resolve, reject));
	}

	/** The records of a call, checked; and grouped already where they all go to one shard. */
	#checkOrCollect(
		stream: EngineStream,
		given: RecordInput<T> | readonly RecordInput<T>[],
		shard: number | undefined,
		producer: ProducerTriple | undefined,
	): readonly CheckedRecord[] | RoutedRecords {
		const { layout } = stream;
		const single = shard !== undefined || layout.shards === 1;
		if (!single || producer !== undefined || !Array.isArray(given)) return this.#check(stream, given, shard);
		return collectRecords(given, this.#serializer, shard, layout, this.address);
	}

	#check(
		stream: EngineStream,
		given: RecordInput<T> | readonly RecordInput<T>[],
		shard: number | undefined,
	): readonly CheckedRecord[] {
		const { layout } = stream;
		if (!Array.isArray(given)) {
			const record = checkInput(given as RecordInput<T>, this.#serializer, shard, -1);
			if (record.shard !== undefined) requireShard(record.shard, layout, this.address);
			return [record];
		}
		const records = new Array<CheckedRecord>(given.length);
		for (let index = 0; index < given.length; index++) {
			const record = checkInput(given[index] as RecordInput<T>, this.#serializer, shard, index);
			if (record.shard !== undefined && record.shard !== shard) requireShard(record.shard, layout, this.address, index);
			records[index] = record;
		}
		return records;
	}

	#route(
		stream: EngineStream,
		records: readonly CheckedRecord[],
		producer: ProducerTriple | undefined,
		atomic: boolean,
	): RoutedRecords {
		if (producer !== undefined && records.length > 0) return this.#routeProduced(stream, records, producer, atomic);
		const { layout, id } = stream;
		const turns = this.#access.context.turnsOf(id);
		return groupRecords(records, (record) => routeRecord(record, layout, turns));
	}

	/** A retry goes where the first try went. Of a new append what has neither shard nor key goes to one shard. */
	#routeProduced(
		stream: EngineStream,
		records: readonly CheckedRecord[],
		producer: ProducerTriple,
		atomic: boolean,
	): RoutedRecords {
		const places = stream.placesOf(producer);
		const again = (known: readonly ShardPlace[]): RoutedRecords | undefined =>
			routeAgain(records, known, stream.layout);
		const stored = places && again(places);
		if (stored !== undefined) return stored;
		const turns = this.#access.context.turnsOf(stream.id);
		let turn: number | undefined;
		const routed = groupRecords(records, (record) => {
			if (record.shard !== undefined || (record.meta?.key ?? null) !== null)
				return routeRecord(record, stream.layout, turns);
			turn ??= routeRecord(record, stream.layout, turns);
			return turn;
		});
		if (routed.groups.length === 1 || atomic) return { ...routed, again };
		throw fail(
			"INVALID_OPTION",
			`append of a producer to ${this.address}: the records go to ${routed.groups.length} shards`,
			{ hint: "Append them with atomic: true, or shard by shard.", details: { option: "producer" } },
		);
	}

	#submit(
		stream: EngineStream,
		routed: RoutedRecords,
		producer: ProducerTriple | undefined,
		together: boolean,
		resolve: (results: RecordAppended[]) => void,
		reject: (error: unknown) => void,
	): void {
		const { groups, count } = routed;
		if (together) {
			const total = groups.reduce((sum, { payload }) => sum + payload.bytes, 0);
			const now = groups.every(({ shard }) => stream.shard(shard).acceptsNow(total));
			const parts = groups.map(({ shard, payload, expect }): ShardAppend => {
				return { shard, payload: now ? payload : toBytes(payload), expect, units: payload.units };
			});
			return stream.submitTogether(parts, producer, new GatheredAnswers(routed, resolve, reject));
		}
		const answers = count === 1 ? undefined : new GatheredAnswers(routed, resolve, reject);
		for (let index = 0; index < groups.length; index++) {
			const { shard: number, payload, expect } = groups[index] as ShardGroup;
			const shard = stream.shard(number);
			// What has to wait for room is encoded now: records are not looked at again once this has returned.
			const bytes: Payload = shard.acceptsNow(payload.bytes) ? payload : toBytes(payload);
			const plain = count === 1 && expect === undefined && producer === undefined;
			const options = plain ? oneRecord : { units: payload.units, expect, producer };
			shard.submit(bytes, options, answers?.part(index) ?? new SingleAnswer(number, resolve, reject));
		}
	}

	#submitWatched(
		stream: EngineStream,
		routed: RoutedRecords,
		producer: ProducerTriple | undefined,
		together: boolean,
		signal: AbortSignal,
	): Promise<RecordAppended[]> {
		return new Promise((resolve, reject) => {
			const onAbort = (): void => reject(unknownOutcome(signal, this.address));
			const release = (): void => signal.removeEventListener("abort", onAbort);
			signal.addEventListener("abort", onAbort, { once: true });
			const done = (results: RecordAppended[]): void => {
				release();
				resolve(results);
			};
			const failed = (error: unknown): void => {
				release();
				reject(error);
			};
			this.#submit(stream, routed, producer, together, done, failed);
		});
	}

	async #appendNothing(producer: ProducerTriple | undefined): Promise<RecordAppended[]> {
		if (producer === undefined) return [];
		throw fail("INVALID_OPTION", `append of nothing to ${this.address} names a producer, and would not be stored`, {
			details: { option: "producer" },
		});
	}

	#checkOptions(options: RecordAppendOptions): Omit<RecordAppendOptions, "expect"> {
		rejectUnknown(options, appendNames, "the options of append");
		const { shard, producer, atomic, signal } = options;
		checkSignal(signal, "the options of append");
		if (atomic !== undefined && typeof atomic !== "boolean") {
			throw fail("INVALID_OPTION", `atomic must be true or false, not ${describe(atomic)}`, {
				details: { option: "atomic" },
			});
		}
		if (shard !== undefined) requireInteger(shard, "shard", 0);
		if (producer === undefined) return { shard, signal };
		refuseProducer(this.#access.context.engine.manifest, `append to ${this.address}`);
		return { shard, signal, producer: checkTriple(producer, "the producer of append") };
	}

	/**
	 * Begins a record in parts: a value of any number of bytes that becomes visible at one stroke, or never. Its parts are
	 * records of one shard that follow on one another, also for who reads all shards; others' appends go on meanwhile. Values
	 * are bytes here, whatever the serializer, and its parts are read as bytes.
	 * @param head key, headers, client info, event time and shard, as in an append
	 */
	multipart(head: RecordHead = {}, options: MultipartOptions = {}): RecordMultipart {
		this.#access.context.assertOpen();
		refuseMultipart(this.#access.context.engine.manifest, `record in parts to ${this.address}`);
		return new RecordMultipart(this.#access, head, options);
	}

	/**
	 * Begins a new life of a producer: takes the next epoch, durably, so that appends of its former lives are FENCED from
	 * then on, and tells the last one of them that is stored. See the same of a byte stream.
	 */
	async producer(id: string): Promise<Producer> {
		const checked = checkProducerId(id);
		refuseProducer(this.#access.context.engine.manifest, `producer of ${this.address}`);
		return new Producer(checked, await (await this.#access.stream()).takeEpoch(checked));
	}

	/** A writer that puts records together to batches and keeps many in flight. Close it. */
	writer(options: RecordWriterOptions = {}): RecordWriter<T> {
		return new RecordWriter(this.#access, this.#serializer, options);
	}

	/** A reader of all shards, or of one, from the head unless told otherwise. Close it, or leave its loop. */
	read(options: RecordReadOptions = {}): RecordReader<T> {
		return new RecordReader(this.#access, this.#serializer, options);
	}

	/**
	 * Where all shards end at this moment: no atomic append is on both sides of it. In a store that is open for reading it is
	 * where their files end, which the owner writes shard by shard: there an atomic append may still be on both sides. Of shards
	 * that a growth has added it holds nothing before the older ones are there up to the growth.
	 */
	async cut(): Promise<StreamCut> {
		const stream = await this.#access.stream();
		const bounds = await stream.bounds();
		const positions = tailsAtOnce(stream.layout, bounds);
		return formatCut({ stream: stream.id, shard: undefined, positions });
	}

	/** The shard that a key goes to by now. */
	async shardOf(key: string): Promise<number> {
		checkKey(key, -1);
		return shardOfKey(key, (await this.#access.stream()).layout.shards);
	}

	/** What is known of the stream: of durable data. */
	async info(): Promise<StreamInfo> {
		return await (await this.#access.stream()).info();
	}

	/**
	 * Moves heads: what lies before can no longer be read. `{ before }` in every shard, with `shard` in one, `{ cut }` up to a
	 * cut. Sequences stay. A place at or below a head changes nothing there.
	 * @returns the heads, by shard. @throws OUT_OF_RANGE{tail}
	 */
	async truncateBefore(truncation: RecordTruncation): Promise<readonly number[]> {
		rejectUnknown(truncation, ["before", "shard", "cut"], "the truncation");
		const { before, shard, cut } = truncation;
		if ((before === undefined) === (cut === undefined)) {
			throw fail("INVALID_OPTION", "a truncation has either before or cut", { details: { option: "before" } });
		}
		const query = before === undefined ? undefined : checkLocation(before, "records", "before");
		const stream = await this.#access.stream();
		if (shard !== undefined) requireShard(requireInteger(shard, "shard", 0), stream.layout, this.address);
		const positions = cut === undefined ? undefined : positionsOf(cut, stream, "cut");
		if (query?.at === "position" && shard === undefined && stream.layout.shards > 1) {
			throw fail("INVALID_OPTION", "a sequence is one of a shard: name the shard as well", {
				details: { option: "shard" },
			});
		}
		const bounds = await stream.bounds();
		const heads: number[] = [];
		for (const [index, { head, tail }] of bounds.entries()) {
			if ((shard !== undefined && index !== shard) || (tail === 0 && query?.at !== "position")) heads.push(head);
			else if (query === undefined) heads.push(await stream.shard(index).truncateBefore(positions?.[index] ?? head));
			else {
				const one = stream.shard(index);
				heads.push(await one.truncateBefore(query.at === "position" ? query.position : await one.locate(query)));
			}
		}
		return heads;
	}

	/** Freezes the tails of all shards for ever, after all appends accepted before. Sealing again is harmless. */
	async seal(): Promise<void> {
		const stream = await this.#access.stream();
		while (stream.growing !== undefined) await stream.growing;
		await stream.seal();
	}

	/**
	 * Changes retention, segment size, tags, or the number of shards, which can grow only; what is left out stays. A key stays
	 * where it is or moves to a new shard; who reads all shards together still gets the records of each key in their order.
	 */
	async update(change: StreamUpdate): Promise<StreamInfo> {
		applyUpdate(resolveStreamConfig({ kind: "records" }), change);
		refuseRetention(change.retention, this.#access.context.engine.manifest, `update of ${this.address}`);
		// A handle whose stream was deleted must not change the one that now has its name.
		await this.info();
		return await this.#access.context.engine.updateStream(this.#access.address, change);
	}
}

/** Positions of all shards that a cut says. @throws INVALID_OPTION */
function positionsOf(cut: StreamCut, stream: EngineStream, name: string): readonly (number | undefined)[] {
	const { stream: id, shard, positions } = parseCut(cut, name);
	if (id !== stream.id) throw fail("INVALID_OPTION", `${name} is of another stream`, { details: { option: name } });
	if (shard === undefined) return positions;
	const found: (number | undefined)[] = [];
	found[shard] = positions[0];
	return found;
}

function unknownOutcome(signal: AbortSignal, address: string): Error {
	const { message } = abortError(signal, `the wait for an append to ${address}`);
	return fail("ABORTED", `${message}; its outcome is unknown: it may be stored`, {
		cause: signal.reason,
		hint: "Look at the stream before repeating the append, or name a producer: its retries are recognized.",
		details: { outcome: "unknown" },
	});
}

/** The open stream, when it does not grow. */
async function untilStill(access: StreamAccess): Promise<EngineStream> {
	const stream = await access.stream();
	while (stream.growing !== undefined) await stream.growing;
	return stream;
}
