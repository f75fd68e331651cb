/** Records in parts that come part by part, as `read --json` and `export` give them, become records in parts again. */
import { fail } from "../core/errors.ts";
import type { PartsStored, RecordInput, RecordMultipart, RecordPart, RecordStream } from "../index.ts";

/** A record as it was read: perhaps a part of a larger one. */
export type CopiedRecord = RecordInput & { readonly part?: RecordPart | undefined };

/** Puts parts together again, in one stream. Parts of one record have to follow on one another. */
export class PartsCopy {
	readonly #stream: RecordStream;
	#record: RecordMultipart | undefined;
	#shard: number | undefined;
	/** Parts of it that were taken. */
	#parts = 0;

	constructor(stream: RecordStream) {
		this.#stream = stream;
	}

	/** Takes the next part; resolves with where the whole stands once it was the last one. @throws INVALID_OPTION */
	async take({ value, part, ...head }: CopiedRecord & { readonly part: RecordPart }): Promise<PartsStored | undefined> {
		if (part.index === 0) {
			this.requireWhole();
			this.#shard = head.shard ?? undefined;
			this.#record = this.#stream.multipart(head);
		} else this.#requireNext(part, head);
		const record = this.#record as RecordMultipart;
		await record.write(value);
		this.#parts++;
		if (!part.last) return undefined;
		this.#parts = 0;
		const stored = await record.commit();
		this.#record = undefined;
		return stored;
	}

	/** Sees to it that no part is to come: what comes is another record, or the end. @throws INVALID_OPTION */
	requireWhole(): void {
		if (this.#parts === 0) return;
		throw fail("INVALID_OPTION", `a record in parts is not whole: nothing follows its part ${this.#parts - 1}`, {
			hint: "Nothing of it is stored. Copy all of its parts, one after the other.",
		});
	}

	/** Drops a record of which not all parts have come. */
	async abort(): Promise<void> {
		// What it has left is swept when the store is opened again.
		await this.#record?.abort().catch(() => {});
	}

	#requireNext({ index }: RecordPart, head: Omit<RecordInput, "value">): void {
		if (this.#parts !== index) {
			const before = this.#parts === 0 ? "its beginning is missing" : `part ${this.#parts} has to come before it`;
			throw fail("INVALID_OPTION", `part ${index} of a record in parts: ${before}`, {
				hint: `Its first part stands ${index} ${index === 1 ? "record" : "records"} before it; where that is gone, leave out the rest as well.`,
			});
		}
		const { shard, key, clientInfo, eventTime } = head;
		const more = (key ?? clientInfo ?? eventTime ?? null) !== null || Object.keys(head.headers ?? {}).length > 0;
		if (!more && (shard ?? this.#shard) === this.#shard) return;
		throw fail(
			"INVALID_OPTION",
			`part ${index} of a record in parts: ${more ? "only the first part has a key, headers, client info or an event time" : "it is for another shard than the first one"}`,
		);
	}
}
