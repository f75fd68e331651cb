/** Those who wait at the tail of a shard for more. */
import { abortError } from "../../core/abort.ts";

interface Waiter {
	readonly position: number;
	readonly resolve: () => void;
	readonly reject: (error: unknown) => void;
}

/** The waits of one shard. */
export class TailWaiters {
	readonly #name: string;
	readonly #count: (change: number) => void;
	readonly #waiters = new Set<Waiter>();

	/** For the stream `name`; `count` hears how many more or fewer wait. */
	constructor(name: string, count: (change: number) => void) {
		this.#name = name;
		this.#count = count;
	}

	/** Resolves once there is something behind `position`. @throws ABORTED */
	wait(position: number, signal?: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			const onAbort = (): void => end(() => reject(abortError(signal as AbortSignal, `waiting for ${this.#name}`)));
			const end = (then: () => void): void => {
				if (!this.#waiters.delete(waiter)) return;
				signal?.removeEventListener("abort", onAbort);
				this.#count(-1);
				then();
			};
			const waiter: Waiter = { position, resolve: () => end(resolve), reject: (reason) => end(() => reject(reason)) };
			this.#waiters.add(waiter);
			this.#count(1);
			signal?.addEventListener("abort", onAbort, { once: true });
		});
	}

	/** The tail has moved, or nothing will follow it any more. */
	wake(tail: number, sealed: boolean): void {
		for (const waiter of this.#waiters) if (tail > waiter.position || sealed) waiter.resolve();
	}

	/** Ends all waits with this error. */
	end(error: unknown): void {
		for (const waiter of this.#waiters) waiter.reject(error);
	}
}
