/**
 * A record as the one field that Stream Ops keeps of it, and back. What is nothing but a RION field is that field. Any
 * other record is an object that begins with the member `streambed`, so that nothing of it is lost.
 */
import { isBytes } from "../core/options.ts";
import type { RecordPart } from "../index.ts";
import { decode, encode, fieldLength, type RionValue } from "../stream-ops/rion/index.ts";
import type { CopiedRecord } from "./parts-copy.ts";

/** What a record holds for others than its shard: where it stands, and since when, is the shard's. */
export type RecordContent = Pick<CopiedRecord, "value" | "key" | "headers" | "clientInfo" | "eventTime" | "part">;

const version = 1;
/** The key `streambed`, as the first member of an object has it. */
const firstKey = encode({ streambed: null }).subarray(2, 12);
const objectType = 0xc;
const extendedType = 0xf;
const offsetFieldType = 1;

/** The field that stands for a record. */
export function fieldOfRecord(record: RecordContent): Uint8Array {
	const { value } = record;
	return isPlain(record) && isField(value) && unfold(value) === undefined ? value : fold(record);
}

/** The record that a field stands for. */
export function recordOfField(field: Uint8Array): RecordContent {
	return unfold(field) ?? { value: field };
}

function isPlain({ key, headers, clientInfo, eventTime, part }: RecordContent): boolean {
	if ((key ?? clientInfo ?? eventTime ?? part ?? null) !== null) return false;
	return headers === undefined || headers === null || Object.keys(headers).length === 0;
}

/** One whole field, which Stream Ops could not take for the offset field of a block. */
function isField(bytes: Uint8Array): boolean {
	if (bytes.length === 0 || fieldLength(bytes, 0, bytes.length) !== bytes.length) return false;
	return (bytes[0] as number) >> 4 !== extendedType || bytes[1] !== offsetFieldType;
}

function fold({ value, key, headers, clientInfo, eventTime, part }: RecordContent): Uint8Array {
	const isEmpty = headers === undefined || headers === null || Object.keys(headers).length === 0;
	return encode({
		streambed: version,
		key: key ?? undefined,
		headers: isEmpty ? undefined : headers,
		clientInfo: clientInfo ?? undefined,
		eventTime: eventTime ?? undefined,
		part: part?.index,
		last: part?.last,
		value,
	});
}

/** The record that was folded to this field; `undefined` for any field that {@link fold} does not make. */
function unfold(field: Uint8Array): RecordContent | undefined {
	if (!beginsLikeOne(field)) return undefined;
	let members: RionValue;
	try {
		members = decode(field);
	} catch {
		return undefined;
	}
	const {
		value,
		key,
		headers,
		clientInfo,
		eventTime,
		part: index,
		last,
	} = members as Readonly<Record<string, unknown>>;
	if (!isBytes(value)) return undefined;
	const content = { value, key, headers, clientInfo, eventTime } as RecordContent;
	const record = index === undefined ? content : { ...content, part: { index, last } as RecordPart };
	return hasTypes(record) && Buffer.compare(fold(record), field) === 0 ? record : undefined;
}

function beginsLikeOne(field: Uint8Array): boolean {
	const lead = field[0] ?? 0;
	if (lead >> 4 !== objectType) return false;
	const keyAt = 1 + (lead & 15);
	return Buffer.compare(field.subarray(keyAt, keyAt + firstKey.length), firstKey) === 0;
}

function hasTypes({
	key,
	headers,
	clientInfo,
	eventTime,
	part,
}: { readonly [name in keyof RecordContent]?: unknown }): boolean {
	if (part !== undefined && !isPart(part as Partial<RecordPart>)) return false;
	if (key !== undefined && typeof key !== "string") return false;
	if (clientInfo !== undefined && !isBytes(clientInfo)) return false;
	if (eventTime !== undefined && !Number.isSafeInteger(eventTime)) return false;
	if (headers === undefined) return true;
	if (typeof headers !== "object" || headers === null || Array.isArray(headers)) return false;
	return Object.values(headers).every((text) => typeof text === "string");
}

function isPart({ index, last }: Partial<RecordPart>): boolean {
	return Number.isSafeInteger(index) && (index as number) >= 0 && typeof last === "boolean";
}
