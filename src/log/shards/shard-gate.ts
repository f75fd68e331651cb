import { Fifo } from "../../core/fifo.ts";

/**
 * Holds back what would change a shard while something has to happen to it alone; in the order of the calls. Whoever is let
 * in may let in others, of another queue: those come behind all who wait here.
 */
export class ShardGate {
	readonly #waiting = new Fifo<() => void>();
	#closed = false;
	#lettingIn = false;

	/** Calls are to wait. */
	get closed(): boolean {
		return this.#closed || this.#lettingIn;
	}

	/** Calls `then` in the caller's turn, perhaps at once: when the gate is open, after those who came before. */
	enter(then: () => void): void {
		if (this.closed) this.#waiting.push(then);
		else then();
	}

	/** Closes the gate, for one whose turn it is: it stays closed until {@link open}. */
	close(): void {
		this.#closed = true;
	}

	/** Opens it for those who wait, until one of them closes it again; for who has closed it. */
	open(): void {
		this.#closed = false;
		// One of those who are being let in had closed it: the others follow.
		if (this.#lettingIn) return;
		this.#lettingIn = true;
		try {
			for (let next = this.#next(); next !== undefined; next = this.#next()) next();
		} finally {
			this.#lettingIn = false;
		}
	}

	#next(): (() => void) | undefined {
		return this.#closed ? undefined : this.#waiting.shift();
	}

	/** Does work alone: what comes meanwhile waits, and so did this for others. */
	async alone<T>(work: () => Promise<T>): Promise<T> {
		// Closed in its very turn: by the time that this goes on others may be in.
		await new Promise<void>((resolve) => {
			this.enter(() => {
				this.close();
				resolve();
			});
		});
		try {
			return await work();
		} finally {
			this.open();
		}
	}
}
