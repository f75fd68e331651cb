/** Dumps a sparse index: its header and its entries. */
import { readU64, viewOf } from "../format/checksum.ts";
import { decodeIndex } from "../format/sparse-index.ts";
import { bytesAt, type DumpLine, type DumpSource } from "./dump-line.ts";

const HEADER_BYTES = 64;
const ENTRY_BYTES = 32;

/** Dumps an index. */
export async function* dumpIndex(source: DumpSource): AsyncGenerator<DumpLine> {
	const bytes = await bytesAt(source, 0, source.size);
	const whole = bytes.length >= HEADER_BYTES;
	const tag = whole ? viewOf(bytes).getUint32(16, true) : 0;
	const base = whole ? readU64(viewOf(bytes), 24) : Number.NaN;
	const index = decodeIndex(bytes, tag, base, Number.MAX_SAFE_INTEGER);
	if (index === undefined) {
		const reason = "the index fails its check; it is a cache, and read no more";
		yield { part: "index", offset: 0, ok: false, reason };
		return;
	}
	const { coveredBytes, entries } = index;
	yield { part: "index", offset: 0, ok: true, base, tag, coveredBytes, entries: entries.length };
	for (const [number, entry] of entries.entries()) {
		const { fileOffset, relative, time, head, sealed } = entry;
		const offset = HEADER_BYTES + number * ENTRY_BYTES;
		yield { part: "entry", offset, ok: true, frameAt: fileOffset, position: base + relative, time, head, sealed };
	}
}
