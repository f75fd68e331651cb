/** A stream in memory: its shards, made when they are first asked for, its producers, and what concerns all of them. */
import { fail, type StreambedError } from "../../core/errors.ts";
import { GrowthWaiters } from "../../core/growth-waiters.ts";
import { formatAddress, type StreamAddress } from "../../core/names.ts";
import { Producers, type ProducerTriple, placesOf, type TakenEpoch } from "../../core/producers.ts";
import type { Random } from "../../core/random.ts";
import { payloadLength } from "../../core/shard.ts";
import type { StreamConfig, StreamKind } from "../../core/stream-config.ts";
import { grown, newLayout, type StreamLayout } from "../../core/stream-layout.ts";
import type {
	EngineStream,
	ShardAppend,
	ShardBounds,
	ShardPlace,
	StreamInfo,
	StreamSummary,
	TogetherCompletion,
} from "../contract.ts";
import type { MemoryRounds } from "./memory-rounds.ts";
import { MemoryShard, type ShardHome } from "./memory-shard.ts";

/** A stream in memory. */
export class MemoryStream implements EngineStream, ShardHome {
	readonly address: StreamAddress;
	readonly id: string;
	readonly name: string;
	readonly rounds: MemoryRounds;
	readonly random: Random;
	readonly firstPosition: number;
	readonly producers: Producers<undefined>;
	readonly growing: undefined = undefined;
	config: StreamConfig;
	layout: StreamLayout;
	/** When its retention was last set, on the monotonic clock. */
	confirmedMs: number = Number.NEGATIVE_INFINITY;
	appended: () => void = () => {};
	readonly #createdAt: number;
	readonly #shards = new Map<number, MemoryShard>();
	readonly #waiters = new GrowthWaiters();
	#ended: unknown;
	/** Also of shards that nobody has used. */
	#sealed = false;

	constructor(
		identity: { readonly address: StreamAddress; readonly id: string; readonly createdAt: number },
		config: StreamConfig,
		rounds: MemoryRounds,
		random: Random,
		firstPosition: number,
	) {
		this.address = identity.address;
		this.id = identity.id;
		this.name = formatAddress(identity.address);
		this.config = config;
		this.layout = newLayout(config.shards);
		this.rounds = rounds;
		this.random = random;
		this.firstPosition = firstPosition;
		this.producers = new Producers(this.name);
		this.#createdAt = identity.createdAt;
	}

	get kind(): StreamKind {
		return this.config.kind;
	}

	/** Those shards that have been used. */
	get shards(): Iterable<MemoryShard> {
		return this.#shards.values();
	}

