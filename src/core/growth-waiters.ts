/** Those who wait for a stream to have more shards. */
import { abortError } from "./abort.ts";

interface Waiter {
	readonly shards: number;
	resolve(): void;
	reject(error: unknown): void;
}

/** The waits of one stream. Whoever makes it grow wakes them, and whoever lets go of it ends them. */
export class GrowthWaiters {
	readonly #waiters = new Set<Waiter>();

	/** Resolves once the stream `name`, which has `now` shards, has more than `shards`. @throws ABORTED */
	wait(name: string, now: number, shards: number, signal?: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			const what = `waiting for more shards of ${name}`;
			if (signal?.aborted) return reject(abortError(signal, what));
			if (now > shards) return resolve();
			const onAbort = (): void => waiter.reject(abortError(signal as AbortSignal, what));
			const leave = (then: () => void): void => {
				this.#waiters.delete(waiter);
				signal?.removeEventListener("abort", onAbort);
				then();
			};
			const waiter: Waiter = {
				shards,
				resolve: () => leave(resolve),
				reject: (error) => leave(() => reject(error)),
			};
			this.#waiters.add(waiter);
			signal?.addEventListener("abort", onAbort, { once: true });
		});
	}

	/** The stream has so many shards now. */
	wake(now: number): void {
		for (const waiter of [...this.#waiters]) if (now > waiter.shards) waiter.resolve();
	}

	/** Ends all waits: the stream was deleted or the store closed. */
	end(error: unknown): void {
		for (const waiter of [...this.#waiters]) waiter.reject(error);
	}
}
