/**
 * The one loop that makes things durable: gathers what waits into a round, writes it to the ring, shows it.
 *
 * One round is in flight at a time. What arrives meanwhile waits for the next; after a round, one turn of the event
 * loop passes, so that everybody who was told can append again and is in the next round together. Where gathering takes
 * as long as the disk does, the next round begins with half of it instead (see `RoundPacing`).
 */
import type { Clock } from "../../core/clock.ts";
import type { StreambedError } from "../../core/errors.ts";
import { checksum } from "../format/checksum.ts";
import { frameHeaderCrc } from "../format/frame.ts";
import { placedBody, placedBodyBytes } from "../journal/placed-body.ts";
import type { Ring, RingPlace } from "../journal/ring.ts";
import { EnvelopeKind, type RoundPart, roundBytes } from "../journal/round.ts";
import { type CommitStart, RoundWriter } from "../journal/round-writer.ts";
import type { Admission } from "../shards/admission.ts";
import type { ShardLog } from "../shards/shard-log.ts";
import type { StreamLog } from "../shards/stream-log.ts";
import { memoryFrameBytes, stampFrame } from "../tail/tail-memory.ts";
import type { Placement } from "./placement.ts";
import { type Large, RoundFrames, type Taken } from "./round-frames.ts";
import { RoundPacing } from "./round-pacing.ts";

/** A change that is no frame: a stream created or deleted, an epoch taken, staged files adopted. */
export interface Action {
	readonly kind: EnvelopeKind;
	readonly streamId: Uint8Array;
	/** Folder below `streams/`. */
	readonly folder: string;
	/** Left out where it is the folder. */
	readonly body?: Buffer | undefined;
	/** Of an adoption; else left out. */
	readonly shard?: number | undefined;
	done(): void;
	fail(error: unknown): void;
}

/** What the committer needs of its store. */
export interface CommitHost {
	readonly clock: Clock;
	readonly ring: Ring;
	readonly admission: Admission;
	readonly placement: Placement;
	/** Tells what appends are stamped with. */
	readonly retention: { stamp(): number };
	/** Counts checkpoints begun: names are repeated in each of these spans. */
	readonly span: number;
	/** Not too much waits for write-behind. */
	readonly hasBacklogRoom: boolean;
	/** Waits until not too much waits for write-behind; says why not if the disk is full. */
	backlogRoom(): Promise<StreambedError | undefined>;
	/** Makes room in the ring for a round of so many bytes; says why not if there can be none for now. */
	makeRoom(bytes: number): Promise<StreambedError | undefined>;
	/** These shards have durable frames to be written behind. */
	committed(shards: readonly ShardLog[], bytes: number, roundBytes: number): void;
	/** The journal failed: `inRound` may have reached the disk, if writing was `begun`. */
	failed(error: unknown, inRound: readonly Taken[], begun: boolean): void;
}

/** Counters of the commit loop. */
export interface CommitCounters {
	rounds: number;
	appends: number;
	appendedBytes: number;
}

/** A group of changes on its way through the ring. */
interface Round {
	readonly taken: readonly Taken[];
	readonly frames: readonly RoundPart[];
	/** Frames whose payload is large enough to be placed, and their parts. */
	readonly large: readonly Large[];
	readonly actions: readonly Action[];
	/** Bytes of appends in it. */
	readonly payload: number;
	/** Its size in the ring, once it has a place there. */
	bytes: number;
	/** When its writing began, on the monotonic clock. */
	began: number;
	/** Settles when it is durable; absent until it has a place. */
	written: Promise<void> | undefined;
}

/** The commit loop of a store. */
export class Committer {
	readonly #host: CommitHost;
	readonly #writer: RoundWriter;
	readonly #pacing: RoundPacing;
	readonly #shards = new Set<ShardLog>();
	#actions: Action[] = [];
	#running = false;
	#stopped = false;
	/** The round that is being written, or waits for a place. */
	#round: Round | undefined;
	/** Bytes of the round last told, and bytes that waited at that time; NaN once their successors have been gathered. */
	#told = 0;
	#waited = Number.NaN;
	#moments: (() => void)[] = [];
	#idle: (() => void)[] = [];
	readonly counters: CommitCounters = { rounds: 0, appends: 0, appendedBytes: 0 };

