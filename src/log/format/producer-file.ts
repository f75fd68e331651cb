/** The file beside `stream.json` that says what the stream's producers have stored (docs/format.md §6). */
import { join } from "node:path/posix";
import { fail } from "../../core/errors.ts";
import type { Producer, Producers } from "../../core/producers.ts";
import type { Disk } from "../../disk/disk.ts";
import { isGone } from "../../disk/system-error.ts";
import { checksum, readU64, viewOf, writeU64 } from "./checksum.ts";
import { corrupt } from "./corruption.ts";
import { padded } from "./entry-extension.ts";

/** Name of the file in a stream's folder. */
export const PRODUCERS_FILE = "producers.bin";

const MAGIC = "SBEDPRD1";
const VERSION = 1;
const HEADER_BYTES = 64;
const ID_AT = 17;
const RUN_BYTES = 24;
const ANSWER_BYTES = 16;
/** Answers with their shard, and how many further places of the same append follow; written where any needs it. */
const WIDE_AT = 36;
const WIDE_BYTES = 24;

/** Encodes all that is durable. */
export function encodeProducers(streamId: Uint8Array, producers: Producers<unknown>): Uint8Array {
	const durable = [...producers.all].filter(({ durableEpoch }) => durableEpoch >= 0);
	const wide = durable.some(({ window }) => window.isWide);
	const sizes = durable.map(({ idBytes, window }) => {
		const head = padded(ID_AT + idBytes.length);
		return head + window.runs.length * RUN_BYTES + window.places * (wide ? WIDE_BYTES : ANSWER_BYTES);
	});
	const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, HEADER_BYTES));
	const view = viewOf(bytes);
	bytes.set(new TextEncoder().encode(MAGIC));
	view.setUint16(12, VERSION, true);
	bytes.set(streamId, 16);
	view.setUint32(32, durable.length, true);
	view.setUint8(WIDE_AT, wide ? 1 : 0);
	let at = HEADER_BYTES;
	for (const [index, producer] of durable.entries()) {
		encodeProducer(bytes, view, at, producer, wide);
		at += sizes[index] as number;
	}
	view.setUint32(8, checksum(bytes.subarray(12)), true);
	return bytes;
}

function encodeProducer(
	bytes: Uint8Array,
	view: DataView,
	start: number,
	{ idBytes, durableEpoch, window }: Producer<unknown>,
	wide: boolean,
): void {
	writeU64(view, start, durableEpoch);
	view.setUint32(start + 8, window.runs.length, true);
	view.setUint32(start + 12, window.places, true);
	view.setUint8(start + 16, idBytes.length);
	bytes.set(idBytes, start + ID_AT);
	let at = start + padded(ID_AT + idBytes.length);
	for (const { epoch, first, count } of window.runs) {
		writeU64(view, at, epoch);
		writeU64(view, at + 8, first);
		writeU64(view, at + 16, count);
		at += RUN_BYTES;
	}
	for (let index = 0; index < window.count; index++) {
		const answer = window.at(index);
		const others = answer.others ?? [];
		for (const [number, { from, to, shard }] of [answer, ...others].entries()) {
			writeU64(view, at, from);
			writeU64(view, at + 8, to);
			if (wide) view.setUint32(at + 16, shard, true);
			if (wide) view.setUint32(at + 20, others.length - number, true);
			at += wide ? WIDE_BYTES : ANSWER_BYTES;
		}
	}
}

/** Adds what the file in `folder` says to `producers`; a missing one, or one of another stream than `streamId`, says nothing. @throws CORRUPT, FORMAT_VERSION */
export async function loadProducers(
	disk: Disk,
	folder: string,
	streamId: Uint8Array | undefined,
	producers: Producers<unknown>,
): Promise<void> {
	const path = join(folder, PRODUCERS_FILE);
	let bytes: Uint8Array;
	try {
		bytes = await disk.readFile(path);
	} catch (error) {
		if (isGone(error)) return;
		throw error;
	}
	decodeProducers(bytes, path, streamId, producers);
}

/** Adds what the bytes of a file say to `producers`. @throws CORRUPT, FORMAT_VERSION */
export function decodeProducers(
	bytes: Uint8Array,
	path: string,
	streamId: Uint8Array | undefined,
	producers: Producers<unknown>,
): void {
	const view = viewOf(bytes);
	const magic = new TextDecoder("latin1").decode(bytes.subarray(0, MAGIC.length));
	const whole = bytes.length >= HEADER_BYTES && magic === MAGIC;
	if (!whole || checksum(bytes.subarray(12)) !== view.getUint32(8, true)) throw damaged(path);
	const version = view.getUint16(12, true);
	if (version !== VERSION) {
		throw fail("FORMAT_VERSION", `${path} has format ${version}, this version reads format ${VERSION}`);
	}
	if (streamId !== undefined && Buffer.compare(bytes.subarray(16, 32), streamId) !== 0) return;
	let at = HEADER_BYTES;
	for (let left = view.getUint32(32, true); left > 0; left--) {
		const next = decodeProducer(bytes, view, at, producers, view.getUint8(WIDE_AT) === 1);
		if (next === undefined) throw damaged(path);
		at = next;
	}
	if (at !== bytes.length) throw damaged(path);
}

/** Where the next producer begins, or `undefined` if this is none. */
function decodeProducer(
	bytes: Uint8Array,
	view: DataView,
	start: number,
	producers: Producers<unknown>,
	wide: boolean,
): number | undefined {
	const answerBytes = wide ? WIDE_BYTES : ANSWER_BYTES;
	if (start + ID_AT > bytes.length) return undefined;
	const runs = view.getUint32(start + 8, true);
	const answers = view.getUint32(start + 12, true);
	const idBytes = view.getUint8(start + 16);
	const runsAt = start + padded(ID_AT + idBytes);
	let at = runsAt + runs * RUN_BYTES;
	const end = at + answers * answerBytes;
	if (end > bytes.length) return undefined;
	const id = new TextDecoder().decode(bytes.subarray(start + ID_AT, start + ID_AT + idBytes));
	const taken = readU64(view, start);
	for (let run = runsAt; run < runsAt + runs * RUN_BYTES; run += RUN_BYTES) {
		const epoch = readU64(view, run);
		const first = readU64(view, run + 8);
		const count = readU64(view, run + 16);
		if (Number.isNaN(epoch + first + count) || at + count * answerBytes > end) return undefined;
		for (let index = 0; index < count; index++) {
			for (let more = 1; more > 0 && at < end; more--) {
				const shard = wide ? view.getUint32(at + 16, true) : 0;
				const from = readU64(view, at);
				producers.redo(id, epoch, first + index, { shard, from }, [readU64(view, at + 8) - from]);
				if (wide) more = view.getUint32(at + 20, true) + 1;
				at += answerBytes;
			}
		}
	}
	if (Number.isNaN(taken) || at !== end) return undefined;
	producers.take(id, taken);
	return end;
}

function damaged(path: string): Error {
	return corrupt({
		path,
		offset: 0,
		what: "what the producers have stored fails its check",
		hint: "Restore this file from a backup of the same moment. Without it the stream can be read, and appended to without a producer; removing it forgets all producers, so that a retry of what was stored is stored once more.",
	});
}
