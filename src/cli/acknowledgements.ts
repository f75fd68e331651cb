/** The answers to the appends of one input, in its order, while more of it is on its way. */
import type { Appended } from "../index.ts";

/** Appends that may wait for their answer, or for their line on stdout, before no more are taken. */
const waitingMax = 4096;

/** Counts what is durable and hands each answer on, in order. */
export class Acknowledgements<A extends Pick<Appended, "from" | "to" | "duplicate"> = Appended> {
	readonly #onDurable: (result: A) => void | Promise<void>;
	readonly #onFailure: () => void;
	#last: Promise<void> = Promise.resolve();
	#waiting = 0;
	#appends = 0;
	#duplicates = 0;
	#bytes = 0;
	#fresh = 0;
	#from: number | undefined;
	#to: number | undefined;

	/** `onFailure` is called once, when an append or handing on an answer failed; no later answer is handed on. */
	constructor(onDurable: (result: A) => void | Promise<void>, onFailure: () => void) {
		this.#onDurable = onDurable;
		this.#onFailure = onFailure;
	}

	/** Durable appends. */
	get appends(): number {
		return this.#appends;
	}

	/** Those of them that had been stored before. */
	get duplicates(): number {
		return this.#duplicates;
	}

	/** Durable bytes of the input. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Those of them that had not been stored before. */
	get freshBytes(): number {
		return this.#fresh;
	}

	/** Position of the first durable byte, if there is one. */
	get from(): number | undefined {
		return this.#from;
	}

	/** Position after the last durable byte, if there is one. */
	get to(): number | undefined {
		return this.#to;
	}

	/** Takes the promise of the next append, of so many bytes. Resolves once there is room for another; rejects as an earlier one did. */
	async add(durable: Promise<A>, bytes: number): Promise<void> {
		this.#waiting++;
		const before = this.#last;
		this.#last = this.#follow(before, durable, bytes);
		this.#last.catch(() => {});
		if (this.#waiting >= waitingMax) await this.#last;
	}

	/** Resolves when all that was taken is answered. */
	async settled(): Promise<void> {
		await this.#last;
	}

	async #follow(before: Promise<void>, durable: Promise<A>, bytes: number): Promise<void> {
		// Watched from the start, so that a failure behind another one is nobody's unhandled rejection.
		const watched = durable.then(
			(result) => ({ result }),
			(error: unknown) => ({ error }),
		);
		await before;
		try {
			const outcome = await watched;
			if ("error" in outcome) throw outcome.error;
			await this.#count(outcome.result, bytes);
		} catch (error) {
			this.#onFailure();
			throw error;
		}
	}

	async #count(result: A, bytes: number): Promise<void> {
		const { from, to, duplicate } = result;
		this.#waiting--;
		this.#appends++;
		if (duplicate) this.#duplicates++;
		else this.#fresh += bytes;
		this.#bytes += bytes;
		// A duplicate of long ago has no positions.
		if (!Number.isNaN(to)) {
			this.#from ??= from;
			this.#to = to;
		}
		await this.#onDurable(result);
	}
}
