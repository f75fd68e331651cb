/** Records of one shard that follow on one another, decoded as far as somebody looks at them. */
import { fail, type StreambedError } from "../../core/errors.ts";
import type { RecordPart, StreamRecord } from "../../core/record.ts";
import { bodyStart, type DecodedMeta, decodeMeta, valueStart } from "../../core/record-decoding.ts";
import { bytes as asBytes, type Serializer } from "../../core/serializer.ts";

/** Where a batch lies: its run's bytes, and where in them each record begins. */
export interface BatchPlace {
	/** For messages: `scope/stream`. */
	readonly label: string;
	readonly shard: number;
	/** Sequence of the first record. */
	readonly from: number;
	readonly time: number;
	readonly bytes: Uint8Array;
	/** Where each record's length stands, and where the last one ends. */
	readonly starts: Int32Array;
	readonly length: number;
	readonly copy: boolean;
	/** Whether the iterator has gone on. */
	readonly life: { over: boolean };
	/** Says that nobody looks at the memory any more: of this batch, and of those before it that were read together with it. */
	readonly release: (() => void) | undefined;
}

/**
 * Some records of one shard, in order, with the same ingestion time. Asking by number costs neither a promise nor an object:
 * `for (let i = 0; i < batch.length; i++) use(batch.value(i))`; iterating gives whole records.
 *
 * Values are views of memory that is shared with other readers, valid until the next step of `batches()`, which uses that memory
 * again: do not change or transfer them, and copy what you keep. Asking the batch for more after that step throws CLOSED. With
 * `copy: true` values are yours, and so is the batch.
 */
export class RecordBatch<T = Uint8Array> implements Iterable<StreamRecord<T>> {
	readonly shard: number;
	/** Sequence of the first record, and the one behind the last. */
	readonly from: number;
	readonly to: number;
	/** Ingestion time of all of them, milliseconds since 1970. */
	readonly time: number;
	/** How many records it has. */
	readonly length: number;
	readonly #bytes: Uint8Array;
	readonly #starts: Int32Array;
	readonly #copy: boolean;
	readonly #life: { readonly over: boolean };
	readonly #label: string;
	readonly #serializer: Serializer<T>;
	readonly #plain: boolean;

	/** Made by a reader. */
	constructor(place: BatchPlace, serializer: Serializer<T>) {
		this.shard = place.shard;
		this.from = place.from;
		this.to = place.from + place.length;
		this.time = place.time;
		this.length = place.length;
		this.#bytes = place.bytes;
		this.#starts = place.starts;
		this.#copy = place.copy;
		this.#life = place.life;
		this.#label = place.label;
		this.#serializer = serializer;
		this.#plain = (serializer as Serializer<unknown>) === asBytes;
	}

	/** The value of record `index`, from 0. @throws DECODE{shard,sequence} */
	value(index: number): T {
		const stored = this.bytes(index);
		if (this.#plain) return stored as T;
		if (this.part(index) !== null) throw this.#undecodable(index, "it is a part of a larger one: read it as bytes");
		try {
			return this.#serializer.decode(stored);
		} catch (error) {
			throw this.#undecodable(index, `its value is no ${this.#serializer.name ?? "such value"}`, error);
		}
	}

	/** The value of record `index` as it is stored. @throws DECODE{shard,sequence} */
	bytes(index: number): Uint8Array {
		const bytes = this.#bytes;
		this.#check(index);
		const begin = bodyStart(bytes, this.#starts[index] as number);
		const to = this.#starts[index + 1] as number;
		const from = bytes[begin] === 0 ? begin + 1 : valueStart(bytes, begin, to);
		if (from < 0) throw this.#undecodable(index, "what stands there is no record that this version knows");
		// A plain array costs less to make than a Buffer, whose slice() would be a view besides.
		const view = new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
		return this.#copy ? new Uint8Array(view) : view;
	}

	/** The key of record `index`. @throws DECODE{shard,sequence} */
	key(index: number): string | null {
		return this.#meta(index).key;
	}

	/** Which part of a larger record `index` is; `null` if it is whole. @throws DECODE{shard,sequence} */
	part(index: number): RecordPart | null {
		return this.#meta(index).part;
	}

	/** The last record is a part of a larger one, which goes on in the next batch of this shard. */
	get endsInside(): boolean {
		this.#check(this.length - 1);
		const bytes = this.#bytes;
		const last = this.length - 1;
		const from = bodyStart(bytes, this.#starts[last] as number);
		if (bytes[from] === 0) return false;
		return decodeMeta(bytes, from, this.#starts[last + 1] as number)?.part?.last === false;
	}

	/** Record `index`, from 0. @throws DECODE{shard,sequence} */
	record(index: number): StreamRecord<T> {
		const { key, headers, clientInfo, eventTime, part } = this.#meta(index);
		const { shard, time } = this;
		const info = clientInfo !== null && this.#copy ? new Uint8Array(clientInfo) : clientInfo;
		const value = this.value(index);
		const record = { shard, sequence: this.from + index, time, key, value, headers, clientInfo: info, eventTime };
		return part === null ? record : { ...record, part };
	}

	/**
	 * All of them, in order. One that does not decode throws DECODE{shard,sequence}, and the next step of the same iterator goes
	 * on behind it; a loop over the batch has been left by then, unlike one that asks for {@link record} by number and catches.
	 */
	[Symbol.iterator](): IterableIterator<StreamRecord<T>, undefined, undefined> {
		let index = 0;
		return {
			next: () => {
				return index < this.length ? { done: false, value: this.record(index++) } : { done: true, value: undefined };
			},
			[Symbol.iterator]() {
				return this;
			},
		};
	}

	#meta(index: number): DecodedMeta {
		const bytes = this.#bytes;
		this.#check(index);
		const from = bodyStart(bytes, this.#starts[index] as number);
		// Most records have nothing but a value.
		if (bytes[from] === 0) return nothing;
		const meta = decodeMeta(bytes, from, this.#starts[index + 1] as number);
		if (meta === undefined) throw this.#undecodable(index, "what stands there is no record that this version knows");
		return meta;
	}

	#check(index: number): void {
		if (this.#life.over) {
			throw fail(
				"CLOSED",
				`records ${this.from} to ${this.to} of shard ${this.shard} of ${this.#label} were given back: the reader has gone on`,
				{
					hint: "Take what you need of a batch before the next step, or read with copy: true.",
				},
			);
		}
		if (index >= 0 && index < this.length) return;
		throw fail("INVALID_OPTION", `the batch has the records 0 to ${this.length - 1}, not ${index}`, {
			details: { option: "index" },
		});
	}

	#undecodable(index: number, why: string, cause?: unknown): StreambedError {
		const { shard, from } = this;
		const sequence = from + index;
		return fail("DECODE", `record ${sequence} of shard ${shard} of ${this.#label} cannot be decoded: ${why}`, {
			cause,
			hint: "The next step goes on behind it, of the reader as of an iterator of the batch.",
			details: { shard, sequence },
		});
	}
}

const nothing: DecodedMeta = Object.freeze({
	key: null,
	headers: Object.freeze({}),
	clientInfo: null,
	eventTime: null,
	part: null,
	valueAt: 0,
});
