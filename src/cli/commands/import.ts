/** `streambed import`: records of another system's files become records of a stream. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { fail, StreambedError } from "../../core/errors.ts";
import { describe } from "../../core/options.ts";
import type { RecordStream } from "../../index.ts";
import { type StreamRecord, StreamStorageFS } from "../../stream-ops/index.ts";
import { requireShard } from "../append-records.ts";
import { type CommandContext, type CommandSpec, type OptionValues, streamArgument, textOption } from "../command.ts";
import { asStreambedError } from "../error-text.ts";
import { withStream } from "../open-store.ts";
import { type CopiedRecord, PartsCopy } from "../parts-copy.ts";
import { countedRecords, partsTold } from "../parts-count.ts";
import { Progress } from "../progress.ts";
import { type StreamOpsStream, streamsIn } from "../stream-ops-folders.ts";
import { recordOfField } from "../stream-ops-record.ts";
import { TargetStream } from "../target-stream.ts";
import { formatBytes, formatCount, parseCount } from "../units.ts";

/** Bytes of one append, unless a record is larger. */
const appendBytes = 1024 * 1024;

/** Imports records. */
export const importStream: CommandSpec = {
	name: "import",
	section: "Data",
	summary: "Take records in",
	purpose:
		"Append the records of a stream of Stream Ops for Java, 0.6 or 0.7, to a record\nstream; a missing one is made. The value of a record is its RION field as it is.",
	args: [
		{ term: "<format>", help: "stream-ops" },
		{ term: "<dir>", help: "the folder of its block files" },
		streamArgument,
	],
	options: [
		{ flags: "--from <offset>", help: "first record to take, as when going on after a failure" },
		{ flags: "--shard <n>", help: "where all go; default: those with a key to its shard,\nothers to shard 0" },
	],
	later: [],
	examples: [
		"streambed import stream-ops ./streams/stream-1 old/stream-1",
		"streambed import stream-ops ./streams/stream-1 ./data/old/stream-1",
		"streambed import stream-ops ./streams/stream-1 old/stream-1 --from 4096 --json",
	],
	exits: {
		2: "wrong name or option, a record of more than 8 MiB, or a byte stream",
		3: "no such folder",
		4: "the stream is sealed, or --from lies beyond the folder's end",
		5: "a block is damaged; the records before it are stored",
		6: "another process owns the store, or the disk is full",
		8: "it is unknown whether a record was stored",
	},
	run,
};

async function run(context: CommandContext, args: readonly string[], options: OptionValues): Promise<void> {
	const [format, dir = "", address = ""] = args;
	const [from, shard] = ["from", "shard"].map((name) => textOption(options, name));
	const plan: ImportPlan = {
		from: from === undefined ? 0 : parseCount(from, "--from"),
		shard: shard === undefined ? undefined : parseCount(shard, "--shard"),
	};
	if (format !== "stream-ops") throw fail("INVALID_OPTION", `import knows stream-ops, not ${describe(format)}`);
	const source = sourceOf(dir, context.io.cwd);
	const storage = new StreamStorageFS(source.id, source.folder, undefined, { create: false });
	// A folder that cannot be read makes no stream.
	await storage.open();
	requireWithin(plan.from, storage.nextRecordOffset, dir);
	await withStream(context, address, "create", async (open) => {
		const target = await TargetStream.find(context, open, "records", { create: true });
		if (plan.shard !== undefined) requireShard(plan.shard, await target.shards());
		await target.make();
		await importRecords(context, open.records, storage, plan);
	});
}

interface ImportPlan {
	readonly from: number;
	readonly shard: number | undefined;
}

/** Going on at the end is going on with nothing; beyond it lies no record. @throws OUT_OF_RANGE */
function requireWithin(from: number, end: number, dir: string): void {
	if (from <= end) return;
	throw fail("OUT_OF_RANGE", `offset ${from} lies beyond the end of ${dir} at ${end}`, {
		hint: `Nothing was imported. --from may be at most ${end}, which takes nothing.`,
		details: { tail: end },
	});
}

/** The stream in a folder. @throws NOT_FOUND, INVALID_OPTION */
function sourceOf(dir: string, cwd: string): StreamOpsStream {
	const folder = resolve(cwd, dir);
	if (!existsSync(folder)) {
		throw fail("NOT_FOUND", `there is no folder ${dir}`, {
			hint: "Name the folder that holds a stream's block files.",
			details: { path: folder },
		});
	}
	const isFolder = statSync(folder).isDirectory();
	const found = isFolder ? streamsIn(folder) : [];
	const [first] = found;
	if (first !== undefined && found.length === 1 && first.folder === folder) return first;
	// A stream that was made and never opened has no block yet.
	if (isFolder && readdirSync(folder).length === 0) return { folder, id: basename(folder) };
	const names = found.map((stream) =>
		stream.folder === folder ? stream.id : join(dir, relative(folder, stream.folder)),
	);
	throw fail("INVALID_OPTION", `${dir} is not the folder of one stream of Stream Ops`, {
		hint:
			first === undefined
				? "It must hold block files, whose names end in a dash and sixteen digits."
				: `It has these: ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""}. Name the folder of one.`,
		details: { path: folder },
	});
}

