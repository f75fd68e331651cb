/** Taking an epoch: a producer's new life begins, and appends of older ones are refused (docs/commit-protocol.md §8). */
import { StreambedError } from "../../core/errors.ts";
import type { TakenEpoch } from "../../core/producers.ts";
import { formatUuid } from "../../core/random.ts";
import { readU64, viewOf, writeU64 } from "../format/checksum.ts";
import { EnvelopeKind } from "../journal/round.ts";
import type { StreamLog } from "../shards/stream-log.ts";
import type { ProducerFiles } from "./producer-files.ts";

const ID_AT = 9;

/** What taking an epoch needs of the store. */
export interface EpochHost {
	readonly producerFiles: ProducerFiles;
	refusal(): StreambedError | undefined;
	/** Makes a change part of a round; resolves when it is durable. It holds checkpoints back until `carriedOut` was called. */
	act(
		kind: EnvelopeKind,
		id: string,
		folder: string,
		committed: () => void,
		body: Buffer,
	): Promise<{ carriedOut(): void }>;
}

/** Takes the next epoch of a producer, durably. @throws STOPPED, DISK_FULL, CORRUPT, NOT_FOUND, LIMIT_EXCEEDED */
export async function takeEpoch(host: EpochHost, stream: StreamLog, id: string): Promise<TakenEpoch> {
	for (;;) {
		const refusal = stream.deleted ?? host.refusal() ?? stream.producers.damage;
		if (refusal !== undefined) throw refusal;
		const { table } = stream.producers;
		const epoch = table.reserve(id);
		let settled: Promise<unknown> | undefined;
		const committed = (): void => {
			host.producerFiles.note(stream);
			if (!table.take(id, epoch)) return;
			// From here on older epochs are fenced; what they had accepted before is still on its way.
			settled = Promise.all([...stream.shards.values()].map((shard) => shard.accepted().catch(unlessRefused)));
			settled.catch(() => {});
		};
		const body = encodeEpoch(id, epoch, stream.folder);
		const action = await host.act(EnvelopeKind.epoch, formatUuid(stream.id), stream.folder, committed, body);
		action.carriedOut();
		if (settled === undefined) continue;
		await settled;
		if (stream.deleted !== undefined) throw stream.deleted;
		return { epoch, last: table.get(id).window.last };
	}
}

/** What found no space was not stored, and nothing of it is to be told; of what else has failed that is not known. */
function unlessRefused(error: unknown): void {
	if (!StreambedError.is(error, "STREAMBED_DISK_FULL")) throw error;
}

/** An epoch that a round holds. */
export interface EpochTaken {
	readonly id: string;
	readonly epoch: number;
	/** Folder of the stream below `streams/`. */
	readonly folder: string;
}

/** Encodes the body of an epoch's envelope. */
export function encodeEpoch(id: string, epoch: number, folder: string): Buffer {
	const name = Buffer.from(id);
	const body = Buffer.concat([Buffer.alloc(ID_AT), name, Buffer.from(folder)]);
	writeU64(viewOf(body), 0, epoch);
	body[8] = name.length;
	return body;
}

/** Decodes the body of an epoch's envelope; `undefined` if it is none. */
export function decodeEpoch(body: Uint8Array): EpochTaken | undefined {
	if (body.length < ID_AT) return undefined;
	const epoch = readU64(viewOf(body), 0);
	const folderAt = ID_AT + (body[8] as number);
	if (Number.isNaN(epoch) || folderAt > body.length) return undefined;
	const text = new TextDecoder();
	return { epoch, id: text.decode(body.subarray(ID_AT, folderAt)), folder: text.decode(body.subarray(folderAt)) };
}