	shard(index: number): MemoryShard {
		let shard = this.#shards.get(index);
		if (shard !== undefined) return shard;
		if (!(index >= 0 && index < this.layout.shards)) throw fail("INVALID_OPTION", `${this.name} has no shard ${index}`);
		shard = new MemoryShard(this, index);
		this.#shards.set(index, shard);
		if (this.#sealed) shard.sealEmpty();
		return shard;
	}

	async seal(): Promise<void> {
		this.#assertUsable();
		this.#sealed = true;
		await Promise.all([...this.#shards.values()].map((shard) => shard.seal()));
	}

	/** Takes over a new configuration; a larger number of shards is a growth. */
	configure(config: StreamConfig): void {
		if (config.shards > this.layout.shards) {
			if (this.#sealed) throw fail("SEALED", `cannot grow ${this.name}: the stream is sealed`);
			const tails = Array.from(
				{ length: this.layout.shards },
				(_, index) => this.#shards.get(index)?.acceptedTail ?? this.firstPosition,
			);
			this.layout = grown(this.layout, config.shards, this.rounds.clock.now(), tails);
			this.#waiters.wake(this.layout.shards);
		}
		this.config = config;
	}

	async grown(shards: number, signal?: AbortSignal): Promise<void> {
		if (this.#ended !== undefined) throw this.#ended;
		await this.#waiters.wait(this.name, this.layout.shards, shards, signal);
	}

	async bounds(): Promise<readonly ShardBounds[]> {
		this.#assertUsable();
		const { firstPosition: first } = this;
		const untouched: ShardBounds = { head: first, tail: first, sealed: this.#sealed };
		const { shards } = this.layout;
		return Array.from({ length: shards }, (_, index) => this.#shards.get(index)?.boundsNow() ?? untouched);
	}

	submitTogether(
		parts: readonly ShardAppend[],
		producer: ProducerTriple | undefined,
		completion: TogetherCompletion,
	): void {
		const refusal = this.#refusalOf(parts);
		if (refusal !== undefined) {
			this.rounds.add(0, () => completion.fail(refusal));
			return;
		}
		const verdict = producer && this.producers.check(producer);
		if (verdict?.kind === "refused") {
			this.rounds.add(0, () => completion.fail(verdict.error));
			return;
		}
		if (verdict?.kind === "stored" || verdict?.kind === "accepted") {
			const answer = verdict.kind === "stored" ? verdict.answer : verdict.append;
			this.rounds.add(0, () => completion.done(placesOf(answer) ?? [], true, []));
			return;
		}
		const unexpected = this.#unexpected(parts);
		if (unexpected !== undefined) {
			this.rounds.add(0, () => completion.fail(unexpected));
			return;
		}
		this.#acceptTogether(parts, producer, completion);
	}

	#acceptTogether(
		parts: readonly ShardAppend[],
		producer: ProducerTriple | undefined,
		completion: TogetherCompletion,
	): void {
		let total = 0;
		const accepted = parts.map(({ shard: index, payload, units }) => {
			const shard = this.shard(index);
			const bytes = shard.copy(payload);
			total += bytes.length;
			return { shard, entry: shard.accept(bytes, units) };
		});
		const places = accepted.map(({ entry }, index): ShardPlace => {
			const { shard } = parts[index] as ShardAppend;
			return { shard, from: entry.offset, to: entry.offset + entry.units };
		});
		const [first, ...others] = places as [ShardPlace, ...ShardPlace[]];
		const produced = producer && this.producers.accept(producer, { ...first, others }, undefined);
		this.rounds.add(total, (now) => {
			if (this.#ended !== undefined) return completion.fail(this.#ended);
			if (produced !== undefined) this.producers.settle(produced);
			const times = accepted.map(({ shard, entry }) => shard.keep(entry, now));
			completion.done(places, false, times);
			for (const { shard } of accepted) shard.shown();
		});
	}

	#refusalOf(parts: readonly ShardAppend[]): StreambedError | undefined {
		const error = this.#unusable();
		if (error !== undefined) return error;
		const units = parts.reduce((sum, part) => sum + part.units, 0);
		const bytes = parts.reduce((sum, part) => sum + payloadLength(part.payload), 0);
		return this.shard(parts[0]?.shard ?? 0).tooLarge({ bytes, copyTo: () => {} }, units);
	}

	#unexpected(parts: readonly ShardAppend[]): StreambedError | undefined {
		for (const { shard, expect, units } of parts) {
			const error = this.shard(shard).refusal(units, expect);
			if (error !== undefined) return error;
		}
		return undefined;
	}

	placesOf(producer: ProducerTriple): readonly ShardPlace[] | undefined {
		return this.producers.placesOf(producer);
	}

	/** Begins a new life of a producer: appends of its older ones are FENCED from then on. */
	async takeEpoch(producer: string): Promise<TakenEpoch> {
		for (;;) {
			this.#assertUsable();
			const epoch = this.producers.reserve(producer);
			await this.#nextRound();
			this.#assertUsable();
			if (!this.producers.take(producer, epoch)) continue;
			// What older epochs had handed over by now is on its way.
			await this.#nextRound();
			this.#assertUsable();
			return { epoch, last: this.producers.get(producer).window.last };
		}
	}

	#nextRound(): Promise<void> {
		return new Promise((resolve) => this.rounds.add(0, () => resolve()));
	}

	/** Refuses what a prepared write stands against, or aborts it. @throws TXN_STATE */
	async clearStaged(what: string, force: boolean): Promise<void> {
		for (const shard of this.#shards.values()) await shard.staging.clear(what, force);
	}

	/** Everything from now on is NOT_FOUND, also what was accepted and is not yet stored. */
	delete(): void {
		this.#end(fail("NOT_FOUND", `the stream ${this.name} was deleted`));
		for (const shard of this.#shards.values()) shard.delete();
	}

	/** Ends all waits with an error. */
	end(error: unknown): void {
		this.#end(error);
		for (const shard of this.#shards.values()) shard.end(error);
	}

	#end(error: unknown): void {
		this.#ended ??= error;
		this.#waiters.end(error);
	}

	summary(): StreamSummary {
		const { kind, shards, tags } = this.config;
		return { ...this.address, id: this.id, kind, shards, createdAt: this.#createdAt, tags };
	}

	async info(): Promise<StreamInfo> {
		const bounds = await this.bounds();
		const { kind, retention, segmentBytes, tags } = this.config;
		const shards = bounds.map(({ head, tail }, shard) => {
			return this.#shards.get(shard)?.describe() ?? { shard, head, tail, bytes: 0, segments: 0, lastTime: null };
		});
		return {
			...this.address,
			id: this.id,
			kind,
			sealed: bounds.every(({ sealed }) => sealed),
			durability: "memory",
			retention,
			segmentBytes,
			tags,
			createdAt: this.#createdAt,
			shards,
		};
	}

	#unusable(): StreambedError | undefined {
		if (this.rounds.closed) return this.rounds.closedError();
		return this.#ended as StreambedError | undefined;
	}

	#assertUsable(): void {
		const error = this.#unusable();
		if (error !== undefined) throw error;
	}
}