/** Where an import is: what precedes `next` is stored. */
interface Imported {
	/** Those in parts count once. */
	records: number;
	/** Of records in parts. */
	partCount: number;
	bytes: number;
	/** Offset of the first record that is not stored. */
	next: number;
	missing: number;
	/** Where parts stand of a record that is not stored before its last one has come. */
	readonly parts: { readonly offset: number; readonly bytes: { readonly length: number } }[];
}

async function importRecords(
	context: CommandContext,
	stream: RecordStream,
	storage: StreamStorageFS,
	plan: ImportPlan,
): Promise<void> {
	const { out, global, signal } = context;
	const blocks = (await storage.getStorageBlocks()).filter(({ path }) => existsSync(path));
	const total = blocks.reduce((sum, { fileLength }) => sum + fileLength, 0);
	const progress = new Progress(context, "import", total);
	const done: Imported = { records: 0, partCount: 0, bytes: 0, next: plan.from, missing: 0, parts: [] };
	const records = storage.records({ from: plan.from, signal });
	const copy = new PartsCopy(stream);
	try {
		for await (const batch of records.batches()) {
			for (const group of groups(batch, plan.shard)) {
				await append(stream, copy, group, done);
				progress.update(done.bytes);
			}
		}
		copy.requireWhole();
	} catch (thrown) {
		const error = asStreambedError(thrown);
		const only = done.records === 0 ? "nothing" : `only ${countedRecords(done.records, done.partCount)}`;
		out.say(`imported ${only} to ${stream.address}; to go on: --from ${done.next}`);
		const details = { ...error.details, acknowledgedRecords: done.records, nextOffset: done.next };
		throw new StreambedError(error.code, error.message, { hint: error.hint, details, cause: error });
	} finally {
		progress.stop();
		await copy.abort();
	}
	const { tornTail } = records;
	if (global.json) {
		const told = { records: done.records, ...partsTold(done.partCount), blocks: blocks.length, bytes: done.bytes };
		await out.json(tornTail === null ? told : { ...told, tornTail });
	}
	out.say(
		`imported ${countedRecords(done.records, done.partCount)} with ${formatBytes(done.bytes)} of ${formatCount(blocks.length)} ${blocks.length === 1 ? "block" : "blocks"} to ${stream.address}`,
	);
	if (done.missing > 0) {
		out.say(`note: ${formatCount(done.missing)} offsets have no record: what follows them has other numbers here`);
	}
	if (tornTail !== null) {
		out.say(
			`note: block ${tornTail.block} ends in a record that is not whole, of ${tornTail.tornBytes} bytes; it was left out`,
		);
	}
}

/** Records that are one append: either all of them are stored, or none; or a single part of a larger record. */
interface Group {
	readonly fields: readonly StreamRecord[];
	readonly records: readonly CopiedRecord[];
}

function* groups(batch: readonly StreamRecord[], shard: number | undefined): Generator<Group> {
	let fields: StreamRecord[] = [];
	let records: CopiedRecord[] = [];
	let bytes = 0;
	for (const field of batch) {
		const content = recordOfField(field.bytes);
		// What has no key keeps its order.
		const record = { ...content, shard: shard ?? (content.key === undefined && !isLaterPart(content) ? 0 : undefined) };
		const apart = record.part !== undefined || records.at(-1)?.part !== undefined;
		if (records.length > 0 && (apart || bytes + field.bytes.length > appendBytes)) {
			yield { fields, records };
			fields = [];
			records = [];
			bytes = 0;
		}
		fields.push(field);
		records.push(record);
		bytes += field.bytes.length;
	}
	if (records.length > 0) yield { fields, records };
}

/** It goes where the first part goes. */
function isLaterPart({ part }: CopiedRecord): boolean {
	return part !== undefined && part.index > 0;
}

async function append(
	stream: RecordStream,
	copy: PartsCopy,
	{ fields, records }: Group,
	done: Imported,
): Promise<void> {
	const [first] = records;
	try {
		if (first?.part === undefined) {
			copy.requireWhole();
			await stream.append(records, { atomic: true });
		} else if ((await copy.take({ ...first, part: first.part })) === undefined) {
			for (const { offset, bytes } of fields) done.parts.push({ offset, bytes: { length: bytes.length } });
			return;
		}
	} catch (thrown) {
		const { code, message, hint, details } = asStreambedError(thrown);
		const [{ offset } = { offset: 0 }] = fields;
		const place = fields.length === 1 ? `the record of offset ${offset}` : `records from offset ${offset} on`;
		throw new StreambedError(code, `${place}: ${message}`, { hint, details, cause: thrown });
	}
	const stored = [...done.parts.splice(0), ...fields];
	for (const { offset, bytes } of stored) {
		done.missing += offset - done.next;
		done.next = offset + 1;
		done.bytes += bytes.length;
	}
	done.records += records.length;
	if (first?.part !== undefined) done.partCount += stored.length;
}
