/** Writes in parts in memory: what is written is kept, and becomes an append of its own size when it is committed. */
import type { Clock, Timer } from "../../core/clock.ts";
import { fail, StreambedError } from "../../core/errors.ts";
import { newUuid, type Random } from "../../core/random.ts";
import type { StagedInfo, StagedState } from "../../core/shard.ts";
import type { EngineStaged, ShardStaging } from "../contract.ts";

/** What a write in parts needs of its shard. */
export interface StagingShard {
	readonly name: string;
	readonly clock: Clock;
	readonly random: Random;
	/** Why nothing can be done with it: closed, deleted. */
	unusable(): StreambedError | undefined;
	/** Why nothing more can be appended: sealed. */
	sealedError(): StreambedError | undefined;
	/** Stores bytes of any number as one append of so many units. */
	commit(
		bytes: Uint8Array,
		units: number,
		expect: number | undefined,
	): Promise<{ readonly from: number; readonly to: number }>;
}

/** See `ShardStaging`. */
export class MemoryStaging implements ShardStaging {
	readonly #shard: StagingShard;
	readonly #writes = new Map<string, MemoryStaged>();

	constructor(shard: StagingShard) {
		this.#shard = shard;
	}

	async begin(leaseMs: number): Promise<EngineStaged> {
		const refusal = this.#shard.unusable();
		if (refusal !== undefined) throw refusal;
		const id = newUuid(this.#shard.random);
		const write = new MemoryStaged(this.#shard, id, leaseMs, () => this.#writes.delete(id));
		this.#writes.set(id, write);
		return write;
	}

	async list(): Promise<readonly StagedInfo[]> {
		const refusal = this.#shard.unusable();
		if (refusal !== undefined) throw refusal;
		return [...this.#writes.values()].map(({ info }) => info);
	}

	async find(id: string): Promise<EngineStaged> {
		const refusal = this.#shard.unusable();
		if (refusal !== undefined) throw refusal;
		const write = this.#writes.get(id);
		if (write !== undefined) return write;
		throw fail("NOT_FOUND", `${this.#shard.name} has no undecided write in parts ${id}`, { details: { id } });
	}

	/** Tells whether a prepared write holds the shard. */
	get holds(): boolean {
		return [...this.#writes.values()].some(({ info }) => info.state === "prepared");
	}

	/** Refuses what a prepared write stands against, or aborts them. @throws TXN_STATE */
	async clear(what: string, force: boolean): Promise<void> {
		for (const write of this.#writes.values()) {
			if (write.info.state !== "prepared") continue;
			if (!force) {
				throw fail("TXN_STATE", `cannot ${what} ${this.#shard.name}: the prepared write ${write.info.id} holds it`, {
					hint: "Commit or abort it first, or use force, which aborts it.",
					details: { id: write.info.id, state: "prepared" },
				});
			}
			// One that is just being committed is decided all the same.
			await write.abort().catch((error: unknown) => {
				if (!StreambedError.is(error, "STREAMBED_TXN_STATE")) throw error;
			});
		}
	}
}

class MemoryStaged implements EngineStaged {
	readonly #shard: StagingShard;
	readonly #id: string;
	readonly #leaseMs: number;
	readonly #ended: () => void;
	readonly #createdAt: number;
	#state: StagedState = "open";
	#parts: Uint8Array[] = [];
	#bytes = 0;
	#units = 0;
	#turn: Promise<unknown> = Promise.resolve();
	#timer: Timer | undefined;

	constructor(shard: StagingShard, id: string, leaseMs: number, ended: () => void) {
		this.#shard = shard;
		this.#id = id;
		this.#leaseMs = leaseMs;
		this.#ended = ended;
		this.#createdAt = shard.clock.now();
		this.#renew();
	}

	get info(): StagedInfo {
		const ageMs = Math.max(0, this.#shard.clock.now() - this.#createdAt);
		return { id: this.#id, state: this.#state, bytes: this.#bytes, ageMs };
	}

	write(bytes: Uint8Array, records?: number): Promise<void> {
		return this.#inTurn("write to", ["open"], async () => {
			// Not slice(): a Buffer's gives a view.
			this.#parts.push(new Uint8Array(bytes));
			this.#bytes += bytes.length;
			this.#units += records ?? bytes.length;
			this.#renew();
		});
	}

	prepare(): Promise<void> {
		return this.#inTurn("prepare", ["open", "prepared"], async () => {
			const refusal = this.#state === "open" ? this.#shard.sealedError() : undefined;
			if (refusal !== undefined) throw refusal;
			this.#state = "prepared";
			this.#timer?.cancel();
		});
	}

	commit(expect?: number, check?: () => void): Promise<{ readonly from: number; readonly to: number }> {
		return this.#inTurn("commit", ["open", "prepared"], async () => {
			check?.();
			const stored = await this.#shard.commit(Buffer.concat(this.#parts), this.#units, expect);
			this.#end("committed");
			return stored;
		});
	}

	abort(): Promise<void> {
		return this.#inTurn("abort", ["open", "prepared", "aborted"], async () => this.#end("aborted"));
	}

	#end(state: StagedState): void {
		this.#state = state;
		this.#parts = [];
		this.#timer?.cancel();
		this.#ended();
	}

	#inTurn<T>(what: string, states: readonly StagedState[], work: () => Promise<T>): Promise<T> {
		const inState = async (): Promise<T> => {
			const refusal = this.#shard.unusable();
			if (refusal !== undefined) throw refusal;
			if (states.includes(this.#state)) return await work();
			throw fail("TXN_STATE", `cannot ${what} ${this.#id} of ${this.#shard.name}: it is ${this.#state}`, {
				details: { id: this.#id, state: this.#state },
			});
		};
		const mine = this.#turn.then(inState, inState);
		this.#turn = mine;
		return mine;
	}

	#renew(): void {
		this.#timer?.cancel();
		this.#timer = this.#shard.clock.setTimer(this.#leaseMs, () => this.#end("aborted"), { keepAlive: false });
	}
}
