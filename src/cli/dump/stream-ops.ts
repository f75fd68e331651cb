/** What stands in RION files, in block files of Stream Ops, in its streams, and in folders of them. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fail, StreambedError } from "../../core/errors.ts";
import { StreamStorageFS } from "../../stream-ops/index.ts";
import { decodeField, fieldLength } from "../../stream-ops/rion/index.ts";
import type { CommandContext } from "../command.ts";
import { printable } from "../printable.ts";
import { type PlacedField, splitFields } from "../rion-fields.ts";
import { type ShownField, shownField } from "../rion-json.ts";
import { blockPattern, streamsIn } from "../stream-ops-folders.ts";
import { formatCount } from "../units.ts";

const chunkBytes = 64 * 1024;
const shownCharacters = 60;

/** A place where something is not whole or not sound. */
interface Damage {
	readonly message: string;
	readonly path: string;
	readonly block: string | null;
	readonly offset: number;
}

/**
 * Shows the records of a path if it is RION's or Stream Ops', and tells whether it is.
 *
 * @throws CORRUPT{path,block,offset} after everything that could be read
 */
export async function dumpStreamOps(path: string, context: CommandContext): Promise<boolean> {
	if (!existsSync(path)) return false;
	const streams = statSync(path).isDirectory() ? streamsIn(path) : [];
	const damage: Damage[] = [];
	if (streams.length > 0) {
		for (const { folder, id } of streams) await dumpStream(folder, id, undefined, context, damage);
	} else if (!statSync(path).isFile()) {
		return false;
	} else {
		const id = blockPattern.exec(basename(path))?.[1];
		if (id !== undefined) await dumpStream(dirname(path), id, basename(path), context, damage);
		else if (await isRion(path)) await dumpRion(path, context, damage);
		else return false;
	}
	const [first] = damage;
	if (first === undefined) return true;
	const more = damage.length > 1 ? `, and ${damage.length - 1} more` : "";
	throw fail("CORRUPT", `${first.message}${more}`, {
		hint:
			first.block === null
				? "All that could be read was shown."
				: "All that could be read was shown. openForAppend cuts a torn tail off and keeps it beside the stream.",
		details: { path: first.path, block: first.block, offset: first.offset, validAfter: null },
	});
}

/** Block by block, so that one that is damaged does not hide the others. */
async function dumpStream(
	folder: string,
	id: string,
	only: string | undefined,
	context: CommandContext,
	damage: Damage[],
): Promise<void> {
	const storage = new StreamStorageFS(id, folder, undefined, { create: false });
	const blocks = await storage.getStorageBlocks();
	for (const [index, block] of blocks.entries()) {
		if (only !== undefined && block.fileName !== only) continue;
		const { fileName, firstOffset, fileLength } = block;
		if (context.global.json) await context.out.json({ stream: id, block: fileName, firstOffset, bytes: fileLength });
		else await context.out.line(`${printable(fileName)}: ${formatCount(fileLength)} bytes from offset ${firstOffset}`);
		const to = blocks[index + 1]?.firstOffset;
		const records = storage.records({ from: firstOffset, ...(to === undefined ? {} : { to }), signal: context.signal });
		try {
			for await (const { offset, bytes, block: name, byteOffset } of records) {
				if (name === fileName) await showRecord(context, { offset, byteOffset, bytes });
			}
		} catch (error) {
			if (!StreambedError.is(error) || error.category === "aborted") throw error;
			const offset = Number(error.details.offset ?? 0);
			damage.push({ message: error.message, path: block.path, block: fileName, offset });
		}
		const torn = records.tornTail;
		if (torn === null) continue;
		const { validLength, tornBytes } = torn;
		const message = `block ${fileName} ends in a torn record: ${tornBytes} bytes from byte ${validLength} on`;
		damage.push({ message, path: block.path, block: fileName, offset: validLength });
	}
	for (const problem of (await storage.verify()).problems) {
		const isGap = problem.kind === "gap" || problem.kind === "leadingGap";
		if (isGap && only === undefined) context.out.say(`note: ${printable(problem.message)}, before ${problem.block}`);
	}
}

interface DumpedRecord {
	readonly offset: number;
	readonly byteOffset: number;
	readonly bytes: Uint8Array;
}

async function showRecord({ out, global }: CommandContext, record: DumpedRecord): Promise<void> {
	const { offset, byteOffset, bytes } = record;
	const shown = shownOrRaw(bytes);
	if (global.json) await out.json({ offset, byteOffset, bytes: bytes.length, ...shown });
	else await out.line(`  ${offset}  byte ${byteOffset}  ${bytes.length} B  ${lineOf(shown)}`);
}

/** A record is stored whatever stands in it; what is no RION inside is shown as it is. */
function shownOrRaw(bytes: Uint8Array, failed: (error: unknown) => void = () => {}): ShownField {
	try {
		return shownField(decodeField(bytes));
	} catch (error) {
		failed(error);
		return { type: "invalid", value: Buffer.from(bytes).toString("base64") };
	}
}

function lineOf({ type, value }: ShownField): string {
	const text = JSON.stringify(value);
	return `${type}  ${printable(text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text)}`;
}

/** By its name, or because what it begins with can be taken apart into fields that writers make. */
async function isRion(path: string): Promise<boolean> {
	if (path.endsWith(".rion")) return true;
	for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes, end: chunkBytes - 1 })) {
		const bytes = chunk as Uint8Array;
		const isWhole = statSync(path).size === bytes.length;
		let at = 0;
		while (at < bytes.length) {
			const length = fieldLength(bytes, at, bytes.length);
			if (length === 0 || at + length > bytes.length) return !isWhole && at > 0;
			try {
				decodeField(bytes.subarray(at, at + length));
			} catch {
				return false;
			}
			at += length;
		}
		return true;
	}
	return false;
}

async function dumpRion(path: string, context: CommandContext, damage: Damage[]): Promise<void> {
	const { size } = statSync(path);
	const chunks = createReadStream(path, { highWaterMark: chunkBytes, signal: context.signal });
	try {
		for await (const field of splitFields(chunks, size)) {
			const problem = await showField(context, field);
			if (problem === undefined) continue;
			const message = `${path}: the field at byte ${field.offset} is ${problem}`;
			damage.push({ message, path, block: null, offset: field.offset });
		}
	} catch (error) {
		if (!StreambedError.is(error, "STREAMBED_DECODE")) throw error;
		const offset = Number(error.details.offset);
		damage.push({ message: `${path}: ${error.message}`, path, block: null, offset });
	}
}

/** Shows a field; returns what is wrong with it, if it is no RION inside. */
async function showField({ out, global }: CommandContext, { offset, bytes }: PlacedField): Promise<string | undefined> {
	let wrong: string | undefined;
	const shown = shownOrRaw(bytes, (error) => {
		wrong = (error as Error).message;
	});
	if (global.json) await out.json({ offset, bytes: bytes.length, ...shown });
	else await out.line(`  byte ${offset}  ${bytes.length} B  ${lineOf(shown)}`);
	return wrong;
}
