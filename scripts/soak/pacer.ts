/** Keeps a process to its share of a core, and to so many written bytes a second. */
import { setTimeout as sleep } from "node:timers/promises";

/** What may be used at once after a rest. */
const BURST_MS = 50;
const LONGEST_SLEEP_MS = 200;

/** A budget that fills with time. */
class Budget {
	readonly #perMs: number;
	readonly #burst: number;
	#left: number;
	#at = performance.now();

	constructor(perMs: number, burst: number) {
		this.#perMs = perMs;
		this.#burst = this.#left = burst;
	}

	use(amount: number): void {
		this.#left -= amount;
	}

	/** Milliseconds until it is no longer overdrawn. */
	wait(): number {
		const now = performance.now();
		this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs);
		this.#at = now;
		return this.#left >= 0 ? 0 : -this.#left / this.#perMs;
	}
}

/** Makes work wait that comes too fast. */
export class Pacer {
	readonly #processor: Budget;
	readonly #bytes: Budget;
	#usedMs = usedMs();

	/** `share` of one core, and bytes a second. */
	constructor(share: number, bytesPerSecond: number) {
		this.#processor = new Budget(share, BURST_MS);
		this.#bytes = new Budget(bytesPerSecond / 1000, bytesPerSecond);
	}

	/** Notes bytes that were written. */
	wrote(bytes: number): void {
		this.#bytes.use(bytes);
	}

	/** Waits until there is something left of both. */
	async pace(): Promise<void> {
		for (;;) {
			const now = usedMs();
			this.#processor.use(now - this.#usedMs);
			this.#usedMs = now;
			const ms = Math.max(this.#processor.wait(), this.#bytes.wait());
			if (ms <= 0) return;
			await sleep(Math.min(ms, LONGEST_SLEEP_MS));
		}
	}
}

/** Milliseconds of processor time that this process has used. */
function usedMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
}
