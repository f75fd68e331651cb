/**
 * Dumps a file of a store: what stands in it, thing by thing, with the outcome of its checks. Recognised by its first
 * bytes, where those are damaged by its name. Writes nothing, and works beside a running owner.
 */
import { basename } from "node:path/posix";
import { throwIfAborted } from "../../core/abort.ts";
import { fail } from "../../core/errors.ts";
import { rejectUnknown } from "../../core/options.ts";
import type { Disk } from "../../disk/disk.ts";
import { nodeDisk } from "../../disk/node-disk.ts";
import { lockName } from "../files/owner.ts";
import { ioError } from "../format/corruption.ts";
import { dumpCheckpoint } from "./dump-checkpoint.ts";
import { dumpIndex } from "./dump-index.ts";
import { dumpJournal } from "./dump-journal.ts";
import { bytesAt, type DumpLine, type DumpSource } from "./dump-line.ts";
import { dumpSegment } from "./dump-segment.ts";
import { dumpPrepared, dumpSettings, SETTINGS_BYTES_MAX, settingsKind } from "./dump-settings.ts";

/** How to dump. */
export interface DumpOptions {
	/** Show the first 64 bytes of data, in hexadecimal. Default false. */
	readonly data?: boolean | undefined;
	readonly signal?: AbortSignal | undefined;
	/** File system, for tests. */
	readonly disk?: Disk | undefined;
}

type Dump = (source: DumpSource) => AsyncGenerator<DumpLine>;

/** Kinds of file by the magic that they begin with and by the names that they have. */
const kinds: readonly { readonly magic: string; readonly name: RegExp; readonly dump: Dump }[] = [
	{ magic: "SBEDSEG1", name: /\.seg\b/, dump: dumpSegment },
	{ magic: "SBEDIDX1", name: /\.idx\b/, dump: dumpIndex },
	{ magic: "SBEDJNL1", name: /\.jnl\b/, dump: dumpJournal },
	{ magic: "SBEDCKP1", name: /^checkpoint\b/, dump: dumpCheckpoint },
	{ magic: "{", name: /^store\.json\b/, dump: (source) => dumpSettings(source, "store") },
	{ magic: "{", name: /^stream\.json\b/, dump: (source) => dumpSettings(source, "stream") },
	{ magic: "{", name: /^[0-9a-f-]{36}\.json$/, dump: dumpPrepared },
	{ magic: "{", name: /^OWNER\b/, dump: (source) => dumpSettings(source, "owner") },
];

/**
 * Dumps the file `path`. Damage is told in the lines, and the dump goes on behind it.
 *
 * @throws NOT_FOUND, INVALID_OPTION for LOCK and for what is no file, DECODE for a file that is none of Streambed's
 */
export async function* dumpFile(path: string, options: DumpOptions = {}): AsyncGenerator<DumpLine> {
	rejectUnknown(options, ["data", "signal", "disk"], "the options of dumpFile");
	const { data = false, signal, disk = nodeDisk() } = options;
	throwIfAborted(signal, "dumping");
	try {
		await assertFile(disk, path);
		const file = await disk.open(path, "read");
		try {
			const source = { disk, path, file, size: await file.size(), data, signal };
			const dump = await recognise(source);
			yield* dump(source);
		} finally {
			await file.close();
		}
	} catch (error) {
		throw ioError(error, `dumping ${path}`);
	}
}

async function assertFile(disk: Disk, path: string): Promise<void> {
	const found = await disk.stat(path);
	if (found === undefined) {
		throw fail("NOT_FOUND", `there is no file ${path}`, {
			hint: "Name a file of a store, such as data/store.json or data/journal/checkpoint.",
			details: { path },
		});
	}
	if (found.kind !== "file") {
		throw fail("INVALID_OPTION", `${path} is no file`, {
			hint: "Name one file of a store, such as data/store.json or a .seg file; `streambed verify` reads a whole store.",
			details: { path },
		});
	}
	if (path.endsWith("/journal/reserve")) {
		throw fail("INVALID_OPTION", `${path} holds nothing: it keeps room for the time when the disk is full`, {
			hint: "The other files beside it can be dumped.",
			details: { path },
		});
	}
	const real = await disk.realPath(path);
	if (basename(path) !== lockName && basename(real) !== lockName) return;
	throw fail("INVALID_OPTION", `${path} is not dumped: nothing but its owner ever opens LOCK`, {
		hint: "It is an empty file that carries the kernel's lock; OWNER beside it says who holds the store.",
		details: { path },
	});
}

async function recognise(source: DumpSource): Promise<Dump> {
	const start = Buffer.from(await bytesAt(source, 0, 8)).toString("latin1");
	const found = kinds.find(({ magic }) => magic.length > 1 && magic === start);
	if (found !== undefined) return found.dump;
	const named = kinds.find(({ name }) => name.test(basename(source.path)));
	if (named !== undefined) return named.dump;
	if (source.size <= SETTINGS_BYTES_MAX && start.startsWith("{")) {
		const kind = settingsKind(await parsed(source));
		if (kind !== undefined) return (from) => dumpSettings(from, kind);
	}
	throw fail("DECODE", `${source.path} is not a file that Streambed wrote`, {
		hint: "Files of a store are *.seg, *.idx, journal/*.jnl, journal/checkpoint, store.json, stream.json and OWNER.",
		details: { path: source.path },
	});
}

async function parsed(source: DumpSource): Promise<unknown> {
	try {
		return JSON.parse(new TextDecoder().decode(await bytesAt(source, 0, source.size)));
	} catch {
		return undefined;
	}
}
