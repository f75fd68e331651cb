/**
 * A cut: a position in each shard of a stream, as a text that can be stored anywhere. It names the stream's id, so that
 * one of a stream that was deleted is not taken for its successor's, and has a checksum.
 *
 *   sbcut1.<base64url of: stream id, 16 bytes | shard + 1, or 0 for all | shards | positions | CRC-32, 4 bytes>
 *
 * Numbers are varints; a zero among the positions of all shards is followed by how many more zeros come.
 */
import { crc32 } from "node:zlib";
import { fail, type StreambedError } from "./errors.ts";
import { shardsMax } from "./limits.ts";
import { describe } from "./options.ts";
import { formatUuid, parseUuid } from "./random.ts";

/** A position in each shard, or in one of them, as a text. */
export type StreamCut = string;

/** What a cut says. */
export interface CutPositions {
	/** Id of the stream. */
	readonly stream: string;
	/** The only shard that it has a position of; `undefined`: it has one of each. */
	readonly shard: number | undefined;
	/** By shard; of a single one, its position alone. */
	readonly positions: readonly number[];
}

const PREFIX = "sbcut1.";
const ID_BYTES = 16;
const CRC_BYTES = 4;

/** Writes a cut. */
export function formatCut({ stream, shard, positions }: CutPositions): StreamCut {
	const bytes: number[] = [...(parseUuid(stream) as Uint8Array)];
	pushVarint(bytes, shard === undefined ? 0 : shard + 1);
	pushVarint(bytes, positions.length);
	for (let index = 0; index < positions.length; index++) {
		const position = positions[index] as number;
		pushVarint(bytes, position);
		if (position !== 0 || shard !== undefined) continue;
		let zeros = 0;
		while (positions[index + zeros + 1] === 0) zeros++;
		pushVarint(bytes, zeros);
		index += zeros;
	}
	const body = Buffer.from(bytes);
	const crc = Buffer.alloc(CRC_BYTES);
	crc.writeUInt32LE(crc32(body));
	return `${PREFIX}${Buffer.concat([body, crc]).toString("base64url")}`;
}

/** Reads a cut given by a user. @throws INVALID_OPTION */
export function parseCut(given: unknown, name: string): CutPositions {
	if (typeof given !== "string" || !given.startsWith(PREFIX)) throw noCut(name, given);
	const text = given.slice(PREFIX.length);
	const bytes = Buffer.from(text, "base64url");
	const end = bytes.length - CRC_BYTES;
	if (end < ID_BYTES + 2 || bytes.toString("base64url") !== text) throw noCut(name, given);
	if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(0, end))) throw noCut(name, given);
	const walk = { bytes: bytes.subarray(0, end), at: ID_BYTES };
	const only = takeVarint(walk);
	const count = takeVarint(walk);
	const positions: number[] = [];
	while (positions.length < Math.min(count, shardsMax) && walk.at < end) {
		const position = takeVarint(walk);
		positions.push(position);
		if (position !== 0 || only !== 0) continue;
		for (let zeros = takeVarint(walk); zeros > 0 && positions.length < count; zeros--) positions.push(0);
	}
	const sound = positions.length === count && walk.at === end && positions.every((each) => Number.isSafeInteger(each));
	if (!sound || only > shardsMax || (only > 0 && count !== 1)) throw noCut(name, given);
	return { stream: formatUuid(bytes.subarray(0, ID_BYTES)), shard: only === 0 ? undefined : only - 1, positions };
}

function noCut(name: string, given: unknown): StreambedError {
	return fail("INVALID_OPTION", `${name} is no cut of a stream: ${describe(given)}`, {
		hint: "Pass on what cut() or a reader's location gave, unchanged.",
		details: { option: name },
	});
}

function pushVarint(bytes: number[], number: number): void {
	let value = number;
	while (value >= 0x80) {
		bytes.push((value % 0x80) | 0x80);
		value = Math.floor(value / 0x80);
	}
	bytes.push(value);
}

/** The next varint; NaN where there is none. */
function takeVarint(walk: { readonly bytes: Uint8Array; at: number }): number {
	let value = 0;
	for (let factor = 1; factor < 2 ** 56; factor *= 0x80) {
		const byte = walk.bytes[walk.at++];
		if (byte === undefined) return Number.NaN;
		value += (byte & 0x7f) * factor;
		if (byte < 0x80) return value;
	}
	return Number.NaN;
}
