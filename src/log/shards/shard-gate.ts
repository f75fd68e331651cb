/** Holds back what would change a shard while something has to happen to it alone; in the order of the calls. */
export class ShardGate {
	#waiting: (() => void)[] = [];
	#closed = false;

	/** Calls are to wait. */
	get closed(): boolean {
		return this.#closed;
	}

	/** Calls `then` when the gate has opened, after those who came before. */
	wait(then: () => void): void {
		this.#waiting.push(then);
	}

	/** Resolves when the gate has opened; by the time that its caller goes on, it may be closed again. */
	opened(): Promise<void> {
		return new Promise((resolve) => this.#waiting.push(resolve));
	}

	/** Closes the gate as soon as it is the caller's turn, perhaps at once, and calls `then`: it stays closed until {@link open}. */
	take(then: () => void): void {
		const close = (): void => {
			this.#closed = true;
			then();
		};
		if (this.#closed) this.#waiting.push(close);
		else close();
	}

	/** Opens it for one who has taken it, and behind that one for those who wait, unless it closes it again. */
	pass(then: () => void): void {
		this.#closed = false;
		then();
		if (!this.#closed) this.#letIn();
	}

	/** Opens it for those who wait; for who has taken it. */
	open(): void {
		this.#closed = false;
		this.#letIn();
	}

	/** Does work alone: what comes meanwhile waits, and so did this for others. */
	async alone<T>(work: () => Promise<T>): Promise<T> {
		// Closed in the same turn in which it was found open.
		while (this.#closed) await this.opened();
		this.#closed = true;
		try {
			return await work();
		} finally {
			this.open();
		}
	}

	/** Lets those in who waited, until one of them closes the gate again. */
	#letIn(): void {
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const [index, then] of waiting.entries()) {
			if (this.#closed) {
				this.#waiting = [...waiting.slice(index), ...this.#waiting];
				return;
			}
			then();
		}
	}
}
