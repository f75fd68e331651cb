/**
 * A write in parts, as its user has it: open, prepared, committed or aborted (docs/commit-protocol.md §10).
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { fail, StreambedError } from "../../core/errors.ts";
import { formatUuid } from "../../core/random.ts";
import type { StagedInfo, StagedState } from "../../core/shard.ts";
import { replaceFile } from "../files/stream-folder.ts";
import { corrupt, ioError } from "../format/corruption.ts";
import { encodePrepared, type PreparedWrite, preparedPath } from "../format/staged-files.ts";
import type { ShardLog } from "../shards/shard-log.ts";
import type { StreamLog } from "../shards/stream-log.ts";
import { type CommitStagedHost, commitStaged } from "./staged-commit.ts";
import { StagedData, type StagedDataHost } from "./staged-data.ts";

/** What a write in parts needs of its store. */
export interface StagedWriteHost extends StagedDataHost, CommitStagedHost {
	readonly clock: Clock;
	/** Payload held in memory at most, and of one frame. */
	readonly stagedPayloadBytes: number;
	/** Work that closing the store waits for. */
	readonly staging: { run<T>(work: Promise<T>): Promise<T> };
	stop(error: unknown): StreambedError;
	refusal(): StreambedError | undefined;
	/** Why nothing can be changed any more: stopped. */
	stopError(): StreambedError | undefined;
}

/** A write as it begins, or, with its files, as it was prepared. */
export type BegunWrite = Pick<PreparedWrite, "id" | "createdAt"> &
	Partial<PreparedWrite> & {
		/** Its descriptor cannot be read. */
		readonly damaged?: boolean;
	};

/** One write in parts to one shard. */
export class StagedWrite {
	readonly id: string;
	readonly #host: StagedWriteHost;
	readonly #stream: StreamLog;
	readonly #shard: ShardLog;
	readonly #data: StagedData;
	readonly #createdAt: number;
	readonly #damaged: boolean;
	readonly #leaseMs: number;
	readonly #ended: (write: StagedWrite) => void;
	#state: StagedState;
	/** Why it was aborted by nobody's call. */
	#why = "";
	#turn: Promise<unknown> = Promise.resolve();
	#calls = 0;
	#preparing = false;
	#usedMs: number;
	#timer: Timer | undefined;

