/** The bound on bytes accepted and not yet durable; who comes when it is reached waits in order. */
import { Fifo } from "../../core/fifo.ts";

interface Waiting {
	readonly bytes: number;
	readonly go: () => void;
}

/** Admits appends to memory while there is room. */
export class Admission {
	readonly #limit: number;
	readonly #queue = new Fifo<Waiting>();
	#bytes = 0;
	/** Bytes at which the next round is to begin early; whoever admits looks at it. */
	mark: number = Number.POSITIVE_INFINITY;

	constructor(limitBytes: number) {
		this.#limit = limitBytes;
	}

	/** Bytes accepted and not yet durable. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Tells whether so many bytes would be admitted at once. An append larger than the bound is, when nothing else waits. */
	hasRoom(bytes: number): boolean {
		return this.#queue.length === 0 && (this.#bytes === 0 || this.#bytes + bytes <= this.#limit);
	}

	/** Admits so many bytes, or tells that they have to wait. */
	admit(bytes: number): boolean {
		if (!this.hasRoom(bytes)) return false;
		this.#bytes += bytes;
		return true;
	}

	/** Calls `go` once there is room, which is then taken; in the order of the calls. */
	wait(bytes: number, go: () => void): void {
		this.#queue.push({ bytes, go });
	}

	/** Gives room back and lets in who waits. */
	release(bytes: number): void {
		this.#bytes -= bytes;
		this.#admitWaiting();
	}

	/** Lets everybody in: they will be refused one by one, because the store has stopped. */
	flush(): void {
		for (const { bytes, go } of this.#queue.takeAll()) {
			this.#bytes += bytes;
			go();
		}
	}

	#admitWaiting(): void {
		for (let first = this.#queue.first; first !== undefined; first = this.#queue.first) {
			if (this.#bytes > 0 && this.#bytes + first.bytes > this.#limit) return;
			this.#queue.shift();
			this.#bytes += first.bytes;
			first.go();
		}
	}
}
