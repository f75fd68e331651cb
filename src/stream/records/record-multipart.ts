/**
 * A record in parts: a value of any number of bytes, kept as records that follow on one another in their shard and become
 * visible at one stroke, or never. Each part is a record for readers, which says which part it is.
 */
import { abortable, checkSignal, throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { describe, rejectUnknown, requireInteger } from "../../core/options.ts";
import { checkMeta, type RecordInput, type RecordMeta } from "../../core/record.ts";
import { recordBytes, recordContent, writeRecord } from "../../core/record-encoding.ts";
import { shardOfKey } from "../../core/routing.ts";
import type { StagedState } from "../../core/shard.ts";
import type { EngineStaged, EngineStream } from "../../engine/contract.ts";
import { type CommitOptions, checkMultipartOptions, type MultipartOptions } from "../multipart-options.ts";
import type { StreamAccess } from "../stream-access.ts";
import { isBytes, notBytes } from "../user-bytes.ts";
import { requireShard, routeRecord, tooLarge } from "./record-append.ts";

/** What a record in parts holds beside its value, and where it goes: as in an append. */
export type RecordHead = Omit<RecordInput, "value">;

/** Where a record in parts stands: its parts are the records `from` to `to`, exclusive. */
export interface PartsStored {
	readonly shard: number;
	readonly from: number;
	readonly to: number;
}

/** Bytes of the value that a part holds, unless an append may hold less. */
const PART_BYTES = 512 * 1024;
const nothing = new Uint8Array(0);

interface Home {
	readonly stream: EngineStream;
	readonly shard: number;
	readonly staged: EngineStaged;
	readonly partBytes: number;
}

/** A record in parts that is being written. Calls take effect in their order. */
export class RecordMultipart implements AsyncDisposable {
	readonly #access: StreamAccess;
	readonly #shard: number | undefined;
	readonly #meta: RecordMeta | undefined;
	readonly #leaseMs: number;
	#home: Promise<Home> | undefined;
	#staged: EngineStaged | undefined;
	/** The part that is being filled: it is written when it is known whether it is the last. */
	#part: Uint8Array = nothing;
	#filled = 0;
	/** Parts written, and whether the last one is. */
	#parts = 0;
	#complete = false;
	/** A piece was taken in part only. */
	#failed = false;
	#aborted = false;
	#bytes = 0;
	#turn: Promise<unknown> = Promise.resolve();

	/** Made by `stream.multipart()`. */
	constructor(access: StreamAccess, head: RecordHead, options: MultipartOptions) {
		this.#leaseMs = checkMultipartOptions(options);
		if (typeof head !== "object" || head === null || Array.isArray(head) || isBytes(head)) {
			throw fail("INVALID_OPTION", `a record in parts must be { key?, … }, not ${describe(head)}`);
		}
		rejectUnknown(head, ["key", "headers", "clientInfo", "eventTime", "shard"], "the record");
		this.#access = access;
		this.#shard = (head.shard ?? undefined) === undefined ? undefined : requireInteger(head.shard, "shard", 0);
		this.#meta = checkMeta({ value: nothing, ...head }, -1);
		const { appendBytes } = access.context.engine;
		const content = recordContent(nothing, this.#meta);
		if (content >= appendBytes) throw tooLarge("record", content + 1, appendBytes, access.label);
	}

	/** Bytes of the value written so far. */
	get bytes(): number {
		return this.#bytes;
	}

	/** `open`, then `committed` or `aborted`. */
	get state(): StagedState {
		return this.#aborted ? "aborted" : (this.#staged?.info.state ?? "open");
	}

	/**
	 * Adds bytes to the value. They must not change until this resolves, and it should be awaited: what is handed over faster
	 * than the disk takes it stays in the caller's memory. After a failure the record can only be aborted.
	 * @throws TXN_STATE once it is committed or aborted; NOT_FOUND, DISK_FULL, STOPPED, READ_ONLY, CLOSED
	 */
	async write(bytes: Uint8Array): Promise<void> {
		if (!isBytes(bytes)) throw notBytes(bytes);
		await this.#inTurn(async (home) => {
			if (this.#complete) throw this.#stateError("write to", "its last part is written");
			this.#failed = true;
			for (let at = 0; at < bytes.length; ) {
				if (this.#filled === home.partBytes) await this.#flush(home, false);
				at += this.#fill(bytes, at, home.partBytes);
			}
			this.#failed = false;
			this.#bytes += bytes.length;
		});
	}

	/**
	 * Makes all of it visible at the tail of its shard and resolves when that is durable. Where it is refused nothing is stored,
	 * and it may be committed again; it takes no more bytes. A value that fits into one part becomes a record like any other.
	 * @returns the sequences of its parts. @throws TXN_STATE, also if its key goes to another shard since the stream has grown;
	 * SEALED, POSITION_MISMATCH{expected,tail}, NOT_FOUND, DISK_FULL, STOPPED, ABORTED, CLOSED
	 */
	async commit(options: CommitOptions = {}): Promise<PartsStored> {
		rejectUnknown(options, ["expect", "signal"], "the options of commit");
		checkSignal(options.signal, "the options of commit");
		const expect = options.expect === undefined ? undefined : requireInteger(options.expect, "expect", 0);
		const what = `commit to ${this.#access.label}`;
		throwIfAborted(options.signal, what);
		const commit = this.#inTurn(async (home) => {
			if (!this.#complete) await this.#flush(home, true);
			this.#complete = true;
			const { from, to } = await home.staged.commit(expect, () => this.#checkRoute(home));
			return { shard: home.shard, from, to };
		});
		return await abortable(commit, options.signal, what);
	}

	/** Drops it. Does nothing when it was dropped before. @throws TXN_STATE if it was committed */
	async abort(): Promise<void> {
		const abort = async (): Promise<void> => {
			const home = await this.#home?.catch(() => undefined);
			await home?.staged.abort();
			this.#aborted = true;
			this.#part = nothing;
		};
		const mine = this.#turn.then(abort, abort);
		this.#turn = mine;
		await mine;
	}

	/** Drops it unless it is committed. */
	async [Symbol.asyncDispose](): Promise<void> {
		if (this.state === "open" && this.#access.context.isOpen()) await this.abort();
	}

	async #begin(): Promise<Home> {
		const stream = await this.#access.stream();
		while (stream.growing !== undefined) await stream.growing;
		const { layout, id } = stream;
		if (this.#shard !== undefined) requireShard(this.#shard, layout, this.#access.label);
		const record = { value: nothing, meta: this.#meta, shard: this.#shard };
		const shard = routeRecord(record, layout, this.#access.context.turnsOf(id));
		const staged = await stream.shard(shard).staging.begin(this.#leaseMs);
		this.#staged = staged;
		const room = this.#access.context.engine.appendBytes - recordContent(nothing, this.#meta);
		return { stream, shard, staged, partBytes: Math.min(PART_BYTES, room) };
	}

	/** Copies what fits into the part; returns how much. */
	#fill(bytes: Uint8Array, at: number, partBytes: number): number {
		const taken = Math.min(bytes.length - at, partBytes - this.#filled);
		const needed = this.#filled + taken;
		if (needed > this.#part.length) {
			const larger = new Uint8Array(Math.min(partBytes, Math.max(needed, 2 * this.#part.length)));
			larger.set(this.#part.subarray(0, this.#filled));
			this.#part = larger;
		}
		this.#part.set(at === 0 && taken === bytes.length ? bytes : bytes.subarray(at, at + taken), this.#filled);
		this.#filled = needed;
		return taken;
	}

	/** Writes the part as a record. */
	async #flush({ staged }: Home, last: boolean): Promise<void> {
		const value = this.#part.subarray(0, this.#filled);
		const meta = this.#metaOf(last);
		const encoded = new Uint8Array(recordBytes(value, meta));
		writeRecord(encoded, 0, value, meta);
		await staged.write(encoded, 1);
		this.#parts++;
		this.#filled = 0;
	}

	/** The first part has what the record holds beside its value; one that is the only one is no part. */
	#metaOf(last: boolean): RecordMeta | undefined {
		const index = this.#parts;
		if (index === 0 && last) return this.#meta;
		const part = { index, last };
		if (index === 0 && this.#meta !== undefined) return { ...this.#meta, part };
		return { key: null, keyBytes: 0, headers: null, clientInfo: null, eventTime: null, part };
	}

	/** Records of a key stay in their order only if it is in the shard where they go now. */
	#checkRoute({ stream, shard }: Home): void {
		const key = this.#meta?.key ?? null;
		if (this.#shard !== undefined || key === null) return;
		const now = shardOfKey(key, stream.layout.shards);
		if (now !== shard) throw this.#stateError("commit", `the stream has grown, and its key goes to shard ${now} now`);
	}

	/** One call after the other, once it has begun. */
	#inTurn<T>(work: (home: Home) => Promise<T>): Promise<T> {
		const mine = this.#turn.then(async () => {
			this.#access.context.assertOpen();
			if (this.#aborted) throw this.#stateError("use", "it is aborted");
			if (this.#failed) throw this.#stateError("use", "a part of it could not be written");
			this.#home ??= this.#begin();
			this.#home.catch(() => {
				this.#home = undefined;
			});
			return await work(await this.#home);
		});
		this.#turn = mine.catch(() => {});
		return mine;
	}

	#stateError(what: string, why: string): Error {
		return fail("TXN_STATE", `cannot ${what} a record in parts of ${this.#access.label}: ${why}`, {
			hint: "Abort it, and write it anew if it is still wanted.",
			details: { state: this.state },
		});
	}
}
