/** A stream's folder: where the stream ends, what its last record looks like, and who appends to it. */
import { fail } from "../core/errors.ts";
import { AppendQueue } from "./append-queue.ts";
import { type Block, listBlocks, newBlock } from "./block.ts";
import type { BlockLayout } from "./block-layout.ts";
import { checkBlocks, type StreamCheck, summarize, tailOf, type WalkSettings } from "./block-walk.ts";
import { BlockWriter, type StreamEnd } from "./block-writer.ts";
import { damaged, ioError, withIoErrors } from "./io-error.ts";
import type { StorageSettings } from "./storage-options.ts";
import { MarkedBlocks, type RecordSource } from "./stream-records.ts";
import { type CutTail, cutTornTail, type TornTail } from "./torn-tail.ts";

/** What holds while the stream is open for append. */
interface Appending {
	readonly writer: BlockWriter;
	readonly queue: AppendQueue;
	readonly release: () => Promise<void>;
}

/** Which stream. */
export interface StreamPlace {
	readonly streamId: string;
	readonly folder: string;
	readonly blockMaxSize: number;
}

/** What one instance knows of its stream; the users' class checks arguments and hands them to it. */
export class StreamFolder {
	readonly #place: StreamPlace;
	readonly #settings: StorageSettings;
	readonly #marks = new MarkedBlocks();
	#end: StreamEnd | undefined;
	#opening: Promise<void> | undefined;
	#appending: Appending | undefined;
	/** Opening and closing for append, and looking anew, one after another. */
	#turn: Promise<unknown> = Promise.resolve();
	/** Offsets were skipped since the last record, and no offset field tells it yet. */
	#jumped = false;

	constructor(place: StreamPlace, settings: StorageSettings) {
		this.#place = place;
		this.#settings = settings;
	}

	/** Its end. @throws CLOSED before `open` */
	get end(): StreamEnd {
		if (this.#end !== undefined) return this.#end;
		throw fail("CLOSED", `the stream ${this.#place.streamId} was not opened yet`, { hint: "Await open() first." });
	}

	get isAppending(): boolean {
		return this.#appending !== undefined;
	}

	/** Makes the folder if it is missing and finds the stream's end; once. */
	async open(): Promise<void> {
		this.#opening ??= this.#recover(true);
		try {
			await this.#opening;
		} catch (error) {
			this.#opening = undefined;
			throw error;
		}
	}

	/** Looks anew, unless nobody else may append. */
	async refresh(): Promise<void> {
		if (this.#end === undefined) {
			await this.open();
			return;
		}
		await this.#inTurn(async () => {
			if (this.#appending === undefined) await this.#recover(false);
		});
	}

	/** Opens for append. */
	beginAppending(): Promise<CutTail | null> {
		return this.#inTurn(async () => {
			if (this.#appending !== undefined) return null;
			await this.open();
			return await withIoErrors(`opening the stream ${this.#place.folder} for append`, () => this.#begin());
		});
	}

	/** Stores records and resolves with the offset of the first. */
	push(records: Uint8Array | readonly Uint8Array[], bytes: number): Promise<number> {
		return this.#appendable().queue.push(records, bytes);
	}

	/** Waits until all is stored, and durable unless durability is "os". */
	async flush(): Promise<void> {
		const { queue, writer } = this.#appendable();
		await queue.drain();
		await writer.sync();
	}

