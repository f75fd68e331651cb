/** Appends in the order of their calls. What arrives while one write is under way becomes the next one. */
import { fail, StreambedError } from "../core/errors.ts";

/** Bytes gathered into one write. */
const groupBytes = 256 * 1024;
/** Bytes of appends that wait. */
const waitingBytes = 64 * 1024 * 1024;

interface Waiting {
	/** One record, as nearly all appends have it, or several. */
	readonly records: Uint8Array | readonly Uint8Array[];
	readonly bytes: number;
	readonly resolve: (firstOffset: number) => void;
	readonly reject: (error: unknown) => void;
}

/** Stores records and returns the offset of the first one. */
export type WriteRecords = (records: readonly Uint8Array[]) => Promise<number>;

/** A queue before one writer. */
export class AppendQueue {
	readonly #write: WriteRecords;
	#waiting: Waiting[] = [];
	#waitingBytes = 0;
	#running: Promise<void> | undefined;

	constructor(write: WriteRecords) {
		this.#write = write;
	}

	/** Resolves with the first record's offset once the records are stored. @throws LIMIT_EXCEEDED */
	push(records: Uint8Array | readonly Uint8Array[], bytes: number): Promise<number> {
		if (this.#waitingBytes + bytes > waitingBytes && this.#waitingBytes > 0) {
			const message = `${this.#waitingBytes} bytes wait to be written, the limit is ${waitingBytes}`;
			return Promise.reject(fail("LIMIT_EXCEEDED", message, { hint: "Await appends before you make more of them." }));
		}
		return new Promise((resolve, reject) => {
			this.#waiting.push({ records, bytes, resolve, reject });
			this.#waitingBytes += bytes;
			this.#running ??= this.#run();
		});
	}

	/** Waits until nothing waits any more. */
	async drain(): Promise<void> {
		await this.#running;
	}

	async #run(): Promise<void> {
		// Calls of the same moment are one write.
		await undefined;
		while (this.#waiting.length > 0) {
			const group = this.#take();
			await this.#store(group);
			for (const { bytes } of group) this.#waitingBytes -= bytes;
		}
		this.#running = undefined;
	}

	async #store(group: readonly Waiting[]): Promise<void> {
		const all: Uint8Array[] = [];
		for (const { records } of group) {
			if (Array.isArray(records)) for (const record of records) all.push(record);
			else all.push(records as Uint8Array);
		}
		try {
			let offset = await this.#write(all);
			for (const { records, resolve } of group) {
				resolve(offset);
				offset += Array.isArray(records) ? records.length : 1;
			}
		} catch (error) {
			// One record that is refused is no reason to refuse the others.
			if (group.length > 1 && StreambedError.is(error, "STREAMBED_INVALID_OPTION")) {
				for (const each of group) await this.#store([each]);
			} else {
				for (const each of group) each.reject(error);
			}
		}
	}

	#take(): Waiting[] {
		let bytes = 0;
		let count = 0;
		for (const each of this.#waiting) {
			if (count > 0 && bytes + each.bytes > groupBytes) break;
			bytes += each.bytes;
			count++;
		}
		if (count < this.#waiting.length) return this.#waiting.splice(0, count);
		const all = this.#waiting;
		this.#waiting = [];
		return all;
	}
}
