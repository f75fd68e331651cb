/** Bytes and names of staged files, and of the round's record that makes segments of them (docs/format.md §7). */
import { join } from "node:path/posix";
import { formatUuid, parseUuid } from "../../core/random.ts";
import type { StreamKind } from "../../core/stream-config.ts";
import { checksum, readU64, viewOf, writeU64 } from "./checksum.ts";
import { CONTROL_BYTES, controlFrame } from "./control-frame.ts";
import { FrameType } from "./frame.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentTag } from "./segment-header.ts";

/** Folder of a shard that holds its staged files. */
export const STAGED_FOLDER = "staged";
/** Bytes at the beginning of a staged file that are written at its commit: the header and the state frame. */
export const STAMP_BYTES: number = SEGMENT_HEADER_BYTES + CONTROL_BYTES;

const HEAD_BYTES = 48;
const FILE_BYTES = 24;

/** A staged file. */
export interface StagedFile {
	/** Random: what its frames are known by. */
	readonly number: number;
	/** Bytes that count, and units in them. */
	readonly bytes: number;
	readonly units: number;
}

/** What makes segments of the staged files of one shard. */
export interface Adoption {
	/** Id of the write. */
	readonly id: string;
	/** Time of the commit. */
	readonly time: number;
	readonly head: number;
	/** Last ingestion time before it. */
	readonly timeFloor: number;
	/** With the positions that they get. */
	readonly files: readonly (StagedFile & { readonly base: number })[];
	/** Folder of the stream below `streams/`. */
	readonly folder: string;
}

/** Whose files they are. */
export interface StagedOwner {
	/** 16 bytes. */
	readonly streamId: Uint8Array;
	readonly shard: number;
	readonly kind: StreamKind;
}

/** Path of a staged file of the shard whose folder is given. */
export function stagedPath(folder: string, id: string, index: number): string {
	return join(folder, STAGED_FOLDER, `${id}.${String(index).padStart(5, "0")}.seg`);
}

/** Path of the file that says that a write is prepared. */
export function preparedPath(folder: string, id: string): string {
	return join(folder, STAGED_FOLDER, `${id}.json`);
}

/** What a name in `staged/` tells. */
export interface StagedName {
	readonly id: string;
	/** It is the descriptor; else a file with data. */
	readonly prepared: boolean;
}

/** Id of the write that a name in `staged/` belongs to, and what the name is; `undefined` if it is none of ours. */
export function stagedName(name: string): StagedName | undefined {
	const found = /^([0-9a-f-]{36})(\.json|\.[0-9]{5}\.seg)$/.exec(name);
	const id = found?.[1];
	return id === undefined || parseUuid(id) === undefined ? undefined : { id, prepared: found?.[2] === ".json" };
}

/** Header and state frame of a staged file as its commit writes them. */
export function encodeStamp(owner: StagedOwner, adoption: Adoption, index: number): Uint8Array {
	const { streamId, shard, kind } = owner;
	const { time, head, timeFloor, files } = adoption;
	const { number, base } = files[index] as Adoption["files"][number];
	const following = files.length - 1 - index;
	const bytes = new Uint8Array(STAMP_BYTES);
	bytes.set(encodeSegmentHeader({ kind, streamId, shard, number, base, createdAt: time, following }));
	const place = { type: FrameType.state, tag: segmentTag(streamId, shard, number), relative: 0, time, round: 0 };
	bytes.set(controlFrame(place, { head, timeFloor, sealed: false }), SEGMENT_HEADER_BYTES);
	return bytes;
}

/** Encodes the body of an adopt's envelope. */
export function encodeAdoption({ id, time, head, timeFloor, files, folder }: Adoption): Buffer {
	const name = Buffer.from(folder);
	const body = Buffer.alloc(HEAD_BYTES + files.length * FILE_BYTES + name.length);
	const view = viewOf(body);
	body.set(parseUuid(id) as Uint8Array);
	writeU64(view, 16, time);
	writeU64(view, 24, head);
	writeU64(view, 32, timeFloor);
	view.setUint32(40, files.length, true);
	let at = HEAD_BYTES;
	for (const { base, number, bytes, units } of files) {
		writeU64(view, at, base);
		view.setUint32(at + 8, number, true);
		view.setUint32(at + 12, bytes, true);
		view.setUint32(at + 16, units, true);
		at += FILE_BYTES;
	}
	body.set(name, at);
	return body;
}