	/** Closes for append. */
	endAppending(): Promise<void> {
		return this.#inTurn(async () => {
			const appending = this.#appending;
			if (appending === undefined) return;
			this.#appending = undefined;
			await appending.queue.drain();
			try {
				await appending.writer.sync();
			} finally {
				await this.#forgetFiles();
				await appending.release();
			}
		});
	}

	/** What there is to read now. */
	async source(): Promise<RecordSource> {
		await this.refresh();
		return { blocks: this.end.blocks, settings: this.#walk(), marks: this.#marks };
	}

	/** Looks at every record. */
	async check(): Promise<StreamCheck> {
		await this.refresh();
		await this.#appending?.queue.drain();
		return await withIoErrors(`verifying the stream ${this.#place.folder}`, () =>
			checkBlocks(existing(this.end.blocks), this.#walk()),
		);
	}

	/** Skips one offset. */
	async skipOffset(): Promise<void> {
		await this.#skip(async (end) => {
			if (end.next >= Number.MAX_SAFE_INTEGER) throw fail("LIMIT_EXCEEDED", "there is no offset beyond 2^53 - 1");
			this.#jumped = true;
			this.#end = { ...end, next: end.next + 1 };
		});
	}

	/** Writes a field that tells the next record's offset. */
	async writeOffset(): Promise<void> {
		await this.#skip(async (end, writer) => {
			this.#end = await writer.writeOffset(end);
			this.#jumped = false;
		});
	}

	async #skip(work: (end: StreamEnd, writer: BlockWriter) => Promise<void>): Promise<void> {
		const { writer, queue } = this.#appendable();
		const { layout } = this.end.blocks.at(-1) as Block;
		if (writer.layout !== "0.6" || layout !== "0.6") {
			throw fail(
				"UNSUPPORTED",
				`offsets can be skipped in layout 0.6 only, this stream has ${layout ?? writer.layout}`,
			);
		}
		await queue.drain();
		await work(this.end, writer);
	}

	async #recover(mayCreate: boolean): Promise<void> {
		const { shared, create, layout } = this.#settings;
		const { disk } = shared;
		await withIoErrors(`opening the stream ${this.#place.folder}`, async () => {
			if (mayCreate && create) await disk.mkdir(this.#place.folder);
			const blocks = await listBlocks(disk, this.#place.folder, this.#place.streamId);
			if (blocks.length === 0) {
				const first = newBlock(this.#place.streamId, this.#place.folder, 0, layout ?? "0.7");
				this.#end = { blocks: [first], next: 0, tornTail: null };
				// Java's layout 0.6 has its first file from the beginning on.
				if (layout === "0.6" && mayCreate && create) this.#end = await this.#writer("0.6").begin(this.#end);
				return;
			}
			this.#forgetChanged(blocks);
			const last = blocks.pop() as Block;
			// Looked at before, and nothing was added.
			const before = this.#end?.blocks.at(-1);
			if (this.#end !== undefined && before !== undefined && isSame(before, last)) {
				this.#end = { ...this.#end, blocks: [...blocks, before] };
				return;
			}
			const summary = await summarize(last, undefined, this.#walk());
			// A cut block that is empty, or holds not even its first field, tells no layout.
			const known = summary.validLength > 0 ? summary.layout : undefined;
			const latest = { ...last, layout: known, hasRecord: summary.records > 0 };
			const tornTail = summary.torn ? tailOf(last, summary) : null;
			this.#end = { blocks: [...blocks, latest], next: summary.next, tornTail };
		});
	}

	/** Places of records are known no more where a file was changed, or is another one under the same name. */
	#forgetChanged(now: readonly Block[]): void {
		const before = new Map(this.#end?.blocks.map((block) => [block.path, block]));
		for (const block of now) {
			const known = before.get(block.path);
			if (known !== undefined && !isSame(known, block)) this.#marks.forget(block.path);
		}
	}

	async #begin(): Promise<CutTail | null> {
		const { check } = this.#settings;
		const release = await this.#lock();
		try {
			await this.#recover(false);
			if (check === "all") await this.#refuseDamage();
			const { tornTail } = this.end;
			const cut = tornTail === null ? null : await this.#cut(tornTail);
			const layout = await this.#layoutOfNewBlocks();
			const writer = this.#writer(layout);
			this.#end = await writer.begin(this.end);
			if (this.#settings.durability !== "os") await writer.sync();
			const queue = new AppendQueue((records) => this.#write(writer, records));
			this.#jumped = false;
			this.#appending = { writer, queue, release };
			return cut;
		} catch (error) {
			await this.#forgetFiles();
			await release();
			throw error;
		}
	}

	async #write(writer: BlockWriter, records: readonly Uint8Array[]): Promise<number> {
		const end = this.end;
		if (end.next > Number.MAX_SAFE_INTEGER - records.length) {
			throw fail("LIMIT_EXCEEDED", `the stream ${this.#place.streamId} is full: offsets end at 2^53 - 1`);
		}
		this.#end = await writer.write(end, records, this.#jumped);
		this.#jumped = false;
		return end.next;
	}

	#writer(layout: BlockLayout): BlockWriter {
		const { shared, durability } = this.#settings;
		const { disk, files } = shared;
		return new BlockWriter({ disk, files, durability, ...this.#place }, layout);
	}

	/** The layout asked for, or that of the last block which tells one. */
	async #layoutOfNewBlocks(): Promise<BlockLayout> {
		const { layout } = this.#settings;
		if (layout !== undefined) return layout;
		const { blocks } = this.end;
		for (const block of blocks.slice(-2).toReversed()) {
			if (block.length === 0) continue;
			const found = block.layout ?? (await summarize(block, undefined, this.#walk())).layout;
			if (found !== undefined) return found;
		}
		return "0.7";
	}

	async #lock(): Promise<() => Promise<void>> {
		const { disk, appending, locks } = this.#settings.shared;
		const path = await disk.realPath(this.#place.folder);
		if (appending.has(path)) {
			throw fail("LOCKED", `${this.#place.folder} is open for append by another instance in this process`, {
				hint: "One writer a stream: share the instance, or call closeForAppend on the other one first.",
				details: { path: this.#place.folder },
			});
		}
		appending.add(path);
		try {
			const lock = this.#settings.lock ? await locks?.acquire(this.#place.folder) : undefined;
			return async () => {
				appending.delete(path);
				await lock?.release();
			};
		} catch (error) {
			appending.delete(path);
			const failure = ioError(error, `locking the stream ${this.#place.folder}`);
			if (failure.code !== "STREAMBED_READ_ONLY") throw failure;
			throw fail("READ_ONLY", failure.message, {
				hint: "Locks lie in the folder above the stream's. Where it cannot be written: lock: false, and one writer only.",
				cause: error,
			});
		}
	}

	async #refuseDamage(): Promise<void> {
		const { problems } = await checkBlocks(existing(this.end.blocks), this.#walk());
		const damage = problems.find(({ kind }) => kind !== "gap" && kind !== "leadingGap");
		if (damage === undefined) return;
		const { kind, block, offset, message } = damage;
		const path = `${this.#place.folder}/${block}`;
		if (kind === "unsupportedLayout") throw fail("UNSUPPORTED", message, { details: { path, offset, kind } });
		throw damaged(path, offset, message, { kind, block });
	}

	async #cut(tail: TornTail): Promise<CutTail> {
		const { shared } = this.#settings;
		const end = this.end;
		const last = end.blocks.at(-1) as Block;
		await shared.files.forget(last.path);
		const cut = await cutTornTail(shared.disk, this.#place.folder, last.path, tail);
		this.#marks.forget(last.path);
		this.#end = { ...end, tornTail: null, blocks: [...end.blocks.slice(0, -1), { ...last, length: tail.validLength }] };
		return cut;
	}

	#appendable(): Appending {
		if (this.#appending !== undefined) return this.#appending;
		throw fail("CLOSED", `the stream ${this.#place.streamId} is not open for append`, {
			hint: "Call openForAppend first.",
		});
	}

	#walk(): WalkSettings {
		const { shared, readLayout, readBytes } = this.#settings;
		return { files: shared.files, layout: readLayout, chunkBytes: readBytes };
	}

	async #forgetFiles(): Promise<void> {
		for (const { path } of this.#end?.blocks ?? []) await this.#settings.shared.files.forget(path);
	}

	#inTurn<T>(work: () => Promise<T>): Promise<T> {
		const mine = this.#turn.then(work);
		this.#turn = mine.catch(() => undefined);
		return mine;
	}
}

/** The same file, unchanged. What this instance wrote itself it has not seen in the folder yet. */
function isSame(before: Block, now: Block): boolean {
	const known = before.identity !== undefined && before.identity === now.identity;
	return known && before.path === now.path && before.length === now.length && before.modifiedMs === now.modifiedMs;
}

function existing(blocks: readonly Block[]): Block[] {
	return blocks.filter(({ exists }) => exists);
}
