/** Dumps the checkpoint file of a journal: its two slots, and which of them counts. */
import { formatUuid } from "../../core/random.ts";
import { type Checkpoint, decodeCheckpoint, SLOT_BYTES } from "../format/checkpoint-file.ts";
import { bytesAt, type DumpLine, type DumpSource } from "./dump-line.ts";

/** Dumps a checkpoint file. */
export async function* dumpCheckpoint(source: DumpSource): AsyncGenerator<DumpLine> {
	const bytes = await bytesAt(source, 0, 2 * SLOT_BYTES);
	const slots = [0, SLOT_BYTES].map((offset) => slotAt(bytes, offset));
	const good = slots.map(({ slot }) => slot).filter((slot): slot is Checkpoint => typeof slot === "object");
	const best = good.toSorted((a, b) => b.sequence - a.sequence)[0];
	for (const { offset, slot, store, empty } of slots) {
		if (typeof slot === "object") {
			const { file, offset: roundAt, ...rest } = slot;
			yield { part: "slot", offset, ok: true, counts: slot === best, store, ...rest, file, roundAt };
		} else if (empty && best !== undefined) {
			yield { part: "slot", offset, ok: true, counts: false, empty: true };
		} else if (slot === "version") {
			yield { part: "slot", offset, ok: false, reason: "it was written in a format that this version does not read" };
		} else {
			const reason = "this slot of the checkpoint fails its check";
			// An owner that died while it wrote a slot left it torn; after a clean close both are whole.
			yield { part: "slot", offset, ok: false, reason, ...(best?.clean === false ? { torn: true } : {}) };
		}
	}
}

interface Slot {
	readonly offset: number;
	readonly slot: Checkpoint | "version" | undefined;
	readonly store: string;
	readonly empty: boolean;
}

function slotAt(bytes: Uint8Array, offset: number): Slot {
	const part = bytes.subarray(offset, offset + SLOT_BYTES);
	const id = part.slice(16, 32);
	const empty = part.every((byte) => byte === 0);
	const store = id.length === 16 ? formatUuid(id) : "";
	return { offset, slot: decodeCheckpoint(part, id), store, empty };
}
