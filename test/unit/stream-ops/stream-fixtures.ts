/** Streams that Stream Ops for Java wrote, step by step, and what a sound implementation makes of the same steps. */
import { chmodSync, cpSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fixtures, json, pattern, unhex } from "./fixtures.ts";

/** What a caller does in a case of a stream. */
export interface StepSpec {
	readonly op: string;
	readonly blockMaxSize?: number;
	readonly record?: { readonly kind: string; readonly length: number; readonly seed: number; readonly hex: string };
	readonly sourceOffset?: number;
	readonly sourceLength?: number;
	readonly value?: string;
	readonly expect?: StateSpec;
	readonly java?: StateSpec;
}

/** State after a step. */
export interface StateSpec {
	readonly error?: unknown;
	readonly nextRecordOffset?: string;
	readonly latestBlock?: string;
	readonly latestBlockLength?: number;
	readonly blockCount?: number;
}

interface FileSpec {
	readonly name: string;
	readonly length: number;
	readonly sha256: string;
	readonly firstOffset?: string;
	readonly recordCount?: number;
	readonly layout?: string;
}

export interface StreamCase {
	readonly id: string;
	/** Its folder below `streams/`. */
	readonly path: string;
	readonly layout: string;
	readonly conformance: "exact" | "readOnly" | "javaDefect" | "recovery" | "legacy";
	readonly streamId: string;
	readonly blockMaxSize: number | null;
	readonly filesIncluded?: boolean;
	readonly steps?: readonly StepSpec[];
	readonly expected: {
		readonly nextRecordOffset: string | null;
		readonly files: readonly FileSpec[];
		readonly records: readonly {
			readonly offset: string;
			readonly block: string;
			readonly byteOffset: number;
			readonly length: number;
			readonly hex?: string;
			readonly sha256?: string;
		}[];
		readonly tornTail: { readonly block: string; readonly validLength: number; readonly tornBytes: number } | null;
		readonly problems: readonly { readonly kind: string; readonly from?: string; readonly to?: string }[];
	};
	readonly soundWriter?: { readonly files: readonly FileSpec[] };
	readonly javaReopen?: { readonly nextRecordOffset?: string } | null;
	readonly java070Open?: { readonly nextRecordOffset?: string };
	readonly java064Open?: { readonly nextRecordOffset?: string; readonly error?: string };
}

/** All cases of streams. */
export function streamCases(): readonly StreamCase[] {
	const layouts = readdirSync(join(fixtures, "streams")).toSorted();
	return layouts.flatMap((layout) =>
		readdirSync(join(fixtures, "streams", layout))
			.toSorted()
			.map((id) => ({ ...json<StreamCase>("streams", layout, id, "case.json"), path: join(layout, id) })),
	);
}

/** The folder that holds the stream's folder, or `undefined` if the case has no files. */
export function streamRoot({ path }: StreamCase): string | undefined {
	const folder = join(fixtures, "streams", path, "stream");
	return existsSync(folder) ? folder : undefined;
}

/** Copies a folder; what was read-only there may be written here. */
export function copyTree(from: string, to: string): void {
	cpSync(from, to, { recursive: true });
	for (const entry of readdirSync(to, { recursive: true, withFileTypes: true })) {
		chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
	}
}

/** The bytes of a step's record, before they are sliced. */
export function sourceOf({ record }: StepSpec): Uint8Array {
	if (record === undefined) throw new Error("a step without a record");
	if (record.kind === "hex") return unhex(record.hex);
	const payload = pattern(record);
	const length: number[] = [];
	for (let rest = payload.length; rest > 0 || length.length === 0; rest = Math.floor(rest / 256))
		length.unshift(rest % 256);
	return Uint8Array.from([length.length, ...length, ...payload]);
}

/** Cases of the index and of reads. */
export interface IndexCase {
	readonly id: string;
	readonly indexLength: number;
	readonly offsetInterval: number;
	readonly appends: { readonly from: number; readonly to: number; readonly step: number };
	readonly entries: readonly [string, number, number][];
	readonly expectedLookups: readonly [string, { readonly block: number; readonly byteOffset: number } | null][];
}

export function indexCases(): readonly IndexCase[] {
	return json<{ cases: IndexCase[] }>("ops", "index.json").cases;
}

export interface ReadCases {
	readonly stream: string;
	readonly read: readonly {
		readonly blockIndex: number;
		readonly fromByte: number;
		readonly destLength: number;
		readonly destOffset: number;
		readonly length: number;
		readonly java: { readonly returned?: number; readonly hex?: string; readonly error?: string };
	}[];
	readonly iterateFrom: readonly { readonly fromOffset: string; readonly offsets: readonly string[] }[];
	readonly containing: readonly { readonly offset: string; readonly block: string | null }[];
}

export function readCases(): ReadCases {
	return json<ReadCases>("ops", "read.json");
}
