/** Input of `append`: files and standard input, one after another, in chunks of what a read yields. */
import { closeSync, constants, createReadStream, fstatSync, open, openSync, type Stats, statSync } from "node:fs";
import { Socket } from "node:net";
import { resolve } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { promisify } from "node:util";
import { abortError } from "../core/abort.ts";
import { fail } from "../core/errors.ts";
import type { CliIo } from "./command.ts";

const readBytes = 64 * 1024;
const missingInput = "Nothing was read or stored. Name files, or - for standard input.";
/** Pause between attempts to end a wait for a named pipe's writer. */
const releaseMs = 10;

/** Input that has been looked at, and not been opened yet. */
export interface Input {
	/** Bytes in all, if every source is a file. */
	readonly totalBytes: number | undefined;
	/** Somebody types it: nothing else belongs on that terminal meanwhile. */
	readonly isTyped: boolean;
	/** Reads everything; no chunk is larger than `chunkBytes`. Ends with ABORTED when `signal` is aborted. */
	chunks(chunkBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array>;
	/** The same for each file by itself, where the end of one matters; to be read in order. */
	readonly files: readonly InputFile[];
}

/** One file of an input, or standard input. */
export interface InputFile {
	/** As {@link Input.chunks}. */
	chunks(chunkBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array>;
}

interface Source {
	readonly name: string;
	readonly bytes: number | undefined;
	open(chunkBytes: number, signal: AbortSignal): Readable | Promise<Readable>;
}

/** Looks at the files of a command line; none, or `-`, is standard input. @throws INVALID_OPTION, before anything is read */
export function openInput(files: readonly string[], io: CliIo): Input {
	const names = files.length === 0 ? ["-"] : files;
	if (names.filter((name) => name === "-").length > 1) {
		throw fail("INVALID_OPTION", "standard input (-) is given twice, and can be read only once");
	}
	const sources = names.map((name) => (name === "-" ? standardInput(io) : file(name, io)));
	const sizes = sources.map((source) => source.bytes ?? Number.NaN);
	const total = sizes.reduce((sum, size) => sum + size, 0);
	return {
		totalBytes: Number.isNaN(total) ? undefined : total,
		isTyped: names.includes("-") && io.stdin.isTTY === true,
		chunks: (chunkBytes, signal) => readAll(sources, chunkBytes, signal),
		files: sources.map((source) => ({ chunks: (chunkBytes, signal) => readAll([source], chunkBytes, signal) })),
	};
}

async function* readAll(
	sources: readonly Source[],
	chunkBytes: number,
	signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
	for (const source of sources) {
		if (signal.aborted) throw abortError(signal, `reading ${source.name}`);
		try {
			for await (const data of await source.open(chunkBytes, signal)) {
				const bytes: Uint8Array = typeof data === "string" ? Buffer.from(data) : data;
				for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
			}
		} catch (error) {
			if (signal.aborted) throw abortError(signal, `reading ${source.name}`);
			throw fail("IO", `cannot read ${source.name}: ${(error as Error).message}`, { cause: error });
		}
	}
}

/** Bytes to ask for at once: about 64 KiB in whole chunks, or one larger chunk. */
function readSize(chunkBytes: number): number {
	return chunkBytes >= readBytes ? chunkBytes : Math.floor(readBytes / chunkBytes) * chunkBytes;
}

function file(name: string, io: CliIo): Source {
	const path = resolve(io.cwd, name);
	let stats: Stats;
	try {
		stats = statSync(path);
	} catch (error) {
		throw fail("INVALID_OPTION", `cannot read the input file ${name}: ${(error as Error).message}`, {
			hint: missingInput,
			details: { path },
			cause: error,
		});
	}
	if (stats.isDirectory()) {
		throw fail("INVALID_OPTION", `the input ${name} is a folder, not a file`, {
			hint: missingInput,
			details: { path },
		});
	}
	if (stats.isFIFO()) return { name, bytes: undefined, open: (_, signal) => openPipe(path, signal) };
	return {
		name,
		bytes: stats.isFile() ? stats.size : undefined,
		open: (chunkBytes, signal) => createReadStream(path, { highWaterMark: readSize(chunkBytes), signal }),
	};
}

/** Opens a named pipe, which waits for a writer, so that both this wait and reading it end with `signal`. */
async function openPipe(path: string, signal: AbortSignal): Promise<Readable> {
	// Nothing ends an open that waits but a writer, so for a moment this process is one: again and again, since the
	// open may only be about to wait.
	let releasing: NodeJS.Timeout | undefined;
	const release = (): void => {
		closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
		releasing = setTimeout(release, releaseMs);
	};
	signal.addEventListener("abort", release, { once: true });
	const fd = await promisify(open)(path, constants.O_RDONLY).finally(() => {
		signal.removeEventListener("abort", release);
		clearTimeout(releasing);
	});
	return addAbortSignal(signal, new Socket({ fd, readable: true, writable: false }));
}

function standardInput(io: CliIo): Source {
	const name = "standard input";
	// A redirected file is read in chunks of the asked size; the stream that Node makes of it knows 64 KiB only.
	if (io.stdin === process.stdin) {
		const stats = fstatSync(0);
		if (stats.isDirectory()) {
			throw fail("INVALID_OPTION", "standard input is a folder, not a file", { hint: missingInput });
		}
		if (stats.isFile()) {
			return {
				name,
				bytes: stats.size,
				open: (chunkBytes, signal) =>
					createReadStream("", { fd: 0, autoClose: false, highWaterMark: readSize(chunkBytes), signal }),
			};
		}
	}
	return { name, bytes: undefined, open: (_, signal) => addAbortSignal(signal, io.stdin) };
}
