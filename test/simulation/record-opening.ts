/** Compares a record stream of a store that was just opened with its model; what was found is what is known then. */
import { decodeGrowth, type Growth } from "../../src/core/stream-layout.ts";
import { type RecordStream, StreambedError, type StreamInfo } from "../../src/index.ts";
import { History } from "./history.ts";
import type { RecordCall } from "./record-call.ts";
import type { KnownCut, RecordModel } from "./record-model.ts";
import { RecordOrder, shardsAt, tooEarly } from "./record-order.ts";

/** What a look at a stream needs beside it. */
export interface OpeningHelp {
	/** The text of its descriptor. */
	descriptor(): Promise<string>;
	/** Cuts that are to be tried. */
	pick(cuts: readonly KnownCut[]): readonly KnownCut[];
}

/** Compares all of a stream; returns how many histories were checked. */
export async function checkRecords(model: RecordModel, stream: RecordStream, help: OpeningHelp): Promise<number> {
	const { id, shards, sealed } = await stream.info();
	if (model.id !== undefined && id !== model.id) model.fail(`it has another id: ${id}, not ${model.id}`);
	model.id = id;
	model.created = true;
	model.grown(shards.length);
	model.asked.clear();
	if (model.sealed && !sealed) model.fail("a seal is undone");
	if (sealed && !model.sealAsked) model.fail("it is sealed, and nobody asked for that");
	if (sealed) model.sealed = true;
	checkGrowth(model, shards, await help.descriptor());
	await readAll(model, stream);
	const undecided = [...model.open, ...model.unread];
	model.unread.clear();
	model.open.clear();
	for (const call of undecided) settle(model, call);
	for (const { id: producer, open } of model.producers.values()) checkPrefix(model, producer, open);
	const checked = checkHistories(model);
	for (const cut of help.pick(model.cuts)) await readBehind(model, stream, cut);
	return checked;
}

/** Growths are never changed; each says where the older shards stood, which they still reach. */
function checkGrowth(model: RecordModel, shards: StreamInfo["shards"], descriptor: string): void {
	const growth = decodeGrowth((JSON.parse(descriptor) as { growth?: unknown }).growth, shards.length);
	if (growth === undefined) model.fail(`its descriptor makes no sense: ${descriptor}`);
	for (const [index, before] of model.growth.entries()) {
		const now = growth[index];
		if (JSON.stringify(now) !== JSON.stringify(before)) {
			model.fail(`growth ${index} was ${JSON.stringify(before)} and is ${JSON.stringify(now)}`);
		}
	}
	for (const { positions } of growth) {
		for (const [shard, position] of positions.entries()) {
			const tail = shards[shard]?.tail ?? 0;
			if (tail < position) model.fail(`a growth says that shard ${shard} stood at ${position}, it is at ${tail}`);
		}
	}
	model.growth = growth;
}

/** Reads all shards, merged; begins anew where retention takes something away meanwhile. */
async function readAll(model: RecordModel, stream: RecordStream): Promise<void> {
	for (;;) {
		const { shards } = await stream.info();
		for (const { shard, head, tail } of shards) checkBounds(model, shard, head, tail);
		const order = new RecordOrder(model, "the reader after opening");
		for (const { shard, head } of shards) order.skipTo(shard, head);
		try {
			await readOnce(model, stream, order);
		} catch (error) {
			if (model.expires && StreambedError.is(error, "STREAMBED_TRUNCATED")) continue;
			throw error;
		}
		const after = model.expires ? (await stream.info()).shards : shards;
		if (after.some(({ head }, shard) => head !== shards[shard]?.head)) continue;
		for (const { shard, tail } of shards) {
			const next = order.next.get(shard);
			if (next !== tail) model.fail(`reading shard ${shard} ended at ${next}, its tail is at ${tail}`);
		}
		return;
	}
}

async function readOnce(model: RecordModel, stream: RecordStream, order: RecordOrder): Promise<void> {
	const { count, growth } = model;
	const layout = { shards: count, growth };
	for await (const record of stream.read()) {
		const { shard, sequence } = record;
		// Of what retention dropped just now the next look tells.
		if (model.expires && order.next.get(shard) !== sequence) order.skipTo(shard, sequence);
		const early = tooEarly(layout, shard, order.next);
		if (early !== undefined)
			model.fail(`${shard}:${sequence} was read before what came before its growth to ${early.to}`);
		order.saw(record);
		checkRoute(model, shard, sequence, growth);
	}
}

