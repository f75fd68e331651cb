/** A write in parts: any number of bytes that become visible at one stroke, or never. */
import { abortable, checkSignal, throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { rejectUnknown, requireInteger } from "../../core/options.ts";
import type { StagedState } from "../../core/shard.ts";
import type { Appended, EngineStaged } from "../../engine/contract.ts";
import type { CommitOptions } from "../multipart-options.ts";
import type { StreamAccess } from "../stream-access.ts";
import { isBytes, notBytes } from "../user-bytes.ts";

/** Bytes of any number that become visible at one stroke. Calls take effect in their order. */
export class Multipart implements AsyncDisposable {
	readonly #access: StreamAccess;
	readonly #begin: () => Promise<EngineStaged>;
	/** What has to happen before its commit. */
	readonly #before: () => Promise<unknown>;
	#beginning: Promise<EngineStaged> | undefined;
	#staged: EngineStaged | undefined;

	/** Made by `writer.multipart()` and `stream.resumeTransaction()`. */
	constructor(access: StreamAccess, begin: () => Promise<EngineStaged>, before: () => Promise<unknown>) {
		this.#access = access;
		this.#begin = begin;
		this.#before = before;
	}

	/** Its id, a UUID; `undefined` before the first call has begun it. */
	get id(): string | undefined {
		return this.#staged?.info.id;
	}

	/** Bytes written so far. */
	get bytes(): number {
		return this.#staged?.info.bytes ?? 0;
	}

	/** `open`, then perhaps `prepared`, then `committed` or `aborted`. */
	get state(): StagedState {
		return this.#staged?.info.state ?? "open";
	}

	/**
	 * Adds bytes. They must not change until this resolves, and it should be awaited: what is handed over faster than the
	 * disk takes it stays in the caller's memory. A failure adds nothing of the piece; after DISK_FULL it may come again.
	 * @throws TXN_STATE once it is prepared, committed or aborted; NOT_FOUND, DISK_FULL, STOPPED, READ_ONLY, CLOSED
	 */
	async write(bytes: Uint8Array): Promise<void> {
		if (!isBytes(bytes)) throw notBytes(bytes);
		this.#access.context.assertOpen();
		// Handed over in the order of the calls, also while it is being begun.
		if (this.#staged !== undefined) return await this.#staged.write(bytes);
		await this.#open().then((staged) => staged.write(bytes));
	}

	/**
	 * Makes it durable without making it visible: it waits for its commit for ever, also in a later process
	 * (`stream.resumeTransaction(id)`), and stands against sealing and deleting the stream. Returns its id.
	 * @throws TXN_STATE, SEALED, NOT_FOUND, DISK_FULL, STOPPED, CLOSED
	 */
	async prepare(): Promise<string> {
		this.#access.context.assertOpen();
		const staged = await this.#open();
		await staged.prepare();
		return staged.info.id;
	}

	/**
	 * Makes all of it visible at the tail, after what its writer has written before this call; resolves when that is
	 * durable. Where it is refused nothing is stored, and it may be committed again.
	 * @returns its offsets. @throws TXN_STATE, SEALED, POSITION_MISMATCH{expected,tail}, NOT_FOUND, DISK_FULL, STOPPED, ABORTED, CLOSED
	 */
	async commit(options: CommitOptions = {}): Promise<Appended> {
		rejectUnknown(options, ["expect", "signal"], "the options of commit");
		checkSignal(options.signal, "the options of commit");
		const expect = options.expect === undefined ? undefined : requireInteger(options.expect, "expect", 0);
		const what = `commit to ${this.#access.label}`;
		throwIfAborted(options.signal, what);
		this.#access.context.assertOpen();
		const commit = async (): Promise<Appended> => {
			await this.#before();
			const staged = await this.#open();
			return { ...(await staged.commit(expect)), duplicate: false };
		};
		return await abortable(commit(), options.signal, what);
	}

	/** Begins it, which the first write does as well, and returns it. */
	async open(): Promise<this> {
		await this.#open();
		return this;
	}

	/** Drops it, prepared or not. Does nothing when it was dropped before. @throws TXN_STATE if it was committed */
	async abort(): Promise<void> {
		if (this.#beginning === undefined) {
			this.#beginning = Promise.reject(this.#droppedError());
			this.#beginning.catch(() => {});
			return;
		}
		const staged = await this.#beginning.catch(() => undefined);
		await staged?.abort();
	}

	/** Drops what is neither committed nor prepared. */
	async [Symbol.asyncDispose](): Promise<void> {
		if (this.state === "open" && this.#access.context.isOpen()) await this.abort();
	}

	#open(): Promise<EngineStaged> {
		this.#beginning ??= this.#begin().then((staged) => {
			this.#staged = staged;
			return staged;
		});
		return this.#beginning;
	}

	#droppedError(): Error {
		return fail("TXN_STATE", `the write in parts to ${this.#access.label} was aborted before anything was written`, {
			details: { state: "aborted" },
		});
	}
}