/** Decodes the body of an adopt's envelope; `undefined` if it is none. */
export function decodeAdoption(body: Uint8Array): Adoption | undefined {
	if (body.length < HEAD_BYTES) return undefined;
	const view = viewOf(body);
	const count = view.getUint32(40, true);
	const nameAt = HEAD_BYTES + count * FILE_BYTES;
	if (nameAt > body.length) return undefined;
	const files: (StagedFile & { base: number })[] = [];
	for (let at = HEAD_BYTES; at < nameAt; at += FILE_BYTES) {
		files.push({
			base: readU64(view, at),
			number: view.getUint32(at + 8, true),
			bytes: view.getUint32(at + 12, true),
			units: view.getUint32(at + 16, true),
		});
	}
	const [time, head, timeFloor] = [readU64(view, 16), readU64(view, 24), readU64(view, 32)];
	if (Number.isNaN(time + head + timeFloor) || files.some(({ base }) => Number.isNaN(base))) return undefined;
	const folder = new TextDecoder().decode(body.subarray(nameAt));
	return { id: formatUuid(body), time, head, timeFloor, files, folder };
}

/** A prepared write as its descriptor tells of it. */
export interface PreparedWrite {
	readonly id: string;
	/** Id of the stream. */
	readonly stream: string;
	readonly createdAt: number;
	readonly preparedAt: number;
	readonly files: readonly StagedFile[];
}

/** Larger descriptors are not searched for a flipped bit: it takes a while, and another damage might pass for one. */
const MENDED_BYTES = 2048;

/** The descriptor as it was before one bit of it was flipped, if its checksum proves which. */
export function mendPrepared(bytes: Uint8Array): Uint8Array | undefined {
	if (bytes.length > MENDED_BYTES) return undefined;
	const tried = bytes.slice();
	for (let bit = 0; bit < bytes.length * 8; bit++) {
		tried[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
		if (decodePrepared(tried) !== undefined) return tried;
		tried[bit >> 3] = bytes[bit >> 3] as number;
	}
	return undefined;
}

/** Encodes the descriptor of a prepared write. */
export function encodePrepared({ id, stream, createdAt, preparedAt, files }: PreparedWrite, shard: number): Uint8Array {
	const write = { id, stream, shard, createdAt, preparedAt, files };
	const crc = checksum(Buffer.from(JSON.stringify(write)));
	return new TextEncoder().encode(`${JSON.stringify({ format: 1, crc, write })}\n`);
}

/** Decodes the descriptor of a prepared write; `undefined` if it is none. */
export function decodePrepared(bytes: Uint8Array): PreparedWrite | undefined {
	try {
		const { format, crc, write } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
		if (crc !== checksum(Buffer.from(JSON.stringify(write)))) return undefined;
		const { id, stream, createdAt, preparedAt, files } = write as Record<string, unknown>;
		const known = format === 1 && [id, stream].every((one) => typeof one === "string" && parseUuid(one) !== undefined);
		const timed = [createdAt, preparedAt].every(isCount);
		if (!known || !timed || !Array.isArray(files) || !files.every(isStagedFile)) return undefined;
		return { id, stream, createdAt, preparedAt, files } as unknown as PreparedWrite;
	} catch {
		return undefined;
	}
}

function isStagedFile(value: unknown): boolean {
	const { number, bytes, units } = (value ?? {}) as Record<string, unknown>;
	return [number, bytes, units].every((one) => isCount(one) && (one as number) < 2 ** 32);
}

function isCount(value: unknown): boolean {
	return Number.isSafeInteger(value) && (value as number) >= 0;
}
