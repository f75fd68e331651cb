/**
 * The one loop that makes things durable: gathers what waits into a round, writes it to the ring, shows it.
 *
 * One round is in flight at a time. What arrives meanwhile waits for the next; after a round, one turn of the event
 * loop passes, so that everybody who was told can append again and is in the next round together.
 */
import type { Clock } from "../core/clock.ts";
import type { StreambedError } from "../core/errors.ts";
import type { Admission } from "./admission.ts";
import { checksum, viewOf } from "./checksum.ts";
import type { Ring, RingPlace } from "./ring.ts";
import {
	ENVELOPE_BYTES,
	EnvelopeKind,
	encodeRound,
	ROUND_ALIGN,
	ROUND_HEADER_BYTES,
	type RoundPart,
	roundBytes,
} from "./round.ts";
import type { ShardLog } from "./shard-log.ts";
import type { StreamLog } from "./stream-log.ts";
import { type MemoryFrame, memoryFrameBytes } from "./tail-memory.ts";

/** A round is closed at so many bytes of frames, unless one frame alone is larger. */
const ROUND_TARGET_BYTES = 8 * 1024 * 1024;
/** A round of one large frame of at least this size is written as two halves at the same time. */
const SPLIT_BYTES = 512 * 1024;
/** Bodies of at least this size are written from where they are, not copied into the staging buffer. */
const IN_PLACE_BYTES = 128 * 1024;

/** A change that is no frame: a stream created or deleted. */
export interface Action {
	readonly kind: EnvelopeKind;
	readonly streamId: Uint8Array;
	/** Folder below `streams/`. */
	readonly folder: string;
	done(): void;
	fail(error: unknown): void;
}

/** Frames of one shard in a round. */
export interface Taken {
	readonly shard: ShardLog;
	readonly frames: readonly MemoryFrame[];
}

/** What the committer needs of its store. */
export interface CommitHost {
	readonly clock: Clock;
	readonly ring: Ring;
	readonly admission: Admission;
	/** Counts checkpoints begun: names are repeated in each of these spans. */
	readonly span: number;
	/** Waits until not too much waits for write-behind; says why not if the disk is full. */
	backlogRoom(): Promise<StreambedError | undefined>;
	/** Makes room in the ring for a round of so many bytes; says why not if there can be none for now. */
	makeRoom(bytes: number): Promise<StreambedError | undefined>;
	/** These shards have durable frames to be written behind. */
	committed(shards: readonly ShardLog[], bytes: number, roundBytes: number): void;
	/** The journal failed: `inRound` may have reached the disk, if writing was `begun`. */
	failed(error: unknown, inRound: readonly Taken[], begun: boolean): void;
}

/** Identity of the journal, and where it goes on. */
export interface CommitStart {
	readonly storeTag: number;
	readonly unsynced: boolean;
	readonly incarnation: number;
	readonly nonce: number;
	readonly round: number;
	readonly previous: number;
}

/** Counters of the commit loop. */
export interface CommitCounters {
	rounds: number;
	appends: number;
	appendedBytes: number;
}

/** The commit loop of a store. */
export class Committer {
	readonly #host: CommitHost;
	readonly #start: CommitStart;
	readonly #shards = new Set<ShardLog>();
	#actions: Action[] = [];
	#number: number;
	#previous: number;
	#running = false;
	#stopped = false;
	/** A round is being written. */
	writing = false;
	#inFlight: Promise<void> = Promise.resolve();
	#idle: (() => void)[] = [];
	#staging = Buffer.allocUnsafeSlow(64 * 1024);
	#view = viewOf(this.#staging);
	readonly counters: CommitCounters = { rounds: 0, appends: 0, appendedBytes: 0 };

	constructor(host: CommitHost, start: CommitStart) {
		this.#host = host;
		this.#start = start;
		this.#number = start.round;
		this.#previous = start.previous;
	}

