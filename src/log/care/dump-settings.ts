/** Dumps the small files of a store that are JSON: store.json, stream.json, OWNER, and those of prepared writes. */
import { parseUuid } from "../../core/random.ts";
import { decodePrepared } from "../format/staged-files.ts";
import { bytesAt, type DumpLine, type DumpSource } from "./dump-line.ts";

/** Larger files are not read: none of these is. */
export const SETTINGS_BYTES_MAX: number = 1024 * 1024;

/** Which file it is, by its members; `undefined` if it is none of ours. */
export function settingsKind(value: unknown): "store" | "stream" | "owner" | undefined {
	if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
	if ("format" in value && "id" in value) return "kind" in value || "scope" in value ? "stream" : "store";
	return "nonce" in value && "pid" in value ? "owner" : undefined;
}

/** Dumps such a file; `part` is what its name says. */
export async function* dumpSettings(source: DumpSource, part: string): AsyncGenerator<DumpLine> {
	const text = new TextDecoder().decode(await bytesAt(source, 0, Math.min(source.size, SETTINGS_BYTES_MAX)));
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		yield { part, offset: 0, ok: false, reason: "it is no JSON" };
		return;
	}
	const found = settingsKind(value);
	if (found !== part) {
		yield { part, offset: 0, ok: false, reason: "members that it should have are missing" };
		return;
	}
	const members = value as Record<string, unknown>;
	const wrong = part === "owner" ? undefined : wrongWith(members);
	yield { ...members, part, offset: 0, ok: wrong === undefined, ...(wrong === undefined ? {} : { reason: wrong }) };
}

/** Dumps what says that a write in parts is prepared. */
export async function* dumpPrepared(source: DumpSource): AsyncGenerator<DumpLine> {
	const prepared = decodePrepared(await bytesAt(source, 0, Math.min(source.size, SETTINGS_BYTES_MAX)));
	const line = { part: "prepared", offset: 0 };
	if (prepared === undefined) yield { ...line, ok: false, reason: "it fails its check" };
	else yield { ...line, ok: true, ...prepared };
}

function wrongWith({ format, id }: Record<string, unknown>): string | undefined {
	if (format !== 1) return `it has format ${String(format)}, this version reads format 1`;
	return typeof id === "string" && parseUuid(id) !== undefined ? undefined : "its id is no UUID";
}
