/** Appends of producers in a shard: in their order over all shards, and answered again. */
import { type Producer, placesOf, type Verdict } from "../../core/producers.ts";
import type { Completion } from "../../core/shard.ts";
import { addNeed, afterFrame, type MemoryFrame } from "../tail/tail-memory.ts";

/** The frame of a producer's next append must not be in an earlier round than the append before it; it is in `shard`. */
export function needPrevious(producer: Producer<MemoryFrame>, frame: MemoryFrame, shard: number): void {
	const before = producer.lastFlight;
	if (before === undefined || before.shard === shard || before.by.taken) return;
	addNeed(frame, { shard: before.shard, frame: before.by });
}

/** Answers an append that was made before, once it is durable; returns its place. */
export function answerAgain(
	verdict: Extract<Verdict<MemoryFrame>, { readonly kind: "stored" | "accepted" }>,
	completion: Completion,
): number {
	if (verdict.kind === "stored") {
		const { from, to } = verdict.answer;
		queueMicrotask(() => completion.done(from, to, true, Number.NaN, placesOf(verdict.answer)));
		return from;
	}
	const { from, to, by } = verdict.append;
	const places = placesOf(verdict.append);
	afterFrame(by, (error) =>
		error === undefined ? completion.done(from, to, true, Number.NaN, places) : completion.fail(error),
	);
	return from;
}
