/** Puts rounds into bytes and into the ring: numbers them, chains them, and copies only what is small. */
import type { Clock } from "../../core/clock.ts";
import { viewOf } from "../format/checksum.ts";
import type { Ring, RingPlace } from "./ring.ts";
import { ENVELOPE_BYTES, encodeRound, ROUND_ALIGN, ROUND_HEADER_BYTES, type RoundPart } from "./round.ts";

/** A round of one large frame of at least this size is written as two halves at the same time. */
const SPLIT_BYTES = 512 * 1024;
/** Bodies of at least this size are written from where they are, not copied into the staging buffer. */
const IN_PLACE_BYTES = 128 * 1024;

/** Identity of the journal, and where it goes on. */
export interface CommitStart {
	readonly storeTag: number;
	readonly unsynced: boolean;
	readonly incarnation: number;
	readonly nonce: number;
	readonly round: number;
	readonly previous: number;
}

/** Writes the rounds of one incarnation, one at a time. */
export class RoundWriter {
	readonly #ring: Ring;
	readonly #clock: Clock;
	readonly #start: CommitStart;
	#number: number;
	#previous: number;
	#staging = Buffer.allocUnsafeSlow(64 * 1024);
	#view = viewOf(this.#staging);

	constructor(ring: Ring, clock: Clock, start: CommitStart) {
		this.#ring = ring;
		this.#clock = clock;
		this.#start = start;
		this.#number = start.round;
		this.#previous = start.previous;
	}

	/** Number that the next round gets. */
	get number(): number {
		return this.#number;
	}

	/** Number, `previous` and place of the round that comes next: where redo would begin if all before were checkpointed. */
	get next(): { readonly round: number; readonly previous: number; readonly place: RingPlace } {
		return { round: this.#number, previous: this.#previous, place: this.#ring.next };
	}

	/** Writes a round of `bytes` at its place; durable when it resolves, unless the ring is not. */
	async write(place: RingPlace, parts: readonly RoundPart[], bytes: number): Promise<void> {
		const number = this.#number++;
		const head = { ...this.#start, number, ...place, previous: this.#previous, time: this.#clock.now() };
		const only = parts.length === 1 ? parts[0] : undefined;
		if (only !== undefined && only.to - only.from >= IN_PLACE_BYTES) {
			await this.#writeInPlace(place, number, head, only, bytes);
			return;
		}
		if (this.#staging.length < bytes) {
			this.#staging = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(bytes)));
			this.#view = viewOf(this.#staging);
		}
		this.#previous = encodeRound(this.#staging, this.#view, head, parts);
		await this.#ring.write(place, number, this.#staging.subarray(0, bytes));
	}

	/** Writes a round of one large frame without copying the frame. */
	async #writeInPlace(
		place: RingPlace,
		number: number,
		fields: Parameters<typeof encodeRound>[2],
		part: RoundPart,
		bytes: number,
	): Promise<void> {
		const bodyAt = ROUND_HEADER_BYTES + ENVELOPE_BYTES;
		this.#previous = encodeRound(this.#staging, this.#view, fields, [part], false);
		const head = this.#staging.subarray(0, bodyAt);
		const body = part.source.subarray(part.from, part.to);
		const padding = zeros.subarray(0, bytes - bodyAt - body.length);
		if (bytes < SPLIT_BYTES) return await this.#ring.write(place, number, [head, body, padding]);
		// The disk is faster at two halves side by side; a round of which only one arrived fails its checks.
		const half = Math.floor(bytes / 2 / ROUND_ALIGN) * ROUND_ALIGN;
		const rest = { file: place.file, offset: place.offset + half };
		const cut = half - bodyAt;
		const first = this.#ring.write(place, number, [head, body.subarray(0, cut)]);
		const second = this.#ring.write(rest, number, [body.subarray(cut), padding]);
		for (const outcome of await Promise.allSettled([first, second])) {
			if (outcome.status === "rejected") throw outcome.reason;
		}
	}
}

const zeros = new Uint8Array(4096);
