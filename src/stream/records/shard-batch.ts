/** Records that a writer gathers for one shard, encoded as they come. */
import type { RecordMeta } from "../../core/record.ts";
import { recordBytes, recordContent, writeRecord } from "../../core/record-encoding.ts";
import type { Completion, ShardPlace } from "../../engine/contract.ts";
import { onlyPlace } from "./record-append.ts";
import type { WrittenRecord } from "./record-ticket.ts";

const firstBytes = 4 * 1024;

/** A batch of one shard. It is the engine's completion at the same time. */
export class ShardBatch implements Completion {
	readonly shard: number;
	/** How many shards there were when its records were routed. */
	readonly shards: number;
	readonly tickets: WrittenRecord[] = [];
	/** Bytes that count against the limit of an append. */
	content = 0;
	#bytes: Uint8Array;
	#used = 0;

	constructor(shard: number, shards: number) {
		this.shard = shard;
		this.shards = shards;
		this.#bytes = new Uint8Array(firstBytes);
	}

	/** The records as they are stored. */
	get bytes(): Uint8Array {
		return this.#bytes.subarray(0, this.#used);
	}

	/** Tells whether a record fits beside those that are there. */
	takes(content: number, limit: number, records: number): boolean {
		return this.tickets.length === 0 || (this.content + content <= limit && this.tickets.length < records);
	}

	add(ticket: WrittenRecord, value: Uint8Array, meta: RecordMeta | undefined): void {
		this.#reserve(recordBytes(value, meta));
		this.#used = writeRecord(this.#bytes, this.#used, value, meta);
		this.content += recordContent(value, meta);
		this.tickets.push(ticket);
	}

	/** Adds a record that is encoded already. */
	addEncoded(ticket: WrittenRecord, encoded: Uint8Array): void {
		this.#reserve(encoded.length);
		this.#bytes.set(encoded, this.#used);
		this.#used += encoded.length;
		this.content += encoded.length;
		this.tickets.push(ticket);
	}

	done(from: number, _to: number, duplicate: boolean, time: number, places?: readonly ShardPlace[]): void {
		const { shard, from: first } = duplicate ? onlyPlace(places, this.tickets.length) : { shard: this.shard, from };
		let sequence = first;
		for (const ticket of this.tickets) {
			ticket.done({ shard, from: sequence, to: sequence + 1, time, duplicate });
			sequence++;
		}
	}

	fail(error: unknown): void {
		for (const ticket of this.tickets) ticket.fail(error);
	}

	#reserve(bytes: number): void {
		const needed = this.#used + bytes;
		if (needed <= this.#bytes.length) return;
		const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
		larger.set(this.#bytes.subarray(0, this.#used));
		this.#bytes = larger;
	}
}