	constructor(host: CommitHost, start: CommitStart) {
		this.#host = host;
		this.#writer = new RoundWriter(host.ring, host.clock, start);
		this.#pacing = new RoundPacing(host.clock);
	}

	/** Number, `previous` and place of the round that comes next: where redo would begin if all before were checkpointed. */
	get next(): { readonly round: number; readonly previous: number; readonly place: RingPlace } {
		return this.#writer.next;
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

	/** Calls `moment` when no round is being written: at once, or before the next one begins. */
	between(moment: () => void): void {
		if (this.#round?.written === undefined || this.#stopped) moment();
		else this.#moments.push(moment);
	}

	/**
	 * Resolves once all frames that wait for a round now are durable, or refused, and those who waited for them have had
	 * their turn. For what comes meanwhile it does not wait.
	 */
	async settled(): Promise<void> {
		if (!this.#running || this.#stopped) return;
		const shards = new Set([...this.#shards, ...(this.#round?.taken ?? []).map(({ shard }) => shard)]);
		await Promise.allSettled([...shards].map((shard) => shard.accepted()));
		await new Promise((resolve) => setImmediate(resolve));
	}

	/** Resolves once nothing waits for a round any more: for a store that takes nothing new. */
	idle(): Promise<void> {
		if (!this.#running || this.#stopped) return Promise.resolve();
		return new Promise((resolve) => this.#idle.push(resolve));
	}

	/** As many bytes as {@link Admission.mark} asked for have been gathered: half of what the last round held. */
	markReached(): void {
		const { admission } = this.#host;
		admission.mark = Number.POSITIVE_INFINITY;
		if (this.#pacing.halfPays(admission.bytes - this.#waited, this.#told)) this.#beginNow();
	}

	/** Ends the loop: nothing more is committed. Returns the actions that were in no round. */
	stop(): Action[] {
		this.#stopped = true;
		this.#host.admission.mark = Number.POSITIVE_INFINITY;
		this.#shards.clear();
		this.#callMoments();
		for (const resolve of this.#idle.splice(0)) resolve();
		return this.#actions.splice(0);
	}

	#wake(): void {
		if (this.#running || this.#stopped) return;
		this.#running = true;
		setImmediate(() => void this.#run());
	}

	get #hasWork(): boolean {
		return this.#shards.size > 0 || this.#actions.length > 0;
	}

	async #run(): Promise<void> {
		// A round that has begun early is brought to its end by a store that has stopped meanwhile, too.
		while (this.#round !== undefined || (!this.#stopped && this.#hasWork)) {
			await this.#nextRound();
			await new Promise((resolve) => setImmediate(resolve));
			this.#endGathering();
		}
		this.#running = false;
		for (const resolve of this.#idle.splice(0)) resolve();
	}

	/** Takes one round to its end. It may have begun already; the one after it may have when this returns. */
	async #nextRound(): Promise<void> {
		const round = this.#round ?? (await this.#takeSlowly());
		if (round === undefined) return;
		try {
			if (round.written === undefined && !(await this.#place(round))) return;
			await round.written?.catch((error) => {
				if (!(error instanceof NotPlaced)) throw error;
				round.written = undefined;
				// A checkpoint that waits for this round is perhaps what makes room for the whole of it.
				this.#callMoments();
			});
			if (round.written === undefined) return;
		} catch (error) {
			this.#round = undefined;
			this.#host.failed(error, round.taken, round.written !== undefined);
			for (const action of round.actions) action.fail(error);
			return;
		}
		this.#show(round);
		this.#tell(round);
	}

	/** Takes the next round once not too much waits for write-behind; refuses what has a payload if the disk is full. */
	async #takeSlowly(): Promise<Round | undefined> {
		const full = await this.#host.backlogRoom();
		if (this.#stopped) return undefined;
		if (full === undefined) return this.#round ?? this.#take();
		const tell = this.#takeBack([...this.#shards].filter(hasPayload), full);
		// Before anybody is told, who may append again.
		const round = this.#take();
		tell();
		return round;
	}

	/** Finds a place in the ring for a round, and begins to write it; refuses it if there can be none for now. */
	async #place(round: Round): Promise<boolean> {
		for (;;) {
			if (this.#stopped) throw new Error("stopped");
			if (this.#begin(round)) return true;
			const full = await this.#host.makeRoom(round.bytes);
			if (this.#stopped || full === undefined) continue;
			this.#refuse(round, full);
			return false;
		}
	}

	/** Begins to write a round if the ring has a place for it. */
	#begin(round: Round): boolean {
		const names = this.#names(round.taken);
		const { actions } = round;
		const { placement, span } = this.#host;
		const placed: Large[] = [];
		for (const one of round.large) {
			if (placement.takes(one.frame, span)) placed.push(one);
			else this.#stamp(one);
		}
		const { frames } = round;
		const few = names.length + actions.length;
		// Frames of a stream that this round deletes were accepted before: redo must not meet them behind the delete.
		const parts = few === 0 ? frames : [...names.map(nameEnvelope), ...frames, ...actions.map(actionEnvelope)];
		let bodyBytes = 0;
		for (const { from, to } of parts) bodyBytes += to - from;
		for (const { frame, part } of placed) bodyBytes -= part.to - part.from - placedBodyBytes(frame);
		round.bytes = roundBytes(parts.length, bodyBytes);
		const place = this.#host.ring.take(round.bytes);
		if (place === undefined) return false;
		for (const stream of names) stream.namedIn = this.#host.span;
		round.began = this.#pacing.begin();
		round.written =
			placed.length === 0
				? this.#writer.write(place, parts, round.bytes)
				: this.#writePlaced(placed, place, parts, round.bytes).catch((error) => {
						// It has still to name them.
						if (error instanceof NotPlaced) for (const stream of names) stream.namedIn = -1;
						throw error;
					});
		// Who awaits it may come a turn later.
		round.written.catch(() => {});
		return true;
	}

	#stamp({ frame, part }: Large): void {
		if (!Number.isNaN(part.crc)) return;
		stampFrame(frame, this.#writer.number);
		part.crc = frameHeaderCrc(frame.chunk.view, frame.at);
	}

	/** Brings large payloads to their places, then makes them durable beside the round that names them. */
	async #writePlaced(
		placed: readonly Large[],
		place: RingPlace,
		parts: readonly RoundPart[],
		bytes: number,
	): Promise<void> {
		const { placement, ring } = this.#host;
		const frames = placed.map(({ frame }) => frame);
		try {
			// Checksums take about as long as the writing, and that needs this thread only to begin.
			await placement.write(frames, (index) => this.#stamp(placed[index] as Large));
		} catch (error) {
			// Nothing of the round has been written: it goes through the journal whole.
			await placement.undo(frames);
			ring.giveBack(place);
			throw new NotPlaced(error);
		}
		for (const frame of frames) frame.placed = true;
		const syncing = placement.sync(frames);
		const body = parts.map((part) => bodyOfPlaced(part, placed));
		const both = [this.#writer.write(place, body, bytes), syncing];
		for (const outcome of await Promise.allSettled(both)) if (outcome.status === "rejected") throw outcome.reason;
	}

	/** Begins the next round without waiting for anything, if that can be. */
	#beginNow(): void {
		if (this.#stopped || this.#round !== undefined || !this.#host.hasBacklogRoom) return;
		const round = this.#take();
		if (round !== undefined) this.#begin(round);
	}

	/** There is no place for a round. What has no payload goes on without the rest; where nothing has one, all of it is refused. */
	#refuse(round: Round, error: StreambedError): void {
		// With what waits for a later round: appends of several shards may be one.
		const shards = [...new Set([...round.taken.map(({ shard }) => shard), ...this.#shards])];
		const all = round.payload === 0;
		const refused = all ? shards : shards.filter(hasPayload);
		this.#round = all ? undefined : withoutShards(round, new Set(refused));
		this.#takeBack(refused, error)();
		if (all) for (const action of round.actions) action.fail(error);
	}

	/** Nothing of these was written anywhere, and nothing will be. What is returned tells those who wait. */
	#takeBack(shards: readonly ShardLog[], error: StreambedError): () => void {
		for (const shard of shards) this.#shards.delete(shard);
		// All of them before anybody is told: what hangs together over shards is taken back together.
		const tell = shards.map((shard) => shard.takeBack(error));
		return () => {
			for (const each of tell) each();
		};
	}

	/** Makes a round of what waits. */
	#take(): Round | undefined {
		const round = new RoundFrames(this.#writer.number, this.#host.retention.stamp(), this.#host.placement);
		round.take(this.#shards);
		const { taken, parts: frames, large, payload } = round;
		const actions = this.#actions.splice(0);
		if (frames.length === 0 && actions.length === 0) return undefined;
		this.#round = { taken, frames, large, actions, payload, ...unwritten };
		return this.#round;
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

	/** The round is durable: visible to all from now on. */
	#show({ taken, actions, payload, bytes, began }: Round): void {
		this.#round = undefined;
		this.#pacing.wrote(began);
		let frameBytes = 0;
		for (const { shard, frames } of taken) {
			shard.show(frames);
			for (const frame of frames) {
				frameBytes += memoryFrameBytes(frame);
				if (frame.state === undefined) this.counters.appends += frame.lengths.length;
			}
		}
		this.counters.rounds++;
		this.counters.appendedBytes += payload;
		// They are still to be carried out, and say so, before a checkpoint may begin.
		for (const action of actions) action.done();
		const shards = taken.map(({ shard }) => shard);
		this.#host.committed(shards, frameBytes, bytes);
		this.#callMoments();
	}

	/** Tells those who wait for a round, while the next one is being written if that pays. */
	#tell({ taken, payload }: Round): void {
		const { admission } = this.#host;
		admission.release(payload);
		const waiting = admission.bytes;
		if (this.#pacing.overlapPays(payload, waiting)) this.#beginNow();
		if (this.#round === undefined && waiting * 2 < payload) admission.mark = payload / 2;
		this.#told = payload;
		this.#waited = waiting;
		this.#pacing.tell();
		for (const { shard, frames } of taken) shard.settle(frames);
	}

	#endGathering(): void {
		this.#host.admission.mark = Number.POSITIVE_INFINITY;
		if (!Number.isNaN(this.#waited)) this.#pacing.gathered(this.#host.admission.bytes - this.#waited);
		this.#waited = Number.NaN;
	}

	#callMoments(): void {
		for (const moment of this.#moments.splice(0)) moment();
	}
}

/** A round that has no place yet. */
const unwritten = { bytes: 0, began: 0, written: undefined };

/** Tells whether anything of the shard that is not durable is more than a change of its head, or its seal. */
function hasPayload({ memory }: ShardLog): boolean {
	return memory.hasPayload;
}

/** What is left of a round that has no place yet without these shards, all that have a payload among them. */
function withoutShards(round: Round, shards: ReadonlySet<ShardLog>): Round | undefined {
	const taken = round.taken.filter(({ shard }) => !shards.has(shard));
	const sources = new Set(taken.flatMap(({ frames }) => frames.map(({ chunk }) => chunk.bytes)));
	const frames = round.frames.filter(({ source }) => sources.has(source));
	const { actions } = round;
	if (frames.length === 0 && actions.length === 0) return undefined;
	return { taken, frames, large: [], actions, payload: 0, ...unwritten };
}

/** A large payload could not be brought to its place, and nothing else has happened. */
class NotPlaced extends Error {
	constructor(cause: unknown) {
		super("a payload was not placed", { cause });
	}
}

/** A frame as it is written to the journal: of a placed one what has to be known of it. */
function bodyOfPlaced(part: RoundPart, placed: readonly Large[]): RoundPart {
	const large = placed.find((one) => one.part === part);
	if (large === undefined) return part;
	const source = placedBody(large.frame);
	return { ...part, kind: EnvelopeKind.placed, source, from: 0, to: source.length };
}

function actionEnvelope(action: Action): RoundPart {
	const body = action.body ?? Buffer.from(action.folder);
	return { ...bodyEnvelope(action.kind, action.streamId, body), shard: action.shard ?? 0 };
}

function nameEnvelope(stream: StreamLog): RoundPart {
	return bodyEnvelope(EnvelopeKind.name, stream.id, Buffer.from(stream.folder));
}

function bodyEnvelope(kind: EnvelopeKind, streamId: Uint8Array, source: Buffer): RoundPart {
	const crc = checksum(source);
	return { kind, shard: 0, streamId, base: 0, fileOffset: 0, source, from: 0, to: source.length, crc };
}