/** A key is in the shard of as many shards as there were. */
function checkRoute(model: RecordModel, shard: number, sequence: number, growth: readonly Growth[]): void {
	const { call, index } = model.shard(shard).slots[sequence] as { call: RecordCall; index: number };
	if (!call.keepsOrder(index)) return;
	const shards = shardsAt(model.count, growth, shard, sequence);
	const wanted = call.shardOf(index, shards);
	if (wanted !== shard) {
		model.fail(`record ${call.number}.${index} is at ${shard}:${sequence}, and goes to ${wanted} of ${shards} shards`);
	}
}

function checkBounds(model: RecordModel, number: number, head: number, tail: number): void {
	const shard = model.shard(number);
	if (head < shard.head)
		model.fail(`a truncation is undone: the head is at ${number}:${head}, it was at ${shard.head}`);
	model.toldHead(number, head);
	if (tail < shard.told) model.fail(`the tail is at ${number}:${tail}: what was there up to ${shard.told} is lost`);
	if (head > shard.head) shard.history.moved(head, shard.heads.get(head) as number, Number.POSITIVE_INFINITY);
	shard.moveHead(head);
	shard.answer(tail);
}

/** A call without an answer is stored or not: from now on that is certain. */
function settle(model: RecordModel, call: RecordCall): void {
	model.checkRouting(call);
	model.noteFound(call);
	call.inDoubt = false;
	if (!call.isPlaced && call.state === "open") {
		call.state = "absent";
		call.called = Number.NaN;
	}
}

/** Of what a producer has no answer to a beginning is stored. */
function checkPrefix(
	model: RecordModel,
	producer: string,
	open: readonly { readonly call: RecordCall; readonly sequence: number }[],
): void {
	let missing: number | undefined;
	for (const { call, sequence } of open) {
		if (!call.isPlaced) missing ??= sequence;
		else if (missing !== undefined && !model.mayHide) {
			model.fail(`append ${sequence} of producer ${producer} is stored, and append ${missing} is not`);
		}
	}
}

function checkHistories(model: RecordModel): number {
	let checked = 0;
	for (let number = 0; number < model.count; number++) {
		const shard = model.shard(number);
		if (shard.history.length > 0) {
			checked++;
			const wrong = shard.history.check();
			if (wrong !== undefined) model.fail(`shard ${number}: ${wrong}`);
		}
		const { head, told } = shard;
		shard.history = new History({ head, tail: told, sealed: model.sealed || shard.sealSeen });
		// Of older ones a second process that is behind may still tell.
		for (const asked of shard.heads.keys()) if (asked > head) shard.heads.delete(asked);
	}
	return checked;
}

/** What comes behind a cut that was taken in an earlier life, and what comes before it. */
async function readBehind(model: RecordModel, stream: RecordStream, { text, positions }: KnownCut): Promise<void> {
	for (const side of ["fromCut", "toCut"] as const) {
		const order = new RecordOrder(model, `the reader ${side} after opening`);
		try {
			for await (const record of stream.read({ [side]: text })) {
				const before = record.sequence < (positions[record.shard] ?? 0);
				if (before !== (side === "toCut")) model.fail(`${side} ${positions} gave ${record.shard}:${record.sequence}`);
				order.saw(record);
			}
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_TRUNCATED")) throw error;
			if (model.expires) return;
			if (side === "toCut" || model.shards.every(({ head }, shard) => head <= (positions[shard] ?? 0))) throw error;
			continue;
		}
		if (model.expires) continue;
		for (const [number, { head, told }] of model.shards.entries()) {
			const cut = positions[number] ?? 0;
			const [from, to] = side === "toCut" ? [head, cut] : [Math.max(head, cut), told];
			if (from < to && order.next.get(number) !== to) {
				model.fail(`the reader ${side} ${positions} ended at ${number}:${order.next.get(number)}, not at ${to}`);
			}
		}
	}
}
