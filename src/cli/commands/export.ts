/** `streambed export`: records of a stream become files of another system. */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { fail, StreambedError } from "../../core/errors.ts";
import { describe } from "../../core/options.ts";
import type { RecordStream } from "../../index.ts";
import { type BlockLayout, StreamStorageFS } from "../../stream-ops/index.ts";
import { type CommandContext, type CommandSpec, type OptionValues, streamArgument, textOption } from "../command.ts";
import { asStreambedError, isSystemError } from "../error-text.ts";
import { withStream } from "../open-store.ts";
import { countedRecords, partsTold } from "../parts-count.ts";
import { Progress } from "../progress.ts";
import { fieldOfRecord } from "../stream-ops-record.ts";
import { formatBytes, formatCount, parseCount, parseSize } from "../units.ts";

/** Exports records. */
export const exportStream: CommandSpec = {
	name: "export",
	section: "Data",
	summary: "Give records out",
	purpose:
		"Write the records of a stream to a new folder, as a stream of Stream Ops for\nJava. A value that is a RION field is that record; one that is not, or that has\na key, headers and so on, is wrapped, and import unwraps it.",
	args: [streamArgument, { term: "<dir>", help: "folder to be made; its name becomes the stream's id" }],
	options: [
		{ flags: "--format <name>", help: "stream-ops, required" },
		{ flags: "--layout <version>", help: "of the blocks: 0.7 (default) or 0.6" },
		{ flags: "--block-bytes <size>", help: "up to which a block is filled (default 8MiB)" },
		{ flags: "--shard <n>", help: "this shard only, instead of all in the order of read" },
	],
	later: [],
	examples: [
		"streambed export old/stream-1 ./streams/stream-1 --format stream-ops",
		"streambed export ./data/shop/orders ./orders --format stream-ops --shard 2",
		"streambed export old/logins ./streams/logins --format stream-ops --layout 0.6",
	],
	exits: {
		2: "wrong name or option, or a byte stream",
		3: "no such store or stream",
		4: "there is something in the folder",
		5: "stored records fail their checks",
		6: "the disk of the folder is full",
	},
	run,
};

interface ExportPlan {
	readonly shard: number | undefined;
	readonly layout: BlockLayout;
	readonly blockBytes: number | undefined;
}

async function run(context: CommandContext, args: readonly string[], options: OptionValues): Promise<void> {
	const [address = "", dir = ""] = args;
	const plan = planOf(options);
	const folder = resolve(context.io.cwd, dir);
	requireFree(folder, dir);
	const id = basename(folder);
	// Checks the id before anything is made.
	new StreamStorageFS(id, folder);
	await withStream(context, address, "read", async ({ records }) => {
		await records.open();
		const made = `${folder}.export-${randomUUID().slice(0, 8)}`;
		try {
			makeFolder(made, dir);
			const storage = new StreamStorageFS(id, made, plan.blockBytes, { layout: plan.layout, lock: false });
			await exportRecords(context, records, storage, plan);
			renameSync(made, folder);
			await syncFolder(dirname(folder));
		} catch (error) {
			rmSync(made, { recursive: true, force: true });
			throw ofTarget(error, dir);
		}
	});
}

/** @throws IO, READ_ONLY, DISK_FULL with what to do */
function makeFolder(path: string, dir: string): void {
	try {
		mkdirSync(dirname(path), { recursive: true });
		mkdirSync(path);
	} catch (error) {
		const { code, message, details } = asStreambedError(error);
		throw new StreambedError(code, `no folder can be made where ${dir} is to be: ${message}`, {
			hint: "Name a new folder on a disk that you may write to; nothing was exported.",
			details: { ...details, path: dirname(path) },
			cause: error,
		});
	}
}

/** The store is only read: what has no room, or may not be written, is the folder that was named. */
function ofTarget(error: unknown, dir: string): unknown {
	const ours = isSystemError(error) ? asStreambedError(error) : error;
	if (!StreambedError.is(ours, "STREAMBED_DISK_FULL")) return ours;
	const { code, message, details } = ours;
	return new StreambedError(code, message, {
		hint: `Free some space where ${dir} is to be, or name a folder on another disk. Nothing of it was left there.`,
		details,
		cause: error,
	});
}

function planOf(options: OptionValues): ExportPlan {
	const [format, layout = "0.7", shard, blockBytes] = ["format", "layout", "shard", "blockBytes"].map((name) =>
		textOption(options, name),
	);
	if (layout !== "0.7" && layout !== "0.6") {
		throw fail("INVALID_OPTION", `--layout must be 0.7 or 0.6, not ${describe(layout)}`, {
			details: { option: "--layout" },
		});
	}
	const plan: ExportPlan = {
		layout,
		shard: shard === undefined ? undefined : parseCount(shard, "--shard"),
		blockBytes: blockBytes === undefined ? undefined : parseSize(blockBytes, "--block-bytes"),
	};
	if (format !== "stream-ops") {
		const why =
			format === undefined
				? "export needs --format stream-ops"
				: `--format must be stream-ops, not ${describe(format)}`;
		throw fail("INVALID_OPTION", why, { details: { option: "--format" } });
	}
	return plan;
}

function requireFree(folder: string, dir: string): void {
	if (!existsSync(folder)) return;
	if (statSync(folder).isDirectory() && readdirSync(folder).length === 0) return;
	throw fail("EXISTS", `${dir} is there, and not an empty folder`, {
		hint: "Name a folder that is not there yet.",
		details: { path: folder },
	});
}

async function exportRecords(
	context: CommandContext,
	stream: RecordStream,
	storage: StreamStorageFS,
	{ shard }: ExportPlan,
): Promise<void> {
	const { out, global, signal } = context;
	const progress = new Progress(context, "export");
	let count = 0;
	let parts = 0;
	let bytes = 0;
	/** Which part has to come next, and parts that were left out. */
	let next = 0;
	let left = 0;
	await using reader = stream.read({ shard, signal });
	await storage.openForAppend();
	try {
		for await (const batch of reader.batches()) {
			const fields: Uint8Array[] = [];
			for (const record of batch) {
				// What is left of a record whose first parts are gone is no record.
				const { part } = record;
				if (part !== undefined && part.index > 0 && part.index !== next) {
					left++;
					continue;
				}
				next = part?.last === false ? part.index + 1 : 0;
				// A record in parts counts once, with its last one.
				if (part !== undefined) parts++;
				if (next === 0) count++;
				fields.push(fieldOfRecord(record));
			}
			if (fields.length > 0) await storage.appendRecords(fields);
			bytes += fields.reduce((sum, { length }) => sum + length, 0);
			progress.update(bytes);
		}
	} finally {
		progress.stop();
		await storage.closeForAppend();
	}
	const blocks = (await storage.getStorageBlocks()).length;
	if (global.json) {
		const more = left > 0 ? { incompleteParts: left } : {};
		await out.json({ records: count, ...partsTold(parts), blocks, bytes, ...more });
	}
	out.say(
		`exported ${countedRecords(count, parts)} of ${stream.address} with ${formatBytes(bytes)} to ${formatCount(blocks)} ${blocks === 1 ? "block" : "blocks"}`,
	);
	if (left > 0) {
		out.say(
			`note: ${formatCount(left)} parts at the heads belong to records whose beginning was dropped; they were left out`,
		);
	}
}

/** Makes a new name in a folder durable. */
async function syncFolder(path: string): Promise<void> {
	const handle = await openFile(path, "r");
	try {
		await handle.sync();
	} finally {
		await handle.close();
	}
}
