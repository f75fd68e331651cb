/** What is known of one shard of a record stream. */
import { History } from "./history.ts";
import type { RecordCall } from "./record-call.ts";

/** A record at its place. */
export interface Slot {
	readonly call: RecordCall;
	readonly index: number;
	/** Its ingestion time; NaN until somebody was told. */
	time: number;
}

/** One shard: its records by sequence, as far as anybody was told of them. */
export class RecordShard {
	readonly slots: (Slot | undefined)[] = [];
	head = 0;
	/** Somebody was refused because it is sealed: so it is, even where the stream as a whole is not yet. */
	sealSeen = false;
	/** The tail is here at least, whatever happens. */
	told = 0;
	/** As far as its owner has told. */
	answered = 0;
	/** Heads that were asked for, and when. */
	readonly heads: Map<number, number> = new Map([[0, -1]]);
	history: History = new History({ head: 0, tail: 0, sealed: false });
	/** Bytes of values between head and tail. */
	volume = 0;

	/** Some records below the head were never seen: so many in a row. */
	get unseen(): number {
		let longest = 0;
		let now = 0;
		for (let at = 0; at < this.head; at++) {
			now = this.slots[at] === undefined ? now + 1 : 0;
			longest = Math.max(longest, now);
		}
		return longest;
	}

	/** Somebody knows of a tail, perhaps the second process: a write in parts stands there a moment before its owner says so. */
	tell(tail: number): void {
		this.told = Math.max(this.told, tail);
	}

	/** The owner has told of a tail. */
	answer(tail: number): void {
		this.tell(tail);
		this.answered = Math.max(this.answered, tail);
	}

	keep(sequence: number, slot: Slot): void {
		this.slots[sequence] = slot;
		this.tell(sequence + 1);
		if (sequence >= this.head) this.volume += bytesOf(slot);
	}

	moveHead(head: number): void {
		for (; this.head < head; this.head++) {
			const slot = this.slots[this.head];
			if (slot !== undefined) this.volume -= bytesOf(slot);
		}
	}

	/** Bytes that are kept behind a head, at the most: payload, and what frames and segments add. */
	keptAtMost(head: number): number {
		let bytes = 1000;
		for (let at = head; at < this.told; at++) bytes += 400 + bytesOf(this.slots[at]);
		return bytes;
	}
}

function bytesOf(slot: Slot | undefined): number {
	return slot?.call.plans[slot.index]?.bytes ?? 3_000_000;
}
