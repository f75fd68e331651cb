/**
 * Somebody who writes in parts: what is committed must be there as a whole, what is prepared must wait for its decision
 * whatever happens, and what was dropped must never show.
 */
import { type ByteStream, type Multipart, StreambedError } from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Surroundings } from "./clients.ts";
import { payloadBytesMax, payloadOf } from "./payloads.ts";
import type { Attempt, StreamModel } from "./stream-model.ts";

/** What is known of a write that was prepared, or may have been. It outlives the store. */
export interface PreparedKnowledge {
	readonly number: number;
	readonly bytes: number;
	/**
	 * `asked`: it may be prepared. `prepared`: it is. `committing`, `aborting`: one of these was asked for, and nothing
	 * answered. `decided`: it is committed or aborted, for ever.
	 */
	state: "asked" | "prepared" | "committing" | "aborting" | "decided";
	/** It has been said to be prepared. */
	promised: boolean;
	/** The tail as known when its commit was asked for. */
	tail: number;
	/** A commit of this life that has no answer: another one that is refused says nothing of it. */
	unanswered?: Attempt | undefined;
	/** Who decides about it just now: nobody, if that life is over. */
	user: Surroundings | undefined;
}

type Answer = PromiseLike<{ from: number; to: number; duplicate: boolean }>;

/** What a client lends to those who write in parts. */
export interface MultipartHelp {
	attempt(number: number, bytes: number, expect: number | undefined): Attempt;
	expectation(): number;
	/** Enters the answer to an append in the model; says how it went. */
	answer(attempt: Attempt, answer: Answer): Promise<"stored" | "refused" | "unknown">;
	judge(error: unknown, what: string): void;
}

/** One turn of writing in parts to a stream. */
export async function writeInParts(
	around: Surroundings,
	random: SeededRandom,
	{ model, stream }: { readonly model: StreamModel; readonly stream: ByteStream },
	help: MultipartHelp,
): Promise<void> {
	const undecided = [...model.prepared].filter(([, { state, user }]) => state !== "decided" && user !== around);
	if (undecided.length > 0 && random.chance(0.5)) {
		const [id, known] = random.pick(undecided);
		known.user = around;
		try {
			await decide(random, { model, help, known }, await stream.resumeTransaction(id));
		} catch (error) {
			// What was only asked for may never have been prepared, and what has no answer may have been decided.
			const expected = known.state !== "prepared" && StreambedError.is(error, "STREAMBED_NOT_FOUND");
			const aborted = model.sealForced && StreambedError.is(error, "STREAMBED_TXN_STATE");
			if (!expected && !aborted) help.judge(error, "decision");
		}
		known.user = undefined;
		return;
	}
	await writeNew(around, random, { model, stream, help });
}

/** As much as fits into some segments, and now and then very little. */
function sizeOf(random: SeededRandom): number {
	switch (random.weighted({ little: 2, some: 6, much: 1 })) {
		case "little":
			return random.between(1, 5000);
		case "some":
			return random.between(60_000, 400_000);
		case "much":
			return random.between(400_000, payloadBytesMax);
	}
}

async function writeNew(
	around: Surroundings,
	random: SeededRandom,
	{ model, stream, help }: { model: StreamModel; stream: ByteStream; help: MultipartHelp },
): Promise<void> {
	const number = around.nextAppend();
	const bytes = sizeOf(random);
	const payload = payloadOf(number, bytes);
	const write = stream.writer().multipart();
	try {
		for (let at = 0; at < bytes; ) {
			const length = Math.min(bytes - at, random.chance(0.5) ? random.between(1, 5000) : random.between(5000, 300_000));
			await write.write(payload.subarray(at, at + length));
			at += length;
			if (random.chance(0.2)) await around.pause(random.below(5));
		}
	} catch (error) {
		help.judge(error, "writing in parts");
		return;
	}
	const known: PreparedKnowledge = { number, bytes, state: "asked", promised: false, tail: 0, user: around };
	// What retention took before the answer was known cannot be told apart from what was never stored.
	if (!model.expires && random.chance(0.5)) {
		model.prepared.set(write.id as string, known);
		try {
			await write.prepare();
			known.promised = true;
			// A seal that aborts them may have come in between.
			if (known.state === "asked") known.state = "prepared";
		} catch (error) {
			if (!(model.sealAsked && StreambedError.is(error, "STREAMBED_SEALED"))) help.judge(error, "preparing");
			known.user = undefined;
			return;
		}
		if (random.chance(0.6)) {
			known.user = undefined;
			return;
		}
	}
	await decide(random, { model, help, known }, write).catch((error: unknown) => {
		const aborted = model.sealForced && StreambedError.is(error, "STREAMBED_TXN_STATE");
		if (!aborted) help.judge(error, "decision");
	});
	known.user = undefined;
}

async function decide(
	random: SeededRandom,
	{ model, help, known }: { model: StreamModel; help: MultipartHelp; known: PreparedKnowledge },
	write: Multipart,
): Promise<void> {
	if (write.bytes !== known.bytes) model.fail(`a write in parts holds ${write.bytes} bytes, not ${known.bytes}`);
	if (random.chance(0.2)) {
		known.state = "aborting";
		await write.abort();
		known.state = "decided";
		return;
	}
	const expect = random.chance(0.2) ? help.expectation() : undefined;
	const attempt = help.attempt(known.number, known.bytes, expect);
	known.state = "committing";
	known.tail = model.tail;
	model.committing++;
	const outcome = await help.answer(attempt, write.commit(expect === undefined ? {} : { expect }));
	model.committing--;
	if (outcome === "unknown") known.unanswered = attempt;
	if (outcome === "stored") known.state = "decided";
	else if (known.unanswered !== undefined) model.handedOver(known.unanswered);
	// Unless a seal that aborts it has come in between.
	else if (outcome === "refused" && known.state === "committing") {
		known.state = model.sealForced ? "aborting" : known.promised ? "prepared" : "asked";
	}
}

/** Compares what an opened store says of the undecided writes of a stream with what is known of them. */
export async function checkPrepared(model: StreamModel, stream: ByteStream): Promise<void> {
	model.committing = 0;
	const listed = new Map((await stream.transactions()).map((info) => [info.id, info]));
	for (const [id, { state, bytes }] of listed) {
		const known = model.prepared.get(id);
		if (state !== "prepared") model.fail(`the write ${id} is ${state} after opening`);
		if (known === undefined) model.fail(`the write ${id} is prepared, and nobody asked for that`);
		if (known.state === "decided") model.fail(`the write ${id} is back, though it was decided`);
		if (known.bytes !== bytes) model.fail(`the write ${id} holds ${bytes} bytes, not ${known.bytes}`);
	}
	for (const [id, known] of model.prepared) {
		known.user = known.unanswered = undefined;
		const { state } = known;
		if (state === "decided") continue;
		const isStored = model.placeOf(known.number) !== undefined;
		if (isStored && listed.has(id)) model.fail(`the write ${id} is committed and still waits`);
		const gone = !listed.has(id) && !isStored;
		const mayBeGone =
			!known.promised ||
			model.sealForced ||
			state === "asked" ||
			state === "aborting" ||
			(state === "committing" && model.head > known.tail);
		if (gone && !mayBeGone) model.fail(`the write ${id} of ${known.bytes} bytes was prepared and is gone`);
		known.state = listed.has(id) ? "prepared" : "decided";
		known.promised = true;
	}
	model.sealForced = false;
}