	constructor(
		host: StagedWriteHost,
		place: { readonly stream: StreamLog; readonly shard: ShardLog },
		from: BegunWrite,
		leaseMs: number,
		ended: (write: StagedWrite) => void,
	) {
		const { stream, shard } = place;
		this.id = from.id;
		this.#host = host;
		this.#stream = stream;
		this.#shard = shard;
		this.#createdAt = from.createdAt;
		this.#damaged = from.damaged === true;
		this.#leaseMs = leaseMs;
		this.#ended = ended;
		this.#state = from.files === undefined ? "open" : "prepared";
		this.#usedMs = host.clock.monotonic();
		const { folder } = shard.files;
		const owner = { streamId: stream.id, shard: shard.shard, kind: stream.kind };
		const sizes = { segmentBytes: stream.segmentBytes, payloadBytes: host.stagedPayloadBytes };
		this.#data = new StagedData(host, { id: from.id, folder, streamPath: stream.path, ...owner, ...sizes }, from.files);
		if (this.#state === "open") this.#arm();
	}

	/** It stands against sealing and deleting: it is prepared, or about to be. */
	get holds(): boolean {
		return this.#preparing || this.#state === "prepared";
	}

	/** What is known of it now. */
	get info(): StagedInfo {
		if (this.#damaged) {
			return { id: this.id, state: this.#state, bytes: this.#data.bytes, ageMs: null, damaged: true };
		}
		const ageMs = Math.max(0, this.#host.clock.now() - this.#createdAt);
		return { id: this.id, state: this.#state, bytes: this.#data.bytes, ageMs };
	}

	/** Adds a piece, of so many records if it is of records, or nothing of it. The bytes must not change until it resolves. @throws TXN_STATE, DISK_FULL, … */
	write(bytes: Uint8Array, records?: number): Promise<void> {
		return this.#inTurn("write to", ["open"], async () => {
			this.#check();
			await this.#data.add(bytes, records);
		});
	}

	/** Makes it durable: it waits for its commit for ever, in any process. @throws TXN_STATE, SEALED, DISK_FULL, … */
	prepare(): Promise<void> {
		return this.#inTurn("prepare", ["open", "prepared"], async () => {
			if (this.#state === "prepared") return;
			this.#check();
			if (this.#shard.sealing) throw this.#shard.adoptionRefusal(0, undefined);
			this.#preparing = true;
			await this.#data.finish();
			const { id } = this;
			const { folder } = this.#shard.files;
			const files = this.#data.files.map(({ number, bytes, units }) => ({ number, bytes, units }));
			const about = { id, stream: formatUuid(this.#stream.id), createdAt: this.#createdAt };
			const prepared = { ...about, preparedAt: this.#host.clock.now(), files };
			await replaceFile(this.#host.disk, preparedPath(folder, id), encodePrepared(prepared, this.#shard.shard));
			// What a delete did not find that has begun by now goes with the stream.
			await this.#stream.deleting;
			if (this.#stream.deleted !== undefined) throw this.#stream.deleted;
			this.#state = "prepared";
			this.#timer?.cancel();
		}).finally(() => {
			this.#preparing = false;
		});
	}

	/** Makes all of it visible at the tail; `check` is asked when the stream does not grow any more, and may throw. @throws TXN_STATE, SEALED, POSITION_MISMATCH, DISK_FULL, STOPPED, … */
	commit(expect?: number, check?: () => void): Promise<{ readonly from: number; readonly to: number }> {
		return this.#inTurn("commit", ["open", "prepared"], async () => {
			if (this.#damaged) throw this.#damage();
			const place = { stream: this.#stream, shard: this.#shard };
			const stored = await commitStaged(this.#host, place, { id: this.id, data: this.#data, expect, check });
			const descriptorLeft = this.#state === "prepared" && this.#data.held !== undefined;
			this.#end("committed");
			if (descriptorLeft) await this.#data.remove();
			return stored;
		});
	}

	/** Drops it. Does nothing if it was aborted already. @throws TXN_STATE if it was committed */
	abort(): Promise<void> {
		return this.#inTurn("abort", ["open", "prepared", "aborted"], async () => {
			if (this.#state === "aborted") return;
			const stopped = this.#state === "prepared" ? this.#host.stopError() : undefined;
			if (stopped !== undefined) throw stopped;
			await this.#drop("");
		});
	}

	/** Its stream is no longer open here. */
	forget(): void {
		this.#end("aborted");
		// That a file of it cannot be closed properly concerns nobody any more.
		this.#data.release().catch(() => {});
	}

	async #drop(why: string): Promise<void> {
		this.#why = why;
		this.#end("aborted");
		if (this.#stream.deleted === undefined && !this.#host.stopped) await this.#data.remove();
		await this.#data.release();
	}

	#end(state: StagedState): void {
		this.#state = state;
		this.#timer?.cancel();
		this.#ended(this);
	}

	#check(): void {
		const refusal = this.#stream.deleted ?? this.#host.refusal();
		if (refusal !== undefined) throw refusal;
	}

	/** Calls take effect one after the other, in their order. */
	#inTurn<T>(what: string, states: readonly StagedState[], work: () => Promise<T>): Promise<T> {
		const inState = async (): Promise<T> => {
			try {
				if (this.#stream.deleted !== undefined) throw this.#stream.deleted;
				if (!states.includes(this.#state)) throw this.#stateError(what);
				return await work();
			} catch (error) {
				const stopped = StreambedError.is(error) || !this.#host.stopped ? undefined : this.#host.refusal();
				throw this.#stream.deleted ?? stopped ?? ioError(error, `${what} ${this.id} of ${this.#stream.name}`);
			} finally {
				this.#calls--;
				this.#usedMs = this.#host.clock.monotonic();
			}
		};
		this.#calls++;
		const mine = this.#turn.then(inState, inState);
		this.#turn = mine;
		return mine;
	}

	#damage(): StreambedError {
		const path = preparedPath(this.#shard.files.folder, this.id);
		const hint = "It can only be aborted (`streambed txn abort`), unless `streambed repair` finds out what it said.";
		return corrupt({ path, offset: 0, what: "it describes no prepared write", hint });
	}

	#stateError(what: string): StreambedError {
		const message = `cannot ${what} ${this.id} of ${this.#stream.name}: it is ${this.#state}${this.#why}`;
		return fail("TXN_STATE", message, { details: { id: this.id, state: this.#state } });
	}

	#arm(): void {
		const { clock } = this.#host;
		const left = this.#usedMs + this.#leaseMs - clock.monotonic();
		// What is under way may take longer than the lease, which begins anew with its end.
		this.#timer = clock.setTimer(left > 0 ? left : Math.max(1, this.#leaseMs), () => this.#lookAtLease(), {
			keepAlive: false,
		});
	}

	#lookAtLease(): void {
		if (this.#state !== "open") return;
		const over = this.#host.clock.monotonic() - this.#usedMs >= this.#leaseMs;
		if (this.#calls > 0 || !over) return this.#arm();
		const dropping = this.#drop(`, since nothing was written for ${this.#leaseMs} ms`);
		this.#turn = this.#host.staging.run(dropping).catch(() => {});
	}
}