	/** Number, `previous` and place of the round that comes next: where redo would begin if all before were checkpointed. */
	get next(): { readonly round: number; readonly previous: number; readonly place: RingPlace } {
		return { round: this.#number, previous: this.#previous, place: this.#host.ring.next };
	}

	/** The shard has frames for the next round. */
	add(shard: ShardLog): void {
		this.#shards.add(shard);
		this.#wake();
	}

	/** Makes a change part of the next round. */
	act(action: Action): void {
		if (this.#stopped) return action.fail(new Error("stopped"));
		this.#actions.push(action);
		this.#wake();
	}

	/** Resolves once the round now being written, if any, has ended. */
	get inFlight(): Promise<void> {
		return this.#inFlight;
	}

	/** Resolves once nothing waits for a round any more. */
	idle(): Promise<void> {
		if (!this.#running || this.#stopped) return Promise.resolve();
		return new Promise((resolve) => this.#idle.push(resolve));
	}

	/** Ends the loop: nothing more is committed. Returns the actions that were in no round. */
	stop(): Action[] {
		this.#stopped = true;
		this.#shards.clear();
		for (const resolve of this.#idle.splice(0)) resolve();
		return this.#actions.splice(0);
	}

	#wake(): void {
		if (this.#running || this.#stopped) return;
		this.#running = true;
		setImmediate(() => void this.#run());
	}

	async #run(): Promise<void> {
		while (!this.#stopped && (this.#shards.size > 0 || this.#actions.length > 0)) {
			const full = await this.#host.backlogRoom();
			if (this.#stopped) return;
			if (full === undefined) await this.#round();
			else this.#refuse([...this.#shards], this.#actions.splice(0), full);
			await new Promise((resolve) => setImmediate(resolve));
		}
		this.#running = false;
		for (const resolve of this.#idle.splice(0)) resolve();
	}

	async #round(): Promise<void> {
		const frames: RoundPart[] = [];
		const taken = this.#take(frames);
		const actions = this.#actions.splice(0);
		if (frames.length === 0 && actions.length === 0) return;
		const changes = actions.map(actionEnvelope);
		let done: () => void = () => {};
		let written = 0;
		try {
			for (;;) {
				const names = this.#names(taken);
				const parts =
					names.length + changes.length === 0 ? frames : [...names.map(nameEnvelope), ...changes, ...frames];
				let bodyBytes = 0;
				for (const { from, to } of parts) bodyBytes += to - from;
				const bytes = roundBytes(parts.length, bodyBytes);
				const place = this.#host.ring.take(bytes);
				if (place === undefined) {
					const full = await this.#host.makeRoom(bytes);
					if (this.#stopped) throw new Error("stopped");
					if (full === undefined) continue;
					const shards = taken.map(({ shard }) => shard);
					this.#refuse(shards, actions, full);
					return;
				}
				this.writing = true;
				this.#inFlight = new Promise((resolve) => {
					done = resolve;
				});
				for (const stream of names) stream.namedIn = this.#host.span;
				await this.#write(place, parts, bytes);
				written = bytes;
				break;
			}
			this.#finish(taken, actions, written);
		} catch (error) {
			for (const action of actions) action.fail(error);
			this.#host.failed(error, taken, this.writing);
		} finally {
			this.writing = false;
			done();
		}
	}

	/** Nothing of this was written anywhere, and nothing will be. */
	#refuse(shards: readonly ShardLog[], actions: readonly Action[], error: StreambedError): void {
		for (const shard of shards) this.#shards.delete(shard);
		for (const shard of shards) shard.takeBack(error);
		for (const action of actions) action.fail(error);
	}

	#take(parts: RoundPart[]): Taken[] {
		const taken: Taken[] = [];
		const now = this.#host.clock.now();
		let budget = ROUND_TARGET_BYTES;
		for (const shard of this.#shards) {
			if (budget <= 0) break;
			const frames = shard.takeFrames(this.#number, now, budget, parts);
			for (const frame of frames) budget -= memoryFrameBytes(frame);
			if (frames.length > 0) taken.push({ shard, frames });
			if (!shard.memory.waiting) this.#shards.delete(shard);
		}
		return taken;
	}

	/** Streams of the round that no round since the last checkpoint began has named. */
	#names(taken: readonly Taken[]): StreamLog[] {
		const streams = new Set<StreamLog>();
		for (const { shard } of taken) {
			const stream = shard.owner as StreamLog;
			if (stream.namedIn !== this.#host.span) streams.add(stream);
		}
		return [...streams];
	}

	async #write(place: RingPlace, parts: readonly RoundPart[], bytes: number): Promise<void> {
		const number = this.#number++;
		const head = { ...this.#start, number, ...place, previous: this.#previous, time: this.#host.clock.now() };
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
		await this.#host.ring.write(place, number, this.#staging.subarray(0, bytes));
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
		const { ring } = this.#host;
		const head = this.#staging.subarray(0, bodyAt);
		const body = part.source.subarray(part.from, part.to);
		const padding = zeros.subarray(0, bytes - bodyAt - body.length);
		if (bytes < SPLIT_BYTES) return await ring.write(place, number, [head, body, padding]);
		// The disk is faster at two halves side by side; a round of which only one arrived fails its checks.
		const half = Math.floor(bytes / 2 / ROUND_ALIGN) * ROUND_ALIGN;
		const rest = { file: place.file, offset: place.offset + half };
		const cut = half - bodyAt;
		const first = ring.write(place, number, [head, body.subarray(0, cut)]);
		const second = ring.write(rest, number, [body.subarray(cut), padding]);
		for (const outcome of await Promise.allSettled([first, second])) {
			if (outcome.status === "rejected") throw outcome.reason;
		}
	}

	#finish(taken: readonly Taken[], actions: readonly Action[], written: number): void {
		let bytes = 0;
		let payload = 0;
		for (const { shard, frames } of taken) {
			shard.show(frames);
			for (const frame of frames) {
				bytes += memoryFrameBytes(frame);
				if (frame.state !== undefined) continue;
				payload += frame.payloadBytes;
				this.counters.appends += frame.lengths.length;
			}
		}
		this.counters.rounds++;
		this.counters.appendedBytes += payload;
		this.#host.committed(
			taken.map(({ shard }) => shard),
			bytes,
			written,
		);
		for (const { shard, frames } of taken) shard.settle(frames);
		for (const action of actions) action.done();
		this.#host.admission.release(payload);
	}
}

const zeros = new Uint8Array(4096);

function actionEnvelope(action: Action): RoundPart {
	return folderEnvelope(action.kind, action.streamId, action.folder);
}

function nameEnvelope(stream: StreamLog): RoundPart {
	return folderEnvelope(EnvelopeKind.name, stream.id, stream.folder);
}

function folderEnvelope(kind: EnvelopeKind, streamId: Uint8Array, folder: string): RoundPart {
	const source = Buffer.from(folder);
	const crc = checksum(source);
	return { kind, shard: 0, streamId, base: 0, fileOffset: 0, source, from: 0, to: source.length, crc };
}
