/** A queue of any length: `Array.shift` moves all that is behind, which counts where a hundred thousand wait. */
export class Fifo<T> {
	#items: (T | undefined)[] = [];
	#first = 0;

	get length(): number {
		return this.#items.length - this.#first;
	}

	/** The one that was added first. */
	get first(): T | undefined {
		return this.#items[this.#first];
	}

	push(item: T): void {
		this.#items.push(item);
	}

	/** Takes the one that was added first. */
	shift(): T | undefined {
		if (this.length === 0) return undefined;
		const first = this.#items[this.#first] as T;
		this.#items[this.#first++] = undefined;
		if (this.#first * 2 > this.#items.length) {
			this.#items = this.#items.slice(this.#first);
			this.#first = 0;
		}
		return first;
	}

	/** Takes all, in order. */
	takeAll(): T[] {
		const all = this.#items.slice(this.#first) as T[];
		this.#items = [];
		this.#first = 0;
		return all;
	}
}
