/** Records of the simulation: each says in its value whose it is, and everything else in it follows from that. */
import type { RecordInput, RecordPart, StreamRecord } from "../../src/index.ts";
import { firstDifference, payloadOf } from "./payloads.ts";

/** A record as it was thought of. */
export interface RecordPlan {
	readonly key: string | null;
	/** The shard that it names; `undefined` where its key or its turn decides. */
	readonly shard: number | undefined;
	/** Bytes of its value behind what says whose it is. */
	readonly bytes: number;
	/** Which part of a larger record it is, if it is one. */
	readonly part?: RecordPart | undefined;
}

/** Keys whose records are to keep their order. */
export const KEYS: readonly string[] = ["", "a", "b", "c", "d", "e", "user-7", "Zürich"];
/** Keys of records that name a shard: of these nobody has promised an order. */
export const LOOSE_KEYS: readonly string[] = ["x", "y"];

/** Which record of which call. */
export const IDENTITY_BYTES = 8;

/** The record of this number in a call. */
export function recordOf(number: number, index: number, { key, shard, bytes, part }: RecordPlan): RecordInput {
	const value = new Uint8Array(IDENTITY_BYTES + bytes);
	const view = new DataView(value.buffer);
	view.setUint32(0, number);
	view.setUint32(4, index);
	const mark = markOf(number, index);
	value.set(payloadOf(mark, bytes), IDENTITY_BYTES);
	if (isLater(part)) return { value };
	return {
		value,
		key,
		shard,
		headers: mark % 5 === 0 ? headersOf(mark) : undefined,
		clientInfo: mark % 7 === 0 ? payloadOf(mark, mark % 40) : undefined,
		eventTime: mark % 3 === 0 ? eventTimeOf(mark) : undefined,
	};
}

/** Whose a value is; `undefined` if it is nobody's. */
export function identityOf(value: Uint8Array): { readonly number: number; readonly index: number } | undefined {
	if (value.length < IDENTITY_BYTES) return undefined;
	const view = new DataView(value.buffer, value.byteOffset);
	return { number: view.getUint32(0), index: view.getUint32(4) };
}

/** Says what of a record is not as it was thought of. */
export function differenceOf(found: StreamRecord, number: number, index: number, plan: RecordPlan): string | undefined {
	const mark = markOf(number, index);
	const at = firstDifference(found.value.subarray(IDENTITY_BYTES), payloadOf(mark, plan.bytes));
	if (at >= 0) return `the byte ${IDENTITY_BYTES + at} of its value`;
	if (JSON.stringify(found.part) !== JSON.stringify(plan.part)) return "which part it is";
	if (isLater(plan.part)) return isBare(found) ? undefined : "that it has more than a value";
	if (found.key !== plan.key) return `its key ${JSON.stringify(found.key)}`;
	const headers = mark % 5 === 0 ? headersOf(mark) : {};
	if (JSON.stringify(found.headers) !== JSON.stringify(headers)) return "its headers";
	const info = mark % 7 === 0 ? payloadOf(mark, mark % 40) : null;
	const sameInfo =
		info === null || found.clientInfo === null ? info === found.clientInfo : same(found.clientInfo, info);
	if (!sameInfo) return "its client info";
	if (found.eventTime !== (mark % 3 === 0 ? eventTimeOf(mark) : null)) return `its event time ${found.eventTime}`;
	return undefined;
}

/** Only the first part has what the record holds beside its value. */
function isLater(part: RecordPart | undefined): boolean {
	return part !== undefined && part.index > 0;
}

function isBare({ key, headers, clientInfo, eventTime }: StreamRecord): boolean {
	return key === null && clientInfo === null && eventTime === null && Object.keys(headers).length === 0;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
	return firstDifference(a, b) < 0;
}

function markOf(number: number, index: number): number {
	return number * 31 + index;
}

function headersOf(mark: number): Record<string, string> {
	return { n: `${mark}`, ünï: "" };
}

function eventTimeOf(mark: number): number {
	return 1000 * mark - 5_000_000;
}
